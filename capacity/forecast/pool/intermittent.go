package pool

// sparse is the share of zeros from which a series counts as intermittent: mostly nothing, now and then something.
const sparse = 0.5

// intermittent reports whether a series is mostly zeros.
func intermittent(s Series) bool {
	zeros, seen := 0, 0
	for i, y := range s.Values {
		if s.masked(i) {
			continue
		}
		seen++
		if y == 0 {
			zeros++
		}
	}
	return float64(zeros) > sparse*float64(seen)
}

// tsb is the method of Teunter, Syntetos and Babai (2011) for intermittent demand: the chance of any demand and its size
// are smoothed apart, the chance at every step, so that it sinks while nothing comes.
type tsb struct{ chance, size float64 } // smoothing factors, 0..1

func (m tsb) name() string { return "TSB" }

func (m tsb) paths(s Series, origins []int, ahead int) [][]float64 {
	out := make([][]float64, len(origins))
	p, z, begun := 0.0, 0.0, false
	k := 0
	for i := 0; k < len(origins); i++ {
		for k < len(origins) && origins[k] == i {
			out[k] = constant(p*z, ahead)
			k++
		}
		if i >= len(s.Values) || s.masked(i) {
			continue
		}
		switch y := s.Values[i]; {
		case y == 0:
			p *= 1 - m.chance
		case !begun:
			begun, z, p = true, y, 1/float64(i+1)
		default:
			p += m.chance * (1 - p)
			z += m.size * (y - z)
		}
	}
	return out
}

// average is the mean of all that was seen.
type average struct{}

func (average) name() string { return "mean" }

func (average) paths(s Series, origins []int, ahead int) [][]float64 {
	out := make([][]float64, len(origins))
	for k, origin := range origins {
		sum, n := 0.0, 0
		for i := range origin {
			if !s.masked(i) {
				sum, n = sum+s.Values[i], n+1
			}
		}
		out[k] = constant(sum/float64(max(n, 1)), ahead)
	}
	return out
}

func constant(x float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = x
	}
	return out
}
