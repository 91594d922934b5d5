package incidents_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
)

// who is a person with an account and nothing else, who is called by e-mail.
func who(name string) incidents.Person {
	return incidents.Person{ID: "id-" + name, Email: name + "@example.com"}
}

// rung is a person who gets an e-mail at once and another one after each of the delays.
func rung(name string, after ...time.Duration) incidents.Person {
	p := who(name)
	p.Methods = []incidents.Method{{ID: "m1", Name: "post", Target: mail(name)}}
	for _, u := range []incidents.Urgency{incidents.HighUrgency, incidents.LowUrgency} {
		for _, d := range append([]time.Duration{0}, after...) {
			p.Rules = append(p.Rules, incidents.Rule{Urgency: u, Delay: d, Method: "m1"})
		}
	}
	return p
}

func roster(people ...incidents.Person) incidents.Roster {
	r := incidents.Roster{People: map[string]incidents.Person{}, OnCall: map[string][]string{}}
	for _, p := range people {
		r.People[p.Email] = p
	}
	return r
}

func user(name string) incidents.Target { return incidents.Target{User: name + "@example.com"} }

func onCall(schedule string) incidents.Target { return incidents.Target{Schedule: schedule} }

func calls(delay time.Duration, targets ...incidents.Target) incidents.Step {
	return incidents.Step{Delay: delay, Targets: targets}
}

func opens(p incidents.Policy, r incidents.Roster) incidents.Change {
	return incidents.Open(signal(incidents.Critical, p), r, "i1", t0)
}

// said returns the texts of a kind of entries.
func said(c incidents.Change, kind incidents.EventKind) string {
	var texts []string
	for _, e := range c.Events {
		if e.Kind == kind {
			texts = append(texts, e.Text)
		}
	}
	return strings.Join(texts, "\n")
}

func wantSaid(t *testing.T, c incidents.Change, kind incidents.EventKind, want ...string) {
	t.Helper()
	text := said(c, kind)
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("the timeline's %s says %q; want it to say %q", kind, text, w)
		}
	}
}

func TestWhoIsOnCallWhenAStepIsPagedIsCalled(t *testing.T) {
	t.Parallel()
	p := policy(0, calls(0, onCall("primary")), calls(10*time.Minute, onCall("primary")))
	r := roster(who("ana"), who("bo"))
	r.OnCall["primary"] = []string{"ana@example.com"}
	c := opens(p, r)
	wantPages(t, c, "trigger:ana")
	wantSaid(t, c, incidents.EventEscalated, "ana@example.com (on call for primary) by e-mail to ana@example.com")
	if got := c.Pages[0]; got.Person != "ana@example.com" || got.Number != 1 || got.Method == "" {
		t.Errorf("the page is %+v", got)
	}
	r.OnCall["primary"] = []string{"bo@example.com"} // a handoff meanwhile
	wantPages(t, c.Incident.Escalate(r, t0.Add(10*time.Minute)), "trigger:bo")
}

func TestAPersonsRulesMakeOneNoticeEachAndTheSameTelephoneMayRingTwice(t *testing.T) {
	t.Parallel()
	c := opens(policy(0, calls(0, user("ana"))), roster(rung("ana", 5*time.Minute, 15*time.Minute)))
	wantPages(t, c, "trigger:ana", "trigger:ana", "trigger:ana")
	seen := map[string]bool{}
	for n, after := range []time.Duration{0, 5 * time.Minute, 15 * time.Minute} {
		page := c.Pages[n]
		if !page.NextAt.Equal(t0.Add(after)) {
			t.Errorf("notice %d is due %s after it opened, want %s", n, page.NextAt.Sub(t0), after)
		}
		seen[fmt.Sprint(page.Number, page.Target.Key())] = true
	}
	if len(seen) != 3 {
		t.Errorf("the notices are told apart as %v", seen)
	}
	wantSaid(t, c, incidents.EventEscalated, "at 03:09 UTC", "at 03:19 UTC")
}

func TestOneTelephoneOfTwoPeopleRingsForBoth(t *testing.T) {
	t.Parallel()
	ana, bo := rung("ana"), rung("bo")
	bo.Methods[0].Target = mail("ana")
	c := opens(policy(0, calls(0, user("ana"), user("bo"))), roster(ana, bo))
	if len(c.Pages) != 2 || c.Pages[0].Number == c.Pages[1].Number {
		t.Errorf("pages %+v", c.Pages)
	}
}

func TestSomebodyNamedTwiceInAStepIsCalledOnce(t *testing.T) {
	t.Parallel()
	r := roster(who("ana"), who("bo"))
	r.OnCall["primary"] = []string{"ana@example.com", "bo@example.com"}
	wantPages(t, opens(policy(0, calls(0, incidents.Target{User: "ANA@example.com"}, onCall("primary"))), r), "trigger:ana", "trigger:bo")
}

func TestNobodyReachableFallsThroughAtOnceAndIsLoud(t *testing.T) {
	t.Parallel()
	mute := who("mute")
	mute.Email = "" // has no way to be reached at all
	r := roster(who("bo"))
	r.People["mute@example.com"] = mute
	r.OnCall["empty"] = nil
	for name, test := range map[string]struct {
		target incidents.Target
		why    []string
	}{
		"a gap":             {onCall("empty"), []string{"nobody is on call for empty now", "override"}},
		"no such schedule":  {onCall("gone"), []string{"the schedule gone is not defined"}},
		"no account":        {user("eve"), []string{"eve@example.com has no account here, or a disabled one"}},
		"no usable method":  {user("mute"), []string{"mute@example.com has no way to be reached", "add a contact method"}},
		"on call, disabled": {onCall("left"), []string{"eve@example.com (on call for left) has no account"}},
	} {
		r.OnCall["left"] = []string{"eve@example.com"}
		c := opens(policy(0, calls(0, test.target), calls(time.Hour, user("bo"))), r)
		wantPages(t, c, "trigger:bo")
		wantEvents(t, c, incidents.EventOpened, incidents.EventNobody, incidents.EventEscalated)
		wantSaid(t, c, incidents.EventNobody, append(test.why, "Step 1 of 2", "the next step is paged at once")...)
		if c.Incident.UnreachableSince != nil || c.Incident.Step != 2 {
			t.Errorf("%s: it stands at step %d, unreachable since %v", name, c.Incident.Step, c.Incident.UnreachableSince)
		}
	}
}

func TestWhoCannotBeCalledBesideOthersIsNamed(t *testing.T) {
	t.Parallel()
	c := opens(policy(0, calls(0, user("ana"), user("eve"))), roster(who("ana")))
	wantPages(t, c, "trigger:ana")
	wantSaid(t, c, incidents.EventNobody, "eve@example.com has no account", "The others of the step are paged.")
}

func TestAWholeRoundThatReachesNobodySaysSoAndTheNextRoundIsTried(t *testing.T) {
	t.Parallel()
	p := policy(1, calls(0, user("eve")), calls(10*time.Minute, onCall("gone")))
	c := opens(p, incidents.Roster{})
	wantPages(t, c)
	wantEvents(t, c, incidents.EventOpened, incidents.EventNobody, incidents.EventNobody, incidents.EventUnreachable)
	i := c.Incident
	if i.UnreachableSince == nil || i.NextEscalationAt == nil || !i.NextEscalationAt.Equal(t0.Add(10*time.Minute)) {
		t.Fatalf("unreachable since %v, next %v", i.UnreachableSince, i.NextEscalationAt)
	}
	again := i.Escalate(roster(who("eve")), t0.Add(10*time.Minute)) // the account was made meanwhile
	wantPages(t, again, "trigger:eve")
	reached := again.Incident.Tried(again.Pages[0], false, false, incidents.Tally{Accepted: 1, Reached: true, Pages: 1}, incidents.Roster{}, t0.Add(11*time.Minute))
	wantEvents(t, reached, incidents.EventReached)
}

func TestAFallbackIsPagedAtOnceWhereNobodyOfItsStepCanBeCalled(t *testing.T) {
	t.Parallel()
	s := calls(0, user("eve"))
	s.Fallback = &incidents.Fallback{After: time.Minute, Targets: []incidents.Target{user("bo")}}
	c := opens(policy(0, s, calls(time.Hour, user("ana"))), roster(who("bo"), who("ana")))
	wantPages(t, c, "trigger:bo")
	if !c.Pages[0].Fallback || c.Incident.FallbackAt != nil || c.Incident.Step != 1 {
		t.Errorf("page %+v, fallback at %v, step %d", c.Pages[0], c.Incident.FallbackAt, c.Incident.Step)
	}
	both := opens(policy(0, s, calls(time.Hour, user("ana"))), roster(who("ana")))
	wantPages(t, both, "trigger:ana")
}

func TestAFallbackThatReachesNobodyDoesNotHoldUpTheNextStep(t *testing.T) {
	t.Parallel()
	s := calls(0, user("ana"))
	s.Fallback = &incidents.Fallback{After: time.Minute, Targets: []incidents.Target{user("eve")}}
	i := opens(policy(0, s, calls(time.Hour, user("bo"))), roster(who("ana"), who("bo"))).Incident
	c := i.FallBack(incidents.Tally{Open: 1}, roster(who("ana"), who("bo")), t0.Add(time.Minute))
	wantPages(t, c, "trigger:bo")
	wantSaid(t, c, incidents.EventNobody, "eve@example.com has no account")
}

func TestRoundRobinPagesTheNextTargetForEachIncidentAndSkipsWhoCannotBeCalled(t *testing.T) {
	t.Parallel()
	s := calls(0, user("ana"), user("bo"), user("cy"))
	s.Strategy = incidents.RoundRobin
	r := roster(who("ana"), who("bo"), who("cy"))
	var got []string
	open1 := func() {
		c := opens(policy(0, s), r)
		got = append(got, paged(c.Pages)...)
		r = r.Took(c.Turns)
	}
	for range 4 {
		open1()
	}
	delete(r.People, "bo@example.com")
	open1() // would be bo's
	open1()
	want := []string{"trigger:ana", "trigger:bo", "trigger:cy", "trigger:ana", "trigger:cy", "trigger:ana"}
	if !slices.Equal(got, want) {
		t.Errorf("paged %v, want %v", got, want)
	}
}

func TestAStepThatTakesTurnsAmongUnreachablePeopleFallsThrough(t *testing.T) {
	t.Parallel()
	s := calls(0, user("eve"), user("mallory"))
	s.Strategy = incidents.RoundRobin
	c := opens(policy(0, s, calls(time.Hour, user("ana"))), roster(who("ana")))
	wantPages(t, c, "trigger:ana")
	if len(c.Turns) != 0 {
		t.Errorf("a turn was taken by nobody: %v", c.Turns)
	}
	wantSaid(t, c, incidents.EventNobody, "eve@", "mallory@")
}

func TestLowUrgencyPagesOnlyWhereThePolicySaysSo(t *testing.T) {
	t.Parallel()
	ana := rung("ana")
	ana.Rules = []incidents.Rule{
		{Urgency: incidents.HighUrgency, Method: "m1"}, {Urgency: incidents.LowUrgency, Method: "m1", Delay: time.Hour},
	}
	p := policy(0, calls(0, user("ana")))
	sig := signal(incidents.Warning, p)
	wantPages(t, incidents.Open(sig, roster(ana), "i1", t0))
	sig.Policy.LowUrgency = true
	c := incidents.Open(sig, roster(ana), "i1", t0)
	wantPages(t, c, "trigger:ana")
	if c.Incident.Urgency != incidents.LowUrgency || !c.Pages[0].NextAt.Equal(t0.Add(time.Hour)) {
		t.Errorf("urgency %s, due %s", c.Incident.Urgency, c.Pages[0].NextAt)
	}
	raised := c.Incident.Join(signal(incidents.Critical, p), true, roster(ana), t0.Add(time.Minute))
	wantPages(t, raised, "trigger:ana")
	if !raised.CancelPages || raised.Incident.Turn != 1 || !raised.Pages[0].NextAt.Equal(t0.Add(time.Minute)) {
		t.Errorf("raised: %+v", raised)
	}
}

func tallied(called ...string) incidents.Tally {
	return incidents.Tally{Pages: len(called), Called: called, First: t0}
}

func TestWhereTheOneWhoseTurnItIsCannotBeReachedTheNextOneIsPagedAndEachOnce(t *testing.T) {
	t.Parallel()
	s := calls(0, user("ana"), user("bo"), user("cy"))
	s.Strategy = incidents.RoundRobin
	p := policy(0, s, calls(time.Hour, mail("lead")))
	r := roster(who("ana"), who("cy"))
	c := opens(p, r)
	r = r.Took(c.Turns)
	second := c.Incident.Tried(c.Pages[0], true, true, tallied("ana@example.com"), r, t0) // bo has no account
	wantPages(t, second, "trigger:cy")
	wantSaid(t, second, incidents.EventFallback, "paging the next in turn: cy@example.com")
	third := second.Incident.Tried(second.Pages[0], true, true, tallied("ana@example.com", "cy@example.com"), r, t0)
	wantPages(t, third, "trigger:lead")
}
