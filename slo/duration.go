package slo

import (
	"strconv"
	"time"
)

// durationUnits are PromQL's, longest first. Years and weeks are only written where nothing is left over, so that 30
// days stay 30 days; it is how Prometheus itself writes durations.
var durationUnits = []struct {
	unit  time.Duration
	text  string
	exact bool
}{
	{365 * day, "y", true}, {7 * day, "w", true}, {day, "d", false}, {time.Hour, "h", false},
	{time.Minute, "m", false}, {time.Second, "s", false}, {time.Millisecond, "ms", false},
}

// common are the durations that nearly all rules are made of, so that they need not be written each time.
var common = func() (out [12]struct {
	d    time.Duration
	text string
}) {
	for i, d := range []time.Duration{time.Minute, 5 * time.Minute, time.Hour, 10 * time.Second, 70 * time.Second, 30 * time.Minute, 6 * time.Hour,
		2 * time.Hour, day, 3 * day, 30 * day, 10 * time.Minute} {
		out[i].d, out[i].text = d, writeDuration(d)
	}
	return out
}()

// promDuration writes a duration as PromQL reads it, exact to the millisecond.
func promDuration(d time.Duration) string {
	for i := range common {
		if common[i].d == d {
			return common[i].text
		}
	}
	return writeDuration(d)
}

func writeDuration(d time.Duration) string {
	var space [32]byte
	b := space[:0]
	if d < 0 {
		b, d = append(b, '-'), -d
	}
	d = d.Truncate(time.Millisecond)
	if d == 0 {
		return "0s"
	}
	for _, u := range durationUnits {
		if n := d / u.unit; n > 0 && (!u.exact || d%u.unit == 0) {
			b = strconv.AppendInt(b, int64(n), 10)
			b = append(b, u.text...)
			d -= n * u.unit
		}
	}
	return string(b)
}
