package intelligence

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
	"golang.org/x/sync/errgroup"
)

const (
	liveTime = 2 * time.Second // for the engine's part of an answer, which can do without it
	liveMost = 6 * time.Hour   // how far back the engine is asked where the ledger is behind
	atOnce   = 8               // questions to the engine or the ledger at the same time, for one answer
)

// evidence is what the ledger, and after it the metrics engine, know of some promises up to a time.
type evidence struct {
	from    time.Time
	to      time.Time
	slos    []slo.Versioned
	closed  map[string]time.Time             // how far the ledger is final, by SLO; zero: nothing yet
	buckets map[string][]slo.Bucket          // in scope, by SLO
	live    map[string][]slo.IncrementSeries // in scope, after closed, by SLO
	dark    map[string]error                 // SLOs whose live part could not be had

	corrections []slo.Correction // in force, of any SLO
	width       time.Duration    // of the ledger's buckets
}

// gather reads what is known of the SLOs in [from, to]. A ledger that does not answer is an error; a metrics engine that
// does not leaves the SLO dark. How far the ledger is closed is read first, so that no bucket falls between both.
func (s *Service) gather(ctx context.Context, scope access.Scope, slos []slo.Versioned, from, to time.Time) (evidence, error) {
	e := evidence{from: from, to: to, slos: slos, width: s.bucket(), closed: map[string]time.Time{}, buckets: map[string][]slo.Bucket{},
		live: map[string][]slo.IncrementSeries{}, dark: map[string]error{}}
	if len(slos) == 0 {
		return e, nil
	}
	closed, err := s.closedUntil(ctx, slos)
	if err != nil {
		return e, err
	}
	e.closed = closed
	live := make([]liveAnswer, len(slos))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce + 2)
	group.Go(func() error {
		buckets, err := s.buckets(ctx, scope, slos, from, to)
		e.buckets = buckets
		return err
	})
	group.Go(func() (err error) {
		e.corrections, err = s.corrections(ctx, from)
		return err
	})
	for i, v := range slos {
		group.Go(func() error {
			live[i] = s.liveOf(ctx, scope, v.SLO, latest(closed[v.SLO.ID], from, to.Add(-liveMost)), to)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return e, err
	}
	for i, v := range slos {
		e.live[v.SLO.ID] = live[i].series
		if live[i].err != nil {
			e.dark[v.SLO.ID] = live[i].err
		}
	}
	return e, nil
}

func (s *Service) closedUntil(ctx context.Context, slos []slo.Versioned) (map[string]time.Time, error) {
	times := make([]time.Time, len(slos))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, v := range slos {
		group.Go(func() (err error) {
			times[i], err = s.Ledger.ClosedUntil(ctx, v.SLO.ID)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("ask how far the ledger is closed: %w", err)
	}
	closed := make(map[string]time.Time, len(slos))
	for i, v := range slos {
		closed[v.SLO.ID] = times[i].UTC()
	}
	return closed, nil
}

// buckets asks the ledger once, whatever the number of SLOs.
func (s *Service) buckets(ctx context.Context, scope access.Scope, slos []slo.Versioned, from, to time.Time) (map[string][]slo.Bucket, error) {
	one := ""
	if len(slos) == 1 {
		one = slos[0].SLO.ID
	}
	found, err := s.Ledger.Buckets(ctx, scope, one, "", from, to)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	by := make(map[string][]slo.Bucket, len(slos))
	for _, b := range found {
		if scope.Allows(b.Tenant) {
			by[b.SLO] = append(by[b.SLO], b)
		}
	}
	return by, nil
}

type liveAnswer struct {
	series []slo.IncrementSeries
	err    error
}

func (s *Service) liveOf(ctx context.Context, scope access.Scope, of slo.SLO, from, to time.Time) liveAnswer {
	if !from.Before(to) {
		return liveAnswer{}
	}
	ctx, cancel := context.WithTimeout(ctx, liveTime)
	defer cancel()
	found, err := s.Live.Increments(ctx, of, from, to)
	if err != nil {
		if kind := fault.KindOf(err); kind != fault.Unavailable && kind != fault.Timeout && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "live figures of a promise are missing", "slo", of.ID, "error", err)
		}
		return liveAnswer{err: err}
	}
	return liveAnswer{series: slices.DeleteFunc(slices.Clone(found), func(i slo.IncrementSeries) bool { return !scope.Allows(i.Series.Tenant) })}
}

// missing says in sentences what the figures lack.
func (e evidence) missing() []string {
	out := []string{}
	if len(e.dark) > 0 {
		until := e.to
		for id := range e.dark {
			if e.closed[id].Before(until) {
				until = e.closed[id]
			}
		}
		whom := ""
		if len(e.dark) < len(e.slos) {
			whom = " for " + listed(slices.Sorted(maps.Keys(e.dark)))
		}
		upTo := "they end where the ledger is closed, at " + stamp(until, e.to)
		if until.IsZero() {
			upTo = "the ledger has none for some promises yet"
		}
		out = append(out, fmt.Sprintf("The metrics engine has no live figures%s now; %s.", whom, upTo))
	}
	var behind []string
	for _, v := range e.slos {
		if closed := e.closed[v.SLO.ID]; !closed.IsZero() && e.to.Sub(closed) > liveMost {
			behind = append(behind, v.SLO.ID)
		}
	}
	if len(behind) > 0 {
		out = append(out, fmt.Sprintf("The ledger is more than %d hours behind for %s; what happened between is not in the figures.", int(liveMost.Hours()), listed(behind)))
	}
	return out
}

// lastSeen returns the end of the last bucket or live increment of the SLO, in any series in scope; zero for nothing.
func (e evidence) lastSeen(id string) time.Time {
	var last time.Time
	for _, b := range e.buckets[id] {
		last = latest(last, b.Start.Add(b.Width))
	}
	for _, l := range e.live[id] {
		for _, p := range l.Points {
			last = latest(last, p.At)
		}
	}
	return earliest(last, e.to).UTC()
}

// listed joins names and shortens long lists.
func listed(names []string) string {
	const most = 3
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// budget is the evidence of one value of an SLO's BudgetBy labels.
type budget struct {
	labels  map[string]string
	buckets []slo.Bucket
	live    []slo.IncrementSeries
}

// budgetsOf divides an SLO's evidence by its BudgetBy labels, in a stable order. Dividing once keeps the arithmetic
// linear in the number of buckets, whatever the number of tenants.
func budgetsOf(s slo.SLO, buckets []slo.Bucket, live []slo.IncrementSeries) []*budget {
	found := map[string]*budget{}
	of := map[slo.Series]*budget{}
	place := func(series slo.Series) *budget {
		if b, ok := of[series]; ok {
			return b
		}
		labels := s.BudgetLabels(series)
		key, _ := json.Marshal(labels) // a map of strings; its keys come out sorted
		if found[string(key)] == nil {
			found[string(key)] = &budget{labels: labels}
		}
		of[series] = found[string(key)]
		return of[series]
	}
	for _, b := range buckets {
		p := place(b.Series)
		p.buckets = append(p.buckets, b)
	}
	for _, l := range live {
		p := place(l.Series)
		p.live = append(p.live, l)
	}
	out := make([]*budget, 0, len(found))
	for _, key := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[key])
	}
	return out
}

// step is what one series did up to a time: a closed bucket or a live increment.
type step struct {
	series slo.Series
	start  time.Time
	width  time.Duration
	seen   float64 // share of width, 0..1
	slo.Counts
	live    bool
	imputed bool // nothing was seen; the counts are what the gap policy makes of that
	version int
}

func (s step) end() time.Time { return s.start.Add(s.width) }

// steps lines up buckets and the live increments after them, in order of time. An increment that a bucket of its series
// already holds is left out, and of several of one series at the same time the last counts.
func steps(of slo.SLO, buckets []slo.Bucket, live []slo.IncrementSeries) []step {
	out := make([]step, 0, len(buckets))
	closed := map[slo.Series]time.Time{}
	for _, b := range buckets {
		seen := 1.0
		if b.Expect > 0 {
			seen = min(1, float64(b.Seen)/float64(b.Expect))
		}
		out = append(out, step{series: b.Series, start: b.Start, width: b.Width, seen: seen, Counts: b.Counts, version: b.Version})
		closed[b.Series] = latest(closed[b.Series], b.Start.Add(b.Width))
	}
	type moment struct {
		series slo.Series
		at     int64
	}
	increments := map[moment]step{}
	for _, s := range live {
		for _, p := range s.Points {
			if p.At.After(closed[s.Series]) && counts(p.Total) && counts(p.Errors) {
				increments[moment{s.Series, p.At.UnixNano()}] = liveStep(s.Series, p, intervalOf(of))
			}
		}
	}
	return inOrder(slices.AppendSeq(out, maps.Values(increments)))
}

func inOrder(all []step) []step {
	slices.SortStableFunc(all, func(a, b step) int { return cmp.Or(a.start.Compare(b.start), cmp.Compare(a.width, b.width)) })
	return all
}

func liveStep(series slo.Series, p slo.Increment, interval time.Duration) step {
	good := min(max(p.Total-p.Errors, 0), p.Total)
	return step{series: series, start: p.At.Add(-interval).UTC(), width: interval, seen: 1, Counts: slo.Counts{Good: good, Total: p.Total}, live: true}
}

// counts reports whether x is a number that a counter can give.
func counts(x float64) bool { return x >= 0 && !math.IsInf(x, 1) }

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

func earliest(times ...time.Time) time.Time { return slices.MinFunc(times, time.Time.Compare) }
