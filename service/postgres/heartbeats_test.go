package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

func TestAMissedHeartbeatOpensAnIncidentAndAPingEndsIt(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	beats := []alerting.Heartbeat{{Name: "backup", Interval: time.Hour, Service: "db", Severity: "critical"}, {Name: "never", Interval: time.Minute, Severity: "critical"}}
	undefined := func(defined ...alerting.Heartbeat) int {
		t.Helper()
		return must(db.EndUndefinedHeartbeats(ctx, defined, routing))(t)
	}
	watch := func() int { t.Helper(); return must(db.WatchHeartbeats(ctx, beats, routing))(t) }
	if n := watch(); n != 0 {
		t.Errorf("%d alerts of heartbeats that were never pinged", n)
	}
	ping := must(db.PingHeartbeat(ctx, responder, "", "backup"))(t)
	if n := watch(); n != 0 || time.Since(ping.LastAt) > time.Minute {
		t.Errorf("%d alerts after a ping at %s", n, ping.LastAt)
	}
	do(t, conn, "update heartbeats set last_at = last_at - interval '60 minutes'")
	if n := watch(); n != 1 {
		t.Errorf("%d alerts after an hour, want 1", n)
	}
	if n := watch(); n != 0 {
		t.Errorf("%d alerts are told again", n)
	}
	if i := only(t, db); i.Service != "db" || i.Labels["heartbeat"] != "backup" || i.Severity != incidents.Critical {
		t.Errorf("it opened %+v", i)
	}
	must(db.PingHeartbeat(ctx, responder, "", "backup"))(t)
	if n := watch(); n != 1 {
		t.Errorf("%d alerts end after the ping, want 1", n)
	}
	calm(t, db, conn)
	if i := only(t, db); i.State != incidents.Resolved {
		t.Errorf("it is %s", i.State)
	}
	if n := watch(); n != 0 {
		t.Errorf("%d alerts end twice", n)
	}
	do(t, conn, "update heartbeats set last_at = last_at - interval '60 minutes'")
	receive(t, db, alert(alerting.HeartbeatMissed, "critical", "heartbeat", "of another system"))
	if n := watch() + 10*undefined(beats...); n != 1 {
		t.Errorf("%d alerts are told or end", n)
	}
	if n := undefined(); n != 1 {
		t.Errorf("%d alerts end with their definition, want 1", n)
	}
}

func TestAHeartbeatIsPingedByItsTenantsResponders(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	viewer := access.Principal{ID: "user:v", Role: access.Viewer}
	if _, err := db.PingHeartbeat(ctx, viewer, "", "backup"); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a viewer: %v", err)
	}
	if _, err := db.PingHeartbeat(ctx, acme, "", "backup"); !fault.Is(err, fault.NotFound) {
		t.Errorf("acme pings the operator's: %v", err)
	}
	must(db.PingHeartbeat(ctx, acme, "acme", "backup"))(t)
	if pings := must(db.HeartbeatStates(ctx, access.Tenant("globex")))(t); len(pings) != 0 {
		t.Errorf("globex sees %+v", pings)
	}
	if pings := must(db.HeartbeatStates(ctx, access.Tenant("acme")))(t); len(pings) != 1 || pings[0].Actor != acme.ID {
		t.Errorf("acme sees %+v", pings)
	}
}
