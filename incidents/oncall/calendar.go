package oncall

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// utcStamp is how RFC 5545 writes an instant in UTC.
const utcStamp = "20060102T150405Z"

// maxLine is how many octets RFC 5545 lets a line have, without its end.
const maxLine = 75

// WriteCalendar writes the shifts as an iCalendar (RFC 5545) of the name. Times are in UTC, which every calendar shows by its
// reader's clock. An event keeps its UID as long as its person and its beginning stay, so that subscribers don't see it
// twice: callers let the calendar begin at a round date rather than now. now becomes the stamp of each event.
func WriteCalendar(w io.Writer, name string, shifts []Shift, now time.Time) error {
	out := calendarWriter{w: bufio.NewWriter(w)}
	for _, line := range []string{
		"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Nines//On-call//EN", "CALSCALE:GREGORIAN", "METHOD:PUBLISH",
		"NAME:" + escape(name), "X-WR-CALNAME:" + escape(name), "REFRESH-INTERVAL;VALUE=DURATION:PT1H", "X-PUBLISHED-TTL:PT1H",
	} {
		out.line(line)
	}
	for _, s := range shifts {
		out.event(name, s, now)
	}
	out.line("END:VCALENDAR")
	if err := out.w.Flush(); err != nil {
		return fmt.Errorf("write calendar: %w", err)
	}
	return nil
}

// calendarWriter leaves errors to the writer, which keeps the first one until it is flushed.
type calendarWriter struct{ w *bufio.Writer }

func (c calendarWriter) event(name string, s Shift, now time.Time) {
	source := s.Layer
	switch {
	case s.Override != "":
		source = "override"
	case s.Temporary != "":
		source = "temporary schedule"
	}
	for _, line := range []string{
		"BEGIN:VEVENT",
		"UID:" + eventID(name, s),
		"DTSTAMP:" + now.UTC().Format(utcStamp),
		"DTSTART:" + s.From.UTC().Format(utcStamp),
		"DTEND:" + s.To.UTC().Format(utcStamp),
		"SUMMARY:" + escape(s.Person+" on call: "+name),
		"DESCRIPTION:" + escape(fmt.Sprintf("%s is on call for %s (%s).", s.Person, name, source)),
		"TRANSP:TRANSPARENT",
		"END:VEVENT",
	} {
		c.line(line)
	}
}

// eventID is the same whenever the same person's shift of the calendar begins at the same time.
func eventID(name string, s Shift) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%d", name, s.Person, s.Layer, s.From.Unix()))
	return fmt.Sprintf("%x@oncall.nines", sum[:16])
}

// line writes one content line, folded without cutting a character.
func (c calendarWriter) line(s string) {
	limit := maxLine
	for len(s) > limit {
		cut := limit
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		if cut == 0 {
			cut = limit
		}
		_, _ = c.w.WriteString(s[:cut] + "\r\n ")
		s, limit = s[cut:], maxLine-1 // the space counts
	}
	_, _ = c.w.WriteString(s + "\r\n")
}

// escape writes text as RFC 5545 asks for; other control characters are left out.
func escape(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	s = strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\n", `\n`).Replace(s)
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
