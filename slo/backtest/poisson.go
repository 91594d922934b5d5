package backtest

import (
	"math"
	"time"

	"github.com/nines-sre/nines/slo"
)

// poissonUpper returns the mean that n events do not exclude, one-sided at 95 %: half the chi-squared quantile of 2(n+1)
// degrees of freedom, by Wilson and Hilferty's approximation (2.97 for none, where the exact figure is 3.00).
func poissonUpper(n int) float64 {
	m := float64(n + 1)
	return m * math.Pow(1-1/(9*m)+1.645/(3*math.Sqrt(m)), 3)
}

// perMonth scales a number of events in a span to thirty days.
func perMonth(n int, span time.Duration) float64 {
	if span <= 0 {
		return 0
	}
	return float64(n) * float64(slo.DefaultRolling) / float64(span)
}
