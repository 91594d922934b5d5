package forecast

import (
	"math"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// Anomaly is a time in which a series was not where a forecast made before it said.
type Anomaly struct {
	From     time.Time `json:"from"`     // of its first value
	To       time.Time `json:"to"`       // of its last value
	Values   int       `json:"values"`   // how many lay outside
	At       time.Time `json:"at"`       // of the one furthest outside
	Value    float64   `json:"value"`    // which was this
	Expected float64   `json:"expected"` // where this was expected
	Lower    float64   `json:"lower"`    // and this the interval
	Upper    float64   `json:"upper"`
	Distance float64   `json:"distance"` // from the expected value, in half widths of the interval; above 1
}

// Anomalies is what a series did that its forecasts did not expect.
type Anomalies struct {
	From      time.Time         `json:"from"` // of the time that was looked at
	To        time.Time         `json:"to"`
	Level     float64           `json:"level"`  // of the intervals, such as 0.99
	Every     manifest.Duration `json:"every"`  // a forecast was made for each such span, of what was known before it
	Seen      int               `json:"seen"`   // values in that time
	Judged    int               `json:"judged"` // of these, those that a forecast could be made for
	Found     []Anomaly         `json:"found"`  // the oldest first
	Forecasts int               `json:"forecasts"`
}

// Limits and defaults of a search for anomalies.
const (
	AnomalyLevel  = 0.99
	mostForecasts = 400
	together      = 3 // steps without an anomaly that part two of them
)

// FindAnomalies compares the values since a time with forecasts made before them, one for each horizon, and returns those
// outside of the interval; neighbouring ones are one anomaly. Options are those of Make; the level is AnomalyLevel where
// zero. What lay outside does not teach the next forecasts, unless it lasts.
//
// Trouble is a fault.Invalid: as in Make, or more forecasts than can be made.
func FindAnomalies(points []Point, o Options, since time.Time) (Anomalies, error) {
	if o.Level == 0 {
		o.Level = AnomalyLevel
	}
	o, err := o.checked()
	if err != nil {
		return Anomalies{}, err
	}
	if o.Counter {
		points, o.Counter = rates(points, o), false
	}
	usable := usablePoints(points, o.Now)
	if len(usable) == 0 {
		return Anomalies{}, fault.New(fault.Invalid, "there are no values to look at")
	}
	end := usable[len(usable)-1].At
	if n := int(end.Sub(since) / o.Horizon); n > mostForecasts {
		return Anomalies{}, fault.New(fault.Invalid, "%d forecasts of %s would be made; the most is %d: look at a shorter time or write a longer horizon", n, manifest.Duration(o.Horizon), mostForecasts)
	}
	out := Anomalies{From: since, To: end, Level: o.Level, Every: manifest.Duration(o.Horizon), Found: []Anomaly{}}
	var trouble error
	for begin := since; begin.Before(end); begin = begin.Add(o.Horizon) {
		known := o
		known.Now = begin
		f, err := Make(usable, known)
		if err != nil {
			trouble = err
		} else {
			out.Forecasts++
		}
		out.judge(usable, f, begin, begin.Add(o.Horizon))
	}
	if out.Forecasts == 0 && trouble != nil {
		return Anomalies{}, trouble
	}
	return out, nil
}

// judge compares the values in (from, to] with a forecast.
func (a *Anomalies) judge(points []Point, f Forecast, from, to time.Time) {
	for _, p := range points {
		if !p.At.After(from) || p.At.After(to) {
			continue
		}
		a.Seen++
		i := int(math.Round(float64(p.At.Sub(f.At))/float64(max(f.Step.Std(), 1)))) - 1
		if len(f.Points) == 0 {
			continue
		}
		// Forecasts begin at the first step after now, which may lie some steps after the newest value.
		i -= int(f.Points[0].At.Sub(f.At)/f.Step.Std()) - 1
		if i < 0 || i >= len(f.Points) {
			continue
		}
		a.Judged++
		if said := f.Points[i]; p.Value < said.Lower || p.Value > said.Upper {
			a.add(p, said, f.Step.Std())
		}
	}
}

func (a *Anomalies) add(p Point, said Predicted, step time.Duration) {
	half := said.Upper - said.Mean
	if p.Value < said.Mean {
		half = said.Mean - said.Lower
	}
	distance := math.MaxFloat32 // of an interval without width, as of a series that never changed
	if half > 0 {
		distance = min(math.Abs(p.Value-said.Mean)/half, distance)
	}
	one := Anomaly{From: p.At, To: p.At, Values: 1, At: p.At, Value: p.Value, Expected: said.Mean, Lower: said.Lower, Upper: said.Upper, Distance: distance}
	if n := len(a.Found); n > 0 && p.At.Sub(a.Found[n-1].To) <= together*step {
		last := a.Found[n-1]
		one.From, one.Values = last.From, last.Values+1
		if last.Distance >= one.Distance {
			one.At, one.Value, one.Expected, one.Lower, one.Upper, one.Distance = last.At, last.Value, last.Expected, last.Lower, last.Upper, last.Distance
		}
		a.Found[n-1] = one
		return
	}
	a.Found = append(a.Found, one)
}
