package oncall

import (
	"bytes"
	"io"
	"strings"

	"github.com/nines-sre/nines/internal/fault"
)

// Bounds of a calendar that is read.
const (
	MaxCalendar    = 4 << 20 // bytes
	maxEvents      = 20_000
	maxRules       = 1_000
	maxOccurrences = 500_000 // of all events together, those before the time asked for included
)

// property is one content line of a calendar, such as DTSTART;TZID=Europe/Vienna:20260105T090000.
type property struct {
	name   string // upper case
	params map[string]string
	value  string
	line   int // in the file, where it begins
}

// component is what stands between BEGIN and END, such as VEVENT.
type component struct {
	name       string
	line       int
	properties []property
	parts      []*component
}

// first returns the first property of the name; a missing one is empty.
func (c *component) first(name string) property {
	for _, p := range c.properties {
		if p.name == name {
			return p
		}
	}
	return property{}
}

func (c *component) all(name string) []property {
	var found []property
	for _, p := range c.properties {
		if p.name == name {
			found = append(found, p)
		}
	}
	return found
}

// wrong is what is said of a line that cannot be read.
func wrong(line int, format string, args ...any) error {
	return fault.New(fault.Invalid, "line %d: %s", line, fault.New(fault.Invalid, format, args...).Message)
}

// parseCalendar reads the components of a calendar.
func parseCalendar(r io.Reader) (*component, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxCalendar+1))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "the calendar could not be read to its end")
	}
	if len(text) > MaxCalendar {
		return nil, fault.New(fault.Invalid, "the calendar is larger than %d MiB; publish fewer events", MaxCalendar>>20)
	}
	root := &component{}
	stack := []*component{root}
	for _, l := range unfold(text) {
		p, ok := parseLine(l)
		top := stack[len(stack)-1]
		switch {
		case !ok:
			return nil, wrong(l.number, "is no line of a calendar (NAME:value)")
		case p.name == "BEGIN":
			if len(stack) > 4 {
				return nil, wrong(l.number, "components are nested too deeply")
			}
			part := &component{name: strings.ToUpper(p.value), line: l.number}
			top.parts = append(top.parts, part)
			stack = append(stack, part)
		case p.name == "END":
			if top.name != strings.ToUpper(p.value) || len(stack) == 1 {
				return nil, wrong(l.number, "END:%s closes nothing that is open", clip(p.value))
			}
			stack = stack[:len(stack)-1]
		default:
			top.properties = append(top.properties, p)
		}
	}
	if len(stack) > 1 {
		return nil, wrong(stack[len(stack)-1].line, "%s is not closed; the calendar may be cut off", clip(stack[len(stack)-1].name))
	}
	if len(root.parts) == 0 || root.parts[0].name != "VCALENDAR" {
		return nil, fault.New(fault.Invalid, "this is no calendar; it has to begin with BEGIN:VCALENDAR")
	}
	return root.parts[0], nil
}

type numbered struct {
	text   string
	number int
}

// unfold joins lines that were folded, and leaves out empty ones.
func unfold(text []byte) []numbered {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	var lines []numbered
	var joined strings.Builder
	begun := 0
	flush := func() {
		if joined.Len() > 0 {
			lines = append(lines, numbered{joined.String(), begun})
		}
		joined.Reset()
	}
	number := 0
	for raw := range bytes.Lines(text) {
		number++
		raw = bytes.TrimRight(raw, "\r\n")
		if len(raw) > 0 && (raw[0] == ' ' || raw[0] == '\t') && joined.Len() > 0 {
			joined.Write(raw[1:])
			continue
		}
		flush()
		begun = number
		joined.Write(raw)
	}
	flush()
	return lines
}

// parseLine cuts a line into name, parameters and value. Colons and semicolons in quotes don't cut.
func parseLine(l numbered) (property, bool) {
	var parts []string
	quoted, begin, colon := false, 0, -1
	for i := 0; i < len(l.text) && colon < 0; i++ {
		switch c := l.text[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ';' || c == ':':
			parts = append(parts, l.text[begin:i])
			begin = i + 1
			if c == ':' {
				colon = i
			}
		}
	}
	if colon < 0 || parts[0] == "" {
		return property{}, false
	}
	p := property{name: strings.ToUpper(parts[0]), value: l.text[colon+1:], line: l.number, params: map[string]string{}}
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		p.params[strings.ToUpper(name)] = strings.Trim(value, `"`)
	}
	return p, true
}

// unescape reads text that was escaped.
func unescape(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\N`, "\n", `\,`, ",", `\;`, ";").Replace(s)
}
