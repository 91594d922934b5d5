package postgres_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/postgres"
	"github.com/nines-sre/nines/slo"
)

func verdict(a slo.Action) slo.Verdict {
	left := 0.1
	return slo.Verdict{Action: a, Headline: "A deploy of shop: " + string(a) + ".", Policies: []string{"default"}, Budgets: []slo.GateBudget{},
		Reasons: []slo.GateReason{{Action: a, Policy: "default", SLO: "shop-availability", Labels: map[string]string{"tenant": "acme"}, Value: &left, Text: "10 % left."}}}
}

func asked(ref string) slo.Change {
	return slo.Change{Service: "shop", Ref: ref, Kind: "deploy", Author: "ada", Description: "faster search", Environment: "production"}
}

func TestAChangeIsRecordedOnceHoweverOftenItIsAskedFor(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	first := must(db.RecordChange(ctx, responder, asked("r118"), verdict(slo.Approve), ""))(t)
	if first.Number == 0 || first.ID == "" || first.AskedBy != responder.ID || first.At.IsZero() || first.BeganAt != nil || first.Standing() != slo.Approve {
		t.Errorf("recorded %+v", first)
	}
	stored := must(db.Change(ctx, access.Operator(), first.ID))(t)
	if stored.Verdict.Reasons[0].Labels["tenant"] != "acme" || *stored.Verdict.Reasons[0].Value != 0.1 || stored.Description != "faster search" || stored.Environment != "production" {
		t.Errorf("stored %+v", stored)
	}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			again, err := db.RecordChange(ctx, editor, asked("r118"), verdict(slo.Allow), "")
			if err != nil || again.ID != first.ID || again.BeganAt == nil {
				t.Errorf("asked again: %v, %+v", err, again)
			}
		})
	}
	wait.Wait()
	for _, other := range []func(*slo.Change){
		func(c *slo.Change) { c.Kind = "rollback" }, func(c *slo.Change) { c.Environment = "staging" }, func(c *slo.Change) { c.Ref = "r119" }, func(c *slo.Change) { c.Service = slo.AllServices },
	} {
		c := asked("r118")
		other(&c)
		if got := must(db.RecordChange(ctx, responder, c, verdict(slo.Allow), ""))(t); got.ID == first.ID {
			t.Errorf("%+v is taken for the same", c)
		}
	}
	must(db.FinishChange(ctx, responder, first.ID, slo.OutcomeSucceeded))(t)
	if next := must(db.RecordChange(ctx, responder, asked("r118"), verdict(slo.Allow), ""))(t); next.ID == first.ID {
		t.Error("what is over was asked for anew and found again")
	} else {
		do(t, conn, "update changes set at = at - interval '25 hours' where id = $1", next.ID)
		if after := must(db.RecordChange(ctx, responder, asked("r118"), verdict(slo.Allow), ""))(t); after.ID == next.ID {
			t.Error("yesterday's change is today's")
		}
	}
	if n := value[int](t, conn, "select count(*)::int from audit where action = 'change.ask'"); n != 7 {
		t.Errorf("%d audit records of 7 changes", n)
	}
	if n := value[int](t, conn, "select count(*)::int from audit where action = 'change.judge' and object = $1", "change/"+first.ID); n != 8 {
		t.Errorf("%d audit records of 8 further verdicts", n)
	}
}

func TestAnIdempotencyKeyStandsForOneChange(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	first := must(db.RecordChange(ctx, responder, asked("r1"), verdict(slo.Allow), "job-1"))(t)
	if again := must(db.RecordChange(ctx, responder, asked("r1"), verdict(slo.Allow), "job-1"))(t); again.ID != first.ID {
		t.Error("the key made two")
	}
	if _, err := db.RecordChange(ctx, responder, asked("r2"), verdict(slo.Allow), "job-1"); !fault.Is(err, fault.Conflict) {
		t.Errorf("the key for another change: %v", err)
	}
	must(db.RecordChange(ctx, editor, asked("r2"), verdict(slo.Allow), "job-1"))(t) // another's key
}

func TestChangesAreApprovedByTwoAndFinishedOnce(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	c := must(db.RecordChange(ctx, responder, asked("r118"), verdict(slo.Approve), ""))(t)
	for name, f := range map[string]struct {
		who  access.Principal
		id   string
		want fault.Kind
	}{
		"a responder":  {access.Principal{ID: "user:x", Name: "x", Role: access.Responder}, c.ID, fault.Forbidden},
		"who asked":    {access.Principal{ID: responder.ID, Name: "y", Role: access.Admin}, c.ID, fault.Forbidden},
		"the author":   {access.Principal{ID: "user:ada", Name: "ada@nines.example", Role: access.Admin}, c.ID, fault.Forbidden},
		"a tenant":     {acme, c.ID, fault.Forbidden},
		"nobody":       {access.Principal{}, c.ID, fault.Unauthorized},
		"no such":      {editor, "00000000-0000-0000-0000-000000000000", fault.NotFound},
		"no number":    {editor, "999", fault.NotFound},
		"not a number": {editor, "x", fault.NotFound},
	} {
		if _, err := db.ApproveChange(ctx, f.who, f.id, ""); !fault.Is(err, f.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	approved := must(db.ApproveChange(ctx, editor, c.ID, "looked at the canary"))(t)
	if approved.Standing() != slo.Allow || approved.ApprovedByName != editor.Name || approved.BeganAt == nil {
		t.Errorf("%+v", approved)
	}
	if again := must(db.ApproveChange(ctx, operator, c.ID, ""))(t); again.ApprovedBy != editor.ID {
		t.Errorf("approved twice: %+v", again)
	}
	if again := must(db.RecordChange(ctx, responder, asked("r118"), verdict(slo.Approve), ""))(t); again.Standing() != slo.Allow {
		t.Error("the retry forgot its approval")
	}
	if again := must(db.RecordChange(ctx, responder, asked("r118"), verdict(slo.Freeze), ""))(t); again.Standing() != slo.Freeze {
		t.Error("an approval answers a freeze that came after it")
	}
	done := must(db.FinishChange(ctx, responder, c.ID, slo.OutcomeRolledBack))(t)
	if done.FinishedAt == nil || done.Outcome != slo.OutcomeRolledBack {
		t.Errorf("%+v", done)
	}
	if _, err := db.FinishChange(ctx, responder, c.ID, slo.OutcomeSucceeded); !fault.Is(err, fault.Conflict) {
		t.Errorf("another outcome: %v", err)
	}
	actions := ""
	for _, r := range must(db.Audit(ctx, operator, postgres.AuditFilter{}))(t) {
		actions = r.Action + " " + actions
	}
	if actions != "change.ask change.approve change.judge change.judge change.finish " {
		t.Errorf("audit: %s", actions)
	}
}

func TestChangesAreTheOperatorsAndListedNewestFirst(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	for _, ref := range []string{"a", "b", "c"} {
		must(db.RecordChange(ctx, responder, asked(ref), verdict(slo.Allow), ""))(t)
	}
	wide := asked("d")
	wide.Service = slo.AllServices
	must(db.RecordChange(ctx, responder, wide, verdict(slo.Allow), ""))(t)
	refs := func(f slo.ChangeFilter) (text string) {
		for _, c := range must(db.Changes(ctx, access.Operator(), f))(t) {
			text += c.Ref
		}
		return text
	}
	if got := refs(slo.ChangeFilter{Limit: 2}); got != "dc" {
		t.Errorf("first page %q", got)
	}
	second := must(db.Changes(ctx, access.Operator(), slo.ChangeFilter{Limit: 2}))(t)[1].Number
	for f, want := range map[slo.ChangeFilter]string{
		{Before: second}: "ba", {Service: "shop"}: "dcba", {Service: "pay"}: "d", {Since: time.Now().Add(time.Minute)}: "",
	} {
		if got := refs(f); got != want {
			t.Errorf("%+v: %q, want %q", f, got, want)
		}
	}
	if theirs := must(db.Changes(ctx, access.Tenant("acme"), slo.ChangeFilter{}))(t); len(theirs) != 0 {
		t.Errorf("a tenant sees %d changes", len(theirs))
	}
	if _, err := db.RecordChange(ctx, acme, asked("e"), verdict(slo.Allow), ""); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a tenant records a change: %v", err)
	}
	if _, err := db.Change(ctx, access.Tenant("acme"), "1"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a tenant reads a change: %v", err)
	}
}

// The story of a release that broke the shop for one customer.
func TestAChangeIsLinkedToTheIncidentThatFollowsAndTheIncidentMustBeReviewed(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	policy := slo.BudgetPolicy{Name: "default", Services: []string{"shop"}, Postmortem: 0.2, Unknown: slo.Approve, Rules: []slo.BudgetRule{{OpenIncident: slo.IncidentPages, Action: slo.Freeze}}}
	healthy := []slo.GateStatus{{Status: slo.Status{SLO: "shop-availability", Service: "shop", Traffic: true, Counts: slo.Counts{Good: 10, Total: 10}, Coverage: 1, Remaining: 0.9}}}
	gate := func(c slo.Change, open ...slo.OpenIncident) slo.Change {
		t.Helper()
		return must(db.RecordChange(ctx, responder, c, slo.Decide([]slo.BudgetPolicy{policy}, healthy, open, c, time.Now()), ""))(t)
	}
	moved := func(c slo.Change, back string) slo.Change {
		do(t, conn, "update changes set at = at - $2::interval, began_at = began_at - $2::interval where id = $1", c.ID, back)
		return c
	}
	tooOld := moved(gate(asked("r116")), "3 hours 1 minute")
	moved(gate(asked("r117")), "2 hours")
	wide := asked("network")
	wide.Service, wide.Kind = slo.AllServices, "config"
	moved(gate(wide), "30 minutes")
	other := asked("r9")
	other.Service = "pay"
	gate(other)
	refused := must(db.RecordChange(ctx, responder, asked("r118-never"), verdict(slo.Freeze), ""))(t)
	if refused.BeganAt != nil {
		t.Error("a frozen change began")
	}
	culprit := moved(gate(asked("r118")), "12 minutes")

	burn := alert("ShopBurns", "critical", "sloth_service", "shop", "sloth_id", "shop-availability", "tenant", "acme")
	burn.Tenant = "acme"
	receive(t, db, burn)
	i := only(t, db)
	spans := []slo.LinkRule{{Service: "shop", Within: 3 * time.Hour}}
	if n := must(db.LinkChanges(ctx, spans, time.Minute))(t); n != 3 {
		t.Errorf("%d links, want r118, the network and r117", n)
	}
	if n := must(db.LinkChanges(ctx, spans, time.Minute))(t); n != 0 {
		t.Errorf("%d links twice", n)
	}
	before := must(db.ChangesBefore(ctx, access.Operator(), i.ID))(t)
	var refs []string
	for _, c := range before {
		refs = append(refs, c.Ref)
	}
	if strings.Join(refs, " ") != "r118 network r117" || before[0].Before.Round(time.Minute) != 12*time.Minute {
		t.Fatalf("the closest first: %v", before)
	}
	text := ""
	for _, e := range must(db.Timeline(ctx, access.Operator(), i.ID))(t) {
		if e.Kind == incidents.EventChange {
			text += e.Text + "\n"
		}
	}
	if text != "Change r118 (deploy by ada) began 12 min before.\nChange network (config of all by ada) began 30 min before.\nChange r117 (deploy by ada) began 2 h 0 min before.\n" {
		t.Errorf("the timeline says:\n%s", text)
	}
	if after := must(db.IncidentsAfter(ctx, access.Operator(), culprit.ID))(t); len(after) != 1 || after[0].Number != i.Number || after[0].State != "triggered" {
		t.Errorf("after the culprit: %+v", after)
	}
	for _, c := range []slo.Change{tooOld, refused} {
		if after := must(db.IncidentsAfter(ctx, access.Operator(), c.ID))(t); len(after) != 0 {
			t.Errorf("after %s: %+v", c.Ref, after)
		}
	}
	if theirs := must(db.ChangesBefore(ctx, access.Tenant("acme"), i.ID))(t); len(theirs) != 0 {
		t.Errorf("the customer learns of %d changes", len(theirs))
	}

	if next := gate(asked("r119"), slo.OpenIncident{Number: i.Number, Severity: string(i.Severity), Service: i.Service, Title: i.Title}); next.Standing() != slo.Freeze || next.BeganAt != nil {
		t.Errorf("the next release during the incident: %s", next.Standing())
	}

	by, ok := slo.PostmortemBound([]slo.BudgetPolicy{policy}, i.Service, i.SLO, 0.31, func(string) string { return "shop" })
	if !ok {
		t.Fatal("a third of the budget needs no review")
	}
	for n, want := range []bool{true, false} {
		if set := must(db.RequirePostmortem(ctx, i.ID, by.Name, 0.31+float64(n), by.Postmortem))(t); set != want {
			t.Errorf("required the %d. time: %v", n+1, set)
		}
	}
	must(db.Resolve(ctx, responder, i.ID, "rolled back"))(t)
	reviewed := only(t, db)
	if r := reviewed.PostmortemRequired; r == nil || r.Policy != "default" || r.Spent != 0.31 || r.Reason != "it has spent 31.00 % of the error budget, and the policy default asks for a postmortem above 20.00 %" {
		t.Errorf("required: %+v", r)
	}
}

func TestALateWordThatAChangeWentLinksItStill(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	c := must(db.RecordChange(ctx, responder, asked("r118"), verdict(slo.Freeze), ""))(t)
	do(t, conn, "update changes set at = at - interval '10 minutes'")
	receive(t, db, alert("ShopBurns", "critical", "sloth_service", "shop"))
	if n := must(db.LinkChanges(ctx, nil, slo.DefaultLinkWithin))(t); n != 0 {
		t.Errorf("%d links to what never went", n)
	}
	must(db.FinishChange(ctx, responder, c.ID, slo.OutcomeFailed))(t)
	if n := must(db.LinkChanges(ctx, nil, slo.DefaultLinkWithin))(t); n != 1 {
		t.Errorf("%d links once it is known", n)
	}
}
