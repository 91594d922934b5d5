package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/service/postgres"
)

// troubles are n alerts of a service that share no incident.
func troubles(service string, from, n int) []alerting.Alert {
	var out []alerting.Alert
	for i := range n {
		out = append(out, alert(fmt.Sprintf("Trouble%d", from+i), "critical", "service", service))
	}
	return out
}

func TestAStormOpensABoundedNumberOfIncidentsAndGathersTheRest(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	receive(t, db, troubles("loud", 0, 30)...)
	receive(t, db, troubles("loud", 30, 100)...)
	receive(t, db, troubles("quiet", 0, 1)...)
	found := all(t, db)
	if len(found) != incidents.MaxOpened+2 {
		t.Fatalf("%d incidents, want %d, the storm and the quiet service's", len(found), incidents.MaxOpened)
	}
	storm := found[incidents.MaxOpened]
	if !storm.Storm() || storm.Service != "loud" || !strings.Contains(storm.Title, "80 further alerts") {
		t.Errorf("what gathers the rest is %q of %s", storm.Title, storm.Service)
	}
	receive(t, db, troubles("loud", 130, 5)...)
	if storm = all(t, db)[incidents.MaxOpened]; !strings.Contains(storm.Title, "85 further alerts") {
		t.Errorf("then it is %q", storm.Title)
	}
	if n := pagesSent(t, conn); n != incidents.MaxOpened+2 {
		t.Errorf("%d pages", n)
	}
	var over []alerting.Alert
	for _, a := range troubles("loud", 0, 135) {
		over = append(over, ended(a))
	}
	receive(t, db, over...)
	if got := kinds(t, db, storm.ID); got != "opened escalated alert_joined alert_ended " {
		t.Errorf("timeline of the storm: %s", got)
	}
	calm(t, db, conn)
	if open := openIncidents(t, db); len(open) != 1 || open[0].Service != "quiet" {
		t.Errorf("%d incidents are open once the storm is over", len(open))
	}
	do(t, conn, "update incidents set opened_at = opened_at - interval '11 minutes', resolved_at = resolved_at - interval '10 minutes'")
	receive(t, db, troubles("loud", 500, 1)...)
	if found = all(t, db); found[len(found)-1].Storm() {
		t.Error("a single trouble long after a storm counts as one")
	}
}

func TestASilentStormPagesForTheFirstAlertThatDoes(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	var tickets []alerting.Alert
	for i := range 60 {
		tickets = append(tickets, alert(fmt.Sprintf("Ticket%d", i), "warning", "service", "shop"))
	}
	receive(t, db, tickets...)
	if n := pagesSent(t, conn); n != 0 {
		t.Fatalf("%d pages for tickets", n)
	}
	receive(t, db, alert("Down", "critical", "service", "shop"))
	if n := pagesSent(t, conn); n != 1 {
		t.Errorf("%d pages, want 1", n)
	}
}

func TestTheInboxGivesEachTenantItsTurn(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	db, conn := openURL(t, url), superuser(t, url)
	globex := access.Principal{ID: "token:globex", Name: "globex", Tenant: "globex", Role: access.Responder}
	for n := range 20 {
		var flood []alerting.Alert
		for i := range 60 {
			flood = append(flood, alert("Down", "critical", "service", fmt.Sprint(n, "-", i)))
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		_ = db.AcceptAlerts(ctx, acme, flood)
		cancel()
	}
	waitUntil(t, func() bool { return value[int64](t, conn, "select coalesce(sum(alerts), 0) from inbox") == 1200 })
	if err := db.AcceptAlerts(t.Context(), globex, []alerting.Alert{alert("Down", "critical", "service", "shop")}); err != nil {
		t.Fatal(err)
	}
	work(t, db)
	waitUntil(t, func() bool {
		return value[int64](t, conn, "select count(*) from incidents where tenant_id = 'globex'") == 1
	})
	if n := value[int64](t, conn, "select count(*) from incidents where opened_at < (select opened_at from incidents where tenant_id = 'globex')"); n > 600 {
		t.Errorf("%d incidents of the tenant that floods were opened before the other's first", n)
	}
}

func TestARouteMayDropAlertsAndBoundTheirIncidents(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	r := router
	r.Routes = func(a incidents.AlertFacts) incidents.Route {
		return incidents.Route{Drop: a.Labels["severity"] == "info", Grouped: true, GroupAt: "all", Window: 10 * time.Minute}
	}
	by := postgres.Routing{Router: r}
	receiveBy(t, db, by, alert("Chatter", "info"), alert("One", "critical"))
	receiveBy(t, db, by, again(alert("Chatter", "info")), alert("Two", "critical"))
	if i := only(t, db); i.Labels["alertname"] != "One" {
		t.Errorf("%s opened an incident", i.Labels["alertname"])
	}
	do(t, conn, "alter table timeline disable trigger all")
	do(t, conn, "update timeline set at = at - interval '11 minutes'")
	do(t, conn, "update incidents set opened_at = opened_at - interval '11 minutes'")
	receiveBy(t, db, by, again(alert("One", "critical")), alert("Three", "critical"))
	if found := all(t, db); len(found) != 2 || found[1].GroupKey == found[0].GroupKey {
		t.Errorf("%d incidents once the time to join is over", len(found))
	}
	receiveBy(t, db, by, alert("Four", "critical"))
	if n := len(all(t, db)); n != 2 {
		t.Errorf("%d incidents", n)
	}
}

func TestTroubleThatCameAndWentLatelyIsKeptOpenLonger(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	a := alert("Down", "critical", "service", "shop")
	waits := func() time.Duration {
		t.Helper()
		receive(t, db, again(a))
		receive(t, db, ended(a))
		i := openIncidents(t, db)[0]
		return i.ResolveAt.Sub(i.UpdatedAt)
	}
	if got := waits(); got != 10*time.Second {
		t.Errorf("the first time it is kept open for %s", got)
	}
	calm(t, db, conn)
	if got := waits(); got != 2*time.Minute {
		t.Errorf("the second time it is kept open for %s", got)
	}
	calm(t, db, conn)
	do(t, conn, "update incidents set resolved_at = resolved_at - interval '31 minutes'")
	if got := waits(); got != 10*time.Second {
		t.Errorf("much later it is kept open for %s", got)
	}
}
