package incidents

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// fallbackNumber sets the notices of a fallback apart from those of its step, which may be to the same telephone.
const fallbackNumber = 1000

// call is what paging some targets at a moment comes to.
type call struct {
	pages  []Page
	names  []string // who is called, for people
	keys   []string // of the targets
	people []string // by e-mail
	failed []string // why a target reaches nobody and what to do about it
	taken  map[string]bool
}

// reaches reports whether anybody is called.
func (c *call) reaches() bool { return len(c.pages) > 0 }

// add calls a target and reports whether that reaches anybody.
func (c *call) add(i Incident, t Target, r Roster, now time.Time) bool {
	before := len(c.pages)
	switch {
	case t.User != "":
		c.person(i, t.User, "", r, now)
	case t.Schedule != "":
		c.onCall(i, t.Schedule, r, now)
	default:
		c.names = append(c.names, t.String())
		c.page(i.page(ActionTrigger, t, i.Step, i.Loop, now))
	}
	return len(c.pages) > before
}

// onCall calls everybody who is on call in a schedule.
func (c *call) onCall(i Incident, schedule string, r Roster, now time.Time) {
	people, known := r.OnCall[schedule]
	switch {
	case !known:
		c.failed = append(c.failed, fmt.Sprintf("the schedule %s is not defined; define it, or name another in the policy", schedule))
	case len(people) == 0:
		c.failed = append(c.failed, fmt.Sprintf("nobody is on call for %s now; put somebody on call with an override, and close the gap in its plan", schedule))
	}
	for _, email := range people {
		c.person(i, email, schedule, r, now)
	}
}

// person calls somebody by each of their notices. Who is called already, by another target of the step, counts as called.
func (c *call) person(i Incident, email, schedule string, r Roster, now time.Time) {
	email = strings.ToLower(email)
	if slices.Contains(c.people, email) {
		return
	}
	name := email
	if schedule != "" {
		name = fmt.Sprintf("%s (on call for %s)", email, schedule)
	}
	p, known := r.People[email]
	if !known {
		c.failed = append(c.failed, fmt.Sprintf("%s has no account here, or a disabled one; make or enable the account, or name somebody else", name))
		return
	}
	notices := p.Notices(i.Urgency, now)
	if len(notices) == 0 {
		c.failed = append(c.failed, fmt.Sprintf("%s has no way to be reached for %s urgency; add a contact method or a notification rule to the account", name, i.Urgency))
		return
	}
	ways := make([]string, len(notices))
	for n, notice := range notices {
		page := i.page(ActionTrigger, notice.Target, i.Step, i.Loop, now)
		page.Person, page.Method, page.Number = email, notice.Method, max(1, notice.Number)
		ways[n] = notice.Target.String()
		if notice.At.After(now) {
			page.NextAt = notice.At
			ways[n] += " at " + clock(notice.At)
		}
		c.page(page)
	}
	c.people = append(c.people, email)
	c.names = append(c.names, fmt.Sprintf("%s by %s", name, strings.Join(ways, ", ")))
}

// page adds a page, under a number that none to the same target has.
func (c *call) page(p Page) {
	key := p.Target.Key()
	if c.taken == nil {
		c.taken = map[string]bool{}
	}
	for c.taken[fmt.Sprint(p.Number, key)] {
		p.Number++
	}
	c.taken[fmt.Sprint(p.Number, key)] = true
	if !slices.Contains(c.keys, key) {
		c.keys = append(c.keys, key)
	}
	c.pages = append(c.pages, p)
}

// callStep calls the targets of a step: all of them, or the one whose turn it is and, while nobody is reached, those
// after it.
func (c *Change) callStep(step Step, r Roster, now time.Time) *call {
	i := c.Incident
	made := &call{}
	if step.Strategy != RoundRobin {
		for _, t := range step.Targets {
			made.add(i, t, r, now)
		}
		return made
	}
	of := TurnOf{i.Policy.Name, i.Step}
	first := r.Turns[of]
	for n := range step.Targets {
		turn := first + n
		if made.add(i, step.Targets[turn%len(step.Targets)], r, now) {
			c.Turns = append(c.Turns, Turn{of, turn + 1})
			break
		}
	}
	return made
}

// nextInTurn calls the next target of a step whose targets take turns, where nobody accepted the pages to the one before,
// and reports whether anybody is called. Each target is called once before the fallback and the next step are.
func (c *Change) nextInTurn(failed Page, t Tally, r Roster, now time.Time) bool {
	i := c.Incident
	if i.Step < 1 || i.Step > len(i.Policy.Steps) || failed.Fallback {
		return false
	}
	step := i.Policy.Steps[i.Step-1]
	called := cmp.Or(failed.Person, failed.Target.Key())
	before := slices.IndexFunc(step.Targets, func(t Target) bool { return t.leadsTo([]string{called}, r) })
	if step.Strategy != RoundRobin || before < 0 {
		return false
	}
	made, of := &call{}, TurnOf{i.Policy.Name, i.Step}
	for n := before + 1; n < before+len(step.Targets); n++ {
		next := step.Targets[n%len(step.Targets)]
		if next.leadsTo(t.Called, r) || !made.add(i, next, r, now) {
			continue
		}
		if next := r.Turns[of]; next%len(step.Targets) == n%len(step.Targets) {
			c.Turns = append(c.Turns, Turn{of, next + 1})
		}
		c.take(made)
		c.say(now, EventFallback, "%s: all of its pages have failed; paging the next in turn: %s.", i.place(), strings.Join(made.names, "; "))
		return true
	}
	return false
}

// leadsTo reports whether the target means one of those called, people by e-mail and others by key.
func (t Target) leadsTo(called []string, r Roster) bool {
	switch {
	case t.User != "":
		return slices.Contains(called, strings.ToLower(t.User))
	case t.Schedule != "":
		return slices.ContainsFunc(r.OnCall[t.Schedule], func(email string) bool { return slices.Contains(called, strings.ToLower(email)) })
	}
	return slices.Contains(called, t.Key())
}

// Means returns where pages to the target go now: itself, or each place at which those people are reached whom it means;
// why says what keeps somebody from being called, "" for nothing.
func (t Target) Means(r Roster, now time.Time) (targets []Target, why string) {
	made := &call{}
	made.add(Incident{Urgency: HighUrgency}, t, r, now)
	seen := map[string]bool{}
	for _, p := range made.pages {
		if key := p.Target.Key(); !seen[key] {
			seen[key] = true
			targets = append(targets, p.Target)
		}
	}
	return targets, strings.Join(made.failed, "; ")
}
