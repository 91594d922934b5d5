package httpapi

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

func (w *world) Exhibits(ctx context.Context, _ access.Scope, _ string) ([]incidents.Exhibit, error) {
	if err := w.gate(ctx); err != nil {
		return nil, err
	}
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	left, less := 0.5, 0.4
	return []incidents.Exhibit{
		{Moment: incidents.AtOpening, Kind: incidents.ExhibitSLO, Subject: "shop-latency", From: at.Add(-time.Hour), To: at, KeptAt: at,
			Outcome: incidents.ExhibitKept, Seen: 2, Content: incidents.ExhibitContent{Budget: &less, Points: []incidents.SLOPoint{
				{At: at.Add(-time.Hour), Remaining: &left}, {At: at, Remaining: &less}}}},
		{Moment: incidents.AtOpening, Kind: incidents.ExhibitTraces, From: at.Add(-time.Hour), To: at, KeptAt: at,
			Outcome: incidents.ExhibitUnconfigured, Missing: "No Tempo is configured."},
	}, nil
}

func (w *world) PendingExhibits(context.Context, access.Scope, string) ([]incidents.PendingExhibit, error) {
	return []incidents.PendingExhibit{{Moment: incidents.AtOpening, Kind: incidents.ExhibitLogs, Tries: 1, NextAt: time.Date(2026, 11, 1, 12, 1, 0, 0, time.UTC)}}, nil
}

func (w *world) Stake(ctx context.Context, _ incidents.Incident) (slo.Stake, error) {
	return slo.Stake{At: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), Tenants: []string{"acme"}, Credits: []slo.CreditAtStake{}}, w.gate(ctx)
}

func TestTheEvidenceOfAnIncidentSaysWhatWasSeenAndWhatIsMissing(t *testing.T) {
	app, _ := newWorld(t)
	got := ask(t, app, get, "/api/v1/incidents/2/evidence", "", bearer("viewer"))
	var list ExhibitList
	if err := json.Unmarshal([]byte(got.text), &list); err != nil {
		t.Fatalf("%+v, %v", got, err)
	}
	if len(list.Evidence) != 2 || len(list.Pending) != 1 || *list.Evidence[0].Budget != 0.4 || len([]rune(list.Evidence[0].Sparkline)) != sparkWidth {
		t.Errorf("%+v", list)
	}
	if e := list.Evidence[1]; e.Outcome != "not configured" || e.Says != "Nothing was seen from 2026-11-01 11:00:00 to 2026-11-01 12:00:00 UTC. No Tempo is configured." {
		t.Errorf("%+v", e)
	}
}
