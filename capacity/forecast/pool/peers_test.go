package pool

import "math"

// The competition's own methods, by its rules.

// naive2 is the last value, seasonally adjusted by classical multiplicative decomposition where a season is tested for.
func naive2(y []float64, ahead int) []float64 {
	rest, course := adjusted(y, 24)
	path := constant(rest[len(rest)-1], ahead)
	for h := range path {
		path[h] *= course[(len(y)+h)%24]
	}
	return path
}

// theta2 is the classical Theta method: the mean of the line through all and of simple exponential smoothing of twice the
// distance from it, of the seasonally adjusted series.
func theta2(y []float64, ahead int) []float64 {
	rest, course := adjusted(y, 24)
	n := len(rest)
	slope := line(Series{Values: rest})
	middle := 0.0
	for _, v := range rest {
		middle += v / float64(n)
	}
	at := func(i int) float64 { return middle + slope*(float64(i)-float64(n-1)/2) }
	doubled := make([]float64, n)
	for i, v := range rest {
		doubled[i] = 2*v - at(i)
	}
	level := ses(doubled)
	path := make([]float64, ahead)
	for h := range path {
		path[h] = max(0, (level+at(n+h))/2*course[(n+h)%24])
	}
	return path
}

// ses is the final level of simple exponential smoothing whose factor and first level have the least squared error.
func ses(y []float64) float64 {
	last := 0.0
	// For a given factor the errors are linear in the first level, so that it is solved for.
	loss := func(alpha float64) float64 {
		var a, b, ab, bb, aa float64
		a, b = 0, 1 // level = a + b·first
		for _, v := range y {
			ea, eb := v-a, -b
			aa, ab, bb = aa+ea*ea, ab+ea*eb, bb+eb*eb
			a, b = a+alpha*ea, b+alpha*eb
		}
		first := -ab / bb
		last = a + b*first
		return aa + 2*ab*first + bb*first*first
	}
	low, high := 1e-4, 0.9999
	best, at := math.Inf(1), low
	for i := range 200 {
		alpha := low + (high-low)*float64(i)/199
		if l := loss(alpha); l < best {
			best, at = l, alpha
		}
	}
	width := (high - low) / 199
	for range 60 {
		width *= 0.7
		for _, alpha := range []float64{max(low, at-width), min(high, at+width)} {
			if l := loss(alpha); l < best {
				best, at = l, alpha
			}
		}
	}
	loss(at)
	return last
}

// adjusted divides by the seasonal figure of classical decomposition, where the test of autocorrelation at the season says
// that there is one; course[i%m] belongs to y[i].
func adjusted(y []float64, m int) (rest, course []float64) {
	course = constant(1, m)
	if !seasonal(y, m) {
		return y, course
	}
	n := len(y)
	sums, counts := make([]float64, m), make([]float64, m)
	for i := m / 2; i < n-m/2; i++ {
		trend := (y[i-m/2] + y[i+m/2]) / 2
		for j := i - m/2 + 1; j < i+m/2; j++ {
			trend += y[j]
		}
		sums[i%m] += y[i] / (trend / float64(m))
		counts[i%m]++
	}
	mean := 0.0
	for i := range sums {
		sums[i] /= counts[i]
		mean += sums[i] / float64(m)
	}
	rest = make([]float64, n)
	for i := range course {
		course[i] = sums[i] / mean
	}
	for i, v := range y {
		rest[i] = v / course[i%m]
	}
	return rest, course
}

func seasonal(y []float64, m int) bool {
	n := len(y)
	if n < 3*m {
		return false
	}
	mean, variance := 0.0, 0.0
	for _, v := range y {
		mean += v / float64(n)
	}
	for _, v := range y {
		variance += (v - mean) * (v - mean)
	}
	at := func(lag int) float64 {
		sum := 0.0
		for i := lag; i < n; i++ {
			sum += (y[i] - mean) * (y[i-lag] - mean)
		}
		return sum / variance
	}
	squares := 0.0
	for lag := 1; lag < m; lag++ {
		squares += at(lag) * at(lag)
	}
	// The competition's code counts the squares up to and including the tested lag.
	squares += at(m) * at(m)
	return math.Abs(at(m)) > 1.645/math.Sqrt(float64(n))*math.Sqrt(1+2*squares)
}
