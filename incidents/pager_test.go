package incidents_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/outboxtest"
	"github.com/nines-sre/nines/internal/fault"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func TestTheOutboxInMemoryKeepsTheContract(t *testing.T) {
	t.Parallel()
	outboxtest.Run(t, func(*testing.T) (incidents.Outbox, outboxtest.Seed) {
		m := outboxtest.NewMemory()
		return m, m
	})
}

// sink is a notifier that records what it was sent and answers as told.
type sink struct {
	mu     sync.Mutex
	sent   []incidents.Notification
	at     []time.Time
	answer func(ctx context.Context, n int) error // n counts from 1

	receipt incidents.Receipt // 202 unless set
}

func (s *sink) Send(ctx context.Context, n incidents.Notification) (incidents.Receipt, error) {
	s.mu.Lock()
	s.sent, s.at = append(s.sent, n), append(s.at, time.Now())
	count, answer := len(s.sent), s.answer
	s.mu.Unlock()
	receipt := s.receipt
	if receipt == (incidents.Receipt{}) {
		receipt.StatusCode = 202
	}
	if answer == nil {
		return receipt, nil
	}
	if err := answer(ctx, count); err != nil {
		return incidents.Receipt{}, err
	}
	return receipt, nil
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sent)
}

// seen records what an observer hears.
type seen struct {
	mu       sync.Mutex
	outcomes []string
}

func (s *seen) Attempted(provider string, action incidents.Action, outcome string, _, sinceCreated time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sinceCreated < 0 {
		outcome = "before it was made"
	}
	s.outcomes = append(s.outcomes, provider+" "+string(action)+" "+outcome)
}

// paging runs a pager over an outbox in memory inside a bubble of fake time and stops it at the end.
type paging struct {
	*outboxtest.Memory
	email, slack, voice sink
	seen                seen
	stop                func()
}

func startPaging(t *testing.T) *paging {
	p := &paging{Memory: outboxtest.NewMemory()}
	pager := &incidents.Pager{
		Outbox: p.Memory, Notifiers: map[string]incidents.Notifier{"email": &p.email, "slack": &p.slack, "voice": &p.voice},
		BaseURL: "https://nines.example.com/", Owner: "test", Workers: 2, Observe: &p.seen,
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- pager.Run(ctx) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run ended with %v", err)
		}
	})
	return p
}

// lastOf returns the newest entry of the kind.
func (p *paging) lastOf(kind incidents.EventKind) (last incidents.Event) {
	for _, e := range p.Timeline() {
		if e.Kind == kind {
			last = e
		}
	}
	return last
}

// open opens an incident whose first step pages the targets.
func (p *paging) open(id string, targets ...incidents.Target) incidents.Incident {
	c := opening(id, targets...)
	p.Apply(c)
	return c.Incident
}

// opening is the change that opens an incident whose first step pages the targets.
func opening(id string, targets ...incidents.Target) incidents.Change {
	return incidents.Open(signal(incidents.Critical, policy(0, incidents.Step{Targets: targets})), incidents.Roster{}, id, time.Now())
}

func slackTarget(name string) incidents.Target {
	return incidents.Target{Slack: &incidents.SlackTarget{URL: incidents.Secret{Env: name}}}
}

func (p *paging) kinds() []incidents.EventKind { return kinds(p.Timeline()) }

func has(ks []incidents.EventKind, k incidents.EventKind) bool { return slices.Contains(ks, k) }

// inBubble runs the test in fake time and stops the pager before the bubble ends.
func inBubble(t *testing.T, test func(t *testing.T, p *paging)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := startPaging(t)
		defer p.stop()
		test(t, p)
	})
}

func TestAPageIsSentAtOnceWithItsLink(t *testing.T) {
	inBubble(t, func(t *testing.T, p *paging) {
		synctest.Wait() // the pager waits for work
		start := time.Now()
		p.open("i1", mail("ana"))
		synctest.Wait()
		if p.email.count() != 1 || p.email.at[0].Sub(start) > 0 {
			t.Fatalf("sent %d pages", p.email.count())
		}
		n := p.email.sent[0]
		if n.IncidentURL != "https://nines.example.com/incidents/i1" || n.Page.DedupKey != "i1/shop" {
			t.Errorf("page %+v links to %s", n.Page, n.IncidentURL)
		}
		if !has(p.kinds(), incidents.EventPageSent) || p.Page(t, 1).State != incidents.PageSent {
			t.Errorf("timeline %v, page %s", p.kinds(), p.Page(t, 1).State)
		}
		if !slices.Equal(p.seen.outcomes, []string{"email trigger sent"}) {
			t.Errorf("observed %v", p.seen.outcomes)
		}
	})
}

func TestATransientErrorIsRetriedForMoreThanAnHourThenFailsVisibly(t *testing.T) {
	inBubble(t, func(t *testing.T, p *paging) {
		p.email.answer = func(context.Context, int) error { return fault.New(fault.Unavailable, "down") }
		start := time.Now()
		p.open("i1", mail("ana"))
		time.Sleep(3 * time.Hour)
		if got := p.email.count(); got != incidents.PageAttempts {
			t.Errorf("tried %d times; want %d", got, incidents.PageAttempts)
		}
		if last := p.email.at[len(p.email.at)-1].Sub(start); last < time.Hour {
			t.Errorf("gave up after %s; want more than an hour", last)
		}
		for n, want := range []time.Duration{15 * time.Second, 30 * time.Second, time.Minute} {
			if gap := p.email.at[n+1].Sub(p.email.at[n]); gap < want || gap > want*5/4+2*time.Second {
				t.Errorf("retry %d after %s; want %s to a quarter more", n+1, gap, want)
			}
		}
		if page := p.Page(t, 1); page.State != incidents.PageFailed {
			t.Errorf("the page is %s", page.State)
		}
		last := p.lastOf(incidents.EventPageFailed)
		if !strings.Contains(last.Text, "given up after 10 attempts") {
			t.Errorf("the timeline ends with %q", last.Text)
		}
	})
}

func TestAPermanentErrorFailsAtOnceAndTheNextStepStillFires(t *testing.T) {
	inBubble(t, func(t *testing.T, p *paging) {
		p.email.answer = func(context.Context, int) error { return fault.New(fault.Invalid, "no such mailbox") }
		c := incidents.Open(signal(incidents.Critical, policy(0, step(0, "ana"), incidents.Step{Delay: time.Minute, Targets: []incidents.Target{slackTarget("S")}})), incidents.Roster{}, "i1", time.Now())
		p.Apply(c)
		time.Sleep(time.Minute)
		p.Apply(c.Incident.Escalate(incidents.Roster{}, time.Now()))
		time.Sleep(time.Hour)
		if p.email.count() != 1 || p.Page(t, 1).State != incidents.PageFailed {
			t.Errorf("tried %d times, page %s; want once, failed", p.email.count(), p.Page(t, 1).State)
		}
		if p.slack.count() != 1 {
			t.Errorf("the next step sent %d pages", p.slack.count())
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	inBubble(t, func(t *testing.T, p *paging) {
		p.email.answer = func(_ context.Context, n int) error {
			if n == 1 {
				return &fault.Error{Kind: fault.Limited, Message: "slow down", RetryAfter: 2 * time.Minute}
			}
			return nil
		}
		p.open("i1", mail("ana"))
		time.Sleep(time.Hour)
		if p.email.count() != 2 || p.email.at[1].Sub(p.email.at[0]) < 2*time.Minute {
			t.Errorf("tried at %v; want again after two minutes", p.email.at)
		}
	})
}

func TestAPageForWhatIsAcknowledgedIsNotSent(t *testing.T) {
	inBubble(t, func(t *testing.T, p *paging) {
		p.email.answer = func(_ context.Context, n int) error {
			if n == 1 {
				return fault.New(fault.Unavailable, "down")
			}
			return nil
		}
		i := p.open("i1", mail("ana"))
		synctest.Wait()
		c, err := i.Acknowledge(incidents.Actor{ID: "user:1", Name: "ana"}, nil, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		p.Apply(c) // the page has been tried, so it is not dropped here, but when its retry is due
		time.Sleep(time.Hour)
		if p.email.count() != 1 || p.Page(t, 1).State != incidents.PageCanceled || !has(p.kinds(), incidents.EventPageCanceled) {
			t.Errorf("tried %d times, page %s", p.email.count(), p.Page(t, 1).State)
		}
	})
}

// TestATelephoneIsToldOfNoEnd is because nobody wants to be called for that: a call that rings is taken back at once, and
// of one that waited for its turn the timeline says that there was none.
func TestATelephoneIsToldOfNoEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, p *paging) {
		telephone := incidents.Target{Voice: &incidents.TwilioTarget{To: "+4915112345678"}}
		p.voice.receipt = incidents.Receipt{StatusCode: 201, ProviderID: "CA1"}
		for _, want := range []string{
			"Nobody is called any more: call to +4915112345678.",
			"Not sent to call to +4915112345678: nobody was called, and nobody is called to be told that.",
		} {
			i := p.open(want, telephone)
			time.Sleep(10 * time.Second)
			acknowledged, err := i.Acknowledge(incidents.Actor{ID: "user:bo", Name: "Bo"}, []incidents.Target{telephone}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			p.do(acknowledged)
			time.Sleep(5 * time.Second) // it may ring for 45
			if last := p.Timeline()[len(p.Timeline())-1]; last.Text != want {
				t.Errorf("%q; want %q", last.Text, want)
			}
		}
		if n := p.voice.count(); n != 2 || p.voice.sent[1].Page.Action != incidents.ActionAcknowledge {
			t.Errorf("%d sends; want a call and its end", n)
		}
	})
}

func TestAResolvePageAlwaysGoes(t *testing.T) {
	inBubble(t, func(t *testing.T, p *paging) {
		i := p.open("i1", mail("ana"))
		synctest.Wait()
		c, err := i.Resolve(incidents.Actor{ID: "user:1", Name: "ana"}, "", []incidents.Target{mail("ana")}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		p.Apply(c)
		synctest.Wait()
		if p.email.count() != 2 || p.email.sent[1].Page.Action != incidents.ActionResolve {
			t.Errorf("sent %d pages", p.email.count())
		}
	})
}

func TestACrashingNotifierIsRetriedAndHarmsNobodyElse(t *testing.T) {
	inBubble(t, func(t *testing.T, p *paging) {
		p.email.answer = func(_ context.Context, n int) error {
			if n == 1 {
				panic("nil map")
			}
			return nil
		}
		p.open("i1", mail("ana"), slackTarget("S"))
		time.Sleep(time.Minute)
		if p.email.count() != 2 || p.slack.count() != 1 || p.Page(t, 1).State != incidents.PageSent {
			t.Errorf("mail tried %d times, page %s; Slack %d times", p.email.count(), p.Page(t, 1).State, p.slack.count())
		}
		if !slices.Contains(p.seen.outcomes, "email trigger retry") {
			t.Errorf("observed %v", p.seen.outcomes)
		}
	})
}

func TestABlackHoleOfOneProviderDelaysNoOther(t *testing.T) {
	inBubble(t, func(t *testing.T, p *paging) {
		p.slack.answer = func(ctx context.Context, _ int) error {
			<-ctx.Done()
			return ctx.Err()
		}
		for n := range 300 { // two workers a provider: far more than can be in flight
			p.open(fmt.Sprintf("hole%d", n), slackTarget("S"))
		}
		time.Sleep(2 * time.Second)
		start := time.Now()
		for n := range 20 {
			p.open(fmt.Sprintf("good%d", n), mail(fmt.Sprint("ana", n)))
		}
		time.Sleep(time.Minute)
		if got := p.email.count(); got != 20 {
			t.Fatalf("%d of 20 mails were sent", got)
		}
		if last := p.email.at[19].Sub(start); last > 5*time.Second {
			t.Errorf("the last mail went out after %s", last)
		}
	})
}

func TestASendThatDoesNotAnswerEndsBeforeItsLease(t *testing.T) {
	inBubble(t, func(t *testing.T, p *paging) {
		p.email.answer = func(ctx context.Context, _ int) error {
			<-ctx.Done()
			return ctx.Err()
		}
		start := time.Now()
		p.open("i1", mail("ana"))
		time.Sleep(incidents.PageLease)
		as := p.Attempts(t, 1)
		if len(as) != 1 || as[0].Outcome != incidents.OutcomeRetry || as[0].Took > incidents.PageTimeout+time.Second {
			t.Errorf("after %s: attempts %+v; want one, to be tried again", time.Since(start), as)
		}
		if as[0].Error != "no answer in time" {
			t.Errorf("it says %q", as[0].Error)
		}
	})
}

func TestADeadSendersPageIsSentWithin15Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := outboxtest.NewMemory()
		m.Apply(incidents.Open(signal(incidents.Critical, policy(0, step(0, "ana"))), incidents.Roster{}, "i1", time.Now()))
		if _, err := m.ClaimDue(t.Context(), 1, incidents.PageLease); err != nil { // the sender dies here
			t.Fatal(err)
		}
		start := time.Now()
		var s sink
		pager := &incidents.Pager{Outbox: m, Notifiers: map[string]incidents.Notifier{"email": &s}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- pager.Run(ctx) }()
		time.Sleep(15 * time.Second)
		cancel()
		<-done
		if s.count() != 1 || s.at[0].Sub(start) > 15*time.Second {
			t.Fatalf("sent %d pages in 15 s", s.count())
		}
		if as := m.Attempts(t, 1); len(as) != 2 || as[0].Outcome != "" {
			t.Errorf("attempts %+v; want the dead one for all to see", as)
		}
	})
}

func TestShuttingDownLetsTheSendInFlightFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPaging(t)
		p.email.answer = func(ctx context.Context, _ int) error {
			select {
			case <-time.After(3 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		p.open("i1", mail("ana"))
		time.Sleep(time.Second)
		p.stop()
		if state := p.Page(t, 1).State; state != incidents.PageSent {
			t.Errorf("after the shutdown the page is %s; want sent", state)
		}
	})
}

func TestAnOutageOfTheStorageIsOutlived(t *testing.T) {
	inBubble(t, func(t *testing.T, p *paging) {
		p.Fail(errors.New("connection refused"))
		time.Sleep(30 * time.Second)
		p.Fail(nil)
		start := time.Now()
		p.open("i1", mail("ana"))
		time.Sleep(5 * time.Second)
		if p.email.count() != 1 || p.email.at[0].Sub(start) > 2*time.Second {
			t.Errorf("sent %d pages", p.email.count())
		}
	})
}

func TestATargetThatRefusesIsToldOfOnceAndThenSpared(t *testing.T) {
	inBubble(t, func(t *testing.T, p *paging) {
		p.email.answer = func(_ context.Context, n int) error {
			if n > 3 {
				return nil
			}
			return fault.New(fault.Invalid, "no such mailbox")
		}
		for n := range 8 {
			p.open(fmt.Sprintf("i%d", n), mail("ana"))
			time.Sleep(time.Second)
		}
		if n := p.email.count(); n != 3 {
			t.Errorf("%d pages were sent to a target that refuses; want 3", n)
		}
		var broken, alarms int
		for _, e := range p.Timeline() {
			switch e.Kind {
			case incidents.EventTargetBroken:
				broken++
			case incidents.EventUnreachable:
				alarms++
			}
		}
		if broken != 1 || alarms != 8 {
			t.Errorf("told %d times that the target is broken, %d times that nobody is reached; want 1 and 8", broken, alarms)
		}
		time.Sleep(30 * time.Second)
		for _, id := range []string{"probe", "well"} {
			p.open(id, mail("ana"))
			time.Sleep(2 * time.Second)
		}
		if n := p.email.count(); n != 5 {
			t.Errorf("%d pages were sent in all; want that the first one that succeeds ends the pause, and so 5", n)
		}
	})
}

func TestAProviderThatIsNotSetUpFailsVisibly(t *testing.T) {
	inBubble(t, func(t *testing.T, p *paging) {
		p.open("i1", incidents.Target{Webhook: &incidents.WebhookTarget{URL: "https://x.example"}})
		synctest.Wait()
		last := p.lastOf(incidents.EventPageFailed)
		if p.Page(t, 1).State != incidents.PageFailed || !strings.Contains(last.Text, "nothing is set up to send by webhook") {
			t.Errorf("page %s, timeline %q", p.Page(t, 1).State, last.Text)
		}
	})
}

func TestTheTraceRunsFromIntakeToProvider(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSpanProcessor(recorder)))
	defer otel.SetTracerProvider(before)
	inBubble(t, func(t *testing.T, p *paging) {
		sig := signal(incidents.Critical, policy(0, step(0, "ana")))
		sig.Trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		p.Apply(incidents.Open(sig, incidents.Roster{}, "i1", time.Now()))
		synctest.Wait()
		spans := recorder.Ended()
		if len(spans) != 1 || spans[0].Name() != "page email" || spans[0].Parent().SpanID().String() != "00f067aa0ba902b7" {
			t.Fatalf("spans %v", spans)
		}
	})
}

func TestRetriesSpreadAndNeverComeEarly(t *testing.T) {
	t.Parallel()
	for attempt, least := range map[int]time.Duration{1: 15 * time.Second, 2: 30 * time.Second, 6: 8 * time.Minute, 7: 15 * time.Minute, 99: 15 * time.Minute} {
		for range 100 {
			if d := incidents.RetryIn(attempt, 0); d < least || d > least*5/4 {
				t.Errorf("attempt %d: retry in %s; want %s to a quarter more", attempt, d, least)
			}
		}
	}
	if d := incidents.RetryIn(1, 24*time.Hour); d > 20*time.Minute {
		t.Errorf("a provider may silence a page for %s", d)
	}
}

// A provider that fails is not sent more than a fifth again beside what is new, beyond a floor.
func TestAFailingProviderIsNotFloodedWithRetries(t *testing.T) {
	inBubble(t, func(t *testing.T, p *paging) {
		p.email.answer = func(context.Context, int) error { return fault.New(fault.Unavailable, "down") }
		for n := range 400 {
			p.open(fmt.Sprint("i", n), mail(fmt.Sprint("person", n)))
		}
		seen, earlier := 0, 0 // pages looked at, of them the new ones of the minute before; some go out while others are opened
		for range 15 {
			time.Sleep(time.Minute)
			synctest.Wait()
			first, again := 0, 0
			p.email.mu.Lock()
			sent := slices.Clone(p.email.sent[seen:])
			p.email.mu.Unlock()
			seen += len(sent)
			for _, n := range sent {
				if n.Page.Attempts == 1 {
					first++
				} else {
					again++
				}
			}
			if most := incidents.RetryBudget(earlier+first, 0); again > most { // the budget's minute began within the one before
				t.Errorf("%d retries in a minute, beside %d new pages and %d before; want at most %d", again, first, earlier, most)
			}
			earlier = first
		}
		p.email.mu.Lock()
		p.email.answer = nil
		p.email.mu.Unlock()
		time.Sleep(3 * time.Hour)
		for n := range 400 {
			if s := p.Page(t, int64(n+1)).State; s != incidents.PageSent {
				t.Fatalf("page %d is %s after the provider came back", n+1, s)
			}
		}
	})
}

// Where more incidents are opened than a telephone may be told of, they arrive as one message.
func TestAStormArrivesAsOneMessage(t *testing.T) {
	inBubble(t, func(t *testing.T, p *paging) {
		p.open("i1", mail("ana"))
		synctest.Wait()
		storm := make([]incidents.Change, 30)
		for n := range storm {
			storm[n] = opening(fmt.Sprint("storm", n), mail("ana"))
		}
		p.Apply(storm...)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := p.email.count(); n > 3 {
			t.Fatalf("%d mails of 31 incidents", n)
		}
		told := map[string]bool{}
		for _, n := range p.email.sent {
			for _, i := range append(slices.Clone(n.Bundle), n.Incident) {
				told[i.ID] = true
			}
			if len(n.Bundle) > 0 && (n.Incident.Number != 0 || !strings.Contains(n.Incident.Title, "incidents at once") ||
				n.IncidentURL != "https://nines.example.com/incidents") {
				t.Errorf("a bundle reads %q and leads to %s", n.Incident.Title, n.IncidentURL)
			}
		}
		delete(told, "")
		if len(told) != 31 {
			t.Errorf("%d of 31 incidents are told", len(told))
		}
		for id := int64(1); id <= 31; id++ {
			if as := p.Attempts(t, id); p.Page(t, id).State != incidents.PageSent || len(as) != 1 {
				t.Errorf("page %d is %s after %d attempts", id, p.Page(t, id).State, len(as))
			}
		}
	})
}

// What is acknowledged, or held, between the claim and the send is left out of the message.
func TestAHeldPageWaitsUntilTheHoldEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, p *paging) {
		i := incidents.Open(signal(incidents.Critical, policy(0, incidents.Step{Delay: time.Minute, Targets: []incidents.Target{mail("ana")}})), incidents.Roster{}, "i1", time.Now()).Incident
		i = p.do(i.Hold("window", time.Now()))
		time.Sleep(time.Hour)
		i = p.do(i.Escalate(incidents.Roster{}, time.Now()))
		if p.email.count() != 0 {
			t.Fatal("somebody was paged while it is held")
		}
		p.do(i.Release(incidents.Roster{}, time.Now()))
		time.Sleep(2 * time.Second)
		if p.email.count() != 1 {
			t.Errorf("%d pages after the hold", p.email.count())
		}
	})
}
