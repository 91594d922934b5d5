package slo

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func burnedDown(w Window, now time.Time, buckets []Bucket, points int) BurnedDown {
	s := predicted
	s.Window = w
	return BurnDown(Versioned{SLO: s, Version: 1}, nil, buckets, nil, now, points)
}

func pointAt(t *testing.T, points []BurnPoint, at time.Time) BurnPoint {
	t.Helper()
	for _, p := range points {
		if !p.At.Before(at) {
			return p
		}
	}
	t.Fatalf("no point at %v", at)
	return BurnPoint{}
}

func TestARollingBudgetComesBackWhenErrorsRollOut(t *testing.T) {
	t.Parallel()
	now := predictStart.Add(60 * day)
	// Ten minutes of half failing, 35 days ago: 100 of 864,000 events, of which 864 may fail.
	buckets := hundreds(now, 60*day, func(age time.Duration) float64 {
		if age > 35*day && age <= 35*day+10*time.Minute {
			return 50
		}
		return 0
	})
	down := burnedDown(Window{}, now, buckets, 61)
	for _, c := range []struct {
		age  time.Duration
		left float64
	}{{29 * day, 1 - 100.0/864}, {6 * day, 1 - 100.0/864}, {4 * day, 1}, {0, 1}} {
		p := pointAt(t, down.Points, now.Add(-c.age))
		if math.Abs(p.Remaining-c.left) > 1e-9 || p.Partial {
			t.Errorf("%v ago %v was left (partial %v), want %v", c.age, p.Remaining, p.Partial, c.left)
		}
	}
}

func TestAYoungHistorySaysThatItIs(t *testing.T) {
	t.Parallel()
	now := predictStart.Add(60 * day)
	// Forty days of history. One error in each bucket of the first day, and none since.
	buckets := hundreds(now, 40*day, func(age time.Duration) float64 {
		if age > 39*day {
			return 1
		}
		return 0
	})
	down := burnedDown(Window{}, now, buckets, 121)
	for _, p := range down.Points {
		age := now.Sub(p.At)
		if want := age > 10*day+time.Hour; p.Partial != want && (age-10*day).Abs() > time.Hour {
			t.Errorf("%v ago: partial %v", age, p.Partial)
		}
		if p.Partial && math.Abs(p.Remaining-(1-288.0/864)) > 1e-9 {
			t.Errorf("%v ago %v was left, want two thirds: by the first whole window's traffic", age, p.Remaining)
		}
	}
	if first, last := down.Points[0], down.Points[len(down.Points)-1]; !first.Partial || last.Partial || last.Remaining != 1 {
		t.Errorf("begins with %+v, ends with %+v", first, last)
	}
}

func TestACalendarBudgetIsThatOfTheWholePeriod(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 7, 11, 0, 0, 0, 0, time.UTC) // ten of 31 days
	month := Window{Calendar: MonthOn}
	down := burnedDown(month, now, hundreds(now, 30*day, func(time.Duration) float64 { return 0.1 }), 50)
	last := down.Points[len(down.Points)-1]
	if want := 1 - 10.0/31; math.Abs(last.Remaining-want) > 0.001 {
		t.Errorf("a third of the month at exactly the budget leaves %v, want %v", last.Remaining, want)
	}
	if fan := down.Prediction.Fan[0]; math.Abs(fan.P50-last.Remaining) > 0.01 {
		t.Errorf("the fan begins at %v, the points end at %v", fan, last.Remaining)
	}
	now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	young := burnedDown(month, now, hundreds(now, 12*time.Hour, func(time.Duration) float64 { return 0.05 }), 50)
	if last := young.Points[len(young.Points)-1]; math.Abs(last.Remaining-0.5) > 1e-9 || young.Prediction.Enough {
		t.Errorf("with half a day of history the traffic so far counts, which leaves 0.5, not %+v", last)
	}
}

// Every kind of window: the last point of a rolling one is the status, a calendar one never rises, no event is lost, and
// the fan goes on where the points end.
func TestBurnDownsOfAnyWindowHoldTogether(t *testing.T) {
	t.Parallel()
	windows := []Window{{}, {Rolling: 7 * day}, {Calendar: Day}, {Calendar: Week}, {Calendar: MonthOn, Zone: "Europe/Berlin"}, {Calendar: Quarter}}
	rapid.Check(t, func(r *rapid.T) {
		s := predicted
		s.Window = rapid.SampledFrom(windows).Draw(r, "window")
		now := predictStart.Add(60*day + time.Duration(rapid.IntRange(0, 100_000).Draw(r, "now"))*time.Second)
		bad := rapid.SliceOfN(rapid.IntRange(0, 20), 1, 40).Draw(r, "errors by day")
		lag := time.Duration(rapid.IntRange(0, 20).Draw(r, "lag")) * time.Minute
		buckets := hundreds(now.Add(-lag), time.Duration(len(bad))*day, func(age time.Duration) float64 {
			if age/time.Minute%60 < 10 {
				return float64(bad[min(int(age/day), len(bad)-1)])
			}
			return 0
		})
		live := []IncrementSeries{{Series: Series{SLO: predicted.ID, Group: "{}"}}}
		for at := epochFloor(now, time.Minute).Add(-time.Hour); !at.After(now); at = at.Add(time.Minute) {
			live[0].Points = append(live[0].Points, Increment{At: at, Errors: 1, Total: 20})
		}
		v := Versioned{SLO: s}
		down := BurnDown(v, nil, buckets, live, now, rapid.IntRange(2, 200).Draw(r, "points"))
		st := StatusOf(v, nil, buckets, live, now)
		var errors, total float64
		for i, p := range down.Points {
			errors, total = errors+p.Errors, total+p.Total
			if math.IsNaN(p.Remaining) || i > 0 && (!p.At.After(down.Points[i-1].At) || s.Window.Calendar != "" && p.Remaining > down.Points[i-1].Remaining+1e-12) {
				r.Fatalf("%+v at %d", p, i)
			}
		}
		if math.Abs(errors-st.Counts.Errors()) > 1e-6 || math.Abs(total-st.Counts.Total) > 1e-6 {
			r.Fatalf("the points hold %v of %v, the status %+v", errors, total, st.Counts)
		}
		if len(down.Points) == 0 {
			if total > 0 {
				r.Fatal("events, but no points")
			}
			return // a period that has only just begun
		}
		last := down.Points[len(down.Points)-1]
		if s.Window.Calendar == "" && last.At.Equal(now) && math.Abs(last.Remaining-st.Remaining) > 1e-9 {
			r.Fatalf("ends with %v, the status says %v", last.Remaining, st.Remaining)
		}
		if p := down.Prediction; p.Enough && s.Window.Length() >= 7*day && math.Abs(p.Fan[0].P50-last.Remaining) > 0.05*(1+math.Abs(last.Remaining)) {
			r.Fatalf("ends with %v, the fan begins with %+v", last.Remaining, p.Fan[0])
		}
	})
}

func BenchmarkBurnDown(b *testing.B) {
	now := predictStart.Add(60 * day)
	buckets := hundreds(now, 60*day, func(age time.Duration) float64 { return float64(age / time.Hour % 2) })
	for b.Loop() {
		burnedDown(Window{}, now, buckets, 240)
	}
}
