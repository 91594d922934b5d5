package postgres_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/pgcluster"
	"github.com/nines-sre/nines/service/postgres"
)

// private is a cluster of the test's own, to be stopped and started.
type private struct {
	*pgcluster.Cluster
	dir  string
	stop func()
}

func newPrivate(t *testing.T) *private {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "outage-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	c, err := pgcluster.Open(pgcluster.Config{Dir: filepath.Join(dir, "pg"), ExtraSettings: map[string]string{"fsync": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	p := &private{Cluster: c, dir: dir, stop: func() {}}
	t.Cleanup(func() { p.stop(); os.RemoveAll(dir) })
	return p
}

func (p *private) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_ = p.Run(ctx, func() { close(ready) })
	}()
	p.stop = func() { cancel(); <-ended }
	select {
	case <-ready:
	case <-ended:
		t.Fatal("it does not start")
	}
}

func (p *private) pid(t *testing.T) int {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(p.dir, "pg", "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestPostgresGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := newPrivate(t)
	p.start(t)
	db, err := postgres.Open(ctx, postgres.Config{URL: p.URL(pgcluster.Role)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	var heard atomic.Int64
	listening, stopListening := context.WithCancel(ctx)
	defer stopListening()
	go func() {
		_ = db.Listen(listening, func(c postgres.Change) {
			if c.Topic == postgres.TopicIncident {
				heard.Add(1)
			}
		})
	}()
	receive(t, db, alert("Before", "critical"))

	calls := map[string]func() error{
		"ReceiveAlerts": func() error {
			return db.ReceiveAlerts(ctx, responder, []alerting.Alert{alert("During", "critical")}, routing)
		},
		"Incidents":   func() error { _, err := db.Incidents(ctx, access.Operator(), incidents.Filter{}); return err },
		"ClaimDue":    func() error { _, err := db.ClaimDue(ctx, 1, lease); return err },
		"EscalateDue": func() error { _, err := db.EscalateDue(ctx, 1); return err },
		"SignIn":      func() error { _, _, err := db.SignIn(ctx, "a@x.example", "p"); return err },
		"Ping":        func() error { return db.Ping(ctx) },
	}
	for _, how := range []struct {
		name string
		stop func()
	}{
		{"stopped", func() { p.stop() }},
		{"killed", func() { _ = syscall.Kill(p.pid(t), syscall.SIGKILL); p.stop() }},
	} {
		how.stop()
		for name, call := range calls {
			began := time.Now()
			err := call()
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("%s, %s: took %s", how.name, name, took)
			}
			var f *fault.Error
			if !errors.As(err, &f) || f.Kind != fault.Unavailable || f.RetryAfter <= 0 {
				t.Errorf("%s, %s: got %v, want unavailable with a time to try again", how.name, name, err)
			}
		}
		p.start(t)
		for name, call := range calls {
			if name == "SignIn" { // there is no such account
				continue
			}
			if err := call(); err != nil {
				t.Errorf("%s and started again, %s: %v", how.name, name, err)
			}
		}
	}
	if found := all(t, db); len(found) != 2 {
		t.Errorf("%d incidents, want those before and after", len(found))
	}
	before := heard.Load()
	for deadline := time.Now().Add(10 * time.Second); heard.Load() == before && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		receive(t, db, alert("After"+strconv.FormatInt(time.Now().UnixNano(), 10), "critical"))
	}
	if heard.Load() == before {
		t.Error("after the outage nothing is heard any more")
	}
}

func TestAServerThatHangsIsNotWaitedForLongerThanAsked(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	do(t, conn, "begin; lock table incidents")
	began := time.Now()
	_, err := db.Incidents(ctx, access.Operator(), incidents.Filter{})
	if !fault.Is(err, fault.Timeout) || time.Since(began) > 3*time.Second {
		t.Errorf("got %v after %s", err, time.Since(began))
	}
	do(t, conn, "rollback")
	must(db.Incidents(context.Background(), access.Operator(), incidents.Filter{}))(t)
}

// TestPagingDoesNotWaitForReports holds every connection for questions and sees pages go out all the same.
func TestPagingDoesNotWaitForReports(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	db, err := postgres.Open(context.Background(), postgres.Config{URL: url, MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn := superuser(t, url)
	receive(t, db, alert("Down", "critical"))
	token, _, err := db.CreateToken(t.Context(), operator, "prometheus", access.Responder, "")
	if err != nil {
		t.Fatal(err)
	}
	must(db.PrincipalOfToken(t.Context(), token))(t)
	tokenUsed := time.Now()
	do(t, conn, "begin; lock table ledger")
	ctx, cancel := context.WithCancel(context.Background())
	stuck := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := db.Buckets(ctx, access.Operator(), "", "", time.Time{}, time.Now())
			stuck <- err
		}()
	}
	watch := superuser(t, url) // of its own: a transaction sees activity as it was at first
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if value[int](t, watch, "select count(*)::int from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") == 2 {
			break
		}
	}
	began := time.Now()
	if _, err := db.Users(ctx, operator); !fault.Is(err, fault.Unavailable) || time.Since(began) > 4*time.Second {
		t.Errorf("a question without a free connection: %v after %s", err, time.Since(began))
	}
	began = time.Now()
	finish(t, db, claim(t, db, 1)[0], incidents.OutcomeSent)
	if took := time.Since(began); took > time.Second {
		t.Errorf("a page took %s", took)
	}
	time.Sleep(time.Until(tokenUsed.Add(2500 * time.Millisecond))) // what was found then no longer counts
	began = time.Now()
	if _, err := db.PrincipalOfToken(ctx, token); err != nil || time.Since(began) > time.Second {
		t.Errorf("who posts alerts is looked up: %v after %s", err, time.Since(began))
	}
	do(t, conn, "rollback")
	for range 2 {
		if err := <-stuck; err != nil {
			t.Error(err)
		}
	}
	cancel()
}
