package slo

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Effect is what corrections changed. What two corrections cover counts once: for the one that excludes, and of two
// alike for the one made first; so By adds up to the whole.
type Effect struct {
	Excluded Counts             `json:"excluded"` // events left out
	Forgiven float64            `json:"forgiven"` // errors counted as good
	Minutes  float64            `json:"minutes"`  // length of the recorded spans touched, in any series
	By       []CorrectionEffect `json:"by"`       // those that touched anything, in the order they were made
}

// CorrectionEffect is one correction's part of an Effect.
type CorrectionEffect struct {
	ID       string    `json:"id"`
	From     time.Time `json:"from"` // the effective span, whole buckets
	To       time.Time `json:"to"`
	Minutes  float64   `json:"minutes"`
	Excluded Counts    `json:"excluded"`
	Forgiven float64   `json:"forgiven"`
}

// Correct returns the buckets as they count under the corrections, and what that changed. An excluded bucket is left out;
// in one that counts as good every event is. Where several corrections overlap, exclude wins over good. A bucket is
// touched only if it lies in a correction's span as a whole. The result is the same for any order of the corrections, and
// correcting again changes nothing. Neither argument is changed. Corrections by service must have been resolved, see
// CorrectionsOf; those that are revoked touch nothing.
func Correct(buckets []Bucket, corrections []Correction) (counted []Bucket, effect Effect) {
	r := newRuling(corrections)
	if r.empty() {
		return buckets, Effect{By: []CorrectionEffect{}}
	}
	counted = make([]Bucket, 0, len(buckets))
	for _, b := range buckets {
		c := r.over(b.Series, b.Start, b.Width)
		r.note(c, b.Start, b.Width, b.Counts)
		switch {
		case c == nil:
		case c.Mode == ModeExclude:
			continue
		default:
			b.Good = b.Total
		}
		counted = append(counted, b)
	}
	return counted, r.effect()
}

// CorrectIncrements does to increments what Correct will do to the buckets of the width that they are copied into.
func CorrectIncrements(series []IncrementSeries, width time.Duration, corrections []Correction) (counted []IncrementSeries, effect Effect) {
	r := newRuling(corrections)
	if r.empty() {
		return series, Effect{By: []CorrectionEffect{}}
	}
	if width <= 0 {
		width = bucketWidth
	}
	for _, one := range series {
		kept := IncrementSeries{Series: one.Series}
		for _, p := range one.Points {
			start := startOf(p.At, width)
			c := r.over(one.Series, start, width)
			if p.usable() {
				r.note(c, start, width, p.counts())
			}
			switch {
			case c == nil:
			case c.Mode == ModeExclude:
				continue
			default:
				p.Errors = 0
			}
			kept.Points = append(kept.Points, p)
		}
		counted = append(counted, kept)
	}
	return counted, r.effect()
}

// counts returns the increment's events; more errors than events count as all of them.
func (i Increment) counts() Counts {
	return Counts{Good: min(max(i.Total-i.Errors, 0), i.Total), Total: i.Total}
}

// ruling decides which correction holds for a bucket, and keeps what each did.
type ruling struct {
	corrections []Correction // by precedence: those that exclude first, then the earlier made
	touching    map[Series][]int
	done        map[string]*CorrectionEffect
	minutes     map[string]map[int64]time.Duration // of "" the whole, by bucket start
	whole       Effect
	width       time.Duration // the widest bucket seen
}

func newRuling(corrections []Correction) *ruling {
	r := &ruling{touching: map[Series][]int{}, done: map[string]*CorrectionEffect{}, minutes: map[string]map[int64]time.Duration{}}
	for _, c := range corrections {
		if c.InForce() && (c.All || c.SLO != "") {
			r.corrections = append(r.corrections, c)
		}
	}
	rank := func(c Correction) int {
		if c.Mode == ModeExclude {
			return 0
		}
		return 1
	}
	slices.SortFunc(r.corrections, func(a, b Correction) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID), a.From.Compare(b.From), a.To.Compare(b.To))
	})
	return r
}

func (r *ruling) empty() bool { return len(r.corrections) == 0 }

// over returns the correction that holds for the bucket, nil for none.
func (r *ruling) over(series Series, start time.Time, width time.Duration) *Correction {
	of, known := r.touching[series]
	if !known {
		for i, c := range r.corrections {
			if c.means(series) {
				of = append(of, i)
			}
		}
		r.touching[series] = of
	}
	for _, i := range of {
		if c := &r.corrections[i]; !start.Before(c.From) && !start.Add(width).After(c.To) {
			return c
		}
	}
	return nil
}

// means reports whether the series is meant: its SLO, and all of the labels.
func (c Correction) means(series Series) bool {
	if !c.All && c.SLO != series.SLO {
		return false
	}
	if len(c.Labels) == 0 {
		return true
	}
	labels := series.Labels()
	for name, value := range c.Labels {
		if labels[name] != value {
			return false
		}
	}
	return true
}

func (r *ruling) note(c *Correction, start time.Time, width time.Duration, counts Counts) {
	r.width = max(r.width, width)
	if c == nil {
		return
	}
	one := r.done[c.ID]
	if one == nil {
		one = &CorrectionEffect{ID: c.ID}
		r.done[c.ID] = one
	}
	if c.Mode == ModeExclude {
		one.Excluded, r.whole.Excluded = one.Excluded.Add(counts), r.whole.Excluded.Add(counts)
	} else {
		one.Forgiven += counts.Errors()
		r.whole.Forgiven += counts.Errors()
	}
	for _, id := range []string{"", c.ID} {
		if r.minutes[id] == nil {
			r.minutes[id] = map[int64]time.Duration{}
		}
		r.minutes[id][start.UnixNano()] = width
	}
}

func (r *ruling) effect() Effect {
	out := r.whole
	out.Minutes, out.By = r.clock(""), []CorrectionEffect{}
	made := slices.Clone(r.corrections)
	slices.SortStableFunc(made, func(a, b Correction) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	})
	for _, c := range made {
		if one := r.done[c.ID]; one != nil {
			one.From, one.To = c.Effective(r.width)
			one.Minutes = r.clock(c.ID)
			out.By = append(out.By, *one)
			delete(r.done, c.ID)
		}
	}
	return out
}

func (r *ruling) clock(id string) float64 {
	var sum time.Duration
	for _, width := range r.minutes[id] {
		sum += width
	}
	return sum.Minutes()
}

// Add returns the sum of two effects on different events, such as closed buckets and the increments after them.
func (e Effect) Add(other Effect) Effect {
	out := Effect{Excluded: e.Excluded.Add(other.Excluded), Forgiven: e.Forgiven + other.Forgiven, Minutes: e.Minutes + other.Minutes,
		By: slices.Clone(e.By)}
	for _, o := range other.By {
		i := slices.IndexFunc(out.By, func(c CorrectionEffect) bool { return c.ID == o.ID })
		if i < 0 {
			out.By = append(out.By, o)
			continue
		}
		one := &out.By[i]
		one.Excluded, one.Forgiven, one.Minutes = one.Excluded.Add(o.Excluded), one.Forgiven+o.Forgiven, one.Minutes+o.Minutes
	}
	return out
}
