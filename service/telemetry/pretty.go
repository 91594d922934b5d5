package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// messageWidth is where the attributes of a line begin, so that they stand in a column under most messages.
const messageWidth = 44

// ANSI sequences; a handler without colour writes none of them.
const (
	reset  = "\x1b[0m"
	bold   = "\x1b[1m"
	dim    = "\x1b[2m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
)

// pretty writes a line for people: the time of day where the terminal is, a mark for the level, the message and its
// attributes. Trace ids are left to the JSON log. Text from outside cannot move the cursor or fake a line: what is not
// printable is quoted.
type pretty struct {
	out    *lockedWriter
	level  slog.Level
	colour bool
	prefix string // open groups, "a.b."
	attrs  string // rendered already
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func newPretty(w io.Writer, level slog.Level, colour bool) slog.Handler {
	return pretty{out: &lockedWriter{w: w}, level: level, colour: colour}
}

func (p pretty) Enabled(_ context.Context, l slog.Level) bool { return l >= p.level }

func (p pretty) Handle(_ context.Context, r slog.Record) error {
	var attrs strings.Builder
	attrs.WriteString(p.attrs)
	r.Attrs(func(a slog.Attr) bool {
		p.attr(&attrs, p.prefix, a)
		return true
	})
	var b bytes.Buffer
	if !r.Time.IsZero() {
		b.WriteString(p.paint(dim, r.Time.Format(time.TimeOnly)) + " ")
	}
	mark, colour := markOf(r.Level)
	b.WriteString(p.paint(colour, mark) + " ")
	message := printable(r.Message)
	shown := message
	if r.Level >= slog.LevelError {
		shown = p.paint(bold, message)
	}
	b.WriteString(shown)
	if attrs.Len() > 0 {
		if short := messageWidth - utf8.RuneCountInString(message); short > 0 {
			b.WriteString(strings.Repeat(" ", short))
		}
		b.WriteString(attrs.String())
	}
	b.WriteByte('\n')
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	_, err := p.out.w.Write(b.Bytes())
	return err
}

func (p pretty) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	b.WriteString(p.attrs)
	for _, a := range attrs {
		p.attr(&b, p.prefix, a)
	}
	p.attrs = b.String()
	return p
}

func (p pretty) WithGroup(name string) slog.Handler {
	if name != "" {
		p.prefix += name + "."
	}
	return p
}

// attr appends " key=value", the members of a group one by one under its name.
func (p pretty) attr(b *strings.Builder, prefix string, a slog.Attr) {
	value := a.Value.Resolve()
	switch {
	case value.Kind() == slog.KindGroup:
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range value.Group() {
			p.attr(b, prefix, member)
		}
	case a.Key != "" && !isTraceID(a.Key):
		text := quoted(valueText(value))
		if _, isErr := value.Any().(error); isErr {
			text = p.paint(red, text)
		} else {
			text = p.paint(dim, text)
		}
		b.WriteString(" " + p.paint(dim, quoted(prefix+a.Key)+"=") + text)
	}
}

func (p pretty) paint(colour, text string) string {
	if !p.colour {
		return text
	}
	return colour + text + reset
}

func markOf(l slog.Level) (mark, colour string) {
	switch {
	case l >= slog.LevelError:
		return "✗", red
	case l >= slog.LevelWarn:
		return "▲", yellow
	case l >= slog.LevelInfo:
		return "•", cyan
	}
	return "·", dim
}

func isTraceID(key string) bool { return key == "trace_id" || key == "span_id" }

func valueText(v slog.Value) string {
	switch v.Kind() {
	case slog.KindDuration:
		return roundedDuration(v.Duration())
	case slog.KindTime:
		return v.Time().UTC().Format(time.RFC3339)
	case slog.KindAny:
		return fmt.Sprint(v.Any())
	}
	return v.String()
}

// roundedDuration drops the digits nobody reads: 1.234567s is 1.23s.
func roundedDuration(d time.Duration) string {
	unit := time.Duration(1)
	for unit*1000 <= max(d, -d) {
		unit *= 10
	}
	return d.Round(unit).String()
}

// quoted returns text as it is where it is one printable word, and as a Go string otherwise.
func quoted(text string) string {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r == ' ' || r == '"' || r == '=' || !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

// printable returns the text with everything escaped that could move the cursor or begin a line.
func printable(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return text
	}
	q := strconv.Quote(text)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}
