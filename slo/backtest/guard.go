package backtest

import (
	"math"
	"time"

	"github.com/nines-sre/nines/slo"
)

// defaultGuard is the probability below which errors are no longer taken for chance, where the SLO names none.
const defaultGuard = 3e-5

// tellingErrors is how many errors the fastest short window must be able to show at the tier's threshold before its
// silence means that the trouble is over.
const tellingErrors = 3

// judgeOf returns the tier's condition over its readings: the long window says that it matters, the short one that it
// still goes on, the guard that chance alone does not explain it, and for slower page tiers the fastest tier's short
// window that it goes on right now, wherever there is enough traffic to tell.
func judgeOf(s slo.SLO, t slo.Tier) func(short, long, reset slo.Counts) bool {
	budget := s.Objective.Budget()
	limit := t.Threshold(budget)
	guard := s.Alerting.Guard
	if guard <= 0 {
		guard = defaultGuard
	}
	resets := t.Severity == severityPage && t.Short > tiersOf(s)[0].Short
	return func(short, long, reset slo.Counts) bool {
		if !exceeds(short, limit) || !exceeds(long, limit) {
			return false
		}
		if resets && reset.Total*limit >= tellingErrors && !exceeds(reset, limit) {
			return false
		}
		return guard >= 1 || atLeast(long.Errors(), long.Total*budget) < guard
	}
}

// exceeds reports whether the error ratio is above the limit; without traffic it is not.
func exceeds(c slo.Counts, limit float64) bool { return c.Total > 0 && c.Errors()/c.Total > limit }

// atLeast returns the probability of at least n events where mu are expected: the upper tail of the Poisson
// distribution, which is the regularized lower incomplete gamma function P(n, mu), also for shares of events. Its series
// is x^a e^-x / Gamma(a+1) x sum of x^k / ((a+1)...(a+k)) (DLMF 8.7.1); it is used where n > mu, which is where terms
// shrink. Elsewhere the answer is "about a half or more", and 1 is returned.
func atLeast(n, mu float64) float64 {
	switch {
	case n <= mu:
		return 1
	case mu <= 0:
		return 0
	}
	gamma, _ := math.Lgamma(n + 1)
	term, sum := 1.0, 1.0
	for k := 1.0; term > sum*1e-12 && k < 1e5; k++ {
		term *= mu / (n + k)
		sum += term
	}
	return math.Exp(n*math.Log(mu)-mu-gamma) * sum
}

// perMonth scales a number of events in a span to thirty days.
func perMonth(n int, span time.Duration) float64 {
	if span <= 0 {
		return 0
	}
	return float64(n) * float64(slo.DefaultRolling) / float64(span)
}
