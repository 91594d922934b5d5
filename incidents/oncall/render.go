package oncall

import (
	"cmp"
	"slices"
	"time"
)

// Shifts returns who is on call between from and to, by From and then by Person, in the schedule's
// zone. Shifts are clipped to [from, to), and one
// shift lasts as long as a person goes on without a gap from the same source. Two shifts of one person never overlap. The
// time it takes grows with the number of shifts.
func (s Schedule) Shifts(o Overlay, from, to time.Time) []Shift {
	if !from.Before(to) {
		return nil
	}
	if s.Zone != nil {
		from, to = from.In(s.Zone), to.In(s.Zone)
	}
	tracks := s.tracks(from, to)
	laid := o.within(from, to)
	edges := append(edgesOf(tracks), laid.edges()...)
	edges = append(edges, from, to)
	slices.SortFunc(edges, time.Time.Compare)
	edges = slices.CompactFunc(edges, time.Time.Equal)
	var r shifts
	walk := laid.sweep()
	for i := range len(edges) - 1 {
		if t := edges[i]; !t.Before(from) && t.Before(to) {
			r.add(walk.to(t).duty(t, planned(tracks, t)), Span{t.In(from.Location()), edges[i+1].In(from.Location())}.clipped(from, to))
		}
	}
	return r.sorted()
}

// Gaps returns when nobody is on call between from and to.
func (s Schedule) Gaps(o Overlay, from, to time.Time) []Span {
	return GapsOf(s.Shifts(o, from, to), from, to)
}

// GapsOf returns the parts of [from, to) that none of the shifts covers.
func GapsOf(shifts []Shift, from, to time.Time) []Span {
	if !from.Before(to) {
		return nil
	}
	spans := make([]Span, 0, len(shifts))
	for _, s := range shifts {
		spans = append(spans, Span{s.From, s.To})
	}
	return without(clipAll(merge(spans), from, to), from, to)
}

// duty is somebody on call at a moment, and where that comes from.
type duty struct{ person, layer, override, temporary string }

// stint is who a layer has on call for a while.
type stint struct {
	Span
	party []string
}

// track is a layer's stints within a span, in order.
type track struct {
	Layer
	stints []stint
	next   int // the first stint that has not ended
}

// tracks returns what each layer has between from and to, the highest priority first.
func (s Schedule) tracks(from, to time.Time) []*track {
	var tracks []*track
	for _, l := range s.Layers {
		tracks = append(tracks, &track{Layer: l, stints: l.stints(from, to)})
	}
	slices.SortStableFunc(tracks, func(a, b *track) int { return cmp.Compare(b.Priority, a.Priority) })
	return tracks
}

// stints cuts the layer's turns to when it is in force.
func (l Layer) stints(from, to time.Time) []stint {
	c := l.turns()
	var stints []stint
	var t Turn
	for i, w := range l.windows(from, to) {
		if i == 0 {
			t = c.turn(c.number(w.From))
		}
		for !t.To.After(w.From) {
			t = c.turn(t.Number + 1)
		}
		for ; ; t = c.turn(t.Number + 1) {
			if part, ok := t.clip(w.From, w.To); ok && len(t.Party) > 0 {
				stints = append(stints, stint{part, t.Party})
			}
			if !t.To.Before(w.To) {
				break
			}
		}
	}
	return stints
}

func edgesOf(tracks []*track) []time.Time {
	var edges []time.Time
	for _, tr := range tracks {
		for _, s := range tr.stints {
			edges = append(edges, s.From, s.To)
		}
	}
	return edges
}

// planned returns who is on call by plan at t, which never goes back from one call to the next.
func planned(tracks []*track, t time.Time) []duty {
	var on []duty
	for i, tr := range tracks {
		if i > 0 && tr.Priority != tracks[i-1].Priority && len(on) > 0 {
			break
		}
		on = append(on, tr.at(t)...)
	}
	return on
}

// at returns whom the layer has at t.
func (tr *track) at(t time.Time) []duty {
	for tr.next < len(tr.stints) && !tr.stints[tr.next].To.After(t) {
		tr.next++
	}
	if tr.next == len(tr.stints) || tr.stints[tr.next].From.After(t) {
		return nil
	}
	return duties(tr.stints[tr.next].party, tr.Name)
}

func duties(party []string, layer string) []duty {
	on := make([]duty, 0, len(party))
	for _, person := range party {
		on = append(on, duty{person: person, layer: layer})
	}
	return on
}

// shifts puts moments together to shifts.
type shifts struct {
	done, open []Shift
}

// add says who is on call in the next span. A person who is on call twice is so from the first source alone.
func (r *shifts) add(on []duty, span Span) {
	var open []Shift
	seen := map[string]bool{}
	for _, d := range on {
		if d.person == "" || seen[d.person] {
			continue
		}
		seen[d.person] = true
		open = append(open, r.continued(Shift{Person: d.person, From: span.From, To: span.To, Layer: d.layer, Override: d.override,
			Temporary: d.temporary}))
	}
	r.done = append(r.done, r.open...)
	r.open = open
}

// continued returns the shift begun where the same person was on call from the same source until now.
func (r *shifts) continued(s Shift) Shift {
	for i, o := range r.open {
		if o.To.Equal(s.From) && o.sameSource(s) {
			r.open = slices.Delete(r.open, i, i+1)
			s.From = o.From
			return s
		}
	}
	return s
}

func (s Shift) sameSource(o Shift) bool {
	return s.Person == o.Person && s.Layer == o.Layer && s.Override == o.Override && s.Temporary == o.Temporary
}

func (r *shifts) sorted() []Shift {
	all := append(r.done, r.open...)
	slices.SortFunc(all, func(a, b Shift) int { return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Person, b.Person)) })
	return all
}

func (s Span) clipped(from, to time.Time) Span { s, _ = s.clip(from, to); return s }
