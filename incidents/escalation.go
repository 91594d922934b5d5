package incidents

import (
	"fmt"
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
func (i Incident) Escalate(now time.Time) Change {
	c := Change{Incident: i}
	if !i.due(now) {
		return c
	}
	c.escalate(now)
	c.Incident.UpdatedAt = now
	c.tellThreads(i, now)
	return c
}

// due reports whether the next step is to be paged.
func (i Incident) due(now time.Time) bool {
	return i.State == Triggered && i.Held == "" && i.ResolveAt == nil && i.NextEscalationAt != nil && !i.NextEscalationAt.After(now)
}

// EscalateNow pages the next step at once because somebody asks for more help; after the last one a further round begins.
// It takes back an acknowledgement: the others are called until one of them takes it. An incident that is resolved or
// held, or whose policy names nobody, is a fault.Conflict.
func (i Incident) EscalateNow(by Actor, now time.Time) (Change, error) {
	c := Change{Incident: i}
	switch {
	case i.State == Resolved:
		return c, i.alreadyResolved("escalated")
	case i.Held != "":
		return c, fault.New(fault.Conflict, "incident %d is held by %s; nobody is paged before that ends", i.Number, i.Held)
	case !c.paged():
		return c, fault.New(fault.Conflict, "incident %d has no escalation policy that names anybody, so there is nobody to escalate to", i.Number)
	}
	text := "Escalated by " + by.name() + "."
	if i.State == Acknowledged {
		text += fmt.Sprintf(" That takes back the acknowledgement by %s.", i.AcknowledgedBy)
		c.Incident.State, c.Incident.AcknowledgedAt, c.Incident.AcknowledgedBy = Triggered, nil, ""
	}
	c.sayAs(by, now, EventEscalated, text)
	if i.Step >= len(i.Policy.Steps) {
		c.Incident.Step, c.Incident.Loop = 0, i.Loop+1
	}
	c.Incident.NextEscalationAt, c.Incident.UpdatedAt = &now, now
	c.escalate(now)
	c.tellThreads(i, now)
	return c, nil
}

// beginPaging takes the policy as it is now and pages its first step, at once or after that step's delay.
func (c *Change) beginPaging(p Policy, now time.Time) {
	i := &c.Incident
	i.Policy, i.Step, i.Loop, i.NextEscalationAt = p, 0, 0, nil
	switch {
	case len(p.Steps) == 0:
		c.say(now, EventNobody, "Nobody is paged: no escalation policy covers this. Acknowledge it here if you are on it.")
	case p.Empty():
		c.say(now, EventNobody, "Nobody is paged: no step of the policy %s has a target.", p.Name)
	default:
		c.dueIn(now, p.Steps[0].Delay)
		if p.Steps[0].Delay > 0 {
			c.say(now, EventNote, "Paging starts at %s with step 1 of the policy %s.", clock(*i.NextEscalationAt), p.Name)
		}
		if i.due(now) {
			c.escalate(now)
		}
	}
}

// escalate pages steps while they are due within one round. A step without targets falls through to the next at once.
func (c *Change) escalate(now time.Time) {
	i := &c.Incident
	if i.Policy.Empty() {
		i.NextEscalationAt = nil
		return
	}
	if i.Step >= len(i.Policy.Steps) && !c.nextRound(now) {
		return
	}
	for i.Step < len(i.Policy.Steps) && !i.NextEscalationAt.After(now) {
		step := i.Policy.Steps[i.Step]
		i.Step++
		if len(step.Targets) == 0 {
			c.say(now, EventNobody, "%s has no target; going on to the next step.", i.place())
			continue
		}
		c.pageStep(step, now)
		if i.Step < len(i.Policy.Steps) {
			c.dueIn(now, i.Policy.Steps[i.Step].Delay)
		}
	}
	if i.Step >= len(i.Policy.Steps) {
		c.dueIn(now, i.Policy.RoundDelay())
	}
}

// nextRound starts another round, or says that the policy is exhausted and returns false.
func (c *Change) nextRound(now time.Time) bool {
	i := &c.Incident
	if i.Policy.Repeat >= 0 && i.Loop >= i.Policy.Repeat {
		i.NextEscalationAt = nil
		c.say(now, EventExhausted, "Nobody has acknowledged. The policy %s is exhausted after %s: nobody else will be paged.",
			i.Policy.Name, count(i.Loop+1, "round"))
		return false
	}
	i.Loop++
	i.Step = 0
	return true
}

func (c *Change) pageStep(step Step, now time.Time) {
	i := &c.Incident
	names := make([]string, len(step.Targets))
	keys := make([]string, len(step.Targets))
	for n, t := range step.Targets {
		names[n], keys[n] = t.String(), t.Key()
		c.Pages = append(c.Pages, i.page(ActionTrigger, t, i.Step, i.Loop, now))
	}
	i.FallbackAt = nil
	if step.Fallback != nil {
		at := now.Add(step.Fallback.After)
		i.FallbackAt = &at
	}
	c.say(now, EventEscalated, "%s: paging %s.", i.place(), strings.Join(names, "; "))
	c.Events[len(c.Events)-1].Detail = map[string]any{"step": i.Step, "loop": i.Loop, "policy": i.Policy.Name, "targets": keys}
}

// page makes one page of the incident, due now.
func (i Incident) page(a Action, t Target, step, loop int, now time.Time) Page {
	return Page{
		Incident: i.ID, Tenant: i.Tenant, Action: a, Step: step, Loop: loop, Target: t, DedupKey: i.DedupKey(),
		State: PagePending, NextAt: now, CreatedAt: now, Trace: i.Trace,
	}
}

// DedupKey is what providers know the incident by: its id and the policy's name, the same for all of its pages.
func (i Incident) DedupKey() string { return i.ID + "/" + i.Policy.Name }

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
