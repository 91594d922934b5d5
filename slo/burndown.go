package slo

import (
	"math"
	"slices"
	"sort"
	"time"
)

// BurnPoint is one step of a budget's history. A step in which nothing was seen has no point.
type BurnPoint struct {
	At   time.Time     `json:"at"`   // end of the step
	Step time.Duration `json:"step"` // its length; a longer distance to the point before is a gap
	// Remaining is the share of the error budget left at At; negative is overspent.
	//
	// For a rolling window it is that of the window that ends at At, as Status told it then: it rises where old errors roll
	// out. For a calendar window it is that of the period's budget: the errors since it began, over those that the traffic of
	// the whole period allows, seen and still to come (see Predict); it never rises. With less than a day of history, which
	// says nothing of the traffic to come, the traffic so far stands in. NaN before the period began.
	Remaining float64 `json:"remaining"`
	// Partial says that the rolling window ending at At reaches back before the first data. Its errors are then over those
	// that the first whole window's traffic allows, as far as that has been seen, because a share of an hour's traffic
	// would say that the first error spends all.
	Partial bool    `json:"partial,omitempty"`
	Burn    float64 `json:"burn"` // burn rate during the step; 0 without traffic
	Errors  float64 `json:"errors"`
	Total   float64 `json:"total"`
}

// Span is the part of a history that is asked for.
type Span struct {
	From, To time.Time // (From, To]; a To ahead of now is now
	Points   int       // at most this many, evenly spaced; at least 2
}

// BurnedDown is how a budget went, and where it is going.
type BurnedDown struct {
	Points     []BurnPoint // oldest first
	Prediction Prediction  // its fan goes on from the last point
}

// BurnDown returns how the error budget of the window in force went, in at most so many points, and its prediction. It
// takes what StatusOf takes, but of a rolling window the buckets of the one before too, and PredictHistory if that is
// more. nil labels take all buckets of the SLO as one budget.
func BurnDown(v Versioned, labels map[string]string, buckets []Bucket, live []IncrementSeries, now time.Time, points int, corrections ...Correction) BurnedDown {
	from, _ := v.SLO.Window.Bounds(now)
	counted := Counted(v, labels, buckets, live, now, corrections...)
	return BurnedDown{
		Points:     History(v.SLO, labels, counted, now, Span{From: from, To: now, Points: points}),
		Prediction: Predict(v.SLO, labels, counted, now),
	}
}

// Counted returns what counts of a budget, as Status counts it: the buckets, and buckets of the live increments after the
// last of them, of which the newest may still grow; all corrected, and with what the gap policy makes of intervals
// without data in the window in force (of earlier ones it makes nothing). nil labels take all budgets of the SLO.
func Counted(v Versioned, labels map[string]string, buckets []Bucket, live []IncrementSeries, now time.Time, corrections ...Correction) []Bucket {
	s := v.SLO.withDefaults()
	width := s.Interval // with no bucket at all there are minutes to show, and buckets would be too coarse
	var closed time.Time
	for _, b := range buckets {
		if b.SLO == s.ID && b.end().After(closed) {
			closed, width = b.end(), b.Width
		}
	}
	inForce := CorrectionsOf(s, corrections)
	out, _ := Correct(buckets, inForce)
	fresh, _ := CorrectIncrements(live, max(width, bucketWidth), inForce)
	fresh = slices.DeleteFunc(slices.Clone(fresh), func(i IncrementSeries) bool { return i.Series.SLO != s.ID })
	out = append(slices.Clip(out), Buckets(s, v.Version, fresh, closed, now, width)...)
	if s.Gap != GapGood && s.Gap != GapBad {
		return out
	}
	budgets := []map[string]string{labels}
	if labels == nil {
		budgets = Groups(v, buckets, live)
	}
	for _, of := range budgets {
		out = append(out, Imputed(v, of, buckets, live, now, corrections...)...)
	}
	return out
}

// imputed reports whether the bucket is what a gap policy made of time without data.
func (b Bucket) imputed() bool { return b.Seen == 0 && b.Expect > 0 }

// History returns a budget's points in a span, as BurnDown does for the whole window, from what counts of it (see
// Counted). A rolling window asks for buckets from its length before the span on; where the first data is younger, points
// are Partial.
func History(s SLO, labels map[string]string, counted []Bucket, now time.Time, span Span) []BurnPoint {
	s = s.withDefaults()
	all := chosen(s, labels, counted)
	slices.SortStableFunc(all, func(a, b Bucket) int { return a.Start.Compare(b.Start) })
	if span.To.After(now) {
		span.To = now
	}
	spent := spentOf(s, labels, all, now)
	grid := gridOf(all, span)
	out := []BurnPoint{}
	for _, b := range all {
		if open := b.end().After(now); b.Start.Before(span.From) || b.end().After(span.To) && !open || !b.Start.Before(span.To) {
			continue
		}
		at := grid.end(b.end())
		if at.After(span.To) {
			at = span.To
		}
		if len(out) == 0 || !out[len(out)-1].At.Equal(at) {
			out = append(out, BurnPoint{At: at.UTC(), Step: grid.width})
		}
		if b.imputed() { // those are counted in Remaining alone
			continue
		}
		p := &out[len(out)-1]
		p.Errors += b.Errors()
		p.Total += b.Total
	}
	for i := range out {
		p := &out[i]
		p.Burn = s.Objective.BurnRate(Counts{Good: p.Total - p.Errors, Total: p.Total})
		p.Remaining, p.Partial = spent.left(p.At)
	}
	return out
}

// spent tells what is left of a budget at any time of its history.
type spent struct {
	budget   float64 // share of events that may fail
	starts   []time.Time
	sums     []amount // of all buckets before the i-th start
	length   time.Duration
	from, to time.Time // the calendar period; zero for a rolling window
	ahead    float64   // events expected between now and to
}

// spentOf takes buckets in order of their starts.
func spentOf(s SLO, labels map[string]string, all []Bucket, now time.Time) *spent {
	out := &spent{budget: s.Objective.Budget(), length: s.Window.Length(), sums: make([]amount, 1, len(all)+1), starts: make([]time.Time, 0, len(all))}
	for i, b := range all {
		out.starts = append(out.starts, b.Start)
		out.sums = append(out.sums, amount{errors: out.sums[i].errors + b.Errors(), total: out.sums[i].total + b.Total})
	}
	if s.Window.Calendar != "" {
		out.from, out.to = s.Window.Bounds(now)
		out.ahead = expectedAhead(pastOf(s, labels, all, now), out.to)
	}
	return out
}

// expectedAhead is the traffic expected from the end of the history to a time; none with less than a day to learn from.
func expectedAhead(h *past, to time.Time) (total float64) {
	if h.lacking(h.seenHours()) != "" {
		return 0
	}
	usual := h.rhythm()
	for i, left := 0, to.Sub(h.end).Hours(); left > 0; i, left = i+1, left-1 {
		total += usual.at(len(h.hours)+i) * math.Min(1, left)
	}
	return total
}

// between sums the buckets that start within [from, to).
func (s *spent) between(from, to time.Time) amount {
	index := func(t time.Time) int {
		return sort.Search(len(s.starts), func(i int) bool { return !s.starts[i].Before(t) })
	}
	a, b := s.sums[index(from)], s.sums[index(to)]
	return amount{errors: b.errors - a.errors, total: b.total - a.total}
}

func (s *spent) left(at time.Time) (share float64, partial bool) {
	if !s.to.IsZero() {
		if !at.After(s.from) {
			return math.NaN(), false
		}
		whole := s.between(s.from, s.to)
		return s.share(s.between(s.from, at).errors, whole.total+s.ahead), false
	}
	begin := at.Add(-s.length)
	window := s.between(begin, at)
	first := s.starts[0]
	if !first.After(begin.Add(bucketWidth)) {
		return s.share(window.errors, window.total), false
	}
	return s.share(window.errors, s.between(first, first.Add(s.length)).total), true
}

func (s *spent) share(errors, total float64) float64 {
	if total <= 0 {
		return 1
	}
	return 1 - errors/(s.budget*total)
}

// grid is the points' even spacing: multiples of width since the epoch, so that points stand still between questions.
type grid struct{ width time.Duration }

// gridOf chooses the spacing: a whole number of the widest bucket, so that none is divided.
func gridOf(all []Bucket, span Span) grid {
	unit := time.Second
	for _, b := range all {
		unit = max(unit, b.Width)
	}
	points := time.Duration(max(2, span.Points) - 1) // the first and the last step may stick out
	width := (span.To.Sub(span.From) + points - 1) / points
	return grid{max(unit, (width+unit-1)/unit*unit)}
}

// end returns the end of the grid's step that holds t: the one with t in (end-width, end].
func (g grid) end(t time.Time) time.Time {
	start := epochFloor(t, g.width)
	if start.Equal(t) {
		return start
	}
	return start.Add(g.width)
}
