package forecast

import (
	"math"
	"slices"
	"time"
)

// Reach says when a limit is reached: rising to one above the last value, falling to one below. A null time is "not within
// the horizon".
type Reach struct {
	Limit    float64    `json:"limit"`
	Mean     *time.Time `json:"mean"`     // by the expected course
	Earliest *time.Time `json:"earliest"` // by the interval's side that gets there first
	Latest   *time.Time `json:"latest"`   // and by the other
	Chance   *float64   `json:"chance"`   // that it is reached within the horizon, 0..1: the most at any one step, so rather too low; null where unknown
	By       []Chance   `json:"by"`       // when it has become so likely, the least likely first; those not reached are missing
}

// Chance is a probability and when it is reached.
type Chance struct {
	Chance float64   `json:"chance"`
	At     time.Time `json:"at"`
}

var chances = []float64{0.1, 0.5, 0.9}

// Reach says when the limit is reached, and how likely. A limit that equals the last value is reached already.
func (f Forecast) Reach(limit float64) Reach {
	r := Reach{Limit: limit, By: []Chance{}}
	if len(f.Points) == 0 || math.IsNaN(limit) {
		return r
	}
	if f.Last == limit {
		at, sure := f.At, 1.0
		return Reach{Limit: limit, Mean: &at, Earliest: &at, Latest: &at, Chance: &sure, By: []Chance{{1, at}}}
	}
	rising := f.Last < limit
	first := func(value func(Predicted) float64) *time.Time {
		i := slices.IndexFunc(f.Points, func(p Predicted) bool {
			return rising && value(p) >= limit || !rising && value(p) <= limit
		})
		if i < 0 {
			return nil
		}
		return &f.Points[i].At
	}
	r.Mean = first(func(p Predicted) float64 { return p.Mean })
	r.Earliest, r.Latest = first(func(p Predicted) float64 { return p.Upper }), first(func(p Predicted) float64 { return p.Lower })
	if !rising {
		r.Earliest, r.Latest = r.Latest, r.Earliest
	}
	if f.chance != nil {
		r.likely(f, rising)
	}
	return r
}

// likely finds the highest chance of any step, and when each of the chances is first passed.
func (r *Reach) likely(f Forecast, rising bool) {
	most := 0.0
	for step, p := range f.Points {
		chance := f.chance(step, r.Limit)
		if !rising {
			chance = 1 - chance
		}
		most = max(most, chance)
		for len(r.By) < len(chances) && most >= chances[len(r.By)] {
			r.By = append(r.By, Chance{chances[len(r.By)], p.At})
		}
	}
	r.Chance = &most
}

// NextTier returns the first of the limits that the last value has not passed, and false where there is none: capacity is
// bought by steps, and the next one is what matters.
func (f Forecast) NextTier(limits []float64) (float64, bool) {
	sorted := slices.Clone(limits)
	slices.Sort(sorted)
	i := slices.IndexFunc(sorted, func(limit float64) bool { return limit > f.Last })
	if i < 0 {
		return 0, false
	}
	return sorted[i], true
}
