package openslo

import (
	"math"
	"regexp"
	"strconv"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
)

const day = 24 * time.Hour

// units are OpenSLO's, case-sensitive. It leaves open how long a month is; rolling ones have the nominal length that
// calendar windows have here, too.
var units = map[string]time.Duration{"m": time.Minute, "h": time.Hour, "d": day, "w": 7 * day, "M": 30 * day, "Q": 90 * day, "Y": 365 * day}

var shorthand = regexp.MustCompile(`^([1-9][0-9]{0,5})([mhdwMQY])$`)

// duration reads a duration shorthand such as 4w or 1M.
func duration(text string) (n int, unit string, ok bool) {
	m := shorthand.FindStringSubmatch(text)
	if m == nil {
		return 0, "", false
	}
	n, err := strconv.Atoi(m[1])
	return n, m[2], err == nil
}

func length(text string) (time.Duration, bool) {
	n, unit, ok := duration(text)
	return time.Duration(n) * units[unit], ok
}

// calendars are the calendar windows by their duration. A calendar minute is nothing anybody promises anything over, so
// 1m is a month there, as in OpenSLO's own examples.
var calendars = map[string]string{"1d": "day", "1w": "week", "7d": "week", "1M": "month", "1m": "month", "3M": "quarter", "1Q": "quarter", "12M": "year", "4Q": "year", "1Y": "year"}

// window reads an SLO's compliance window, of either version.
func (r *reader) window(one found[sloSpec]) slo.Window {
	d, spec := one.doc, one.Spec
	path := "spec.timeWindow"
	if len(spec.TimeWindows) > 0 {
		path = "spec.timeWindows"
		for _, w := range spec.TimeWindows {
			spec.TimeWindow = append(spec.TimeWindow, timeWindow{Duration: w.shorthand(), IsRolling: w.IsRolling, Calendar: w.Calendar})
		}
	}
	switch len(spec.TimeWindow) {
	case 0:
		r.note(false, d, "spec.timeWindow", "is missing; counted over 30 rolling days")
		return slo.Window{Rolling: slo.DefaultRolling}
	case 1:
		return r.oneWindow(d, path+".0", spec.TimeWindow[0])
	}
	r.refuse(d, path, "has %d windows; OpenSLO has exactly one: make an SLO of each", len(spec.TimeWindow))
	return slo.Window{}
}

func (w alphaWindow) shorthand() string {
	letters := map[string]string{"Minute": "m", "Hour": "h", "Day": "d", "Week": "w", "Month": "M", "Quarter": "Q", "Year": "Y"}
	return strconv.Itoa(w.Count) + letters[w.Unit]
}

func (r *reader) oneWindow(d manifest.Document, path string, w timeWindow) slo.Window {
	rolling := w.Calendar == nil
	if w.IsRolling != nil {
		rolling = *w.IsRolling
	}
	span, ok := length(w.Duration)
	if !ok {
		r.refuse(d, path+".duration", "%q is not a duration; write a number and m, h, d, w, M, Q or Y, such as 30d or 1M", clip(w.Duration))
		return slo.Window{}
	}
	if rolling {
		return slo.Window{Rolling: span}
	}
	period, known := calendars[w.Duration]
	if !known {
		r.refuse(d, path+".duration", "%s is not a calendar window that is counted; write 1d, 1w, 1M, 1Q or 1Y, or isRolling: true", w.Duration)
		return slo.Window{}
	}
	if w.Duration == "1m" {
		r.note(false, d, path+".duration", "1m is read as a calendar month; write 1M")
	}
	out := slo.Window{Calendar: period, Zone: "UTC"}
	if w.Calendar != nil {
		r.calendar(d, path+".calendar", *w.Calendar, &out)
	}
	return out
}

const (
	startRead    = "2006-01-02 15:04:05"
	startWritten = "2006-01-02T15:04:05"
)

// calendar sets the zone, and the start where the periods are not the calendar's own.
func (r *reader) calendar(d manifest.Document, path string, c calendar, w *slo.Window) {
	if c.TimeZone != "" {
		w.Zone = c.TimeZone
	}
	if c.StartTime == "" {
		return
	}
	for _, layout := range []string{startRead, startWritten, "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, c.StartTime); err == nil {
			if !ownStart(w.Calendar, t) {
				w.Start = t.Format(startWritten)
			}
			return
		}
	}
	r.refuse(d, path+".startTime", "%q is not a time; write it as 2026-01-15 00:00:00, without a zone", clip(c.StartTime))
}

// ownStart reports whether the calendar's own period begins at that time of the wall clock.
func ownStart(period string, t time.Time) bool {
	if t.Hour()+t.Minute()+t.Second() != 0 {
		return false
	}
	switch period {
	case "week":
		return t.Weekday() == time.Monday
	case "month":
		return t.Day() == 1
	case "quarter":
		return t.Day() == 1 && (t.Month()-1)%3 == 0
	case "year":
		return t.YearDay() == 1
	}
	return true
}

// slice reads a time slice's length: minutes, or a duration.
func slice(text string) (time.Duration, bool) {
	if minutes, err := strconv.ParseFloat(text, 64); err == nil && minutes > 0 && minutes <= 1e6 {
		return time.Duration(minutes * float64(time.Minute)).Round(time.Second), true
	}
	return length(text)
}

// round takes away what binary fractions add to a decimal one.
func round(x float64) float64 { return math.Round(x*1e12) / 1e12 }
