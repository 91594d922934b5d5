package slo

import (
	"cmp"
	"slices"
	"time"
)

// Adjusted is how a figure differs from what was measured. The zero Adjusted is not at all.
type Adjusted struct {
	Measured        Counts   `json:"measured"`               // what the ledger and the engine recorded
	Excluded        Counts   `json:"excluded"`               // events that corrections left out
	ExcludedMinutes float64  `json:"excludedMinutes"`        // of the window, left out for the whole budget; they lower no coverage
	Forgiven        float64  `json:"forgiven"`               // errors that corrections count as good
	Corrections     []string `json:"corrections,omitempty"`  // ids of those that changed anything
	Imputed         int      `json:"imputed"`                // base intervals without data that the gap policy counted
	ImputedCounts   Counts   `json:"imputedCounts,omitzero"` // as what
}

// span is a length of time, half-open.
type span struct{ from, to time.Time }

// holds reports whether [from, to] lies in one of the spans as a whole.
func holds(spans []span, from, to time.Time) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return !from.Before(s.from) && !to.After(s.to) })
}

// lengthIn returns how much of [from, to] the spans cover; they must not overlap.
func lengthIn(spans []span, from, to time.Time) time.Duration {
	var sum time.Duration
	for _, s := range spans {
		sum += max(0, earlier(s.to, to).Sub(later(s.from, from)))
	}
	return sum
}

// spansOf returns when corrections of the mode hold for every one of the series, as whole buckets in order of time. A
// correction that holds for some of the series only leaves the time to the others.
func spansOf(mode string, series []Series, corrections []Correction, width time.Duration) []span {
	var common []span
	for i, one := range series {
		var of []span
		for _, c := range corrections {
			if c.InForce() && c.Mode == mode && c.means(one) {
				from, to := c.Effective(width)
				of = append(of, span{from, to})
			}
		}
		if of = united(of); i == 0 {
			common = of
		} else {
			common = shared(common, of)
		}
	}
	return common
}

// united joins spans that overlap or touch.
func united(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(a.from.Compare(b.from), a.to.Compare(b.to)) })
	var out []span
	for _, s := range spans {
		switch last := len(out) - 1; {
		case !s.from.Before(s.to):
		case last >= 0 && !s.from.After(out[last].to):
			out[last].to = later(out[last].to, s.to)
		default:
			out = append(out, s)
		}
	}
	return out
}

// shared returns what lies in both.
func shared(a, b []span) []span {
	var out []span
	for _, x := range a {
		for _, y := range b {
			if s := (span{later(x.from, y.from), earlier(x.to, y.to)}); s.from.Before(s.to) {
				out = append(out, s)
			}
		}
	}
	return out
}

// slot is what was seen of one stretch of time in the series that was seen most.
type slot struct {
	span
	seen   int
	expect int
}

// gap is a stretch of at most a bucket's width with base intervals that no series had an increment of.
type gap struct {
	span
	intervals int
}

// gapsOf returns what is missing in [from, until], by bucket. slots must be in order of time and must not overlap.
func gapsOf(slots []slot, from, until time.Time, interval, width time.Duration) []gap {
	var out []gap
	between := func(a, b time.Time) {
		for at := a; at.Before(b); {
			next := earlier(b, epochFloor(at, width).Add(width))
			if n := int(next.Sub(a)/interval) - int(at.Sub(a)/interval); n > 0 {
				out = append(out, gap{span{at, next}, n})
			}
			at = next
		}
	}
	at := from
	for _, s := range slots {
		if !s.to.After(at) {
			continue
		}
		if !s.from.Before(until) {
			break
		}
		between(at, s.from)
		if n := s.expect - s.seen; n > 0 {
			out = append(out, gap{s.span, n})
		}
		at = s.to
	}
	between(at, until)
	return out
}

// impute returns what the gaps count as under the policy: each missing interval is the mean of those seen, all good or
// all bad; bad ones count as good in spans that a correction counts as good. mean is events an interval.
func impute(policy string, gaps []gap, mean float64, good []span) []Bucket {
	if policy != GapGood && policy != GapBad {
		return nil
	}
	out := make([]Bucket, 0, len(gaps))
	for _, g := range gaps {
		b := Bucket{Start: g.from, Width: g.to.Sub(g.from), Expect: g.intervals, Counts: Counts{Total: mean * float64(g.intervals)}}
		if policy == GapGood || holds(good, g.from, g.to) {
			b.Good = b.Total
		}
		out = append(out, b)
	}
	return out
}

// Imputed returns what a budget's window counts for base intervals without data, a bucket for each stretch of them:
// nothing where the SLO ignores gaps. Expect is the number of intervals, Seen is 0. The arguments are those of StatusOf,
// whose figures hold the same events.
func Imputed(v Versioned, labels map[string]string, buckets []Bucket, live []IncrementSeries, now time.Time, corrections ...Correction) []Bucket {
	s := v.SLO.withDefaults()
	if s.Gap != GapGood && s.Gap != GapBad {
		return nil
	}
	from, _ := s.Window.Bounds(now)
	out := gather(s, labels, buckets, live, from, now, CorrectionsOf(s, corrections)).imputed
	for i := range out {
		out[i].Series = s.SeriesOf(labels)
	}
	return out
}

// ExcludedIn returns how much of [from, to] the corrections of an SLO leave out for every one of the series, in whole
// buckets of the width. The corrections must be the SLO's, see CorrectionsOf.
func ExcludedIn(series []Series, corrections []Correction, width time.Duration, from, to time.Time) time.Duration {
	return lengthIn(spansOf(ModeExclude, series, corrections, width), from, to)
}
