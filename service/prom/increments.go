package prom

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

var _ slo.SampleSource = (*Client)(nil)

const (
	pointsPerChunk = 2000 // of a series, in one question
	longestChunk   = 24 * time.Hour
)

// Increments implements slo.SampleSource: it reads both recorded series of the SLO in one question, and pairs them by
// labels and time. An increment without an error sample beside it has no errors; errors without a total are left out.
//
// Where the same ledger series is recorded twice for the same time, as by two engines behind one API, the sum would be
// wrong and nobody could tell; that is fault.Invalid and names the labels.
func (c *Client) Increments(ctx context.Context, s slo.SLO, from, to time.Time) ([]slo.IncrementSeries, error) {
	selector, errorName, err := selectorOf(s)
	if err != nil {
		return nil, err
	}
	found, err := c.samples(ctx, selector, from, to, chunkOf(s.Interval))
	if err != nil {
		return nil, fmt.Errorf("increments of %s: %w", s.ID, err)
	}
	return pair(s, found, errorName)
}

func chunkOf(interval time.Duration) time.Duration {
	if interval <= 0 {
		interval = time.Minute
	}
	return min(pointsPerChunk*interval, longestChunk)
}

// selectorOf returns one selector for the SLO's totals and errors, and the name of the latter.
func selectorOf(s slo.SLO) (selector, errorName string, err error) {
	totals, err := parser.ParseMetricSelector(s.TotalSeries())
	if err != nil {
		return "", "", fault.Wrap(fault.Internal, err, "the selector of %s", s.ID)
	}
	errors, err := parser.ParseMetricSelector(s.ErrorSeries())
	if err != nil {
		return "", "", fault.Wrap(fault.Internal, err, "the selector of %s", s.ID)
	}
	errorName = nameOf(errors)
	matchers := []string{fmt.Sprintf("__name__=~%q", regexp.QuoteMeta(nameOf(totals))+"|"+regexp.QuoteMeta(errorName))}
	for _, m := range totals {
		if m.Name != labels.MetricName {
			matchers = append(matchers, m.String())
		}
	}
	return "{" + strings.Join(matchers, ",") + "}", errorName, nil
}

func nameOf(matchers []*labels.Matcher) string {
	for _, m := range matchers {
		if m.Name == labels.MetricName {
			return m.Value
		}
	}
	return ""
}

// pair puts totals and errors together.
func pair(s slo.SLO, found []Series, errorName string) ([]slo.IncrementSeries, error) {
	errorsOf := map[string]map[int64]float64{} // by labels and time
	var totals []Series
	for _, one := range found {
		name := one.Labels[labels.MetricName]
		delete(one.Labels, labels.MetricName)
		if name != errorName {
			totals = append(totals, one)
			continue
		}
		at := make(map[int64]float64, len(one.Points))
		for _, p := range one.Points {
			at[p.At.UnixMilli()] = p.Value
		}
		errorsOf[identity(one.Labels)] = at
	}
	whole := map[slo.Series]*recorded{}
	for _, one := range totals {
		key := s.SeriesOf(one.Labels)
		if whole[key] == nil {
			whole[key] = &recorded{}
		}
		if err := whole[key].add(one, errorsOf[identity(one.Labels)]); err != nil {
			return nil, err
		}
	}
	return inOrder(whole), nil
}

// recorded is one ledger series. It can come from several stored ones, one after the other: labels that are not the
// ledger's may change with the definition.
type recorded struct {
	points []slo.Increment
	spans  []span
}

type span struct {
	first, last time.Time
	labels      string
}

func (r *recorded) add(one Series, errors map[int64]float64) error {
	is := span{one.Points[0].At, one.Points[len(one.Points)-1].At, identity(one.Labels)}
	for _, was := range r.spans {
		if !is.first.After(was.last) && !was.first.After(is.last) {
			return fault.New(fault.Invalid, "the same increments are recorded twice, with the labels %s and %s; ask one engine, or one that removes duplicates", was.labels, is.labels)
		}
	}
	r.spans = append(r.spans, is)
	for _, p := range one.Points {
		r.points = append(r.points, slo.Increment{At: p.At, Errors: errors[p.At.UnixMilli()], Total: p.Value})
	}
	return nil
}

func inOrder(whole map[slo.Series]*recorded) []slo.IncrementSeries {
	keys := slices.SortedFunc(maps.Keys(whole), func(a, b slo.Series) int {
		return slices.Compare([]string{a.Tenant, a.Region, a.Group}, []string{b.Tenant, b.Region, b.Group})
	})
	out := make([]slo.IncrementSeries, 0, len(keys))
	for _, key := range keys {
		points := whole[key].points
		slices.SortFunc(points, func(a, b slo.Increment) int { return a.At.Compare(b.At) })
		out = append(out, slo.IncrementSeries{Series: key, Points: points})
	}
	return out
}
