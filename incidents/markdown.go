package incidents

import "strings"

// markup are the characters that mean something to Markdown or HTML anywhere in a line.
const markup = "\\`*_{}[]<>#|~&!"

// escape makes a text stand in Markdown as it is, on one line, also in a table: whatever a person or an alert wrote
// can form no link, image, HTML, heading, list or table of its own.
func escape(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Join(strings.Fields(s), " ")
	var b strings.Builder
	for at, r := range s {
		if strings.ContainsRune(markup, r) || (at == 0 && strings.ContainsRune("-+=", r)) || (startsNumber(s, at) && (r == '.' || r == ')')) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// startsNumber reports whether only digits stand before the place, as before the dot of a numbered list.
func startsNumber(s string, at int) bool {
	return at > 0 && strings.Trim(s[:at], "0123456789") == ""
}
