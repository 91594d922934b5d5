package incidents_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/outboxtest"
	"github.com/nines-sre/nines/internal/fault"
)

// simulated is how much time one world of the simulation covers, without the calm at its end.
const simulated = 48 * time.Hour

// seedsFile has the seeds that once failed, one a line; they are run first, for ever.
const seedsFile = "testdata/seeds"

// TestPagingKeepsItsPromisesInASimulatedWorld runs worlds of two replicas over one storage, in virtual time: random
// policies, alerts and people, while processes die before, in and after a send, the storage fails before and after it
// committed, providers fail in every way, and a replica's clock jumps. NINES_SIMULATE is for how long; without it a few
// seconds. A failing world names its seed: add it to testdata/seeds.
func TestPagingKeepsItsPromisesInASimulatedWorld(t *testing.T) {
	budget := 2 * time.Second
	if text := os.Getenv("NINES_SIMULATE"); text != "" {
		var err error
		if budget, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	seeds := keptSeeds(t)
	var total tallyOfWorlds
	for began := time.Now(); len(seeds) > 0 || time.Since(began) < budget; {
		seed := rand.Uint64()
		if len(seeds) > 0 {
			seed, seeds = seeds[0], seeds[1:]
		}
		var w *world
		synctest.Test(t, func(t *testing.T) {
			w = newWorld(seed)
			w.run(t)
		})
		if len(w.problems) > 0 {
			t.Fatalf("seed %d:\n  %s", seed, strings.Join(w.problems[:min(10, len(w.problems))], "\n  "))
		}
		total.add(w)
	}
	t.Log(total)
	if total.sent == 0 || total.crashes == 0 || total.acks == 0 || total.repeated == 0 || total.bundled == 0 || total.anew == 0 || total.later == 0 {
		t.Error("the simulation simulated nothing")
	}
}

func keptSeeds(t *testing.T) (seeds []uint64) {
	t.Helper()
	file, err := os.Open(seedsFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", seedsFile, err)
		}
		seeds = append(seeds, seed)
	}
	return seeds
}

// tallyOfWorlds says what was simulated.
type tallyOfWorlds struct {
	worlds, incidents, pages, sent, repeated, bundled, crashes, acks, anew, later int
}

func (s *tallyOfWorlds) add(w *world) {
	s.worlds++
	s.incidents += len(w.ids)
	for _, p := range w.store.Pages() {
		s.pages++
		if p.State == incidents.PageSent {
			s.sent++
		}
		if w.received[p.ID] > 1 {
			s.repeated++
		}
	}
	s.bundled += len(w.bundled)
	s.crashes += int(w.crashes.Load())
	s.acks += w.acks
	s.anew += w.anew
	s.later += w.later
}

func (s tallyOfWorlds) String() string {
	return fmt.Sprintf("%d worlds of %s: %d incidents, %d pages, %d sent, %d of them again after a fault, %d in bundles, %d crashes, %d acknowledgements, paged anew %d times, %d later notices",
		s.worlds, simulated, s.incidents, s.pages, s.sent, s.repeated, s.bundled, s.crashes, s.acks, s.anew, s.later)
}

// world is one simulated operation.
type world struct {
	seed  uint64
	rng   *rand.Rand // of the driver alone
	store *outboxtest.Memory
	tx    sync.Mutex // one transaction at a time, as rows' locks make it

	ids      []string            // incidents
	open     map[string]string   // incident by group
	alerts   map[string][]string // firing ones by incident
	policies []incidents.Policy
	staff    map[string]incidents.Person
	turns    map[incidents.TurnOf]int    // of the storage, guarded by tx
	policyOf map[string]incidents.Policy // by incident and turn, guarded by tx
	acks     int
	over     atomic.Bool // the faults are

	mu       sync.Mutex // guards what follows
	trouble  map[string]trouble
	received map[int64]int  // by page, how often its provider got it
	bundled  map[string]int // by incident and target, how often it got there with others
	blind    map[string]time.Time
	troubled map[int64]bool // attempts whose end could not be written down at once
	problems []string
	turned   map[string]time.Time // when paging of an incident began anew
	anew     int                  // how often it did
	later    int                  // notices that were sent long after the first

	replicas [2]atomic.Pointer[replicaOf]
	crashes  atomic.Int64
	running  sync.WaitGroup
}

// trouble is how a provider behaves for a while.
type trouble struct {
	kind  int
	until time.Time
}

const (
	troubleNone = iota
	troubleLimited
	troubleDown
	troubleHangs     // nothing arrives
	troubleLosesWord // it arrives, the answer does not
	troubleRefuses
	troublePanics
	troubles
)

var providers = []string{"email", "slack", "ntfy"}

func newWorld(seed uint64) *world {
	w := &world{
		seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), store: outboxtest.NewMemory(), open: map[string]string{},
		alerts: map[string][]string{}, trouble: map[string]trouble{}, received: map[int64]int{}, bundled: map[string]int{}, blind: map[string]time.Time{},
		troubled: map[int64]bool{}, staff: map[string]incidents.Person{}, policyOf: map[string]incidents.Policy{}, turned: map[string]time.Time{},
	}
	w.store.Roster, w.store.Taken = w.rosterAt, w.took
	for _, email := range simPeople {
		w.staff[email] = w.somebody(email)
	}
	for n := range 3 {
		w.policies = append(w.policies, w.policy(n))
	}
	return w
}

func (w *world) policy(n int) incidents.Policy {
	p := incidents.Policy{Name: fmt.Sprintf("policy-%d", n), Repeat: w.rng.IntN(4) - 1}
	for s := range 1 + w.rng.IntN(3) {
		st := incidents.Step{Delay: time.Duration(1+w.rng.IntN(20)) * time.Minute}
		if s == 0 && w.rng.IntN(4) > 0 {
			st.Delay = 0
		}
		for k := range 1 + w.rng.IntN(2) {
			st.Targets = append(st.Targets, w.anybody(fmt.Sprintf("s%d-%d", s, k)))
		}
		if w.rng.IntN(3) == 0 {
			st.Fallback = &incidents.Fallback{After: time.Duration(15+w.rng.IntN(300)) * time.Second, Targets: []incidents.Target{w.anybody(fmt.Sprintf("f%d", s))}}
		}
		p.Steps = append(p.Steps, st)
	}
	if p.Repeat < 0 && p.Steps[0].Delay == 0 && len(p.Steps) == 1 {
		p.Repeat = 1
	}
	w.spice(&p)
	return p
}

func (w *world) target(name string) incidents.Target {
	switch w.rng.IntN(3) {
	case 0:
		return mail(name)
	case 1:
		return slackTarget("SLACK_" + name)
	}
	return incidents.Target{Ntfy: &incidents.NtfyTarget{URL: "https://ntfy.example.com/" + name}}
}

// dice returns chance that depends on nothing but the seed and what it is for, so that goroutines do not mix it up.
func (w *world) dice(of ...any) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprint(h, of...)
	return rand.New(rand.NewPCG(w.seed, h.Sum64()))
}

func (w *world) problem(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

// run lets the world live, then ends all faults and looks at what is left.
func (w *world) run(t *testing.T) {
	for n := range w.replicas {
		w.start(n)
	}
	for end := time.Now().Add(simulated); time.Now().Before(end); {
		time.Sleep(time.Duration(w.rng.ExpFloat64() * float64(4*time.Minute)))
		w.happen()
		if w.rng.IntN(40) == 0 {
			w.audit()
		}
	}
	w.calmDown()
	time.Sleep(4 * time.Hour)
	w.over.Store(true)
	for n := range w.replicas {
		w.replicas[n].Load().kill()
	}
	w.running.Wait()
	w.check()
}

// replicaOf is one process.
type replicaOf struct {
	w      *world
	n      int
	life   int64
	dead   atomic.Bool
	cancel context.CancelFunc
	wake   chan struct{}
	skew   atomic.Int64
	calls  atomic.Int64
}

var lives atomic.Int64

// start begins a process with a pager and the clockwork of escalation.
func (w *world) start(n int) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &replicaOf{w: w, n: n, life: lives.Add(1), cancel: cancel, wake: make(chan struct{}, 1)}
	w.replicas[n].Store(r)
	pager := &incidents.Pager{
		Outbox: simOutbox{r}, Notifiers: map[string]incidents.Notifier{}, Owner: fmt.Sprintf("replica-%d", n), Workers: 1, // so that pages wait for one another
		Now: func() time.Time { return time.Now().Add(time.Duration(r.skew.Load())) },
	}
	for _, name := range providers {
		pager.Notifiers[name] = simProvider{r, name}
	}
	w.running.Go(func() { _ = pager.Run(ctx) })
	w.running.Go(func() { r.clockwork(ctx) })
}

// kill is kill -9: nothing that the process does afterwards has an effect. Another one is started a while later.
func (r *replicaOf) kill() {
	if r.dead.Swap(true) {
		return
	}
	r.cancel()
	w := r.w
	if w.over.Load() {
		return
	}
	w.crashes.Add(1)
	pause := time.Duration(w.dice("restart", r.n, w.crashes.Load()).IntN(90)) * time.Second
	w.running.Go(func() {
		time.Sleep(pause)
		if !w.over.Load() {
			w.start(r.n)
		}
	})
}

func (w *world) wakeAll() {
	for n := range w.replicas {
		r := w.replicas[n].Load()
		if r == nil {
			continue
		}
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// clockwork does what time asks of incidents, as each replica does it.
func (r *replicaOf) clockwork(ctx context.Context) {
	w := r.w
	for ctx.Err() == nil && !r.dead.Load() {
		due, next := w.due()
		for _, id := range due {
			w.change(id, r.strike)
		}
		if len(due) > 0 {
			next = time.Now().Add(time.Second)
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// strike does what an incident's time has come for.
func (r *replicaOf) strike(i incidents.Incident, now time.Time) (incidents.Change, error) {
	switch {
	case r.dead.Load():
		return incidents.Change{Incident: i}, errAway
	case passed(i.ResolveAt, now):
		return i.Calm(r.w.paged(i), now), nil
	case passed(i.AutoResolveAt, now):
		return i.Expire(r.w.paged(i), now), nil
	case i.State == incidents.Acknowledged:
		return i.Return(r.w.rosterAt(now), now), nil
	case passed(i.FallbackAt, now):
		return i.FallBack(r.w.tally(i), r.w.rosterAt(now), now), nil
	case passed(i.RaiseAt, now):
		return i.SupportBegins(r.w.rosterAt(now), now), nil
	}
	return i.Escalate(r.w.rosterAt(now), now), nil
}

func passed(at *time.Time, now time.Time) bool { return at != nil && !at.After(now) }

func (w *world) known() []string {
	w.tx.Lock()
	defer w.tx.Unlock()
	return slices.Clone(w.ids)
}

// due returns the incidents whose time has come, and when to look again where there are none.
func (w *world) due() (ids []string, next time.Time) {
	now := time.Now()
	next = now.Add(20 * time.Second)
	for _, id := range w.known() {
		i, err := w.store.Current(context.Background(), id)
		if err != nil || i.State == incidents.Resolved {
			continue
		}
		for n, at := range []*time.Time{i.ResolveAt, i.AutoResolveAt, i.ReturnAt, i.FallbackAt, i.RaiseAt, i.NextEscalationAt} {
			paused := i.Held != "" || i.ResolveAt != nil
			switch {
			case at == nil, n > 1 && paused, n == 2 && i.State != incidents.Acknowledged, n > 2 && i.State != incidents.Triggered:
			case passed(at, now):
				ids = append(ids, id)
			case at.Before(next):
				next = *at
			}
		}
	}
	return slices.Compact(ids), next
}

// change commits what f makes of an incident, and nothing while the storage is away.
func (w *world) change(id string, f func(incidents.Incident, time.Time) (incidents.Change, error)) {
	w.tx.Lock()
	defer w.tx.Unlock()
	i, err := w.store.Current(context.Background(), id)
	if err != nil {
		return
	}
	c, err := f(i, time.Now())
	if err != nil || (len(c.Events) == 0 && len(c.Pages) == 0 && !c.CancelPages && c.Incident.FallbackAt == i.FallbackAt && c.Incident.RaiseAt == i.RaiseAt) {
		return
	}
	w.store.Apply(c)
	w.note(c, i.Turn, time.Now())
	w.wakeAll()
}

// paged returns the targets that were told of an incident, or may have been.
func (w *world) paged(i incidents.Incident) (out []incidents.Target) {
	seen := map[string]bool{}
	for _, p := range w.store.Pages() {
		if p.Incident == i.ID && p.Action == incidents.ActionTrigger && p.Attempts > 0 && !seen[p.Target.Key()] {
			seen[p.Target.Key()] = true
			out = append(out, p.Target)
		}
	}
	return out
}

func (w *world) tally(i incidents.Incident) (t incidents.Tally) {
	for _, p := range w.store.Pages() {
		if p.Incident != i.ID || p.Action != incidents.ActionTrigger {
			continue
		}
		if t.Pages++; t.First.IsZero() {
			t.First = p.CreatedAt
		}
		last := p.Turn == i.Turn && p.Step == i.Step && p.Loop == i.Loop
		switch p.State {
		case incidents.PageSent:
			t.Reached = true
			if last {
				t.Accepted++
			}
		case incidents.PagePending, incidents.PageSending:
			if last {
				t.Open++
			}
			if p.Attempts == 0 && !p.NextAt.After(time.Now()) {
				t.Untried++
			}
		}
	}
	return t
}

// happen is one event of the world.
func (w *world) happen() {
	r := w.rng
	switch n := r.IntN(100); {
	case n < 35:
		w.fire(fmt.Sprintf("group-%d", r.IntN(12)), fmt.Sprintf("alert-%d", r.IntN(3)))
	case n < 37:
		for range 12 {
			w.fire(fmt.Sprintf("group-%d", r.IntN(40)), "alert-0")
		}
		time.Sleep(time.Duration(r.IntN(12)) * time.Second)
		for range 12 {
			w.people(func(i incidents.Incident, now time.Time) (incidents.Change, error) {
				return i.Acknowledge(ana, w.paged(i), now)
			})
		}
	case n < 58:
		w.end(w.anyOpen())
	case n < 60:
		w.reassign()
	case n < 62:
		w.snooze()
	case n < 65:
		w.acknowledgeAs()
	case n < 66:
		w.people(func(i incidents.Incident, now time.Time) (incidents.Change, error) {
			return i.Acknowledge(ana, w.paged(i), now)
		})
	case n < 69:
		w.people(func(i incidents.Incident, now time.Time) (incidents.Change, error) {
			return i.Resolve(ana, "fixed", w.paged(i), now)
		})
	case n < 73:
		w.people(func(i incidents.Incident, now time.Time) (incidents.Change, error) {
			return i.EscalateNow(ana, w.rosterAt(now), now)
		})
	case n < 77:
		w.people(func(i incidents.Incident, now time.Time) (incidents.Change, error) { return i.Hold("window", now), nil })
	case n < 82:
		w.people(func(i incidents.Incident, now time.Time) (incidents.Change, error) {
			return i.Release(w.rosterAt(now), now), nil
		})
	case n < 88:
		w.replicas[r.IntN(2)].Load().kill()
	case n < 91:
		w.store.Fail(errAway)
		time.Sleep(time.Duration(r.IntN(120)) * time.Second)
		w.store.Fail(nil)
		w.wakeAll()
	case n < 97:
		w.mu.Lock()
		w.trouble[providers[r.IntN(len(providers))]] = trouble{r.IntN(troubles), time.Now().Add(time.Duration(r.IntN(3600)) * time.Second)}
		w.mu.Unlock()
	default:
		jump := time.Duration(r.IntN(7200)-3600) * time.Second
		w.replicas[r.IntN(2)].Load().skew.Store(int64(jump))
	}
}

var (
	ana     = incidents.Actor{ID: "user:1", Name: "ana"}
	errAway = fault.New(fault.Unavailable, "the storage does not answer")
)

func (w *world) people(f func(incidents.Incident, time.Time) (incidents.Change, error)) {
	id := w.anyOpen()
	if id == "" {
		return
	}
	before, err := w.store.Current(context.Background(), id)
	if err != nil {
		return
	}
	w.change(id, f)
	after, err := w.store.Current(context.Background(), id)
	if err != nil {
		return
	}
	if after.State == incidents.Acknowledged && before.State == incidents.Triggered {
		w.acks++
	}
	w.settle(after)
}

// settle forgets an incident that has ended.
func (w *world) settle(i incidents.Incident) {
	if i.State == incidents.Resolved && w.open[i.GroupKey] == i.ID {
		delete(w.open, i.GroupKey)
		delete(w.alerts, i.ID)
	}
}

func (w *world) anyOpen() string {
	var ids []string
	for _, id := range w.ids {
		if i, err := w.store.Current(context.Background(), id); err == nil && i.State != incidents.Resolved {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	return ids[w.rng.IntN(len(ids))]
}

func (w *world) signal(group string) incidents.Signal {
	severity := incidents.Critical
	if w.rng.IntN(6) == 0 {
		severity = incidents.Warning
	}
	sig := signal(severity, w.policies[w.rng.IntN(len(w.policies))])
	sig.GroupKey, sig.StartsAt, sig.EndsAt = group, time.Now(), time.Now().Add(time.Hour)
	return sig
}

// fire is the intake: it joins the group's open incident or opens one.
func (w *world) fire(group, alert string) {
	if _, err := w.store.Current(context.Background(), ""); !fault.Is(err, fault.NotFound) {
		return // the storage is away: the source will tell it again
	}
	sig := w.signal(group)
	if id := w.open[group]; id != "" {
		if i, _ := w.store.Current(context.Background(), id); i.State != incidents.Resolved {
			isNew := !slices.Contains(w.alerts[id], alert)
			if isNew {
				w.alerts[id] = append(w.alerts[id], alert)
			}
			w.change(id, func(i incidents.Incident, now time.Time) (incidents.Change, error) {
				return i.Join(sig, isNew, w.rosterAt(now), now), nil
			})
			return
		}
	}
	id := fmt.Sprintf("i%d", len(w.ids)+1)
	w.tx.Lock()
	w.ids = append(w.ids, id)
	opened := incidents.Open(sig, w.rosterAt(time.Now()), id, time.Now())
	w.store.Apply(opened)
	w.note(opened, 0, time.Now())
	w.tx.Unlock()
	w.wakeAll()
	w.open[group], w.alerts[id] = id, []string{alert}
}

// end ends an alert of the incident.
func (w *world) end(id string) {
	if id == "" || len(w.alerts[id]) == 0 {
		return
	}
	if _, err := w.store.Current(context.Background(), id); err != nil {
		return
	}
	w.alerts[id] = w.alerts[id][1:]
	left := len(w.alerts[id])
	sig := w.signal("")
	w.change(id, func(i incidents.Incident, now time.Time) (incidents.Change, error) {
		return i.AlertEnded(sig, left, now), nil
	})
}

// calmDown ends all faults, and has people take or end what is open.
func (w *world) calmDown() {
	w.mu.Lock()
	w.trouble = map[string]trouble{}
	w.mu.Unlock()
	w.store.Fail(nil)
	for n := range w.replicas {
		w.replicas[n].Load().skew.Store(0)
	}
	time.Sleep(2 * time.Hour)
	for _, id := range w.known() {
		w.change(id, func(i incidents.Incident, now time.Time) (incidents.Change, error) {
			return i.Release(w.rosterAt(now), now), nil
		})
	}
	time.Sleep(time.Hour)
	for _, id := range w.known() {
		w.change(id, func(i incidents.Incident, now time.Time) (incidents.Change, error) {
			if w.rng.IntN(2) == 0 && i.State == incidents.Triggered && i.Policy.AcknowledgeTimeout == 0 {
				return i.Acknowledge(ana, w.paged(i), now)
			}
			return i.Resolve(ana, "", w.paged(i), now)
		})
	}
}

// simOutbox is the storage as one replica meets it.
type simOutbox struct{ r *replicaOf }

const (
	fateGood = iota
	fateBefore
	fateAfter // committed, and the answer is lost
)

// fate says how a call of the storage ends.
func (o simOutbox) fate(what string) int {
	if o.r.dead.Load() {
		return fateBefore
	}
	if o.r.w.faultless() {
		return fateGood
	}
	switch n := o.r.w.dice(what, o.r.n, o.r.calls.Add(1), o.r.w.crashes.Load()).IntN(200); {
	case n == 0:
		return fateBefore
	case n == 1:
		return fateAfter
	}
	return fateGood
}

// faultless is set for the end of the world.
func (w *world) faultless() bool { return w.over.Load() }

func (o simOutbox) ClaimDue(ctx context.Context, most int, lease time.Duration) ([]incidents.Claim, error) {
	fate := o.fate("claim")
	if fate == fateBefore {
		return nil, errAway
	}
	o.r.w.tx.Lock()
	defer o.r.w.tx.Unlock()
	claims, err := o.r.w.store.ClaimDue(ctx, most, lease)
	if fate == fateAfter {
		return nil, errAway
	}
	return claims, err
}

func (o simOutbox) Current(ctx context.Context, id string) (incidents.Incident, error) {
	i, err := incidents.Incident{}, error(errAway)
	if o.fate("current") == fateGood {
		i, err = o.r.w.store.Current(ctx, id)
	}
	if err != nil {
		o.r.w.mu.Lock()
		o.r.w.blind[id] = time.Now()
		o.r.w.mu.Unlock()
	}
	return i, err
}

func (o simOutbox) Finish(ctx context.Context, c incidents.Claim, a incidents.Attempt, retryIn time.Duration) error {
	fate := o.fate("finish")
	if fate == fateBefore {
		o.judge(a, errAway)
		return errAway
	}
	o.r.w.tx.Lock()
	err := o.r.w.store.Finish(ctx, c, a, retryIn)
	o.r.w.tx.Unlock()
	o.r.w.wakeAll()
	if fate == fateAfter {
		err = errAway
	}
	o.judge(a, err)
	return err
}

// judge complains where another replica took over a page whose sender lives and had no trouble with the storage.
func (o simOutbox) judge(a incidents.Attempt, err error) {
	o.r.w.mu.Lock()
	troubled := o.r.w.troubled[a.ID]
	o.r.w.troubled[a.ID] = troubled || err != nil
	o.r.w.mu.Unlock()
	if fault.Is(err, fault.Conflict) && !troubled {
		o.r.w.problem("%s: page %d was taken over from a sender that was well", a.Incident, a.Page)
	}
}

// Wait looks again when there is something to do instead of each second, so that a quiet night costs nothing to simulate.
func (o simOutbox) Wait(ctx context.Context, atMost time.Duration) error {
	wait := time.Hour
	if at, open := o.r.w.store.NextDue(); open {
		wait = max(time.Until(at), atMost)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-o.r.wake:
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// simProvider is a provider as one replica meets it.
type simProvider struct {
	r    *replicaOf
	name string
}

func (p simProvider) Send(ctx context.Context, n incidents.Notification) (incidents.Receipt, error) {
	w := p.r.w
	chance := w.dice("send", n.Page.ID, n.Page.Attempts)
	if p.r.dead.Load() {
		return incidents.Receipt{}, errAway
	}
	dies := chance.IntN(150)
	if w.faultless() {
		dies = -1
	}
	if dies == 0 { // before the send
		p.r.kill()
		return incidents.Receipt{}, errAway
	}
	w.mu.Lock()
	kind := troubleNone
	if tr := w.trouble[p.name]; tr.until.After(time.Now()) && chance.IntN(4) > 0 {
		kind = tr.kind
	}
	w.mu.Unlock()
	switch kind {
	case troubleLimited:
		limited := fault.New(fault.Limited, "slow down")
		limited.RetryAfter = time.Duration(1+chance.IntN(120)) * time.Second
		return incidents.Receipt{StatusCode: 429}, limited
	case troubleDown:
		return incidents.Receipt{StatusCode: 503}, fault.New(fault.Unavailable, "down")
	case troubleRefuses:
		return incidents.Receipt{StatusCode: 400}, fault.New(fault.Invalid, "refused")
	case troublePanics:
		panic("a notifier's defect")
	case troubleHangs:
		<-ctx.Done()
		return incidents.Receipt{}, fault.New(fault.Timeout, "no answer")
	}
	w.receive(n)
	if kind == troubleLosesWord {
		<-ctx.Done()
		return incidents.Receipt{}, fault.New(fault.Timeout, "no answer")
	}
	took := time.NewTimer(time.Duration(chance.IntN(3000)) * time.Millisecond)
	defer took.Stop()
	select {
	case <-took.C:
	case <-ctx.Done():
		return incidents.Receipt{}, fault.New(fault.Timeout, "no answer")
	}
	if dies == 1 { // after it
		p.r.kill()
		return incidents.Receipt{}, errAway
	}
	return incidents.Receipt{StatusCode: 202, ProviderID: fmt.Sprint("x", n.Page.ID)}, nil
}

// receive counts what a provider got, and complains of pages to people who need not come any more.
func (w *world) receive(n incidents.Notification) {
	w.mu.Lock()
	if w.received[n.Page.ID]++; len(n.Bundle) > 0 {
		w.received[n.Page.ID]-- // it stands for the pages of several incidents
	}
	for _, i := range n.Bundle {
		w.bundled[i.ID+" "+n.Page.Target.Key()]++
	}
	blind := time.Since(w.blind[n.Page.Incident]) < 10*time.Second
	anew := w.turned[n.Page.Incident]
	if n.Page.Number > 1 {
		w.later++
	}
	w.mu.Unlock()
	if n.Page.NextAt.After(time.Now()) {
		w.problem("%s: page %d was sent %s before it was due", n.Page.Incident, n.Page.ID, time.Until(n.Page.NextAt))
	}
	if len(n.Bundle) == 0 && n.Page.Turn != n.Incident.Turn && n.Page.Action == incidents.ActionTrigger && !blind && anew.Before(time.Now()) {
		w.problem("%s: page %d of turn %d was sent in turn %d", n.Page.Incident, n.Page.ID, n.Page.Turn, n.Incident.Turn)
	}
	for _, of := range append([]incidents.Incident{n.Incident}, n.Bundle...) {
		i, err := w.store.Current(context.Background(), of.ID)
		if err != nil || n.Page.Action != incidents.ActionTrigger || blind {
			continue
		}
		if i.State == incidents.Acknowledged && i.AcknowledgedAt.Before(time.Now()) && !slices.Contains(i.Awaited, n.Page.Person) {
			w.problem("%s: step %d of round %d was sent %s after somebody had acknowledged", i.ID, n.Page.Step, n.Page.Loop, time.Since(*i.AcknowledgedAt))
		}
		if i.Held != "" && i.UpdatedAt.Before(time.Now().Add(-time.Second)) {
			w.problem("%s: step %d was sent while it is held", i.ID, n.Page.Step)
		}
		if i.State == incidents.Resolved && i.ResolvedAt.Before(time.Now()) {
			w.problem("%s: step %d was sent %s after it was resolved", i.ID, n.Page.Step, time.Since(*i.ResolvedAt))
		}
	}
}

// check looks at a world that has come to rest.
func (w *world) check() {
	pages := map[string][]incidents.Page{}
	for _, p := range w.store.Pages() {
		pages[p.Incident] = append(pages[p.Incident], p)
		w.checkPage(p)
	}
	w.audit()
	events := map[string][]incidents.Event{}
	for _, e := range w.store.Timeline() {
		events[e.Incident] = append(events[e.Incident], e)
	}
	for _, id := range w.ids {
		i, err := w.store.Current(context.Background(), id)
		if err != nil {
			w.problem("%s: %v", id, err)
			continue
		}
		w.checkSteps(i, events[id])
		w.checkReached(i, pages[id], events[id])
		w.checkCalled(i, pages[id], events[id])
	}
}

func (w *world) checkPage(p incidents.Page) {
	what := fmt.Sprintf("%s: the %s page %d to %s (step %d, round %d)", p.Incident, p.Action, p.ID, p.Target, p.Step, p.Loop)
	attempts := w.store.Attempts(nil, p.ID)
	sent, last := 0, incidents.Attempt{}
	for _, a := range attempts {
		if last = a; a.Outcome == incidents.OutcomeSent {
			sent++
		}
	}
	switch p.State {
	case incidents.PagePending, incidents.PageSending:
		i, _ := w.store.Current(context.Background(), p.Incident)
		w.problem("%s is still %s after %d attempts, due %s; the incident is %s%s", what, p.State, p.Attempts, p.NextAt, i.State, i.Held)
	case incidents.PageSent:
		if sent != 1 {
			w.problem("%s is sent, by %d attempts", what, sent)
		}
		if w.received[p.ID] == 0 && w.bundled[p.Incident+" "+p.Target.Key()] == 0 {
			w.problem("%s is sent, and nobody received it", what)
		}
	case incidents.PageFailed:
		if last.Outcome != incidents.OutcomeFailed || last.Error == "" {
			w.problem("%s failed without a reason: %+v", what, last)
		}
	case incidents.PageCanceled:
	default:
		w.problem("%s is in the state %q", what, p.State)
	}
	if got := w.received[p.ID]; got > 1+len(attempts)-sent {
		w.problem("%s was received %d times in %d attempts, %d of which were known to be sent", what, got, len(attempts), sent)
	}
}

// checkSteps holds an incident's escalations to the policy: every step once in a round, in order, and none early. Where
// paging began anew, the step that was paged last comes again, or the first one of another policy.
func (w *world) checkSteps(i incidents.Incident, events []incidents.Event) {
	var last stepTaken
	forced := false
	for _, e := range events {
		s, isStep := e.Detail["step"].(int)
		switch {
		case e.Kind == incidents.EventNobody && isStep, e.Kind == incidents.EventEscalated && isStep:
			l, _ := e.Detail["loop"].(int)
			turn, _ := e.Detail["turn"].(int)
			now := stepTaken{s, l, turn, e.At, e.Kind}
			switch same := now.place() == last.place(); {
			case same && e.Kind == incidents.EventNobody: // of its fallback, so that the next step does not wait
				forced = true
				continue
			case same && last.kind == incidents.EventNobody: // the others of it
			default:
				w.checkStep(i, last, now, forced)
			}
			last, forced = now, e.Kind == incidents.EventNobody
		case e.Kind == incidents.EventEscalated, e.Kind == incidents.EventNote, e.Kind == incidents.EventFallback:
			forced = true // by people, or because all pages of the step had failed
		}
	}
}

type stepTaken struct {
	step, loop, turn int
	at               time.Time
	kind             incidents.EventKind
}

func (s stepTaken) place() [3]int { return [3]int{s.step, s.loop, s.turn} }

func (w *world) checkStep(i incidents.Incident, last, now stepTaken, forced bool) {
	p := w.policyOf[turnKey(i.ID, now.turn)]
	next := now.step == last.step+1 && now.loop == last.loop
	round := now.step == 1 && now.loop == last.loop+1 && last.step == len(p.Steps)
	anew := now.turn != last.turn && (now.step == 1 || now.step == last.step && now.loop == last.loop)
	if now.turn != last.turn && !anew || now.turn == last.turn && !next && !round {
		w.problem("%s: after step %d of round %d, turn %d, came step %d of round %d, turn %d", i.ID, last.step, last.loop, last.turn, now.step, now.loop, now.turn)
		return
	}
	if delay := p.Steps[now.step-1].Delay; !last.at.IsZero() && !anew && !forced && now.at.Before(last.at.Add(delay)) {
		w.problem("%s: step %d of round %d came %s after the step before, want %s", i.ID, now.step, now.loop, now.at.Sub(last.at), delay)
	}
}

// checkReached finds incidents that nobody heard of, and that do not say so.
func (w *world) checkReached(i incidents.Incident, pages []incidents.Page, events []incidents.Event) {
	if !i.Severity.Pages() {
		return
	}
	for _, p := range pages {
		if p.Action == incidents.ActionTrigger && p.State == incidents.PageSent {
			return
		}
	}
	for _, e := range events {
		switch e.Kind {
		case incidents.EventNobody, incidents.EventAcknowledged, incidents.EventResolved, incidents.EventUnreachable, incidents.EventHeld:
			return
		}
	}
	w.problem("%s is %s, %s, and nobody was paged: %v", i.ID, i.State, i.Severity, errors.New(fmt.Sprint(kinds(events))))
}
