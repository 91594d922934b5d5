package forecast

import (
	"math"
	"slices"
	"time"
)

// model repeats the value one cycle back, plus a trend where drift is set. A lag of one is "the last value".
type model struct {
	lag   int // steps of a cycle
	drift bool
}

func (m model) method() string {
	switch {
	case m.lag == 1 && m.drift:
		return MethodDrift
	case m.lag == 1:
		return MethodNaive
	case m.drift:
		return MethodSeasonalDrift
	}
	return MethodSeasonal
}

func (m model) season(step time.Duration) time.Duration {
	if m.lag == 1 {
		return 0
	}
	return time.Duration(m.lag) * step
}

// fitted is a model that has seen the values up to an origin.
type fitted struct {
	model
	values  []float64 // up to and including the origin
	slope   float64   // a step
	damping float64   // factor a step
}

func (m model) fit(values []float64) fitted {
	f := fitted{model: m, values: values}
	if m.drift {
		f.slope = slope(values, m.lag)
		f.damping = math.Pow(0.5, 1/float64(len(values)))
	}
	return f
}

// at predicts the value h >= 1 steps after the origin: the newest one seen at the same place of an earlier cycle. Where
// no cycle has one, it is the last value. NaN where nothing was seen at all.
func (f fitted) at(h int) float64 {
	last := len(f.values) - 1
	cycles := (h + f.lag - 1) / f.lag
	for i := last + h - cycles*f.lag; i >= 0; i -= f.lag {
		if !math.IsNaN(f.values[i]) {
			return f.values[i] + f.growth(last+h-i, h)
		}
	}
	for i := last; i >= 0; i-- {
		if !math.IsNaN(f.values[i]) {
			return f.values[i] + f.growth(last+h-i, h)
		}
	}
	return math.NaN()
}

// growth is the trend over the steps between the value that is repeated and the one predicted. Of these the h after the
// origin are damped; those before it were watched.
func (f fitted) growth(steps, h int) float64 {
	if f.slope == 0 {
		return 0
	}
	damped := f.damping * (1 - math.Pow(f.damping, float64(h))) / (1 - f.damping)
	return f.slope * (float64(steps-h) + damped)
}

// slope returns the median growth a step between values that lie about half of the history apart, at the same place of
// the cycle. Unlike the growth from the first to the last value it shrugs off a few odd ones.
func slope(values []float64, lag int) float64 {
	n := len(values)
	apart := max(1, n/2/lag) * lag
	if apart >= n {
		return 0
	}
	const most = 1000 // differences; more change the median by nothing that matters
	growth := make([]float64, 0, most)
	for i := apart; i < n; i += 1 + (n-apart)/most {
		if d := values[i] - values[i-apart]; !math.IsNaN(d) {
			growth = append(growth, d/float64(apart))
		}
	}
	if len(growth) == 0 {
		return 0
	}
	slices.Sort(growth)
	middle := len(growth) / 2
	if len(growth)%2 == 1 {
		return growth[middle]
	}
	return growth[middle-1]/2 + growth[middle]/2
}

// cycles are the seasons that are tried. Arbitrary periods are not looked for: what is found by chance is worse than none.
var cycles = []time.Duration{time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}

// candidates returns the models that the history is long enough for, the simplest first.
func candidates(g grid) []model {
	lags := []int{1}
	for _, c := range cycles {
		lag := int(c / g.step)
		if c%g.step == 0 && lag >= 4 && len(g.values) >= 2*lag {
			lags = append(lags, lag)
		}
	}
	var out []model
	for _, drift := range []bool{false, true} {
		for _, lag := range lags {
			out = append(out, model{lag, drift})
		}
	}
	return out
}
