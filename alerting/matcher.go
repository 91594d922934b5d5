package alerting

import (
	"errors"
	"log/slog"
	"unicode/utf8"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/prometheus/alertmanager/matcher/compat"
	"github.com/prometheus/alertmanager/pkg/labels"
)

// MaxMatcherBytes bounds one filter.
const MaxMatcherBytes = 4 << 10

// MaxMatchers bounds the filters of one request.
const MaxMatchers = 64

// Matchers select alerts: an alert must satisfy all of them. None select every alert.
type Matchers []*labels.Matcher

// parse reads both of Alertmanager's syntaxes, quoted UTF-8 names and the classic form.
var parse = compat.FallbackMatcherParser(slog.New(slog.DiscardHandler))

// ParseMatcher reads one of Alertmanager's filters, such as severity="critical", job=~"shop.*", team!="a". What is none
// is a fault.Invalid.
func ParseMatcher(text string) (*labels.Matcher, error) {
	if len(text) > MaxMatcherBytes {
		return nil, fault.New(fault.Invalid, "filter: has %d bytes; the most is %d", len(text), MaxMatcherBytes)
	}
	if !utf8.ValidString(text) {
		return nil, fault.New(fault.Invalid, "filter: is not valid UTF-8")
	}
	if err := checkCost(text); err != nil {
		return nil, err
	}
	m, err := parse(text, "api")
	if err == nil && (m == nil || m.Name == "") {
		err = errors.New("no label name")
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, `filter: %q is not a matcher such as severity="critical" or job=~"shop.*"`, short(text))
	}
	return m, nil
}

// ParseMatchers reads several filters, all of which must hold; the first that is none is a fault.Invalid.
func ParseMatchers(texts []string) (Matchers, error) {
	if len(texts) > MaxMatchers {
		return nil, fault.New(fault.Invalid, "filter: is given %d times; the most is %d", len(texts), MaxMatchers)
	}
	matchers := make(Matchers, 0, len(texts))
	for _, text := range texts {
		m, err := ParseMatcher(text)
		if err != nil {
			return nil, err
		}
		matchers = append(matchers, m)
	}
	return matchers, nil
}

// Match reports whether the labels satisfy all matchers. An absent label is the empty string.
func (ms Matchers) Match(labels map[string]string) bool {
	for _, m := range ms {
		if !m.Matches(labels[m.Name]) {
			return false
		}
	}
	return true
}
