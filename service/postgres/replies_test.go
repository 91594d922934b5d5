package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/postgres"
	"github.com/nines-sre/nines/slo"
)

func inPagerDuty(t incidents.Target) bool { return t.PagerDuty != nil }

// pagedEverywhere opens an incident and pages PagerDuty and Ana about it; PagerDuty calls it by the dedup key.
func pagedEverywhere(t *testing.T, db *postgres.DB) incidents.Incident {
	t.Helper()
	ctx := context.Background()
	pager := incidents.Target{PagerDuty: &incidents.PagerDutyTarget{RoutingKey: incidents.Secret{Env: "PD_KEY"}}}
	everywhere := incidents.Router{Default: "default", Policies: map[string]incidents.Policy{"default": {
		Name: "default", Steps: []incidents.Step{{Targets: []incidents.Target{pager, mail("ana")}}, {Delay: time.Hour, Targets: []incidents.Target{mail("bo")}}},
	}}}
	if err := db.ReceiveAlerts(ctx, operator, one(alert("Down", "critical")), postgres.Routing{Router: everywhere}); err != nil {
		t.Fatal(err)
	}
	for _, c := range claim(t, db, 2) {
		c.Attempt.Outcome, c.Attempt.StatusCode = "sent", 202
		if c.Page.Target.PagerDuty != nil {
			c.Attempt.ProviderID = "hash-of-a-long-key"
		}
		if err := db.Finish(ctx, c, c.Attempt, 0); err != nil {
			t.Fatal(err)
		}
	}
	return only(t, db)
}

func ada(id string, action incidents.ReplyAction) incidents.Reply {
	return incidents.Reply{ID: id, Provider: "pagerduty", Action: action, By: incidents.Actor{ID: "pagerduty:PADA", Name: "Ada"}, At: time.Now()}
}

func answer(t *testing.T, db *postgres.DB, r incidents.Reply) incidents.Incident {
	t.Helper()
	who := access.Principal{ID: r.By.ID, Name: r.By.Name, Role: access.Responder}
	return must(db.Answer(context.Background(), who, "pd", r, inPagerDuty))(t)
}

// TestAnAcknowledgementInPagerDutyCountsOnceAndIsNotSentBack is the loop that must not be: PagerDuty tells us, we tell
// everybody else, and what PagerDuty tells of that changes nothing.
func TestAnAcknowledgementInPagerDutyCountsOnceAndIsNotSentBack(t *testing.T) {
	t.Parallel()
	db := open(t)
	i := pagedEverywhere(t, db)
	acked := ada("evt-1", incidents.ReplyAcknowledge)
	acked.DedupKey, acked.ProviderID = i.DedupKey(), "Q1"
	var all sync.WaitGroup
	for range 4 { // PagerDuty sends again what took too long
		all.Go(func() {
			if got := answer(t, db, acked); got.State != incidents.Acknowledged || got.AcknowledgedBy != "Ada" {
				t.Errorf("%s by %s", got.State, got.AcknowledgedBy)
			}
		})
	}
	all.Wait()
	told := claim(t, db, 1)
	if told[0].Page.Target.Email == nil || told[0].Page.Action != incidents.ActionAcknowledge {
		t.Errorf("told: %+v", told[0].Page)
	}
	echo := ada("evt-2", incidents.ReplyLinked) // what an integration did in PagerDuty
	echo.DedupKey = i.DedupKey()
	before := kinds(t, db, i.ID)
	answer(t, db, echo)
	answer(t, db, ada2(acked, "evt-3")) // acknowledged again, by another event
	if after := kinds(t, db, i.ID); after != before {
		t.Errorf("the timeline went from %s to %s", before, after)
	}
	claim(t, db, 0)
	records := must(db.Audit(context.Background(), operator, postgres.AuditFilter{Action: "incident.acknowledge"}))(t)
	if len(records) != 1 || records[0].Actor != "pagerduty:PADA" || records[0].Detail["integration"] != "pd" {
		t.Errorf("audit: %+v", records)
	}
}

func ada2(r incidents.Reply, id string) incidents.Reply {
	r.ID = id
	return r
}

func TestAReplyFindsItsIncidentByAnythingItsProviderHasOfIt(t *testing.T) {
	t.Parallel()
	db := open(t)
	i := pagedEverywhere(t, db)
	linked := ada("evt-0", incidents.ReplyLinked)
	linked.DedupKey, linked.ProviderID = i.DedupKey(), "Q1"
	answer(t, db, linked)
	for name, r := range map[string]incidents.Reply{
		"its id":                            {Incident: i.ID},
		"its number":                        {Number: i.Number},
		"the dedup key":                     {DedupKey: i.DedupKey()},
		"what the provider was sent":        {DedupKey: "hash-of-a-long-key"},
		"what the provider called the page": {ProviderID: "hash-of-a-long-key"},
		"the provider's id":                 {ProviderID: "Q1"},
		"the provider's id after a merge":   {DedupKey: "of another", ProviderID: "Q1"},
	} {
		r.ID, r.Provider, r.Action, r.Text, r.By, r.At = "note "+name, "pagerduty", incidents.ReplyNote, name, incidents.Actor{ID: "pagerduty:P", Name: "Ben"}, time.Now()
		if got := answer(t, db, r); got.ID != i.ID {
			t.Errorf("%s: %+v", name, got)
		}
	}
	ctx := context.Background()
	for name, r := range map[string]incidents.Reply{
		"nothing": {}, "another id": {Incident: "3b241101-e2bb-4255-8caf-4136c566a962"}, "another number": {Number: 99},
		"another's key": {DedupKey: "x"}, "another provider": {Provider: "slack", ProviderID: "hash-of-a-long-key"},
	} {
		r.Action = incidents.ReplyAcknowledge
		if _, err := db.Answer(ctx, responder, "other", r, nil); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := db.Answer(ctx, acme, "theirs", incidents.Reply{Number: i.Number, Action: incidents.ReplyAcknowledge}, nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("a tenant's integration reaches the operator's incident: %v", err)
	}
}

// TestAnAcknowledgementThatWasOvertakenDoesNotCount: calls come in another order than what they tell of.
func TestAnAcknowledgementThatWasOvertakenDoesNotCount(t *testing.T) {
	t.Parallel()
	db := open(t)
	i := pagedEverywhere(t, db)
	gone := ada("evt-2", incidents.ReplyUnacknowledged)
	gone.Number, gone.Text = i.Number, "The acknowledgement has run out."
	answer(t, db, gone)
	late := ada("evt-1", incidents.ReplyAcknowledge)
	late.Number, late.At = i.Number, gone.At.Add(-time.Minute)
	if got := answer(t, db, late); got.State != incidents.Triggered {
		t.Errorf("an acknowledgement from before made it %s", got.State)
	}
	anew := ada("evt-3", incidents.ReplyAcknowledge)
	anew.Number = i.Number
	if got := answer(t, db, anew); got.State != incidents.Acknowledged {
		t.Errorf("a new acknowledgement left it %s", got.State)
	}
}

func TestWhatComesTooLateIsSaidAndNotRemembered(t *testing.T) {
	t.Parallel()
	db := open(t)
	i := pagedEverywhere(t, db)
	must(db.Resolve(context.Background(), responder, i.ID, ""))(t)
	late := ada("evt-1", incidents.ReplyAcknowledge)
	late.Number = i.Number
	for range 2 {
		if _, err := db.Answer(context.Background(), responder, "pd", late, nil); !fault.Is(err, fault.Conflict) {
			t.Errorf("%v", err)
		}
	}
	if _, err := db.Answer(context.Background(), access.Principal{ID: "x", Role: access.Viewer}, "pd", late, nil); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a viewer: %v", err)
	}
}

func TestAReplyEscalatesAndResolves(t *testing.T) {
	t.Parallel()
	db := open(t)
	i := pagedEverywhere(t, db)
	up := ada("evt-1", incidents.ReplyEscalate)
	up.Number = i.Number
	if got := answer(t, db, up); got.Step != 2 {
		t.Errorf("step %d", got.Step)
	}
	if next := claim(t, db, 1); next[0].Page.Target.Email.To[0] != "bo@nines.example" {
		t.Errorf("%+v", next[0].Page.Target)
	}
	over := ada("evt-2", incidents.ReplyResolve)
	over.Number, over.Text = i.Number, "rolled back"
	if got := answer(t, db, over); got.State != incidents.Resolved {
		t.Errorf("%s", got.State)
	}
}

func TestRepliesToWhatIsLongOverAreForgotten(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	i := pagedEverywhere(t, db)
	r := ada("evt-1", incidents.ReplyNote)
	r.Number, r.Text = i.Number, "n"
	answer(t, db, r)
	left := func() int64 {
		if err := db.ForgetReplies(context.Background()); err != nil {
			t.Fatal(err)
		}
		return value[int64](t, conn, "select count(*) from hook_replies")
	}
	do(t, conn, "update hook_replies set at = at - interval '31 days'")
	if n := left(); n != 1 {
		t.Errorf("of an open incident %d are left", n)
	}
	must(db.Resolve(context.Background(), responder, i.ID, ""))(t)
	if n := left(); n != 0 {
		t.Errorf("of a resolved incident %d are left", n)
	}
}

func TestAChangeThatIsToldIsRecordedOnce(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	github := access.Principal{ID: "integration:github", Name: "github", Role: access.Responder}
	at := time.Now().Add(-time.Minute).Truncate(time.Microsecond)
	told := slo.Change{Service: "shop", Ref: "abc", Kind: "deploy", Author: "ada", BeganAt: &at}
	first := must(db.TellChange(ctx, github, told, "deployment/1"))(t)
	if first.BeganAt == nil || !first.BeganAt.Equal(at) || first.FinishedAt != nil || first.Verdict.Action != slo.Allow || first.AskedByName != "github" {
		t.Errorf("begun: %+v", first)
	}
	told.Outcome = slo.OutcomeFailed
	for range 2 {
		done := must(db.TellChange(ctx, github, told, "deployment/1"))(t)
		if done.ID != first.ID || done.Outcome != slo.OutcomeFailed || !done.BeganAt.Equal(at) {
			t.Errorf("done: %+v", done)
		}
	}
	again := must(db.TellChange(ctx, github, told, "deployment/2"))(t) // the same commit once more
	if again.ID == first.ID {
		t.Error("another deployment of the same commit is the same change")
	}
	if n := len(must(db.Changes(ctx, access.Operator(), slo.ChangeFilter{}))(t)); n != 2 {
		t.Errorf("%d changes", n)
	}
	if _, err := db.TellChange(ctx, acme, told, "x"); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a tenant: %v", err)
	}
	if _, err := db.TellChange(ctx, github, slo.Change{Kind: "deploy"}, "x"); !fault.Is(err, fault.Invalid) {
		t.Errorf("of nothing: %v", err)
	}
}

// TestTheGatesVerdictStandsWhenAToolTells: what was frozen and went all the same stays frozen for the record.
func TestTheGatesVerdictStandsWhenAToolTells(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	asked := slo.Change{Service: "shop", Ref: "abc", Kind: "deploy", Author: "ada"}
	frozen := must(db.RecordChange(ctx, responder, asked, slo.Verdict{Action: slo.Freeze, Headline: "no budget"}, ""))(t)
	told := asked
	told.Outcome = slo.OutcomeSucceeded
	went := must(db.TellChange(ctx, access.Principal{ID: "integration:ci", Name: "ci", Role: access.Responder}, told, "1"))(t)
	if went.ID != frozen.ID || went.Verdict.Action != slo.Freeze || went.BeganAt == nil || went.Outcome != slo.OutcomeSucceeded {
		t.Errorf("%+v", went)
	}
}

// TestANoteIsNotToldAgainWhereItWasWritten has two channels with a thread each, one named as people name it.
func TestANoteIsNotToldAgainWhereItWasWritten(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	channel := func(name string) incidents.Target {
		return incidents.Target{Slack: &incidents.SlackTarget{Channel: name, Token: incidents.Secret{Env: "T"}}}
	}
	router := incidents.Router{Default: "default", Policies: map[string]incidents.Policy{"default": {
		Name: "default", Steps: []incidents.Step{{Targets: []incidents.Target{channel("#here"), channel("C0OTHER")}}},
	}}}
	if err := db.ReceiveAlerts(ctx, operator, one(alert("Down", "critical")), postgres.Routing{Router: router}); err != nil {
		t.Fatal(err)
	}
	for _, c := range claim(t, db, 2) {
		c.Attempt.Outcome, c.Attempt.ProviderID = "sent", "C0OTHER:1.1"
		if c.Page.Target.Slack.Channel == "#here" {
			c.Attempt.ProviderID = "C0HERE:1.1"
		}
		if err := db.Finish(ctx, c, c.Attempt, 0); err != nil {
			t.Fatal(err)
		}
	}
	answer(t, db, incidents.Reply{
		ID: "e1", Provider: "slack", Action: incidents.ReplyNote, ProviderID: "C0HERE:1.1", Text: "It is the cache.",
		By: incidents.Actor{ID: "slack:U1", Name: "Bo"}, At: time.Now(),
	})
	do(t, conn, "update attempts set started_at = started_at - interval '1 second'") // a channel takes one message in it
	if told := claim(t, db, 1)[0]; told.Page.Target.Slack.Channel != "C0OTHER" || told.Page.Text != "It is the cache." {
		t.Errorf("%s is told %q", told.Page.Target, told.Page.Text)
	}
}
