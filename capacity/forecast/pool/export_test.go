package pool

import "testing"

// What the measurement of the whole way, from points to a forecast, shares with that of the pool alone.

type Score = score

func (s *Score) Add(m M4, path []float64, interval func(h int) (lower, upper float64)) {
	s.add(m, path, interval)
}
func (s Score) Means() Score { return s.means() }
func (s Score) OWA() float64 { return s.owa() }

type M4 = m4

func M4Hourly(t testing.TB) []M4           { return m4Hourly(t) }
func (m M4) Series() (known, to []float64) { return m.known, m.truth }
