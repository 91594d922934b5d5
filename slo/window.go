package slo

import (
	"time"
	_ "time/tzdata" // a zone that was valid when it was applied must load wherever a report is computed
)

// DefaultRolling is the compliance window of an SLO that names none.
const DefaultRolling = 30 * 24 * time.Hour

// The calendar windows.
const (
	Day     = "day"
	Week    = "week"
	MonthOn = "month"
	Quarter = "quarter"
	Year    = "year"
)

// period is one kind of calendar window: so many days or months, of a nominal length.
type period struct {
	days, months int
	length       time.Duration
	origin       civil // where a period of it begins, in any zone
}

const day = 24 * time.Hour

var periods = map[string]period{
	Day:     {days: 1, length: day, origin: civil{1970, time.January, 1, 0}},
	Week:    {days: 7, length: 7 * day, origin: civil{1970, time.January, 5, 0}}, // a Monday
	MonthOn: {months: 1, length: 30 * day, origin: civil{1970, time.January, 1, 0}},
	Quarter: {months: 3, length: 90 * day, origin: civil{1970, time.January, 1, 0}},
	Year:    {months: 12, length: 365 * day, origin: civil{1970, time.January, 1, 0}},
}

// Bounds returns the window in force at now, half-open, in UTC: (now-length, now) for rolling windows; for calendar
// windows the whole period of the window's zone that now lies in, so that to is usually ahead of now.
// A zone or start that ReadSLO would have refused counts as UTC and the calendar's own.
func (w Window) Bounds(now time.Time) (from, to time.Time) {
	p, calendar := periods[w.Calendar]
	if !calendar {
		return now.UTC().Add(-w.Length()), now.UTC()
	}
	loc, _ := location(w.Zone)
	if start, ok := parseStart(w.Start); ok && w.Start != "" {
		p.origin = start
	}
	n := p.guess(now, loc)
	for p.begin(n, loc).After(now) {
		n--
	}
	for !p.begin(n+1, loc).After(now) {
		n++
	}
	return p.begin(n, loc), p.begin(n+1, loc)
}

// guess returns the number of a period at most a few away from the one that holds now.
func (p period) guess(now time.Time, loc *time.Location) int {
	local := now.In(loc)
	if p.months > 0 {
		return ((local.Year()-p.origin.year)*12 + int(local.Month()-p.origin.month)) / p.months
	}
	since := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.UTC).Sub(p.origin.utc())
	return int(since / (time.Duration(p.days) * day))
}

// begin returns when the n-th period after the origin begins. Where a month has no such day, it begins on its last.
func (p period) begin(n int, loc *time.Location) time.Time {
	at := p.origin
	if p.months > 0 {
		at = at.addMonths(n * p.months)
	} else {
		at.day += n * p.days
	}
	return at.first(loc)
}

// Length returns the nominal length used for burn tiers and predictions: the rolling length, or 1, 7, 30, 90 or 365 days
// for a calendar day, week, month, quarter or year, whose true length Bounds knows.
func (w Window) Length() time.Duration {
	if p, calendar := periods[w.Calendar]; calendar {
		return p.length
	}
	if w.Rolling <= 0 {
		return DefaultRolling
	}
	return w.Rolling
}

// location returns the IANA zone, and UTC for "" and for names that do not load. "Local" depends on the machine, so it
// is not a zone here.
func location(zone string) (loc *time.Location, known bool) {
	if zone == "" {
		return time.UTC, true
	}
	loc, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return time.UTC, false
	}
	return loc, true
}
