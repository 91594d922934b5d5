package oncall

import (
	"cmp"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// ReadCalendar reads who is on call between from and to from an iCalendar (RFC 5545): each event is a shift of those who
// attend it, or whose addresses its summary names; events without either are passed over, as are cancelled ones. Recurring
// events end by the same clock each time, so that a change of the clock makes neither gap nor overlap. Shifts are clipped to
// [from, to), by From and then by Person. What cannot be read, or would take too long, is fault.Invalid with its line.
func ReadCalendar(r io.Reader, from, to time.Time) ([]Shift, error) {
	calendar, err := parseCalendar(r)
	if err != nil {
		return nil, err
	}
	b := &budget{}
	c := calendarReader{zones: newZoneFinder(calendar, b, to), budget: b, from: from, to: to, replaced: map[string]map[int64]bool{}}
	events, err := c.events(calendar)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		if err := c.shifts(e); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(c.found, func(a, b Shift) int {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Person, b.Person), a.To.Compare(b.To))
	})
	return slices.CompactFunc(c.found, func(a, b Shift) bool { return a.Person == b.Person && a.From.Equal(b.From) && a.To.Equal(b.To) }), nil
}

type calendarReader struct {
	zones    *zoneFinder
	budget   *budget
	from, to time.Time
	replaced map[string]map[int64]bool // occurrences that have an event of their own, by UID
	found    []Shift
}

// event is a VEVENT with its times read.
type event struct {
	*component
	uid        string
	zone       clockwork
	begin, end wall  // by the zone's clock
	exact      *Span // of a single event, whose instants the clock may show twice
	people     []string
	recurrence time.Time // which occurrence of another event it replaces; zero for none
}

// events reads the events, and notes which occurrences are replaced.
func (c *calendarReader) events(calendar *component) ([]event, error) {
	var events []event
	for _, part := range calendar.parts {
		if part.name != "VEVENT" {
			continue
		}
		if len(events) == maxEvents {
			return nil, wrong(part.line, "the calendar has more than %d events; publish fewer", maxEvents)
		}
		e, err := c.event(part)
		if err != nil {
			return nil, err
		}
		if !e.recurrence.IsZero() {
			if c.replaced[e.uid] == nil {
				c.replaced[e.uid] = map[int64]bool{}
			}
			c.replaced[e.uid][e.recurrence.Unix()] = true
		}
		if !strings.EqualFold(part.first("STATUS").value, "CANCELLED") {
			events = append(events, e)
		}
	}
	return events, nil
}

func (c *calendarReader) event(part *component) (event, error) {
	e := event{component: part, uid: part.first("UID").value, people: peopleOf(part)}
	start := part.first("DTSTART")
	if start.name == "" {
		return e, wrong(part.line, "this event lacks DTSTART, which says when it begins")
	}
	begin, allDay, err := parseStamp(start)
	if err != nil {
		return e, err
	}
	if e.zone, err = c.zoneOf(start, begin, allDay); err != nil {
		return e, err
	}
	e.begin = clockShows(begin, e.zone)
	from := begin.instant(e.zone)
	to, err := c.end(&e, from, allDay)
	if err != nil {
		return e, err
	}
	e.exact = &Span{from, to}
	if p := part.first("RECURRENCE-ID"); p.name != "" {
		if e.recurrence, err = c.instant(p, e.zone); err != nil {
			return e, err
		}
	}
	return e, nil
}

// zoneOf returns the zone of a time; a day, and a time that names none, is by the calendar's clock.
func (c *calendarReader) zoneOf(p property, s stampedWall, allDay bool) (clockwork, error) {
	switch {
	case s.utc:
		return zoned{time.UTC}, nil
	case allDay || p.params["TZID"] == "":
		return c.zones.floating, nil
	default:
		return c.zones.find(p)
	}
}

func (c *calendarReader) instant(p property, fallback clockwork) (time.Time, error) {
	s, allDay, err := parseStamp(p)
	if err != nil {
		return time.Time{}, err
	}
	zone := fallback
	if !allDay && p.params["TZID"] != "" {
		if zone, err = c.zones.find(p); err != nil {
			return time.Time{}, err
		}
	}
	return s.instant(zone), nil
}

// end reads when the event ends: DTEND, DTSTART and DURATION, or the end of its day.
func (c *calendarReader) end(e *event, from time.Time, allDay bool) (time.Time, error) {
	if p := e.first("DTEND"); p.name != "" {
		to, err := c.instant(p, e.zone)
		e.end = e.zone.wall(to)
		if s, _, _ := parseStamp(p); !s.utc && p.params["TZID"] == e.first("DTSTART").params["TZID"] {
			e.end = s.wall
		}
		return to, err
	}
	if p := e.first("DURATION"); p.name != "" {
		days, exact, ok := parseDuration(p.value)
		if !ok {
			return from, wrong(p.line, "%q is no duration; write one such as PT12H or P1D", clip(p.value))
		}
		e.end = e.begin + days + wall(exact/time.Second)
		return e.zone.instant(e.begin + days).Add(exact), nil
	}
	e.end = e.begin
	if allDay {
		e.end += day
	}
	return e.zone.instant(e.end), nil
}

var durationPattern = regexp.MustCompile(`^\+?P(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?$`)

// parseDuration reads a duration above 0: days by the clock, and the rest as it passes.
func parseDuration(s string) (days wall, exact time.Duration, ok bool) {
	m := durationPattern.FindStringSubmatch(s)
	if m == nil {
		return 0, 0, false
	}
	var n [6]int64
	for i := 1; i < len(m); i++ {
		for _, digit := range m[i] {
			n[i] = n[i]*10 + int64(digit-'0')
		}
	}
	days = wall(n[1])*week + wall(n[2])*day
	exact = time.Duration(n[3])*time.Hour + time.Duration(n[4])*time.Minute + time.Duration(n[5])*time.Second
	return days, exact, days+wall(exact) > 0
}

// shifts adds the occurrences of an event.
func (c *calendarReader) shifts(e event) error {
	if len(e.people) == 0 || e.end <= e.begin && !e.exact.From.Before(e.exact.To) {
		return nil
	}
	if !e.recurrence.IsZero() {
		return c.add(e, *e.exact)
	}
	excluded, err := c.excluded(e)
	if err != nil {
		return err
	}
	begins, err := c.budget.expand(e.component, e.begin, e.zone, c.to)
	if err != nil {
		return err
	}
	for i, begin := range begins {
		span := *e.exact
		if i > 0 {
			span = Span{e.zone.instant(begin), e.zone.instant(begin + e.end - e.begin)}
		}
		if excluded[span.From.Unix()] || c.replaced[e.uid][span.From.Unix()] {
			continue
		}
		if err := c.add(e, span); err != nil {
			return err
		}
	}
	return nil
}

// excluded returns the occurrences that EXDATE takes out.
func (c *calendarReader) excluded(e event) (map[int64]bool, error) {
	excluded := map[int64]bool{}
	for _, p := range e.all("EXDATE") {
		for value := range strings.SplitSeq(p.value, ",") {
			one := p
			one.value = value
			at, err := c.instant(one, e.zone)
			if err != nil {
				return nil, err
			}
			excluded[at.Unix()] = true
		}
	}
	return excluded, nil
}

func (c *calendarReader) add(e event, span Span) error {
	part, ok := span.clip(c.from, c.to)
	if !ok {
		return nil
	}
	if err := c.budget.spend(0, len(e.people)); err != nil {
		return err
	}
	for _, person := range e.people {
		c.found = append(c.found, Shift{Person: person, From: part.From, To: part.To})
	}
	return nil
}

var addressPattern = regexp.MustCompile(`[A-Za-z0-9._%+'-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+`)

// maxAttendees bounds who is on call together in one event.
const maxAttendees = 50

// peopleOf returns the addresses of those who attend, or else those that the summary names.
func peopleOf(c *component) []string {
	var people []string
	for _, p := range c.all("ATTENDEE") {
		address := p.value
		if scheme, rest, ok := strings.Cut(address, ":"); ok && strings.EqualFold(scheme, "mailto") {
			address = rest
		}
		people = append(people, address)
	}
	if len(people) == 0 {
		people = addressPattern.FindAllString(unescape(c.first("SUMMARY").value), -1)
	}
	kept := people[:0]
	for _, person := range people {
		if person = strings.ToLower(person); mailAddress(person) && !slices.Contains(kept, person) && len(kept) < maxAttendees {
			kept = append(kept, person)
		}
	}
	return kept
}
