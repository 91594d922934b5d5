package intelligence

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

// Impact counts what an incident cost, from the ledger and the live increments after it. An incident without a promise
// has none that could be counted, which is said and not an error.
//
// The span begins where the trouble did, not where the alert fired: it reaches back from the incident's start over
// buckets below the objective, across good stretches no longer than the short window of the alert's burn tier, within its
// long window; and over one more if that had errors, because trouble rarely begins with a bucket. It ends with the
// resolution, or now. Whole buckets are counted.
//
// The share of the budget is the span's errors over the errors that the objective allows in the traffic of the whole
// window, as far as that has been seen at the span's end: errors / (budget * total). While the ledger is younger than
// the window that overstates the share, which is said.
func (s *Service) Impact(ctx context.Context, scope access.Scope, i incidents.Incident) (incidents.Impact, error) {
	return ask(ctx, s, Query, "impact", func(ctx context.Context) (incidents.Impact, error) { return s.impact(ctx, scope, i) })
}

func (s *Service) impact(ctx context.Context, scope access.Scope, i incidents.Incident) (incidents.Impact, error) {
	now := s.now()
	to := now
	if i.ResolvedAt != nil {
		to = earliest(now, i.ResolvedAt.UTC())
	}
	out := incidents.Impact{From: i.StartedAt.UTC(), To: to}
	if i.SLO == "" {
		out.Unknown = []string{"The incident is about no promise, so the ledger has counted nothing for it."}
		return out, nil
	}
	v, defined := s.Definitions().SLO(i.SLO)
	if !defined {
		v = slo.Versioned{SLO: slo.SLO{ID: i.SLO}}
		out.Unknown = append(out.Unknown, fmt.Sprintf("The SLO %s is not defined any more; neither its budget nor the minutes below its objective are known.", i.SLO))
	}
	tier := tierOf(v.SLO, i.Severity)
	begin := earliest(i.StartedAt.UTC().Add(-tier.Long), to)
	windowBegin, _ := v.SLO.Window.Bounds(to)
	e, err := s.gather(ctx, scope, []slo.Versioned{v}, earliest(begin, windowBegin), to)
	if err != nil {
		return incidents.Impact{}, err
	}
	others := func(st step) bool { return !struck(i, v.SLO, st.series) }
	m := harmed{impact: out, slo: v.SLO, defined: defined, all: slices.DeleteFunc(e.counted(v), others),
		raw: slices.DeleteFunc(steps(v.SLO, e.buckets[i.SLO], e.live[i.SLO]), others), corrections: slo.CorrectionsOf(v.SLO, e.corrections), width: e.width}
	m.keepImputed()
	if defined {
		m.reachBack(begin, tier.Short)
	}
	m.count()
	m.coverage(now, e.closed[i.SLO])
	m.budget(windowBegin)
	m.impact.Unknown = append(m.impact.Unknown, e.missing()...)
	return m.impact, nil
}

// tierOf returns the burn tier that gives the severity: its long window is how long before its alert the trouble may
// have begun, its short window how long a stretch without trouble ends it.
func tierOf(s slo.SLO, severity incidents.Severity) slo.Tier {
	tiers := s.Tiers()
	order := []incidents.Severity{incidents.Critical, incidents.Error, incidents.Warning, incidents.Info}
	return tiers[max(0, min(slices.Index(order, severity), len(tiers)-1))]
}

// struck reports whether the series is among those that the incident is about: no label of the budget says otherwise.
func struck(i incidents.Incident, s slo.SLO, series slo.Series) bool {
	if tenant := cmp.Or(i.Tenant, i.Labels["tenant"]); tenant != "" && series.Tenant != "" && series.Tenant != tenant {
		return false
	}
	for name, value := range s.BudgetLabels(series) {
		if name != "tenant" && i.Labels[name] != "" && i.Labels[name] != value {
			return false
		}
	}
	return true
}

// harmed is an Impact under way. all is in order of time.
type harmed struct {
	impact  incidents.Impact
	slo     slo.SLO
	defined bool
	all     []step

	raw         []step // as recorded
	imputed     slo.Counts
	corrections []slo.Correction
	width       time.Duration // of the ledger's buckets
}

// keepImputed puts what a gap policy counts aside: it is part of the window's budget and of no incident.
func (m *harmed) keepImputed() {
	m.all = slices.DeleteFunc(m.all, func(st step) bool {
		if st.imputed && st.start.Before(m.impact.To) {
			m.imputed = m.imputed.Add(st.Counts)
		}
		return st.imputed
	})
}

// excluded returns how much of [from, to] was left out for every series that the incident is about.
func (m *harmed) excluded(from, to time.Time) time.Duration {
	series := map[slo.Series]bool{}
	for _, st := range m.raw {
		series[st.series] = true
	}
	if len(series) == 0 || len(m.corrections) == 0 {
		return 0
	}
	return slo.ExcludedIn(slices.Collect(maps.Keys(series)), m.corrections, m.width, from, to)
}

// inSpan reports whether a step is counted: all steps that overlap the span.
func (m *harmed) inSpan(st step) bool {
	return st.end().After(m.impact.From) && st.start.Before(m.impact.To)
}

// bins adds up the steps of [from, to) that end at the same time, live ones in spans as wide as the ledger's buckets.
func (m *harmed) bins(from, to time.Time) map[time.Time]*bin {
	var width time.Duration
	for _, st := range m.all {
		width = max(width, st.width)
	}
	out := map[time.Time]*bin{}
	for _, st := range m.all {
		if !st.end().After(from) || !st.start.Before(to) {
			continue
		}
		start, w := st.start, st.width
		if st.live {
			start, w = grid{width}.end(st.end()).Add(-width), width
		}
		if out[start] == nil {
			out[start] = &bin{start: start, width: w, seen: map[time.Time]step{}}
		}
		out[start].add(st)
	}
	return out
}

// bin is what all series did in one span of the ledger.
type bin struct {
	start time.Time
	width time.Duration
	slo.Counts
	seen map[time.Time]step // by start: the step of the series that was seen most
}

func (b *bin) end() time.Time { return b.start.Add(b.width) }

func (b *bin) add(st step) {
	b.Counts = b.Counts.Add(st.Counts)
	if most, ok := b.seen[st.start]; !ok || st.seen > most.seen {
		b.seen[st.start] = st
	}
}

// bad reports whether the bin's own figure is below the objective. Exactly at it is not below.
func (b *bin) bad(o slo.Objective) bool {
	return b.Total > 0 && b.Errors() > o.Budget()*b.Total*(1+1e-9)
}

// reachBack moves the span's beginning from the incident's start to where the trouble began.
func (m *harmed) reachBack(begin time.Time, clean time.Duration) {
	before := m.bins(begin, m.impact.From)
	newestFirst := slices.SortedFunc(maps.Values(before), func(a, b *bin) int { return b.start.Compare(a.start) })
	clean += arriving(m.slo) // an alert starts so much later than what it is about
	for n, b := range newestFirst {
		if m.impact.From.Sub(b.end()) > clean {
			break
		}
		if !b.bad(m.slo.Objective) {
			continue
		}
		m.impact.From = b.start
		if n+1 < len(newestFirst) && newestFirst[n+1].Errors() > 0 && newestFirst[n+1].end().Equal(b.start) {
			m.impact.From = newestFirst[n+1].start
		}
	}
}

func (m *harmed) count() {
	sums := map[[2]string]slo.Counts{}
	for _, st := range m.all {
		if m.inSpan(st) {
			key := [2]string{st.series.Tenant, st.series.Region}
			sums[key] = sums[key].Add(st.Counts)
			m.impact.Version = max(m.impact.Version, st.version)
		}
	}
	for key, c := range sums {
		if c.Total > 0 {
			m.impact.Counts = append(m.impact.Counts, incidents.Harm{Tenant: key[0], Region: key[1], Errors: c.Errors(), Total: c.Total})
		}
	}
	slices.SortFunc(m.impact.Counts, func(a, b incidents.Harm) int {
		return cmp.Or(cmp.Compare(b.Errors, a.Errors), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Region, b.Region))
	})
}

// coverage tells how much of the span was seen, up to what can be known by now, and adds up the bad minutes.
func (m *harmed) coverage(now, closed time.Time) {
	m.impact.Complete = !closed.Before(m.impact.To)
	known := earliest(m.impact.To, now.Add(-arriving(m.slo)))
	var seen, bad time.Duration
	for _, b := range m.bins(m.impact.From, m.impact.To) {
		for _, st := range b.seen {
			overlap := max(0, earliest(known, st.end()).Sub(latest(st.start, m.impact.From)))
			seen += time.Duration(st.seen * float64(overlap))
		}
		if m.defined && b.bad(m.slo.Objective) {
			bad += b.width
		}
	}
	left := m.excluded(m.impact.From, known)
	var raw slo.Counts
	for _, st := range m.raw {
		if m.inSpan(st) {
			raw = raw.Add(st.Counts)
		}
	}
	if words := correctedWords(raw, slo.Counts{Good: m.impact.Total() - m.impact.Errors(), Total: m.impact.Total()}, m.excluded(m.impact.From, m.impact.To)); words != "" {
		m.impact.Unknown = append(m.impact.Unknown, words)
	}
	switch span := known.Sub(m.impact.From) - left; {
	case left > 0 && span <= 0:
		m.impact.Coverage = 1 // nothing that counts is left to be missing
	case span > 0:
		m.impact.Coverage = min(1, float64(seen)/float64(span))
	case m.impact.Total() > 0:
		m.impact.Coverage = 1 // too young for anything to be missing
	}
	switch {
	case m.impact.Coverage == 0:
		m.impact.Unknown = append(m.impact.Unknown, "Neither the ledger nor the metrics engine has seen anything of the time of the incident.")
	case m.defined:
		minutes := bad.Minutes()
		m.impact.BadMinutes = &minutes
	}
}

func (m *harmed) budget(windowBegin time.Time) {
	if !m.defined {
		return
	}
	m.impact.Objective = float64(m.slo.Objective)
	var window slo.Counts
	var first time.Time
	for _, st := range m.all {
		if !st.start.Before(windowBegin) && st.start.Before(m.impact.To) {
			window = window.Add(st.Counts)
			if first.IsZero() {
				first = st.start
			}
		}
	}
	if m.impact.Coverage == 0 || window.Total == 0 {
		return
	}
	share := m.impact.Errors() / (m.slo.Objective.Budget() * (window.Total + m.imputed.Total))
	m.impact.BudgetShare = &share
	elapsed := m.impact.To.Sub(windowBegin)
	if seen := m.impact.To.Sub(first); m.impact.Errors() > 0 && float64(seen) < 0.9*float64(elapsed) {
		m.impact.Unknown = append(m.impact.Unknown, fmt.Sprintf(
			"The ledger knows only the last %s of the window's %s; the share of the error budget is of the traffic seen so far, and will come out lower over a whole window.",
			span(seen), span(elapsed)))
	}
}

// span writes a length in its largest unit that is not a fraction.
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return count(int(d/(24*time.Hour)), "day")
	case d >= 2*time.Hour:
		return count(int(d/time.Hour), "hour")
	case d >= 2*time.Minute:
		return count(int(d/time.Minute), "minute")
	}
	return count(int(d/time.Second), "second")
}
