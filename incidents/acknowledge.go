package incidents

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// Bounds of a snooze.
const (
	MinSnooze = time.Minute
	MaxSnooze = 7 * 24 * time.Hour
)

// Acknowledge says that somebody is on it: nobody else is paged, pages not yet sent are dropped, and those who were
// paged are told. Where everyone of a step has to acknowledge, the others of it are paged until they have, too. With an
// acknowledgement timeout it counts for that long, and acknowledging again begins the time anew.
//
// Of several who acknowledge the first wins: for the others nothing changes and there is no error, and AcknowledgedBy
// names who has it. What is resolved is a fault.Conflict.
func (i Incident) Acknowledge(by Actor, paged []Target, now time.Time) (Change, error) {
	c := Change{Incident: i}
	switch i.State {
	case Resolved:
		return c, i.alreadyResolved("acknowledged")
	case Acknowledged:
		c.acknowledgeToo(by, now)
		return c, nil
	}
	c.Incident.State = Acknowledged
	c.Incident.AcknowledgedAt, c.Incident.AcknowledgedBy = &now, by.name()
	c.Incident.NextEscalationAt, c.Incident.FallbackAt, c.Incident.UpdatedAt = nil, nil, now
	c.Incident.Awaited = without(i.Awaited, by)
	text := fmt.Sprintf("Acknowledged by %s, %s after it opened.", by.name(), span(now.Sub(i.OpenedAt)))
	text += c.awaits() + c.keepsUntil(now)
	c.sayAs(by, now, EventAcknowledged, text)
	c.tell(ActionAcknowledge, paged, now)
	c.Keep = c.Incident.Awaited
	return c, nil
}

// acknowledgeToo is about an incident that somebody has acknowledged: it frees who is still paged for it, and begins the
// acknowledgement's time anew.
func (c *Change) acknowledgeToo(by Actor, now time.Time) {
	i := &c.Incident
	awaited := len(i.Awaited)
	i.Awaited = without(i.Awaited, by)
	freed := len(i.Awaited) < awaited
	if !freed && (i.Snoozed || i.Policy.AcknowledgeTimeout == 0) {
		return
	}
	text := fmt.Sprintf("Acknowledged by %s too; %s has it.", by.name(), i.AcknowledgedBy)
	if by.name() == i.AcknowledgedBy {
		text = fmt.Sprintf("Acknowledged by %s again.", by.name())
	}
	if freed {
		text += c.awaits()
		c.CancelPages, c.Keep = true, i.Awaited
	}
	if !i.Snoozed {
		text += c.keepsUntil(now)
	}
	i.UpdatedAt = now
	c.sayAs(by, now, EventNote, text)
}

// awaits says who has to acknowledge still.
func (c *Change) awaits() string {
	if len(c.Incident.Awaited) == 0 {
		return ""
	}
	return fmt.Sprintf(" Everyone of the step has to acknowledge it, so %s are still paged.", strings.Join(c.Incident.Awaited, ", "))
}

// keepsUntil begins the time for which an acknowledgement counts and says so.
func (c *Change) keepsUntil(now time.Time) string {
	i := &c.Incident
	i.ReturnAt, i.Snoozed = nil, false
	if i.Policy.AcknowledgeTimeout == 0 {
		return ""
	}
	at := now.Add(i.Policy.AcknowledgeTimeout)
	i.ReturnAt = &at
	return fmt.Sprintf(" That counts until %s; unless it is resolved or acknowledged again by then, people are paged anew.", clock(at))
}

// without returns the people but for who acts.
func without(people []string, by Actor) []string {
	rest := slices.DeleteFunc(slices.Clone(people), func(email string) bool { return strings.EqualFold(email, by.Name) })
	if len(rest) == 0 {
		return nil
	}
	return rest
}

// Snooze acknowledges the incident until a time, between a minute and seven days from now, and then pages anew. Another
// time replaces it. A time beyond the bounds is a fault.Invalid, a resolved incident a fault.Conflict.
func (i Incident) Snooze(by Actor, until time.Time, paged []Target, now time.Time) (Change, error) {
	c := Change{Incident: i}
	if i.State == Resolved {
		return c, i.alreadyResolved("snoozed")
	}
	if d := until.Sub(now); d < MinSnooze || d > MaxSnooze {
		return c, fault.New(fault.Invalid, "until: is %s from now; write a time between %s and %s from now", span(d), span(MinSnooze), span(MaxSnooze))
	}
	if i.State == Triggered {
		c.Incident.State, c.Incident.AcknowledgedAt, c.Incident.AcknowledgedBy = Acknowledged, &now, by.name()
		c.tell(ActionAcknowledge, paged, now)
	}
	c.CancelPages = true
	c.Incident.NextEscalationAt, c.Incident.FallbackAt, c.Incident.Awaited, c.Incident.UpdatedAt = nil, nil, nil, now
	c.Incident.ReturnAt, c.Incident.Snoozed = &until, true
	c.sayAs(by, now, EventSnoozed, fmt.Sprintf("Snoozed by %s until %s UTC. People are paged anew then, unless it is resolved.",
		by.name(), until.UTC().Format("2 January 15:04")))
	return c, nil
}

// Return ends an acknowledgement or a snooze when ReturnAt has come: the step that was paged last is paged anew. Before
// that, and while the incident is held or about to be resolved, the Change is empty.
func (i Incident) Return(r Roster, now time.Time) Change {
	c := Change{Incident: i}
	if i.State != Acknowledged || i.ReturnAt == nil || i.ReturnAt.After(now) || i.Held != "" || i.ResolveAt != nil {
		return c
	}
	text := fmt.Sprintf("%s acknowledged this and it was not resolved in time, so the acknowledgement no longer counts.", i.AcknowledgedBy)
	if i.Snoozed {
		text = "The snooze is over and it is not resolved."
	}
	c.trigger()
	c.Incident.UpdatedAt = now
	c.say(now, EventReturned, "%s", text)
	switch {
	case i.Policy.Empty():
		c.say(now, EventNobody, "Nobody is paged: no escalation policy that names anybody covers this.")
	case i.Step == 0 && i.Turn == 0 && !i.Policy.Wakes(i.Severity, now) && i.Policy.raisesAt(i.Severity, now) != nil:
		c.judgeUrgency(now) // nobody was called yet, and paging begins with support hours
	default:
		c.again(r, now)
	}
	c.tellThreads(i, now)
	return c
}

// Expire resolves the incident when AutoResolveAt has come; before that the Change is empty. paged are the targets that
// were triggered.
func (i Incident) Expire(paged []Target, now time.Time) Change {
	c := Change{Incident: i}
	if i.State == Resolved || i.AutoResolveAt == nil || i.AutoResolveAt.After(now) {
		return c
	}
	c.resolve(automatic, fmt.Sprintf("Resolved: nobody has within %s, after which the policy %s has it resolved. An alert that goes on firing opens another incident.",
		span(i.Policy.AutoResolve), i.Policy.Name), paged, now)
	return c
}
