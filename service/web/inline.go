package web

import (
	"html"
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

// inline renders the text within a block. What matches no form is escaped as it stands.
func inline(text string) string {
	text = protect(text)
	var b strings.Builder
	for text != "" {
		m := inlineForm.FindStringSubmatchIndex(text)
		if m == nil {
			break
		}
		b.WriteString(plainText(text[:m[0]]))
		b.WriteString(inlineMatch(text, m))
		text = text[m[1]:]
	}
	b.WriteString(plainText(text))
	return b.String()
}

func inlineMatch(text string, m []int) string {
	group := func(i int) string { return text[m[2*i]:m[2*i+1]] }
	has := func(i int) bool { return m[2*i] >= 0 }
	switch {
	case has(1):
		return "<code>" + html.EscapeString(strings.TrimSpace(unprotect(group(2), `\`))) + "</code>"
	case has(4):
		return link(group(4), inlinePlain(group(3)))
	case has(5):
		return link(group(5), plainText(group(5)))
	case has(6):
		return link(group(6), plainText(group(6)))
	case has(7):
		return "<strong>" + inlinePlain(group(7)) + "</strong>"
	case has(8):
		return "<em>" + plainText(group(8)) + "</em>"
	}
	return "<em>" + plainText(group(9)) + "</em>"
}

var codeForm = regexp.MustCompile("`([^`]+)`")

// inlinePlain allows code inside links and strong text, and nothing else.
func inlinePlain(text string) string {
	return codeForm.ReplaceAllString(plainText(text), "<code>$1</code>")
}

// plainText is where every piece of text leaves: escapes are taken back, then it becomes HTML.
func plainText(text string) string { return html.EscapeString(unprotect(text, "")) }

// protected is where a punctuation character with a backslash before it is put, so that it matches no form.
const protected = 0xf700

// punctuation are the characters that a backslash takes the meaning from.
const punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

func protect(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) && strings.IndexByte(punctuation, text[i+1]) >= 0 {
			i++
			b.WriteRune(protected + rune(text[i]))
			continue
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// unprotect puts the characters back, each with the prefix before it.
func unprotect(text, prefix string) string {
	var b strings.Builder
	for _, r := range text {
		if c := r - protected; c > ' ' && c < 0x7f && strings.ContainsRune(punctuation, c) {
			b.WriteString(prefix)
			r = c
		}
		b.WriteRune(r)
	}
	return b.String()
}

// link returns an anchor where the address is one that may be followed, and the bare text otherwise. shown is HTML.
func link(address, shown string) string {
	address = unprotect(address, "")
	if !safeLink(address) {
		return shown
	}
	rel := ""
	if !strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "#") {
		rel = ` rel="noopener noreferrer"`
	}
	return `<a href="` + html.EscapeString(address) + `"` + rel + `>` + shown + `</a>`
}

// safeLink reports whether an address from a document or an alert may stand in a link.
func safeLink(address string) bool {
	if address == "" || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return false
	}
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	switch u.Scheme {
	case "http", "https":
		return u.Host != ""
	case "mailto":
		return true
	case "":
		return u.Host == "" && (strings.HasPrefix(address, "#") || strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//"))
	}
	return false
}
