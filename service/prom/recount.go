package prom

import (
	"context"
	"fmt"
	"time"

	"github.com/nines-sre/nines/slo"
)

var _ slo.Recounter = (*Client)(nil)

// Recount implements slo.Recounter: it evaluates the SLO's increments at the times, a range query for each run of times
// that lie an interval apart.
func (c *Client) Recount(ctx context.Context, s slo.SLO, at []time.Time) ([]slo.IncrementSeries, error) {
	total, errors, err := s.IncrementQueries()
	if err != nil {
		return nil, err
	}
	whole := map[slo.Series]*recorded{}
	for len(at) > 0 {
		n := 1
		for n < len(at) && n < pointsPerChunk && at[n].Sub(at[n-1]) == s.Interval {
			n++
		}
		totals, err := c.QueryRange(ctx, total, at[0], at[n-1], s.Interval)
		if err != nil {
			return nil, fmt.Errorf("recount the events of %s: %w", s.ID, err)
		}
		bad, err := c.QueryRange(ctx, errors, at[0], at[n-1], s.Interval)
		if err != nil {
			return nil, fmt.Errorf("recount the errors of %s: %w", s.ID, err)
		}
		if err := addRecounted(whole, s, totals, bad); err != nil {
			return nil, err
		}
		at = at[n:]
	}
	return inOrder(whole), nil
}

func addRecounted(whole map[slo.Series]*recorded, s slo.SLO, totals, bad []Series) error {
	errorsOf := map[string]map[int64]float64{}
	for _, one := range bad {
		times := make(map[int64]float64, len(one.Points))
		for _, p := range one.Points {
			times[p.At.UnixMilli()] = p.Value
		}
		errorsOf[identity(one.Labels)] = times
	}
	for _, one := range totals {
		if len(one.Points) == 0 {
			continue
		}
		key := s.SeriesOf(one.Labels)
		if whole[key] == nil {
			whole[key] = &recorded{}
		}
		if err := whole[key].add(one, errorsOf[identity(one.Labels)]); err != nil {
			return err
		}
	}
	return nil
}
