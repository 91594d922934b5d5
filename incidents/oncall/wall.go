package oncall

import "time"

// wall is what a clock on a wall shows, as seconds since 1970-01-01 00:00 on that same clock. Sums of walls are what people
// mean by "the same time tomorrow"; only at turns it an instant, in a zone.
type wall int64

const (
	day  = wall(24 * 60 * 60)
	hour = wall(60 * 60)
	week = 7 * day

	// farEast is above every offset from UTC that the tz database has, local mean times of the 19th century included.
	farEast = 16 * 60 * 60
)

// wallOf returns what the clock in the zone shows at t, without fractions of seconds.
func wallOf(t time.Time, zone *time.Location) wall {
	_, offset := t.In(zone).Zone()
	return wall(t.Unix() + int64(offset))
}

// wallDate returns the wall of a date's midnight; months and days may lie outside their usual ranges.
func wallDate(year int, month time.Month, d int) wall {
	return wall(time.Date(year, month, d, 0, 0, 0, 0, time.UTC).Unix())
}

// at returns the instant at which the clock in the zone first shows w. Where the clock jumps over w, it is the next
// instant there is, that of the jump; where the clock shows w twice, it is the first. A later wall is never an earlier
// instant, which is why no handoff by the wall's clock overlaps another.
func (w wall) at(zone *time.Location) time.Time {
	from := time.Unix(int64(w)-farEast, 0).In(zone)
	for {
		_, offset := from.Zone()
		_, end := from.ZoneBounds()
		t := time.Unix(int64(w)-int64(offset), 0)
		if t.Before(from) {
			return from.In(zone)
		}
		if end.IsZero() || t.Before(end) {
			return t.In(zone)
		}
		from = end
	}
}

// date returns the day as a calendar has it.
func (w wall) date() (year int, month time.Month, d int) { return time.Unix(int64(w), 0).UTC().Date() }

// weekday returns the day of the week; 1970 began on a Thursday.
func (w wall) weekday() time.Weekday { return time.Weekday(mod(floor(int64(w), int64(day))+4, 7)) }

// midnight returns the wall at which w's day begins.
func (w wall) midnight() wall { return w - wall(mod(int64(w), int64(day))) }

// floor divides and rounds down.
func floor(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// mod is the remainder of floor, from 0 to b-1.
func mod(a, b int64) int64 { return a - floor(a, b)*b }
