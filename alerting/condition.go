package alerting

import (
	"encoding/json"
	"fmt"
	"regexp/syntax"
	"unicode/utf8"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/prometheus/alertmanager/pkg/labels"
)

// Matcher is one condition on a label, as Alertmanager's API v2 has it. An absent label is the empty string, and a
// regular expression must match the whole value.
type Matcher struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	IsEqual bool   `json:"isEqual"`
}

// UnmarshalJSON reads a matcher; as in Alertmanager, isEqual is true where it is left out.
func (m *Matcher) UnmarshalJSON(text []byte) error {
	type plain Matcher
	read := plain{IsEqual: true}
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	*m = Matcher(read)
	return nil
}

// ReadMatcher reads one condition in Alertmanager's syntax, such as severity="critical" or job=~"shop.*". What is none
// is a fault.Invalid.
func ReadMatcher(text string) (Matcher, error) {
	m, err := readMatcher(text)
	if err != nil {
		return Matcher{}, err
	}
	return MatcherOf(m), nil
}

// readMatcher is ParseMatcher for a condition that is kept, which must name a label that alerts can have.
func readMatcher(text string) (*labels.Matcher, error) {
	m, err := ParseMatcher(text)
	if err != nil {
		return nil, err
	}
	return m, MatcherOf(m).Check()
}

// MatcherOf returns the condition as a value.
func MatcherOf(m *labels.Matcher) Matcher {
	return Matcher{
		Name: m.Name, Value: m.Value,
		IsRegex: m.Type == labels.MatchRegexp || m.Type == labels.MatchNotRegexp,
		IsEqual: m.Type == labels.MatchEqual || m.Type == labels.MatchRegexp,
	}
}

// String writes the condition as ReadMatcher reads it.
func (m Matcher) String() string {
	return (&labels.Matcher{Type: m.kind(), Name: m.Name, Value: m.Value}).String()
}

func (m Matcher) kind() labels.MatchType {
	switch {
	case m.IsRegex && m.IsEqual:
		return labels.MatchRegexp
	case m.IsRegex:
		return labels.MatchNotRegexp
	case m.IsEqual:
		return labels.MatchEqual
	}
	return labels.MatchNotEqual
}

// Check returns a fault.Invalid that says what is wrong with the condition: its label name, its length, or a regular
// expression that does not compile or costs too much to run.
func (m Matcher) Check() error {
	switch {
	case !labelName(m.Name):
		return fault.New(fault.Invalid, "matcher: %q is no label name; "+labelNameRemedy, short(m.Name))
	case len(m.Value) > MaxMatcherBytes:
		return fault.New(fault.Invalid, "matcher %s: the value has %d bytes; the most is %d", m.Name, len(m.Value), MaxMatcherBytes)
	case !utf8.ValidString(m.Value):
		return fault.New(fault.Invalid, "matcher %s: the value is not valid UTF-8", m.Name)
	case !m.IsRegex:
		return nil
	}
	re, err := syntax.Parse(m.Value, syntax.Perl)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "matcher %s: %q is not a regular expression in RE2 syntax", m.Name, short(m.Value))
	}
	if cost(re) > maxCost {
		return fault.New(fault.Invalid, "matcher %s: the regular expression repeats too much; write it without large counts", m.Name)
	}
	return nil
}

// Compile checks the condition and makes it ready to match.
func (m Matcher) Compile() (*labels.Matcher, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	compiled, err := labels.NewMatcher(m.kind(), m.Name, m.Value)
	if err != nil { // the anchors may be what is too much for it
		return nil, fault.Wrap(fault.Invalid, err, "matcher %s: %q is not a regular expression in RE2 syntax", m.Name, short(m.Value))
	}
	return compiled, nil
}

// CompileMatchers makes several conditions ready, all of which must hold; the first that is none is a fault.Invalid.
func CompileMatchers(values []Matcher) (Matchers, error) {
	if len(values) > MaxMatchers {
		return nil, fault.New(fault.Invalid, "%d matchers; the most is %d", len(values), MaxMatchers)
	}
	compiled := make(Matchers, 0, len(values))
	for _, v := range values {
		m, err := v.Compile()
		if err != nil {
			return nil, err
		}
		compiled = append(compiled, m)
	}
	return compiled, nil
}

// failing returns the first condition that the labels do not satisfy, or nil.
func (ms Matchers) failing(values map[string]string) *labels.Matcher {
	for _, m := range ms {
		if !m.Matches(values[m.Name]) {
			return m
		}
	}
	return nil
}

// selective reports whether some condition refuses the absent label: without one, the matchers select every alert.
func (ms Matchers) selective() bool {
	for _, m := range ms {
		if !m.Matches("") {
			return true
		}
	}
	return false
}

// why says in words why the condition does not hold.
func why(m *labels.Matcher, values map[string]string) string {
	if v := values[m.Name]; v != "" {
		return fmt.Sprintf("%s is %q, which does not satisfy %s", m.Name, short(v), m)
	}
	return fmt.Sprintf("there is no label %s, which does not satisfy %s", m.Name, m)
}
