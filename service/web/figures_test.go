package web

import (
	"context"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

// evidenceOf says how the world's incidents went: those of the shop slowly, those of billing without anybody's doing.
type evidenceOf struct{ *world }

func spreadOver(n int, seconds float64) incidents.Spread {
	var all []float64
	for i := range n {
		all = append(all, seconds*float64(1+i))
	}
	return incidents.SpreadOf(all)
}

func (e evidenceOf) Figures(_ context.Context, _ access.Scope, f incidents.FiguresFilter) ([]incidents.Figures, error) {
	if e.failing != nil || e.empty {
		return nil, e.failing
	}
	shop := incidents.Figures{Key: "shop", Incidents: 12, Resolved: 11, Acknowledge: spreadOver(9, 71), Resolve: spreadOver(11, 840),
		Engage: spreadOver(8, 95), Between: spreadOver(11, 90_000), Pages: 31, Sleep: 7, Timeouts: 4, Noise: 2, Shift: incidents.SpreadOf([]float64{0, 1, 1, 9})}
	quiet := incidents.Figures{Key: "billing-invoices-of-all-customers", Incidents: 14, Resolved: 14, Resolve: spreadOver(14, 360), Noise: 14}
	switch f.By {
	case incidents.Together:
		if f.From.Day()%4 == 0 {
			return nil, nil
		}
		shop.Key = ""
		return []incidents.Figures{shop}, nil
	case incidents.ByTeam:
		return []incidents.Figures{{Incidents: 1}, shop}, nil
	}
	return []incidents.Figures{shop, quiet}, nil
}

func (e evidenceOf) Similar(_ context.Context, scope access.Scope, _ string) ([]incidents.Similar, error) {
	if e.failing != nil || e.empty {
		return nil, e.failing
	}
	before := e.oldIncident(6)
	before.Tenant, before.Title = "acme", "shop availability for acme burns 6 times too fast"
	past := incidents.Similar{Precedent: incidents.Precedent{Incident: before}, Score: 0.62, Shared: []string{"service=shop", "tenant=acme"}}
	if scope.IsOperator() {
		past.Reason, past.Notes = "Resolved by ada@example.com. Reason: rolled back 2026-10-02.1", []string{"The pool of connections was too small."}
	}
	return []incidents.Similar{past}, nil
}

func (e evidenceOf) Suspects(ctx context.Context, scope access.Scope, id string) ([]incidents.Suspect, error) {
	if !scope.IsOperator() {
		return nil, nil
	}
	before, err := e.ChangesBefore(ctx, scope, id)
	var out []incidents.Suspect
	for _, p := range before {
		out = append(out, incidents.Suspect{Candidate: incidents.Candidate{Number: p.Change.Number, Service: p.Change.Service, Ref: p.Change.Ref, Kind: p.Change.Kind,
			Author: p.Change.Author, BeganAt: e.incidents[0].StartedAt.Add(-p.Before)}, Score: 0.9, Reasons: []string{"of the same service", "a deploy"}})
	}
	return out, err
}

func TestFiguresSayOverHowManyTheyAre(t *testing.T) {
	app := newWorld().app(as(ada))
	page := get(t, app, "/figures")
	sound(t, "figures", page)
	for _, text := range []string{`<abbr title="Mean time to acknowledge">MTTA</abbr>`, "14\u00a0incidents, 14 resolved", `<td class="num">–</td><td class="num">0</td>`,
		`<td class="num">11</td>`, "7 at night", `<svg class="plot`} {
		if !page.has(text) {
			t.Errorf("the page of figures has no %q", text)
		}
	}
	if strings.Index(page.body, "billing-invoices") > strings.Index(page.body, "<h2>shop</h2>") {
		t.Error("the service with the most incidents does not come first")
	}
	if by := get(t, app, "/figures?by=team&days=90&service=gone"); !by.has("Without a team") || !by.has(`<option value="90" selected>`) || !by.has("<option selected>gone</option>") {
		t.Error("the form does not keep what was chosen")
	}
	if wrong := get(t, app, "/figures?by=moon&days=-4"); wrong.StatusCode != http.StatusOK || !wrong.has(`<option value="30" selected>`) {
		t.Error("what is no choice is not answered with the usual one")
	}
	if !get(t, app, "/incidents").has(`href="/figures"`) {
		t.Error("nothing leads from the incidents to their figures")
	}
}

func TestFiguresAreTheOperators(t *testing.T) {
	app := newWorld().app(as(acme))
	if answer := get(t, app, "/figures"); answer.StatusCode != http.StatusForbidden {
		t.Errorf("a tenant's person got %d", answer.StatusCode)
	}
	if get(t, app, "/incidents").has(`href="/figures"`) {
		t.Error("a tenant's person is led to what they may not see")
	}
}

func TestFiguresThatCannotBeAskedAreNotNone(t *testing.T) {
	w := newWorld()
	w.failing = errEngine
	if page := get(t, w.app(as(ada)), "/figures"); page.has("No incident opened") || !page.has("Not known right now") {
		t.Error("a failure is shown as no incidents")
	}
	w = newWorld()
	w.empty = true
	if page := get(t, w.app(as(ada)), "/figures"); !page.has("No incident opened in this period") {
		t.Error("a period without incidents is not said to have none")
	}
}

func TestPlotsOfDurationsAreInTheUnitOfTheirLongest(t *testing.T) {
	for seconds, want := range map[float64]string{90: "90\u00a0s", 150: "2.5\u00a0min", 9000: "2.5\u00a0h", 432_000: "5\u00a0d", 0: "0\u00a0s"} {
		p := inOneUnit(plot{Points: []plotPoint{{Value: 30}, {Value: math.NaN()}, {Value: seconds}}})
		if got := p.Format(p.Points[2].Value); got != want {
			t.Errorf("%v s are %q, want %q", seconds, got, want)
		}
	}
}
