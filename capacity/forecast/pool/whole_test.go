package pool_test

import (
	"testing"
	"time"

	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/capacity/forecast/pool"
)

// The same series by way of points in time, with all that looks for outages, odd values and shifts: it must not harm what
// has none of them.
func BenchmarkM4HourlyTheWholeWay(b *testing.B) {
	all := pool.M4Hourly(b)
	begin := time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)
	for b.Loop() {
		var s pool.Score
		touched, took := 0, time.Duration(0)
		for _, m := range all {
			known, to := m.Series()
			points := make([]forecast.Point, len(known))
			for i, y := range known {
				points[i] = forecast.Point{At: begin.Add(time.Duration(i) * time.Hour), Value: y}
			}
			began := time.Now()
			f, err := forecast.Make(points, forecast.Options{Step: time.Hour, Horizon: time.Duration(len(to)) * time.Hour, Level: 0.95})
			if err != nil {
				b.Fatal(err)
			}
			took += time.Since(began)
			if len(f.Notes) > 0 {
				touched++
			}
			path := make([]float64, len(f.Points))
			for h, p := range f.Points {
				path[h] = p.Mean
			}
			s.Add(m, path, func(h int) (float64, float64) { return f.Points[h].Lower, f.Points[h].Upper })
		}
		got := s.Means()
		b.Logf("M4 hourly from points, %d of %d series with something left out or shifted: %s", touched, len(all), got)
		b.ReportMetric(got.OWA(), "OWA")
		b.ReportMetric(float64(len(all))/took.Seconds(), "series/s")
	}
}
