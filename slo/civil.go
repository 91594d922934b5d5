package slo

import "time"

// civil is a date and time of day on a wall clock, in no zone yet. Days out of range carry over, as in time.Date.
type civil struct {
	year  int
	month time.Month
	day   int
	clock time.Duration // since midnight
}

// startLayouts are the ways to write the start of a calendar window.
var startLayouts = []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}

// parseStart reads a wall-clock time; "" is the zero value and fine.
func parseStart(text string) (civil, bool) {
	if text == "" {
		return civil{}, true
	}
	for _, layout := range startLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return civilOf(t), true
		}
	}
	return civil{}, false
}

func civilOf(t time.Time) civil {
	year, month, d := t.Date()
	clock := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second
	return civil{year, month, d, clock}
}

// utc is the same clock face in UTC, for arithmetic on it.
func (c civil) utc() time.Time {
	return time.Date(c.year, c.month, c.day, 0, 0, 0, 0, time.UTC).Add(c.clock)
}

// addMonths keeps the day, or takes the month's last where it has none such: a month after 31 January is 28 February.
func (c civil) addMonths(n int) civil {
	first := time.Date(c.year, c.month+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return civil{first.Year(), first.Month(), min(c.day, last), c.clock}
}

// first returns the first instant at which clocks in the zone show the time or, where it was skipped, a later one.
// Clocks that are set back show it twice, and the first time counts; time.Date promises neither.
func (c civil) first(loc *time.Location) time.Time {
	face := c.utc()
	var found time.Time
	// The offsets that the zone may have had around then: those in force a day before and a day after.
	for _, near := range []time.Duration{-day, day} {
		_, offset := face.Add(near).In(loc).Zone()
		t := face.Add(-time.Duration(offset) * time.Second)
		if civilOf(t.In(loc)).utc().Equal(face) && (found.IsZero() || t.Before(found)) {
			found = t
		}
	}
	if !found.IsZero() {
		return found.UTC()
	}
	// Skipped: the clocks jumped over it, and the jump is the first instant after it.
	_, before := face.Add(-day).In(loc).Zone()
	_, jump := face.Add(-day - time.Duration(before)*time.Second).In(loc).ZoneBounds()
	return jump.UTC()
}
