package simulate

import (
	"time"

	"github.com/nines-sre/nines/capacity/forecast"
)

// Forecaster makes a forecast of points, such as forecast.Make. It must not keep the points.
type Forecaster func([]forecast.Point, forecast.Options) (forecast.Forecast, error)

// Refit says how often a Forecaster is asked and what it is given; a replay of weeks asks thousands of times.
type Refit struct {
	Step    time.Duration // distance of the points it is given, each the highest load of its step
	Every   time.Duration // of the trace, between two forecasts
	History time.Duration // given to it at most
}

// DefaultRefit gives two weeks of five-minute steps once an hour.
var DefaultRefit = Refit{Step: 5 * time.Minute, Every: time.Hour, History: 14 * 24 * time.Hour}

// FromForecaster makes a Predictor of a Forecaster: the bound is the highest upper end of the interval at the steps asked
// about, taken from the newest forecast. The Predictor is for one load; make another for each.
func FromForecaster(model Forecaster, r Refit) Predictor {
	f := &forecaster{model: model, Refit: r}
	return f.upper
}

type forecaster struct {
	Refit
	model  Forecaster
	latest forecast.Forecast
	made   time.Time // when the newest forecast was tried; zero for never
}

func (f *forecaster) upper(q Question) (float64, bool) {
	if f.made.IsZero() || q.Now.Sub(f.made) >= f.Every {
		f.made = q.Now
		options := forecast.Options{Step: f.Step, Horizon: f.Every + q.Horizon + f.Step, Level: 2*q.Level - 1, Now: q.Now}
		latest, err := f.model(f.points(q), options)
		if err != nil {
			latest = forecast.Forecast{} // too little history, most likely: then there is no bound
		}
		f.latest = latest
	}
	from, to := q.Now.Add(q.Lead), q.Now.Add(q.Horizon)
	var near forecast.Forecast
	for _, p := range f.latest.Points {
		if p.At.After(from) && p.At.Add(-f.Step).Before(to) { // a point stands for the step that ends with it
			near.Points = append(near.Points, p)
		}
	}
	peak, ok := near.Peak()
	return peak.Upper, ok
}

// points are the newest history in steps, each with the time of its end.
func (f *forecaster) points(q Question) []forecast.Point {
	each := max(1, int(f.Step/q.Step))
	whole := len(q.History) / each
	first := max(0, whole-int(f.History/(time.Duration(each)*q.Step)))
	shift := len(q.History) - whole*each // so that the newest step is whole
	var out []forecast.Point
	for n := first; n < whole; n++ {
		part := q.History[shift+n*each : shift+(n+1)*each]
		values := make([]float64, 0, each)
		for _, p := range part {
			values = append(values, p.Value)
		}
		out = append(out, forecast.Point{At: part[0].At.Add(time.Duration(each) * q.Step), Value: highest(values)})
	}
	return out
}
