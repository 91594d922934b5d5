package forecast

import (
	"math"
	"slices"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
)

// Kept is a forecast as it was made, with what it was made from, and once its time has come, how it came out.
type Kept struct {
	ID       string            `json:"id"`
	At       time.Time         `json:"at"`      // when it was made
	By       string            `json:"by"`      // who asked, such as "user:ann@example.org" or "workload:shop"
	Subject  string            `json:"subject"` // the workload it is of; "" for a question of somebody's
	Query    string            `json:"query"`   // PromQL
	Labels   map[string]string `json:"labels"`  // of the series
	Inputs   Inputs            `json:"inputs"`
	Forecast Forecast          `json:"forecast"` // its points thinned to at most MostKept
	Due      time.Time         `json:"due"`      // when its last point can be judged
	Score    *Score            `json:"score"`    // null until then
}

// Inputs are what a forecast was made from, besides the series.
type Inputs struct {
	Step    manifest.Duration `json:"step"`
	Horizon manifest.Duration `json:"horizon"`
	History manifest.Duration `json:"history"`
	Zone    string            `json:"zone"`    // IANA; "" for UTC
	Counter bool              `json:"counter"` // of the growth of a counter
	Level   float64           `json:"level"`   // of the interval, as asked for
	Adapted float64           `json:"adapted"` // the level that was computed, so that intervals hold as often as asked for
	Events  []Event           `json:"events"`
}

// Score says how a forecast came out.
type Score struct {
	At     time.Time `json:"at"`     // when it was judged
	Seen   int       `json:"seen"`   // points of which the truth was seen
	Of     int       `json:"of"`     // points kept
	Error  float64   `json:"error"`  // mean absolute error, in the series' unit
	Bias   float64   `json:"bias"`   // mean of forecast less truth; above 0 it was too high
	Naive  float64   `json:"naive"`  // mean absolute error of repeating the last cycle, or the last value where there is none
	Within float64   `json:"within"` // share of the seen points that lay in the interval, 0..1
}

// Ratio is the error over that of repeating the last cycle: below 1 the forecast was worth making. False where the naive
// forecast was exact, so that nothing can be better.
func (s Score) Ratio() (float64, bool) { return s.Error / s.Naive, s.Naive > 0 }

// MostKept is how many points of a forecast are kept, evenly spread, the last one among them.
const MostKept = 288

// NewKept makes the record of a forecast.
func NewKept(f Forecast, at time.Time) Kept {
	k := Kept{At: at, Forecast: f}
	every := (len(f.Points) + MostKept - 1) / MostKept
	k.Forecast.Points = nil
	for i := len(f.Points) - 1; i >= 0; i -= max(1, every) {
		k.Forecast.Points = append(k.Forecast.Points, f.Points[i])
	}
	slices.Reverse(k.Forecast.Points)
	if n := len(f.Points); n > 0 {
		k.Due = f.Points[n-1].At.Add(f.Step.Std())
	}
	return k
}

// Span is the time of which Judge wants to see what came: from a cycle before the forecast to its last point.
func (k Kept) Span() (from, to time.Time) {
	f := k.Forecast
	if len(f.Points) == 0 {
		return f.At, f.At
	}
	return f.At.Add(-f.Season.Std()), f.Points[len(f.Points)-1].At
}

// Judge compares the forecast with what came, and with what repeating the last cycle would have said. Points of whose time
// nothing was seen within half a step count for nothing; false where that is all of them.
func (k Kept) Judge(came []Point, at time.Time) (Score, bool) {
	f := k.Forecast
	seen := usablePoints(came, time.Time{})
	s := Score{At: at, Of: len(f.Points)}
	for _, p := range f.Points {
		truth, ok := nearest(seen, p.At, f.Step.Std()/2)
		if !ok {
			continue
		}
		s.Seen++
		s.Error += math.Abs(p.Mean - truth)
		s.Bias += p.Mean - truth
		s.Naive += math.Abs(k.naive(seen, p.At) - truth)
		if truth >= p.Lower && truth <= p.Upper {
			s.Within++
		}
	}
	if s.Seen == 0 {
		return s, false
	}
	n := float64(s.Seen)
	s.Error, s.Bias, s.Naive, s.Within = s.Error/n, s.Bias/n, s.Naive/n, s.Within/n
	return s, true
}

// naive is the value at the same place of the last cycle before the forecast, or the last value.
func (k Kept) naive(seen []Point, at time.Time) float64 {
	f := k.Forecast
	if season := f.Season.Std(); season > 0 {
		ahead := at.Sub(f.At)
		cycles := (ahead + season - 1) / season
		if y, ok := nearest(seen, at.Add(-cycles*season), f.Step.Std()/2); ok {
			return y
		}
	}
	return f.Last
}

// nearest returns the value nearest to a time, of points in order.
func nearest(points []Point, at time.Time, within time.Duration) (float64, bool) {
	i, _ := slices.BinarySearchFunc(points, at, func(p Point, at time.Time) int { return p.At.Compare(at) })
	best, found := 0.0, false
	for _, j := range []int{i - 1, i} {
		if j < 0 || j >= len(points) {
			continue
		}
		if d := points[j].At.Sub(at).Abs(); d <= within {
			best, found, within = points[j].Value, true, d
		}
	}
	return best, found
}

// Held is how often intervals held, the oldest first, of forecasts given the newest first; what was not judged counts for
// nothing. It is what Adapt wants.
func Held(newestFirst []Kept) []float64 {
	var out []float64
	for _, k := range newestFirst {
		if k.Score != nil {
			out = append(out, k.Score.Within)
		}
	}
	slices.Reverse(out)
	return out
}
