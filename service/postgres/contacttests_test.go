package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/postgres"
)

func ntfy(topic string) incidents.Target {
	return incidents.Target{Ntfy: &incidents.NtfyTarget{URL: "https://ntfy.example/" + topic, Token: incidents.Secret{Env: "T"}}}
}

func tested(t incidents.Target, why string) incidents.ContactTest {
	test := incidents.ContactTest{Key: t.Key(), Provider: t.Provider(), Name: t.String(), Outcome: incidents.OutcomeSent, Took: 20 * time.Millisecond, Error: why}
	if why != "" {
		test.Outcome = incidents.OutcomeFailed
	}
	return test
}

func begin(db *postgres.DB, who access.Principal, targets ...incidents.Target) error {
	return db.BeginContactTests(context.Background(), who, targets, "policy/shop")
}

// waitOf returns what a fault.Limited asks for.
func waitOf(t testing.TB, err error) time.Duration {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Limited {
		t.Fatalf("want a limit, got %v", err)
	}
	return f.RetryAfter
}

func TestATargetIsTestedOnceIn10Seconds(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	if err := begin(db, responder, ntfy("a")); err != nil {
		t.Fatal(err)
	}
	if wait := waitOf(t, begin(db, operator, ntfy("b"), ntfy("a"))); wait < 8*time.Second || wait > 10*time.Second {
		t.Errorf("asked to wait %s", wait)
	}
	if n := value[int](t, conn, "select count(*)::int from contact_tests"); n != 1 {
		t.Errorf("%d rows: what is refused takes no turn", n)
	}
	do(t, conn, "update contact_tests set at = at - interval '10 seconds'")
	if err := begin(db, operator, ntfy("b"), ntfy("a")); err != nil {
		t.Error(err)
	}
}

func TestAPersonSends10TestsAMinute(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	for n := range 10 {
		if err := begin(db, responder, ntfy(fmt.Sprint(n))); err != nil {
			t.Fatal(err)
		}
	}
	if wait := waitOf(t, begin(db, responder, ntfy("x"))); wait < 50*time.Second || wait > time.Minute {
		t.Errorf("asked to wait %s", wait)
	}
	if err := begin(db, operator, ntfy("x")); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	do(t, conn, "update contact_tests set at = at - interval '1 minute' where target_key like '%/0'")
	if err := begin(db, responder, ntfy("y")); err != nil {
		t.Errorf("after a minute: %v", err)
	}
	many := make([]incidents.Target, 11)
	for n := range many {
		many[n] = ntfy(fmt.Sprint("many", n))
	}
	if err := begin(db, operator, many...); !fault.Is(err, fault.Invalid) {
		t.Errorf("11 at once can never be allowed, so waiting is no remedy: %v", err)
	}
}

func TestReplicasThatTestATargetAtOnceSendOneTest(t *testing.T) {
	t.Parallel()
	db := open(t)
	var began atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := begin(db, operator, ntfy("a")); err == nil {
				began.Add(1)
			} else if !fault.Is(err, fault.Limited) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if began.Load() != 1 {
		t.Errorf("%d began", began.Load())
	}
}

func TestTestsAreAuditedAndOnlyEverAdded(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	if err := begin(db, responder, ntfy("a")); err != nil {
		t.Fatal(err)
	}
	if last := must(db.LastContactTests(ctx, access.Operator(), []incidents.Target{ntfy("a")}))(t); len(last) != 0 {
		t.Errorf("a test under way has no result yet: %+v", last)
	}
	for _, why := range []string{"", "ntfy answered 403"} {
		if err := db.EndContactTests(ctx, responder, []incidents.ContactTest{tested(ntfy("a"), why)}); err != nil {
			t.Fatal(err)
		}
	}
	last := must(db.LastContactTests(ctx, access.Operator(), []incidents.Target{ntfy("a"), ntfy("b")}))(t)
	if test := last[ntfy("a").Key()]; len(last) != 1 || test.OK() || test.Error != "ntfy answered 403" || test.Took != 20*time.Millisecond || test.At.IsZero() {
		t.Errorf("%+v", last)
	}
	if n := value[int](t, conn, "select count(*)::int from contact_tests"); n != 3 {
		t.Errorf("%d rows", n)
	}
	audit := must(db.Audit(ctx, operator, postgres.AuditFilter{Action: "contact.test"}))(t)
	if len(audit) != 1 || audit[0].Actor != responder.ID || audit[0].Object != "policy/shop" || audit[0].Detail["provider"] != "ntfy" {
		t.Errorf("%+v", audit)
	}
}

func TestATestThatArrivesRepairsItsTargetAndOneThatDoesNotChangesNothing(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	for _, topic := range []string{"repaired", "broken", "other"} {
		do(t, conn, `insert into targets (target_key, provider, name, failures, broken_since, broken_why, probe_at)
			values ($1, 'ntfy', 'x', 5, now(), 'gone', now() + interval '30 seconds')`, ntfy(topic).Key())
	}
	tests := []incidents.ContactTest{tested(ntfy("repaired"), ""), tested(ntfy("broken"), "still gone"), tested(ntfy("never failed"), "")}
	if err := db.EndContactTests(ctx, responder, tests); err != nil {
		t.Fatal(err)
	}
	for topic, failures := range map[string]int{"repaired": 0, "broken": 5, "other": 5} {
		got := value[int](t, conn, "select failures from targets where target_key = $1 and (broken_since is null) = (failures = 0)", ntfy(topic).Key())
		if got != failures {
			t.Errorf("%s: %d failures", topic, got)
		}
	}
	if n := value[int](t, conn, "select count(*)::int from targets"); n != 3 {
		t.Errorf("%d targets", n)
	}
}

func TestTenantsAndViewersTestNobody(t *testing.T) {
	t.Parallel()
	db := open(t)
	for _, who := range []access.Principal{acme, {ID: "user:v", Role: access.Viewer}} {
		if err := begin(db, who, ntfy("a")); !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v", who.ID, err)
		}
	}
	if last := must(db.LastContactTests(context.Background(), acme.Scope(), []incidents.Target{ntfy("a")}))(t); len(last) != 0 {
		t.Errorf("%+v", last)
	}
}

func TestAPageOfATenantThatFailsIsWrittenDownForItsTarget(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	now := time.Now().UTC()
	i := incidents.Incident{ID: "8a6e0804-2bd0-4672-b79d-d97027f9071a", Tenant: "acme", GroupKey: "g", State: incidents.Triggered, Severity: incidents.Critical, StartedAt: now}
	seed{conn}.Add(t, i, incidents.Page{Tenant: "acme", Incident: i.ID, Action: incidents.ActionTrigger, Step: 1, Target: ntfy("a"),
		State: incidents.PagePending, NextAt: now.Add(-time.Second), CreatedAt: now})
	claims := must(db.ClaimDue(ctx, 10, lease))(t)
	if len(claims) != 1 {
		t.Fatalf("%d claims", len(claims))
	}
	a := claims[0].Attempt
	a.Outcome, a.Error = incidents.OutcomeFailed, "ntfy answered 403"
	if err := db.Finish(ctx, claims[0], a, 0); err != nil {
		t.Fatal(err)
	}
	if n := value[int](t, conn, "select failures from targets where target_key = $1", ntfy("a").Key()); n != 1 {
		t.Errorf("%d failures", n)
	}
}
