package slo

import (
	"math"
	"strconv"
)

// Objective is the share of events that must be good, in per cent, strictly inside (0, 100).
type Objective float64

// Valid reports whether o lies strictly inside (0, 100).
func (o Objective) Valid() bool { return o > 0 && o < 100 }

// Budget returns the share of events that may fail, such as 0.001 for 99.9. It is rounded to twelve digits, so that
// the same objective gives the same literal everywhere.
func (o Objective) Budget() float64 { return round12((100 - float64(o)) / 100) }

// Ratio returns the objective as a share, such as 0.999.
func (o Objective) Ratio() float64 { return round12(float64(o) / 100) }

// BurnRate says how many times faster than allowed the budget is being spent: the error ratio over the budget.
// With no traffic nothing is spent.
func (o Objective) BurnRate(c Counts) float64 {
	if c.Total == 0 {
		return 0
	}
	return c.Errors() / c.Total / o.Budget()
}

// Remaining returns the share of the window's error budget that is left: 1 is untouched, 0 is just spent, negative is
// overspent. With no traffic the budget is untouched.
func (o Objective) Remaining(c Counts) float64 { return 1 - o.BurnRate(c) }

// String returns the shortest decimal, such as "99.9".
func (o Objective) String() string { return strconv.FormatFloat(float64(o), 'f', -1, 64) }

func round12(x float64) float64 { return math.Round(x*1e12) / 1e12 }
