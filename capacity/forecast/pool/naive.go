package pool

import (
	"fmt"
	"math"
)

// naive repeats the values one cycle back; a lag of 1 is the last value.
type naive struct{ lag int }

func (m naive) name() string {
	if m.lag == 1 {
		return "naive"
	}
	return fmt.Sprintf("seasonal naive of %d", m.lag)
}

func (m naive) paths(s Series, origins []int, ahead int) [][]float64 {
	if m.lag > origins[0] {
		return nil
	}
	out := make([][]float64, len(origins))
	for k, origin := range origins {
		out[k] = make([]float64, ahead)
		for h := range ahead {
			out[k][h] = s.Values[origin-m.lag+h%m.lag]
		}
	}
	return out
}

// drift adds to naive the median growth a step between values half of the history apart at the same place of the cycle,
// damped so that half of it is left after as long again as it was watched. The median shrugs off a few odd values.
type drift struct{ lag int }

func (m drift) name() string {
	if m.lag == 1 {
		return "drift"
	}
	return fmt.Sprintf("seasonal naive of %d with drift", m.lag)
}

func (m drift) paths(s Series, origins []int, ahead int) [][]float64 {
	out := naive{m.lag}.paths(s, origins, ahead)
	for k, path := range out {
		n := origins[k]
		slope := medianSlope(s.until(n), m.lag)
		damping := math.Pow(0.5, 1/float64(n))
		for h := range path {
			repeated := m.lag - h%m.lag - 1 // steps between the repeated value and the newest
			damped := damping * (1 - math.Pow(damping, float64(h+1))) / (1 - damping)
			path[h] += slope * (float64(repeated) + damped)
		}
	}
	return out
}

// medianSlope returns the median growth a step between seen values about half of the history apart, a whole number of
// cycles.
func medianSlope(s Series, lag int) float64 {
	n := len(s.Values)
	apart := max(1, n/2/lag) * lag
	if apart >= n {
		return 0
	}
	const most = 1000 // differences; more change the median by nothing that matters
	growth := make([]float64, 0, most+1)
	for i := apart; i < n; i += 1 + (n-apart)/most {
		if !s.masked(i) && !s.masked(i-apart) {
			growth = append(growth, (s.Values[i]-s.Values[i-apart])/float64(apart))
		}
	}
	return median(growth)
}
