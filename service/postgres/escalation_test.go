package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/postgres"
)

// calm lets the time pass for which an incident waits before it is resolved.
func calm(t testing.TB, db *postgres.DB, conn *pgx.Conn) {
	t.Helper()
	do(t, conn, "update incidents set resolve_at = clock_timestamp() where resolve_at is not null")
	must(db.EscalateDue(context.Background(), 100))(t)
}

func TestAnAlertThatComesBackSoonIsTheSameIncidentAndPagesNobodyAnew(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	a := alert("Down", "critical")
	receive(t, db, a)
	first := only(t, db)
	for range 3 {
		receive(t, db, ended(a))
		must(db.EscalateDue(context.Background(), 100))(t)
		a = again(a)
		receive(t, db, a)
	}
	i := only(t, db)
	if i.ID != first.ID || i.Refires != 3 || i.ResolveAt != nil || i.State != incidents.Triggered {
		t.Errorf("fired again %d times, to be resolved at %v, %s", i.Refires, i.ResolveAt, i.State)
	}
	if n := value[int](t, conn, "select count(*)::int from pages"); n != 1 {
		t.Errorf("%d pages, want 1", n)
	}
	receive(t, db, ended(a))
	if wait := time.Until(*only(t, db).ResolveAt); wait < 75*time.Second || wait > 80*time.Second {
		t.Errorf("it waits %s; want 80 s", wait)
	}
	calm(t, db, conn)
	if i := only(t, db); i.State != incidents.Resolved {
		t.Errorf("it is %s", i.State)
	}
	if n := value[int](t, conn, "select count(*)::int from audit where action = 'incident.resolve'"); n != 1 {
		t.Errorf("%d audit records of the resolution, want 1", n)
	}
}

func TestEscalatingByHandIsCommittedWithItsPagesAndAudit(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	receive(t, db, alert("Down", "critical"))
	i := must(db.EscalateNow(context.Background(), responder, only(t, db).ID))(t)
	if i.State != incidents.Triggered {
		t.Errorf("it is %s", i.State)
	}
	if n := value[int](t, conn, "select count(*)::int from pages where action = 'trigger'"); n != 2 {
		t.Errorf("%d pages, want 2", n)
	}
	if n := value[int](t, conn, "select count(*)::int from audit where action = 'incident.escalate'"); n != 1 {
		t.Errorf("%d audit records, want 1", n)
	}
	do(t, conn, "update incidents set held = 'maintenance window db'")
	if _, err := db.EscalateNow(context.Background(), responder, i.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("held: %v; want a conflict", err)
	}
	do(t, conn, "update incidents set next_escalation_at = clock_timestamp() - interval '1 hour'")
	if n := must(db.EscalateDue(context.Background(), 100))(t); n != 0 {
		t.Errorf("%d held incidents escalated", n)
	}
}
