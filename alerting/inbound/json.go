package inbound

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

// maxDepth bounds how deep JSON may nest.
const maxDepth = 32

// readJSON reads one JSON object into v. What is not JSON, or has another type than the field, is a fault.Invalid.
func readJSON(text []byte, v any) error {
	if deeper(text, maxDepth) {
		return fault.New(fault.TooLarge, "body: nests deeper than %d levels", maxDepth)
	}
	if !utf8.Valid(text) {
		return fault.New(fault.Invalid, "body: is not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	err := decoder.Decode(v)
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind):
		return fault.New(fault.Invalid, "%s: is a JSON %s, which does not fit here", fieldName(kind.Field), kind.Value)
	case err != nil:
		return fault.New(fault.Invalid, "body: is not a JSON object; send one with Content-Type application/json")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fault.New(fault.Invalid, "body: goes on after the JSON object; send one object in one call")
	}
	return nil
}

func fieldName(path string) string {
	if path == "" {
		return "body"
	}
	return clip(path, 100)
}

// deeper reports whether JSON nests deeper than that; it looks at brackets alone, before anything is parsed.
func deeper(text []byte, most int) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > most {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// text is a JSON string, number or boolean as text, because tools write ids and states either way; null is "". A list or
// an object is kept as compact JSON.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(raw []byte) error {
	switch raw[0] {
	case '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
		*t = text(s)
	case 'n':
		*t = ""
	case '{', '[':
		*t = text(compact(raw))
	default:
		*t = text(raw)
	}
	return nil
}

func compact(raw []byte) string {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return ""
	}
	return b.String()
}

// object is a JSON object whose values may have any type; what is no object is kept whole under the name value.
type object map[string]text

// UnmarshalJSON implements json.Unmarshaler.
func (o *object) UnmarshalJSON(raw []byte) error {
	var fields map[string]text
	if raw[0] == '{' {
		if err := json.Unmarshal(raw, &fields); err != nil {
			return err
		}
	} else if whole := text(""); whole.UnmarshalJSON(raw) == nil && whole != "" {
		fields = map[string]text{"value": whole}
	}
	*o = fields
	return nil
}

func (o object) strings() map[string]string {
	plain := make(map[string]string, len(o))
	for name, value := range o {
		plain[name] = string(value)
	}
	return plain
}

// instant is a time as tools write it; what cannot be read is unknown, because a date is not worth an alert.
type instant struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (i *instant) UnmarshalJSON(raw []byte) error {
	var t text
	if err := t.UnmarshalJSON(raw); err != nil {
		return err
	}
	i.Time = parseTime(string(t))
	return nil
}

// layouts are how tools write times: RFC 3339 and what comes close to it.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 MST",
	"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999",
}

// parseTime reads a time; seconds and milliseconds since 1970 are told apart by their size. The zero time is unknown.
func parseTime(s string) time.Time {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n > 0 {
		return sane(fromUnix(n))
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return sane(t.UTC())
		}
	}
	return time.Time{}
}

func fromUnix(n int64) time.Time {
	const firstMilli = 100_000_000_000 // the year 5138 in seconds, March 1973 in milliseconds
	if n < firstMilli {
		return time.Unix(n, 0).UTC()
	}
	return time.UnixMilli(n).UTC()
}

// sane keeps times that storage and people can do with.
func sane(t time.Time) time.Time {
	if t.Year() < 1971 || t.Year() > 9998 {
		return time.Time{}
	}
	return t
}

// accepted is the answer 202 with a JSON body. The message says what became of the call, "" if there is nothing to say.
func accepted(message string) hook.Answer {
	return answer(map[string]string{"status": "accepted", "message": message})
}

func answer(fields map[string]string) hook.Answer {
	for name, value := range fields {
		if value == "" {
			delete(fields, name)
		}
	}
	body, _ := json.Marshal(fields) // a map of strings always encodes
	return hook.Answer{Status: 202, ContentType: "application/json", Body: body}
}
