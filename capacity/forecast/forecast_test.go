package forecast

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"pgregory.net/rapid"
)

var monday = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// series makes n points a step apart.
func series(n int, step time.Duration, value func(i int) float64) []Point {
	points := make([]Point, n)
	for i := range points {
		points[i] = Point{At: monday.Add(time.Duration(i) * step), Value: value(i)}
	}
	return points
}

// daily is a day's course of an office: low at night, two humps.
func daily(i, perDay int) float64 {
	x := 2 * math.Pi * float64(i%perDay) / float64(perDay)
	return 100 - 60*math.Cos(x) + 20*math.Sin(2*x)
}

func must(t *testing.T, points []Point, o Options) Forecast {
	t.Helper()
	f, err := Make(points, o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestACycleThatRepeatsIsFoundAndForecast(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step   time.Duration
		days   int
		value  func(i int) float64
		season time.Duration
	}{
		"a day":      {time.Hour, 4, func(i int) float64 { return daily(i, 24) }, day},
		"an hour":    {5 * time.Minute, 1, func(i int) float64 { return float64(i * 7 % 12) }, time.Hour},
		"a week":     {time.Hour, 28, func(i int) float64 { return daily(i, 24) * float64(1+i/24%7) }, day},
		"no cycle":   {time.Hour, 4, func(int) float64 { return 42 }, 0},
		"a trend":    {time.Hour, 4, func(i int) float64 { return float64(10 * i) }, 0},
		"both":       {time.Hour, 6, func(i int) float64 { return daily(i, 24) + float64(3*i) }, day},
		"below zero": {time.Hour, 4, func(i int) float64 { return daily(i, 24) - 100 }, day},
	} {
		n := int(time.Duration(c.days) * day / c.step)
		f := must(t, series(n, c.step, c.value), Options{Step: c.step, Horizon: 12 * c.step})
		if f.Season.Std() != c.season {
			t.Errorf("%s: the season is %s, by %s", name, f.Season, f.Method)
		}
		size := 1.0
		for i := range n {
			size = max(size, math.Abs(c.value(i)))
		}
		for h, p := range f.Points {
			if want := c.value(n + h); math.Abs(p.Mean-want) > 0.05*size {
				t.Errorf("%s, %d ahead: %v, want %v", name, h+1, p.Mean, want)
			}
		}
	}
}

func TestTooLittleHistorySaysHowMuchIsThereAndHowMuchIsNeeded(t *testing.T) {
	t.Parallel()
	flat := func(int) float64 { return 1 }
	for name, c := range map[string]struct {
		points []Point
		o      Options
		want   string
	}{
		"nothing":              {nil, Options{Step: time.Minute, Horizon: time.Hour}, "needs 1h10m (70 values 1m apart) and there are 0s (0 values)"},
		"half an hour":         {series(30, time.Minute, flat), Options{Step: time.Minute, Horizon: time.Hour}, "needs 1h10m (70 values 1m apart) and there are 30m (30 values)"},
		"only not a number":    {series(90, time.Minute, func(int) float64 { return math.NaN() }), Options{Step: time.Minute, Horizon: time.Hour}, "there are 0s"},
		"mostly gaps":          {series(11, 10*time.Minute, flat), Options{Step: time.Minute, Horizon: time.Hour}, "of 101 values 1m apart only 11 were seen"},
		"no step":              {nil, Options{Horizon: time.Hour}, "step: must be at least 1s"},
		"no horizon":           {nil, Options{Step: time.Minute}, "horizon: must be positive"},
		"a certain interval":   {nil, Options{Step: time.Minute, Horizon: time.Hour, Level: 1}, "level: must be between 0 and 1"},
		"not a level":          {nil, Options{Step: time.Minute, Horizon: time.Hour, Level: math.NaN()}, "level"},
		"a horizon of seconds": {nil, Options{Step: time.Second, Horizon: 365 * day}, "write a longer step"},
		"years at seconds":     {[]Point{{monday, 1}, {monday.AddDate(3, 0, 0), 1}}, Options{Step: time.Second, Horizon: time.Minute}, "write a longer step or a shorter history"},
	} {
		_, err := Make(c.points, c.o)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAGapIsAGap(t *testing.T) {
	t.Parallel()
	full := series(5*24, time.Hour, func(i int) float64 { return daily(i, 24) })
	var holed []Point
	for i, p := range full {
		if i < 60 || i >= 72 { // half a day is missing on the third day
			holed = append(holed, p)
		}
	}
	f := must(t, holed, Options{Step: time.Hour, Horizon: day})
	if want := 108.0 / 120; math.Abs(f.Coverage-want) > 1e-12 || f.History != 108 {
		t.Errorf("coverage %v of %d values, want %v", f.Coverage, f.History, want)
	}
	for h, p := range f.Points {
		if want := daily(120+h, 24); math.Abs(p.Mean-want) > 1e-9 {
			t.Errorf("%d ahead: %v, want %v", h+1, p.Mean, want)
		}
	}
}

func TestTheFutureBeginsNowHoweverOldTheDataIs(t *testing.T) {
	t.Parallel()
	points := series(4*24, time.Hour, func(i int) float64 { return daily(i, 24) })
	last := points[len(points)-1].At
	now := last.Add(3*time.Hour + 20*time.Minute)
	f := must(t, append(points, Point{now.Add(time.Minute), 1e9}), Options{Step: time.Hour, Horizon: 6 * time.Hour, Now: now})
	if !f.At.Equal(last) || f.Last != points[len(points)-1].Value {
		t.Errorf("the newest value is of %v", f.At)
	}
	if first := f.Points[0]; !first.At.Equal(last.Add(4*time.Hour)) || math.Abs(first.Mean-daily(4*24+3, 24)) > 1e-9 {
		t.Errorf("the first prediction is %+v", first)
	}
	if want := 96.0 / 99; math.Abs(f.Coverage-want) > 1e-12 {
		t.Errorf("coverage %v, want %v: what was not seen up to now is missing", f.Coverage, want)
	}
}

func TestWhenALimitIsReached(t *testing.T) {
	t.Parallel()
	rising := Forecast{At: monday, Last: 10}
	for h := 1; h <= 10; h++ {
		rising.Points = append(rising.Points, Predicted{monday.Add(time.Duration(h) * time.Hour), 10 + float64(h), 10 + float64(h)/2, 10 + 2*float64(h)})
	}
	falling := Forecast{At: monday, Last: 10}
	for _, p := range rising.Points {
		falling.Points = append(falling.Points, Predicted{p.At, 20 - p.Mean, 20 - p.Upper, 20 - p.Lower})
	}
	never := time.Time{}
	at := func(h int) time.Time { return monday.Add(time.Duration(h) * time.Hour) }
	for name, c := range map[string]struct {
		f                      Forecast
		limit                  float64
		mean, earliest, latest time.Time
	}{
		"rising to it":          {rising, 14, at(4), at(2), at(8)},
		"rising, perhaps":       {rising, 25, never, at(8), never},
		"rising, out of reach":  {rising, 100, never, never, never},
		"falling to it":         {falling, 6, at(4), at(2), at(8)},
		"falling, perhaps":      {falling, -5, never, at(8), never},
		"there already":         {rising, 10, monday, monday, monday},
		"not a number":          {rising, math.NaN(), never, never, never},
		"no forecast, no limit": {Forecast{}, 0, never, never, never},
	} {
		r := c.f.Reach(c.limit)
		if !or(r.Mean).Equal(c.mean) || !or(r.Earliest).Equal(c.earliest) || !or(r.Latest).Equal(c.latest) {
			t.Errorf("%s: mean %v, earliest %v, latest %v", name, r.Mean, r.Earliest, r.Latest)
		}
	}
}

// A hundred and twenty series with a day's course, weekends and noise that remembers: the interval of 90 % must hold about 90 %
// of what comes, an hour and a day ahead.
func or(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func TestTheIntervalHoldsWhatItPromises(t *testing.T) {
	t.Parallel()
	for _, level := range []float64{0.8, 0.9} {
		held, all := map[string]float64{}, map[string]float64{}
		for seed := range uint64(120) {
			points, future := noisy(seed)
			f := must(t, points, Options{Step: 30 * time.Minute, Horizon: day, Level: level})
			for h, p := range f.Points {
				when := map[bool]string{true: "first hours", false: "later"}[h < 4]
				all[when]++
				if future[h] >= p.Lower && future[h] <= p.Upper {
					held[when]++
				}
			}
		}
		for when := range all {
			got := held[when] / all[when]
			t.Logf("level %v, %s: %.3f held", level, when, got)
			if got < level-0.03 || got > level+0.06 { // a little too wide is the honest side
				t.Errorf("level %v, %s: the interval held %.3f", level, when, got)
			}
		}
	}
}

// noisy makes ten days of half hours and the day after.
func noisy(seed uint64) ([]Point, []float64) {
	r := rand.New(rand.NewPCG(seed, 11))
	noise, weight := 0.0, 5+10*r.Float64()
	value := func(i int) float64 {
		noise = 0.7*noise + weight*r.NormFloat64()
		return 200 + 2*daily(i, 48) + noise
	}
	points := series(480, 30*time.Minute, value)
	future := make([]float64, 48)
	for h := range future {
		future[h] = value(480 + h)
	}
	return points, future
}

func TestWhatHoldsForEveryForecast(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		step := rapid.SampledFrom([]time.Duration{time.Minute, 5 * time.Minute, time.Hour}).Draw(t, "step")
		n := rapid.IntRange(40, 400).Draw(t, "n")
		values := rapid.SliceOfN(rapid.Float64Range(0, 1e6), n, n).Draw(t, "values")
		points := series(n, step, func(i int) float64 { return values[i] })
		o := Options{Step: step, Horizon: step * time.Duration(rapid.IntRange(1, 25).Draw(t, "steps")), Level: rapid.Float64Range(0.5, 0.99).Draw(t, "level")}
		f, err := Make(points, o)
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Points) != o.steps() || f.Coverage != 1 || f.History != n {
			t.Fatalf("%d points, coverage %v, history %d", len(f.Points), f.Coverage, f.History)
		}
		at := f.At
		for _, p := range f.Points {
			if at = at.Add(step); !p.At.Equal(at) {
				t.Fatalf("a point is at %v, want %v", p.At, at)
			}
			if !(p.Lower <= p.Mean && p.Mean <= p.Upper) || p.Lower < 0 {
				t.Fatalf("the interval is not around the mean, or below zero: %+v", p)
			}
		}
		limit := rapid.Float64Range(0, 2e6).Draw(t, "limit")
		r := f.Reach(limit)
		mean, earliest, latest := or(r.Mean), or(r.Earliest), or(r.Latest)
		if !latest.IsZero() && latest.Before(mean) || !mean.IsZero() && (earliest.IsZero() || mean.Before(earliest)) {
			t.Fatalf("the limit %v is reached at %v, not before %v and not after %v", limit, mean, earliest, latest)
		}
		if r.Chance == nil || *r.Chance < 0 || *r.Chance > 1 {
			t.Fatalf("the chance is %v", r.Chance)
		}
	})
}

func TestOrderAndRepetitionOfPointsDoNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(40, 120).Draw(t, "n")
		points := series(n, time.Minute, func(int) float64 { return rapid.Float64Range(-100, 100).Draw(t, "value") })
		o := Options{Step: time.Minute, Horizon: 10 * time.Minute}
		want, err := Make(points, o)
		if err != nil {
			t.Fatal(err)
		}
		// Each point twice, shuffled, with what is no value between.
		doubled := append(append([]Point{}, points...), points...)
		doubled = append(doubled, Point{monday.Add(7 * time.Second), math.Inf(1)})
		shuffled := rapid.Permutation(doubled).Draw(t, "order")
		got, err := Make(shuffled, o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Forecast{})); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestAnotherUnitGivesTheSameForecastInThatUnit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(60, 200).Draw(t, "n")
		values := rapid.SliceOfN(rapid.Float64Range(1, 1000), n, n).Draw(t, "values")
		o := Options{Step: time.Hour, Horizon: 5 * time.Hour}
		a, errA := Make(series(n, time.Hour, func(i int) float64 { return values[i] }), o)
		b, errB := Make(series(n, time.Hour, func(i int) float64 { return values[i] * 1024 }), o) // exact in binary
		if errA != nil || errB != nil || a.Method != b.Method || a.Season != b.Season {
			t.Fatalf("%v %v: %s and %s", errA, errB, a.Method, b.Method)
		}
		for h := range a.Points {
			for _, pair := range [][2]float64{{a.Points[h].Mean, b.Points[h].Mean}, {a.Points[h].Lower, b.Points[h].Lower}, {a.Points[h].Upper, b.Points[h].Upper}} {
				if math.Abs(pair[0]*1024-pair[1]) > 1e-6*(1+math.Abs(pair[1])) {
					t.Fatalf("%d ahead: %v and %v", h+1, a.Points[h], b.Points[h])
				}
			}
		}
	})
}

func TestOneOddValueTurnsNoTrend(t *testing.T) {
	t.Parallel()
	f := must(t, series(200, time.Minute, func(i int) float64 {
		if i == 3 {
			return 1e6
		}
		return 50 + float64(i%2)
	}), Options{Step: time.Minute, Horizon: 30 * time.Minute})
	if p := f.Points[29]; math.Abs(p.Mean-50) > 2 || p.Upper > 60 {
		t.Errorf("half an hour ahead: %+v", p)
	}
}

func ExampleMake() {
	start := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	var disk []Point // a disk that fills by 1 GB an hour
	for i := range 72 {
		disk = append(disk, Point{At: start.Add(time.Duration(i) * time.Hour), Value: 100 + float64(i)})
	}
	f, err := Make(disk, Options{Step: time.Hour, Horizon: 48 * time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	full := f.Reach(200)
	fmt.Println("from", f.Last, "GB; 200 GB at", full.Mean.Format(time.RFC3339), "with", manifest.Duration(f.Step), "steps")
	// Output: from 171 GB; 200 GB at 2026-11-06T12:00:00Z with 1h steps
}

func BenchmarkMake(b *testing.B) {
	points := series(14*96, 15*time.Minute, func(i int) float64 { return daily(i, 96) + float64(i*7919%13) })
	for b.Loop() {
		if _, err := Make(points, Options{Step: 15 * time.Minute, Horizon: day}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "series/s")
}
