package oncall

import (
	"slices"
	"time"
)

// on reports whether the restriction begins on such a day.
func (r Restriction) on(d time.Weekday) bool { return len(r.Days) == 0 || slices.Contains(r.Days, d) }

// walls returns from when until when the restriction that begins on the day lasts.
func (r Restriction) walls(midnight wall) (from, to wall) {
	from, to = midnight+wall(r.From/time.Second), midnight+wall(r.To/time.Second)
	if to <= from {
		to += day
	}
	return from, to
}

// inForce reports whether the layer counts at t.
func (l Layer) inForce(t time.Time) bool {
	if l.From != nil && t.Before(*l.From) || l.Until != nil && !t.Before(*l.Until) {
		return false
	}
	return len(l.Restrictions) == 0 || len(l.windows(t, t.Add(time.Nanosecond))) > 0
}

// windows returns when the layer is in force between from and to: in order, apart from one another, clipped.
func (l Layer) windows(from, to time.Time) []Span {
	if l.From != nil && l.From.After(from) {
		from = *l.From
	}
	if l.Until != nil && l.Until.Before(to) {
		to = *l.Until
	}
	switch {
	case !from.Before(to):
		return nil
	case len(l.Restrictions) == 0:
		return []Span{{from, to}}
	}
	zone := l.zone()
	var spans []Span
	// A window of two days before may still last; a zone may jump over a whole day, as Samoa's did.
	last := wallOf(to, zone).midnight() + day
	for d := wallOf(from, zone).midnight() - 2*day; d <= last; d += day {
		for _, r := range l.Restrictions {
			if !r.on(d.weekday()) {
				continue
			}
			begin, end := r.walls(d)
			spans = append(spans, Span{begin.at(zone), end.at(zone)})
		}
	}
	return clipAll(merge(spans), from, to)
}

// worked counts the units of a rotation in which its layer is in force, by the clock of one week, which repeats for ever.
type worked struct {
	period int64   // units in a week
	places []int64 // the units of a week that count, in order, from that of the rotation's start
}

// countWorked looks at the week that begins at the start.
func (l Layer) countWorked(start wall) *worked {
	unit := l.Rotation.Unit.wall()
	w := &worked{period: int64(week / unit)}
	for i := range w.period {
		if from := start + wall(i)*unit; l.touches(from, from+unit) {
			w.places = append(w.places, i)
		}
	}
	if len(w.places) == 0 {
		return nil
	}
	return w
}

// touches reports whether a restriction lasts at some time between two walls that are at most a week apart.
func (l Layer) touches(from, to wall) bool {
	for d := from.midnight() - 2*day; d < to; d += day {
		for _, r := range l.Restrictions {
			if begin, end := r.walls(d); r.on(d.weekday()) && begin < to && end > from {
				return true
			}
		}
	}
	return false
}

// unit returns the place of the nth unit that counts, from 0.
func (w worked) unit(n int64) int64 {
	count := int64(len(w.places))
	return floor(n, count)*w.period + w.places[mod(n, count)]
}

// before returns how many units count up to and including the one at the place, less one: the number of the last that counts.
func (w worked) before(unit int64) int64 {
	n := floor(unit, w.period)*int64(len(w.places)) - 1
	rest := mod(unit, w.period)
	for _, place := range w.places {
		if place <= rest {
			n++
		}
	}
	return n
}
