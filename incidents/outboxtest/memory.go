// Package outboxtest has the conformance suite of incidents.Outbox and an outbox in memory that passes it. It is for
// tests only: nothing in it survives the process.
package outboxtest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
)

// Memory is an outbox in memory, safe for concurrent use. Its clock is time.Now, so it follows testing/synctest.
type Memory struct {
	Roster func(time.Time) incidents.Roster // who can be called at a moment; nil is nobody
	Taken  func([]incidents.Turn)           // hears of turns that were taken; may be nil

	mu        sync.Mutex
	incidents map[string]incidents.Incident
	targets   map[string]incidents.TargetState // by key
	of        map[string][]message             // attempts by target
	tries     map[string][]message             // and by provider
	pages     []*row
	open      []*row // those that have not ended, and some that have
	attempts  []incidents.Attempt
	timeline  []incidents.Event
	wake      chan struct{}
	fail      error
}

type row struct {
	incidents.Page
	lease    time.Time // until when it is claimed
	priority int
	target   string // key
	queue    string // incident and target
}

// message is an attempt, by target or provider.
type message struct {
	attempt int64
	started time.Time
}

// NewMemory returns an empty outbox.
func NewMemory() *Memory {
	return &Memory{
		incidents: map[string]incidents.Incident{}, targets: map[string]incidents.TargetState{},
		of: map[string][]message{}, tries: map[string][]message{}, wake: make(chan struct{}, 1),
	}
}

// Apply commits Changes as a storage would: their incidents, timelines and pages together.
func (m *Memory) Apply(changes ...incidents.Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range changes {
		m.incidents[c.Incident.ID] = c.Incident
		m.timeline = append(m.timeline, c.Events...)
		if c.CancelPages {
			m.cancel(c.Incident.ID, c.Keep)
		}
		for _, p := range c.Pages {
			m.add(p)
		}
	}
	m.notify()
}

func (m *Memory) cancel(incident string, keep []string) {
	for _, r := range m.pages {
		if r.Incident == incident && !slices.Contains(keep, r.Person) && r.State == incidents.PagePending && r.Attempts == 0 && r.Action != incidents.ActionUpdate && r.Action != incidents.ActionStatus {
			r.State = incidents.PageCanceled
		}
	}
}

func (m *Memory) add(p incidents.Page) int64 {
	for _, r := range m.pages {
		if p.Action != incidents.ActionUpdate && r.Incident == p.Incident && r.Action == p.Action && r.Turn == p.Turn &&
			r.Step == p.Step && r.Loop == p.Loop && r.Number == p.Number && r.Target.Key() == p.Target.Key() {
			return r.ID
		}
	}
	p.ID = int64(len(m.pages) + 1)
	r := &row{Page: p, priority: m.priority(p), target: p.Target.Key()}
	r.queue = r.Incident + " " + r.target
	m.pages, m.open = append(m.pages, r), append(m.open, r)
	return p.ID
}

// priority is that of the page, or urgent where its service was quiet.
func (m *Memory) priority(p incidents.Page) int {
	if p.Priority() != incidents.PriorityFirst {
		return p.Priority()
	}
	service := m.incidents[p.Incident].Service
	for _, r := range m.pages {
		if r.Action == incidents.ActionTrigger && r.Tenant == p.Tenant && m.incidents[r.Incident].Service == service &&
			r.Incident != p.Incident && r.CreatedAt.After(p.CreatedAt.Add(-incidents.QuietService)) {
			return incidents.PriorityFirst
		}
	}
	return incidents.PriorityUrgent
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
	due := m.due(now)
	queue := incidents.Queue{Targets: map[string]incidents.Standing{}, Retries: map[string]int{}}
	for _, r := range due {
		key, provider := r.target, r.Target.Provider()
		queue.Due = append(queue.Due, incidents.Due{
			ID: r.ID, Tenant: r.Tenant, Service: m.incidents[r.Incident].Service, Target: key, Provider: provider, Action: r.Action,
			Priority: r.priority, NextAt: r.NextAt, Retry: r.State == incidents.PagePending && r.Attempts > 0, Bundles: r.Target.Bundles(),
		})
		if _, known := queue.Targets[key]; !known {
			queue.Targets[key] = m.targetState(r.Target).Standing(m.used(key, provider, now), now)
		}
		if _, known := queue.Retries[provider]; !known {
			queue.Retries[provider] = m.retries(provider, now)
		}
	}
	var claims []incidents.Claim
	for _, message := range queue.Next(most) {
		first := m.claim(m.pages[message[0].ID-1], now, lease)
		for _, d := range message[1:] {
			first.With = append(first.With, m.claim(m.pages[d.ID-1], now, lease))
		}
		claims = append(claims, first)
	}
	return claims, nil
}

// due returns the pages that may go now, at most one of an incident and target.
func (m *Memory) due(now time.Time) (due []*row) {
	m.open = slices.DeleteFunc(m.open, func(r *row) bool { return r.State != incidents.PagePending && r.State != incidents.PageSending })
	busy := map[string]bool{}
	for _, r := range m.open {
		if r.State == incidents.PageSending && r.lease.After(now) {
			busy[r.queue] = true
		}
	}
	for _, r := range m.open {
		free := r.State == incidents.PageSending || !r.NextAt.After(now)
		if free && !m.held(r) && !busy[r.queue] {
			busy[r.queue] = true
			due = append(due, r)
		}
	}
	return due
}

// held reports whether the page waits for something that holds its incident.
func (m *Memory) held(r *row) bool {
	i := m.incidents[r.Incident]
	return r.Action == incidents.ActionTrigger && i.State == incidents.Triggered && i.Held != ""
}

func (m *Memory) targetState(t incidents.Target) incidents.TargetState {
	state, known := m.targets[t.Key()]
	if !known {
		state = incidents.TargetState{Key: t.Key(), Provider: t.Provider(), Name: t.String()}
	}
	return state
}

// used counts what the target got within each of its limits.
func (m *Memory) used(key, provider string, now time.Time) []int {
	limits := incidents.LimitsOf(provider)
	used := make([]int, len(limits))
	messages := m.of[key]
	for at := len(messages) - 1; at >= 0; at-- {
		age := now.Sub(messages[at].started)
		if age > 3*time.Hour {
			break
		}
		for n, l := range limits {
			a := m.attempts[messages[at].attempt-1]
			ends := provider == "voice" && m.pages[a.Page-1].Action != incidents.ActionTrigger
			if age < l.Per && a.Outcome != incidents.OutcomeCanceled && !ends {
				used[n]++
			}
		}
	}
	return used
}

// retries is what the provider's budget leaves.
func (m *Memory) retries(provider string, now time.Time) int {
	tries := m.tries[provider]
	all, again := 0, 0
	for at := len(tries) - 1; at >= 0 && now.Sub(tries[at].started) < time.Minute; at-- {
		if all++; m.attempts[tries[at].attempt-1].Number > 1 {
			again++
		}
	}
	return incidents.RetryBudget(all, again)
}

func (m *Memory) claim(r *row, now time.Time, lease time.Duration) incidents.Claim {
	r.State, r.lease = incidents.PageSending, now.Add(lease)
	r.Attempts++
	a := incidents.Attempt{
		ID: int64(len(m.attempts) + 1), Page: r.ID, Incident: r.Incident, Tenant: r.Tenant, Number: r.Attempts,
		Provider: r.Target.Provider(), StartedAt: now,
	}
	m.attempts = append(m.attempts, a)
	key := r.Target.Key()
	m.of[key] = append(m.of[key], message{a.ID, now})
	m.tries[a.Provider] = append(m.tries[a.Provider], message{a.ID, now})
	standing := m.targetState(r.Target).Standing(nil, now)
	if standing.Probe {
		m.targets[key] = m.targets[key].Probed(now)
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
	out := c.Conclude(a, m.targetState(c.Page.Target), retryIn, now)
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
	var roster incidents.Roster
	if m.Roster != nil {
		roster = m.Roster(now)
	}
	c := i.Tried(p, final || a.Outcome == incidents.OutcomeRetry, final, m.tally(i, now), roster, now)
	if len(c.Events) == 0 {
		return
	}
	m.incidents[i.ID] = c.Incident
	m.timeline = append(m.timeline, c.Events...)
	for _, q := range c.Pages {
		m.add(q)
	}
	if m.Taken != nil {
		m.Taken(c.Turns)
	}
	m.notify()
}

func (m *Memory) tally(i incidents.Incident, now time.Time) (t incidents.Tally) {
	called := map[string]bool{}
	for _, r := range m.pages {
		if r.Incident != i.ID || r.Action != incidents.ActionTrigger {
			continue
		}
		last := r.Turn == i.Turn && r.Step == i.Step && r.Loop == i.Loop
		open := r.State == incidents.PagePending || r.State == incidents.PageSending
		if t.Pages == 0 || r.CreatedAt.Before(t.First) {
			t.First = r.CreatedAt
		}
		t.Pages++
		if last {
			called[cmp.Or(r.Person, r.target)] = true
		}
		switch {
		case r.State == incidents.PageSent:
			t.Reached = true
			t.Accepted += one(last)
		case open:
			t.Open += one(last)
		}
		t.Untried += one(r.State == incidents.PagePending && r.Attempts == 0 && !r.NextAt.After(now) || r.State == incidents.PageSending && r.Attempts <= 1)
	}
	t.Called = slices.Sorted(maps.Keys(called))
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
