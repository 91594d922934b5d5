package pool

import (
	"math"
	"slices"
)

// spread says how far from the forecast the values may come: errors of earlier forecasts, each divided by what is usual so
// many steps ahead (split conformal prediction with scaled residuals).
type spread struct {
	mean   []float64
	scale  []float64 // usual absolute error h+1 steps ahead
	errors []float64 // absolute and scaled, ascending
	floor  float64
	cap    float64
}

// neighbours is the share of the horizon to either side over which the usual error is averaged.

func newSpread(mean []float64, residuals [][]float64, f folds) spread {
	s := spread{mean: mean, scale: usual(residuals, len(mean)), floor: f.floor, cap: f.cap}
	// How large errors are is itself known from so many folds only: the next one is one more.
	unsure := math.Sqrt(1 + 1/float64(len(residuals)))
	for _, path := range residuals {
		for h, r := range path {
			switch {
			case math.IsNaN(r):
			case s.scale[h] > 0:
				s.errors = append(s.errors, math.Abs(r)/s.scale[h])
			default:
				s.errors = append(s.errors, 0)
			}
		}
	}
	slices.Sort(s.errors)
	for h := range s.scale {
		s.scale[h] *= unsure
	}
	return s
}

// neighbours is the share of the horizon to either side over which the usual error is averaged.
const neighbours = 0.125

// usual is the mean absolute error at each step, averaged over its neighbours; it never falls below nine tenths of what
// it was nearer by, for who sees less far ahead cannot be surer.
func usual(residuals [][]float64, ahead int) []float64 {
	sums, counts := make([]float64, ahead+1), make([]float64, ahead+1)
	for h := range ahead {
		sums[h+1], counts[h+1] = sums[h], counts[h]
		for _, path := range residuals {
			if !math.IsNaN(path[h]) {
				sums[h+1] += math.Abs(path[h])
				counts[h+1]++
			}
		}
	}
	reach := int(neighbours * float64(ahead))
	out := make([]float64, ahead)
	most := 0.0
	for h := range out {
		width := min(reach, max(h, 1))
		from, to := max(0, h-width), min(ahead, h+width+1)
		if n := counts[to] - counts[from]; n > 0 {
			out[h] = (sums[to] - sums[from]) / n
		} else if h > 0 {
			out[h] = out[h-1]
		}
		out[h] = max(out[h], 0.9*most)
		most = max(most, out[h])
	}
	return out
}

// Interval returns the bounds that hold the value step h (from 0) ahead with the given probability in (0, 1).
func (s spread) Interval(h int, level float64) (lower, upper float64) {
	return min(s.Quantile(h, (1-level)/2), s.mean[h]), max(s.Quantile(h, (1+level)/2), s.mean[h])
}

// Quantile returns the value that the one at step h (from 0) ahead stays at or below with probability p in (0, 1).
func (s spread) Quantile(h int, p float64) float64 {
	off := s.scale[h] * s.within(math.Abs(2*p-1))
	if p < 0.5 {
		off = -off
	}
	return min(max(s.mean[h]+off, s.floor), s.cap)
}

// within returns the scaled error that the next one stays within with the given probability. As conformal prediction asks,
// the next error counts as one more than those seen; beyond what so many can tell, the tail is taken to fall off
// exponentially.
func (s spread) within(p float64) float64 {
	n := len(s.errors)
	if n == 0 {
		return 0
	}
	if i := int(math.Ceil(p*float64(n+1))) - 1; i < n {
		return s.errors[max(i, 0)]
	}
	return s.errors[n-1] * max(1, math.Log(1/(1-p))/math.Log(float64(n+1)))
}

// Above returns the probability that the value at step h (from 0) ahead is x or more.
func (s spread) Above(h int, x float64) float64 {
	if len(s.errors) == 0 || s.scale[h] == 0 {
		if s.mean[h] >= x {
			return 1
		}
		return 0
	}
	if x > s.cap {
		return 0
	}
	if x <= s.floor {
		return 1
	}
	i, _ := slices.BinarySearch(s.errors, math.Abs(x-s.mean[h])/s.scale[h])
	beyond := (float64(len(s.errors)-i) + 0.5) / float64(len(s.errors)+1) / 2
	if x <= s.mean[h] {
		return 1 - beyond
	}
	return beyond
}
