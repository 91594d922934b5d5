package publish

import (
	"net/url"
	"regexp"
	"strings"
)

var inlineForm = regexp.MustCompile("(`+)(.+?)`+" + // 1 ticks, 2 code
	`|\[([^\[\]\n]*)\]\(([^()\s]*)\)` + // 3 text, 4 address
	`|<(https?://[^\s<>]+)>` + // 5 address
	`|(https?://[^\s<>()\[\]"'` + "`" + `]*[^\s<>()\[\]"'.,;:!?*_` + "`" + `])` + // 6 bare address
	`|\*\*([^*\n]+)\*\*` + // 7 strong
	`|\b_([^_\n]+)_\b` + // 8 emphasis
	`|\*([^*\s][^*\n]*)\*`) // 9 emphasis

// hidden stands for escaped characters while forms are looked for: ASCII at private code points.
const hidden = 0xF0000

// protect hides what a backslash escapes, so that it means nothing.
func protect(text string) string {
	var b strings.Builder
	runes := []rune(text)
	for n := 0; n < len(runes); n++ {
		c := runes[n]
		if c == '\\' && n+1 < len(runes) && strings.ContainsRune("\\`*_{}[]<>()#+-.!|~&=:/\"'", runes[n+1]) {
			n++
			c = hidden + runes[n]
		} else if c >= hidden && c < hidden+0x80 {
			c = '\uFFFD'
		}
		b.WriteRune(c)
	}
	return b.String()
}

func unprotect(text, before string) string {
	var b strings.Builder
	for _, c := range text {
		if c >= hidden && c < hidden+0x80 {
			b.WriteString(before)
			c -= hidden
		}
		b.WriteRune(c)
	}
	return b.String()
}

// spans reads the styles within a block. What matches no form is text as it stands.
func spans(text string) []span {
	text = protect(text)
	var out []span
	plain := func(s string) {
		if s != "" {
			out = append(out, span{text: unprotect(s, "")})
		}
	}
	for text != "" {
		m := inlineForm.FindStringSubmatchIndex(text)
		if m == nil {
			break
		}
		plain(text[:m[0]])
		out = append(out, spanOf(text, m))
		text = text[m[1]:]
	}
	plain(text)
	return out
}

func spanOf(text string, m []int) span {
	group := func(i int) string { return text[m[2*i]:m[2*i+1]] }
	has := func(i int) bool { return m[2*i] >= 0 }
	switch {
	case has(1):
		return span{text: strings.TrimSpace(unprotect(group(2), `\`)), code: true}
	case has(3):
		return linked(unprotect(group(3), ""), unprotect(group(4), ""))
	case has(5):
		return linked(unprotect(group(5), ""), unprotect(group(5), ""))
	case has(6):
		return linked(unprotect(group(6), ""), unprotect(group(6), ""))
	case has(7):
		return span{text: unprotect(group(7), ""), bold: true}
	case has(8):
		return span{text: unprotect(group(8), ""), italic: true}
	}
	return span{text: unprotect(group(9), ""), italic: true}
}

// linked is a link where the address leads to http, https or mailto, else the text alone.
func linked(text, address string) span {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "mailto") {
		return span{text: text}
	}
	return span{text: text, link: u.String()}
}

func textOf(spans []span) string {
	var b strings.Builder
	for _, s := range spans {
		b.WriteString(s.text)
	}
	return b.String()
}
