package incidents

import (
	"strings"
	"time"
)

// Tally counts what became of an incident's trigger pages. A page counts as accepted when its provider took it and has
// not said since that it could not be delivered.
type Tally struct {
	// Of the step that was paged last, in the round it was paged in:
	Accepted int // by their providers
	Open     int // waiting or under way
	// Of the whole incident:
	Reached bool      // some page was accepted
	Untried int       // pages that are due and have no first answer
	Pages   int       // all of them
	First   time.Time // when the first was made
	// Called are those called of the step that was paged last: people by e-mail, and targets that the policy names itself by key.
	Called []string
}

// reachGrace is how long a provider's temporary trouble may last before an incident counts as unreachable.
const reachGrace = 30 * time.Second

// Tried tells the incident what became of one of its trigger pages, the tally counting it already: failed is a failure
// that may pass, final one that does not. Where no target of the last step can be reached any more its fallback is paged,
// or the next step, without waiting; where nobody at all was reached the timeline says so.
func (i Incident) Tried(p Page, failed, final bool, t Tally, r Roster, now time.Time) Change {
	c := Change{Incident: i}
	if p.Action != ActionTrigger || i.State == Resolved {
		return c
	}
	switch {
	case t.Reached && i.UnreachableSince != nil:
		c.Incident.UnreachableSince = nil
		c.say(now, EventReached, "Somebody is reached at last, %s after nobody was.", span(now.Sub(*i.UnreachableSince)))
	case failed && !t.Reached && t.Untried == 0 && i.UnreachableSince == nil && (t.Open == 0 || now.Sub(t.First) >= reachGrace):
		c.Incident.UnreachableSince = &now
		c.say(now, EventUnreachable, "NOBODY IS REACHED: of %s so far, none was accepted. Tell people by other means.", count(t.Pages, "page"))
	}
	if final && p.Turn == i.Turn && p.Step == i.Step && p.Loop == i.Loop && t.Accepted == 0 && t.Open == 0 {
		c.hurry(p, t, r, now)
	}
	if len(c.Events) > 0 {
		c.Incident.UpdatedAt = now
		c.tellThreads(i, now)
	}
	return c
}

// hurry pages whoever comes next, because all that were paged last have failed for good. It never begins another round:
// a policy whose targets all refuse would page them without a pause.
func (c *Change) hurry(p Page, t Tally, r Roster, now time.Time) {
	i := &c.Incident
	switch {
	case !i.pages():
	case c.nextInTurn(p, t, r, now):
	case i.FallbackAt != nil:
		c.fallBack("all of its pages have failed", r, now)
	case i.NextEscalationAt != nil && i.Step < len(i.Policy.Steps):
		c.say(now, EventNote, "All pages of step %d have failed, so the next step does not wait.", i.Step)
		i.NextEscalationAt = &now
		c.escalate(r, now)
	}
}

// FallBack pages the fallback of the last step when FallbackAt has come and nobody has accepted that step's pages;
// somebody having done so ends the wait. Otherwise the Change is empty.
func (i Incident) FallBack(t Tally, r Roster, now time.Time) Change {
	c := Change{Incident: i}
	switch {
	case !i.pages() || i.FallbackAt == nil || i.FallbackAt.After(now):
		return c
	case t.Accepted > 0:
		c.Incident.FallbackAt = nil
		return c
	}
	c.fallBack("nobody has accepted its pages", r, now)
	c.Incident.UpdatedAt = now
	c.tellThreads(i, now)
	return c
}

// fallBack pages the fallback of the last step, and where nobody of it can be called the next step.
func (c *Change) fallBack(why string, r Roster, now time.Time) {
	i := &c.Incident
	i.FallbackAt = nil
	if i.Step < 1 || i.Step > len(i.Policy.Steps) || i.Policy.Steps[i.Step-1].Fallback == nil {
		return
	}
	if !c.pageFallback(why, r, now) && i.Step < len(i.Policy.Steps) && i.NextEscalationAt != nil {
		i.NextEscalationAt = &now
		c.escalate(r, now)
	}
}

// pageFallback pages the fallback of the last step and reports whether anybody of it can be called.
func (c *Change) pageFallback(why string, r Roster, now time.Time) bool {
	i := &c.Incident
	made := &call{}
	for _, t := range i.Policy.Steps[i.Step-1].Fallback.Targets {
		made.add(*i, t, r, now)
	}
	for n := range made.pages {
		made.pages[n].Fallback = true
		if made.pages[n].Person != "" {
			made.pages[n].Number += fallbackNumber
		}
	}
	c.missing(made, false, false, now)
	if !made.reaches() {
		return false
	}
	c.take(made)
	c.say(now, EventFallback, "%s: %s; paging its fallback: %s.", i.place(), why, strings.Join(made.names, "; "))
	return true
}
