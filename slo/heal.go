package slo

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Recounter computes increments that no rule recorded, from the raw series.
type Recounter interface {
	// Recount returns what the rules would have recorded at the times, which are in order. A time at which the raw
	// series say nothing has no increment. Errors are those of SampleSource.
	Recount(ctx context.Context, s SLO, at []time.Time) ([]IncrementSeries, error)
}

// Health is how the rules of an SLO did in a span of the ledger.
type Health struct {
	Missed int // base intervals for which no increment was recorded, though there were some before
	Healed int // of them those that the raw series could still tell
}

// How far back the last increment before a span is looked for: nearly always it is just before; where rules were not
// evaluated for hours, the span is asked for once more.
const (
	lookBehind    = time.Hour
	lookFarBehind = 25 * time.Hour
)

// missedSlots returns the evaluations in (from, to] that left no increment in any series, judging by those before and
// after: rules are evaluated at whole intervals from one another. Times before the first increment are not missed;
// nobody promised anything then.
func missedSlots(s SLO, series []IncrementSeries, from, to time.Time) []time.Time {
	var times []time.Time
	for _, one := range series {
		for _, p := range one.Points {
			times = append(times, p.At)
		}
	}
	if len(times) == 0 {
		return nil
	}
	slices.SortFunc(times, time.Time.Compare)
	times = append(times, to.Add(s.Interval/2)) // the first that would lie beyond
	var missed []time.Time
	for i := 1; i < len(times); i++ {
		for at := times[i-1].Add(s.Interval); times[i].Sub(at) >= s.Interval/2; at = at.Add(s.Interval) {
			if at.After(from) && !at.After(to) {
				missed = append(missed, at)
			}
		}
	}
	return missed
}

// within returns the part of the series in (from, to].
func within(series []IncrementSeries, from, to time.Time) []IncrementSeries {
	out := make([]IncrementSeries, 0, len(series))
	for _, one := range series {
		one.Points = slices.DeleteFunc(slices.Clone(one.Points), func(p Increment) bool { return !p.At.After(from) || p.At.After(to) })
		if len(one.Points) > 0 {
			out = append(out, one)
		}
	}
	return out
}

// increments reads what was recorded in (from, to], and heals what was missed from the raw series. Where those cannot be
// asked in a way that will not change, what was missed stays a gap.
func (c *Copier) increments(ctx context.Context, s SLO, from, to time.Time) ([]IncrementSeries, Health, error) {
	behind := from
	if c.Recount != nil {
		behind = from.Add(-lookBehind)
	}
	found, err := c.Source.Increments(ctx, s, behind, to)
	if err == nil && len(found) == 0 && c.Recount != nil {
		found, err = c.Source.Increments(ctx, s, from.Add(-lookFarBehind), to)
	}
	if err != nil {
		return nil, Health{}, fmt.Errorf("reading increments from %s to %s: %w", from.Format(time.RFC3339), to.Format(time.RFC3339), err)
	}
	if c.Recount == nil {
		return found, Health{}, nil
	}
	missed := missedSlots(s, found, from, to)
	found = within(found, from, to)
	health := Health{Missed: len(missed)}
	if len(missed) == 0 {
		return found, health, nil
	}
	recounted, err := c.Recount.Recount(ctx, s, missed)
	if err != nil {
		return nil, health, fmt.Errorf("recounting %d missed intervals up to %s: %w", len(missed), to.Format(time.RFC3339), err)
	}
	times := map[int64]bool{}
	for i := range recounted {
		for j := range recounted[i].Points {
			recounted[i].Points[j].Healed = true
			times[recounted[i].Points[j].At.UnixMilli()] = true
		}
	}
	health.Healed = len(times)
	return append(found, recounted...), health, nil
}
