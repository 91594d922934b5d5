package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/outboxtest"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/postgres"
)

// seed puts pages into the database past all rules.
type seed struct{ conn *pgx.Conn }

func (s seed) Add(t testing.TB, i incidents.Incident, pages ...incidents.Page) []int64 {
	do(t, s.conn, `insert into incidents (tenant_id, id, group_key, title, summary, severity, state, service, slo, labels, runbook_url, policy,
		step, loop, started_at, opened_at, acknowledged_by, resolved_by, updated_at, trace, fallback_at, held, resolved_at)
		values ($1, $2, $3, $4, '', $5, $6, '', '', '{}', '', $7, $9, $10, $8, $8, '', '', $8, '', $11, $12, $13) on conflict do nothing`,
		i.Tenant, i.ID, i.GroupKey, i.Title, i.Severity, i.State, i.Policy, i.StartedAt, i.Step, i.Loop, i.FallbackAt, i.Held, i.ResolvedAt)
	ids := make([]int64, len(pages))
	for n, p := range pages {
		ids[n] = value[int64](t, s.conn, `insert into pages (tenant_id, incident_id, action, step, loop, target, target_key, dedup_key, state, next_at, created_at, trace,
			priority)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '', $12) returning id`,
			p.Tenant, p.Incident, p.Action, p.Step, p.Loop, p.Target, p.Target.Key(), p.DedupKey, p.State, p.NextAt, p.CreatedAt,
			p.Priority())
	}
	return ids
}

func (s seed) Page(t testing.TB, id int64) (p incidents.Page) {
	t.Helper()
	err := s.conn.QueryRow(context.Background(), "select id, state, attempts, next_at from pages where id = $1", id).Scan(&p.ID, &p.State, &p.Attempts, &p.NextAt)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (s seed) Attempts(t testing.TB, page int64) []incidents.Attempt {
	t.Helper()
	rows, err := s.conn.Query(context.Background(), "select id, number, outcome, status_code from attempts where page_id = $1 order by id", page)
	if err != nil {
		t.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a incidents.Attempt, err error) {
		return a, row.Scan(&a.ID, &a.Number, &a.Outcome, &a.StatusCode)
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func (s seed) Expire(t testing.TB, page int64) {
	t.Helper()
	do(t, s.conn, "update pages set lease_until = clock_timestamp() where id = $1", page)
}

func TestTheOutboxKeepsItsContract(t *testing.T) {
	t.Parallel()
	outboxtest.Run(t, func(t *testing.T) (incidents.Outbox, outboxtest.Seed) {
		db, conn := openBoth(t)
		return db, seed{conn}
	})
}

const lease = 10 * time.Second

func claim(t testing.TB, db *postgres.DB, want int) []incidents.Claim {
	t.Helper()
	claims := must(db.ClaimDue(context.Background(), 100, lease))(t)
	if len(claims) != want {
		t.Fatalf("claimed %d pages, want %d", len(claims), want)
	}
	return claims
}

func finish(t testing.TB, db *postgres.DB, c incidents.Claim, outcome string) {
	t.Helper()
	a := c.Attempt
	a.Outcome, a.StatusCode, a.Took = outcome, 202, 30*time.Millisecond
	if err := db.Finish(context.Background(), c, a, time.Hour); err != nil {
		t.Fatal(err)
	}
}

func TestEightClaimersNeverShareAPage(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	for n := range 60 {
		receive(t, db, alert("Down", "critical", "service", fmt.Sprint(n)))
	}
	// Each to somebody else, because one person gets only so many at once.
	do(t, conn, `update pages set target_key = 'email ' || id, target = jsonb_build_object('email', jsonb_build_object('to', jsonb_build_array(id || '@example.com')))`)
	var (
		mu   sync.Mutex
		seen = map[int64]int{}
		wg   sync.WaitGroup
	)
	for range 8 {
		wg.Go(func() {
			// A claimer leaves out what another one looks at just then.
			claimed := func() int { mu.Lock(); defer mu.Unlock(); return len(seen) }
			for deadline := time.Now().Add(10 * time.Second); claimed() < 60 && time.Now().Before(deadline); {
				claims, err := db.ClaimDue(context.Background(), 2, lease)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				for _, c := range claims {
					seen[c.Page.ID]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for id, n := range seen {
		if n != 1 {
			t.Errorf("page %d was claimed %d times", id, n)
		}
	}
	if len(seen) != 60 {
		t.Errorf("%d pages were claimed, want 60", len(seen))
	}
	if n := value[int](t, conn, "select count(*)::int from attempts where outcome = ''"); n != 60 {
		t.Errorf("%d attempts are in flight, want 60", n)
	}
}

func TestASenderThatDiesIsReplacedUnderTheSameKey(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	receive(t, db, alert("Down", "critical"))
	first := claim(t, db, 1)[0]
	claim(t, db, 0)
	seed{conn}.Expire(t, first.Page.ID)
	second := claim(t, db, 1)[0]
	if second.Page.DedupKey != first.Page.DedupKey || second.Page.DedupKey != first.Incident.ID+"/default" {
		t.Errorf("the key went from %s to %s", first.Page.DedupKey, second.Page.DedupKey)
	}
	if second.Attempt.Number != 2 || second.Attempt.Provider != "email" {
		t.Errorf("attempt %+v", second.Attempt)
	}
	finish(t, db, second, incidents.OutcomeSent)
	late := first.Attempt
	late.Outcome = incidents.OutcomeSent
	if err := db.Finish(context.Background(), first, late, 0); !fault.Is(err, fault.Conflict) {
		t.Errorf("the first sender, come back late, got %v", err)
	}
	attempts := must(db.Attempts(context.Background(), access.Operator(), first.Incident.ID))(t)
	if len(attempts) != 2 || attempts[0].Outcome != "sent" || attempts[1].Outcome != "sent" || attempts[1].Took != 30*time.Millisecond {
		t.Errorf("both sends are to be seen: %+v", attempts)
	}
	if got := kinds(t, db, first.Incident.ID); got != "opened escalated page_sent " {
		t.Errorf("timeline: %s", got)
	}
}

func TestAnAcknowledgementDropsWhatWasNotSentAndTellsWhoWas(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	two := incidents.Router{Default: "both", Policies: map[string]incidents.Policy{"both": {
		Name: "both", Steps: []incidents.Step{{Targets: []incidents.Target{mail("ana"), mail("bo"), mail("cy")}}},
	}}}
	if err := db.ReceiveAlerts(ctx, responder, one(alert("Down", "critical")), postgres.Routing{Router: two}); err != nil {
		t.Fatal(err)
	}
	claims := must(db.ClaimDue(ctx, 2, lease))(t)
	finish(t, db, claims[0], incidents.OutcomeSent) // claims[1] is in flight; nobody knows whether it arrives
	i := must(db.Acknowledge(ctx, operator, claims[0].Incident.ID))(t)
	if i.State != incidents.Acknowledged || i.AcknowledgedBy != operator.Name {
		t.Errorf("%s by %q", i.State, i.AcknowledgedBy)
	}
	got := value[string](t, conn, `select string_agg(action || ' ' || state || ' ' || (target->'email'->'to'->>0), ', ' order by id) from pages`)
	want := "trigger sent ana@nines.example, trigger sending bo@nines.example, trigger canceled cy@nines.example, " +
		"acknowledge pending ana@nines.example, acknowledge pending bo@nines.example"
	if got != want {
		t.Errorf("pages:\n%s\nwant:\n%s", got, want)
	}
	// What tells bo of the acknowledgement waits for what is on its way.
	next := claim(t, db, 1)
	if to := next[0].Page.Target.Email.To[0]; next[0].Page.Action != incidents.ActionAcknowledge || to != "ana@nines.example" {
		t.Errorf("claimed %s to %s", next[0].Page.Action, to)
	}
	finish(t, db, claims[1], incidents.OutcomeSent)
	claim(t, db, 1)

	events := kinds(t, db, i.ID)
	must(db.Acknowledge(ctx, operator, i.ID))(t)
	if again := kinds(t, db, i.ID); again != events {
		t.Errorf("acknowledging twice wrote %q after %q", again, events)
	}
	if n := value[int](t, conn, "select count(*)::int from audit where action = 'incident.acknowledge'"); n != 1 {
		t.Errorf("%d audit records, want 1", n)
	}
}

func TestAPageInThePauseBeforeItsNextTryIsLookedAtOnceWhenItsIncidentEnds(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	a := alert("Down", "critical")
	receive(t, db, a)
	finish(t, db, claim(t, db, 1)[0], incidents.OutcomeRetry) // due in an hour
	claim(t, db, 0)
	receive(t, db, ended(a))
	calm(t, db, conn)
	c := claim(t, db, 1)[0]
	if c.Page.Action != incidents.ActionTrigger || c.Incident.State != incidents.Resolved {
		t.Errorf("claimed %s of an incident that is %s", c.Page.Action, c.Incident.State)
	}
	finish(t, db, c, incidents.OutcomeCanceled)
	if c = claim(t, db, 1)[0]; c.Page.Action != incidents.ActionResolve {
		t.Errorf("then claimed %s", c.Page.Action)
	}
}

func TestEscalationTakesEachStepOnceHoweverManyCall(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	const n = 25
	for i := range n {
		receive(t, db, alert(fmt.Sprintf("Down%d", i), "critical"))
	}
	if taken := must(db.EscalateDue(ctx, 100))(t); taken != 0 {
		t.Errorf("%d steps were taken before their time", taken)
	}
	do(t, conn, "update incidents set next_escalation_at = now() - interval '1 second'")
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		taken int
	)
	for range 6 {
		wg.Go(func() {
			got, err := db.EscalateDue(ctx, 100)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			taken += got
		})
	}
	wg.Wait()
	rest := must(db.EscalateDue(ctx, 100))(t)
	if taken+rest != n {
		t.Errorf("%d steps were taken, want %d", taken+rest, n)
	}
	if got := value[int](t, conn, "select count(*)::int from pages where step = 2"); got != n {
		t.Errorf("%d pages of step 2, want %d", got, n)
	}
	if got := value[int](t, conn, "select count(*)::int from timeline where kind = 'escalated'"); got != 2*n {
		t.Errorf("%d entries, want %d", got, 2*n)
	}
}

func TestWaitEndsSoonAfterAPageIsWritten(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	for range 3 { // the listener connects, and says so
		if err := db.Wait(ctx, 300*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	time.AfterFunc(50*time.Millisecond, func() { _ = db.ReceiveAlerts(ctx, responder, one(alert("Down", "critical")), routing) })
	if err := db.Wait(ctx, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	claim(t, db, 1)
}

func one[T any](v T) []T { return []T{v} }

func TestPeoplesTransitions(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	receive(t, db, alert("Down", "critical"))
	i := only(t, db)
	number := fmt.Sprint(i.Number)
	if _, err := db.Acknowledge(ctx, access.Principal{ID: "user:v", Role: access.Viewer}, number); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a viewer got %v", err)
	}
	must(db.Note(ctx, responder, number, "looking at the load balancer"))(t)
	must(db.Acknowledge(ctx, responder, number))(t)
	resolved := must(db.Resolve(ctx, responder, i.ID, "rolled back"))(t)
	if resolved.ResolvedBy != responder.Name || resolved.ResolvedAt.IsZero() {
		t.Errorf("resolved by %q", resolved.ResolvedBy)
	}
	if _, err := db.Acknowledge(ctx, responder, i.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("acknowledging what is resolved: %v", err)
	}
	if _, err := db.Note(ctx, responder, "4711", "?"); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown number: %v", err)
	}
	for _, name := range []string{"", "x", "-1", "99999999999999999999", "' or true --", "00000000-0000-0000-0000-000000000000"} {
		if _, err := db.Incident(ctx, access.Operator(), name); !fault.Is(err, fault.NotFound) {
			t.Errorf("incident %q: %v", name, err)
		}
	}
	got := value[string](t, conn, "select string_agg(action, ' ' order by id) from audit")
	if got != "incident.open incident.note incident.acknowledge incident.resolve" {
		t.Errorf("audit: %s", got)
	}
	if _, err := conn.Exec(ctx, "update incidents set state = 'triggered', resolved_at = null"); err == nil {
		t.Error("a resolved incident was opened again")
	}
	if err := db.SetBudgetSpent(ctx, i.ID, 0.5); err != nil {
		t.Error(err)
	}
	if after := only(t, db); after.BudgetSpent != nil {
		t.Error("a resolved incident's budget was written")
	}
}
