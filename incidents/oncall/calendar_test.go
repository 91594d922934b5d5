package oncall

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

func calendarOf(lines ...string) string {
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" + strings.Join(lines, "\r\n") + "\r\nEND:VCALENDAR\r\n"
}

func eventOf(lines ...string) string {
	return "BEGIN:VEVENT\r\nUID:one\r\n" + strings.Join(lines, "\r\n") + "\r\nEND:VEVENT"
}

func TestACalendarReadsAsItWasWritten(t *testing.T) {
	vienna := zoneOf(t, "Europe/Vienna")
	from := local(t, vienna, "2026-03-01 00:00")
	s := Schedule{Name: "shop", Zone: vienna, Layers: []Layer{rotation(Weekly, 1, local(t, vienna, "2026-01-05 09:00"), vienna,
		"ana@example.com", "bo@example.com")}}
	shifts := s.Shifts(Overlay{}, from, from.AddDate(0, 3, 0))
	var text bytes.Buffer
	if err := WriteCalendar(&text, "shop, \"first\" line; \\ äöü "+strings.Repeat("ü", 80), shifts, from); err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(text.String(), "\r\n"), "\r\n") {
		if len(line) > 75 || strings.ContainsAny(line, "\r\n") {
			t.Errorf("the line %q has %d octets", line, len(line))
		}
	}
	if !strings.Contains(text.String(), `shop\, "first" line\; \\ äöü`) {
		t.Errorf("the name is not escaped: %s", text.String()[:400])
	}
	read, err := ReadCalendar(&text, from, from.AddDate(0, 3, 0))
	if err != nil {
		t.Fatal(err)
	}
	if len(read) != len(shifts) {
		t.Fatalf("%d shifts became %d", len(shifts), len(read))
	}
	for i := range read {
		if read[i].Person != shifts[i].Person || !read[i].From.Equal(shifts[i].From) || !read[i].To.Equal(shifts[i].To) {
			t.Errorf("%+v became %+v", shifts[i], read[i])
		}
	}
}

func TestAnEventKeepsItsIDWhileItsEndMoves(t *testing.T) {
	at := instant(t, "2026-01-05T09:00:00Z")
	short := Shift{Person: "ana@example.com", From: at, To: at.Add(time.Hour), Layer: "weeks"}
	long, other := short, short
	long.To, other.Person = at.Add(2*time.Hour), "bo@example.com"
	if eventID("shop", short) != eventID("shop", long) {
		t.Error("an event whose end moved has another id")
	}
	if eventID("shop", short) == eventID("shop", other) || eventID("shop", short) == eventID("web", short) {
		t.Error("events of other people or calendars have the same id")
	}
}

const viennaZone = `BEGIN:VTIMEZONE
TZID:Office
BEGIN:STANDARD
DTSTART:19701025T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:19700329T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
END:VTIMEZONE`

func TestEventsBecomeShifts(t *testing.T) {
	ana := "ATTENDEE;CN=\"Ana: the first\":mailto:Ana@example.com"
	for _, c := range []struct {
		name string
		text string
		want []string // "from to person", in UTC
	}{
		{"a rule in a named zone keeps its clock over the change",
			eventOf("DTSTART;TZID=Europe/Vienna:20260327T090000", "DTEND;TZID=Europe/Vienna:20260328T090000", "RRULE:FREQ=DAILY;COUNT=3", ana),
			[]string{"03-27T08:00 03-28T08:00 ana", "03-28T08:00 03-29T07:00 ana", "03-29T07:00 03-30T07:00 ana"}},
		{"a zone that the calendar brings along is like one with a name",
			strings.ReplaceAll(viennaZone, "\n", "\r\n") + "\r\n" +
				eventOf("DTSTART;TZID=Office:20260327T090000", "DTEND;TZID=Office:20260328T090000", "RRULE:FREQ=DAILY;COUNT=3", ana),
			[]string{"03-27T08:00 03-28T08:00 ana", "03-28T08:00 03-29T07:00 ana", "03-29T07:00 03-30T07:00 ana"}},
		{"a name of Windows", eventOf("DTSTART;TZID=W. Europe Standard Time:20260310T090000", "DURATION:PT2H", ana), []string{"03-10T08:00 03-10T10:00 ana"}},
		{"a maker's name", eventOf("DTSTART;TZID=/citadel.org/2026/Europe/Vienna:20260310T090000", "DURATION:P1D", ana), []string{"03-10T08:00 03-11T08:00 ana"}},
		{"a day, by the calendar's zone", "X-WR-TIMEZONE:Europe/Vienna\r\n" + eventOf("DTSTART;VALUE=DATE:20260310", ana), []string{"03-09T23:00 03-10T23:00 ana"}},
		{"days with an end", eventOf("DTSTART;VALUE=DATE:20260310", "DTEND;VALUE=DATE:20260312", ana), []string{"03-10T00:00 03-12T00:00 ana"}},
		{"EXDATE takes one out", eventOf("DTSTART:20260310T090000Z", "DTEND:20260310T100000Z", "RRULE:FREQ=WEEKLY;UNTIL=20260324T090000Z",
			"EXDATE:20260317T090000Z", ana), []string{"03-10T09:00 03-10T10:00 ana", "03-24T09:00 03-24T10:00 ana"}},
		{"RECURRENCE-ID moves one", eventOf("DTSTART:20260310T090000Z", "DTEND:20260310T100000Z", "RRULE:FREQ=WEEKLY;COUNT=2", ana) + "\r\n" +
			eventOf("RECURRENCE-ID:20260317T090000Z", "DTSTART:20260318T090000Z", "DTEND:20260318T100000Z", "SUMMARY:bo@example.com covers"),
			[]string{"03-10T09:00 03-10T10:00 ana", "03-18T09:00 03-18T10:00 bo"}},
		{"a cancelled occurrence is gone", eventOf("DTSTART:20260310T090000Z", "DTEND:20260310T100000Z", "RRULE:FREQ=WEEKLY;COUNT=2", ana) + "\r\n" +
			eventOf("RECURRENCE-ID:20260317T090000Z", "STATUS:CANCELLED", "DTSTART:20260317T090000Z", "DTEND:20260317T100000Z", ana),
			[]string{"03-10T09:00 03-10T10:00 ana"}},
		{"RDATE adds one", eventOf("DTSTART:20260310T090000Z", "DTEND:20260310T100000Z", "RDATE:20260312T090000Z", ana),
			[]string{"03-10T09:00 03-10T10:00 ana", "03-12T09:00 03-12T10:00 ana"}},
		{"folded lines are one", eventOf("DTSTART:20260310T090000Z", "DURATION:PT1H", "SUMMARY:on call: bo@exam\r\n ple.com"), []string{"03-10T09:00 03-10T10:00 bo"}},
		{"an event of nobody is passed over", eventOf("DTSTART:20260310T090000Z", "DURATION:PT1H", "SUMMARY:Lunch"), nil},
		{"a long event is clipped", eventOf("DTSTART:20250310T090000Z", "DTEND:20270310T090000Z", ana), []string{"03-01T00:00 04-01T00:00 ana"}},
		{"the last Friday of each month", eventOf("DTSTART:20200131T090000Z", "DURATION:PT1H", "RRULE:FREQ=MONTHLY;BYDAY=-1FR", ana), []string{"03-27T09:00 03-27T10:00 ana"}},
	} {
		got, err := ReadCalendar(strings.NewReader(calendarOf(c.text)), instant(t, "2026-03-01T00:00:00Z"), instant(t, "2026-04-01T00:00:00Z"))
		if err != nil {
			t.Errorf("%s: %s", c.name, err)
			continue
		}
		var lines []string
		for _, s := range got {
			name, _, _ := strings.Cut(s.Person, "@")
			lines = append(lines, fmt.Sprintf("%s %s %s", s.From.UTC().Format("01-02T15:04"), s.To.UTC().Format("01-02T15:04"), name))
		}
		if strings.Join(lines, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, strings.Join(lines, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

func TestACalendarThatCannotBeReadIsRefusedSoon(t *testing.T) {
	ana := "ATTENDEE:mailto:ana@example.com"
	begin := "DTSTART:19000101T000000Z"
	many := strings.Repeat(eventOf(begin, "DURATION:PT1H", "RRULE:FREQ=DAILY;INTERVAL=7;BYDAY=TU", ana)+"\r\n", maxRules+1)
	for want, text := range map[string]string{
		"has to begin with BEGIN:VCALENDAR": "BEGIN:VEVENT\r\nEND:VEVENT\r\n",
		"is not closed":                     "BEGIN:VCALENDAR\r\n",
		"lacks DTSTART":                     calendarOf(eventOf(ana)),
		"is not known":                      calendarOf(eventOf("DTSTART;TZID=Nowhere:20260101T000000", ana)),
		"is no time between":                calendarOf(eventOf("DTSTART:99990101T000000Z", ana)),
		"by minutes or seconds":             calendarOf(eventOf(begin, "DURATION:PT1H", "RRULE:FREQ=SECONDLY", ana)),
		"with BY parts":                     calendarOf(eventOf(begin, "DURATION:PT1H", "RRULE:FREQ=HOURLY;INTERVAL=24;BYHOUR=1", ana)),
		"one more than 500000 times":        calendarOf(eventOf(begin, "DURATION:PT1H", "RRULE:FREQ=HOURLY", ana)),
		"repeats more than 1000 events":     calendarOf(many),
	} {
		_, err := ReadCalendar(strings.NewReader(text), instant(t, "2026-01-01T00:00:00Z"), instant(t, "2027-01-01T00:00:00Z"))
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func FuzzReadCalendar(f *testing.F) {
	f.Add(calendarOf(strings.ReplaceAll(viennaZone, "\n", "\r\n"), eventOf("DTSTART;TZID=Office:20260327T090000", "DTEND;TZID=Office:20260328T090000",
		"RRULE:FREQ=DAILY;COUNT=3", "EXDATE;TZID=Office:20260328T090000", "ATTENDEE:mailto:ana@example.com")))
	f.Add(calendarOf(eventOf("DTSTART;VALUE=DATE:20260310", "RRULE:FREQ=MONTHLY;BYDAY=-1FR;BYSETPOS=1;UNTIL=20270101", "SUMMARY:bo@example.com")))
	f.Add(calendarOf(eventOf("RECURRENCE-ID:20260317T090000Z", "DTSTART:20260318T090000Z", "DURATION:P1DT2H", "RDATE:20260312T090000Z", "SUMMARY:bo@example.com")))
	from, to := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		shifts, err := ReadCalendar(strings.NewReader(text), from, to)
		if err != nil && !fault.Is(err, fault.Invalid) {
			t.Fatalf("the error is not the client's: %v", err)
		}
		for _, s := range shifts {
			if s.From.Before(from) || s.To.After(to) || !s.From.Before(s.To) || !mailAddress(s.Person) {
				t.Fatalf("read the shift %+v", s)
			}
		}
	})
}
