package engine

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// A rule group is evaluated at fixed slots, an interval apart. A recording rule that holds what happened since the slot
// before loses events for good when a slot is left out: its neighbours know nothing of them. Slots are left out when the
// engine is down, stands still, is too slow, cannot answer, or takes up changed rules in the middle of an evaluation. So
// what was missed is evaluated afterwards, at its own time. Alerts are not: late news would be wrong news.

// unbegun is how many intervals a rule without any result is made up for: an engine that is killed after its first scrapes
// may not have come to evaluate them.
const unbegun = 5

// mostCatchUp is how far back that goes; the storage takes no samples older than an hour behind its newest.
const mostCatchUp = time.Hour - time.Minute

// stragglers is how long to wait for scrapes that a standstill caught halfway.
const stragglers = 250 * time.Millisecond

// evaluate is called for each slot of a group: what was missed before it comes first.
func (b *ruleBook) evaluate(ctx context.Context, g *rules.Group, slot time.Time) {
	key := rules.GroupKey(g.File(), g.Name())
	b.mu.Lock()
	last, known := b.complete[key]
	b.mu.Unlock()
	if known && last.Before(slot.Add(-g.Interval())) {
		// After a standstill, scrapes that were under way are about to be stored with the times they began.
		pause(ctx, min(stragglers, g.Interval()/4))
		b.catchUp(ctx, g, recordingRules(g), slotsBetween(last, slot, g.Interval()), b.lastRecorded(ctx, g, slot))
	}
	began := time.Now()
	rules.DefaultEvalIterationFunc(ctx, g, slot)
	done := slot
	if !nothingLeftOut(g, began) {
		done = slot.Add(-g.Interval()) // it is tried once more at the next slot
	}
	b.mu.Lock()
	b.complete[key] = done
	b.mu.Unlock()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// nothingLeftOut reports whether every recording rule has been evaluated since began, and none failed.
func nothingLeftOut(g *rules.Group, began time.Time) bool {
	return !slices.ContainsFunc(recordingRules(g), func(r *rules.RecordingRule) bool {
		return r.Health() == rules.HealthBad || r.GetEvaluationTimestamp().Before(began)
	})
}

// slotsBetween returns the slots after last and before next, of the grid that next is on.
func slotsBetween(last, next time.Time, interval time.Duration) []time.Time {
	var out []time.Time
	oldest := next.Add(-mostCatchUp)
	for s := next.Add(-interval); s.After(last) && s.After(oldest); s = s.Add(-interval) {
		out = append(out, s)
	}
	slices.Reverse(out)
	return out
}

// late is a slot of a group that was missed while the engine was down.
type late struct {
	group    *rules.Group
	slot     time.Time
	of       []*rules.RecordingRule
	recorded map[*rules.RecordingRule]time.Time
}

// catchUpAfterRestart evaluates what was missed between each rule's last result and the last sample before the engine
// went down, in order of time, short intervals first: longer ones are sums over them. It must run before the first new
// sample arrives. Slots in which nothing was scraped stay a gap.
func (b *ruleBook) catchUpAfterRestart(ctx context.Context) {
	var missed []late
	now := time.Now()
	for _, g := range b.manager.RuleGroups() {
		if b.store.headEnd > 0 {
			missed = append(missed, b.missedBefore(ctx, g, time.UnixMilli(b.store.headEnd), now)...)
		}
		b.mu.Lock()
		b.complete[rules.GroupKey(g.File(), g.Name())] = g.EvalTimestamp(now.UnixNano())
		b.mu.Unlock()
	}
	slices.SortStableFunc(missed, func(x, y late) int {
		return cmp.Or(x.slot.Compare(y.slot), cmp.Compare(x.group.Interval(), y.group.Interval()))
	})
	for _, m := range missed {
		b.catchUp(ctx, m.group, m.of, []time.Time{m.slot}, m.recorded)
	}
}

// missedBefore returns a group's slots up to the one that covers end. One interval more is taken in, because rules may look
// at what was a while ago, to let scrapes come in. Rules that had no results yet are made up for a few intervals only.
func (b *ruleBook) missedBefore(ctx context.Context, g *rules.Group, end, now time.Time) (missed []late) {
	recorded := b.lastRecorded(ctx, g, end)
	covered := end.Add(g.QueryOffset() + 2*g.Interval())
	young := covered.Add(-(unbegun + 2) * g.Interval())
	slot := g.EvalTimestamp(end.Add(-mostCatchUp).UnixNano()).Add(g.Interval())
	for ; !slot.After(now) && slot.Before(covered); slot = slot.Add(g.Interval()) {
		due := slices.DeleteFunc(recordingRules(g), func(r *rules.RecordingRule) bool {
			return recorded[r].IsZero() && slot.Before(young)
		})
		if len(due) > 0 {
			missed = append(missed, late{g, slot, due, recorded})
		}
	}
	return missed
}

// catchUp evaluates the rules at the slots, in order, except where a rule has a result already.
func (b *ruleBook) catchUp(ctx context.Context, g *rules.Group, of []*rules.RecordingRule, slots []time.Time, recorded map[*rules.RecordingRule]time.Time) {
	for _, slot := range slots {
		at := slot.Add(-g.QueryOffset()).Truncate(time.Millisecond)
		for _, r := range of {
			if !recorded[r].Before(at) {
				continue
			}
			if err := b.evaluateLate(ctx, g, r, slot); err != nil {
				b.log.Warn("a missed evaluation cannot be made up", "group", g.Name(), "rule", r.Name(), "at", slot, "error", err)
				continue
			}
			b.metrics.lateSlots.Inc()
		}
	}
}

func (b *ruleBook) evaluateLate(ctx context.Context, g *rules.Group, r *rules.RecordingRule, slot time.Time) error {
	results, err := r.Eval(ctx, g.QueryOffset(), slot, b.query, nil, g.Limit())
	if err != nil || len(results) == 0 {
		return err
	}
	app := b.store.Appender(ctx)
	for _, s := range results {
		if s.H != nil {
			_, err = app.AppendHistogram(0, s.Metric, s.T, nil, s.H)
		} else {
			_, err = app.Append(0, s.Metric, s.T, s.F)
		}
		if err != nil && !errors.Is(err, storage.ErrDuplicateSampleForTimestamp) && !errors.Is(err, storage.ErrOutOfOrderSample) {
			return errors.Join(err, app.Rollback())
		}
	}
	return app.Commit()
}

func recordingRules(g *rules.Group) []*rules.RecordingRule {
	var out []*rules.RecordingRule
	for _, r := range g.Rules() {
		if r, ok := r.(*rules.RecordingRule); ok {
			out = append(out, r)
		}
	}
	return out
}

// lastRecorded returns the time of each recording rule's newest result in the last hour up to about until. Rules without
// any are left out.
func (b *ruleBook) lastRecorded(ctx context.Context, g *rules.Group, until time.Time) map[*rules.RecordingRule]time.Time {
	out := map[*rules.RecordingRule]time.Time{}
	querier, err := b.store.Querier(until.Add(-mostCatchUp).UnixMilli(), until.Add(g.Interval()).UnixMilli())
	if err != nil {
		b.log.Warn("the last results of rules cannot be looked up", "group", g.Name(), "error", err)
		return out
	}
	defer querier.Close()
	var it chunkenc.Iterator
	for _, r := range recordingRules(g) {
		found := querier.Select(ctx, false, nil, matchersOf(r)...)
		for found.Next() {
			it = found.At().Iterator(it)
			if at := newest(it); at > 0 && time.UnixMilli(at).After(out[r]) {
				out[r] = time.UnixMilli(at)
			}
		}
	}
	return out
}

func matchersOf(r *rules.RecordingRule) []*labels.Matcher {
	out := []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, r.Name())}
	r.Labels().Range(func(l labels.Label) {
		out = append(out, labels.MustNewMatcher(labels.MatchEqual, l.Name, l.Value))
	})
	return out
}

// newest returns the time of the last sample that is not a staleness marker, in Unix milliseconds; 0 for none.
func newest(it chunkenc.Iterator) (at int64) {
	for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
		if kind == chunkenc.ValFloat {
			if t, v := it.At(); !value.IsStaleNaN(v) {
				at = t
			}
			continue
		}
		at = it.AtT()
	}
	return at
}

// forgetGroups drops what is known of groups that are gone.
func (b *ruleBook) forgetGroups() {
	present := map[string]bool{}
	for _, g := range b.manager.RuleGroups() {
		present[rules.GroupKey(g.File(), g.Name())] = true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.complete, func(key string, _ time.Time) bool { return !present[key] })
}
