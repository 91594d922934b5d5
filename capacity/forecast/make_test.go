package forecast

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// errorOf is the mean absolute error of a forecast against what the workload does by itself.
func errorOf(f Forecast, truth func(t time.Time) float64) float64 {
	sum := 0.0
	for _, p := range f.Points {
		sum += math.Abs(p.Mean-truth(p.At)) / float64(len(f.Points))
	}
	return sum
}

// office is a workload by the clock of a zone, in requests a second.
func office(zone *time.Location) func(time.Time) float64 {
	return func(t time.Time) float64 {
		t = t.In(zone)
		return daily(t.Hour()*2+t.Minute()/30, 48)
	}
}

func observed(from time.Time, n int, step time.Duration, value func(time.Time) float64) []Point {
	points := make([]Point, n)
	for i := range points {
		at := from.Add(time.Duration(i) * step)
		points[i] = Point{at, value(at)}
	}
	return points
}

func noisyOf(value func(time.Time) float64, deviation float64) func(time.Time) float64 {
	r := rand.New(rand.NewPCG(3, 4))
	return func(t time.Time) float64 { return max(0, value(t)+deviation*r.NormFloat64()) }
}

func TestWhatIsNotTheWorkloadsOwnIsLeftOutAndTold(t *testing.T) {
	t.Parallel()
	usual := office(time.UTC)
	half := 30 * time.Minute
	for name, c := range map[string]struct {
		change func(i int, y float64) float64
		o      Options
		note   string
	}{
		"an outage of three hours": {func(i int, y float64) float64 {
			if i >= 400 && i < 406 {
				return 0
			}
			return y
		}, Options{}, "1 outage, 3h in all"},
		"two odd values": {func(i int, y float64) float64 {
			if i == 300 || i == 431 {
				return 40 * y
			}
			return y
		}, Options{}, "2 values far from what is usual"},
		"a level twice as high since": {func(i int, y float64) float64 {
			if i < 310 {
				return y / 2
			}
			return y
		}, Options{}, "the level changed from"},
		"a day known to be special": {func(i int, y float64) float64 {
			if i >= 336 && i < 384 {
				return 3 * y
			}
			return y
		}, Options{Events: []Event{{Name: "sale", From: monday.Add(336 * half), To: monday.Add(384 * half)}}}, "48 values in known events"},
	} {
		value := noisyOf(usual, 3)
		points := observed(monday, 480, half, value)
		for i := range points {
			points[i].Value = c.change(i, points[i].Value)
		}
		c.o.Step, c.o.Horizon = half, day
		f := must(t, points, c.o)
		if !strings.Contains(strings.Join(f.Notes, "\n"), c.note) {
			t.Errorf("%s: the notes are %q", name, f.Notes)
		}
		c.o.Raw, c.o.Events = true, nil
		raw := must(t, points, c.o)
		if len(raw.Notes) > 0 {
			t.Errorf("%s: as they are, and yet %q", name, raw.Notes)
		}
		got, without := errorOf(f, usual), errorOf(raw, usual)
		t.Logf("%s: off by %.2f, by %.2f as it is", name, got, without)
		if got > 5 || got > 1.2*without+0.5 {
			t.Errorf("%s: off by %.2f on average, by %.2f taken as it is", name, got, without)
		}
		width := func(f Forecast) float64 { return f.Points[10].Upper - f.Points[10].Lower }
		if width(f) > 40 {
			t.Errorf("%s: the interval is %.1f wide for noise of a deviation of 3", name, width(f))
		}
	}
}

func TestWhatIsTheWorkloadsOwnStays(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	for name, value := range map[string]func(time.Time) float64{
		"nothing at night": func(t time.Time) float64 {
			if t.Hour() < 6 {
				return 0
			}
			return 50 + 2*r.NormFloat64()
		},
		"spikes all the time": func(time.Time) float64 {
			if r.Float64() < 0.05 {
				return 500
			}
			return 10 + r.NormFloat64()
		},
		"weekends": func(t time.Time) float64 {
			if t.Weekday() == time.Saturday || t.Weekday() == time.Sunday {
				return 20 + r.NormFloat64()
			}
			return 100 + r.NormFloat64()
		},
		"steady growth": func(t time.Time) float64 { return 50 + t.Sub(monday).Hours() + r.NormFloat64() },
		"a slow wander": noisyOf(func(t time.Time) float64 { return 100 + 30*math.Sin(t.Sub(monday).Hours()/60) }, 1),
	} {
		f := must(t, observed(monday, 20*48, 30*time.Minute, value), Options{Step: 30 * time.Minute, Horizon: day})
		if len(f.Notes) > 0 {
			t.Errorf("%s: %q", name, f.Notes)
		}
	}
}

func TestWhatHasJustBegunIsNotOdd(t *testing.T) {
	t.Parallel()
	points := observed(monday, 480, 30*time.Minute, noisyOf(office(time.UTC), 3))
	for i := 478; i < 480; i++ {
		points[i].Value = 800
	}
	f := must(t, points, Options{Step: 30 * time.Minute, Horizon: 2 * time.Hour})
	if f.Points[0].Upper < 200 {
		t.Errorf("the load has just risen to 800, and the bound half an hour ahead is %.0f", f.Points[0].Upper)
	}
}

func TestACounterIsForecastByItsGrowth(t *testing.T) {
	t.Parallel()
	total := 0.0
	points := observed(monday, 300, time.Minute, func(at time.Time) float64 {
		if total += 60 * 5; at.Sub(monday) == 100*time.Minute { // restarted
			total = 60 * 5
		}
		return total
	})
	f := must(t, points, Options{Step: time.Minute, Horizon: 30 * time.Minute, Counter: true})
	for _, p := range f.Points {
		if math.Abs(p.Mean-5) > 1e-6 {
			t.Fatalf("%v: %v a second, want 5", p.At, p.Mean)
		}
	}
}

// Office hours go by the clock on the wall: on the other side of a change of the clock, eight is still eight.
func TestDaysGoByTheClockOfTheWorkload(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	half := 30 * time.Minute
	for name, change := range map[string]time.Time{
		"summer time begins": time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC),
		"summer time ends":   time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC),
	} {
		for lies, now := range map[string]time.Time{"ahead": change.Add(-12 * time.Hour), "behind": change.Add(60 * time.Hour)} {
			points := observed(now.Add(-10*day), 480, half, noisyOf(office(berlin), 1))
			byClock := must(t, points, Options{Step: half, Horizon: day, Zone: berlin, Now: now.Add(-half)})
			byUTC := must(t, points, Options{Step: half, Horizon: day, Now: now.Add(-half)})
			if len(byClock.Points) != 48 || !byClock.Points[47].At.Equal(byClock.At.Add(day)) {
				t.Fatalf("%s, %s: %d points up to %v", name, lies, len(byClock.Points), byClock.Points[len(byClock.Points)-1].At)
			}
			right, wrong := errorOf(byClock, office(berlin)), errorOf(byUTC, office(berlin))
			t.Logf("%s, %s: off by %.2f, by %.2f without the zone", name, lies, right, wrong)
			if right > 3 || lies == "ahead" && wrong < 2*right {
				t.Errorf("%s, %s: off by %.2f, by %.2f without the zone", name, lies, right, wrong)
			}
		}
	}
}

func TestAFutureEventDoesWhatEarlierOnesDid(t *testing.T) {
	t.Parallel()
	half := 30 * time.Minute
	usual := office(time.UTC)
	sale := func(weeks int) Event {
		from := monday.Add(time.Duration(weeks)*7*day + 2*day)
		return Event{Name: "sale", From: from, To: from.Add(day)}
	}
	events := []Event{sale(0), sale(1), sale(2)} // each Wednesday; the third is to come
	noisy := noisyOf(usual, 2)
	points := observed(monday, 16*48, half, func(at time.Time) float64 {
		if slices.ContainsFunc(events, func(e Event) bool { return e.covers(at) }) {
			return 2 * noisy(at)
		}
		return noisy(at)
	})
	points = points[:15*48] // up to Tuesday
	f := must(t, points, Options{Step: half, Horizon: 3 * day, Events: events})
	for _, p := range f.Points {
		want := usual(p.At)
		if events[2].covers(p.At) {
			want *= 2
		}
		if math.Abs(p.Mean-want) > 12 || p.Upper < p.Mean {
			t.Errorf("%v: %.1f to %.1f, want about %.1f", p.At, p.Mean, p.Upper, want)
		}
	}
	if text := strings.Join(f.Notes, "\n"); !strings.Contains(text, "sale multiplies the load by") || !strings.Contains(text, "2 times before") {
		t.Errorf("the notes are %q", f.Notes)
	}
	known := Options{Step: half, Horizon: 3 * day, Events: []Event{{Name: "launch", From: monday.Add(15 * day), To: monday.Add(16 * day), Factor: 5}}}
	if f := must(t, points, known); math.Abs(f.Points[20].Mean/usual(f.Points[20].At)-5) > 0.6 {
		t.Errorf("a launch said to bring five times the load: %.1f instead of %.1f", f.Points[20].Mean, 5*usual(f.Points[20].At))
	}
	known.Events[0].Factor = 0
	if f := must(t, points, known); !strings.Contains(strings.Join(f.Notes, ""), "no earlier launch") {
		t.Errorf("the notes are %q", f.Notes)
	}
	for _, bad := range []Event{{}, {Name: "x", From: monday, To: monday}, {Name: "x", From: monday, To: monday.Add(day), Factor: -1}} {
		if _, err := Make(points, Options{Step: half, Horizon: day, Events: []Event{bad}}); err == nil || !strings.Contains(err.Error(), "events: ") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestNothingIsForecastAboveWhatThereCanBe(t *testing.T) {
	t.Parallel()
	full := 150.0
	points := series(200, time.Hour, func(i int) float64 { return 0.6*float64(i) + 10 })
	f := must(t, points, Options{Step: time.Hour, Horizon: 100 * time.Hour, Cap: &full})
	for _, p := range f.Points {
		if p.Mean > full || p.Upper > full {
			t.Fatalf("%+v is above the cap of %v", p, full)
		}
	}
	r := f.Reach(full)
	if r.Mean == nil || r.Chance == nil || *r.Chance < 0.5 || len(r.By) < 2 {
		t.Fatalf("reaching the cap: %+v", r)
	}
	if !r.Earliest.Before(*r.Mean) || !slices.IsSortedFunc(r.By, func(a, b Chance) int { return a.At.Compare(b.At) }) {
		t.Errorf("the times are out of order: %+v", r)
	}
	low := 200.0
	if _, err := Make(points, Options{Step: time.Hour, Horizon: day, Floor: &low, Cap: &full}); err == nil || !strings.Contains(err.Error(), "cap: must be above the floor") {
		t.Errorf("a cap below the floor: %v", err)
	}
}

// A limit that half of all courses pass has an even chance.
func TestTheChanceOfALimitIsAsOftenAsItIsPassed(t *testing.T) {
	t.Parallel()
	said, passed := 0.0, 0.0
	for seed := range uint64(80) {
		points, future := noisy(seed)
		f := must(t, points, Options{Step: 30 * time.Minute, Horizon: day})
		// The limit lies above everything seen lately, a different distance each time.
		limit := 480 + 2*float64(seed%20)
		for h, p := range f.Points {
			one := Forecast{At: f.At, Last: 0, Points: []Predicted{p}, chance: func(_ int, limit float64) float64 { return f.chance(h, limit) }}
			said += *one.Reach(limit).Chance
			if future[h] >= limit {
				passed++
			}
		}
	}
	t.Logf("said %.0f, passed %.0f", said, passed)
	if passed < 50 || math.Abs(said-passed) > 0.35*passed {
		t.Errorf("the chances sum to %.0f, and the limit was passed %.0f times", said, passed)
	}
}

func TestTheNextTierIsTheFirstOneNotPassed(t *testing.T) {
	t.Parallel()
	f := Forecast{Last: 700}
	if tier, ok := f.NextTier([]float64{10000, 100, 1000}); !ok || tier != 1000 {
		t.Errorf("%v %v", tier, ok)
	}
	if _, ok := f.NextTier([]float64{100, 700}); ok {
		t.Error("all are passed")
	}
}

// Whatever the series does, in the long run the interval holds as often as it should.
func TestAnAdaptedLevelHoldsInTheLongRun(t *testing.T) {
	t.Parallel()
	for _, believed := range []float64{0.7, 1, 1.5} { // how wide the intervals are, relative to what they should be
		r := rand.New(rand.NewPCG(7, 8))
		var held []float64
		within := 0.0
		const n = 4000
		for range n {
			level := Adapt(0.9, held[max(0, len(held)-1000):])
			// An interval of a normal error at that level, wrongly scaled.
			width := believed * math.Sqrt2 * math.Erfinv(level)
			in := math.Abs(r.NormFloat64()) <= width
			held = append(held, map[bool]float64{true: 1}[in])
			within += held[len(held)-1]
		}
		got := within / n
		t.Logf("intervals %v times as wide as right: %.3f held", believed, got)
		if math.Abs(got-0.9) > 0.02 {
			t.Errorf("intervals %v times as wide as right: %.3f held", believed, got)
		}
	}
	if up, down := Adapt(0.9, []float64{0}), Adapt(0.9, []float64{1}); !(up > 0.9 && down < 0.9) || Adapt(0.9, nil) != 0.9 {
		t.Errorf("after a miss %v, after a hit %v", up, down)
	}
}

func TestAnEventIsReadFromOneLine(t *testing.T) {
	t.Parallel()
	got, err := ParseEvent("sale=2026-11-27/2026-11-28T06:00:00+01:00/1.5")
	want := Event{Name: "sale", From: time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 11, 28, 5, 0, 0, 0, time.UTC), Factor: 1.5}
	if err != nil || got.Name != want.Name || !got.From.Equal(want.From) || !got.To.Equal(want.To) || got.Factor != want.Factor {
		t.Errorf("%+v %v", got, err)
	}
	for _, bad := range []string{"", "sale", "=2026-11-27/2026-11-28", "sale=2026-11-28/2026-11-27", "sale=2026-11-27", "sale=27 Nov/2026-11-28", "sale=2026-11-27/x",
		"sale=2026-11-27/2026-11-28/0", "sale=2026-11-27/2026-11-28/-1", "sale=2026-11-27/2026-11-28/Inf", "sale=2026-11-27/2026-11-28/1/2"} {
		if e, err := ParseEvent(bad); err == nil || !strings.Contains(err.Error(), "write NAME=FROM/TO") {
			t.Errorf("%q: %+v %v", bad, e, err)
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add("sale=2026-11-27/2026-11-28/1.5")
	f.Fuzz(func(t *testing.T, text string) {
		if e, err := ParseEvent(text); err == nil && e.trouble() != "" {
			t.Errorf("%q is read as %+v", text, e)
		}
	})
}
