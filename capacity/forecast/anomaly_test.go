package forecast

import (
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

func TestWhatAForecastDidNotExpectIsAnAnomaly(t *testing.T) {
	t.Parallel()
	half := 30 * time.Minute
	points := observed(monday, 14*48, half, noisyOf(office(time.UTC), 3))
	surge, dip := 13*48+20, 13*48+40
	for i := range 3 {
		points[surge+i].Value += 90
	}
	points[dip].Value = 1
	got, err := FindAnomalies(points, Options{Step: half, Horizon: 3 * time.Hour}, monday.Add(12*day))
	if err != nil {
		t.Fatal(err)
	}
	if got.Seen != 95 || got.Judged != 95 || got.Forecasts != 16 || got.Level != AnomalyLevel {
		t.Errorf("%d values seen, %d judged, %d forecasts at %v", got.Seen, got.Judged, got.Forecasts, got.Level)
	}
	found := map[time.Time]Anomaly{}
	for _, a := range got.Found {
		found[a.From] = a
	}
	if a := found[points[surge].At]; a.Values < 3 || !a.To.Equal(points[surge+2].At) || a.Value <= a.Upper || a.Distance < 2 {
		t.Errorf("the surge: %+v", a)
	}
	if a := found[points[dip].At]; a.Values != 1 || a.Value >= a.Lower {
		t.Errorf("the dip: %+v", a)
	}
	if len(got.Found) > 4 {
		t.Errorf("%d anomalies, of 95 values at 99 %%: %+v", len(got.Found), got.Found)
	}
}

func TestNothingIsAnomalousInWhatGoesOnAsBefore(t *testing.T) {
	t.Parallel()
	points := series(10*48, 30*time.Minute, func(i int) float64 { return daily(i, 48) })
	got, err := FindAnomalies(points, Options{Step: 30 * time.Minute, Horizon: 6 * time.Hour}, monday.Add(8*day))
	if err != nil || len(got.Found) > 0 {
		t.Errorf("%+v %v", got.Found, err)
	}
}

func TestASearchForAnomaliesSaysWhatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	points := series(500, time.Minute, func(i int) float64 { return float64(i % 7) })
	for want, c := range map[string]struct {
		points []Point
		o      Options
		since  time.Time
	}{
		"no values":          {nil, Options{Step: time.Minute, Horizon: time.Hour}, monday},
		"too little history": {points, Options{Step: time.Minute, Horizon: 8 * time.Hour}, monday.Add(time.Minute)},
		"a longer horizon":   {points, Options{Step: time.Minute, Horizon: time.Minute}, monday.Add(-day)},
		"horizon: must be":   {points, Options{Step: time.Minute}, monday},
	} {
		if _, err := FindAnomalies(c.points, c.o, c.since); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}
