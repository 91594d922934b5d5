package slo

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"
)

// Increment is what happened in one base interval: the recorded rules' values at the evaluation time At.
type Increment struct {
	At            time.Time
	Errors, Total float64
	Healed        bool // no rule recorded it; it was recounted from the raw series
}

// IncrementSeries is the increments of one ledger series, in order of time.
type IncrementSeries struct {
	Series Series
	Points []Increment
}

// SampleSource reads recorded increments back from a metrics engine.
type SampleSource interface {
	// Increments returns what TotalSeries and ErrorSeries recorded in (from, to], one Increment for each total; an
	// error sample that is missing beside it counts as none. Engines that are away are fault.Unavailable; an answer that
	// is only partly there must be an error too, because whatever comes back without one is taken as all there was.
	Increments(ctx context.Context, s SLO, from, to time.Time) ([]IncrementSeries, error)
}

// usable reports whether an increment may be counted: numbers that no counter gives are a gap, never a figure.
func (i Increment) usable() bool {
	ok := func(x float64) bool { return x >= 0 && !math.IsInf(x, 1) }
	return ok(i.Errors) && ok(i.Total)
}

// startOf returns the start of the bucket that holds t: the one with t in (start, start+width].
func startOf(t time.Time, width time.Duration) time.Time {
	start := epochFloor(t, width)
	if start.Equal(t) {
		start = start.Add(-width)
	}
	return start
}

// epochFloor returns the last multiple of width since the Unix epoch that is not after t. (time.Truncate counts from
// the year 1, which is another grid for widths that do not divide a week.)
func epochFloor(t time.Time, width time.Duration) time.Time {
	since := t.UnixNano()
	rest := since % int64(width)
	if rest < 0 {
		rest += int64(width)
	}
	return time.Unix(0, since-rest).UTC()
}

// Buckets sums the increments in (from, to] into ledger buckets: an increment at t belongs to (start, start+width].
// A bucket without any is not made, so a gap stays a gap; one with some missing has Seen < Expect. The result is in
// order of start, tenant, region and group, and is the same for any order of the input and any division of (from, to]
// at multiples of width. The same time given twice in one series counts once, its last value.
func Buckets(s SLO, version int, series []IncrementSeries, from, to time.Time, width time.Duration) []Bucket {
	s = s.withDefaults()
	expect := max(1, int(width/s.Interval))
	var out []Bucket
	for id, points := range merged(series) {
		open := -1 // index into out of the bucket being filled
		for _, p := range points {
			if !p.At.After(from) || p.At.After(to) {
				continue
			}
			if start := startOf(p.At, width); open < 0 || !out[open].Start.Equal(start) {
				out = append(out, Bucket{Series: id, Start: start, Width: width, Expect: expect, Version: version})
				open = len(out) - 1
			}
			b := &out[open]
			b.Total += p.Total
			b.Good += p.Total - p.Errors
			b.Seen++
			if p.Healed {
				b.Healed++
			}
		}
	}
	for i := range out {
		// More errors than events can be recorded for a moment where the two come from different series.
		out[i].Good = min(max(out[i].Good, 0), out[i].Total)
	}
	slices.SortFunc(out, compareBuckets)
	return out
}

// merged gathers the usable points of each series in order of time, the last of those with the same time.
func merged(series []IncrementSeries) map[Series][]Increment {
	all := make(map[Series][]Increment, len(series))
	for _, one := range series {
		for _, p := range one.Points {
			if p.usable() {
				all[one.Series] = append(all[one.Series], p)
			}
		}
	}
	for id, points := range all {
		slices.SortStableFunc(points, func(a, b Increment) int { return a.At.Compare(b.At) })
		kept := points[:0]
		for i, p := range points {
			if i+1 < len(points) && points[i+1].At.Equal(p.At) {
				continue
			}
			kept = append(kept, p)
		}
		all[id] = kept
	}
	return all
}

func compareBuckets(a, b Bucket) int {
	return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.SLO, b.SLO), cmp.Compare(a.Tenant, b.Tenant),
		cmp.Compare(a.Region, b.Region), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Width, b.Width))
}

// end is when the bucket closes.
func (b Bucket) end() time.Time { return b.Start.Add(b.Width) }
