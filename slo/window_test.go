package slo

import (
	"testing"
	"time"
)

func TestCalendarWindowsHoldTheirWholePeriod(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		t.Helper()
		v, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		name, calendar, zone, start string
		now, from, to               string
	}{
		{"a day of 23 hours", Day, "Europe/Berlin", "", "2026-03-29T10:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		{"a day of 25 hours", Day, "America/New_York", "", "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"},
		{"weeks begin on Monday", Week, "UTC", "", "2026-11-22T23:59:59Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"},
		{"the first instant of a week belongs to it", Week, "UTC", "", "2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"},
		{"a month in Tokyo", MonthOn, "Asia/Tokyo", "", "2026-10-31T15:00:00Z", "2026-10-31T15:00:00Z", "2026-11-30T15:00:00Z"},
		{"a month whose first midnight was skipped", MonthOn, "America/Asuncion", "", "2023-10-15T00:00:00Z", "2023-10-01T04:00:00Z", "2023-11-01T03:00:00Z"},
		{"a month whose first midnight came twice", MonthOn, "America/Havana", "", "2026-11-15T00:00:00Z", "2026-11-01T04:00:00Z", "2026-12-01T05:00:00Z"},
		{"a quarter", Quarter, "Europe/London", "", "2026-05-05T00:00:00Z", "2026-03-31T23:00:00Z", "2026-06-30T23:00:00Z"},
		{"a leap year", Year, "UTC", "", "2028-02-29T12:00:00Z", "2028-01-01T00:00:00Z", "2029-01-01T00:00:00Z"},
		{"months from the 31st end with short months", MonthOn, "UTC", "2026-01-31", "2026-03-01T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"},
		{"months from the 21st at half past twelve", MonthOn, "America/New_York", "2020-01-21 12:30:00", "2026-07-21T16:29:59Z", "2026-06-21T16:30:00Z", "2026-07-21T16:30:00Z"},
		{"weeks from a Wednesday, before their origin too", Week, "UTC", "2026-07-01", "2026-06-23T00:00:00Z", "2026-06-17T00:00:00Z", "2026-06-24T00:00:00Z"},
		{"a fiscal year", Year, "Asia/Kolkata", "2024-04-01", "2026-03-31T18:29:59Z", "2025-03-31T18:30:00Z", "2026-03-31T18:30:00Z"},
		{"quarters before 1970", Quarter, "UTC", "", "1969-12-31T23:00:00Z", "1969-10-01T00:00:00Z", "1970-01-01T00:00:00Z"},
		{"the day that Samoa skipped", Day, "Pacific/Apia", "", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"},
	} {
		from, to := Window{Calendar: c.calendar, Zone: c.zone, Start: c.start}.Bounds(at(c.now))
		if !from.Equal(at(c.from)) || !to.Equal(at(c.to)) {
			t.Errorf("%s: %s to %s, want %s to %s", c.name, from.Format(time.RFC3339), to.Format(time.RFC3339), c.from, c.to)
		}
	}
}

// TestPeriodsTileTheTime walks every kind of period through ten years in zones with odd clock changes: each begins where
// the one before ends, and now always lies inside.
func TestPeriodsTileTheTime(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"UTC", "Europe/Berlin", "America/Havana", "America/Asuncion", "Asia/Beirut", "Pacific/Apia", "Australia/Lord_Howe", "Africa/Cairo"} {
		for calendar := range periods {
			for _, start := range []string{"", "2020-01-31T02:30:00"} {
				w := Window{Calendar: calendar, Zone: zone, Start: start}
				from, to := w.Bounds(time.Date(2008, 5, 3, 1, 2, 3, 0, time.UTC))
				for to.Year() < 2018 {
					next, end := w.Bounds(to)
					if !next.Equal(to) || !end.After(next) {
						t.Fatalf("%s in %s from %q: after [%s, %s) comes [%s, %s)", calendar, zone, start, from, to, next, end)
					}
					if again, _ := w.Bounds(end.Add(-time.Nanosecond)); !again.Equal(next) {
						t.Fatalf("%s in %s: the last instant before %s is not in its period", calendar, zone, end)
					}
					from, to = next, end
				}
			}
		}
	}
}
