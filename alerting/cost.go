package alerting

import (
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"

	"github.com/nines-sre/nines/internal/fault"
)

// maxCost bounds a regular expression by its instructions once counted repetitions are written out. Matching takes time
// in proportion to it, and 4 KB of "(x{1,1000}){1,1}" write out to so many that one label keeps a processor busy for
// minutes. The longest filter without repetitions stays below.
const maxCost = 5000

// expression finds the value of a regular-expression matcher: a name, =~ or !~, and the rest.
var expression = regexp.MustCompile(`(?s)^[{\s]*(?:"(?:[^"\\]|\\.)*"|[^"=!~{}]+?)\s*[=!]~\s*(.*)$`)

// literal is a matcher that has no regular expression, whatever its value holds.
var literal = regexp.MustCompile(`(?s)^\s*(?:"(?:[^"\\]|\\.)*"|[a-zA-Z_][a-zA-Z0-9_]*)\s*!?=\s*"(?:[^"\\]|\\.)*"\s*$`)

// checkCost refuses a filter whose regular expression would cost too much to compile or run. It runs before the filter
// is parsed, which compiles it; what it cannot read and what may repeat is refused too.
func checkCost(text string) error {
	if !strings.Contains(text, "=~") && !strings.Contains(text, "!~") || literal.MatchString(text) {
		return nil
	}
	tooCostly := fault.New(fault.Invalid,
		"filter: the regular expression in %q repeats too much; write it without large counts", short(text))
	found := expression.FindStringSubmatch(text)
	if found == nil {
		if strings.Contains(text, "{") {
			return tooCostly
		}
		return nil
	}
	for _, pattern := range readings(found[1]) {
		re, err := syntax.Parse(pattern, syntax.Perl)
		if err == nil && cost(re) > maxCost {
			return tooCostly
		}
	}
	return nil
}

// readings are all the patterns that Alertmanager's parsers may see in a matcher's value: with and without the brace
// that closes a list, quoted as in Go, quoted in the classic way, which keeps unknown escapes, or bare. Each of them
// must be affordable, since which one counts is the parsers' business.
func readings(value string) []string {
	value = strings.TrimSpace(value)
	var patterns []string
	for _, v := range []string{value, strings.TrimRight(strings.TrimSuffix(value, "}"), ", \t\r\n")} {
		inside := strings.TrimSuffix(strings.TrimPrefix(v, `"`), `"`)
		patterns = append(patterns, v, inside, classic.Replace(v), classic.Replace(inside))
		if plain, err := strconv.Unquote(v); err == nil {
			patterns = append(patterns, plain)
		}
	}
	return patterns
}

var classic = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n")

// cost estimates how many instructions the expression compiles to; it stops counting above maxCost.
func cost(re *syntax.Regexp) int {
	sum := 1
	if re.Op == syntax.OpLiteral {
		sum = len(re.Rune)
	}
	for _, sub := range re.Sub {
		sum += cost(sub)
		if sum > maxCost {
			return maxCost + 1
		}
	}
	if re.Op == syntax.OpRepeat {
		sum *= max(re.Min, re.Max, 1)
	}
	return sum
}
