package oncall

import (
	"slices"
	"time"
)

// lookAhead is how far Next looks.
const lookAhead = 366 * 24 * time.Hour

// At returns who is on call at t, in order of names. It works out that moment alone and renders nothing.
func (s Schedule) At(o Overlay, t time.Time) []string {
	laid := o
	if len(o.Overrides) > 0 || len(o.Temporaries) > 0 {
		laid = o.within(t, t.Add(time.Nanosecond))
	}
	var people []string
	for _, d := range laid.duty(t, s.plannedAt(t)) {
		if d.person != "" {
			people = append(people, d.person)
		}
	}
	slices.Sort(people)
	return slices.Compact(people)
}

// plannedAt returns who is on call by plan at t: those of the highest priority that has somebody.
func (s Schedule) plannedAt(t time.Time) []duty {
	var on []duty
	best := 0
	for _, l := range s.Layers {
		if len(on) > 0 && l.Priority < best || !l.inForce(t) {
			continue
		}
		c := l.turns()
		party := c.party(c.number(t))
		if len(party) == 0 {
			continue
		}
		if len(on) > 0 && l.Priority > best {
			on = nil
		}
		best = l.Priority
		on = append(on, duties(party, l.Name)...)
	}
	return on
}

// Next returns the next shift to begin after t, the first of the names where several begin at once; false where none
// begins within a year.
func (s Schedule) Next(o Overlay, t time.Time) (Shift, bool) {
	for ahead := 8 * 24 * time.Hour; ; ahead *= 2 {
		ahead = min(ahead, lookAhead)
		to := t.Add(ahead)
		for _, sh := range s.Shifts(o, t, to) {
			if sh.From.After(t) && (sh.To.Before(to) || ahead == lookAhead) {
				return sh, true
			}
			if sh.From.After(t) {
				break // it has begun, but its end lies further ahead
			}
		}
		if ahead == lookAhead {
			return Shift{}, false
		}
	}
}

// People returns everybody who occurs in the plan, in order of names.
func (s Schedule) People() []string {
	var people []string
	for _, l := range s.Layers {
		for _, party := range l.Rotation.Parties {
			people = append(people, party...)
		}
	}
	slices.Sort(people)
	return slices.Compact(people)
}
