package incidents

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// defaultRoundDelay separates rounds of a policy whose steps have no delay at all.
const defaultRoundDelay = 5 * time.Minute

// Empty reports whether the policy could page anybody: none of its steps has a target.
func (p Policy) Empty() bool {
	for _, s := range p.Steps {
		if len(s.Targets) > 0 {
			return false
		}
	}
	return true
}

// RoundDelay is how long people have after a round's last step before the next round starts or the policy is exhausted:
// RepeatAfter where it is set, else the longest delay of a step, else five minutes. Always positive, so that a policy
// that repeats for ever cannot page in a tight loop.
func (p Policy) RoundDelay() time.Duration {
	if p.RepeatAfter > 0 {
		return p.RepeatAfter
	}
	var longest time.Duration
	for _, s := range p.Steps {
		longest = max(longest, s.Delay)
	}
	if longest > 0 {
		return longest
	}
	return defaultRoundDelay
}

// Escalate pages the next step when NextEscalationAt has come; before that, while the incident is held or about to be
// resolved, or when nobody is to be paged any more, the Change is empty. A step is due its delay after the step before it
// was really paged, so a pause of ours makes pages late but never sends several steps at once.
func (i Incident) Escalate(r Roster, now time.Time) Change {
	c := Change{Incident: i}
	if !i.due(now) {
		return c
	}
	c.escalate(r, now)
	c.Incident.UpdatedAt = now
	c.tellThreads(i, now)
	return c
}

// due reports whether the next step is to be paged.
func (i Incident) due(now time.Time) bool {
	return i.pages() && i.NextEscalationAt != nil && !i.NextEscalationAt.After(now)
}

// pages reports whether steps may be paged at all: nobody is on it, nothing holds it, and it is not about to be resolved.
func (i Incident) pages() bool { return i.State == Triggered && i.Held == "" && i.ResolveAt == nil }

// EscalateNow pages the next step at once because somebody asks for more help; after the last one a further round begins.
// It takes back an acknowledgement: the others are called until one of them takes it. An incident that is resolved or
// held, or whose policy names nobody, is a fault.Conflict.
func (i Incident) EscalateNow(by Actor, r Roster, now time.Time) (Change, error) {
	c := Change{Incident: i}
	switch {
	case i.State == Resolved:
		return c, i.alreadyResolved("escalated")
	case i.Held != "":
		return c, fault.New(fault.Conflict, "incident %d is held by %s; nobody is paged before that ends", i.Number, i.Held)
	case i.Policy.Empty():
		return c, fault.New(fault.Conflict, "incident %d has no escalation policy that names anybody, so there is nobody to escalate to", i.Number)
	}
	text := "Escalated by " + by.name() + "."
	if i.State == Acknowledged {
		text += fmt.Sprintf(" That takes back the acknowledgement by %s.", i.AcknowledgedBy)
		c.trigger()
	}
	c.sayAs(by, now, EventEscalated, text)
	if i.Step >= len(i.Policy.Steps) {
		c.Incident.Step, c.Incident.Loop = 0, i.Loop+1
	}
	c.Incident.NextEscalationAt, c.Incident.UpdatedAt = &now, now
	c.escalate(r, now)
	c.tellThreads(i, now)
	return c, nil
}

// trigger takes back an acknowledgement.
func (c *Change) trigger() {
	i := &c.Incident
	i.State, i.AcknowledgedAt, i.AcknowledgedBy, i.ReturnAt, i.Snoozed, i.Awaited = Triggered, nil, "", nil, false, nil
}

// beginPaging takes the policy as it is now and pages its first step, at once or after that step's delay.
func (c *Change) beginPaging(p Policy, r Roster, now time.Time) {
	i := &c.Incident
	i.Policy, i.Step, i.Loop, i.NextEscalationAt, i.FallbackAt, i.ExhaustedAt = p, 0, 0, nil, nil, nil
	i.AutoResolveAt = nil
	c.judgeUrgency(now)
	switch {
	case len(p.Steps) == 0:
		c.say(now, EventNobody, "Nobody is paged: no escalation policy covers this. Acknowledge it here if you are on it.")
	case p.Empty():
		c.say(now, EventNobody, "Nobody is paged: no step of the policy %s has a target.", p.Name)
	default:
		c.begin(now)
		c.dueIn(now, p.Steps[0].Delay)
		if p.Steps[0].Delay > 0 {
			c.say(now, EventNote, "Paging starts at %s with step 1 of the policy %s.", clock(*i.NextEscalationAt), p.Name)
		}
		if i.due(now) {
			c.escalate(r, now)
		}
	}
}

// begin notes what goes with being paged: the key that providers know it by, and when it is resolved if nobody does.
func (c *Change) begin(now time.Time) {
	i := &c.Incident
	i.PagedAs = cmp.Or(i.PagedAs, i.Policy.Name)
	if i.Policy.AutoResolve > 0 && i.AutoResolveAt == nil {
		at := now.Add(i.Policy.AutoResolve)
		i.AutoResolveAt = &at
	}
}

// judgeUrgency says by whose rules people are called from now on, and when that changes.
func (c *Change) judgeUrgency(now time.Time) {
	i := &c.Incident
	i.Urgency, i.RaiseAt = i.Policy.Urgency(i.Severity, now), i.Policy.raisesAt(i.Severity, now)
}

// again pages the step that was paged last once more, dropping what was not sent yet of its pages.
func (c *Change) again(r Roster, now time.Time) {
	i := &c.Incident
	c.CancelPages, c.Keep = true, nil
	i.Turn++
	i.Step, i.NextEscalationAt, i.FallbackAt, i.ExhaustedAt, i.Awaited = max(0, i.Step-1), &now, nil, nil, nil
	c.begin(now)
	c.judgeUrgency(now)
	if i.due(now) {
		c.escalate(r, now)
	}
}

// escalate pages steps while they are due within one round. A step of which nobody can be called falls through to the
// next at once; where that is so of a whole round, nobody is reached.
func (c *Change) escalate(r Roster, now time.Time) {
	i := &c.Incident
	if i.Policy.Empty() {
		i.NextEscalationAt = nil
		return
	}
	c.begin(now)
	if i.Step >= len(i.Policy.Steps) && !c.nextRound(now) {
		return
	}
	nobody := i.Step == 0
	for i.Step < len(i.Policy.Steps) && !i.NextEscalationAt.After(now) {
		step := i.Policy.Steps[i.Step]
		i.Step++
		if !c.pageStep(step, r, now) {
			continue
		}
		nobody = false
		if i.Step < len(i.Policy.Steps) {
			c.dueIn(now, i.Policy.Steps[i.Step].Delay)
		}
	}
	if i.Step < len(i.Policy.Steps) {
		return
	}
	c.dueIn(now, i.Policy.RoundDelay())
	if nobody && i.UnreachableSince == nil {
		i.UnreachableSince = &now
		c.say(now, EventUnreachable, "NOBODY IS REACHED: no step of the policy %s could call anybody. Tell people by other means, and mend the policy.",
			i.Policy.Name)
	}
}

// nextRound starts another round, or says that the policy is exhausted and returns false.
func (c *Change) nextRound(now time.Time) bool {
	i := &c.Incident
	if i.Policy.Repeat >= 0 && i.Loop >= i.Policy.Repeat {
		i.NextEscalationAt, i.ExhaustedAt = nil, &now
		c.say(now, EventExhausted, "Nobody has acknowledged. The policy %s is exhausted after %s: nobody else will be paged.",
			i.Policy.Name, count(i.Loop+1, "round"))
		return false
	}
	i.Loop++
	i.Step = 0
	return true
}

// pageStep calls those whom the step just taken names, and says who cannot be called. Where that is all of them its
// fallback is called. It reports whether anybody is.
func (c *Change) pageStep(step Step, r Roster, now time.Time) bool {
	i := &c.Incident
	i.FallbackAt = nil
	made := c.callStep(step, r, now)
	c.missing(made, len(step.Targets) == 0, step.Fallback != nil, now)
	if !made.reaches() {
		return step.Fallback != nil && c.pageFallback("nobody of it can be called", r, now)
	}
	if step.Fallback != nil {
		at := now.Add(step.Fallback.After)
		i.FallbackAt = &at
	}
	if step.Everyone {
		i.Awaited = union(i.Awaited, made.people)
	}
	c.take(made)
	c.say(now, EventEscalated, "%s: paging %s.", i.place(), strings.Join(made.names, "; "))
	c.detail(made)
	return true
}

// take makes the pages of a call.
func (c *Change) take(made *call) {
	c.Pages = append(c.Pages, made.pages...)
	for _, p := range made.pages {
		c.keepThread(p.Target)
	}
}

// detail writes down which step the last entry of the timeline is about.
func (c *Change) detail(made *call) {
	i := c.Incident
	detail := map[string]any{"step": i.Step, "loop": i.Loop, "policy": i.Policy.Name, "targets": made.keys}
	if i.Turn > 0 {
		detail["turn"] = i.Turn
	}
	if len(made.people) > 0 {
		detail["people"] = made.people
	}
	c.Events[len(c.Events)-1].Detail = detail
}

// missing says whom of a step or its fallback nobody can call, why, and what follows.
func (c *Change) missing(made *call, empty, fallback bool, now time.Time) {
	i := c.Incident
	then := "The others of the step are paged."
	switch {
	case made.reaches():
	case fallback:
		then = "So its fallback is paged at once."
	case i.Step < len(i.Policy.Steps):
		then = "So the next step is paged at once."
	default:
		then = "There is no further step in this round."
	}
	switch {
	case len(made.failed) > 0:
		c.say(now, EventNobody, "%s: %s. %s", i.place(), strings.Join(made.failed, "; "), then)
	case empty:
		c.say(now, EventNobody, "%s has no target; going on to the next step.", i.place())
	default:
		return
	}
	c.detail(made)
}

// page makes one page of the incident, due now.
func (i Incident) page(a Action, t Target, step, loop int, now time.Time) Page {
	return Page{
		Incident: i.ID, Tenant: i.Tenant, Action: a, Step: step, Loop: loop, Target: t, DedupKey: i.DedupKey(),
		State: PagePending, NextAt: now, CreatedAt: now, Trace: i.Trace, Turn: i.Turn,
	}
}

// DedupKey is what providers know the incident by: its id and the name of the policy that it was first paged by, the same
// for all of its pages.
func (i Incident) DedupKey() string { return i.ID + "/" + cmp.Or(i.PagedAs, i.Policy.Name) }

// union returns the names in either list, each once.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func (c *Change) dueIn(now time.Time, d time.Duration) {
	at := now.Add(d)
	c.Incident.NextEscalationAt = &at
}

// place names the step just taken: "Step 1 of 2", with the round where there are several.
func (i Incident) place() string {
	step := fmt.Sprintf("tep %d of %d", i.Step, len(i.Policy.Steps))
	switch {
	case i.Policy.Repeat < 0:
		return fmt.Sprintf("Round %d, s%s", i.Loop+1, step)
	case i.Loop > i.Policy.Repeat: // somebody asked for more
		return fmt.Sprintf("Extra round, s%s", step)
	case i.Policy.Repeat > 0:
		return fmt.Sprintf("Round %d of %d, s%s", i.Loop+1, i.Policy.Repeat+1, step)
	}
	return "S" + step
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

func clock(t time.Time) string { return t.UTC().Format("15:04 UTC") }
