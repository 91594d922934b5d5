package pool

import "math"

// transform turns values into those that a model sees, and forecasts back.
type transform struct {
	logs     bool
	shift    float64 // added before the logarithm is taken
	smallest float64 // what is below counts as this much
}

var identity = transform{}

// logsOf returns the logarithm for a series like the one given. Where it has zeros or less, a small share of its mean is
// added first.
func logsOf(s Series) transform {
	mean, least := 0.0, math.Inf(1)
	for _, y := range s.Values {
		mean, least = mean+math.Abs(y)/float64(len(s.Values)), min(least, y)
	}
	t := transform{logs: true, smallest: 1e-3 * mean}
	if least < 0.02*mean {
		t.shift = 0.02 * mean
	}
	if t.smallest <= 0 {
		t.smallest = 1e-9
	}
	return t
}

func (t transform) of(values []float64) []float64 {
	if !t.logs {
		return values
	}
	out := make([]float64, len(values))
	for i, y := range values {
		out[i] = math.Log(max(y+t.shift, t.smallest))
	}
	return out
}

func (t transform) back(x float64) float64 {
	if !t.logs {
		return x
	}
	return math.Exp(x) - t.shift
}
