package postgres_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/runbooks"
	"github.com/nines-sre/nines/service/postgres"
)

var diagnostics = access.System("diagnostics")

func TestTwoReplicasRunAStepOnce(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	replicas := []*postgres.DB{openURL(t, url), openURL(t, url)}
	run := runbooks.Run{Runbook: "disk-low", Step: "free", Language: runbooks.PromQL, Asked: "up", Incident: uuid.NewString()}
	var (
		group sync.WaitGroup
		first atomic.Int32
	)
	for n := range 8 {
		group.Go(func() {
			if _, ours, err := replicas[n%2].BeginRun(t.Context(), diagnostics, run); err != nil {
				t.Error(err)
			} else if ours {
				first.Add(1)
			}
		})
	}
	group.Wait()
	found, err := replicas[0].Runs(t.Context(), access.Operator(), run.Incident, "", 0)
	if err != nil || first.Load() != 1 || len(found) != 1 {
		t.Errorf("%d replicas ran it, %d runs, %v", first.Load(), len(found), err)
	}
}

func TestARunThatACrashCutOffIsFailedByTheNextStartAndOneThatMayStillGoOnIsLeft(t *testing.T) {
	t.Parallel()
	db, super := openBoth(t)
	begin := func(step string) runbooks.Run {
		r, _, err := db.BeginRun(t.Context(), responder, runbooks.Run{Runbook: "disk-low", Step: step, Language: runbooks.PromQL, Asked: "up"})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	lost, running := begin("lost"), begin("running")
	if _, err := super.Exec(t.Context(), "update runs set began_at = now() - interval '7 minutes' where id = $1", lost.ID); err != nil {
		t.Fatal(err)
	}
	if n, err := db.FailLostRuns(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	found, err := db.Runs(t.Context(), access.Operator(), "", "disk-low", 0)
	if err != nil || len(found) != 2 {
		t.Fatal(found, err)
	}
	for _, r := range found {
		if r.ID == lost.ID && (r.Outcome != runbooks.Failed || r.Error == "") || r.ID == running.ID && r.Outcome != runbooks.Running {
			t.Errorf("%s: %s %q", r.Step, r.Outcome, r.Error)
		}
	}
	lost.Outcome = runbooks.OK
	if err := db.EndRun(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	if found, _ = db.Runs(t.Context(), access.Operator(), "", "", 0); len(found) != 2 || found[1].Outcome != runbooks.Failed {
		t.Errorf("what was failed has become %s", found[1].Outcome)
	}
}

func TestARunThatNobodyApprovesExpires(t *testing.T) {
	t.Parallel()
	db, super := openBoth(t)
	receive(t, db, alert("Down", "critical"))
	i := only(t, db)
	run := must(db.AskRun(t.Context(), responder, runbooks.Run{Runbook: "disk-low", Step: "grow", Language: runbooks.HTTP, Asked: "POST /grow", Incident: i.ID}))(t)
	if n := must(db.ExpireRuns(t.Context()))(t); n != 0 {
		t.Errorf("%d expired at once", n)
	}
	do(t, super, "update runs set expires_at = now()")
	if _, err := db.ApproveRun(t.Context(), operator, run.ID); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "ask anew") {
		t.Errorf("too late: %v", err)
	}
	for _, want := range []int{1, 0} {
		if n := must(db.ExpireRuns(t.Context()))(t); n != want {
			t.Errorf("%d expired, want %d", n, want)
		}
	}
	if r := must(db.Run(t.Context(), access.Operator(), run.ID))(t); r.Outcome != runbooks.Expired || r.Error == "" {
		t.Errorf("%+v", r)
	}
	if got := kinds(t, db, i.ID); got != "opened escalated note note " {
		t.Errorf("timeline: %s", got)
	}
	for _, action := range []string{"runbook.ask", "runbook.approve"} {
		if n := actions(t, super, action); n != map[string]int{"runbook.ask": 1}[action] {
			t.Errorf("%d audit records of %s", n, action)
		}
	}
}

func TestATenantHasNoRunsAndRunsNone(t *testing.T) {
	t.Parallel()
	db := open(t)
	if _, _, err := db.BeginRun(t.Context(), acme, runbooks.Run{Runbook: "a", Step: "b", Language: runbooks.PromQL}); !fault.Is(err, fault.Forbidden) {
		t.Errorf("ran: %v", err)
	}
	if _, _, err := db.BeginRun(t.Context(), responder, runbooks.Run{Runbook: "a", Step: "b", Language: runbooks.PromQL}); err != nil {
		t.Fatal(err)
	}
	if found, err := db.Runs(t.Context(), acme.Scope(), "", "", 0); len(found) != 0 || err != nil {
		t.Errorf("sees %v, %v", found, err)
	}
}

// question asks a database of the test's own as its superuser, who could do everything.
func question(t *testing.T, sql string, args ...string) (postgres.Question, string) {
	t.Helper()
	url := server.AsSuperuser(t, server.Database(t))
	config := superuser(t, url).Config()
	var d net.Dialer
	q := postgres.Question{URL: "postgres://" + config.User + "@db.example:5432/" + config.Database, Password: config.Password,
		SQL: sql, Args: args, Timeout: 10 * time.Second, Size: 4096,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			if strings.HasPrefix(config.Host, "/") {
				return d.DialContext(ctx, "unix", config.Host+"/.s.PGSQL."+itoa(config.Port))
			}
			return d.DialContext(ctx, "tcp", net.JoinHostPort(config.Host, itoa(config.Port)))
		}}
	q.URL += "?sslmode=disable"
	return q, url
}

func itoa(n uint16) string {
	digits := ""
	for ; n > 0; n /= 10 {
		digits = string(rune('0'+n%10)) + digits
	}
	return digits
}

func TestAStepReadsAnotherDatabaseAndItsValuesAreOnlyValues(t *testing.T) {
	t.Parallel()
	hostile := `'; drop table users; --`
	q, _ := question(t, "select $1::text as job, 1 as n", hostile)
	out, more, err := postgres.AskReadOnly(t.Context(), q)
	if err != nil || more || out != "job,n\n'; drop table users; --,1\n" {
		t.Errorf("%q, %v, %v", out, more, err)
	}
}

func TestNoStatementOfAStepChangesAnotherDatabase(t *testing.T) {
	t.Parallel()
	base, url := question(t, "")
	super := superuser(t, url)
	if _, err := super.Exec(t.Context(), "create table kept (n int); insert into kept values (1); create sequence counted"); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"delete from kept", "update kept set n = 2", "drop table kept", "begin", "commit", "set transaction read write",
		"set session characteristics as transaction read write", "do $$ begin delete from kept; end $$", "copy kept to program 'true'", "call x()",
		"with gone as (delete from kept returning n) select * from gone",
		"explain analyze delete from kept",
		"select 1; delete from kept",
		"select 1; commit; delete from kept",
		"select set_config('transaction_read_only', 'off', false)",
		"select nextval('counted')",
		"select n into more from kept",
		"/* */ delete from kept", "--\ndelete from kept", "selectdelete from kept",
		"table nothing", "values (", "show",
	} {
		q := base
		q.SQL = sql
		if out, _, err := postgres.AskReadOnly(t.Context(), q); err == nil {
			t.Errorf("%s: answered %q", sql, out)
		} else if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", sql, err)
		}
	}
	var n, tables int
	err := super.QueryRow(t.Context(), "select (select n from kept), (select count(*) from pg_tables where tablename in ('kept', 'more'))").Scan(&n, &tables)
	if err != nil || n != 1 || tables != 1 {
		t.Errorf("%d in %d tables, %v", n, tables, err)
	}
	for _, sql := range []string{"SELECT 1", " with a as (select 1) select * from a", "show server_version", "explain select 1", "values (1)", "table kept"} {
		q := base
		q.SQL = sql
		if _, _, err := postgres.AskReadOnly(t.Context(), q); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestAnAnswerIsBoundedInRowsBytesAndTime(t *testing.T) {
	t.Parallel()
	q, _ := question(t, "select n from generate_series(1, 1000000) n")
	out, more, err := postgres.AskReadOnly(t.Context(), q)
	if err != nil || !more || strings.Count(out, "\n") != 201 {
		t.Errorf("%d lines, %v, %v", strings.Count(out, "\n"), more, err)
	}
	q.SQL = "select repeat('x', 3000000)"
	if out, _, err = postgres.AskReadOnly(t.Context(), q); err != nil || len(out) > 2*q.Size {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	q.SQL = "select repeat('x', 100000000)"
	if out, _, err = postgres.AskReadOnly(t.Context(), q); err == nil {
		t.Errorf("%d bytes of a row of 100 MB were read", len(out))
	}
	q.SQL, q.Timeout = "select pg_sleep(600)", 300*time.Millisecond
	began := time.Now()
	if _, _, err = postgres.AskReadOnly(t.Context(), q); err == nil || time.Since(began) > 20*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}

func TestADatabaseIsReachedByTheDialGivenOnly(t *testing.T) {
	q, _ := question(t, "select 1")
	t.Setenv("PGHOST", "/var/run/postgresql")
	t.Setenv("PGOPTIONS", "-c default_transaction_read_only=off")
	t.Setenv("PGPASSWORD", "of-the-server")
	refused := errors.New("not allowed")
	var asked []string
	q.Dial = func(_ context.Context, network, address string) (net.Conn, error) {
		asked = append(asked, network+" "+address)
		return nil, refused
	}
	_, _, err := postgres.AskReadOnly(t.Context(), q)
	if !errors.Is(err, refused) || len(asked) == 0 || asked[0] != "tcp db.example:5432" || strings.Contains(err.Error(), "of-the-server") {
		t.Errorf("%v, %v", asked, err)
	}
}
