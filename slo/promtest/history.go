package promtest

import (
	"math"
	"time"

	"github.com/nines-sre/nines/slo"
)

// What a phase's share of outage may be beside 0 to 1.
const (
	idle = -1 // nothing happens
	gone = -2 // neither targets nor series are there
)

// phase is so many intervals in which such a share of what happens is the outage.
type phase struct {
	steps int
	share float64
}

// shareAt returns the share in the interval that ends at the step; before the first it is as in the first.
func shareAt(phases []phase, step int) float64 {
	for _, p := range phases {
		if step <= p.steps {
			return p.share
		}
		step -= p.steps
	}
	return phases[len(phases)-1].share
}

func stepsIn(phases []phase) (n int) {
	for _, p := range phases {
		n += p.steps
	}
	return n
}

// increment is what one interval counts where such a share of it is the outage.
func (w world) increment(share float64, judge slo.Slices) slo.Counts {
	c := slo.Counts{Good: mix(w.wellIn.Good, w.outIn.Good, share), Total: mix(w.wellIn.Total, w.outIn.Total, share)}
	if !w.judged && judge == (slo.Slices{}) {
		return c
	}
	good := c.Good / c.Total
	if judge.Target > 0 {
		bad := 0.0
		if 1-good > (100-judge.Target)/100+1e-12 {
			bad = 1
		}
		good = 1 - bad
	}
	return slo.Counts{Good: good, Total: 1}
}

func mix(a, b, share float64) float64 { return a*(1-share) + b*share }

// history is what the rules have recorded by each evaluation, as running sums.
type history struct {
	interval time.Duration
	sums     []slo.Reading // of the evaluations before the index; Seen is not used
	seen     []int
}

func (w world) history(s slo.SLO, phases []phase, steps int) history {
	h := history{interval: s.Interval, sums: make([]slo.Reading, steps+2), seen: make([]int, steps+2)}
	first := 0
	if w.counters {
		first = 1 // a counter's first sample is where counting begins
	}
	for k := 0; k <= steps; k++ {
		h.sums[k+1], h.seen[k+1] = h.sums[k], h.seen[k]
		if k-w.lag >= first {
			c := w.increment(shareAt(phases, k-w.lag-w.smear), s.Slices)
			h.sums[k+1].Counts, h.seen[k+1] = h.sums[k].Counts.Add(c), h.seen[k]+1
		}
	}
	return h
}

// over returns what a window that ends at the step holds. Before Prometheus 3 a range holds both of its ends.
func (h history) over(window time.Duration, step int, closed bool) slo.Reading {
	from := step - int(window/h.interval) + 1
	if closed && window%h.interval == 0 {
		from--
	}
	from = max(0, from)
	a, b := h.sums[from].Counts, h.sums[step+1].Counts
	return slo.Reading{Counts: slo.Counts{Good: b.Good - a.Good, Total: b.Total - a.Total}, Seen: h.seen[step+1] > h.seen[from]}
}

func (h history) fires(c slo.Condition, step int, closed bool) bool {
	var between slo.Reading
	if c.Between > 0 {
		between = h.over(c.Between, step, closed)
	}
	return c.Fires(h.over(c.Short, step, closed), h.over(c.Long, step, closed), h.over(c.Recent, step, closed), between)
}

// firstFire returns the first step after from at which the condition holds whichever way ranges end.
func (h history) firstFire(c slo.Condition, from int) (step int, ok bool) {
	for k := from; k < len(h.seen)-1; k++ {
		if h.fires(c, k, true) && h.fires(c, k, false) {
			return k, true
		}
	}
	return 0, false
}

// earliest returns the first step from on at which the condition holds in either way.
func (h history) earliest(c slo.Condition, from int) int {
	k := from
	for k < len(h.seen)-2 && !h.fires(c, k, true) && !h.fires(c, k, false) {
		k++
	}
	return k
}

// lastFire returns the last step at which any of the conditions holds in either way.
func (h history) lastFire(cs []slo.Condition) int {
	for k := len(h.seen) - 2; k >= 0; k-- {
		for _, c := range cs {
			if h.fires(c, k, true) || h.fires(c, k, false) {
				return k
			}
		}
	}
	return 0
}

// values are what the i-th series shows at each step; NaN where it is not there.
func (w world) values(i int, phases []phase) []float64 {
	out, at := []float64{}, 1e6 // a counter near zero would be extrapolated to it
	for k := 0; k <= stepsIn(phases); k++ {
		share := shareAt(phases, k)
		switch {
		case share == gone:
			out = append(out, math.NaN())
		case !w.counters && share == idle:
			out = append(out, math.NaN())
		case !w.counters:
			out = append(out, mix(w.well[i], w.out[i], share))
		default:
			if k > 0 && share != idle {
				at += mix(w.well[i], w.out[i], share)
			}
			out = append(out, at)
		}
	}
	return out
}

func up(phases []phase) []float64 {
	out := []float64{}
	for k := 0; k <= stepsIn(phases); k++ {
		if shareAt(phases, k) == gone {
			out = append(out, 0)
		} else {
			out = append(out, 1)
		}
	}
	return out
}
