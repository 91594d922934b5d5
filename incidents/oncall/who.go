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

// Skipped returns who occurs in the plan but is on call in no layer within a year of t, which happens where the turns of a
// rotation fall outside its layer's restrictions again and again. Higher layers are not looked at.
func (s Schedule) Skipped(t time.Time) []string {
	serving := map[string]bool{}
	for _, l := range s.Layers {
		if l.From != nil && l.From.After(t) || l.Until != nil {
			for _, party := range l.Rotation.Parties {
				markAll(serving, party) // in force for a while only; who has no turn in it may have been meant
			}
			continue
		}
		for _, st := range l.stints(t, t.Add(lookAhead)) {
			markAll(serving, st.party)
		}
	}
	return slices.DeleteFunc(s.People(), func(person string) bool { return serving[person] })
}

func markAll(set map[string]bool, people []string) {
	for _, person := range people {
		set[person] = true
	}
}
