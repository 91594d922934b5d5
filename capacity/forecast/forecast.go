// Package forecast says where a series is going: a mean and a prediction interval for each step ahead, and when a limit
// is reached. It leaves out where the points come from and what anybody does about the answer.
package forecast

import (
	"math"
	"slices"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// Point is one observed value. NaN and infinities count as not observed.
type Point struct {
	At    time.Time
	Value float64
}

// Options say what is wanted.
type Options struct {
	Step    time.Duration // distance of the grid that points are put on; also of the predicted points
	Horizon time.Duration // how far ahead; rounded up to whole steps
	Level   float64       // of the prediction interval, in (0, 1); DefaultLevel where zero
	Now     time.Time     // where the future begins; the newest point's time where zero. Later points are left out
}

// Predicted is one step ahead: a value's mean, and the interval that holds it with probability Forecast.Level.
// Lower <= Mean <= Upper.
type Predicted struct {
	At    time.Time `json:"at"`
	Mean  float64   `json:"mean"`
	Lower float64   `json:"lower"`
	Upper float64   `json:"upper"`
}

// Forecast is where a series is going. The zero Forecast is "none could be made".
type Forecast struct {
	At       time.Time         `json:"at"`       // of the newest value seen
	Last     float64           `json:"last"`     // the newest value seen
	Step     manifest.Duration `json:"step"`     // distance of the points
	Points   []Predicted       `json:"points"`   // one a step, oldest first
	Level    float64           `json:"level"`    // of the intervals, such as 0.9
	Method   string            `json:"method"`   // one of the Method constants
	Season   manifest.Duration `json:"season"`   // length of the cycle that is repeated; 0 for none
	Coverage float64           `json:"coverage"` // share of the grid between the oldest point and Now that was seen, 0..1
	History  int               `json:"history"`  // grid points seen
}

// The methods, as shown to people.
const (
	MethodNaive         = "naive"
	MethodDrift         = "naive with drift"
	MethodSeasonal      = "seasonal naive"
	MethodSeasonalDrift = "seasonal naive with drift"
)

// DefaultLevel is the level of the interval where none is asked for.
const DefaultLevel = 0.9

// Limits on one forecast, which keep it well below a second.
const (
	MaxHistory = 50_000 // grid points
	MaxSteps   = 10_000 // steps ahead
)

// SeasonalNaive forecasts by repeating the last cycle. The cycle is an hour, a day or a week, whichever did best in
// forecasts made at earlier times of the same history, provided that two of it were seen; none where none of them did
// better than the last value. A trend is added where that did better still, damped so that half of it is left after as
// long again as it was watched. The interval is made of the errors that such forecasts would have made so far ahead.
//
// Where no value is negative, neither is any prediction. Points may come in any order; of the same time the last counts,
// several near one grid time are averaged, and a grid time without any is a gap: nothing is made up for it.
//
// Trouble is a fault.Invalid: options out of range, or too little history, which says how much there is and how much
// is needed.
func SeasonalNaive(points []Point, o Options) (Forecast, error) {
	o, err := o.checked()
	if err != nil {
		return Forecast{}, err
	}
	g, err := newGrid(points, o)
	if err != nil {
		return Forecast{}, err
	}
	if err := g.enough(o); err != nil {
		return Forecast{}, err
	}
	choice, errors := choose(g, o.steps()+g.trailing)
	f := Forecast{
		At: g.last, Last: g.values[len(g.values)-1], Step: manifest.Duration(o.Step), Level: o.Level, Method: choice.method(),
		Season: manifest.Duration(choice.season(o.Step)), Coverage: g.coverage(), History: g.seen,
	}
	f.Points = predict(g, choice, errors, o)
	return f, nil
}

// Exhaustion says when the limit is reached: by the mean, at the earliest and at the latest within the interval. A limit
// above the last value is reached by rising to it, one below by falling to it, and one that equals it is reached
// already. A time is zero where the limit is not reached within the horizon.
func (f Forecast) Exhaustion(limit float64) (mean, earliest, latest time.Time) {
	if len(f.Points) == 0 || math.IsNaN(limit) {
		return
	}
	if f.Last == limit {
		return f.At, f.At, f.At
	}
	sign := 1.0
	if f.Last > limit {
		sign = -1
	}
	reached := func(value func(Predicted) float64) time.Time {
		i := slices.IndexFunc(f.Points, func(p Predicted) bool { return sign*value(p) >= sign*limit })
		if i < 0 {
			return time.Time{}
		}
		return f.Points[i].At
	}
	low, high := reached(func(p Predicted) float64 { return p.Lower }), reached(func(p Predicted) float64 { return p.Upper })
	mean = reached(func(p Predicted) float64 { return p.Mean })
	if sign < 0 {
		low, high = high, low
	}
	return mean, high, low
}

// Peak returns the predicted point with the highest upper bound, the earliest of several, and false where there is none.
func (f Forecast) Peak() (Predicted, bool) {
	if len(f.Points) == 0 {
		return Predicted{}, false
	}
	peak := f.Points[0]
	for _, p := range f.Points[1:] {
		if p.Upper > peak.Upper {
			peak = p
		}
	}
	return peak, true
}

func (o Options) checked() (Options, error) {
	if o.Level == 0 {
		o.Level = DefaultLevel
	}
	e := fault.New(fault.Invalid, "this forecast cannot be made")
	add := func(where, message string) {
		e.Details = append(e.Details, fault.Detail{Where: where, Message: message})
	}
	if o.Step < time.Second {
		add("step", "must be at least 1s")
	}
	if o.Horizon <= 0 {
		add("horizon", "must be positive, such as 1d")
	}
	if !(o.Level > 0 && o.Level < 1) {
		add("level", "must be between 0 and 1, such as 0.9")
	}
	if len(e.Details) == 0 && o.Horizon/o.Step >= MaxSteps {
		add("horizon", "is "+manifest.Duration(o.Horizon).String()+", which at steps of "+manifest.Duration(o.Step).String()+" is too many; write a longer step")
	}
	if len(e.Details) > 0 {
		return o, e
	}
	return o, nil
}

// steps is the horizon in steps, rounded up.
func (o Options) steps() int { return int((o.Horizon + o.Step - 1) / o.Step) }
