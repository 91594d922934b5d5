// Package pool forecasts a regular series by many small models, each weighed by how well it did in forecasts made at
// earlier times of the same series, and gives intervals from the errors that the mixture would have made then. It knows
// steps and no clocks: what a step is, where the values come from and what a season means is the caller's.
package pool

import (
	"math"
	"slices"

	"github.com/nines-sre/nines/internal/fault"
)

// Series is a history on a regular grid, the oldest value first. Every value is finite; where Masked is true it was not
// seen but filled in, and counts neither for fitting nor for judging. A nil Masked means that all were seen.
type Series struct {
	Values []float64
	Masked []bool
}

func (s Series) masked(i int) bool { return s.Masked != nil && s.Masked[i] }

// until is the series as it was when n values were known.
func (s Series) until(n int) Series {
	s.Values = s.Values[:n:n]
	if s.Masked != nil {
		s.Masked = s.Masked[:n:n]
	}
	return s
}

// Options say what is wanted.
type Options struct {
	Ahead   int   // steps to forecast, at least 1
	Seasons []int // lengths of cycles to use, in steps, the shortest first; see Seasons for those that a series shows
	Cycles  []int // lengths at which regressions look back besides, whether or not a season shows; the shortest first
	Naive   int   // the cycle whose repeating the forecast is compared with; the shortest season where zero
	Memory  int   // steps after which a value counts half to a regression; a fortnight of the shortest cycle where zero
	Folds   int   // how many earlier forecasts judge the models; DefaultFolds where zero
	Floor   float64
	Cap     float64 // no forecast lies outside [Floor, Cap]; use infinities for none. Both zero is none
	Extra   []Extra // what else is known of the series, such as that of a day that repeats another
}

// Extra is a model from outside, which takes part like the others.
type Extra struct {
	Name string
	// Paths forecasts ahead steps from each origin, which is the number of values known. It must look at no value from the
	// origin on.
	Paths func(values []float64, origins []int, ahead int) [][]float64
}

// DefaultFolds is how many earlier forecasts judge the models where no number is given. Where the horizon is a small part of
// the shortest season there are up to mostFolds, spread over one, so that every part of it is judged.
const (
	DefaultFolds = 6
	mostFolds    = 12
)

// Share is one model's part in a forecast.
type Share struct {
	Model  string  `json:"model"`
	Weight float64 `json:"weight"` // 0..1, all of them sum to 1
	Error  float64 `json:"error"`  // mean absolute error of its earlier forecasts
}

// Result is a forecast. Mean has one value a step ahead.
type Result struct {
	Mean   []float64
	Shares []Share // the heaviest first
	Error  float64 // mean absolute error that the mixture had in earlier forecasts, each weighed by the others
	Naive  float64 // and that of repeating the last cycle, or the last value where there is none
	Folds  int     // how many earlier forecasts were made
	spread
}

// smallest is how many values a series must have: fewer give no idea of an error.
const smallest = 16

// Make forecasts a series. Trouble is a fault.Invalid: a series too short for forecasts this far ahead.
func Make(s Series, o Options) (Result, error) {
	if o.Floor == 0 && o.Cap == 0 {
		o.Floor, o.Cap = math.Inf(-1), math.Inf(1)
	}
	n := len(s.Values)
	if o.Ahead < 1 {
		return Result{}, fault.New(fault.Invalid, "a forecast looks at least one step ahead")
	}
	if n < smallest || n < o.Ahead/2 {
		return Result{}, fault.New(fault.Invalid, "%d values are too few for a forecast of %d steps; at least %d are needed", n, o.Ahead, max(smallest, o.Ahead/2))
	}
	f := newFolds(s, o)
	runs := f.run(models(s, f, o))
	return f.combine(runs), nil
}

// folds are the times at which earlier forecasts are made, and what then came.
type folds struct {
	series  Series
	ahead   int
	origins []int // ascending; the last one is now and has nothing to be judged by
	floor   float64
	cap     float64
	naive   int // steps back that the naive forecast repeats
}

// share of a history that earlier forecasts may be judged on; the rest is for fitting the first of them.
const judged = 0.45

func newFolds(s Series, o Options) folds {
	n := len(s.Values)
	f := folds{series: s, ahead: o.Ahead, floor: o.Floor, cap: o.Cap, naive: max(o.Naive, 1)}
	if o.Naive == 0 && len(o.Seasons) > 0 {
		f.naive = o.Seasons[0]
	}
	room := int(judged * float64(n))
	count := o.Folds
	if count == 0 {
		count = min(max(DefaultFolds, f.naive/o.Ahead), mostFolds)
	}
	span := min(o.Ahead, max(1, room/2)) // how much of a horizon each fold sees; a whole one where there is room
	apart := max(span, f.naive/count)
	if count > 1 && apart*(count-1)+span > room {
		apart = max(1, (room-span)/(count-1))
	}
	for k := count; k >= 1; k-- {
		if at := n - span - (k-1)*apart; at >= smallest/2 && (len(f.origins) == 0 || at > f.origins[len(f.origins)-1]) {
			f.origins = append(f.origins, at)
		}
	}
	f.origins = append(f.origins, n)
	return f
}

// first is the oldest origin.
func (f folds) first() int { return f.origins[0] }

// past is how many folds can be judged.
func (f folds) past() int { return len(f.origins) - 1 }

// steps is how many steps after origin k have come.
func (f folds) steps(k int) int { return min(f.ahead, len(f.series.Values)-f.origins[k]) }

// run makes every model's forecasts from every origin, and leaves out what cannot forecast from all of them.
func (f folds) run(all []model) []run {
	var out []run
	for _, m := range all {
		paths := m.paths(f.series, f.origins, f.ahead)
		if len(paths) != len(f.origins) || slices.ContainsFunc(paths, f.broken) {
			continue
		}
		for _, p := range paths {
			for h := range p {
				p[h] = min(max(p[h], f.floor), f.cap)
			}
		}
		out = append(out, run{name: m.name(), paths: paths, errors: f.errors(paths)})
	}
	return out
}

func (f folds) broken(path []float64) bool {
	return len(path) != f.ahead || slices.ContainsFunc(path, func(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) })
}

// run is what one model forecast from each origin, and its mean absolute error in each fold.
type run struct {
	name   string
	paths  [][]float64
	errors []float64
}

// errors returns the mean absolute error in each fold; NaN where nothing of it was seen.
func (f folds) errors(paths [][]float64) []float64 {
	out := make([]float64, f.past())
	for k := range out {
		sum, n := 0.0, 0
		for h := range f.steps(k) {
			if i := f.origins[k] + h; !f.series.masked(i) {
				sum, n = sum+math.Abs(f.series.Values[i]-paths[k][h]), n+1
			}
		}
		out[k] = sum / float64(n)
	}
	return out
}

// model forecasts from several origins at once, so that what is common to them is computed once.
type model interface {
	name() string
	// paths returns ahead values from each origin, or nothing where the history is too short for the model. The path from an
	// origin depends on no value from there on.
	paths(s Series, origins []int, ahead int) [][]float64
}

func (e Extra) name() string { return e.Name }

func (e Extra) paths(s Series, origins []int, ahead int) [][]float64 {
	return e.Paths(s.Values, origins, ahead)
}
