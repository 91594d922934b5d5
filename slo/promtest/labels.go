package promtest

import (
	"maps"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// series is one made-up input series.
type series map[string]string

func (s series) matches(vs *parser.VectorSelector) bool { return s.matchesAll(vs.LabelMatchers) }

func (s series) matchesAll(ms []*labels.Matcher) bool {
	for _, m := range ms {
		if !m.Matches(s[m.Name]) {
			return false
		}
	}
	return true
}

// text writes the series as promtool reads it.
func (s series) text() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if name != labels.MetricName && s[name] != "" {
			parts = append(parts, name+"="+strconv.Quote(s[name]))
		}
	}
	return s[labels.MetricName] + "{" + strings.Join(parts, ",") + "}"
}

// Values that are tried beside those that the matchers name, and bounds on the trying.
var usual = []string{"", "200", "500", "OK", "a"}

const (
	maxTries    = 4000
	maxExamples = 8
)

// candidates returns the values worth trying for each label that the matchers name.
func candidates(ms []*labels.Matcher) map[string][]string {
	out := map[string][]string{}
	for _, m := range ms {
		if m.Type == labels.MatchEqual || m.Type == labels.MatchNotEqual {
			out[m.Name] = append(out[m.Name], m.Value)
		} else {
			out[m.Name] = append(out[m.Name], examples(m.Value)...)
		}
	}
	for name, values := range out {
		values = append(values, usual...)
		slices.SortStableFunc(values, func(a, b string) int { return min(len(b), 1) - min(len(a), 1) }) // a label there before none
		seen := map[string]bool{}
		out[name] = slices.DeleteFunc(values, func(v string) bool { again := seen[v]; seen[v] = true; return again })
	}
	return out
}

// find returns a label set that fits, trying the candidates in their order.
func find(values map[string][]string, fits func(series) bool) (series, bool) {
	names, tries := slices.Sorted(maps.Keys(values)), 0
	one := series{}
	var try func(i int) bool
	try = func(i int) bool {
		if i == len(names) {
			tries++
			return fits(one)
		}
		for _, v := range values[names[i]] {
			if one[names[i]] = v; try(i + 1) {
				return true
			}
			if tries > maxTries {
				return false
			}
		}
		return false
	}
	ok := try(0)
	return one, ok
}

// examples returns a few strings that a regular expression matches, made from its literals: 500 of 5.., GET and PUT of
// GET|PUT. Whether they do match is for the caller to see.
func examples(pattern string) []string {
	re, err := syntax.Parse(pattern, syntax.Perl|syntax.DotNL)
	if err != nil {
		return nil
	}
	return examplesOf(re)
}

func examplesOf(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		return []string{string(re.Rune)}
	case syntax.OpCharClass:
		if len(re.Rune) > 0 {
			return []string{string(re.Rune[0])}
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return []string{"0"}
	case syntax.OpStar, syntax.OpQuest:
		return append(examplesOf(re.Sub[0]), "")
	case syntax.OpCapture, syntax.OpPlus:
		return examplesOf(re.Sub[0])
	case syntax.OpRepeat:
		return repeated(examplesOf(re.Sub[0]), max(re.Min, 1))
	case syntax.OpConcat:
		out := []string{""}
		for _, sub := range re.Sub {
			out = joined(out, examplesOf(sub))
		}
		return out
	case syntax.OpAlternate:
		var out []string
		for _, sub := range re.Sub {
			out = append(out, examplesOf(sub)...)
		}
		return out[:min(len(out), maxExamples)]
	}
	return []string{""}
}

func repeated(of []string, times int) []string {
	var out []string
	for _, s := range of {
		out = append(out, strings.Repeat(s, min(times, 64)))
	}
	return out
}

func joined(heads, tails []string) []string {
	var out []string
	for _, h := range heads {
		for _, t := range tails {
			if out = append(out, h+t); len(out) == maxExamples {
				return out
			}
		}
	}
	return out
}
