package pool

import "math"

// Seasons returns those of the candidate cycles (in steps, the shortest first) that a series shows: at least two of them
// were seen, and values a cycle apart are more alike than chance explains, after the trend and shorter cycles are taken
// out. The bound is that of Bartlett's formula for a moving average, as the M4 competition tested seasons, but for a
// chance of one in a hundred.
func Seasons(s Series, candidates []int) []int {
	rest := detrended(s)
	var found []int
	for _, m := range candidates {
		if m < 2 || len(s.Values) < 2*m {
			continue
		}
		if shows(rest, m, found) {
			found = append(found, m)
			rest, _ = deseasoned(rest, m)
		}
	}
	return found
}

// shows reports whether the values, or their changes from one to the next, are alike a cycle apart. Changes tell a season
// from a slow wander, values one from much noise.
func shows(s Series, m int, shorter []int) bool {
	return alike(s, m, shorter) && strength(s, m) > leastStrength || alike(changes(s), m, shorter)
}

func alike(s Series, m int, shorter []int) bool {
	c := newCorrelation(s)
	r, chance := c.at(m), 2.326/math.Sqrt(max(c.seen, 1))
	if len(shorter) > 0 && m%shorter[0] == 0 && m/shorter[0] >= 5 {
		// Every whole number of shorter cycles is somewhat alike: a longer one must stand out among them.
		others, n := 0.0, 0.0
		for i := 2 * shorter[0]; i <= m-2*shorter[0]; i += shorter[0] {
			others, n = others+c.at(i), n+1
		}
		return r > chance+max(others/n, 0)
	}
	return r > chance*math.Sqrt(1+2*c.squares(m))
}

func changes(s Series) Series {
	out := Series{Values: make([]float64, len(s.Values)-1), Masked: make([]bool, len(s.Values)-1)}
	for i := range out.Values {
		out.Values[i], out.Masked[i] = s.Values[i+1]-s.Values[i], s.masked(i) || s.masked(i+1)
	}
	return out
}

// leastStrength is the share of the variance that a cycle's mean course must explain.
const leastStrength = 0.03

// detrended takes out the least-squares line and what is masked.
func detrended(s Series) Series {
	out := Series{Values: make([]float64, len(s.Values)), Masked: s.Masked}
	slope, middle, n := line(s), 0.0, 0.0
	for i, y := range s.Values {
		out.Values[i] = y - slope*float64(i)
		if !s.masked(i) {
			middle, n = middle+out.Values[i], n+1
		}
	}
	for i := range out.Values {
		out.Values[i] -= middle / max(n, 1)
	}
	return out
}

// correlation is of a series with itself. Pairs with a masked value do not count.
type correlation struct {
	Series
	variance, seen float64
}

func newCorrelation(s Series) correlation {
	c := correlation{Series: s}
	for i, y := range s.Values {
		if !s.masked(i) {
			c.variance, c.seen = c.variance+y*y, c.seen+1
		}
	}
	c.variance /= max(c.seen, 1)
	return c
}

// at returns the correlation of values so many steps apart; 0 where nothing varies.
func (c correlation) at(lag int) float64 {
	sum, pairs := 0.0, 0.0
	for i := lag; i < len(c.Values); i++ {
		if !c.masked(i) && !c.masked(i-lag) {
			sum, pairs = sum+c.Values[i]*c.Values[i-lag], pairs+1
		}
	}
	if c.variance <= 0 || pairs == 0 {
		return 0
	}
	return sum / pairs / c.variance
}

// squares sums those of the correlations less than m steps apart; of neighbouring ones, one speaks for all.
func (c correlation) squares(m int) float64 {
	sum, every := 0.0, 1+m/200
	for lag := every; lag < m; lag += every {
		sum += float64(every) * math.Pow(c.at(lag), 2)
	}
	return sum
}

// strength is the share of the variance that the mean course of a cycle explains, less what it would of noise.
func strength(s Series, m int) float64 {
	rest, _ := deseasoned(s, m)
	before, after, n := 0.0, 0.0, 0.0
	for i, y := range s.Values {
		if !s.masked(i) {
			before, after, n = before+y*y, after+rest.Values[i]*rest.Values[i], n+1
		}
	}
	if n <= float64(m) || before <= 0 {
		return 0
	}
	return 1 - (after/(n-float64(m)))/(before/n)
}
