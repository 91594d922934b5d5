package web

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

// The shop's last release came twelve minutes before it began to burn.

func (w *world) theChanges() []slo.Change {
	began := w.ago(24 * time.Minute)
	approved := began
	return []slo.Change{
		{ID: "c2", Number: 118, Service: "shop", Kind: "deploy", Ref: "https://git.example/shop/118", Author: "grace", At: began, BeganAt: &began, Environment: "production",
			Verdict: slo.Verdict{Action: slo.Approve}, ApprovedAt: &approved, ApprovedFor: slo.Approve, ApprovedByName: "linus@example.com"},
		{ID: "c1", Number: 117, Service: slo.AllServices, Kind: "config", Ref: "<b>network</b>", Author: "ada", At: w.ago(3 * time.Hour), Verdict: slo.Verdict{Action: slo.Freeze}},
	}
}

func (w *world) Changes(_ context.Context, _ access.Scope, f slo.ChangeFilter) ([]slo.Change, error) {
	if w.failing != nil || w.empty || f.Service != "shop" {
		return nil, w.failing
	}
	return w.theChanges(), nil
}

func (w *world) ChangesBefore(_ context.Context, _ access.Scope, incident string) ([]slo.Preceding, error) {
	if w.failing != nil || w.empty || incident != w.incidents[0].ID {
		return nil, w.failing
	}
	return []slo.Preceding{{Change: w.theChanges()[0], Before: 12 * time.Minute}}, nil
}

func TestAnIncidentShowsTheChangesBeforeItAndThatItMustBeReviewed(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.incidents[0].PostmortemRequired = &incidents.Requirement{Policy: "default", Reason: "it has spent 31.00 % of the error budget, and the policy default asks for a postmortem above 20.00 %"}
	path := "/incidents/" + w.incidents[0].ID
	ours := get(t, w.app(as(ada)), path)
	sound(t, "incident", ours)
	for _, want := range []string{"What changed near the start", "Suspected because: of the same service; a deploy.", `<a href="https://git.example/shop/118"`, "approved by linus@example.com", "deploy of shop", "by grace", "A postmortem is required: it has spent 31.00 %"} {
		if !strings.Contains(ours.body, want) {
			t.Errorf("the incident does not show %q", want)
		}
	}
	theirs := get(t, w.app(as(acme)), path)
	for _, not := range []string{"What changed near the start", "Suspected because", "git.example", "grace", "postmortem is required"} {
		if strings.Contains(theirs.body, not) {
			t.Errorf("the customer reads %q", not)
		}
	}
	if other := get(t, w.app(as(ada)), "/incidents/"+w.incidents[1].ID); !strings.Contains(other.body, "No change was told") {
		t.Error("an incident without changes does not say that there was none")
	}
}

func TestAnIncidentSaysWhenNobodyIsReachedOrWhatHoldsIt(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.incidents[0].UnreachableSince, w.incidents[0].Held = at(w.ago(2*time.Minute)), "silence of ana until 18:00 UTC"
	path := "/incidents/" + w.incidents[0].ID
	ours := get(t, w.app(as(ada)), path)
	sound(t, "incident", ours)
	for _, want := range []string{"Nobody is reached", "while this holds it: silence of ana until 18:00 UTC", "delivered", "number is not in service"} {
		if !strings.Contains(ours.body, want) {
			t.Errorf("the incident does not show %q", want)
		}
	}
	theirs := get(t, w.app(as(acme)), path)
	for _, not := range []string{"Nobody is reached", "silence of ana"} {
		if strings.Contains(theirs.body, not) {
			t.Errorf("the customer reads %q", not)
		}
	}
}

func TestAPromiseShowsRecentChangesAndMarksThemOnItsPlots(t *testing.T) {
	t.Parallel()
	w := newWorld()
	ours := get(t, w.app(as(ada)), "/slos/shop-availability?tenant=acme&range=6h")
	sound(t, "promise", ours)
	for _, want := range []string{"Recent changes", "&lt;b&gt;network&lt;/b&gt;", "frozen", "config of all", `<g class="event"><title>deploy https://git.example/shop/118 by grace, 23 Nov 14:03 UTC</title>`} {
		if !strings.Contains(ours.body, want) {
			t.Errorf("the promise does not show %q", want)
		}
	}
	if strings.Contains(ours.body, "<title>config") {
		t.Error("a change that never went is on the plot")
	}
	theirs := get(t, w.app(as(acme)), "/slos/shop-availability")
	if strings.Contains(theirs.body, "Recent changes") || strings.Contains(theirs.body, "git.example") {
		t.Error("the customer reads about changes")
	}
}

func TestAChangeSaysInAWordWhereItIs(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for want, c := range map[string]slo.Change{
		"succeeded": {Outcome: slo.OutcomeSucceeded}, "failed": {Outcome: slo.OutcomeFailed}, "rolled back": {Outcome: slo.OutcomeRolledBack}, "aborted": {Outcome: slo.OutcomeAborted},
		"allowed": {Verdict: slo.Verdict{Action: slo.Allow}}, "needs approval": {Verdict: slo.Verdict{Action: slo.Approve}}, "frozen": {Verdict: slo.Verdict{Action: slo.Freeze}},
		"approved by bo": {Verdict: slo.Verdict{Action: slo.Approve}, ApprovedAt: &now, ApprovedFor: slo.Approve, ApprovedByName: "bo"},
	} {
		if got, class := changeState(c); got != want || class == "" {
			t.Errorf("%q, %q; want %q", got, class, want)
		}
	}
}
