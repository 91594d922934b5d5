package oncall

import (
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/teambition/rrule-go"
)

// stampedWall is a time as a calendar writes it: by a clock, or in UTC.
type stampedWall struct {
	wall wall
	utc  bool
}

// instant returns when it is, where the clock is in the zone unless the time is in UTC.
func (s stampedWall) instant(zone clockwork) time.Time {
	if s.utc {
		return time.Unix(int64(s.wall), 0).UTC()
	}
	return zone.instant(s.wall)
}

// parseStamp reads a DATE or a DATE-TIME; date tells which.
func parseStamp(p property) (s stampedWall, date bool, err error) {
	for _, form := range []struct {
		layout    string
		date, utc bool
	}{{"20060102T150405", false, false}, {"20060102T150405Z", false, true}, {"20060102", true, false}} {
		if len(p.value) != len(form.layout) {
			continue
		}
		t, err := time.Parse(form.layout, p.value)
		if err == nil && t.Year() >= 1900 && t.Year() <= 2200 {
			return stampedWall{wall(t.Unix()), form.utc}, form.date, nil
		}
	}
	return s, false, wrong(p.line, "%q is no time between 1900 and 2200; write one such as 20260105T090000Z", clip(p.value))
}

// budget bounds the work that one calendar may ask for.
type budget struct{ rules, occurrences int }

func (b *budget) spend(rules, occurrences int) error {
	b.rules, b.occurrences = b.rules+rules, b.occurrences+occurrences
	if b.rules > maxRules || b.occurrences > maxOccurrences {
		return fault.New(fault.Invalid, "the calendar repeats more than %d events, or one more than %d times; publish less of the past",
			maxRules, maxOccurrences)
	}
	return nil
}

// far moves a rule's years close to the last one that the library counts to, so that a rule which is never met ends soon.
// The Gregorian calendar repeats each 400 years, weekdays included.
const far = wall(19 * 146_097 * 24 * 60 * 60)

// expand returns the walls at which a component recurs before to, begin among them, without those that are excluded.
func (b *budget) expand(c *component, begin wall, zone clockwork, to time.Time) ([]wall, error) {
	walls := []wall{begin}
	for _, p := range c.all("RRULE") {
		more, err := b.rule(p, begin, zone, to)
		if err != nil {
			return nil, err
		}
		walls = append(walls, more...)
	}
	for _, p := range c.all("RDATE") {
		for value := range strings.SplitSeq(p.value, ",") {
			value, _, _ = strings.Cut(value, "/") // of a period, its beginning
			s, _, err := parseStamp(property{value: value, line: p.line})
			if err != nil {
				return nil, err
			}
			if err := b.spend(0, 1); err != nil {
				return nil, err
			}
			walls = append(walls, clockShows(s, zone))
		}
	}
	return walls, b.spend(0, 1)
}

// clockShows returns what the zone's clock shows at a stamp.
func clockShows(s stampedWall, zone clockwork) wall {
	if s.utc {
		return zone.wall(s.instant(zone))
	}
	return s.wall
}

// rule returns the walls at which a rule recurs after begin.
func (b *budget) rule(p property, begin wall, zone clockwork, to time.Time) ([]wall, error) {
	option, err := readRule(p, zone)
	if err != nil {
		return nil, err
	}
	last := zone.wall(to) + day
	if last < begin {
		return nil, nil
	}
	if !option.Until.IsZero() {
		last = min(last, wall(option.Until.Unix()))
	}
	option.Dtstart, option.Until = time.Unix(int64(begin+far), 0).UTC(), time.Unix(int64(last+far), 0).UTC()
	if err := b.spend(1, 0); err != nil {
		return nil, err
	}
	made, err := rrule.NewRRule(*option)
	if err != nil {
		return nil, wrong(p.line, "the rule cannot be read: %s", clip(err.Error()))
	}
	var walls []wall
	next := made.Iterator()
	for at, more := next(); more; at, more = next() {
		if err := b.spend(0, 1); err != nil {
			return nil, err
		}
		if w := wall(at.Unix()) - far; w > begin {
			walls = append(walls, w)
		}
	}
	return walls, nil
}

// readRule reads a rule, and refuses those that could keep the library busy for long. Until becomes what the clock shows.
func readRule(p property, zone clockwork) (*rrule.ROption, error) {
	var parts []string
	var until *stampedWall
	for part := range strings.SplitSeq(strings.ToUpper(p.value), ";") {
		value, ends := strings.CutPrefix(part, "UNTIL=")
		if !ends {
			parts = append(parts, part)
			continue
		}
		s, date, err := parseStamp(property{value: value, line: p.line})
		if err != nil {
			return nil, err
		}
		if date {
			s.wall += day - 1
		}
		until = &s
	}
	option, err := rrule.StrToROption(strings.Join(parts, ";"))
	if err != nil {
		return nil, wrong(p.line, "the rule cannot be read: %s", clip(err.Error()))
	}
	if until != nil {
		option.Until = time.Unix(int64(clockShows(*until, zone)), 0).UTC()
	}
	return option, boundRule(p, option)
}

func boundRule(p property, o *rrule.ROption) error {
	days := len(o.Bymonthday) + len(o.Byyearday) + len(o.Byweekno) + len(o.Byeaster)
	clocks := len(o.Byhour) + len(o.Byminute) + len(o.Bysecond)
	switch {
	case o.Freq > rrule.HOURLY:
		return wrong(p.line, "a rule by minutes or seconds is no shift; write HOURLY or longer")
	case o.Freq == rrule.HOURLY && days+clocks+len(o.Bymonth)+len(o.Byweekday)+len(o.Bysetpos) > 0:
		return wrong(p.line, "an HOURLY rule with BY parts cannot be read; write DAILY with BYHOUR")
	case (o.Freq == rrule.DAILY || o.Freq == rrule.WEEKLY) && days > 0:
		return wrong(p.line, "a DAILY or WEEKLY rule knows BYDAY and BYMONTH only; write MONTHLY or YEARLY")
	case o.Interval < 0 || o.Interval > 10_000 || o.Count < 0:
		return wrong(p.line, "INTERVAL is not 1 to 10000, or COUNT is below 0")
	case len(o.Byhour) > 24 || len(o.Byminute) > 60 || len(o.Bysecond) > 1 || len(o.Bysetpos) > 31 || days+len(o.Byweekday) > 400:
		return wrong(p.line, "the rule has too many BY parts")
	}
	return nil
}
