package web

import (
	"math"
	"time"
)

// tick is one mark of an axis: where, as a share of the axis from its start, and what it says.
type tick struct {
	At    float64
	Label string
	Major bool // the beginning of a day
}

var timeSteps = []time.Duration{
	time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	24 * time.Hour, 2 * 24 * time.Hour, 7 * 24 * time.Hour, 14 * 24 * time.Hour, 28 * 24 * time.Hour,
	91 * 24 * time.Hour, 364 * 24 * time.Hour,
}

// timeTicks marks whole steps of UTC in [from, to], at most the given number of them. Midnights carry the date.
func timeTicks(from, to time.Time, most int) []tick {
	span := to.Sub(from)
	if span <= 0 || most < 1 {
		return nil
	}
	step := timeSteps[len(timeSteps)-1]
	for _, s := range timeSteps {
		if span/s < time.Duration(most) {
			step = s
			break
		}
	}
	var ticks []tick
	at := from.UTC().Truncate(step)
	if at.Before(from) {
		at = at.Add(step)
	}
	for ; !at.After(to) && len(ticks) < most; at = at.Add(step) {
		ticks = append(ticks, tick{At: float64(at.Sub(from)) / float64(span), Label: timeLabel(at, step), Major: isMidnight(at)})
	}
	return ticks
}

func isMidnight(t time.Time) bool { return t.Truncate(24 * time.Hour).Equal(t) }

func timeLabel(at time.Time, step time.Duration) string {
	switch {
	case isMidnight(at):
		return at.Format("2") + thin + at.Format("Jan")
	case step < time.Minute:
		return at.Format("15:04:05")
	}
	return at.Format("15:04")
}

// scale is a value axis that ends on round numbers.
type scale struct{ Low, High, Step float64 }

// newScale covers [low, high] with about the given number of round steps.
func newScale(low, high float64, steps int) scale {
	if !finite(low) || !finite(high) {
		low, high = 0, 1
	}
	if high <= low {
		high = low + math.Max(math.Abs(low)*0.1, 1e-9)
		if low == 0 {
			high = 1
		}
	}
	step := roundStep((high - low) / float64(max(steps, 1)))
	return scale{Low: math.Floor(low/step+1e-9) * step, High: math.Ceil(high/step-1e-9) * step, Step: step}
}

// roundStep returns the smallest of 1, 2, 2.5, 5 and 10 times a power of ten that is not below x.
func roundStep(x float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if x <= m*power*(1+1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// at returns where v lies on the axis, 0 at Low and 1 at High, held within.
func (s scale) at(v float64) float64 {
	share := (v - s.Low) / (s.High - s.Low)
	if math.IsNaN(share) { // numbers too large to tell apart
		return 0
	}
	return math.Min(1, math.Max(0, share))
}

func (s scale) ticks(format func(float64) string) []tick {
	var ticks []tick
	for i := 0; i <= 12; i++ {
		v := s.Low + float64(i)*s.Step
		if v > s.High+s.Step/2 {
			break
		}
		if math.Abs(v) < s.Step/1e6 {
			v = 0
		}
		ticks = append(ticks, tick{At: s.at(v), Label: format(v)})
	}
	return ticks
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
