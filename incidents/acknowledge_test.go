package incidents_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
)

var (
	byAna = incidents.Actor{ID: "user:1", Name: "ana@example.com"}
	byBo  = incidents.Actor{ID: "user:2", Name: "bo@example.com"}
)

func acknowledged(t *testing.T, i incidents.Incident, by incidents.Actor, now time.Time) incidents.Change {
	t.Helper()
	c, err := i.Acknowledge(by, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOfTwoWhoAcknowledgeTheFirstWinsAndTheAnswerNamesThem(t *testing.T) {
	t.Parallel()
	i := acknowledged(t, opens(policy(0, calls(0, user("ana"))), roster(who("ana"))).Incident, byAna, t0).Incident
	c := acknowledged(t, i, byBo, t0.Add(time.Second))
	wantEvents(t, c)
	if c.Incident.AcknowledgedBy != "ana@example.com" || !c.Incident.AcknowledgedAt.Equal(t0) {
		t.Errorf("acknowledged by %s at %s", c.Incident.AcknowledgedBy, c.Incident.AcknowledgedAt)
	}
}

func withTimeout(p incidents.Policy, d time.Duration) incidents.Policy {
	p.AcknowledgeTimeout = d
	return p
}

func TestAnAcknowledgementEndsAfterThePolicysTimeoutAndTheStepIsPagedAnew(t *testing.T) {
	t.Parallel()
	r := roster(who("ana"), who("bo"))
	p := withTimeout(policy(0, calls(0, user("ana")), calls(time.Hour, user("bo"))), 30*time.Minute)
	i := acknowledged(t, opens(p, r).Incident, byAna, t0).Incident
	due := t0.Add(30 * time.Minute)
	if i.ReturnAt == nil || !i.ReturnAt.Equal(due) {
		t.Fatalf("it ends at %v", i.ReturnAt)
	}
	wantEvents(t, i.Return(r, due.Add(-time.Second)))
	c := i.Return(r, due)
	wantPages(t, c, "trigger:ana")
	wantEvents(t, c, incidents.EventReturned, incidents.EventEscalated)
	wantSaid(t, c, incidents.EventReturned, "ana@example.com acknowledged this and it was not resolved in time")
	got := c.Incident
	if got.State != incidents.Triggered || got.AcknowledgedBy != "" || got.ReturnAt != nil || got.Turn != 1 || got.Step != 1 || c.Pages[0].Turn != 1 {
		t.Errorf("it is %+v", got)
	}
	wantPages(t, got.Escalate(r, due.Add(time.Hour)), "trigger:bo")
}

func TestAcknowledgingAgainBeginsItsTimeAnew(t *testing.T) {
	t.Parallel()
	r := roster(who("ana"))
	i := acknowledged(t, opens(withTimeout(policy(0, calls(0, user("ana"))), time.Hour), r).Incident, byAna, t0).Incident
	c := acknowledged(t, i, byAna, t0.Add(50*time.Minute))
	wantEvents(t, c, incidents.EventNote)
	wantEvents(t, c.Incident.Return(r, t0.Add(time.Hour)))
	wantPages(t, c.Incident.Return(r, t0.Add(110*time.Minute)), "trigger:ana")
}

func TestAnAcknowledgementDoesNotEndWhileItIsHeldOrAboutToBeResolved(t *testing.T) {
	t.Parallel()
	r := roster(who("ana"))
	i := acknowledged(t, opens(withTimeout(policy(0, calls(0, user("ana"))), time.Hour), r).Incident, byAna, t0).Incident
	late := t0.Add(2 * time.Hour)
	held := i.Hold("maintenance window db", t0.Add(time.Minute)).Incident
	wantEvents(t, held.Return(r, late))
	wantPages(t, held.Release(r, late).Incident.Return(r, late), "trigger:ana")
	calm := i.AlertEnded(signal(incidents.Critical, i.Policy), 0, late).Incident
	wantEvents(t, calm.Return(r, late))
}

func everyone(targets ...incidents.Target) incidents.Step {
	s := calls(0, targets...)
	s.Everyone = true
	return s
}

func TestWhereEveryoneHasToAcknowledgeTheOthersArePagedUntilTheyHaveToo(t *testing.T) {
	t.Parallel()
	r := roster(rung("ana", 31*time.Minute), rung("bo", 31*time.Minute))
	c := opens(policy(0, everyone(user("ana"), user("bo"), mail("channel")), calls(time.Hour, user("ana"))), r)
	if want := []string{"ana@example.com", "bo@example.com"}; !slices.Equal(c.Incident.Awaited, want) {
		t.Fatalf("awaited are %v", c.Incident.Awaited)
	}
	first := acknowledged(t, c.Incident, byAna, t0.Add(time.Minute))
	if first.Incident.State != incidents.Acknowledged || !first.CancelPages || !slices.Equal(first.Keep, []string{"bo@example.com"}) {
		t.Errorf("it is %s, keeping the pages of %v", first.Incident.State, first.Keep)
	}
	wantSaid(t, first, incidents.EventAcknowledged, "bo@example.com are still paged")
	wantPages(t, first.Incident.Escalate(r, t0.Add(2*time.Hour)))
	wantEvents(t, acknowledged(t, first.Incident, byAna, t0.Add(2*time.Minute)))
	second := acknowledged(t, first.Incident, byBo, t0.Add(3*time.Minute))
	if !second.CancelPages || len(second.Keep) != 0 || second.Incident.AcknowledgedBy != "ana@example.com" {
		t.Errorf("then %+v", second)
	}
	wantSaid(t, second, incidents.EventNote, "Acknowledged by bo@example.com too; ana@example.com has it.")
}

func TestSnoozeAcknowledgesUntilATimeAndThenPagesAnew(t *testing.T) {
	t.Parallel()
	r := roster(who("ana"))
	i := opens(withTimeout(policy(0, calls(0, user("ana"))), time.Hour), r).Incident
	until := t0.Add(10 * time.Hour)
	c, err := i.Snooze(byAna, until, []incidents.Target{mail("ana")}, t0)
	if err != nil {
		t.Fatal(err)
	}
	wantPages(t, c, "acknowledge:ana")
	if !c.CancelPages || c.Incident.State != incidents.Acknowledged {
		t.Errorf("it is %s", c.Incident.State)
	}
	wantEvents(t, acknowledged(t, c.Incident, byBo, t0.Add(time.Minute)))
	wantEvents(t, c.Incident.Return(r, t0.Add(2*time.Hour)))
	back := c.Incident.Return(r, until)
	wantPages(t, back, "trigger:ana")
	wantSaid(t, back, incidents.EventReturned, "The snooze is over")
	for _, bad := range []time.Time{t0, t0.Add(30 * time.Second), t0.Add(8 * 24 * time.Hour)} {
		if _, err := i.Snooze(byAna, bad, nil, t0); !fault.Is(err, fault.Invalid) {
			t.Errorf("until %s: %v", bad, err)
		}
	}
	resolved, _ := i.Resolve(byAna, "", nil, t0)
	if _, err := resolved.Incident.Snooze(byBo, until, nil, t0); !fault.Is(err, fault.Conflict) {
		t.Errorf("resolved: %v", err)
	}
}

func TestAnIncidentThatNobodyResolvesIsResolvedWhenItsPolicySaysSo(t *testing.T) {
	t.Parallel()
	p := policy(0, calls(0, user("ana")))
	p.AutoResolve = 4 * time.Hour
	i := acknowledged(t, opens(p, roster(who("ana"))).Incident, byAna, t0).Incident
	wantEvents(t, i.Expire(nil, t0.Add(4*time.Hour-time.Second)))
	c := i.Expire([]incidents.Target{mail("ana")}, t0.Add(4*time.Hour))
	wantPages(t, c, "resolve:ana")
	wantEvents(t, c, incidents.EventResolved)
	if c.Incident.AutoResolveAt != nil || c.Incident.State != incidents.Resolved {
		t.Errorf("it is %+v", c.Incident)
	}
}

func TestReassigningPagesAnewAndDropsTheOldAssignment(t *testing.T) {
	t.Parallel()
	r := roster(who("ana"), who("bo"))
	old := policy(3, calls(0, user("ana")), calls(time.Minute, user("ana")))
	i := acknowledged(t, opens(old, r).Incident, byAna, t0).Incident
	to := policy(0, calls(0, user("bo")))
	to.Name = "database"
	turn := 0
	c, err := i.Reassign(byAna, to, &turn, r, t0.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	wantPages(t, c, "trigger:bo")
	wantSaid(t, c, incidents.EventReassigned, "Assigned to database by ana@example.com", "takes back the acknowledgement by ana@example.com")
	got := c.Incident
	if !c.CancelPages || got.State != incidents.Triggered || got.Policy.Name != "database" || got.Turn != 1 || got.AssignedBy != "ana@example.com" {
		t.Errorf("it is %+v", got)
	}
	if got.DedupKey() != i.DedupKey() || c.Pages[0].DedupKey != i.DedupKey() {
		t.Errorf("providers knew it as %s and now as %s", i.DedupKey(), got.DedupKey())
	}
	if _, err := got.Reassign(byBo, old, &turn, r, t0.Add(time.Minute)); !fault.Is(err, fault.Conflict) {
		t.Errorf("who was slower got %v", err)
	}
	if _, err := got.Reassign(byBo, incidents.Policy{Name: "empty"}, nil, r, t0); !fault.Is(err, fault.Invalid) {
		t.Errorf("a policy without anybody: %v", err)
	}
	resolved, _ := got.Resolve(byAna, "", nil, t0)
	if _, err := resolved.Incident.Reassign(byBo, old, nil, r, t0); !fault.Is(err, fault.Conflict) {
		t.Errorf("resolved: %v", err)
	}
}

func TestAnIncidentMayBeGivenToPeople(t *testing.T) {
	t.Parallel()
	users, err := incidents.CheckUsers([]string{" Bo@example.com", "bo@example.com", "ana@example.com"})
	if err != nil || !slices.Equal(users, []string{"bo@example.com", "ana@example.com"}) {
		t.Fatalf("%v, %v", users, err)
	}
	old := withTimeout(policy(2, calls(0, mail("channel")), calls(time.Minute, mail("channel"))), time.Hour)
	to := old.ToPeople(users)
	if to.Repeat != 2 || to.RepeatAfter != time.Minute || to.AcknowledgeTimeout != time.Hour {
		t.Errorf("it became %+v", to)
	}
	c, err := opens(old, incidents.Roster{}).Incident.Reassign(byAna, to, nil, roster(who("bo")), t0)
	if err != nil {
		t.Fatal(err)
	}
	wantPages(t, c, "trigger:bo")
	wantSaid(t, c, incidents.EventNobody, "ana@example.com has no account")
	for _, bad := range [][]string{nil, {"bo"}, {""}, make([]string, 11)} {
		if _, err := incidents.CheckUsers(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestAnAssignmentThatReachesNobodyIsLoudAlsoWhereNobodyWasReachedBefore(t *testing.T) {
	t.Parallel()
	i := opens(policy(0, calls(0, user("eve"))), incidents.Roster{}).Incident
	c, err := i.Reassign(byAna, i.Policy.ToPeople([]string{"mallory@example.com"}), nil, incidents.Roster{}, t0)
	if err != nil {
		t.Fatal(err)
	}
	wantEvents(t, c, incidents.EventReassigned, incidents.EventNobody, incidents.EventUnreachable)
}

func TestThreadsOfTheOldAssignmentHearOfTheNewOne(t *testing.T) {
	t.Parallel()
	slack := incidents.Target{Slack: &incidents.SlackTarget{Token: incidents.Secret{Env: "T"}, Channel: "#old"}}
	i := opens(policy(0, calls(0, slack)), incidents.Roster{}).Incident
	c, err := i.Reassign(byAna, policy(0, calls(0, mail("bo"))), nil, incidents.Roster{}, t0)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, p := range c.Pages {
		told = append(told, string(p.Action)+" "+p.Target.Provider())
	}
	if !slices.Equal(told, []string{"trigger email", "update slack"}) {
		t.Errorf("told %v", told)
	}
	later, err := c.Incident.Note(byAna, "still at it", t0)
	if err != nil || len(later.Pages) != 1 || later.Pages[0].Target.Slack == nil {
		t.Errorf("a later note told %+v, %v", later.Pages, err)
	}
}
