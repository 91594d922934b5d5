package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/postgres"
)

// inhibiting lets critical alerts of a service explain its warnings and errors.
var inhibiting = postgres.Routing{Router: router, Rules: alerting.Rules{Inhibit: []alerting.InhibitRule{{
	Name: "critical-first", Source: []alerting.Matcher{is("severity", "critical")},
	Target: []alerting.Matcher{{Name: "severity", Value: "warning|error", IsRegex: true, IsEqual: true}}, Equal: []string{"service"},
}}}.Compiled()}

// during is routing while a maintenance window over the service shop is open.
func during(from, until time.Time) postgres.Routing {
	return postgres.Routing{Router: router, Rules: alerting.Rules{Maintenance: []alerting.MaintenanceWindow{{
		Name: "db-upgrade", Start: from, End: until, Matchers: []alerting.Matcher{is("service", "shop")},
	}}}.Compiled()}
}

func receiveBy(t testing.TB, db *postgres.DB, r postgres.Routing, alerts ...alerting.Alert) {
	t.Helper()
	if err := db.ReceiveAlerts(context.Background(), responder, alerts, r); err != nil {
		t.Fatal(err)
	}
}

func TestAnInhibitedAlertPagesOnceItsExplanationHasEnded(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	source, target := alert("Down", "critical", "service", "shop"), alert("Slow", "error", "service", "shop")
	elsewhere := alert("Slow", "error", "service", "cart")
	receiveBy(t, db, inhibiting, target, source, elsewhere)
	if found, n := all(t, db), pagesSent(t, conn); len(found) != 2 || n != 2 {
		t.Fatalf("%d incidents and %d pages, want those of the source and of the other service", len(found), n)
	}
	rejudge(t, db, inhibiting)
	receiveBy(t, db, inhibiting, ended(source))
	if n := rejudge(t, db, inhibiting); n != 1 {
		t.Errorf("%d alerts are judged otherwise, want 1", n)
	}
	if found, n := all(t, db), pagesSent(t, conn); len(found) != 3 || n != 3 {
		t.Errorf("%d incidents and %d pages once the explanation is gone", len(found), n)
	}
}

func TestAnExplanationThatComesLaterHoldsWhatItExplains(t *testing.T) {
	t.Parallel()
	db := open(t)
	target := alert("Slow", "error", "service", "shop")
	receiveBy(t, db, inhibiting, target)
	rejudge(t, db, inhibiting)
	receiveBy(t, db, inhibiting, alert("Down", "critical", "service", "shop"))
	rejudge(t, db, inhibiting)
	if found := all(t, db); len(found) != 2 || found[0].Held == "" || found[1].Held != "" {
		t.Errorf("held: %q and %q", found[0].Held, found[1].Held)
	}
}

func TestMaintenanceHoldsPagesAndLetsResolvesThrough(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	now := time.Now()
	before, passing, lasting := alert("Down", "critical", "service", "shop"), alert("Slow", "critical", "service", "shop"), alert("Full", "critical", "service", "shop")
	window, over := during(now.Add(-time.Minute), now.Add(time.Hour)), during(now.Add(-time.Hour), now.Add(-time.Minute))
	receiveBy(t, db, over, before)
	receiveBy(t, db, window, again(before), passing, lasting)
	i := only(t, db)
	if i.Held != "maintenance window db-upgrade" || pagesSent(t, conn) != 1 {
		t.Errorf("held by %q with %d pages", i.Held, pagesSent(t, conn))
	}
	if _, err := db.EscalateNow(context.Background(), operator, i.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("escalating by hand during maintenance: %v", err)
	}
	receiveBy(t, db, window, ended(before), ended(passing))
	calm(t, db, conn)
	if i := only(t, db); i.State != incidents.Resolved {
		t.Errorf("it is %s although its alert has ended", i.State)
	}
	rejudge(t, db, over)
	if found, n := all(t, db), pagesSent(t, conn); len(found) != 2 || found[1].Labels["alertname"] != "Full" || n != 2 {
		t.Errorf("%d incidents and %d pages after the window", len(found), n)
	}
}

func TestTwoReplicasReleaseAnAlertOnce(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	a, b, conn := openURL(t, url), openURL(t, url), superuser(t, url)
	s := put(t, a, silence("shop"))
	for n := range 20 {
		receive(t, a, alert("Down", "critical", "service", "shop", "cluster", string(rune('a'+n))))
	}
	expire(t, a, s.ID)
	var wg sync.WaitGroup
	for _, db := range []*postgres.DB{a, b, a, b} {
		wg.Go(func() { rejudge(t, db, routing) })
	}
	wg.Wait()
	rejudge(t, a, routing)
	if n, pages := len(all(t, a)), pagesSent(t, conn); n != 20 || pages != 20 {
		t.Errorf("%d incidents and %d pages of 20 alerts", n, pages)
	}
	if n := value[int](t, conn, "select count(*)::int from alert_events where kind = 'released'"); n != 20 {
		t.Errorf("%d alerts were released, want 20", n)
	}
}

func TestNothingLapsesWhileTheInboxHoldsABacklog(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	receive(t, db, alert("Down", "critical"))
	do(t, conn, "update alerts set ends_at = now() - interval '1 second'")
	do(t, conn, `insert into inbox (tenant_id, actor, name, role, received_at, urgent, alerts, body, trace)
		values ('', 'a', 'a', 'responder', now() - interval '3 seconds', true, 1, '', '')`)
	if n := must(db.LapseAlerts(context.Background(), routing))(t); n != 0 {
		t.Errorf("%d alerts lapsed although a word about them may wait", n)
	}
	do(t, conn, "update inbox set parked_at = now()")
	if n := must(db.LapseAlerts(context.Background(), routing))(t); n != 1 {
		t.Errorf("%d alerts lapsed, want 1", n)
	}
}
