package web

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/slo"
)

// Unknown stands where a number would be a guess.
const unknown = "–"

// thin is a no-break space between a number and its unit.
const thin = "\u00a0"

// number writes x with the decimals, cut rather than rounded towards better news: callers floor or ceil first.
func number(x float64, decimals int) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return unknown
	}
	s := strconv.FormatFloat(x, 'f', decimals, 64)
	if s == "-0" || strings.HasPrefix(s, "-0.") && strings.Trim(s, "-0.") == "" {
		s = s[1:]
	}
	return s
}

// floorTo cuts x to the decimals towards minus infinity. The small constant keeps 99.9 from becoming 99.89.
func floorTo(x float64, decimals int) float64 {
	scale := math.Pow(10, float64(decimals))
	return math.Floor(x*scale+1e-6) / scale
}

// sliDecimals is how many digits tell an SLI apart from its objective: two more than the objective has, two to five.
func sliDecimals(o slo.Objective) int {
	_, fraction, _ := strings.Cut(o.String(), ".")
	return min(max(len(fraction)+1, 2), 5)
}

// sliText writes the share of good events without ever claiming more than was measured: it is cut off, never rounded,
// and 100 % only where nothing failed.
func sliText(counts slo.Counts, o slo.Objective) string {
	switch figure := counts.FloorPercent(sliDecimals(o)); {
	case figure == "":
		return unknown
	case counts.Errors() == 0:
		return "100" + thin + "%"
	default:
		return figure + thin + "%"
	}
}

// shareText writes a share of 0..1 as per cent with one decimal at most, never 100 or 0 where it is not exactly that.
func shareText(share float64) string {
	percent := share * 100
	switch {
	case math.IsNaN(percent) || math.IsInf(percent, 0):
		return unknown
	case percent > 0 && percent < 0.1:
		return "<" + thin + "0.1" + thin + "%"
	case percent == math.Trunc(percent):
		return number(percent, 0) + thin + "%"
	}
	shown := floorTo(percent, 1)
	if percent < 100 {
		shown = math.Min(shown, 99.9)
	}
	return number(shown, 1) + thin + "%"
}

// budgetText says how much of an error budget is left: "62.4 % left", or "overspent by 12 %".
func budgetText(remaining float64) string {
	switch {
	case math.IsNaN(remaining) || math.IsInf(remaining, 0):
		return unknown
	case remaining < 0:
		return "overspent by " + shareText(-remaining)
	case remaining == 0:
		return "spent"
	}
	return shareText(remaining) + " left"
}

// burnText writes a burn rate: "14.2×". One is exactly as fast as the objective allows.
func burnText(burn float64) string {
	switch {
	case math.IsNaN(burn) || math.IsInf(burn, 0):
		return unknown
	case burn <= 0:
		return "0×"
	case burn < 0.1:
		return "<" + thin + "0.1×"
	case burn < 100:
		return number(burn, 1) + "×"
	}
	return number(burn, 0) + "×"
}

// countText writes a number of events in groups of three: "1,204,331".
func countText(n float64) string {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return unknown
	}
	digits := number(math.Round(n), 0)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return sign + b.String()
}

var spans = []struct {
	unit time.Duration
	name string
}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}

// spanText writes a duration in its two largest units: "7 h 12 min", "43 min", "under 1 s".
func spanText(d time.Duration) string {
	if d < 0 {
		d = -d
	}
	if d < time.Second {
		return "under" + thin + "1" + thin + "s"
	}
	for i, s := range spans {
		if d < s.unit {
			continue
		}
		text := fmt.Sprintf("%d%s%s", d/s.unit, thin, s.name)
		if i+1 < len(spans) && d < 10*s.unit {
			if rest := d % s.unit / spans[i+1].unit; rest > 0 {
				text += fmt.Sprintf(" %d%s%s", rest, thin, spans[i+1].name)
			}
		}
		return text
	}
	return unknown
}

// agoText says how long ago t was, or how far ahead it lies.
func agoText(t, now time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return unknown
	case d < -time.Second:
		return "in " + spanText(-d)
	case d < 5*time.Second:
		return "just now"
	default:
		return spanText(d) + " ago"
	}
}

// tookText writes how long a request took: "84 ms", "1.2 s".
func tookText(d time.Duration) string {
	switch {
	case d <= 0:
		return unknown
	case d < time.Second:
		return fmt.Sprintf("%d%sms", max(d.Milliseconds(), 1), thin)
	case d < 10*time.Second:
		return number(d.Seconds(), 1) + thin + "s"
	}
	return spanText(d)
}

// budgetSpan is the time of full outage that an objective allows in a window.
func budgetSpan(o slo.Objective, window time.Duration) time.Duration {
	return time.Duration(o.Budget() * float64(window))
}

// windowText names a window: "30 days", "calendar month (Europe/Berlin)".
func windowText(w slo.Window) string {
	if w.Calendar != "" {
		zone := w.Zone
		if zone == "" {
			zone = "UTC"
		}
		return "calendar " + w.Calendar + " (" + zone + ")"
	}
	if w.Rolling > 0 && w.Rolling%(24*time.Hour) == 0 {
		if days := w.Rolling / (24 * time.Hour); days != 1 {
			return fmt.Sprintf("%d%sdays", days, thin)
		}
		return "1" + thin + "day"
	}
	return spanText(w.Rolling)
}
