package prom

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// Point is a value at a time, to the millisecond.
type Point struct {
	At    time.Time
	Value float64
}

// Sample is one element of an instant query's result.
type Sample struct {
	Labels map[string]string
	Value  float64 // may be NaN or infinite
	At     time.Time
}

// Series is one series over time, in order of time.
type Series struct {
	Labels map[string]string
	Points []Point
}

// samplesChunk is the longest range of raw samples asked for at once.
const samplesChunk = 6 * time.Hour

// Query evaluates an expression at a time. A scalar comes back as one sample without labels; native histograms are left
// out. Mistakes in the expression are fault.Invalid in the engine's words; fault.Timeout, fault.Unavailable and
// fault.TooLarge mean what they say.
func (c *Client) Query(ctx context.Context, expr string, at time.Time) ([]Sample, error) {
	a, err := c.ask(ctx, "/api/v1/query", url.Values{"query": {expr}, "time": {seconds(at)}})
	if err != nil {
		return nil, err
	}
	return a.Data.samples()
}

// QueryRange evaluates an expression at from, from+step and so on up to and including to. Errors are as of Query.
func (c *Client) QueryRange(ctx context.Context, expr string, from, to time.Time, step time.Duration) ([]Series, error) {
	if step < time.Millisecond || to.Before(from) {
		return nil, fault.New(fault.Invalid, "a range query needs a step of at least 1ms and an end that is not before its start")
	}
	a, err := c.ask(ctx, "/api/v1/query_range", url.Values{
		"query": {expr}, "start": {seconds(from)}, "end": {seconds(to)}, "step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)},
	})
	if err != nil {
		return nil, err
	}
	return a.Data.series()
}

// Samples returns what is stored of the series of a selector in (from, to], as it was scraped or recorded. Errors are as
// of Query; an answer that is only partly there is fault.Unavailable.
func (c *Client) Samples(ctx context.Context, selector string, from, to time.Time) ([]Series, error) {
	return c.samples(ctx, selector, from, to, samplesChunk)
}

// samples asks chunk by chunk and puts each series together again.
func (c *Client) samples(ctx context.Context, selector string, from, to time.Time, chunk time.Duration) ([]Series, error) {
	whole := map[string]*Series{}
	for from.Before(to) {
		end := from.Add(chunk)
		if end.After(to) {
			end = to
		}
		part, err := c.stored(ctx, selector, from, end)
		if err != nil {
			return nil, err
		}
		for _, s := range part {
			key := identity(s.Labels)
			if whole[key] == nil {
				whole[key] = &Series{Labels: s.Labels}
			}
			whole[key].Points = append(whole[key].Points, s.Points...)
		}
		from = end
	}
	out := make([]Series, 0, len(whole))
	for _, key := range slices.Sorted(maps.Keys(whole)) {
		out = append(out, *whole[key])
	}
	return out, nil
}

// stored asks once. Engines disagree on whether a range includes its start, so it asks for a millisecond more and keeps
// what is after from.
func (c *Client) stored(ctx context.Context, selector string, from, to time.Time) ([]Series, error) {
	length := to.Truncate(time.Millisecond).Sub(from.Truncate(time.Millisecond)) + time.Millisecond
	a, err := c.ask(ctx, "/api/v1/query", url.Values{
		"query": {fmt.Sprintf("%s[%dms]", selector, length.Milliseconds())}, "time": {seconds(to)},
	})
	if err != nil {
		return nil, err
	}
	if len(a.Warnings) > 0 { // a selector gives none of its own; some of the storage did not answer
		return nil, fault.New(fault.Unavailable, "the metrics engine's answer may be incomplete: %s", strings.Join(a.Warnings, "; "))
	}
	series, err := a.Data.series()
	if err != nil {
		return nil, err
	}
	for i := range series {
		series[i].Points = slices.DeleteFunc(series[i].Points, func(p Point) bool { return !p.At.After(from) || p.At.After(to) })
	}
	return slices.DeleteFunc(series, func(s Series) bool { return len(s.Points) == 0 }), nil
}

// seconds writes a time as the API reads it, to the millisecond and never later than t.
func seconds(t time.Time) string {
	return strconv.FormatFloat(float64(t.Truncate(time.Millisecond).UnixMilli())/1000, 'f', 3, 64)
}

// identity returns the labels in a form that is the same for the same labels.
func identity(labels map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(&b, "%q=%q,", name, labels[name])
	}
	return b.String()
}
