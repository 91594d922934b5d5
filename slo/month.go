package slo

import (
	"fmt"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// Month is a calendar month, such as 2026-11, in no zone yet. It reads and writes itself as that text.
type Month struct {
	Year  int
	Month time.Month
}

// ParseMonth reads "2026-11"; anything else is fault.Invalid.
func ParseMonth(text string) (Month, error) {
	t, err := time.Parse("2006-01", text)
	if err != nil || t.Year() < 1970 {
		return Month{}, fault.New(fault.Invalid, "%q is not a month; write year and month such as 2026-11", clip(text))
	}
	return Month{Year: t.Year(), Month: t.Month()}, nil
}

// MonthOf returns the month that the time lies in, seen from the zone.
func MonthOf(t time.Time, zone string) Month {
	loc, _ := location(zone)
	local := t.In(loc)
	return Month{Year: local.Year(), Month: local.Month()}
}

// Bounds returns the month in the IANA zone, half-open, in UTC. Months with a clock change are an hour shorter or
// longer: March 2026 has 743 hours in Europe/London. "" is UTC, and so is a zone that ReadContract would have refused.
func (m Month) Bounds(zone string) (from, to time.Time) {
	loc, _ := location(zone)
	return firstInstant(m.Year, m.Month, loc), firstInstant(m.Year, m.Month+1, loc)
}

// Next returns the month after m.
func (m Month) Next() Month {
	t := time.Date(m.Year, m.Month+1, 1, 0, 0, 0, 0, time.UTC)
	return Month{Year: t.Year(), Month: t.Month()}
}

// String returns "2026-11".
func (m Month) String() string { return fmt.Sprintf("%04d-%02d", m.Year, int(m.Month)) }

// MarshalText returns what ParseMonth reads.
func (m Month) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what ParseMonth reads.
func (m *Month) UnmarshalText(text []byte) error {
	parsed, err := ParseMonth(string(text))
	if err == nil {
		*m = parsed
	}
	return err
}

// firstInstant returns when the month begins in the zone. Where the clocks change at midnight of the first, time.Date
// promises either side of the change (Asuncion in October 2023 had no midnight, Havana in November 2026 has two), so
// the first instant whose local date lies in the month is looked for among the candidates.
func firstInstant(year int, month time.Month, loc *time.Location) time.Time {
	guess := time.Date(year, month, 1, 0, 0, 0, 0, loc)
	want := Month{Year: time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).Year(), Month: (month-1)%12 + 1}
	inside := func(t time.Time) bool { l := t.In(loc); return l.Year() == want.Year && l.Month() == want.Month }
	begin, end := guess.ZoneBounds()
	if !inside(guess) { // midnight was skipped; the month begins where the clocks jumped
		return end.UTC()
	}
	if !begin.IsZero() && guess.Sub(begin) < 3*time.Hour {
		_, before := begin.Add(-time.Second).In(loc).Zone()
		_, after := guess.Zone()
		if earlier := guess.Add(-time.Duration(before-after) * time.Second); before > after && earlier.Before(begin) && inside(earlier) {
			return earlier.UTC() // midnight came twice; the month begins at the first
		}
	}
	return guess.UTC()
}
