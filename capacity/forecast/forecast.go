// Package forecast says where a series is going: a mean and a prediction interval for each step ahead, and when a limit
// is reached. It leaves out where the points come from and what anybody does about the answer.
//
// What the forecasting itself rests on is in the package pool; here a history as people have it, with gaps, outages,
// restarts, odd values and clocks that change, becomes one that can be forecast, and says what was done to it.
package forecast

import (
	"math"
	"time"

	"github.com/nines-sre/nines/capacity/forecast/pool"
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
	Step    time.Duration  // distance of the grid that points are put on; also of the predicted points
	Horizon time.Duration  // how far ahead; rounded up to whole steps
	Level   float64        // of the prediction interval, in (0, 1); DefaultLevel where zero
	Now     time.Time      // where the future begins; the newest point's time where zero. Later points are left out
	Zone    *time.Location // by whose clocks the days of the workload go; UTC where nil
	Counter bool           // the values only rise, but for resets; what is forecast is their growth a second
	Events  []Event        // what is known to be special: left out of the past, and put into the future
	Floor   *float64       // no prediction is below; zero where no value is negative, none otherwise
	Cap     *float64       // or above, such as what a quota allows
	Raw     bool           // take the values as they are: no outages, odd values or shifts of the level are looked for
}

// Predicted is one step ahead: a value's mean, and the interval that holds it with probability Forecast.Level.
// Lower <= Mean <= Upper. The mean is that of models, their weighted median.
type Predicted struct {
	At    time.Time `json:"at"`
	Mean  float64   `json:"mean"`
	Lower float64   `json:"lower"`
	Upper float64   `json:"upper"`
}

// Forecast is where a series is going. The zero Forecast is "none could be made".
type Forecast struct {
	At       time.Time           `json:"at"`       // of the newest value seen
	Last     float64             `json:"last"`     // the newest value seen
	Step     manifest.Duration   `json:"step"`     // distance of the points
	Points   []Predicted         `json:"points"`   // one a step, oldest first
	Level    float64             `json:"level"`    // of the intervals, such as 0.9
	Method   string              `json:"method"`   // in a few words, the models that carry it
	Season   manifest.Duration   `json:"season"`   // the shortest cycle that the history shows, of a day or more where there is one; 0 for none
	Seasons  []manifest.Duration `json:"seasons"`  // all of them, the shortest first
	Coverage float64             `json:"coverage"` // share of the grid between the oldest point and Now that was seen, 0..1
	History  int                 `json:"history"`  // grid points seen
	Models   []pool.Share        `json:"models"`   // what each model contributes, the heaviest first
	Past     Past                `json:"past"`     // how such forecasts would have done before
	Notes    []string            `json:"notes"`    // what was found in the history and done about it, a sentence each

	chance func(step int, limit float64) float64 // that the value so many steps ahead (from 0) is at the limit or above
}

// Past is how forecasts made at earlier times of the same history would have done.
type Past struct {
	Forecasts int     `json:"forecasts"` // how many were made
	Error     float64 `json:"error"`     // mean absolute error, in the series' unit
	Naive     float64 `json:"naive"`     // of repeating the last cycle, or the last value where there is none
}

// DefaultLevel is the level of the interval where none is asked for.
const DefaultLevel = 0.9

// Limits on one forecast, which keep it well below a second.
const (
	MaxHistory = 50_000 // grid points
	MaxSteps   = 10_000 // steps ahead
)

// Make forecasts a series by a pool of small models: naive and seasonal naive ones, regressions on the last values and those
// a day and a week back, decomposition with a damped trend, Theta and average courses. Each is weighed by how well it did in
// forecasts made at earlier times of the same history. The interval is made of the errors that such forecasts would have
// made so far ahead. An hour, a day and a week are tested for as cycles where two of them were seen; none other is looked for.
//
// Before that, what is not the workload's own course is taken out, and Notes tell of it: outages, single odd values, known
// events, resets of counters; values from before a shift of the level are brought to the new one. Points may come in any
// order; of the same time the last counts, several near one grid time are averaged, and a grid time without any is a gap,
// which counts for nothing.
//
// Where no value is negative, neither is any prediction.
//
// Trouble is a fault.Invalid: options out of range, or too little history, which says how much there is and how much
// is needed.
func Make(points []Point, o Options) (Forecast, error) {
	o, err := o.checked()
	if err != nil {
		return Forecast{}, err
	}
	if o.Counter {
		points = rates(points, o)
	}
	g, err := newGrid(points, o)
	if err != nil {
		return Forecast{}, err
	}
	if err := g.enough(o); err != nil {
		return Forecast{}, err
	}
	c := clean(g, o)
	steps := g.slots(o)
	r, err := pool.Make(c.series, c.options(o, steps))
	if err != nil {
		return Forecast{}, err
	}
	if math.IsNaN(r.Error) {
		return Forecast{}, fault.New(fault.Invalid, "too many gaps for a forecast: none made at an earlier time could be judged, so that nothing would tell how far to trust it")
	}
	return c.forecast(r, o), nil
}

// forecast puts what the pool says of slots back on the clock.
func (c cleaned) forecast(r pool.Result, o Options) Forecast {
	f := Forecast{
		At: c.last, Last: c.values[len(c.values)-1], Step: manifest.Duration(o.Step), Level: o.Level, Coverage: c.coverage(), History: c.seen,
		Season: manifest.Duration(c.naive()) * manifest.Duration(o.Step), Models: named(r.Shares, o.Step), Notes: c.notes,
		Past:    Past{Forecasts: r.Folds, Error: r.Error, Naive: r.Naive},
		Seasons: []manifest.Duration{}, Points: make([]Predicted, 0, o.steps()),
	}
	if c.naive() == 1 {
		f.Season = 0
	}
	for _, m := range c.seasons {
		f.Seasons = append(f.Seasons, manifest.Duration(time.Duration(m)*o.Step))
	}
	f.Method = method(f.Models)
	effects := newEffects(c, o)
	f.Notes = append(f.Notes, effects.notes...)
	for h := c.trailing + 1; h <= c.trailing+o.steps(); h++ {
		at := c.last.Add(time.Duration(h) * o.Step)
		slot := c.slot(at) - 1
		p := Predicted{At: at, Mean: r.Mean[slot]}
		p.Lower, p.Upper = r.Interval(slot, o.Level)
		f.Points = append(f.Points, effects.on(p).within(c.floor(o), ceiling(o)))
	}
	f.chance = func(step int, limit float64) float64 {
		p := f.Points[step]
		share := effects.share(p.At)
		if share <= 0 {
			return map[bool]float64{true: 1}[p.Mean >= limit]
		}
		return r.Above(c.slot(p.At)-1, limit/share)
	}
	return f
}

func (p Predicted) within(floor, ceiling float64) Predicted {
	bound := func(x float64) float64 { return min(max(x, floor), ceiling) }
	p.Mean = bound(p.Mean)
	p.Lower, p.Upper = min(bound(p.Lower), p.Mean), max(bound(p.Upper), p.Mean)
	return p
}

func ceiling(o Options) float64 {
	if o.Cap != nil {
		return *o.Cap
	}
	return math.Inf(1)
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
	if o.Zone == nil {
		o.Zone = time.UTC
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
	if o.Floor != nil && o.Cap != nil && !(*o.Floor < *o.Cap) {
		add("cap", "must be above the floor")
	}
	if len(e.Details) == 0 && o.Horizon/o.Step >= MaxSteps {
		add("horizon", "is "+manifest.Duration(o.Horizon).String()+", which at steps of "+manifest.Duration(o.Step).String()+" is too many; write a longer step")
	}
	for _, event := range o.Events {
		if message := event.trouble(); message != "" {
			add("events", message)
		}
	}
	if len(e.Details) > 0 {
		return o, e
	}
	return o, nil
}

// steps is the horizon in steps, rounded up.
func (o Options) steps() int { return int((o.Horizon + o.Step - 1) / o.Step) }
