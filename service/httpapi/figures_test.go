package httpapi

import (
	"context"
	"strings"
	"testing"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

func (w *world) Figures(ctx context.Context, _ access.Scope, f incidents.FiguresFilter) ([]incidents.Figures, error) {
	return []incidents.Figures{{Key: string(f.By), Incidents: 3}}, w.gate(ctx)
}

func (w *world) SearchIncidents(ctx context.Context, _ access.Scope, _ incidents.Search) ([]incidents.Incident, error) {
	return []incidents.Incident{{Number: 7, Severity: incidents.Critical, State: incidents.Resolved}}, w.gate(ctx)
}

func (w *world) Similar(ctx context.Context, _ access.Scope, _ string) ([]incidents.Similar, error) {
	return []incidents.Similar{{Precedent: incidents.Precedent{Incident: incidents.Incident{Severity: incidents.Critical, State: incidents.Resolved}, Reason: "warmed the cache"}, Score: 0.8}}, w.gate(ctx)
}

func (w *world) Suspects(ctx context.Context, _ access.Scope, _ string) ([]incidents.Suspect, error) {
	return []incidents.Suspect{{Score: 0.9, Reasons: []string{"same service"}}}, w.gate(ctx)
}

func TestFiguresNameWhatIsWrongWithAQuestion(t *testing.T) {
	app, _ := newWorld(t)
	for query, want := range map[string]string{
		"zone=Mars/Base": "zone:", "zone=Local": "zone:", "from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z": "from:",
	} {
		if got := ask(t, app, get, "/api/v1/figures?"+query, "", bearer("viewer")); !strings.Contains(got.text, want) {
			t.Errorf("%s: %+v", query, got)
		}
	}
}
