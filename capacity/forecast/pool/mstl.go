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
		out[k] = setting.ahead(setting.smooth(rest, begin(rest), 0, len(rest.Values)), ahead)
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
	places := newKernel(span)
	sub := make([]float64, 0, n/length+1)
	for round := range inner {
		// Smooth the values at each place of the cycle over the cycles, one cycle further at both ends.
		for place := range length {
			sub = sub[:0]
			for i := place; i < n; i += length {
				sub = append(sub, y[i]-trend[i])
			}
			smooth := extendedLoess(sub, places)
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
		if round == inner-1 {
			break // the trend is only for the next round
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
	k := newKernel(span)
	previous := 0
	for i := 0; ; i += jump {
		i = min(i, n-1)
		out[i] = k.at(y, i)
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
func extendedLoess(y []float64, k kernel) []float64 {
	out := make([]float64, len(y)+2)
	for i := range out {
		out[i] = k.at(y, i-1)
	}
	return out
}

// kernel is the weights of a smoother whose window is whole, where a local line comes to a weighted mean.
type kernel struct {
	span    int // odd
	weights []float64
	edges   map[[2]int][]float64
}

func newKernel(span int) kernel {
	k := kernel{span: span, weights: make([]float64, span), edges: map[[2]int][]float64{}}
	half, sum := span/2, 0.0
	for i := range k.weights {
		k.weights[i] = tricube(float64(i-half), 1.001*float64(half))
		sum += k.weights[i]
	}
	for i := range k.weights {
		k.weights[i] /= sum
	}
	return k
}

func tricube(distance, reach float64) float64 {
	a := math.Abs(distance) / reach
	if a >= 1 {
		return 0
	}
	c := 1 - a*a*a
	return c * c * c
}

// at is the smoothed value at i, which may lie one place outside of y.
func (k kernel) at(y []float64, i int) float64 {
	half := k.span / 2
	if i < half || i+half >= len(y) {
		return k.edge(y, i)
	}
	sum := 0.0
	window := y[i-half : i-half+k.span]
	for j, w := range k.weights {
		sum += w * window[j]
	}
	return sum
}

// edge is the value at i of a line through the span values nearest to it. It is linear in them; the factors are kept, for
// every place of a cycle asks for the same ones.
func (k kernel) edge(y []float64, i int) float64 {
	n := len(y)
	from := min(max(i-k.span/2, 0), max(n-k.span, 0))
	window := y[from:min(from+k.span, n)]
	where := [2]int{i - from, len(window)}
	factors, known := k.edges[where]
	if !known {
		factors = k.line(i-from, len(window))
		k.edges[where] = factors
	}
	sum := 0.0
	for j, f := range factors {
		sum += f * window[j]
	}
	return sum
}

// line returns the factors of n values that give a local line's value at i among them.
func (k kernel) line(i, n int) []float64 {
	factors := make([]float64, n)
	reach := float64(max(i, n-1-i))
	if k.span > n {
		reach += float64(k.span-n) / 2
	}
	var sw, sx, sxx float64
	for j := range factors {
		d := float64(j - i)
		w := 1.0
		if reach > 0 {
			w = tricube(d, 1.001*reach)
		}
		factors[j] = w
		sw, sx, sxx = sw+w, sx+w*d, sxx+w*d*d
	}
	det := sw*sxx - sx*sx
	for j := range factors {
		if det > 1e-9*sw*sw {
			factors[j] *= (sxx - sx*float64(j-i)) / det
		} else {
			factors[j] /= sw
		}
	}
	return factors
}
