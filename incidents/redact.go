package incidents

import (
	"regexp"
	"strings"
)

// redacted stands where a secret stood.
const redacted = "[redacted]"

// secretNames are words in the name of a field whose value is a secret.
const secretNames = `pass(?:word|wd|phrase)?|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?|` +
	`session[_-]?id|cookie|authorization|signature`

// secretPatterns find secrets by how they look; what stands for the parentheses around them is kept.
var secretPatterns = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`), redacted},
	{regexp.MustCompile(`(?i)\b(bearer|basic|digest)\s+[A-Za-z0-9._~+/=-]{6,}`), "$1 " + redacted},
	{regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`), redacted}, // a JSON Web Token
	{regexp.MustCompile(`([a-z][a-z0-9+.-]*://)[^\s/@:]*:[^\s/@]+@`), "$1" + redacted + "@"}, // a URL's password
	{regexp.MustCompile(`\b(?:AKIA|ASIA)[A-Z0-9]{16}\b`), redacted},                          // AWS
	{regexp.MustCompile(`\b(?:gh[pousr]_|glpat-|glsa_|xox[abposr]-|sk-|sk_live_|github_pat_)[A-Za-z0-9_-]{10,}`), redacted},
	// name="value" and "name": "value", then name=value and name: value
	{regexp.MustCompile(`(?i)((?:[\w.-]*(?:` + secretNames + `)[\w.-]*)\\?["']?\s*[=:]\s*\\?")(?:[^"\\]|\\[^"])*`), "$1" + redacted},
	{regexp.MustCompile(`(?i)((?:[\w.-]*(?:` + secretNames + `)[\w.-]*)["']?\s*[=:]\s*')[^']*`), "$1" + redacted},
	{regexp.MustCompile(`(?i)((?:[\w.-]*(?:` + secretNames + `)[\w.-]*)\s*[=:]\s*)[^\s"'\\&,;\[][^\s"'&,;]*`), "$1" + redacted},
}

// Redact takes what looks like a secret out of a text: passwords, tokens, keys, credentials in URLs. It knows common forms
// and cannot know all of them. The result is valid UTF-8 without NUL, so that it can be stored.
func Redact(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	for _, s := range secretPatterns {
		text = s.pattern.ReplaceAllString(text, s.with)
	}
	return text
}

// cut keeps at most n bytes of a text, cut between characters.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "")
}
