package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/postgres"
)

// mail pages one person by e-mail.
func mail(to string) incidents.Target {
	return incidents.Target{Email: &incidents.EmailTarget{To: []string{to + "@nines.example"}}}
}

// router pages ana at once and bo five minutes later.
var router = incidents.Router{
	Policies: map[string]incidents.Policy{"default": {Name: "default", Steps: []incidents.Step{
		{Targets: []incidents.Target{mail("ana")}}, {Delay: 5 * time.Minute, Targets: []incidents.Target{mail("bo")}},
	}}},
	Default: "default",
}

// routing has no rules.
var routing = postgres.Routing{Router: router}

// alert makes a firing alert of one name; further labels come in pairs.
func alert(name, severity string, labels ...string) alerting.Alert {
	now := time.Now().UTC()
	all := map[string]string{"alertname": name, "severity": severity}
	for i := 0; i+1 < len(labels); i += 2 {
		all[labels[i]] = labels[i+1]
	}
	return alerting.Alert{
		Fingerprint: alerting.Fingerprint(all), Labels: all, Annotations: map[string]string{"summary": name + " is wrong"},
		StartsAt: now.Add(-time.Minute), EndsAt: now.Add(4 * time.Minute), UpdatedAt: now,
	}
}

func ended(a alerting.Alert) alerting.Alert {
	a.UpdatedAt = time.Now().UTC()
	a.EndsAt = a.UpdatedAt.Add(-time.Second)
	return a
}

func again(a alerting.Alert) alerting.Alert {
	a.UpdatedAt = time.Now().UTC()
	a.EndsAt = a.UpdatedAt.Add(4 * time.Minute)
	return a
}

func receive(t testing.TB, db *postgres.DB, alerts ...alerting.Alert) {
	t.Helper()
	if err := db.ReceiveAlerts(context.Background(), responder, alerts, routing); err != nil {
		t.Fatal(err)
	}
}

// all returns every incident, the oldest first.
func all(t testing.TB, db *postgres.DB) []incidents.Incident {
	t.Helper()
	found := must(db.Incidents(context.Background(), access.Operator(), incidents.Filter{Limit: 500}))(t)
	for i, j := 0, len(found)-1; i < j; i, j = i+1, j-1 {
		found[i], found[j] = found[j], found[i]
	}
	return found
}

func only(t testing.TB, db *postgres.DB) incidents.Incident {
	t.Helper()
	found := all(t, db)
	if len(found) != 1 {
		t.Fatalf("there are %d incidents, want 1", len(found))
	}
	return found[0]
}

func kinds(t testing.TB, db *postgres.DB, id string) string {
	t.Helper()
	var out string
	for _, e := range must(db.Timeline(context.Background(), access.Operator(), id))(t) {
		out += string(e.Kind) + " "
	}
	return out
}

func TestANewAlertOpensAnIncidentAndPages(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	receive(t, db, alert("Down", "critical", "service", "shop"))
	i := only(t, db)
	if i.State != incidents.Triggered || i.Severity != incidents.Critical || i.Service != "shop" || i.Number != 1 {
		t.Errorf("got %s %s of %s, number %d", i.State, i.Severity, i.Service, i.Number)
	}
	if got := kinds(t, db, i.ID); got != "opened escalated " {
		t.Errorf("timeline: %s", got)
	}
	if n := value[int](t, conn, "select count(*)::int from pages where state = 'pending' and action = 'trigger' and step = 1"); n != 1 {
		t.Errorf("%d pages are pending, want 1", n)
	}
	if who := value[string](t, conn, "select actor from audit where action = 'incident.open' and object = 'incident/' || $1", i.ID); who != responder.ID {
		t.Errorf("the audit log says %q opened it", who)
	}
	active := must(db.Alerts(context.Background(), access.Operator(), postgres.AlertFilter{Active: true}))(t)
	if len(active) != 1 || active[0].Incident != i.ID || active[0].Labels["service"] != "shop" {
		t.Errorf("active alerts: %+v", active)
	}
}

func TestTellingAnAlertAgainChangesNothing(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	a := alert("Down", "critical", "service", "shop")
	receive(t, db, a, a)
	before := only(t, db)
	events := kinds(t, db, before.ID)
	later := again(a)
	receive(t, db, later)
	receive(t, db, again(a))
	after := only(t, db)
	if got := kinds(t, db, after.ID); got != events || !after.UpdatedAt.Equal(before.UpdatedAt) {
		t.Errorf("timeline went from %q to %q", events, got)
	}
	if n := value[int](t, conn, "select count(*)::int from pages"); n != 1 {
		t.Errorf("%d pages, want 1", n)
	}
	stored := must(db.Alerts(context.Background(), access.Operator(), postgres.AlertFilter{}))(t)
	if len(stored) != 1 || stored[0].EndsAt.Before(later.EndsAt.Truncate(time.Microsecond)) || !stored[0].StartsAt.Equal(a.StartsAt.Truncate(time.Microsecond)) {
		t.Errorf("stored: %+v", stored)
	}
}

func TestAlertsOfOneGroupShareAnIncidentUntilAllHaveEnded(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	one, two := alert("Down", "critical", "service", "shop", "pod", "1"), alert("Down", "critical", "service", "shop", "pod", "2")
	receive(t, db, one)
	receive(t, db, again(one), two)
	i := only(t, db)
	if got := kinds(t, db, i.ID); got != "opened escalated alert_joined " {
		t.Errorf("timeline: %s", got)
	}
	receive(t, db, ended(one))
	if i = only(t, db); i.State != incidents.Triggered {
		t.Errorf("with one alert firing it is %s", i.State)
	}
	receive(t, db, ended(one)) // sources repeat that it has ended
	receive(t, db, ended(two))
	calm(t, db, conn)
	if i = only(t, db); i.State != incidents.Resolved || i.NextEscalationAt != nil {
		t.Errorf("with none firing it is %s", i.State)
	}
	if got := kinds(t, db, i.ID); got != "opened escalated alert_joined alert_ended alert_ended resolved " {
		t.Errorf("timeline: %s", got)
	}
	receive(t, db, again(one))
	if found := all(t, db); len(found) != 2 || found[1].State != incidents.Triggered || found[0].State != incidents.Resolved {
		t.Errorf("the same trouble again gives %d incidents", len(found))
	}
}

func TestOneMessageMayEndOneAlertAndBringAnother(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	one, two := alert("Down", "critical", "service", "shop", "pod", "1"), alert("Down", "critical", "service", "shop", "pod", "2")
	receive(t, db, one)
	receive(t, db, ended(one), two)
	if i := only(t, db); i.State != incidents.Triggered {
		t.Errorf("it is %s although an alert of it fires", i.State)
	}
	receive(t, db, ended(two))
	calm(t, db, conn)
	if i := only(t, db); i.State != incidents.Resolved {
		t.Errorf("it is %s", i.State)
	}
}

func TestAnEndedAlertThatNobodyKnewIsNoIncident(t *testing.T) {
	t.Parallel()
	db := open(t)
	receive(t, db, ended(alert("Down", "critical")))
	if found := all(t, db); len(found) != 0 {
		t.Errorf("there are %d incidents", len(found))
	}
	if stored := must(db.Alerts(context.Background(), access.Operator(), postgres.AlertFilter{}))(t); len(stored) != 0 {
		t.Errorf("stored: %+v", stored)
	}
}

func TestAWorseAlertRaisesTheSeverityAndStartsPaging(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	slow := alert("Burn", "", "sloth_id", "shop-availability", "sloth_tier", "ticket-fast", "tenant", "acme")
	fast := alert("Burn", "", "sloth_id", "shop-availability", "sloth_tier", "page-fast", "tenant", "acme")
	receive(t, db, slow)
	if n := value[int](t, conn, "select count(*)::int from pages"); n != 0 {
		t.Errorf("a ticket paged %d people", n)
	}
	receive(t, db, fast)
	i := only(t, db)
	if i.Severity != incidents.Critical || i.Tenant != "acme" {
		t.Errorf("got %s of %q", i.Severity, i.Tenant)
	}
	if n := value[int](t, conn, "select count(*)::int from pages where tenant_id = 'acme'"); n != 1 {
		t.Errorf("%d pages, want 1", n)
	}
}

func TestAlertsLapseWithoutAWordFromTheirSource(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	receive(t, db, alert("Down", "critical"), alert("Slow", "critical"))
	if n := must(db.LapseAlerts(context.Background(), routing))(t); n != 0 {
		t.Errorf("%d lapsed at once", n)
	}
	do(t, conn, "update alerts set ends_at = now() - interval '1 second' where labels->>'alertname' = 'Down'")
	if n := must(db.LapseAlerts(context.Background(), routing))(t); n != 1 {
		t.Errorf("%d lapsed, want 1", n)
	}
	if n := must(db.LapseAlerts(context.Background(), routing))(t); n != 0 {
		t.Errorf("%d lapsed again", n)
	}
	calm(t, db, conn)
	found := all(t, db)
	if len(found) != 2 {
		t.Fatalf("%d incidents", len(found))
	}
	for _, i := range found {
		want := incidents.Triggered
		if i.Labels["alertname"] == "Down" {
			want = incidents.Resolved
		}
		if i.State != want {
			t.Errorf("%s is %s, want %s", i.Title, i.State, want)
		}
	}
}

func TestAnAlertThatKeepsFiringAfterSomebodyResolvedItComesBack(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	a := alert("Down", "critical")
	receive(t, db, a)
	first := only(t, db)
	must(db.Resolve(context.Background(), operator, first.ID, "fixed"))(t)
	receive(t, db, again(a))
	if found := all(t, db); len(found) != 1 {
		t.Fatalf("a moment later there are %d incidents", len(found))
	}
	do(t, conn, "update incidents set resolved_at = resolved_at - interval '31 minutes'")
	receive(t, db, again(a))
	if found := all(t, db); len(found) != 2 || found[1].State != incidents.Triggered {
		t.Fatalf("half an hour later there are %d incidents", len(found))
	}
	receive(t, db, ended(a))
	calm(t, db, conn)
	if found := all(t, db); found[1].State != incidents.Resolved {
		t.Errorf("the new one is %s", found[1].State)
	}
}

func TestManySendersOfTheSameTroubleOpenOneIncident(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	var wg sync.WaitGroup
	for s := range 8 {
		wg.Go(func() {
			for round := range 5 {
				var batch []alerting.Alert
				for pod := range 6 {
					batch = append(batch, alert("Down", "critical", "service", "shop", "pod", fmt.Sprint((pod+s)%8)))
				}
				if err := db.ReceiveAlerts(context.Background(), responder, batch, routing); err != nil {
					t.Errorf("sender %d, round %d: %v", s, round, err)
				}
			}
		})
	}
	wg.Wait()
	only(t, db)
	if n := value[int](t, conn, "select count(*)::int from alerts where open"); n != 8 {
		t.Errorf("%d open alerts, want 8", n)
	}
	if n := value[int](t, conn, "select count(*)::int from pages"); n != 1 {
		t.Errorf("%d pages, want 1", n)
	}
}

func TestAPosterNeedsTheRoleAndKeepsToItsTenant(t *testing.T) {
	t.Parallel()
	db := open(t)
	viewer := access.Principal{ID: "user:v", Role: access.Viewer}
	if err := db.ReceiveAlerts(context.Background(), viewer, []alerting.Alert{alert("Down", "critical")}, routing); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a viewer got %v", err)
	}
	foreign := alert("Down", "critical", "tenant", "globex")
	foreign.Tenant = "globex"
	if err := db.ReceiveAlerts(context.Background(), acme, []alerting.Alert{foreign}, routing); err != nil {
		t.Fatal(err)
	}
	if i := only(t, db); i.Tenant != "acme" {
		t.Errorf("acme's token posted for %q", i.Tenant)
	}
}
