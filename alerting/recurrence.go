package alerting

import (
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/teambition/rrule-go"
)

// Recurrence says when a maintenance window opens again and for how long. Its rule is a recurrence rule of RFC 5545 on
// the wall clock of Zone: a window at 02:00 is at 02:00 on both sides of a change of the clocks. A time that the clocks
// skip is the moment after the gap; one that comes twice is its first. An occurrence lasts Duration of elapsed time.
type Recurrence struct {
	Rule     string        `json:"rrule"`
	Zone     string        `json:"zone"`
	Duration time.Duration `json:"duration"`

	loc    *time.Location
	clock  time.Duration // the time of day at which it opens
	first  day           // no occurrence lies before it
	last   day           // none lies after it
	until  time.Time     // none opens after it; zero where the rule does not end
	option rrule.ROption
	days   []rrule.Weekday // without or with an ordinal
}

// maxYears is how far ahead occurrences are looked for. A rule that has none in that time is refused.
const maxYears = 30

// day is a date as the number of days since 1970-01-01.
type day int

func dayOf(t time.Time) day {
	y, m, d := t.Date()
	return day(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// clockOf returns what the clocks show at the time, as time since midnight.
func clockOf(t time.Time) time.Duration {
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second
}

func (d day) date() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// ruleParts are the parts of RFC 5545 that date a window. The time of day is the start's, so smaller parts are refused.
var ruleParts = []string{"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "WKST"}

// NewRecurrence returns the recurrence that first may open at start, which is read on the zone's wall clock, and
// afterwards whenever the rule says. What is no rule, or one that never comes true, is a fault.Invalid.
//
// The rule is read by rrule-go and dated here: the library counts from the start on, for ever where a rule never comes
// true, and a judge needs to know what is open today.
func NewRecurrence(start time.Time, zone, rule string, duration time.Duration) (*Recurrence, error) {
	rule = strings.TrimPrefix(rule, "RRULE:") // as calendars write it
	loc, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return nil, fault.New(fault.Invalid, "zone: %q is no time zone; write one such as Europe/Berlin or UTC", short(zone))
	}
	option, err := parseRule(rule)
	if err != nil {
		return nil, err
	}
	start = start.In(loc)
	r := &Recurrence{
		Rule: rule, Zone: zone, Duration: duration,
		loc: loc, clock: clockOf(start), first: dayOf(start), option: *option, days: option.Byweekday,
	}
	r.fill(start)
	r.end(rule)
	if len(r.next(start.Add(-time.Second), 1)) == 0 {
		return nil, fault.New(fault.Invalid, "rrule: never comes true within %d years of the start", maxYears)
	}
	return r, nil
}

func parseRule(rule string) (*rrule.ROption, error) {
	const remedy = "write a recurrence rule of RFC 5545 such as FREQ=WEEKLY;BYDAY=SU"
	if len(rule) > 500 {
		return nil, fault.New(fault.Invalid, "rrule: has %d bytes; the most is 500", len(rule))
	}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(rule, ";") {
		name, value, _ := strings.Cut(part, "=")
		switch {
		case !slices.Contains(ruleParts, name):
			return nil, fault.New(fault.Invalid, "rrule: %q is not one of %s; %s", short(name), strings.Join(ruleParts, ", "), remedy)
		case seen[name]:
			return nil, fault.New(fault.Invalid, "rrule: %s stands there twice; keep one", name)
		case value == "0": // which the library takes for a part that is left out
			return nil, fault.New(fault.Invalid, "rrule: %s is 0; write a number of at least 1, or leave it out", name)
		}
		seen[name] = true
	}
	option, err := rrule.StrToROption(rule)
	if err == nil {
		_, err = rrule.NewRRule(*option)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "rrule: %q cannot be read; %s", short(rule), remedy)
	}
	return option, checkRule(option)
}

func checkRule(o *rrule.ROption) error {
	switch {
	case o.Freq > rrule.DAILY:
		return fault.New(fault.Invalid, "rrule: FREQ is %s; a window recurs DAILY, WEEKLY, MONTHLY or YEARLY", o.Freq)
	case o.Interval < 0 || o.Interval > 1000:
		return fault.New(fault.Invalid, "rrule: INTERVAL is %d; write 1 to 1000", o.Interval)
	case o.Count < 0 || o.Count > 10_000:
		return fault.New(fault.Invalid, "rrule: COUNT is %d; write 1 to 10000", o.Count)
	case o.Count > 0 && !o.Until.IsZero():
		return fault.New(fault.Invalid, "rrule: has both COUNT and UNTIL; keep one")
	case len(o.Bysetpos) > 0 && o.Freq > rrule.MONTHLY:
		return fault.New(fault.Invalid, "rrule: BYSETPOS needs FREQ=MONTHLY or FREQ=YEARLY")
	}
	for _, w := range o.Byweekday {
		if w.N() != 0 && o.Freq > rrule.MONTHLY {
			return fault.New(fault.Invalid, "rrule: BYDAY=%s counts weekdays, which needs FREQ=MONTHLY or FREQ=YEARLY", w)
		}
	}
	return nil
}

// fill completes what the rule leaves to the start, as RFC 5545 says.
func (r *Recurrence) fill(start time.Time) {
	r.option.Interval = max(r.option.Interval, 1)
	if len(r.option.Bymonthday) > 0 || len(r.days) > 0 {
		return
	}
	switch r.option.Freq {
	case rrule.YEARLY:
		if len(r.option.Bymonth) == 0 {
			r.option.Bymonth = []int{int(start.Month())}
		}
		r.option.Bymonthday = []int{start.Day()}
	case rrule.MONTHLY:
		r.option.Bymonthday = []int{start.Day()}
	case rrule.WEEKLY:
		r.days = []rrule.Weekday{weekdays[(int(start.Weekday())+6)%7]}
	}
}

var weekdays = []rrule.Weekday{rrule.MO, rrule.TU, rrule.WE, rrule.TH, rrule.FR, rrule.SA, rrule.SU}

// end finds the last day on which the window can open. An UNTIL without a time includes its whole day; one without a Z
// is on the wall clock.
func (r *Recurrence) end(rule string) {
	r.last = r.first + 10*maxYears*366
	if !r.option.Until.IsZero() {
		r.until = r.option.Until
		_, text, _ := strings.Cut(rule, "UNTIL=")
		text, _, _ = strings.Cut(text, ";")
		switch {
		case !strings.Contains(text, "T"):
			r.until = r.wall(dayOf(r.until)+1, 0).Add(-time.Nanosecond)
		case !strings.HasSuffix(text, "Z"):
			r.until = r.wall(dayOf(r.until), clockOf(r.until))
		}
	}
	if r.option.Count == 0 {
		return
	}
	seen, walk := 0, r.walker()
	for d := r.first; d < r.last; d++ {
		if walk.occurs(d) {
			if seen++; seen == r.option.Count {
				r.last = d
				return
			}
		}
	}
}

func (r *Recurrence) active(now time.Time) (from, until time.Time, ok bool) {
	walk := r.walker()
	earliest := dayOf(now.Add(-r.Duration).In(r.loc)) - 1
	for d := dayOf(now.In(r.loc)) + 1; d >= earliest; d-- {
		if !walk.occurs(d) {
			continue
		}
		from = r.wall(d, r.clock)
		if !from.After(now) && r.within(from) {
			until = from.Add(r.Duration)
			return from, until, until.After(now)
		}
	}
	return time.Time{}, time.Time{}, false
}

func (r *Recurrence) next(now time.Time, n int) []Span {
	var spans []Span
	walk := r.walker()
	start := max(r.first, dayOf(now.In(r.loc))-1)
	for d := start; d <= min(r.last, start+maxYears*366) && len(spans) < n; d++ {
		if !walk.occurs(d) {
			continue
		}
		if from := r.wall(d, r.clock); from.After(now) && r.within(from) {
			spans = append(spans, Span{from, from.Add(r.Duration)})
		}
	}
	return spans
}

func (r *Recurrence) within(from time.Time) bool { return r.until.IsZero() || !from.After(r.until) }

// wall returns the moment at which the zone's clocks show the time of day: the first where they show it twice, and the
// end of the gap where they skip it.
func (r *Recurrence) wall(d day, clock time.Duration) time.Time {
	return wallClock(d.date().Add(clock), r.loc)
}

// wallClock returns the moment at which the location's clocks show what t shows in UTC.
func wallClock(t time.Time, loc *time.Location) time.Time {
	_, before := t.Add(-24 * time.Hour).In(loc).Zone()
	_, after := t.Add(24 * time.Hour).In(loc).Zone()
	early, late := t.Add(-time.Duration(before)*time.Second).In(loc), t.Add(-time.Duration(after)*time.Second).In(loc)
	shows := func(m time.Time) bool {
		_, offset := m.Zone()
		return m.Add(time.Duration(offset) * time.Second).Equal(t)
	}
	switch {
	case shows(early):
		return early
	case shows(late):
		return late
	}
	gap, _ := early.ZoneBounds()
	return gap
}
