// Package outboxtest has the conformance suite of incidents.Outbox and an outbox in memory that passes it. It is for
// tests only: nothing in it survives the process.
package outboxtest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
)

// Memory is an outbox in memory, safe for concurrent use. Its clock is time.Now, so it follows testing/synctest.
type Memory struct {
	mu        sync.Mutex
	incidents map[string]incidents.Incident
	targets   map[string]incidents.TargetState // by key
	pages     []*row
	attempts  []incidents.Attempt
	timeline  []incidents.Event
	wake      chan struct{}
	fail      error
}

type row struct {
	incidents.Page
	lease time.Time // until when it is claimed
}

// NewMemory returns an empty outbox.
func NewMemory() *Memory {
	return &Memory{incidents: map[string]incidents.Incident{}, targets: map[string]incidents.TargetState{}, wake: make(chan struct{}, 1)}
}

// Apply commits a Change as a storage would: the incident, its timeline and its pages together.
func (m *Memory) Apply(c incidents.Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.incidents[c.Incident.ID] = c.Incident
	m.timeline = append(m.timeline, c.Events...)
	if c.CancelPages {
		m.cancel(c.Incident.ID)
	}
	for _, p := range c.Pages {
		m.add(p)
	}
	m.notify()
}

func (m *Memory) cancel(incident string) {
	for _, r := range m.pages {
		if r.Incident == incident && r.State == incidents.PagePending && r.Attempts == 0 && r.Action != incidents.ActionUpdate {
			r.State = incidents.PageCanceled
		}
	}
}

func (m *Memory) add(p incidents.Page) int64 {
	for _, r := range m.pages {
		if p.Action != incidents.ActionUpdate && r.Incident == p.Incident && r.Action == p.Action && r.Step == p.Step && r.Loop == p.Loop && r.Target.Key() == p.Target.Key() {
			return r.ID
		}
	}
	p.ID = int64(len(m.pages) + 1)
	m.pages = append(m.pages, &row{Page: p})
	return p.ID
}

func (m *Memory) notify() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Fail makes every method fail with the error until it is called with nil.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// ClaimDue implements incidents.Outbox.
func (m *Memory) ClaimDue(ctx context.Context, most int, lease time.Duration) ([]incidents.Claim, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.trouble(ctx); err != nil {
		return nil, err
	}
	now := time.Now()
	busy := map[string]bool{}
	var due []*row
	for _, r := range m.pages {
		switch {
		case r.State == incidents.PageSending && r.lease.After(now):
			busy[r.Incident+" "+r.Target.Key()] = true
		case r.State == incidents.PagePending && !r.NextAt.After(now), r.State == incidents.PageSending:
			due = append(due, r)
		}
	}
	slices.SortStableFunc(due, func(a, b *row) int {
		return cmp.Or(cmp.Compare(a.Priority(), b.Priority()), a.NextAt.Compare(b.NextAt))
	})
	var claims []incidents.Claim
	for _, r := range due {
		key := r.Incident + " " + r.Target.Key()
		blocked := m.targets[r.Target.Key()].BlockedUntil
		if len(claims) == most || busy[key] || (blocked != nil && blocked.After(now)) {
			continue
		}
		busy[key] = true
		claims = append(claims, m.claim(r, now, lease))
	}
	return claims, nil
}

func (m *Memory) claim(r *row, now time.Time, lease time.Duration) incidents.Claim {
	r.State, r.lease = incidents.PageSending, now.Add(lease)
	r.Attempts++
	a := incidents.Attempt{
		ID: int64(len(m.attempts) + 1), Page: r.ID, Incident: r.Incident, Tenant: r.Tenant, Number: r.Attempts,
		Provider: r.Target.Provider(), StartedAt: now,
	}
	m.attempts = append(m.attempts, a)
	standing := m.targets[r.Target.Key()].Standing(nil, now)
	if standing.Probe {
		m.targets[r.Target.Key()] = m.targets[r.Target.Key()].Probed(now)
	}
	return incidents.Claim{
		Page: r.Page, Incident: m.incidents[r.Incident], Attempt: a, Thread: m.thread(r), Broken: standing.Broken,
	}
}

// thread returns what the provider called the incident's first page to the same target.
func (m *Memory) thread(r *row) string {
	for _, a := range m.attempts {
		first := m.pages[a.Page-1]
		if a.Outcome == incidents.OutcomeSent && a.ProviderID != "" && a.Incident == r.Incident &&
			first.Action == incidents.ActionTrigger && first.Target.Key() == r.Target.Key() {
			return a.ProviderID
		}
	}
	return ""
}

// Current implements incidents.Outbox.
func (m *Memory) Current(ctx context.Context, id string) (incidents.Incident, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.trouble(ctx); err != nil {
		return incidents.Incident{}, err
	}
	i, ok := m.incidents[id]
	if !ok {
		return incidents.Incident{}, fault.New(fault.NotFound, "no incident %s", id)
	}
	return i, nil
}

// Finish implements incidents.Outbox.
func (m *Memory) Finish(ctx context.Context, c incidents.Claim, a incidents.Attempt, retryIn time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.trouble(ctx); err != nil {
		return err
	}
	r := m.pages[c.Page.ID-1]
	if r.State != incidents.PageSending || r.Attempts != c.Page.Attempts {
		return fault.New(fault.Conflict, "the lease of page %d was taken over", c.Page.ID)
	}
	now := time.Now()
	switch a.Outcome {
	case incidents.OutcomeRetry:
		r.State, r.NextAt = incidents.PagePending, now.Add(retryIn)
	default:
		r.State = incidents.PageState(a.Outcome)
	}
	m.attempts[a.ID-1] = a
	m.conclude(c, a, retryIn, now)
	m.tried(c.Page, a, now)
	return nil
}

// Wait implements incidents.Outbox.
func (m *Memory) Wait(ctx context.Context, atMost time.Duration) error {
	t := time.NewTimer(atMost)
	defer t.Stop()
	select {
	case <-m.wake:
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// conclude writes down what the attempt means for its target.
func (m *Memory) conclude(c incidents.Claim, a incidents.Attempt, retryIn time.Duration, now time.Time) {
	key := c.Page.Target.Key()
	state, ok := m.targets[key]
	if !ok {
		state = incidents.TargetState{Key: key, Provider: c.Page.Target.Provider(), Name: c.Page.Target.String()}
	}
	out := c.Conclude(a, state, retryIn, now)
	m.targets[key] = out.Target
	m.timeline = append(m.timeline, out.Events...)
}

// tried lets the incident do what it does about the attempt.
func (m *Memory) tried(p incidents.Page, a incidents.Attempt, now time.Time) {
	if a.Outcome == incidents.OutcomeCanceled {
		return
	}
	i := m.incidents[p.Incident]
	final := a.Outcome == incidents.OutcomeFailed
	c := i.Tried(p, final || a.Outcome == incidents.OutcomeRetry, final, m.tally(i), now)
	if len(c.Events) == 0 {
		return
	}
	m.incidents[i.ID] = c.Incident
	m.timeline = append(m.timeline, c.Events...)
	for _, q := range c.Pages {
		m.add(q)
	}
	m.notify()
}

func (m *Memory) tally(i incidents.Incident) (t incidents.Tally) {
	for _, r := range m.pages {
		if r.Incident != i.ID || r.Action != incidents.ActionTrigger {
			continue
		}
		last := r.Step == i.Step && r.Loop == i.Loop
		open := r.State == incidents.PagePending || r.State == incidents.PageSending
		if t.Pages == 0 || r.CreatedAt.Before(t.First) {
			t.First = r.CreatedAt
		}
		t.Pages++
		switch {
		case r.State == incidents.PageSent:
			t.Reached = true
			t.Accepted += one(last)
		case open:
			t.Open += one(last)
		}
		t.Untried += one(r.State == incidents.PagePending && r.Attempts == 0 || r.State == incidents.PageSending && r.Attempts <= 1)
	}
	return t
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

func (m *Memory) trouble(ctx context.Context) error {
	if m.fail != nil {
		return m.fail
	}
	return ctx.Err()
}

// Timeline returns a copy of every entry so far, oldest first.
func (m *Memory) Timeline() []incidents.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.timeline)
}

// Add implements Seed.
func (m *Memory) Add(_ testing.TB, i incidents.Incident, pages ...incidents.Page) []int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.incidents[i.ID] = i
	ids := make([]int64, len(pages))
	for n, p := range pages {
		ids[n] = m.add(p)
	}
	m.notify()
	return ids
}

// Page implements Seed.
func (m *Memory) Page(_ testing.TB, id int64) incidents.Page {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pages[id-1].Page
}

// Attempts implements Seed.
func (m *Memory) Attempts(_ testing.TB, page int64) []incidents.Attempt {
	m.mu.Lock()
	defer m.mu.Unlock()
	var of []incidents.Attempt
	for _, a := range m.attempts {
		if a.Page == page {
			of = append(of, a)
		}
	}
	return of
}

// Expire implements Seed.
func (m *Memory) Expire(_ testing.TB, page int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pages[page-1].lease = time.Now()
}
