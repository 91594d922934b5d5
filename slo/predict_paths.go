package slo

import (
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// paths is how many futures are simulated; a probability is good to about two points in a hundred.
	paths = 600
	// enoughGone is how many futures must lose the budget before their times are told.
	enoughGone = paths / 40
)

// seeded returns randomness that is the budget's own: two predictions of one budget, five minutes apart, differ by what
// happened and not by chance.
func seeded(s SLO, labels map[string]string) *rand.Rand {
	h := fnv.New64a()
	write := func(text string) { _, _ = h.Write(append([]byte(text), 0)) }
	write(s.ID)
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		write(name)
		write(labels[name])
	}
	return rand.New(rand.NewPCG(h.Sum64(), 0x6e696e6573)) // #nosec G404: a simulation, and meant to repeat itself
}

// futures simulates what may happen to a budget. Time is counted in hours from the end of its past; step i ends at i.
type futures struct {
	past   *past
	burns  burns
	budget float64 // share of events that may fail
	rng    *rand.Rand

	steps    int
	calendar bool      // the budget is that of the whole period
	inWindow []amount  // at each step, what of the past still is in the window
	expected []float64 // traffic at each step
	source   source

	fanSteps []int
	fan      [][]float64 // by fan step and path: share left
	gone     []float64   // by path: hours until the budget is gone; +Inf for never
}

// frame prepares the simulation of one window.
func (f *futures) frame(w Window, from, until time.Time) {
	h := f.past
	horizon := until.Sub(h.end).Hours()
	f.calendar = w.Calendar != ""
	if !f.calendar {
		horizon = math.Max(1, math.Round(until.Sub(from).Hours()/2)) // from the window's begin to one window ahead is two
	}
	f.steps = max(1, int(math.Ceil(horizon-1e-9)))
	f.inWindow = f.past.rollingOut(f.steps, until.Sub(from)/2)
	if f.calendar {
		f.inWindow = slices.Repeat([]amount{h.since(from)}, f.steps+1)
	}
	usual := h.rhythm()
	f.expected = make([]float64, f.steps)
	for i := range f.expected {
		f.expected[i] = usual.at(len(h.hours) + i)
	}
	f.expected[f.steps-1] *= math.Min(1, math.Max(0, horizon-float64(f.steps-1))) // the last step may be a part of an hour
	f.source = sourceOf(h, usual, f.burns)
	f.fanSteps = fanStepsOf(f.steps)
}

// fanStepsOf spreads the points of a fan evenly over the steps, the present and the last among them.
func fanStepsOf(steps int) []int {
	n := min(fanPoints-1, steps)
	out := make([]int, 0, n+1)
	for i := range n + 1 {
		out = append(out, i*steps/n)
	}
	return out
}

// run simulates all futures.
func (f *futures) run() {
	f.fan = make([][]float64, len(f.fanSteps))
	for i := range f.fan {
		f.fan[i] = make([]float64, paths)
	}
	f.gone = make([]float64, paths)
	sums := make([]amount, f.steps+1) // up to each step
	for p := range paths {
		f.path(sums)
		f.gone[p] = f.goneAt(sums)
		for i, step := range f.fanSteps {
			f.fan[i][p] = f.left(step, sums)
		}
	}
}

// path puts one future together and writes its sums.
func (f *futures) path(sums []amount) {
	burning, ratio := f.burning()
	cut := f.source.cut(f.rng)
	sizes := f.source.sizes.doubt(f.rng)
	for i := 0; i < f.steps; {
		stretch := f.source.stretch(f.rng, &cut, i)
		burn, grown := 0, 1.0
		for k := range min(len(stretch), f.steps-i) {
			m := &stretch[k]
			if m.burn != burn && m.burn > 0 {
				grown = sizes.another(f.rng, m.burn-1)
			}
			burn = m.burn
			t := m.total * f.expected[i]
			e := math.Min(m.errors+grown*m.excess, m.total) * f.expected[i]
			if burning > 0 {
				share := math.Min(1, burning)
				e = share*math.Max(ratio*t, e) + (1-share)*e
				burning--
			}
			sums[i+1].errors, sums[i+1].total = sums[i].errors+e, sums[i].total+t
			i++
		}
	}
}

// burning draws how long the burn under way goes on, in hours, and says at which ratio: as long as one of those burns
// that took longer than it has so far, or by the age of what lasts (it goes on for about as long as it has been), with
// one bucket at least.
func (f *futures) burning() (hours, ratio float64) {
	b := f.burns.now
	if b == nil {
		return 0, 0
	}
	var longer []float64
	for _, ended := range f.burns.ended {
		if ended.lasted > b.since {
			longer = append(longer, ended.lasted-b.since)
		}
	}
	floor := f.past.width.Hours()
	if pick := f.rng.IntN(len(longer) + 1); pick < len(longer) {
		return math.Max(floor, longer[pick]), b.ratio
	}
	return math.Max(floor, b.since*f.rng.ExpFloat64()), b.ratio
}

// left is the share of the budget left at a step. A rolling window has rolled on; a calendar one is judged by the
// traffic of its whole period.
func (f *futures) left(step int, sums []amount) float64 {
	e, t := f.inWindow[step].errors+sums[step].errors, f.inWindow[step].total+sums[step].total
	if f.calendar {
		t = f.inWindow[step].total + sums[f.steps].total
	}
	if t <= 0 {
		return 1
	}
	return 1 - e/(f.budget*t)
}

// goneAt is when the budget is gone for the first time, in hours; +Inf for never.
func (f *futures) goneAt(sums []amount) float64 {
	before := f.left(0, sums)
	if before <= 0 {
		return 0
	}
	for step := 1; step <= f.steps; step++ {
		now := f.left(step, sums)
		if now <= 0 {
			return float64(step-1) + before/(before-now)
		}
		before = now
	}
	return math.Inf(1)
}

// timesOf returns the quantiles of hours ahead as times, none before now. hours is sorted in passing.
func (f *futures) timesOf(hours []float64, now time.Time) TimeQuantiles {
	slices.Sort(hours)
	at := func(q float64) time.Time {
		x := sortedQuantile(hours, q)
		if math.IsInf(x, 1) {
			return time.Time{}
		}
		return later(now, f.past.end.Add(time.Duration(x*float64(time.Hour)))).UTC().Truncate(time.Second)
	}
	return TimeQuantiles{at(0.1), at(0.5), at(0.9)}
}

// sharesOf returns the quantiles of values, which are sorted in passing.
func sharesOf(values []float64) ShareQuantiles {
	slices.Sort(values)
	return ShareQuantiles{sortedQuantile(values, 0.1), sortedQuantile(values, 0.5), sortedQuantile(values, 0.9)}
}

// quantile returns the q-quantile of values in any order; 0 of none.
func quantile(values []float64, q float64) float64 {
	values = slices.Clone(values)
	slices.Sort(values)
	return sortedQuantile(values, q)
}

// sortedQuantile returns the smallest value that at least the share q of all do not exceed.
func sortedQuantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	i := int(math.Ceil(q*float64(len(sorted))-1e-9)) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}
