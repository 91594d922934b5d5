package oncall

import (
	"cmp"
	"slices"
	"time"
)

// within returns the part of the overlay that touches [from, to), earlier made first.
func (o Overlay) within(from, to time.Time) Overlay {
	var kept Overlay
	for _, v := range o.Overrides {
		if v.From.Before(to) && v.To.After(from) {
			kept.Overrides = append(kept.Overrides, v)
		}
	}
	for _, v := range o.Temporaries {
		if v.From.Before(to) && v.To.After(from) {
			kept.Temporaries = append(kept.Temporaries, v)
		}
	}
	slices.SortStableFunc(kept.Overrides, earlierMade)
	slices.SortStableFunc(kept.Temporaries, func(a, b Temporary) int {
		return cmp.Or(a.MadeAt.Compare(b.MadeAt), cmp.Compare(a.ID, b.ID))
	})
	return kept
}

// edges returns every moment at which the overlay may change who is on call.
func (o Overlay) edges() []time.Time {
	var edges []time.Time
	for _, v := range o.Overrides {
		edges = append(edges, v.From, v.To)
	}
	for _, v := range o.Temporaries {
		edges = append(edges, v.From, v.To)
		for _, s := range v.Shifts {
			edges = append(edges, s.From, s.To)
		}
	}
	return edges
}

// sweep walks through an overlay in the order of time, so that each moment looks at what lasts then and at nothing else.
type sweep struct {
	Overlay            // what lasts now
	waiting []Override // what is to come, the first to begin first
}

// sweep begins the walk. The overlay is one that within returned.
func (o Overlay) sweep() *sweep {
	s := &sweep{Overlay: Overlay{Temporaries: o.Temporaries}, waiting: slices.Clone(o.Overrides)}
	slices.SortStableFunc(s.waiting, func(a, b Override) int { return a.From.Compare(b.From) })
	return s
}

// to moves on to t, which never goes back.
func (s *sweep) to(t time.Time) Overlay {
	s.Overrides = slices.DeleteFunc(s.Overrides, func(v Override) bool { return !v.To.After(t) })
	for len(s.waiting) > 0 && !s.waiting[0].From.After(t) {
		v := s.waiting[0]
		s.waiting = s.waiting[1:]
		at, _ := slices.BinarySearchFunc(s.Overrides, v, earlierMade)
		s.Overrides = slices.Insert(s.Overrides, at, v)
	}
	return s.Overlay
}

func earlierMade(a, b Override) int {
	return cmp.Or(a.MadeAt.Compare(b.MadeAt), cmp.Compare(a.ID, b.ID))
}

// duty returns who is on call at t, where the plan has those given. The overlay's parts are in the order they were made.
func (o Overlay) duty(t time.Time, plan []duty) []duty {
	for _, v := range slices.Backward(o.Temporaries) {
		if (Span{v.From, v.To}).Covers(t) {
			plan = v.duty(t)
			break
		}
	}
	for _, v := range o.Overrides {
		if (Span{v.From, v.To}).Covers(t) {
			plan = v.duty(plan)
		}
	}
	return plan
}

func (v Temporary) duty(t time.Time) []duty {
	var on []duty
	for _, s := range v.Shifts {
		if (Span{s.From, s.To}).Covers(t) {
			on = append(on, duty{person: s.Person, temporary: v.ID})
		}
	}
	return on
}

// duty returns who is on call where the override counts and those given were so without it.
func (v Override) duty(plan []duty) []duty {
	added := duty{person: v.Add, override: v.ID}
	switch {
	case v.Add == "" && v.Remove == "":
		return plan
	case v.Remove == "":
		return []duty{added}
	case v.Add == v.Remove && has(plan, v.Add):
		return plan
	case v.Add == v.Remove:
		return append(slices.Clone(plan), added)
	case !has(plan, v.Remove):
		return plan
	}
	var on []duty
	for _, d := range plan {
		if d.person != v.Remove {
			on = append(on, d)
		}
	}
	if v.Add != "" && !has(on, v.Add) {
		on = append(on, added)
	}
	return on
}

func has(on []duty, person string) bool {
	return slices.ContainsFunc(on, func(d duty) bool { return d.person == person })
}
