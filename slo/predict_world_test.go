package slo

import (
	"math"
	"math/rand/v2"
	"time"
)

// burnWorld is a service whose errors are known for all time: daily and weekly traffic, a low ratio of errors always,
// and incidents that come at random, last a lognormal time and fail a lognormal share.
type burnWorld struct {
	name     string
	window   Window
	rps      float64       // mean traffic
	base     float64       // usual error ratio
	every    time.Duration // between incidents, on average; 0 for none
	lasts    time.Duration // median
	spread   float64       // sigma of the logarithm of how long they last
	ratio    float64       // median of the share that fails
	volatile float64       // sigma of the logarithm of the traffic's own noise, by hour
	during   bool          // predict while an incident is under way
}

var predictStart = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC) // a Monday

var predicted = SLO{ID: "shop-availability", Objective: 99.9, Interval: time.Minute}

// worldWidth is that of the worlds' buckets: wide, so that many worlds are drawn in little time.
const worldWidth = 15 * time.Minute

type incidentAt struct {
	from, to time.Time
	ratio    float64
}

// buckets draws the buckets of the world in [predictStart, predictStart+length).
func (w burnWorld) buckets(rng *rand.Rand, length time.Duration, incidents []incidentAt) []Bucket {
	out := make([]Bucket, 0, length/worldWidth)
	noise := 1.0
	for at := predictStart; at.Before(predictStart.Add(length)); at = at.Add(worldWidth) {
		if at.Minute() == 0 {
			noise = math.Exp(w.volatile * rng.NormFloat64())
		}
		hour := float64(at.Hour()) + float64(at.Minute())/60
		rate := w.rps * worldWidth.Seconds() * noise * (1 + 0.6*math.Sin((hour-9)/24*2*math.Pi))
		if d := at.Weekday(); d == time.Saturday || d == time.Sunday {
			rate *= 0.6
		}
		total, ratio := poisson(rng, rate), w.base
		for _, i := range incidents {
			overlap := min(i.to.Sub(at), worldWidth, at.Add(worldWidth).Sub(i.from))
			if overlap > 0 {
				ratio += i.ratio * float64(overlap) / float64(worldWidth)
			}
		}
		errors := min(total, poisson(rng, total*min(1, ratio)))
		out = append(out, Bucket{Series: Series{SLO: predicted.ID, Group: "{}"}, Start: at, Width: worldWidth,
			Counts: Counts{Good: total - errors, Total: total}, Seen: 15, Expect: 15, Version: 1})
	}
	return out
}

func (w burnWorld) incidents(rng *rand.Rand, length time.Duration) (all []incidentAt) {
	if w.every == 0 {
		return nil
	}
	for at := predictStart; ; {
		at = at.Add(time.Duration(rng.ExpFloat64() * float64(w.every)))
		if at.After(predictStart.Add(length)) {
			return all
		}
		took := time.Duration(float64(w.lasts) * math.Exp(w.spread*rng.NormFloat64()))
		all = append(all, incidentAt{at, at.Add(took), min(1, w.ratio*math.Exp(0.7*rng.NormFloat64()))})
	}
}

// poisson draws a count of that mean.
func poisson(rng *rand.Rand, mean float64) float64 {
	if mean > 40 {
		return max(0, math.Round(mean+math.Sqrt(mean)*rng.NormFloat64()))
	}
	n, product, floor := -1.0, 1.0, math.Exp(-mean)
	for product > floor {
		product *= rng.Float64()
		n++
	}
	return n
}

var burnWorlds = []burnWorld{
	{name: "a few incidents", rps: 20, base: 1e-4, every: 5 * day, lasts: 20 * time.Minute, spread: 0.8, ratio: 0.1, volatile: 0.1},
	{name: "many small ones", rps: 5, base: 2e-4, every: 30 * time.Hour, lasts: 15 * time.Minute, spread: 0.6, ratio: 0.05, volatile: 0.2},
	{name: "rare and large", rps: 50, base: 1e-4, every: 10 * day, lasts: 40 * time.Minute, spread: 0.7, ratio: 0.2, volatile: 0.1},
	{name: "long and shallow", rps: 10, base: 3e-4, every: 6 * day, lasts: 6 * time.Hour, spread: 0.6, ratio: 0.006, volatile: 0.1},
	{name: "no incidents", rps: 2, base: 8e-4, volatile: 0.1},
	{name: "little traffic", rps: 0.05, base: 1e-4, every: 4 * day, lasts: 30 * time.Minute, spread: 0.8, ratio: 0.1, volatile: 0.3},
	{name: "in an incident", rps: 20, base: 1e-4, every: 5 * day, lasts: 90 * time.Minute, spread: 0.6, ratio: 0.03, volatile: 0.1, during: true},
	{name: "a month's end", window: Window{Calendar: MonthOn}, rps: 20, base: 1e-4, every: 5 * day, lasts: 20 * time.Minute, spread: 0.8, ratio: 0.1, volatile: 0.1},
	{name: "a quarter's end", window: Window{Calendar: Quarter, Zone: "Europe/Berlin"}, rps: 20, base: 1e-4, every: 5 * day, lasts: 20 * time.Minute, spread: 0.8, ratio: 0.1, volatile: 0.1},
	{name: "a week", window: Window{Rolling: 7 * day}, rps: 20, base: 1e-4, every: 2 * day, lasts: 20 * time.Minute, spread: 0.8, ratio: 0.1, volatile: 0.1},
}
