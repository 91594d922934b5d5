package slo

import (
	"time"
	_ "time/tzdata" // a zone that was valid when it was applied must load wherever a report is computed
)

// DefaultRolling is the compliance window of an SLO that names none.
const DefaultRolling = 30 * 24 * time.Hour

// Bounds returns the window in force at now, half-open, in UTC: (now-length, now) for rolling windows; for calendar
// windows the whole month of the window's zone that now lies in, so that to is usually ahead of now.
// A zone that ReadSLO would have refused counts as UTC.
func (w Window) Bounds(now time.Time) (from, to time.Time) {
	if w.Calendar == "" {
		return now.UTC().Add(-w.Length()), now.UTC()
	}
	return MonthOf(now, w.Zone).Bounds(w.Zone)
}

// Length returns the nominal length used for burn tiers and predictions: the rolling length, or 30 days for a calendar
// month, whose true length Bounds knows.
func (w Window) Length() time.Duration {
	if w.Calendar != "" || w.Rolling <= 0 {
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
