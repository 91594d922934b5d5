package plan

import (
	"cmp"
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/nines-sre/nines/capacity/cost"
)

// Part is whose a daily series is.
type Part struct {
	Service string `json:"service"`
	Tenant  string `json:"tenant"`
}

// Anomaly is a day that cost other than the days before made likely.
type Anomaly struct {
	Part
	At       time.Time  `json:"at"`
	Cost     cost.Money `json:"cost"`
	Expected cost.Money `json:"expected"`
	Off      cost.Money `json:"off"`     // what the day cost more; negative: less
	P        float64    `json:"p"`       // share of the days before that were off by as much, (0, 1]
	History  int        `json:"history"` // days it was compared with
}

// weeks is how many earlier days of the same weekday say what to expect.
const weeks = 4

// Anomalies finds the days whose distance from what was expected is among the level's tail of the distances seen before
// (split conformal prediction: with days like those before, one in 1/(1-level) is found by chance). A day is expected to cost
// the median of up to four earlier days of its weekday; of the seven days before where there are not two of those. Days that
// are off by less than least are left out, and so are those before there are enough to tell by.
func Anomalies(part Part, days []Day, currency string, level float64, least cost.Money) []Anomaly {
	var out []Anomaly
	var residuals []float64
	for i, d := range days {
		if d.Seen < wholeDay {
			continue
		}
		expected, ok := expect(days[:i], d.At)
		if !ok {
			continue
		}
		off := float(d.Cost.Rat()) - expected
		as := 1
		for _, r := range residuals {
			if math.Abs(r) >= math.Abs(off) {
				as++
			}
		}
		p := float64(as) / float64(len(residuals)+1)
		was := cost.Round(ratOf(expected), currency)
		if diff := d.Cost.Sub(was); p <= 1-level+1e-12 && diff.Minor().CmpAbs(least.Minor()) >= 0 && diff.Sign() != 0 {
			out = append(out, Anomaly{part, d.At, d.Cost, was, diff, p, len(residuals)})
		}
		residuals = append(residuals, off)
	}
	return out
}

func expect(before []Day, at time.Time) (float64, bool) {
	var same, recent []float64
	for i := len(before) - 1; i >= 0; i-- {
		d := before[i]
		if d.Seen < wholeDay {
			continue
		}
		if d.At.Weekday() == at.Weekday() && len(same) < weeks {
			same = append(same, float(d.Cost.Rat()))
		}
		if len(recent) < 7 {
			recent = append(recent, float(d.Cost.Rat()))
		}
	}
	if len(same) >= 2 {
		return median(same), true
	}
	return median(recent), len(recent) == 7
}

func ratOf(x float64) *big.Rat {
	r := new(big.Rat)
	if x > 0 || x < 0 {
		r.SetFloat64(x)
	}
	return r
}

// SortAnomalies puts those that cost most first.
func SortAnomalies(found []Anomaly) {
	slices.SortFunc(found, func(a, b Anomaly) int {
		return cmp.Or(b.Off.Minor().CmpAbs(a.Off.Minor()), a.At.Compare(b.At), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Tenant, b.Tenant))
	})
}
