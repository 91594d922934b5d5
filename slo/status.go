package slo

import (
	"encoding/json"
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
// is harmless. Buckets and series of other SLOs or labels are ignored.
func StatusOf(v Versioned, labels map[string]string, buckets []Bucket, live []IncrementSeries, now time.Time) Status {
	s := v.SLO.withDefaults()
	from, to := s.Window.Bounds(now)
	seen := gather(s, labels, buckets, live, from, now)
	status := Status{
		SLO: s.ID, Service: s.Service, Name: s.Name, Labels: s.BudgetLabels(Series{}), Objective: s.Objective,
		From: from, To: to, Counts: seen.counts, SLI: 100, Traffic: seen.counts.Total > 0, FirstSeen: seen.first,
		Coverage: seen.coverage(s, now), Version: v.Version,
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
	counts Counts    // in the window
	recent Counts    // in the last burnSpan
	first  time.Time // start of the first bucket, or of the first live interval
	seen   int       // base intervals with an increment in any series
	live   bool      // seen includes live increments
	width  time.Duration
}

func gather(s SLO, labels map[string]string, buckets []Bucket, live []IncrementSeries, from, now time.Time) gathered {
	g := gathered{width: bucketWidth}
	var closed time.Time // end of the SLO's last bucket, whoever it belongs to: all of an SLO is closed together
	perStart := map[time.Time]int{}
	for _, b := range buckets {
		if b.SLO != s.ID {
			continue
		}
		if b.end().After(closed) {
			closed, g.width = b.end(), b.Width
		}
		if b.Start.Before(from) || !s.hasLabels(b.Series, labels) {
			continue
		}
		g.add(b.Counts, b.Start, b.Start.Before(now.Add(-burnSpan)))
		perStart[b.Start] = max(perStart[b.Start], b.Seen)
	}
	for _, n := range perStart {
		g.seen += n
	}
	g.addLive(s, labels, live, later(closed, from), now)
	return g
}

func (g *gathered) addLive(s SLO, labels map[string]string, live []IncrementSeries, after, now time.Time) {
	times := map[int64]bool{}
	for id, points := range merged(live) {
		if id.SLO != s.ID || !s.hasLabels(id, labels) {
			continue
		}
		for _, p := range points {
			if !p.At.After(after) || p.At.After(now) {
				continue
			}
			c := Counts{Good: min(max(p.Total-p.Errors, 0), p.Total), Total: p.Total}
			g.add(c, p.At.Add(-s.Interval), !p.At.After(now.Add(-burnSpan)))
			times[p.At.UnixNano()] = true
		}
	}
	g.live = len(times) > 0
	g.seen += len(times)
}

func (g *gathered) add(c Counts, start time.Time, old bool) {
	g.counts = g.counts.Add(c)
	if !old {
		g.recent = g.recent.Add(c)
	}
	if g.first.IsZero() || start.Before(g.first) {
		g.first = start.UTC()
	}
}

// coverage is the share of base intervals seen since the first one, up to what could be known by now: the settle time
// and two intervals are still on their way, and without live increments so is the open bucket.
func (g gathered) coverage(s SLO, now time.Time) float64 {
	if g.first.IsZero() {
		return 0
	}
	known := now.Add(-s.closingLag())
	if !g.live {
		known = epochFloor(known, g.width)
	}
	expect := int(known.Sub(g.first) / s.Interval)
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
