package backtest

import "math"

// counter is one counter's raw samples, with its resets made up for: from i to j it grew by grown[j] - grown[i].
type counter struct {
	labels map[string]string
	at     []int64
	value  []float64
	grown  []float64
}

func newCounter(s Series) *counter {
	c := &counter{labels: s.Labels}
	resets := 0.0
	for i, v := range s.Values {
		if math.IsNaN(v) || len(c.at) > 0 && s.At[i] <= c.at[len(c.at)-1] {
			continue // not a count, or the same sample from two answers
		}
		if last := len(c.value) - 1; last >= 0 && v < c.value[last] {
			resets += c.value[last]
		}
		c.at, c.value, c.grown = append(c.at, s.At[i]), append(c.value, v), append(c.grown, v+resets)
	}
	return c
}

// cursor walks a window of fixed length over a counter, forwards only, so that moving it on costs little.
type cursor struct {
	*counter
	from, to int // the samples in the window are at[from:to]
}

// increase returns what Prometheus' increase() gives over (at-window, at], in milliseconds, and false where there are
// fewer than two samples in it. As there, growth between the first and the last sample is extrapolated to the ends of
// the window, or by half a sample's distance where the series seems to begin or end inside it, and never below zero
// (promql/functions.go, extrapolatedRate; Prometheus 3.0 and later exclude the window's start).
func (c *cursor) increase(at, window int64) (float64, bool) {
	for c.to < len(c.at) && c.at[c.to] <= at {
		c.to++
	}
	for c.from < c.to && c.at[c.from] <= at-window {
		c.from++
	}
	n := c.to - c.from
	if n < 2 {
		return 0, false
	}
	first, last := c.from, c.to-1
	grew := c.grown[last] - c.grown[first]
	toStart, toEnd := float64(c.at[first]-(at-window))/1000, float64(at-c.at[last])/1000
	sampled := float64(c.at[last]-c.at[first]) / 1000
	between := sampled / float64(n-1)
	if toStart >= between*1.1 {
		toStart = between / 2
	}
	if grew > 0 && c.value[first] >= 0 {
		toStart = math.Min(toStart, sampled*(c.value[first]/grew))
	}
	if toEnd >= between*1.1 {
		toEnd = between / 2
	}
	return grew * ((sampled + toStart + toEnd) / sampled), true
}
