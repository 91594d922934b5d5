package incidents

import "maps"

// TurnOf names a step whose targets take turns.
type TurnOf struct {
	Policy string
	Step   int // 1-based
}

// Turn says which target of a step is next, counting up; its remainder by the number of targets counts.
type Turn struct {
	TurnOf
	Next int
}

// Turns returns the steps of the policy whose targets take turns.
func (p Policy) Turns() []TurnOf {
	var turns []TurnOf
	for n, s := range p.Steps {
		if s.Strategy == RoundRobin {
			turns = append(turns, TurnOf{p.Name, n + 1})
		}
	}
	return turns
}

// Took returns the roster after turns were taken.
func (r Roster) Took(turns []Turn) Roster {
	if len(turns) == 0 {
		return r
	}
	r.Turns = maps.Clone(r.Turns)
	if r.Turns == nil {
		r.Turns = map[TurnOf]int{}
	}
	for _, t := range turns {
		r.Turns[t.TurnOf] = t.Next
	}
	return r
}
