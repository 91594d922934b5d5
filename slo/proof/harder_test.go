package proof

import (
	"fmt"
	"math"
)

// harder are worlds beyond those whose answers are well known: what goes wrong is in the names.
var harder = []world{
	{name: "H11 little traffic, a crash every two hours, lazy errors", days: 30, rate: constant(.2), errors: constant(.0005), lazy: true, pods: every(2*hour+17, 1, 30, true)},
	{name: "H12 a crash loop of a hundred seconds in an outage", days: 30, rate: constant(5), errors: during(.0001, .2, atNoon(15), hour), lazy: true,
		pods: loop(atNoon(15), hour, 100)},
	{name: "H13 series forgotten after ten idle minutes", days: 30, rate: constant(.2), errors: constant(.0005), lazy: true, expire: 600},
	{name: "H14 targets get another address each six hours", days: 30, rate: constant(5), errors: constant(.0005), lazy: true, pods: []life{{"a", -7200, math.MaxInt}, {"b", -7200, math.MaxInt}},
		instances: func(pod string, sec int) string { return fmt.Sprintf("%s:%d", pod, sec/(6*hour)) }},
	{name: "H15 pods replaced, their clocks ten minutes behind", days: 30, rate: constant(5), errors: constant(.0005), lazy: true, clock: -600, pods: every(6*hour+47, 3, 30, false)},
	{name: "H16 pods replaced, no process tells its age", days: 30, rate: constant(5), errors: constant(.0005), lazy: true, ageless: true, pods: every(6*hour+23, 3, 30, false)},
	{name: "H17 scrapes every ten seconds, three seconds early or late", days: 30, scrape: 10, jitter: 3000, rate: constant(5), errors: constant(.0005), lazy: true, pods: every(3*hour+41, 2, 30, true)},
	{name: "H18 latency from a histogram, crashes", days: 30, rate: constant(5), errors: constant(.0005), latency: true, pods: every(4*hour-19, 2, 30, true)},
	{name: "H19 scraping comes and goes by ten minutes", days: 30, rate: constant(5), errors: constant(.0005), lazy: true,
		failed: func(sec int, _ dice) bool { return sec/600%2 == 1 }},
	{name: "H20 service discovery loses an outage of an hour", days: 30, rate: constant(5), errors: during(.0002, .3, atNoon(8), hour), lazy: true,
		away: func(sec int) bool { return sec >= atNoon(8)+600 && sec < atNoon(8)+3000 }},
	{name: "H21 weeks with quiet ends, three incidents", days: 30, rate: weekly(.3, 12), lazy: true, pods: every(24*hour-37, 2, 30, false), errors: func(sec int) float64 {
		return .0001 + during(0, .05, atNoon(4), 1200)(sec) + during(0, .3, atNoon(11), 300)(sec) + during(0, .02, atNight(23), 2*hour)(sec)
	}},
	{name: "H22 restarts that take a minute, every hour, little traffic", days: 30, rate: constant(.5), errors: constant(.0005), lazy: true, pods: restarts(hour+11, 60, 30)},
	{name: "H23 three hours of errors while nothing is scraped", days: 30, rate: constant(5), errors: during(.0001, .05, atNoon(17), 3*hour),
		failed: func(sec int, _ dice) bool { return sec >= atNoon(17)+600 && sec < atNoon(17)+3*hour-600 }},
	{name: "H24 a deploy in the middle of an outage of eight in ten", days: 30, rate: constant(8), errors: during(.0001, .8, 15*dayLong-900, 1800), lazy: true, pods: every(5*dayLong, 3, 30, false)},
	{name: "H25 pods of twenty minutes that fail while they are cold", days: 30, rate: constant(4), lazy: true, pods: every(1201, 4, 30, false),
		errors: func(sec int) float64 { return .0015 * math.Exp(-float64(sec%1201)/300) }},
	{name: "H26 much traffic, a crash every three hours at any second, lazy errors", days: 30, rate: constant(10), errors: constant(.0005), lazy: true, pods: every(3*hour+43, 1, 30, true)},
	{name: "H27 six pods, one scrape in twenty fails, crashes", days: 30, scrape: 15, rate: constant(6), errors: constant(.0005), lazy: true, pods: every(5*hour-29, 6, 30, true),
		failed: func(_ int, r dice) bool { return r.Float64() < .05 }},
	{name: "H28 scrapes every two minutes, pods of four hours", days: 30, scrape: 120, rate: constant(2), errors: constant(.0005), lazy: true, pods: every(4*hour+31, 2, 30, false)},
}

// loop is a process that crashes each so many seconds during [from, from+length), and lives on before and after.
func loop(from, length, lasts int) []life {
	out := []life{{"a", -3600, from}}
	for at := from; at < from+length; at += lasts {
		out = append(out, life{"a", at, at + lasts})
	}
	return append(out, life{"a", from + length, math.MaxInt})
}

// restarts are two pods under one name each, that are down in turn for some seconds.
func restarts(each, down int, days float64) []life {
	var out []life
	for pod := range 2 {
		for from := -pod * each / 2; from < int(days*86400)+600; from += each {
			out = append(out, life{fmt.Sprint("pod-", pod), from, from + each - down})
		}
	}
	return out
}

// weekly is diurnal, with a fifth of the traffic at the ends of weeks.
func weekly(low, high float64) func(int) float64 {
	day := diurnal(low, high)
	return func(sec int) float64 {
		if sec/dayLong%7 >= 5 {
			return day(sec) / 5
		}
		return day(sec)
	}
}
