package postgres_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/postgres"
)

// is is an equality matcher.
func is(name, value string) alerting.Matcher {
	return alerting.Matcher{Name: name, Value: value, IsEqual: true}
}

// silence silences a service for an hour.
func silence(service string) alerting.Silence {
	now := time.Now().UTC()
	return alerting.Silence{Matchers: []alerting.Matcher{is("service", service)}, StartsAt: now, EndsAt: now.Add(time.Hour), CreatedBy: "ana", Comment: "deploy"}
}

func put(t testing.TB, db *postgres.DB, s alerting.Silence) alerting.Silence {
	t.Helper()
	return must(db.PutSilence(context.Background(), responder, s))(t)
}

func expire(t testing.TB, db *postgres.DB, id string) {
	t.Helper()
	if err := db.ExpireSilence(context.Background(), responder, id); err != nil {
		t.Fatal(err)
	}
}

func rejudge(t testing.TB, db *postgres.DB, r postgres.Routing) int {
	t.Helper()
	return must(db.RejudgeAlerts(context.Background(), r))(t)
}

// happened names the kinds of an alert's history, the oldest first.
func happened(t testing.TB, db *postgres.DB, a alerting.Alert) string {
	t.Helper()
	out := ""
	for _, e := range must(db.AlertHistory(context.Background(), access.Operator(), alerting.HistoryFilter{Fingerprint: a.Fingerprint}))(t).Events {
		out = string(e.Kind) + " " + out
	}
	return out
}

func pagesSent(t testing.TB, conn *pgx.Conn) int {
	t.Helper()
	return value[int](t, conn, "select count(*)::int from pages where action = 'trigger'")
}

func TestASilencedAlertIsStoredAndWakesNobodyUntilTheSilenceEnds(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	s := put(t, db, silence("shop"))
	a := alert("Down", "critical", "service", "shop")
	receive(t, db, a, alert("Down", "critical", "service", "cart"))
	receive(t, db, again(a))
	if i := only(t, db); i.Service != "cart" {
		t.Errorf("the silenced alert opened an incident of %s", i.Service)
	}
	stored := must(db.Alerts(context.Background(), access.Operator(), postgres.AlertFilter{Active: true}))(t)
	for _, a := range stored {
		silenced := a.Verdict != nil && len(a.Verdict.SilencedBy) == 1 && a.Verdict.SilencedBy[0] == s.ID
		if silenced != (a.Labels["service"] == "shop") {
			t.Errorf("the alert of %s has the verdict %+v", a.Labels["service"], a.Verdict)
		}
	}
	expire(t, db, s.ID)
	if n := rejudge(t, db, routing); n != 1 {
		t.Errorf("%d alerts are judged otherwise, want 1", n)
	}
	if n := rejudge(t, db, routing); n != 0 {
		t.Errorf("%d alerts are judged otherwise again", n)
	}
	if found, n := all(t, db), pagesSent(t, conn); len(found) != 2 || found[1].Service != "shop" || n != 2 {
		t.Errorf("%d incidents and %d pages once nothing is silenced", len(found), n)
	}
	if got := happened(t, db, a); got != "fired suppressed released " {
		t.Errorf("history: %s", got)
	}
}

func TestASilencedAlertThatEndsWasNeverAnIncident(t *testing.T) {
	t.Parallel()
	db := open(t)
	s := put(t, db, silence("shop"))
	a := alert("Down", "critical", "service", "shop")
	receive(t, db, a)
	receive(t, db, ended(a))
	expire(t, db, s.ID)
	if n := rejudge(t, db, routing); n != 0 || len(all(t, db)) != 0 {
		t.Errorf("%d alerts are judged otherwise, and there are %d incidents", n, len(all(t, db)))
	}
	if got := happened(t, db, a); got != "fired suppressed ended " {
		t.Errorf("history: %s", got)
	}
}

func TestASilenceOfAllAlertsHoldsTheirOpenIncidentUntilItEnds(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	one, two := alert("Down", "critical", "service", "shop", "pod", "1"), alert("Down", "critical", "service", "shop", "pod", "2")
	receive(t, db, one, two)
	onlyOne := silence("shop")
	onlyOne.Matchers = append(onlyOne.Matchers, is("pod", "1"))
	put(t, db, onlyOne)
	rejudge(t, db, routing)
	if i := only(t, db); i.Held != "" {
		t.Errorf("held by %q although an alert of it may page", i.Held)
	}
	s := put(t, db, silence("shop"))
	rejudge(t, db, routing)
	i := only(t, db)
	if i.State != incidents.Triggered || i.Held == "" {
		t.Fatalf("it is %s, held by %q", i.State, i.Held)
	}
	if _, err := db.EscalateNow(context.Background(), operator, i.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("escalating what is held: %v", err)
	}
	do(t, conn, "update incidents set next_escalation_at = clock_timestamp()")
	if n := must(db.EscalateDue(context.Background(), 10))(t); n != 0 {
		t.Errorf("%d incidents escalated while held", n)
	}
	receive(t, db, again(one), again(two))
	if n := pagesSent(t, conn); n != 1 {
		t.Errorf("%d pages while held, want the first alone", n)
	}
	expire(t, db, s.ID)
	rejudge(t, db, routing)
	if i = only(t, db); i.Held != "" || i.Step != 2 {
		t.Errorf("held by %q at step %d once pod 2 may page", i.Held, i.Step)
	}
	if n := pagesSent(t, conn); n != 2 {
		t.Errorf("%d pages once it goes on, want 2", n)
	}
	if got := kinds(t, db, i.ID); got != "opened escalated alert_joined held released escalated " {
		t.Errorf("timeline: %s", got)
	}
}

func TestAnAlertThatMayPageReleasesWhatIsHeld(t *testing.T) {
	t.Parallel()
	db := open(t)
	one, two := alert("Down", "critical", "service", "shop", "pod", "1"), alert("Down", "critical", "service", "shop", "pod", "2")
	receive(t, db, one)
	s := silence("shop")
	s.Matchers = append(s.Matchers, is("pod", "1"))
	put(t, db, s)
	receive(t, db, again(one))
	if i := only(t, db); i.Held == "" {
		t.Fatal("it is not held although its alert is silenced")
	}
	receive(t, db, two)
	if i := only(t, db); i.Held != "" {
		t.Errorf("held by %q although pod 2 may page", i.Held)
	}
	receive(t, db, ended(two))
	if i := only(t, db); i.Held == "" || i.State != incidents.Triggered {
		t.Errorf("held by %q, %s, although only a silenced alert is left", i.Held, i.State)
	}
}

func TestAResolveEndsAHeldIncident(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	a := alert("Down", "critical", "service", "shop")
	receive(t, db, a)
	put(t, db, silence("shop"))
	receive(t, db, again(a))
	receive(t, db, ended(a))
	calm(t, db, conn)
	if i := only(t, db); i.State != incidents.Resolved {
		t.Errorf("it is %s", i.State)
	}
}

func TestSilencesKeepEveryVersion(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	s := put(t, db, silence("shop"))
	longer := s
	longer.EndsAt = s.EndsAt.Add(time.Hour)
	if got := put(t, db, longer); got.ID != s.ID || !got.EndsAt.Equal(longer.EndsAt) {
		t.Errorf("extended: %+v", got)
	}
	other := longer
	other.Matchers = []alerting.Matcher{is("service", "cart")}
	next := put(t, db, other)
	if next.ID == s.ID {
		t.Error("other matchers keep the id")
	}
	old := must(db.Silence(ctx, access.Operator(), s.ID))(t)
	if old.State(time.Now().Add(time.Second)) != alerting.SilenceExpired {
		t.Errorf("the old one is not expired: %+v", old)
	}
	if versions := must(db.SilenceHistory(ctx, access.Operator(), s.ID))(t); len(versions) != 3 || versions[2].Actor != responder.ID || !versions[2].EndsAt.Equal(s.EndsAt) {
		t.Errorf("versions: %+v", versions)
	}
	if n := len(must(db.Silences(ctx, access.Operator(), alerting.SilenceFilter{}))(t)); n != 1 {
		t.Errorf("%d silences are active, want 1", n)
	}
	if n := len(must(db.Silences(ctx, access.Operator(), alerting.SilenceFilter{Expired: true}))(t)); n != 2 {
		t.Errorf("%d silences with the expired, want 2", n)
	}
	if n := value[int](t, conn, "select count(*)::int from audit where action like 'silence.%'"); n != 4 {
		t.Errorf("%d audit records, want 4", n)
	}
	if _, err := conn.Exec(ctx, "update silence_versions set comment = ''"); err == nil {
		t.Error("what a silence was can be changed")
	}
}

func TestWhatIsRefusedOfSilences(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	s := put(t, db, silence("shop"))
	viewer := access.Principal{ID: "user:v", Role: access.Viewer}
	unknown := silence("shop")
	unknown.ID = "0d9e1a68-1a63-4d4d-8b6a-1f6a3a3f9f3b"
	past := silence("shop")
	past.StartsAt, past.EndsAt = past.StartsAt.Add(-2*time.Hour), past.StartsAt.Add(-time.Hour)
	foreign := s
	for name, c := range map[string]struct {
		who  access.Principal
		s    alerting.Silence
		want fault.Kind
	}{
		"a viewer's":       {viewer, silence("shop"), fault.Forbidden},
		"an unknown id":    {responder, unknown, fault.NotFound},
		"no uuid":          {responder, alerting.Silence{ID: "x", Matchers: unknown.Matchers, StartsAt: unknown.StartsAt, EndsAt: unknown.EndsAt}, fault.NotFound},
		"one in the past":  {responder, past, fault.Invalid},
		"another tenant's": {acme, foreign, fault.NotFound},
	} {
		if _, err := db.PutSilence(ctx, c.who, c.s); !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if err := db.ExpireSilence(ctx, acme, s.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("acme expires the operator's: %v", err)
	}
	expire(t, db, s.ID)
	expire(t, db, s.ID)
	if versions := must(db.SilenceHistory(ctx, access.Operator(), s.ID))(t); len(versions) != 2 {
		t.Errorf("%d versions after expiring twice, want 2", len(versions))
	}
}

func TestATenantsSilenceConcernsItsOwnAlertsAlone(t *testing.T) {
	t.Parallel()
	db := open(t)
	must(db.PutSilence(context.Background(), acme, silence("shop")))(t)
	receive(t, db, alert("Down", "critical", "service", "shop", "tenant", "acme"), alert("Down", "critical", "service", "shop", "tenant", "globex"))
	if i := only(t, db); i.Tenant != "globex" {
		t.Errorf("the incident is %s's", i.Tenant)
	}
	if n := len(must(db.Silences(context.Background(), access.Tenant("globex"), alerting.SilenceFilter{}))(t)); n != 0 {
		t.Errorf("globex sees %d silences of others", n)
	}
}

func TestAHeldIncidentSaysWhoseSilenceHoldsIt(t *testing.T) {
	t.Parallel()
	db := open(t)
	a := alert("Down", "critical", "service", "shop")
	receive(t, db, a)
	s := put(t, db, silence("shop"))
	rejudge(t, db, routing)
	if got, want := only(t, db).Held, "silence of ana until "+s.EndsAt.Format("2006-01-02 15:04 UTC")+" (deploy)"; got != want {
		t.Errorf("held by %q, want %q", got, want)
	}
}

func TestAJudgeTellsATenantNothingOfOthersSilences(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	mine := must(db.PutSilence(ctx, acme, silence("shop")))(t)
	general := put(t, db, silence("shop"))
	foreign := silence("shop")
	foreign.Tenant = "globex"
	put(t, db, foreign)
	later := silence("shop")
	later.StartsAt = later.StartsAt.Add(30 * time.Minute)
	put(t, db, later)
	a := alert("Down", "critical", "service", "shop")
	a.Tenant = "acme"
	rules := during(time.Now(), time.Now().Add(time.Hour))
	rules.Rules.Maintenance[0].Tenant = "globex"
	for name, c := range map[string]struct {
		scope access.Scope
		want  int // silences and windows that are explained
	}{"acme": {access.Tenant("acme"), 3}, "the operator": {access.Operator(), 5}} {
		judge := must(db.Judge(ctx, c.scope, rules))(t)
		if v := judge.Verdict(a); len(v.SilencedBy) != 2 || !slices.Contains(v.SilencedBy, mine.ID) || !slices.Contains(v.SilencedBy, general.ID) {
			t.Errorf("to %s the alert is silenced by %v", name, v.SilencedBy)
		}
		n := 0
		for _, f := range judge.Explain(a) {
			if f.Step == "silence" || f.Step == "maintenance" {
				n++
			}
		}
		if n != c.want {
			t.Errorf("%s is told of %d silences and windows, want %d", name, n, c.want)
		}
	}
}

func TestSilencesAreBounded(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	do(t, conn, `insert into silences (tenant_id, id, matchers, starts_at, ends_at, updated_at, created_by, comment)
		select '', gen_random_uuid(), '[]', now(), now() + interval '1 hour', now(), '', '' from generate_series(1, 2000)`)
	if _, err := db.PutSilence(context.Background(), responder, silence("shop")); !fault.Is(err, fault.Conflict) {
		t.Errorf("one too many: %v", err)
	}
	must(db.PutSilence(context.Background(), acme, silence("shop")))(t)
}
