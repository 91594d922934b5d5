package web

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

func TestAnIncidentShowsWhatFixedOnesLikeIt(t *testing.T) {
	t.Parallel()
	app := newWorld().app(as(ada))
	page := get(t, app, "/incidents/42")
	sound(t, "incident", page)
	for _, text := range []string{"Similar incidents and what fixed them", "rolled back 2026-10-02.1", "The pool of connections was too small.", "service=shop"} {
		if !page.has(text) {
			t.Errorf("the incident does not show %q", text)
		}
	}
	theirs := get(t, newWorld().app(as(acme)), "/incidents/42")
	for _, text := range []string{"rolled back 2026", "pool of connections", "what fixed them", "Tenants hit", "Credit"} {
		if theirs.has(text) {
			t.Errorf("the customer reads %q", text)
		}
	}
}

func TestAnIncidentShowsWhatIsAtStake(t *testing.T) {
	t.Parallel()
	page := get(t, newWorld().app(as(ada)), "/incidents/42")
	for _, text := range []string{"Tenants hit", "1: acme", "no contract of theirs grants any"} {
		if !page.has(text) {
			t.Errorf("the incident does not show %q", text)
		}
	}
	w := newWorld()
	w.failing = errEngine
	if broken := get(t, w.app(as(ada)), "/incidents/42"); broken.has("Tenants hit</dt><dd>none") || broken.has("none so far") || broken.has("No resolved incident") {
		t.Error("what could not be asked is shown as nothing")
	}
}

func TestCreditsSayWhatIsOwedAndTheNextStep(t *testing.T) {
	p := slo.Promise{SLO: "shop", Objective: 99.9, Credits: []slo.CreditTier{{Below: 99, Credit: 25}, {Below: 99.9, Credit: 10}}}
	month := slo.Month{Year: 2026, Month: time.November}
	report := func(displayed string, credit float64) slo.Report {
		return slo.Report{Promises: []slo.PromiseReport{{SLO: "shop", Figure: slo.Figure{Displayed: displayed}, Credit: credit}}}
	}
	for _, c := range []struct {
		name               string
		report             slo.Report
		credit, next, seen string
	}{
		{"kept", report("99.95", 0), "", "10\u00a0% below 99.9\u00a0%", "99.95\u00a0%"},
		{"below the first step", report("99.2", 10), "10\u00a0%", "25\u00a0% below 99\u00a0%", "99.2\u00a0%"},
		{"at the end of the ladder", report("98", 25), "25\u00a0%", "", "98\u00a0%"},
		{"not in the report", slo.Report{}, "", "", ""},
	} {
		row := creditRowOf(p.CreditAtStake("acme", c.report, month))
		if row.Credit != c.credit || row.Next != c.next || row.Measured != c.seen {
			t.Errorf("%s: credit %q next %q measured %q", c.name, row.Credit, row.Next, row.Measured)
		}
	}
}

func TestTheHardestHitTenantComesFirst(t *testing.T) {
	hit := incidents.Impact{Counts: []incidents.Harm{{Tenant: "a", Errors: 1}, {Tenant: "b", Errors: 2}, {Tenant: "b", Region: "eu", Errors: 2}, {Tenant: "c", Total: 9}, {Errors: 9}}}.Hit()
	if len(hit) != 2 || hit[0] != "b" || hit[1] != "a" {
		t.Errorf("tenants hit are %v", hit)
	}
}

// stuck never answers before its context ends.
type stuck struct{ evidenceOf }

func (stuck) Similar(ctx context.Context, _ access.Scope, _ string) ([]incidents.Similar, error) {
	<-ctx.Done()
	return nil, fault.Wrap(fault.Timeout, ctx.Err(), "the database took too long")
}

func TestAPartThatTakesTooLongIsMissingAndTheRestStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		began := time.Now()
		_, err := within(t.Context(), func(ctx context.Context) ([]incidents.Similar, error) {
			return stuck{evidenceOf{w}}.Similar(ctx, access.Operator(), "42")
		})
		if took := time.Since(began); took != partTimeout || fault.KindOf(err) != fault.Timeout {
			t.Errorf("ended after %s with %v", took, err)
		}
	})
}
