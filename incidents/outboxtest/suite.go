package outboxtest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
)

// Seed puts an outbox under test into a state, and looks into it.
type Seed interface {
	// Add stores an open incident and pages of it, and returns the pages' ids in order.
	Add(t testing.TB, i incidents.Incident, pages ...incidents.Page) []int64
	// Page returns a page as it is stored.
	Page(t testing.TB, id int64) incidents.Page
	// Attempts returns a page's attempts, oldest first.
	Attempts(t testing.TB, page int64) []incidents.Attempt
	// Expire ends the lease of a claimed page now, as if its sender had died.
	Expire(t testing.TB, page int64)
}

// Run checks an incidents.Outbox against its contract. newOutbox returns an empty one for each test.
func Run(t *testing.T, newOutbox func(t *testing.T) (incidents.Outbox, Seed)) {
	for name, check := range map[string]func(*testing.T, incidents.Outbox, Seed){
		"a due page is claimed with its incident, and its attempt is in flight": claimed,
		"a page that is due later is not claimed":                               notDue,
		"a claimed page is nobody else's until its lease ends":                  leased,
		"a dead sender's page is claimed again and its attempt stays open":      deadSender,
		"a finish after the lease was taken over is a conflict":                 takenOver,
		"one page at a time for an incident and target":                         oneAtATime,
		"no more than asked for, the oldest first":                              oldestFirst,
		"sent, failed and canceled end a page":                                  ends,
		"retry makes it due again, later":                                       retried,
		"many claimers get each page once":                                      concurrent,
		"what calls people goes before news, whatever waited longer":            urgentFirst,
		"when all pages of a step have failed its fallback is paged at once":    fallsBack,
		"a target that is to be left alone waits, others do not":                leftAlone,
		"a target that refuses is marked once and then spared but for a probe":  refuses,
		"a target gets what its provider takes, the rest later":                 limited,
		"a call is taken back at once, whatever the telephone got":              takenBack,
		"a storm goes to a target as one message":                               bundled,
		"what is held waits until it ends or is resolved":                       heldBack,
		"one claimer at a time serves a target":                                 served,
		"waiting ends after the time given":                                     waits,
	} {
		t.Run(name, func(t *testing.T) {
			outbox, seed := newOutbox(t)
			check(t, outbox, seed)
		})
	}
}

const lease = 10 * time.Second

func incident(name string) incidents.Incident {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return incidents.Incident{
		ID: uuid.NewString(), GroupKey: "outboxtest/" + name, Title: name, Severity: incidents.Critical, State: incidents.Triggered,
		StartedAt: now, OpenedAt: now, UpdatedAt: now, Policy: incidents.Policy{Name: "outboxtest"},
	}
}

func page(i incidents.Incident, to string, step int, due time.Time) incidents.Page {
	return incidents.Page{
		Incident: i.ID, Tenant: i.Tenant, Action: incidents.ActionTrigger, Step: step, DedupKey: i.DedupKey(),
		Target: incidents.Target{Email: &incidents.EmailTarget{To: []string{to + "@example.com"}}},
		State:  incidents.PagePending, NextAt: due, CreatedAt: due,
	}
}

func past() time.Time { return time.Now().UTC().Add(-time.Minute).Truncate(time.Millisecond) }

func mustClaim(t testing.TB, o incidents.Outbox, most, want int) []incidents.Claim {
	t.Helper()
	claims, err := o.ClaimDue(context.Background(), most, lease)
	if err != nil {
		t.Fatalf("ClaimDue: %v", err)
	}
	if len(claims) != want {
		t.Fatalf("claimed %d pages, want %d", len(claims), want)
	}
	return claims
}

func finish(t testing.TB, o incidents.Outbox, c incidents.Claim, outcome string, retryIn time.Duration) {
	t.Helper()
	a := c.Attempt
	a.Outcome, a.StatusCode, a.Took = outcome, 202, 40*time.Millisecond
	if err := o.Finish(context.Background(), c, a, retryIn); err != nil {
		t.Fatalf("Finish: %v", err)
	}
}

func claimed(t *testing.T, o incidents.Outbox, s Seed) {
	i := incident("one")
	id := s.Add(t, i, page(i, "ana", 1, past()))[0]
	c := mustClaim(t, o, 10, 1)[0]
	if c.Page.ID != id || c.Incident.ID != i.ID || c.Page.Attempts != 1 {
		t.Errorf("claimed page %d of %s at attempt %d; want %d of %s at 1", c.Page.ID, c.Incident.ID, c.Page.Attempts, id, i.ID)
	}
	if c.Attempt.Number != 1 || c.Attempt.Page != id || c.Page.State != incidents.PageSending {
		t.Errorf("attempt %+v, state %s; want number 1 of page %d, sending", c.Attempt, c.Page.State, id)
	}
	if as := s.Attempts(t, id); len(as) != 1 || as[0].Outcome != "" {
		t.Errorf("stored attempts %+v; want one in flight", as)
	}
	now, err := o.Current(context.Background(), i.ID)
	if err != nil || now.State != incidents.Triggered || now.Title != i.Title {
		t.Errorf("Current = %+v, %v; want the incident as it is stored", now, err)
	}
}

func notDue(t *testing.T, o incidents.Outbox, s Seed) {
	i := incident("later")
	s.Add(t, i, page(i, "ana", 1, time.Now().Add(time.Hour)))
	mustClaim(t, o, 10, 0)
}

func leased(t *testing.T, o incidents.Outbox, s Seed) {
	i := incident("leased")
	s.Add(t, i, page(i, "ana", 1, past()))
	mustClaim(t, o, 10, 1)
	mustClaim(t, o, 10, 0)
}

func deadSender(t *testing.T, o incidents.Outbox, s Seed) {
	i := incident("dead")
	id := s.Add(t, i, page(i, "ana", 1, past()))[0]
	first := mustClaim(t, o, 10, 1)[0]
	s.Expire(t, id)
	again := mustClaim(t, o, 10, 1)[0]
	if again.Page.Attempts != 2 || again.Page.DedupKey != first.Page.DedupKey {
		t.Errorf("claimed again at attempt %d with key %s; want 2 with %s", again.Page.Attempts, again.Page.DedupKey, first.Page.DedupKey)
	}
	if as := s.Attempts(t, id); len(as) != 2 || as[0].Outcome != "" {
		t.Errorf("attempts %+v; want the dead one to stay open beside the new one", as)
	}
}

func takenOver(t *testing.T, o incidents.Outbox, s Seed) {
	i := incident("taken")
	id := s.Add(t, i, page(i, "ana", 1, past()))[0]
	slow := mustClaim(t, o, 10, 1)[0]
	s.Expire(t, id)
	mustClaim(t, o, 10, 1)
	a := slow.Attempt
	a.Outcome = incidents.OutcomeSent
	if err := o.Finish(context.Background(), slow, a, 0); !fault.Is(err, fault.Conflict) {
		t.Errorf("Finish = %v; want a conflict", err)
	}
	if p := s.Page(t, id); p.State != incidents.PageSending {
		t.Errorf("state %s; want it to be the other sender's still", p.State)
	}
}

func oneAtATime(t *testing.T, o incidents.Outbox, s Seed) {
	i := incident("ordered")
	ids := s.Add(t, i, page(i, "ana", 1, past()), page(i, "ana", 2, past().Add(time.Second)), page(i, "bo", 2, past()))
	claims := mustClaim(t, o, 10, 2)
	for _, c := range claims {
		if c.Page.ID == ids[1] {
			t.Error("the second page to ana was claimed beside the first")
		}
	}
	for _, c := range claims {
		finish(t, o, c, incidents.OutcomeSent, 0)
	}
	if next := mustClaim(t, o, 10, 1)[0]; next.Page.ID != ids[1] {
		t.Errorf("then page %d was claimed; want %d", next.Page.ID, ids[1])
	}
}

func oldestFirst(t *testing.T, o incidents.Outbox, s Seed) {
	i := incident("oldest")
	ids := s.Add(t, i, page(i, "new", 1, past()), page(i, "old", 1, past().Add(-time.Hour)))
	if c := mustClaim(t, o, 1, 1)[0]; c.Page.ID != ids[1] {
		t.Errorf("claimed %d; want the older page %d", c.Page.ID, ids[1])
	}
	mustClaim(t, o, 1, 1)
}

func ends(t *testing.T, o incidents.Outbox, s Seed) {
	i := incident("ends")
	for n, outcome := range []string{incidents.OutcomeSent, incidents.OutcomeFailed, incidents.OutcomeCanceled} {
		id := s.Add(t, i, page(i, outcome, n+1, past()))[0]
		finish(t, o, mustClaim(t, o, 1, 1)[0], outcome, time.Nanosecond)
		if p := s.Page(t, id); string(p.State) != outcome {
			t.Errorf("state %s; want %s", p.State, outcome)
		}
		if as := s.Attempts(t, id); as[0].Outcome != outcome || as[0].StatusCode != 202 {
			t.Errorf("attempt %+v; want outcome %s, status 202", as[0], outcome)
		}
	}
	mustClaim(t, o, 10, 0)
}

func retried(t *testing.T, o incidents.Outbox, s Seed) {
	i := incident("retried")
	id := s.Add(t, i, page(i, "ana", 1, past()))[0]
	finish(t, o, mustClaim(t, o, 10, 1)[0], incidents.OutcomeRetry, time.Hour)
	mustClaim(t, o, 10, 0)
	p := s.Page(t, id)
	if in := time.Until(p.NextAt); p.State != incidents.PagePending || in < 50*time.Minute || in > 70*time.Minute {
		t.Errorf("%s, due in %s; want pending, due in an hour", p.State, in)
	}
}

func concurrent(t *testing.T, o incidents.Outbox, s Seed) {
	i := incident("many")
	var pages []incidents.Page
	for n := range 40 {
		pages = append(pages, page(i, fmt.Sprintf("p%d", n), 1, past()))
	}
	s.Add(t, i, pages...)
	var (
		mu   sync.Mutex
		seen = map[int64]int{}
		wg   sync.WaitGroup
	)
	for range 4 {
		wg.Go(func() {
			for {
				claims, err := o.ClaimDue(context.Background(), 3, lease)
				if err != nil {
					t.Errorf("ClaimDue: %v", err)
				}
				if len(claims) == 0 {
					return
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
	// A claimer that finds only rows locked by others may stop early; what it left is still there.
	rest, err := o.ClaimDue(context.Background(), 100, lease)
	if err != nil || len(seen)+len(rest) != len(pages) {
		t.Errorf("%d claimed, %d left (%v); want %d in all", len(seen), len(rest), err, len(pages))
	}
}

func waits(t *testing.T, o incidents.Outbox, _ Seed) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := o.Wait(ctx, 20*time.Millisecond); err != nil || ctx.Err() != nil {
		t.Errorf("Wait = %v after %v; want nil after 20 ms", err, ctx.Err())
	}
}

func urgentFirst(t *testing.T, o incidents.Outbox, s Seed) {
	i := incident("urgent")
	news := page(i, "ana", 0, past().Add(-time.Hour))
	news.Action = incidents.ActionAcknowledge
	first := page(i, "bo", 1, past())
	ids := s.Add(t, i, news, first)
	if c := mustClaim(t, o, 1, 1)[0]; c.Page.ID != ids[1] {
		t.Errorf("claimed %d; want the page that calls somebody, %d", c.Page.ID, ids[1])
	}
}

func fallsBack(t *testing.T, o incidents.Outbox, s Seed) {
	i := incident("fallback")
	on := incidents.Target{Email: &incidents.EmailTarget{To: []string{"fallback@example.com"}}}
	due := time.Now().Add(2 * time.Minute).UTC().Truncate(time.Millisecond)
	i.Step, i.FallbackAt = 1, &due
	ana, bo := page(i, "ana", 1, past()), page(i, "bo", 1, past())
	i.Policy.Steps = []incidents.Step{{
		Targets:  []incidents.Target{ana.Target, bo.Target},
		Fallback: &incidents.Fallback{Targets: []incidents.Target{on}},
	}}
	s.Add(t, i, ana, bo)
	claims := mustClaim(t, o, 10, 2)
	finish(t, o, claims[0], incidents.OutcomeFailed, 0)
	mustClaim(t, o, 10, 0)
	finish(t, o, claims[1], incidents.OutcomeFailed, 0)
	if c := mustClaim(t, o, 10, 1)[0]; !c.Page.Fallback || c.Page.Target.Key() != on.Key() {
		t.Errorf("then %s was paged, fallback %v; want the fallback", c.Page.Target, c.Page.Fallback)
	}
	now, err := o.Current(context.Background(), i.ID)
	if err != nil || now.FallbackAt != nil || now.UnreachableSince == nil {
		t.Errorf("incident %+v, %v; want no fallback to come, and nobody reached", now, err)
	}
}

func leftAlone(t *testing.T, o incidents.Outbox, s Seed) {
	i, other := incident("limited"), incident("other")
	s.Add(t, i, page(i, "ana", 1, past()))
	c := mustClaim(t, o, 10, 1)[0]
	a := c.Attempt
	a.Outcome, a.LeaveAlone = incidents.OutcomeRetry, time.Minute
	if err := o.Finish(context.Background(), c, a, time.Minute); err != nil {
		t.Fatalf("Finish: %v", err)
	}
	ids := s.Add(t, other, page(other, "ana", 1, past()), page(other, "bo", 1, past()))
	if c := mustClaim(t, o, 10, 1)[0]; c.Page.ID != ids[1] {
		t.Errorf("claimed %d; want only the page to the other target, %d", c.Page.ID, ids[1])
	}
}

func refuses(t *testing.T, o incidents.Outbox, s Seed) {
	for n := range 3 {
		i := incident(fmt.Sprintf("refused-%d", n))
		s.Add(t, i, page(i, "gone", 1, past()))
		c := mustClaim(t, o, 10, 1)[0]
		if c.Broken != "" {
			t.Fatalf("page %d is not to be sent: %s; want three to be tried", n+1, c.Broken)
		}
		finish(t, o, c, incidents.OutcomeFailed, 0)
	}
	i := incident("spared")
	s.Add(t, i, page(i, "gone", 1, past()), page(i, "fine", 1, past()))
	for _, c := range mustClaim(t, o, 10, 2) {
		if gone := c.Page.Target.Key() == page(i, "gone", 1, past()).Target.Key(); gone != (c.Broken != "") {
			t.Errorf("%s: %q; want that only pages to the one that refuses are not sent", c.Page.Target, c.Broken)
		}
	}
}

// many are pages of as many incidents to one target.
func many(t testing.TB, s Seed, n int, target incidents.Target) (ids []int64) {
	t.Helper()
	for k := range n {
		i := incident(fmt.Sprint("many", k))
		p := page(i, "", 2, past())
		p.Target = target
		ids = append(ids, s.Add(t, i, p)...)
	}
	return ids
}

func limited(t *testing.T, o incidents.Outbox, s Seed) {
	opsgenie := incidents.Target{Opsgenie: &incidents.OpsgenieTarget{Key: incidents.Secret{Env: "KEY"}}}
	most := incidents.LimitsOf("opsgenie")[0].Most
	many(t, s, most+5, opsgenie)
	total := 0
	for range most {
		claims, err := o.ClaimDue(context.Background(), 1000, lease)
		if err != nil {
			t.Fatalf("ClaimDue: %v", err)
		}
		for _, c := range claims {
			if total++; len(c.With) > 0 {
				t.Error("incidents that have an identity at the provider were bundled")
			}
		}
	}
	if total != most {
		t.Errorf("%d pages were claimed; the provider takes %d", total, most)
	}
}

// takenBack calls a telephone as often as it may be called; then its calls wait, and what takes one back does not.
func takenBack(t *testing.T, o incidents.Outbox, s Seed) {
	telephone := incidents.Target{Voice: &incidents.TwilioTarget{To: "+4915112345678", Account: "AC1"}}
	i := incident("rings")
	call := page(i, "", 1, past())
	call.Target = telephone
	s.Add(t, i, call)
	c := mustClaim(t, o, 10, 1)[0]
	c.Attempt.ProviderID = "CA1"
	finish(t, o, c, incidents.OutcomeSent, 0)
	ended, again := call, page(i, "", 2, past())
	ended.Action, again.Target = incidents.ActionAcknowledge, telephone
	s.Add(t, i, again)
	mustClaim(t, o, 10, 0) // it may be called once a minute
	other := incident("another")
	ended.Incident, ended.DedupKey = other.ID, other.DedupKey()
	s.Add(t, other, ended)
	if back := mustClaim(t, o, 10, 1)[0]; back.Page.Action != incidents.ActionAcknowledge {
		t.Errorf("page %d was claimed, which is to %s", back.Page.ID, back.Page.Action)
	}
	mustClaim(t, o, 10, 0)
}

func bundled(t *testing.T, o incidents.Outbox, s Seed) {
	ids := many(t, s, 12, incidents.Target{Email: &incidents.EmailTarget{To: []string{"ana@example.com"}}})
	c := mustClaim(t, o, 100, 1)[0]
	seen := map[int64]bool{c.Page.ID: true}
	for _, w := range c.With {
		seen[w.Page.ID] = true
		if w.Page.State != incidents.PageSending || w.Incident.ID != w.Page.Incident || w.Attempt.Number != 1 {
			t.Errorf("a page of the bundle is %s, of %s, at attempt %d", w.Page.State, w.Incident.ID, w.Attempt.Number)
		}
		finish(t, o, w, incidents.OutcomeSent, 0)
	}
	finish(t, o, c, incidents.OutcomeSent, 0)
	if len(seen) != len(ids) {
		t.Errorf("%d of %d pages are in the bundle", len(seen), len(ids))
	}
	for _, id := range ids {
		if p := s.Page(t, id); p.State != incidents.PageSent {
			t.Errorf("page %d is %s", id, p.State)
		}
	}
}

func heldBack(t *testing.T, o incidents.Outbox, s Seed) {
	held, ended := incident("held"), incident("ended")
	held.Held, ended.Held, ended.State = "a window", "a window", incidents.Resolved
	at := time.Now().UTC().Truncate(time.Millisecond)
	ended.ResolvedAt = &at
	s.Add(t, held, page(held, "ana", 1, past()))
	over := s.Add(t, ended, page(ended, "bo", 1, past()))[0]
	if c := mustClaim(t, o, 10, 1)[0]; c.Page.ID != over {
		t.Errorf("page %d was claimed, of an incident that is held", c.Page.ID)
	}
}

// served has several claimers at once ask for one target's pages.
func served(t *testing.T, o incidents.Outbox, s Seed) {
	most := incidents.LimitsOf("opsgenie")[0].Most
	many(t, s, 3*most, incidents.Target{Opsgenie: &incidents.OpsgenieTarget{Key: incidents.Secret{Env: "KEY"}}})
	var (
		got   = make(chan int, 40)
		wg    sync.WaitGroup
		total int
	)
	for range 4 {
		wg.Go(func() {
			for range 10 {
				claims, err := o.ClaimDue(context.Background(), 50, lease)
				if err != nil {
					t.Errorf("ClaimDue: %v", err)
				}
				got <- len(claims)
			}
		})
	}
	wg.Wait()
	close(got)
	for n := range got {
		total += n
	}
	if total != most {
		t.Errorf("%d pages went to one target, which takes %d", total, most)
	}
}
