package proof

import (
	"fmt"
	"math"
)

const hour, dayLong = 3600, 86400

func constant(x float64) func(int) float64 { return func(int) float64 { return x } }

// during is x in [from, from+length) seconds and otherwise base.
func during(base, x float64, from, length int) func(int) float64 {
	return func(sec int) float64 {
		if sec >= from && sec < from+length {
			return x
		}
		return base
	}
}

// diurnal goes from low at night to high at noon, as a cosine of the logarithm.
func diurnal(low, high float64) func(int) float64 {
	return func(sec int) float64 {
		phase := (1 - math.Cos(2*math.Pi*float64(sec%dayLong)/dayLong)) / 2
		return low * math.Pow(high/low, phase)
	}
}

func atNoon(day int) int  { return day*dayLong + 12*hour }
func atNight(day int) int { return day*dayLong + 60 }

// worlds are the ten cases of the field's known mistakes, and harder ones. Rates are such that a month is simulated in
// seconds; the shapes are what matters.
var worlds = []world{
	{name: "S1 steady, errors at random", days: 30, rate: constant(10), errors: constant(.0005)},
	{name: "S2 traffic 20:1, ten per cent fail at the peak", days: 30, rate: diurnal(1, 20), errors: during(.0001, .1, atNoon(20), 1800)},
	{name: "S3 the same at night", days: 30, rate: diurnal(1, 20), errors: during(.0001, .1, atNight(20), 1800)},
	{name: "S4 nobody comes at night", days: 30, rate: func(sec int) float64 {
		if h := sec % dayLong / hour; h < 7 || h >= 22 {
			return 0
		}
		return 8
	}, errors: during(.0001, .1, atNoon(12), 1200)},
	{name: "S5 a request a minute, no error series before the first error", days: 30, rate: constant(.02), errors: constant(.0005), lazy: true},
	{name: "S6 three pods replaced every six hours, lazy errors", days: 30, rate: constant(10), errors: constant(.0005), lazy: true, pods: every(6*hour, 3, 30, false)},
	{name: "S7 a crash every two hours", days: 30, rate: constant(10), errors: constant(.0005), pods: every(2*hour, 1, 30, true)},
	{name: "S8 half an hour of outage, twenty minutes of it unseen", days: 30, rate: constant(10), errors: during(.0001, 1, atNoon(15), 1800),
		failed: func(sec int, r dice) bool {
			return sec >= atNoon(15)+300 && sec < atNoon(15)+1500 || r.Float64() < .01
		}},
	{name: "S9 the first error ever on day 30", days: 30, rate: constant(10), errors: during(0, .2, atNoon(29), 600), lazy: true},
	{name: "S10 little traffic, three pods replaced every six hours", days: 30, rate: constant(.2), errors: constant(.0005), lazy: true, pods: every(6*hour, 3, 30, false)},
	{name: "H1 scrapes every fifteen seconds, one in ten fails", days: 30, scrape: 15, rate: constant(5), errors: constant(.0005), lazy: true,
		failed: func(_ int, r dice) bool { return r.Float64() < .1 }},
	{name: "H2 scrapes once a minute, a crash every three hours", days: 30, scrape: 60, rate: constant(5), errors: constant(.0005), lazy: true, pods: every(3*hour, 2, 30, true)},
	{name: "H3 scrapes every two minutes", days: 30, scrape: 120, rate: constant(5), errors: during(.0002, .5, atNoon(9), 900), lazy: true},
	{name: "H4 nothing scraped for fifty minutes of a total outage", days: 30, rate: constant(5), errors: during(.0001, 1, atNoon(20), 3600),
		failed: func(sec int, _ dice) bool { return sec >= atNoon(20)+300 && sec < atNoon(20)+3300 }},
	{name: "H5 pods of an hour that fail while they are cold", days: 30, rate: constant(4), lazy: true, pods: every(3600, 4, 30, false),
		errors: func(sec int) float64 { return .0015 * math.Exp(-float64(sec%1200)/300) }},
	{name: "H6 tenants that come one after the other", days: 30, rate: constant(4), errors: constant(.0005), lazy: true, tenant: func(sec int, r dice) string {
		return fmt.Sprint("t", r.IntN(1+sec/dayLong))
	}},
	{name: "H7 counters that grow by fractions", days: 30, rate: constant(5), errors: constant(.0005), float: .1},
	{name: "H8 bursts of traffic and errors together", days: 30, rate: func(sec int) float64 {
		if (sec+hour)%(5*hour) < 60 {
			return 150
		}
		return .5
	}, errors: func(sec int) float64 {
		if (sec+hour)%(5*hour) < 30 {
			return .002
		}
		return .0001
	}, lazy: true},
	{name: "H9 the service is away for two hours, nobody can count", days: 30, rate: during(5, 0, atNoon(10), 2*hour), errors: constant(.0005), lazy: true,
		failed: func(sec int, _ dice) bool { return sec >= atNoon(10) && sec < atNoon(10)+2*hour }},
	{name: "H10 a deploy in the middle of an outage", days: 30, rate: constant(8), errors: during(.0001, .3, 15*dayLong-900, 1800), lazy: true, pods: every(5*dayLong, 3, 30, false)},
}
