package simulate

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/nines-sre/nines/capacity/forecast"
)

func TestAForecasterIsAskedNowAndThenAndItsIntervalIsRead(t *testing.T) {
	t.Parallel()
	l := mustLoad(t, recorded(time.Minute, wavy(2, 1, 0)...), Hold)
	calls := 0
	model := func(points []forecast.Point, o forecast.Options) (forecast.Forecast, error) {
		calls++
		last := points[len(points)-1]
		if !last.At.Equal(o.Now) || o.Step != 5*time.Minute || o.Level < 0.09 || o.Level > 0.991 || len(points) > 12*24 {
			t.Errorf("is asked at %s with %d points up to %s, steps of %s, level %v", o.Now, len(points), last.At, o.Step, o.Level)
		}
		if calls%2 == 0 {
			return forecast.Forecast{}, errors.New("not now")
		}
		var f forecast.Forecast
		for at := o.Now.Add(o.Step); !at.After(o.Now.Add(o.Horizon)); at = at.Add(o.Step) {
			f.Points = append(f.Points, forecast.Predicted{At: at, Upper: float64(at.Sub(monday) / time.Minute)})
		}
		return f, nil
	}
	var told, silent int
	o := NewOutlook(l, setup(5*time.Minute), Foresight{Kept: 5 * time.Minute}, func(predict Predictor) Predictor {
		return func(q Question) (float64, bool) {
			if q.Now.Before(monday.Add(time.Hour)) {
				return 0, false
			}
			upper, ok := predict(q)
			if !ok {
				silent++
				return upper, ok
			}
			told++
			// The point that stands for the end of the time asked about: at that time or less than a step later.
			if end := q.Now.Add(q.Horizon).Sub(monday).Minutes(); upper < end || upper >= end+5 {
				t.Fatalf("at %s, until %v min: the bound is that of minute %v", q.Now, end, upper)
			}
			return upper, ok
		}
	}(FromForecaster(model, Refit{Step: 5 * time.Minute, Every: time.Hour, History: 24 * time.Hour})))
	if calls < 46 || calls > 48 || told != o.Told || math.Abs(float64(told-silent)) > 60 {
		t.Errorf("asked %d times in two days, told %d, silent %d", calls, told, silent)
	}
}

func TestThePoolsForecastCanBeReplayed(t *testing.T) {
	t.Parallel()
	l := mustLoad(t, recorded(5*time.Minute, func() []float64 {
		var out []float64
		for i, v := range peaky(4, 1) {
			if i%5 == 0 {
				out = append(out, v)
			}
		}
		return out
	}()...), Hold)
	s := DefaultSetup(5 * time.Minute)
	s.PerReplica, s.WarmUp = s.ForPeak(l, 40), WarmUpFor(l.Length())
	got, err := Plan{Setup: s, HPA: DefaultHPA(0.7, 1, 1000), Target: 0.7, Specs: []Spec{{Kind: KindHPA}, {Kind: KindPredictive}, {Kind: KindPredictive, Model: "pool"}},
		Predictors: map[string]func() Predictor{"pool": func() Predictor {
			return FromForecaster(forecast.Make, Refit{Step: 5 * time.Minute, Every: 6 * time.Hour, History: 14 * 24 * time.Hour})
		}}}.Run(l)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Judged) != 2 || got.Judged[1].Policy != "predictive:pool" || got.Judged[1].Bounds.Told < 0.8 {
		t.Fatalf("judged: %+v", got.Judged)
	}
	if hpa, pooled := got.Outcomes[0], got.Outcomes[2]; pooled.Under >= hpa.Under/2 {
		t.Errorf("with the pool %v %% are missing, without %v %%", pooled.Under, hpa.Under)
	}
}
