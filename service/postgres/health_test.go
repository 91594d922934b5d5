package postgres_test

import (
	"slices"
	"testing"
)

func TestWhatKeepsAlertsFromPeopleIsNamed(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	look := func(want ...string) {
		t.Helper()
		if got := must(db.PagingTrouble(t.Context()))(t); !slices.Equal(got, want) {
			t.Errorf("%q; want %q", got, want)
		}
	}
	receive(t, db, alert("Down", "critical"))
	look()
	do(t, conn, "update pages set next_at = clock_timestamp() - interval '2 minutes'")
	look("pages are due for more than a minute and none is sent")
	claim(t, db, 1) // the pager works
	look()
	do(t, conn, `insert into inbox (tenant_id, received_at, actor, name, role, urgent, alerts, body, trace)
		values ('', clock_timestamp() - interval '2 minutes', 'x', 'x', 'responder', false, 1, '', '')`)
	look("alerts wait in the inbox for more than a minute")
	do(t, conn, "update inbox set parked_at = clock_timestamp()")
	do(t, conn, "update incidents set unreachable_since = clock_timestamp()")
	look("nobody is reached for an open incident")
	db.Close()
	if _, err := db.PagingTrouble(t.Context()); err == nil {
		t.Error("a database that is away is no trouble")
	}
}
