package pool

import "math"

// mstl takes several seasons and a trend apart (Bandara, Hyndman and Bergmeir 2021, each season by the STL of Cleveland et
// al. 1990 without its robust iterations), forecasts what is left by a damped trend and repeats each season's last cycle.
type mstl struct{ seasons []int }

// Settings, those of the published method.
const (
	rounds     = 2  // over all seasons
	inner      = 2  // of STL for each
	firstSpan  = 11 // cycles that smooth the shortest season
	moreSpan   = 4  // and more for each longer one
	mostCycles = 8  // of the longest season; older values change nothing that matters
)

func (mstl) name() string { return "MSTL with damped trend" }

func (m mstl) paths(s Series, origins []int, ahead int) [][]float64 {
	longest := m.seasons[len(m.seasons)-1]
	if origins[0] < 2*longest {
		return nil
	}
	out := make([][]float64, len(origins))
	var setting smoothing
	for k, origin := range origins {
		now := s.until(origin)
		if most := mostCycles * longest; origin > most {
			now.Values = now.Values[origin-most:]
			if now.Masked != nil {
				now.Masked = now.Masked[origin-most:]
			}
		}
		rest, seasonal := m.decompose(now)
		if k == 0 {
			setting = best(rest)
		}
		setting.smooth(rest, begin(rest), func(i int, st state) {
			if i == len(rest.Values) {
				out[k] = setting.ahead(st, ahead)
			}
		})
		for j, length := range m.seasons {
			last := seasonal[j][len(seasonal[j])-length:]
			for h := range out[k] {
				out[k][h] += last[h%length]
			}
		}
	}
	return out
}

// decompose returns the values without their seasons, and the seasons.
func (m mstl) decompose(s Series) (rest Series, seasonal [][]float64) {
	n := len(s.Values)
	rest = Series{Values: append([]float64(nil), s.Values...), Masked: s.Masked}
	seasonal = make([][]float64, len(m.seasons))
	for round := range rounds {
		for j, length := range m.seasons {
			if round > 0 {
				for i := range n {
					rest.Values[i] += seasonal[j][i]
				}
			}
			seasonal[j] = stl(rest.Values, length, firstSpan+moreSpan*j)
			for i := range n {
				rest.Values[i] -= seasonal[j][i]
			}
		}
		if len(m.seasons) == 1 {
			break
		}
	}
	return rest, seasonal
}

// stl returns the seasonal part of a series.
func stl(y []float64, length, span int) []float64 {
	n := len(y)
	seasonal, trend := make([]float64, n), make([]float64, n)
	work := make([]float64, n+2*length)
	trendSpan := odd(1.5 * float64(length) / (1 - 1.5/float64(span)))
	lowSpan := odd(float64(length))
	for range inner {
		// Smooth the values at each place of the cycle over the cycles, one cycle further at both ends.
		for place := range length {
			sub := make([]float64, 0, n/length+1)
			for i := place; i < n; i += length {
				sub = append(sub, y[i]-trend[i])
			}
			smooth := extendedLoess(sub, span)
			for c, v := range smooth {
				work[place+c*length] = v
			}
		}
		m := n + 2*length
		low := movingAverage(movingAverage(movingAverage(work[:m], length), length), 3)
		low = loess(low, lowSpan, max(1, lowSpan/10))
		for i := range n {
			seasonal[i] = work[length+i] - low[i]
		}
		rest := make([]float64, n)
		for i := range n {
			rest[i] = y[i] - seasonal[i]
		}
		trend = loess(rest, trendSpan, max(1, trendSpan/10))
	}
	return seasonal
}

func odd(x float64) int {
	n := int(math.Ceil(x))
	return n + 1 - n%2
}

// movingAverage has len(x)-w+1 values.
func movingAverage(x []float64, w int) []float64 {
	out := make([]float64, len(x)-w+1)
	sum := 0.0
	for i, v := range x {
		sum += v
		if i >= w {
			sum -= x[i-w]
		}
		if i >= w-1 {
			out[i-w+1] = sum / float64(w)
		}
	}
	return out
}

// loess smooths evenly spaced values by local lines with tricube weights; only every jump-th is computed and those between
// are interpolated.
func loess(y []float64, span, jump int) []float64 {
	n := len(y)
	out := make([]float64, n)
	previous := 0
	for i := 0; ; i += jump {
		i = min(i, n-1)
		out[i] = loessAt(y, float64(i), span)
		for j := previous + 1; j < i; j++ {
			share := float64(j-previous) / float64(i-previous)
			out[j] = out[previous] + share*(out[i]-out[previous])
		}
		if previous = i; i == n-1 {
			return out
		}
	}
}

// extendedLoess smooths the values and one place before and after them.
func extendedLoess(y []float64, span int) []float64 {
	out := make([]float64, len(y)+2)
	for i := range out {
		out[i] = loessAt(y, float64(i-1), span)
	}
	return out
}

// loessAt fits a line to the span values nearest to x and returns its value there.
func loessAt(y []float64, x float64, span int) float64 {
	n := len(y)
	from := min(max(int(x)-span/2, 0), max(n-span, 0))
	to := min(from+span, n)
	reach := max(x-float64(from), float64(to-1)-x)
	if span > n {
		reach += float64(span-n) / 2
	}
	if reach <= 0 {
		return y[from]
	}
	reach *= 1.001
	var sw, sx, sy, sxx, sxy float64
	for i := from; i < to; i++ {
		d := float64(i) - x
		a := math.Abs(d) / reach
		if a >= 1 {
			continue
		}
		c := 1 - a*a*a
		w := c * c * c
		sw, sx, sy, sxx, sxy = sw+w, sx+w*d, sy+w*y[i], sxx+w*d*d, sxy+w*d*y[i]
	}
	if sw == 0 {
		return y[from]
	}
	if det := sw*sxx - sx*sx; det > 1e-9*sw*sw {
		return (sxx*sy - sx*sxy) / det
	}
	return sy / sw
}
