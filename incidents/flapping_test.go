package incidents_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
)

func TestAnAlertThatFlapsOnceASecondIsOneIncidentAndOnePage(t *testing.T) {
	inBubble(t, func(t *testing.T, p *paging) {
		i := p.open("i1", mail("ana"))
		sig := signal(incidents.Critical, i.Policy)
		for range 30 * 60 {
			time.Sleep(500 * time.Millisecond)
			i = p.do(i.AlertEnded(sig, 0, time.Now()))
			i = p.do(i.Calm(nil, time.Now()))
			time.Sleep(500 * time.Millisecond)
			i = p.do(i.Join(sig, true, incidents.Roster{}, time.Now()))
			i = p.do(i.Escalate(incidents.Roster{}, time.Now()))
		}
		if p.email.count() != 1 || i.State != incidents.Triggered || i.Refires != 30*60 {
			t.Errorf("%d pages, %s, fired again %d times", p.email.count(), i.State, i.Refires)
		}
		if n := len(p.Timeline()); n > 40 {
			t.Errorf("%d entries on the timeline; a flapping alert must not fill it", n)
		}
		i = p.do(i.AlertEnded(sig, 0, time.Now()))
		if wait := time.Until(*i.ResolveAt); wait != 10*time.Minute {
			t.Errorf("after so much flapping it waits %s; want ten minutes", wait)
		}
		time.Sleep(10 * time.Minute)
		i = p.do(i.Calm([]incidents.Target{mail("ana")}, time.Now()))
		synctest.Wait()
		if i.State != incidents.Resolved || p.email.count() != 2 {
			t.Errorf("then it is %s, with %d messages", i.State, p.email.count())
		}
	})
}

// do applies a change and returns the incident afterwards.
func (p *paging) do(c incidents.Change) incidents.Incident {
	p.Apply(c)
	return c.Incident
}

func TestTheWaitBeforeItResolvesDoublesAndRemembersEarlierIncidents(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		flaps, refires int
		want           time.Duration
	}{
		{0, 0, 10 * time.Second}, {0, 1, 20 * time.Second}, {0, 5, 320 * time.Second}, {0, 6, 10 * time.Minute}, {0, 1000, 10 * time.Minute},
		{1, 0, 2 * time.Minute}, {3, 1, 4 * time.Minute}, {1, 3, 10 * time.Minute},
	} {
		sig := signal(incidents.Critical, policy(0, step(0, "ana")))
		sig.Flaps = c.flaps
		i := incidents.Open(sig, incidents.Roster{}, "i1", t0).Incident
		i.Refires = c.refires
		if got := i.AlertEnded(sig, 0, t0).Incident.ResolveAt.Sub(t0); got != c.want {
			t.Errorf("%d flaps, %d refires: %s; want %s", c.flaps, c.refires, got, c.want)
		}
	}
}

func TestNobodyIsPagedAnewWhileItIsAboutToBeResolved(t *testing.T) {
	t.Parallel()
	sig := signal(incidents.Critical, policy(0, step(0, "ana"), step(time.Minute, "bo")))
	i := incidents.Open(sig, incidents.Roster{}, "i1", t0).Incident.AlertEnded(sig, 0, t0.Add(55*time.Second)).Incident
	wantPages(t, i.Escalate(incidents.Roster{}, t0.Add(time.Minute)))
	again := i.Join(sig, true, incidents.Roster{}, t0.Add(62*time.Second))
	wantEvents(t, again, incidents.EventFlapping)
	wantPages(t, again.Incident.Escalate(incidents.Roster{}, t0.Add(63*time.Second)), "trigger:bo")
}

func TestEscalatingByHandPagesTheNextStepAtOnce(t *testing.T) {
	t.Parallel()
	by := incidents.Actor{ID: "user:1", Name: "ana"}
	now := t0.Add(time.Second)
	i := incidents.Open(signal(incidents.Critical, policy(0, step(0, "ana"), step(time.Hour, "bo"))), incidents.Roster{}, "i1", t0).Incident
	acked, err := i.Acknowledge(by, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := acked.Incident.EscalateNow(by, incidents.Roster{}, now)
	if err != nil {
		t.Fatal(err)
	}
	wantPages(t, c, "trigger:bo")
	if c.Incident.State != incidents.Triggered || c.Incident.AcknowledgedAt != nil {
		t.Errorf("it is %s; want the acknowledgement taken back", c.Incident.State)
	}
	c, err = c.Incident.EscalateNow(by, incidents.Roster{}, now)
	if err != nil {
		t.Fatal(err)
	}
	wantPages(t, c, "trigger:ana") // after the last step the first again
	for name, i := range map[string]incidents.Incident{
		"held": i.Hold("maintenance window db", t0).Incident, "nobody": incidents.Open(signal(incidents.Critical, policy(0)), incidents.Roster{}, "i2", t0).Incident,
	} {
		if c, err := i.EscalateNow(by, incidents.Roster{}, now); !fault.Is(err, fault.Conflict) || len(c.Pages) > 0 {
			t.Errorf("%s: %v with %d pages; want a conflict", name, err, len(c.Pages))
		}
	}
}

func TestWhatIsHeldPagesOnceTheHoldEnds(t *testing.T) {
	t.Parallel()
	held := incidents.Open(signal(incidents.Critical, policy(0, step(0, "ana"), step(time.Minute, "bo"))), incidents.Roster{}, "i1", t0).
		Incident.Hold("maintenance window db", t0.Add(time.Second))
	wantEvents(t, held, incidents.EventHeld)
	wantPages(t, held.Incident.Escalate(incidents.Roster{}, t0.Add(time.Hour)))
	c := held.Incident.Release(incidents.Roster{}, t0.Add(time.Hour))
	wantEvents(t, c, incidents.EventReleased, incidents.EventEscalated)
	wantPages(t, c, "trigger:bo")
	wantPages(t, c.Incident.Release(incidents.Roster{}, t0.Add(time.Hour)))
}

func withFallback(after time.Duration) incidents.Policy {
	s := step(0, "ana", "bo")
	s.Fallback = &incidents.Fallback{After: after, Targets: []incidents.Target{mail("cid")}}
	return policy(0, s, step(time.Hour, "dan"))
}

func TestAFallbackIsPagedWhereNobodyAcceptedTheStep(t *testing.T) {
	t.Parallel()
	i := incidents.Open(signal(incidents.Critical, withFallback(2*time.Minute)), incidents.Roster{}, "i1", t0).Incident
	due := t0.Add(2 * time.Minute)
	wantPages(t, i.FallBack(incidents.Tally{Open: 2}, incidents.Roster{}, due.Add(-time.Second)))
	accepted := i.FallBack(incidents.Tally{Accepted: 1, Reached: true}, incidents.Roster{}, due)
	wantPages(t, accepted)
	if accepted.Incident.FallbackAt != nil {
		t.Error("it is still waited for, though somebody accepted")
	}
	c := i.FallBack(incidents.Tally{Open: 2}, incidents.Roster{}, due)
	wantEvents(t, c, incidents.EventFallback)
	wantPages(t, c, "trigger:cid")
	if !c.Pages[0].Fallback || c.Pages[0].Step != 1 || c.Incident.FallbackAt != nil {
		t.Errorf("page %+v, due again at %v", c.Pages[0], c.Incident.FallbackAt)
	}
}

func TestWhereAllOfAStepFailedTheFallbackAndThenTheNextStepFollowAtOnce(t *testing.T) {
	t.Parallel()
	i := incidents.Open(signal(incidents.Critical, withFallback(2*time.Minute)), incidents.Roster{}, "i1", t0).Incident
	p := incidents.Page{Action: incidents.ActionTrigger, Step: 1}
	first := i.Tried(p, true, true, incidents.Tally{Open: 1, Untried: 1, Pages: 2, First: t0}, incidents.Roster{}, t0)
	wantPages(t, first)
	all := i.Tried(p, true, true, incidents.Tally{Pages: 2, First: t0}, incidents.Roster{}, t0)
	wantPages(t, all, "trigger:cid")
	wantEvents(t, all, incidents.EventUnreachable, incidents.EventFallback)
	p.Fallback = true
	then := all.Incident.Tried(p, true, true, incidents.Tally{Pages: 3, First: t0}, incidents.Roster{}, t0)
	wantPages(t, then, "trigger:dan")
	p.Step = 2
	last := then.Incident.Tried(p, true, true, incidents.Tally{Pages: 4, First: t0}, incidents.Roster{}, t0)
	wantPages(t, last) // no further round without a pause
	reached := last.Incident.Tried(p, false, false, incidents.Tally{Accepted: 1, Reached: true, Pages: 4, First: t0}, incidents.Roster{}, t0.Add(time.Minute))
	wantEvents(t, reached, incidents.EventReached)
	if reached.Incident.UnreachableSince != nil {
		t.Error("it still counts as unreachable")
	}
}

func TestNobodyIsReachedIsSaidOnceTroubleLasts(t *testing.T) {
	t.Parallel()
	i := incidents.Open(signal(incidents.Critical, policy(0, step(0, "ana"))), incidents.Roster{}, "i1", t0).Incident
	p := incidents.Page{Action: incidents.ActionTrigger, Step: 1}
	waiting := incidents.Tally{Open: 1, Pages: 1, First: t0}
	wantEvents(t, i.Tried(p, true, false, waiting, incidents.Roster{}, t0.Add(15*time.Second)))
	c := i.Tried(p, true, false, waiting, incidents.Roster{}, t0.Add(45*time.Second))
	wantEvents(t, c, incidents.EventUnreachable)
	wantEvents(t, c.Incident.Tried(p, true, false, waiting, incidents.Roster{}, t0.Add(time.Minute)))
	if !slices.Contains(kinds(c.Events), incidents.EventUnreachable) || c.Incident.UnreachableSince == nil {
		t.Errorf("%+v", c)
	}
}
