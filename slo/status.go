package slo

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Versioned is an SLO with the version of its definition.
type Versioned struct {
	SLO     SLO `json:"slo"`
	Version int `json:"version"`
}

// burnSpan is the time over which a Status tells the current burn rate.
const burnSpan = time.Hour

// Groups returns the distinct values of the SLO's BudgetBy labels that appear in the ledger or the live increments, in
// a stable order. An SLO with one budget for all has one group, the empty map, as soon as anything was seen.
func Groups(v Versioned, buckets []Bucket, live []IncrementSeries) []map[string]string {
	found := map[string]map[string]string{}
	add := func(series Series) {
		if series.SLO != v.SLO.ID {
			return
		}
		labels := v.SLO.BudgetLabels(series)
		key, _ := json.Marshal(labels) // a map of strings; its keys come out sorted
		found[string(key)] = labels
	}
	seen := map[Series]bool{}
	for _, b := range buckets {
		if !seen[b.Series] {
			seen[b.Series] = true
			add(b.Series)
		}
	}
	for _, s := range live {
		add(s.Series)
	}
	keys := make([]string, 0, len(found))
	for key := range found {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, strings.Compare)
	out := make([]map[string]string, 0, len(keys))
	for _, key := range keys {
		out = append(out, found[key])
	}
	return out
}

// StatusOf tells how the promise stands at now for one value of its BudgetBy labels, from the ledger's buckets and the
// live increments after the last of them; increments that a bucket already holds are left out, so handing over too many
// is harmless. Buckets and series of other SLOs or labels are ignored, and so are corrections of other SLOs; those of
// this one are applied. Counts are what counts: corrected, and with what the SLO's gap policy makes of intervals without
// data; Adjusted tells the difference from what was measured.
func StatusOf(v Versioned, labels map[string]string, buckets []Bucket, live []IncrementSeries, now time.Time, corrections ...Correction) Status {
	s := v.SLO.withDefaults()
	from, to := s.Window.Bounds(now)
	seen := gather(s, labels, buckets, live, from, now, CorrectionsOf(s, corrections))
	status := Status{
		SLO: s.ID, Service: s.Service, Name: s.Name, Labels: s.BudgetLabels(Series{}), Objective: s.Objective,
		From: from, To: to, Counts: seen.counts, SLI: 100, Traffic: seen.counts.Total > 0, FirstSeen: seen.first,
		Coverage: seen.coverage(s), Version: v.Version, Adjusted: seen.adjusted,
	}
	for _, l := range s.BudgetBy {
		status.Labels[l] = labels[l]
	}
	if status.Traffic {
		status.SLI = 100 * seen.counts.Good / seen.counts.Total
	}
	status.Remaining = s.Objective.Remaining(seen.counts)
	status.Burn = s.Objective.BurnRate(seen.recent)
	status.Exhausted = exhaustion(status, s.Window, now)
	return status
}

// exhaustion returns when the budget is gone at the current burn: now where it already is, the zero time where it lasts
// for the window. What is left is spent at Burn budgets a window.
func exhaustion(st Status, w Window, now time.Time) time.Time {
	if !st.Traffic {
		return time.Time{}
	}
	if st.Remaining <= 0 {
		return now.UTC()
	}
	if st.Burn <= 0 {
		return time.Time{}
	}
	length, end := w.Length(), now.Add(w.Length())
	if w.Calendar != "" {
		length, end = st.To.Sub(st.From), st.To
	}
	ahead := st.Remaining / st.Burn * float64(length)
	if ahead > float64(end.Sub(now)) {
		return time.Time{}
	}
	return now.Add(time.Duration(ahead)).UTC()
}

// gathered is what a window holds of one budget.
type gathered struct {
	counts   Counts    // in the window, as they count
	recent   Counts    // in the last burnSpan
	first    time.Time // start of the first bucket, or of the first live interval, corrected away or not
	known    time.Time // up to where everything could have been seen
	closed   time.Time // end of the SLO's last bucket, whoever it belongs to: all of an SLO is closed together
	seen     int       // base intervals with an increment in any series, outside of excluded spans
	width    time.Duration
	excluded []span // left out for the whole budget
	adjusted Adjusted
	imputed  []Bucket

	buckets []Bucket          // of this budget, as recorded
	live    []IncrementSeries // after closed, as recorded
}

// gather applies the corrections, which must be the SLO's.
func gather(s SLO, labels map[string]string, buckets []Bucket, live []IncrementSeries, from, now time.Time, corrections []Correction) gathered {
	g := gathered{width: bucketWidth}
	g.collect(s, labels, buckets, from)
	g.collectLive(s, labels, live, later(g.closed, from), now)
	g.known = now.Add(-s.closingLag())
	if len(g.live) == 0 {
		g.known = epochFloor(g.known, g.width) // without live increments the open bucket is still on its way
	}
	series := g.series()
	if len(series) == 0 {
		series = []Series{s.SeriesOf(labels)}
	}
	g.excluded = spansOf(ModeExclude, series, corrections, g.width)
	g.count(corrections, from, now)
	slots := g.slots(s)
	if s.Gap == GapGood || s.Gap == GapBad {
		g.impute(s, slots, spansOf(ModeGood, series, corrections, g.width), now)
	}
	return g
}

// collect keeps the buckets of this budget and window; where that is all of them, as callers mostly see to, without a copy.
func (g *gathered) collect(s SLO, labels map[string]string, buckets []Bucket, from time.Time) {
	var last Series // labels are read once for each run of a series
	var belongs bool
	mine := make([]bool, len(buckets))
	count := 0
	for i, b := range buckets {
		if b.SLO != s.ID {
			continue
		}
		if b.end().After(g.closed) {
			g.closed, g.width = b.end(), b.Width
		}
		if b.Start.Before(from) {
			continue
		}
		if b.Series != last {
			last, belongs = b.Series, s.hasLabels(b.Series, labels)
		}
		if belongs {
			mine[i] = true
			count++
			g.begin(b.Start)
		}
	}
	if count == len(buckets) {
		g.buckets = buckets
		return
	}
	g.buckets = make([]Bucket, 0, count)
	for i, keep := range mine {
		if keep {
			g.buckets = append(g.buckets, buckets[i])
		}
	}
}

func (g *gathered) collectLive(s SLO, labels map[string]string, live []IncrementSeries, after, now time.Time) {
	for id, points := range merged(live) {
		if id.SLO != s.ID || !s.hasLabels(id, labels) {
			continue
		}
		points = slices.DeleteFunc(points, func(p Increment) bool { return !p.At.After(after) || p.At.After(now) })
		if len(points) > 0 {
			g.live = append(g.live, IncrementSeries{Series: id, Points: points})
			g.begin(points[0].At.Add(-s.Interval))
		}
	}
	slices.SortFunc(g.live, func(a, b IncrementSeries) int {
		return compareBuckets(Bucket{Series: a.Series}, Bucket{Series: b.Series})
	})
}

func (g *gathered) begin(start time.Time) {
	if g.first.IsZero() || start.Before(g.first) {
		g.first = start.UTC()
	}
}

func (g *gathered) series() []Series {
	found := map[Series]bool{}
	for _, b := range g.buckets {
		found[b.Series] = true
	}
	for _, l := range g.live {
		found[l.Series] = true
	}
	return slices.Collect(maps.Keys(found))
}

// count adds up what counts, and what corrections changed.
func (g *gathered) count(corrections []Correction, from, now time.Time) {
	recently := now.Add(-burnSpan)
	buckets, closed := Correct(g.buckets, corrections)
	live, open := CorrectIncrements(g.live, g.width, corrections)
	for _, b := range buckets {
		g.add(b.Counts, !b.Start.Before(recently))
	}
	for _, l := range live {
		for _, p := range l.Points {
			g.add(p.counts(), p.At.After(recently))
		}
	}
	effect := closed.Add(open)
	excluded := lengthIn(g.excluded, from, now)
	if len(effect.By) == 0 && excluded == 0 {
		return
	}
	g.adjusted = Adjusted{Measured: g.counts.Add(effect.Excluded), Excluded: effect.Excluded, Forgiven: effect.Forgiven, ExcludedMinutes: excluded.Minutes()}
	g.adjusted.Measured.Good -= effect.Forgiven
	for _, one := range effect.By {
		g.adjusted.Corrections = append(g.adjusted.Corrections, one.ID)
	}
}

func (g *gathered) add(c Counts, recent bool) {
	g.counts = g.counts.Add(c)
	if recent {
		g.recent = g.recent.Add(c)
	}
}

// slots lines up what was seen outside of excluded spans, bucket by bucket, and counts it in g.seen. Live increments
// that may still be joined by others are not among the slots.
func (g *gathered) slots(s SLO) []slot {
	found := slotsOf(g.buckets, time.Time{}, g.excluded)
	for _, of := range found {
		g.seen += of.seen
	}
	times := map[int64]bool{}
	open := map[int64]*slot{}
	for _, l := range g.live {
		for _, p := range l.Points {
			start := startOf(p.At, g.width)
			if times[p.At.UnixNano()] || holds(g.excluded, start, start.Add(g.width)) {
				continue
			}
			times[p.At.UnixNano()] = true
			g.seen++
			if p.At.After(g.known) {
				continue
			}
			at := start.UnixNano()
			if open[at] == nil {
				of := span{later(start, later(g.closed, g.first)), earlier(start.Add(g.width), g.known)}
				open[at] = &slot{span: of, expect: int(of.to.Sub(of.from) / s.Interval)}
			}
			open[at].seen++
		}
	}
	for _, at := range slices.Sorted(maps.Keys(open)) {
		found = append(found, *open[at])
	}
	return found
}

// impute adds what the gap policy makes of base intervals without data.
func (g *gathered) impute(s SLO, slots []slot, good []span, now time.Time) {
	if g.first.IsZero() || g.seen == 0 {
		return
	}
	gaps := slices.DeleteFunc(gapsOf(slots, g.first, g.known, s.Interval, g.width), func(of gap) bool { return holds(g.excluded, of.from, of.to) })
	measured := g.counts
	g.imputed = impute(s.Gap, gaps, g.counts.Total/float64(g.seen), good)
	for _, b := range g.imputed {
		g.add(b.Counts, !b.Start.Before(now.Add(-burnSpan)))
		g.adjusted.Imputed += b.Expect
		g.adjusted.ImputedCounts = g.adjusted.ImputedCounts.Add(b.Counts)
	}
	if len(g.imputed) > 0 && g.adjusted.Measured == (Counts{}) {
		g.adjusted.Measured = measured
	}
}

// coverage is the share of base intervals seen since the first one, up to what could be known by now; excluded spans are
// neither seen nor missing.
func (g gathered) coverage(s SLO) float64 {
	if g.first.IsZero() {
		return 0
	}
	expect := int((g.known.Sub(g.first) - lengthIn(g.excluded, g.first, g.known)) / s.Interval)
	if expect <= 0 {
		return 1
	}
	return min(1, float64(g.seen)/float64(expect))
}

// closingLag is how long after its end a bucket may still get an increment: rules look back by Settle, and an
// evaluation may come late by an interval and be written during the next.
func (s SLO) closingLag() time.Duration { return s.Settle + 2*s.Interval }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
