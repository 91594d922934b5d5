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
	return civil{m.Year, m.Month, 1, 0}.first(loc), civil{m.Year, m.Month + 1, 1, 0}.first(loc)
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
