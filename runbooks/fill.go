package runbooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Values are what a step's variables may name: "labels.service", "incident.number".
type Values map[string]string

// Filled is a step with its values, ready to be run. What came from outside can change no more than the value of one
// string, path segment, parameter or argument.
type Filled struct {
	Step
	Query  string   // PromQL, LogQL or SQL, where variables are $1, $2 ...
	Args   []string // the values of SQL's $1, $2 ..., or the words of a command
	Method string   // HTTP
	Path   string   // HTTP: path and query, beginning with "/"
	Send   string   // HTTP: the body
}

// place is where in its language a variable stands.
type place int

const (
	plain  place = iota // code
	quoted              // inside "..."
	single              // inside '...'
	other               // comments, `...`, $$...$$: nothing may be filled in
)

// part is a stretch of text, or a variable.
type part struct {
	text     string
	variable string
	or       string // the value where there is none
	hasOr    bool
	at       place
	regex    bool // inside the pattern of =~, !~ or |~
}

var variablePattern = regexp.MustCompile(`^\{\{\s*((?:labels|incident)\.[A-Za-z_][A-Za-z0-9_]*)(?:\s+or\s+"([^"{}\\]*)")?\s*\}\}`)

// parts splits the body at its variables, and refuses them where no value could be put safely.
func (s *Step) parts() ([]part, error) {
	switch s.Language {
	case PromQL, LogQL, SQL, HTTP, Shell:
	default:
		return nil, fmt.Errorf("the language %q cannot be run; use promql, logql, http, sql or shell", clip(string(s.Language)))
	}
	parts, err := split(s.Body, s.Language)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		if p.variable == "" {
			continue
		}
		switch {
		case s.Language == SQL && p.at != plain:
			return nil, fmt.Errorf("{{ %s }} stands in quotes or a comment; in SQL write it bare, it becomes a parameter", p.variable)
		case (s.Language == PromQL || s.Language == LogQL) && p.at != quoted:
			return nil, fmt.Errorf(`{{ %s }} must stand inside "double quotes"`, p.variable)
		}
	}
	switch s.Language {
	case HTTP:
		_, _, _, err = readRequest(parts)
	case Shell:
		_, err = words(parts, nil)
	}
	return parts, err
}

// CheckQuery says what is wrong with a query that has variables, as a step's body would be refused, or nil.
func CheckQuery(language Language, body string) error {
	_, err := (&Step{Language: language, Body: body}).parts()
	return err
}

// split finds the variables and where each stands.
func split(body string, language Language) ([]part, error) {
	var (
		parts []part
		text  strings.Builder
		scan  = scanner{language: language}
	)
	for i := 0; i < len(body); {
		if !strings.HasPrefix(body[i:], "{{") {
			text.WriteByte(body[i])
			scan.step(body, i)
			i++
			continue
		}
		m := variablePattern.FindStringSubmatch(body[i:])
		if m == nil {
			return nil, fmt.Errorf(`%q is not a variable such as {{ labels.service }} or {{ labels.service or "shop" }}`, clip(body[i:]))
		}
		parts = append(parts, part{text: text.String()})
		parts = append(parts, part{variable: m[1], or: m[2], hasOr: strings.Contains(m[0], `"`), at: scan.at, regex: scan.regex})
		text.Reset()
		i += len(m[0])
	}
	if scan.at != plain && language != HTTP && language != Shell && !scan.comment {
		return nil, errors.New("a quote is not closed")
	}
	return append(parts, part{text: text.String()}), nil
}

// scanner follows quotes and comments from byte to byte.
type scanner struct {
	language Language
	at       place
	end      string // what ends the quote or comment
	skip     int    // bytes that an escape or a longer mark has dealt with
	regex    bool
	comment  bool
}

var dollarQuote = regexp.MustCompile(`^\$(?:[A-Za-z_][A-Za-z0-9_]*)?\$`)

func (s *scanner) step(body string, i int) {
	if s.skip > 0 {
		s.skip--
		return
	}
	rest := body[i:]
	if s.at != plain {
		switch {
		case s.language != SQL && s.end != "`" && s.end != "\n" && rest[0] == '\\':
			s.skip = 1
		case strings.HasPrefix(rest, s.end):
			s.skip = len(s.end) - 1
			s.at, s.end, s.regex, s.comment = plain, "", false, false
		}
		return
	}
	switch {
	case s.language == HTTP || s.language == Shell: // they have readers of their own
	case rest[0] == '"':
		before := strings.TrimRight(body[:i], " \t\n")
		s.at, s.end = quoted, `"`
		s.regex = strings.HasSuffix(before, "~")
	case rest[0] == '\'':
		s.at, s.end = single, "'"
	case s.language == SQL && strings.HasPrefix(rest, "--"), s.language != SQL && rest[0] == '#':
		s.at, s.end, s.comment = other, "\n", true
	case s.language == SQL && strings.HasPrefix(rest, "/*"):
		s.at, s.end, s.skip = other, "*/", 1
	case s.language == SQL && dollarQuote.MatchString(rest):
		s.end = dollarQuote.FindString(rest)
		s.at, s.skip = other, len(s.end)-1
	case s.language != SQL && rest[0] == '`':
		s.at, s.end = other, "`"
	}
}

// value returns what stands for the variable.
func (p part) value(v Values) (string, error) {
	if value, ok := v[p.variable]; ok && value != "" {
		return value, nil
	}
	if p.hasOr {
		return p.or, nil
	}
	return "", fmt.Errorf("{{ %s }} has no value here; give one with or \"...\", or run it for an incident that has it", p.variable)
}

// Fill puts the values into the step, each by the rules of its language.
func (s Step) Fill(v Values) (Filled, error) {
	f := Filled{Step: s}
	parts, err := s.parts()
	if err != nil {
		return f, err
	}
	switch s.Language {
	case Shell:
		f.Args, err = words(parts, v)
		return f, err
	case HTTP:
		return f, f.request(parts, v)
	}
	var b strings.Builder
	for _, p := range parts {
		if p.variable == "" {
			b.WriteString(p.text)
			continue
		}
		value, err := p.value(v)
		if err != nil {
			return f, err
		}
		if s.Language == SQL {
			f.Args = append(f.Args, value)
			b.WriteString("$" + strconv.Itoa(len(f.Args)))
			continue
		}
		b.WriteString(quote(value, p.regex))
	}
	f.Query = strings.TrimSpace(b.String())
	return f, nil
}

// quote escapes a value for the inside of a double-quoted string, and for a pattern so that it only matches itself.
func quote(value string, regex bool) string {
	value = strings.ToValidUTF8(value, "\uFFFD")
	if regex {
		value = regexp.QuoteMeta(value)
	}
	inner := strconv.QuoteToASCII(value)
	return inner[1 : len(inner)-1]
}

// readRequest cuts an HTTP step into method, target and body.
func readRequest(parts []part) (method string, target, body []part, err error) {
	first := strings.TrimLeft(parts[0].text, " \t\n")
	method, rest, ok := strings.Cut(first, " ")
	if !ok || method != "GET" && method != "POST" {
		return "", nil, nil, errors.New("begins neither with GET nor POST and a path, such as GET /healthz")
	}
	if !strings.HasPrefix(rest, "/") || strings.HasPrefix(rest, "//") {
		return "", nil, nil, errors.New("must name a path that begins with one /; the host is the data source's")
	}
	into := &target
	for i, p := range parts {
		if i == 0 {
			p.text = rest
		}
		if line, more, ends := strings.Cut(p.text, "\n"); ends && into == &target {
			target = append(target, part{text: line})
			p.text, into = more, &body
		}
		*into = append(*into, p)
	}
	if method == "GET" {
		for _, p := range body {
			if p.variable != "" || strings.TrimSpace(p.text) != "" {
				return "", nil, nil, errors.New("a GET has no body")
			}
		}
		body = nil
	}
	for _, p := range target {
		if strings.ContainsAny(p.text, " \t\r#\\") {
			return "", nil, nil, errors.New("the path has a space, # or backslash; write them %20, %23 and %5C")
		}
	}
	return method, target, body, nil
}

func (f *Filled) request(parts []part, v Values) error {
	method, target, body, err := readRequest(parts)
	if err != nil {
		return err
	}
	f.Method = method
	escape := url.PathEscape
	for _, p := range target {
		if p.variable == "" {
			f.Path += p.text
			if strings.Contains(p.text, "?") {
				escape = url.QueryEscape
			}
			continue
		}
		value, err := p.value(v)
		if err != nil {
			return err
		}
		f.Path += escape(value)
	}
	name, _, _ := strings.Cut(f.Path, "?")
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "." || segment == ".." {
			return fmt.Errorf("the path %q leads upwards", clip(name))
		}
	}
	for _, p := range body {
		if p.variable == "" {
			f.Send += p.text
			continue
		}
		value, err := p.value(v)
		if err != nil {
			return err
		}
		inner, err := json.Marshal(value)
		if err != nil {
			return err
		}
		f.Send += string(inner) // a JSON string of its own, quotes included
	}
	f.Send = strings.TrimSpace(f.Send)
	if f.Send != "" && !json.Valid([]byte(f.Send)) {
		return errors.New("the body is not JSON; write a variable without quotes, they are added")
	}
	return nil
}
