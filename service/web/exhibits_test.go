package web

import (
	"context"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

func (e evidenceOf) Exhibits(_ context.Context, scope access.Scope, _ string) ([]incidents.Exhibit, error) {
	if e.failing != nil || e.empty {
		return nil, e.failing
	}
	end := e.incidents[0].OpenedAt
	from := end.Add(-incidents.ExhibitBefore)
	promise := incidents.Exhibit{ID: 1, Moment: incidents.AtOpening, Kind: incidents.ExhibitSLO, Subject: "shop-availability", From: from, To: end,
		Outcome: incidents.ExhibitKept, Seen: 30}
	for n := range 30 {
		left := 0.9 - float64(n*n)/2000
		promise.Content.Points = append(promise.Content.Points, incidents.SLOPoint{At: from.Add(incidents.ExhibitBefore / 30 * time.Duration(1+n)), Remaining: &left})
		promise.Content.Budget = &left
	}
	if !scope.IsOperator() {
		return []incidents.Exhibit{promise}, nil
	}
	logs := incidents.Exhibit{ID: 2, Moment: incidents.AtOpening, Kind: incidents.ExhibitLogs, From: from, To: end, Outcome: incidents.ExhibitKept, Seen: 1,
		Private: true, Content: incidents.ExhibitContent{Lines: []incidents.LogLine{{At: end, Text: `level=error msg="no <connection> is free" password=[redacted]`}}}}
	traces := incidents.Exhibit{ID: 3, Moment: incidents.AtOpening, Kind: incidents.ExhibitTraces, From: from, To: end, Outcome: incidents.ExhibitKept, Seen: 2,
		Private: true, Content: incidents.ExhibitContent{Traces: []incidents.ExhibitTrace{
			{ID: "4bf92f3577b34da6a3ce929d0e0e4736", At: end, Service: "shop", Name: "POST /checkout", URL: "https://traces.example/4bf92f3577b34da6a3ce929d0e0e4736"},
			{ID: "00f067aa0ba902b7", At: end, URL: "javascript:alert(1)"}}}}
	exemplars := incidents.Exhibit{ID: 4, Moment: incidents.AtOpening, Kind: incidents.ExhibitExemplars, From: from, To: end, Private: true,
		Outcome: incidents.ExhibitUnreachable, Missing: "The metrics engine does not answer, at 5 tries."}
	return []incidents.Exhibit{promise, logs, traces, exemplars}, nil
}

func (e evidenceOf) Stake(context.Context, incidents.Incident) (slo.Stake, error) {
	return slo.Stake{At: e.now.Add(-20 * time.Second), Tenants: []string{"acme"}}, e.failing
}

func (e evidenceOf) PendingExhibits(context.Context, access.Scope, string) ([]incidents.PendingExhibit, error) {
	return nil, e.failing
}

func TestAnIncidentShowsWhatWasKeptAndWhatCouldNotBe(t *testing.T) {
	t.Parallel()
	page := get(t, newWorld().app(as(ada)), "/incidents/42")
	sound(t, "incident", page)
	for _, text := range []string{"password=[redacted]", "not reachable", "The metrics engine does not answer, at 5 tries.", "Budget left: shop-availability"} {
		if !page.has(text) {
			t.Errorf("the incident does not show %q", text)
		}
	}
	theirs := get(t, newWorld().app(as(acme)), "/incidents/42")
	if theirs.has("password=[redacted]") || !theirs.has("Kept when it opened") {
		t.Error("the customer does not see its own evidence alone")
	}
}

func TestATracesLinkLeadsNowhereButToPages(t *testing.T) {
	row := exhibitRowOf(incidents.Exhibit{Content: incidents.ExhibitContent{Traces: []incidents.ExhibitTrace{
		{ID: "1", URL: "javascript:alert(1)"}, {ID: "2", URL: "https://traces.example/2"}}}})
	if row.Content.Traces[0].URL != "" || row.Content.Traces[1].URL == "" {
		t.Errorf("links are %+v", row.Content.Traces)
	}
}
