// Package plan looks ahead from what was spent: where a month ends, what growth costs, which days stand out, what could be
// smaller, and what would be if prices, places or sizes were others. It leaves out how costs are allocated.
package plan

import (
	"math/big"
	"slices"
	"time"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/internal/fault"
)

// Day is what one day (UTC) cost.
type Day struct {
	At   time.Time  `json:"at"` // midnight at which it begins
	Cost cost.Money `json:"cost"`
	Seen float64    `json:"seen"` // share of the day that was measured, 0..1
}

// Predict forecasts a daily series so many days ahead, with an interval of that level.
type Predict func(points []forecast.Point, now time.Time, days int, level float64) ([]forecast.Predicted, error)

// Seasonal is the Predict of package forecast.
func Seasonal(points []forecast.Point, now time.Time, days int, level float64) ([]forecast.Predicted, error) {
	const day = 24 * time.Hour
	f, err := forecast.Make(points, forecast.Options{Step: day, Horizon: time.Duration(days) * day, Level: level, Now: now})
	return f.Points, err
}

// Estimate is an amount that is not known yet.
type Estimate struct {
	Mean  cost.Money `json:"mean"`
	Lower cost.Money `json:"lower"`
	Upper cost.Money `json:"upper"`
}

// MonthEnd is what a calendar month will have cost.
type MonthEnd struct {
	Month    string     `json:"month"` // 2026-11
	Spent    cost.Money `json:"spent"` // on the days that are over
	Until    time.Time  `json:"until"` // the end of those days
	Expected *Estimate  `json:"expected"`
	Level    float64    `json:"level"`   // of the interval
	History  int        `json:"history"` // days it rests on
	Why      string     `json:"why"`     // there is no estimate; "" where there is one
}

// Bounds on the days a forecast rests on.
const (
	fewestDays = 3
	wholeDay   = 0.95 // a day of which less was seen is no day to forecast from
)

// AtMonthEnd adds what is expected of the month's remaining days to what its past days cost. days are the past days in order,
// those of earlier months too; now is when the last of them ended. The interval adds up the days' intervals: days err together,
// so this is wider than if they erred each for itself.
func AtMonthEnd(days []Day, currency string, now time.Time, level float64, predict Predict) MonthEnd {
	now = now.UTC()
	first := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	end := first.AddDate(0, 1, 0)
	out := MonthEnd{Month: first.Format("2006-01"), Spent: cost.Round(new(big.Rat), currency), Until: now, Level: level}
	var points []forecast.Point
	for _, d := range days {
		if !d.At.Before(first) && d.At.Before(end) {
			out.Spent = out.Spent.Add(d.Cost)
		}
		if d.Seen >= wholeDay {
			points = append(points, forecast.Point{At: d.At, Value: float(d.Cost.Rat())})
		}
	}
	out.History = len(points)
	left := int(end.Sub(now).Hours()/24 + 0.5)
	if left <= 0 {
		out.Expected = &Estimate{out.Spent, out.Spent, out.Spent}
		return out
	}
	if len(points) < fewestDays {
		out.Why = "fewer than three whole days were measured"
		return out
	}
	last := points[len(points)-1].At
	missed := int(now.Sub(last).Hours()/24+0.5) - 1 // days between the last one seen and now
	ahead, err := predict(points, last, left+max(0, missed), level)
	if err != nil {
		out.Why = fault.Public(err).Message
		return out
	}
	e := Estimate{out.Spent, out.Spent, out.Spent}
	for _, p := range ahead[max(0, len(ahead)-left):] {
		e.Mean, e.Lower, e.Upper = plus(e.Mean, p.Mean, currency), plus(e.Lower, max(0, p.Lower), currency), plus(e.Upper, p.Upper, currency)
	}
	out.Expected = &e
	return out
}

func plus(m cost.Money, x float64, currency string) cost.Money {
	r := new(big.Rat)
	if x > 0 || x < 0 {
		r.SetFloat64(x) // infinities leave it 0
	}
	return m.Add(cost.Round(r, currency))
}

func float(r *big.Rat) float64 { f, _ := r.Float64(); return f }

// Growth is how the number of users may go, in per cent a month.
type Growth struct {
	Low      cost.Decimal `json:"low"`
	Expected cost.Decimal `json:"expected"`
	High     cost.Decimal `json:"high"`
}

// Ahead is one month of a growth path.
type Ahead struct {
	Month string `json:"month"`
	Users *int64 `json:"users"` // by the expected growth; null where their number now is not known
	Estimate
}

// Bounds on a growth path.
const (
	MaxMonths = 36
)

// Grow says what the months after from will cost. What grows with users is variable, what does not is fixed, both a month's
// amount now. The estimates differ by growth alone: Lower is with the low growth, Upper with the high one.
func Grow(fixed, variable cost.Money, currency string, users int64, g Growth, from time.Time, months int) ([]Ahead, error) {
	hundred := big.NewRat(100, 1)
	factor := func(d cost.Decimal) *big.Rat {
		return new(big.Rat).Quo(new(big.Rat).Add(hundred, d.Rat()), hundred)
	}
	low, expected, high := factor(g.Low), factor(g.Expected), factor(g.High)
	switch {
	case low.Sign() < 0 || low.Cmp(expected) > 0 || expected.Cmp(high) > 0:
		return nil, fault.New(fault.Invalid, "growth: low, expected and high must rise, from -100 per cent a month on")
	case high.Cmp(big.NewRat(11, 1)) > 0:
		return nil, fault.New(fault.Invalid, "growth: %s per cent a month is more than tenfold; the most is 1000", g.High)
	case months < 1 || months > MaxMonths:
		return nil, fault.New(fault.Invalid, "months: must be 1 to %d", MaxMonths)
	}
	from = from.UTC()
	first := time.Date(from.Year(), from.Month(), 1, 0, 0, 0, 0, time.UTC)
	powers := [3]*big.Rat{big.NewRat(1, 1), big.NewRat(1, 1), big.NewRat(1, 1)}
	var out []Ahead
	for i := 1; i <= months; i++ {
		var amounts [3]cost.Money
		for n, f := range []*big.Rat{low, expected, high} {
			powers[n] = new(big.Rat).Mul(powers[n], f)
			amounts[n] = fixed.Add(cost.Round(new(big.Rat).Mul(variable.Rat(), powers[n]), currency))
		}
		a := Ahead{Month: first.AddDate(0, i, 0).Format("2006-01"), Estimate: Estimate{Lower: amounts[0], Mean: amounts[1], Upper: amounts[2]}}
		if users > 0 {
			n := cost.Round(new(big.Rat).Mul(big.NewRat(users, 1), powers[1]), "JPY").Minor().Int64() // whole users
			a.Users = &n
		}
		out = append(out, a)
	}
	return out, nil
}

// median of values; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	if len(s)%2 == 1 {
		return s[len(s)/2]
	}
	return (s[len(s)/2-1] + s[len(s)/2]) / 2
}
