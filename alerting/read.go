package alerting

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/prometheus/common/model"
)

// reader collects the problems of one document.
type reader struct {
	doc      manifest.Document
	problems manifest.Problems
}

func (r *reader) bad(path, format string, args ...any) {
	r.problems = append(r.problems, r.doc.Problem(path, format, args...))
}

const maxTenant = 200 // characters

// required and optional say whether matchers must select less than every alert.
const (
	required = true
	optional = false
)

// matchers reads conditions in Alertmanager's syntax; required ones must refuse at least one absent label.
func (r *reader) matchers(path string, texts []string, need bool) []Matcher {
	if len(texts) > MaxMatchers {
		r.bad(path, "has %d matchers; the most is %d", len(texts), MaxMatchers)
		return nil
	}
	before := len(r.problems)
	values, compiled := make([]Matcher, 0, len(texts)), make(Matchers, 0, len(texts))
	for i, text := range texts {
		m, err := readMatcher(text)
		if err != nil {
			r.bad(fmt.Sprintf("%s.%d", path, i), "%s", strings.TrimPrefix(fault.Public(err).Message, "filter: "))
			continue
		}
		values, compiled = append(values, MatcherOf(m)), append(compiled, m)
	}
	switch {
	case !need || len(r.problems) > before:
	case len(texts) == 0:
		r.bad(path, `is missing; write at least one matcher such as severity="critical"`)
	case !compiled.selective():
		r.bad(path, `selects every alert; write at least one matcher that refuses the empty string, such as alertname=~".+"`)
	}
	return values
}

func (r *reader) labelNames(path string, names []string) {
	if len(names) > MaxLabels {
		r.bad(path, "has %d label names; the most is %d", len(names), MaxLabels)
		return
	}
	for i, name := range names {
		at := fmt.Sprintf("%s.%d", path, i)
		switch {
		case !labelName(name):
			r.bad(at, "%q is no label name; "+labelNameRemedy, short(name))
		case slices.Index(names, name) < i:
			r.bad(at, "%s stands there twice; keep one", name)
		}
	}
}

func (r *reader) text(path, value string, most int) {
	switch n := utf8.RuneCountInString(value); {
	case n > most:
		r.bad(path, "has %d characters; the most is %d", n, most)
	case !storable(value):
		r.bad(path, "is not valid UTF-8 without NUL characters")
	}
}

const labelNameRemedy = "write letters, digits and underscores, not starting with a digit"

func labelName(name string) bool {
	return model.LegacyValidation.IsValidLabelName(name) && len(name) <= MaxNameBytes
}

// storable reports whether the database takes the text.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
