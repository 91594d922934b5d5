package slo

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/promguard"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Sloth writes the window as a template. It is replaced by a duration that nobody writes by hand, of the same length as
// "{{.window}}", so that positions in the parser's messages are those of the text as written.
const (
	windowText  = "123456789ms"
	windowMark  = 123456789 * time.Millisecond
	windowShown = "{{.window}}"
)

var windowPattern = regexp.MustCompile(`\{\{\s*\.window\s*\}\}`)

// query is a parsed SLI expression.
type query struct {
	expr     parser.Expr
	windowed bool // it has at least one {{.window}}
}

// Limits on SLI queries, tighter than the guard's for any query, because a file may hold hundreds of them.
const (
	maxTokens     = 300      // names, numbers and operators outside matchers and strings
	maxRegexps    = 50       // matchers by regular expression
	maxRepeats    = 20       // counted repetitions in them, each of which is compiled up to a thousandfold
	maxQueryBytes = 64 << 10 // of all queries of one document
)

var repeatPattern = regexp.MustCompile(`\{\d+,?\d*\}`)

// parseQuery reads PromQL with {{.window}}. The guards run before the parser, whose cost grows with the square of length.
func parseQuery(text string) (query, error) {
	if err := promguard.Check(text); err != nil {
		return query{}, err
	}
	if n := tokens(text); n > maxTokens {
		return query{}, fault.New(fault.Invalid, "has %d names and operators; an SLI needs no more than %d: record parts of it by a rule of their own, or match more by a regular expression", n, maxTokens)
	}
	if strings.Count(text, "=~")+strings.Count(text, "!~") > maxRegexps || len(repeatPattern.FindAllStringIndex(text, maxRepeats+1)) > maxRepeats {
		return query{}, fault.New(fault.Invalid, "has more than %d regular expressions or %d counted repetitions in them; simplify it", maxRegexps, maxRepeats)
	}
	replaced := windowPattern.ReplaceAllLiteralString(text, windowText)
	expr, err := parser.ParseExpr(replaced)
	if err != nil {
		return query{}, fault.New(fault.Invalid, "is not PromQL: %s", parseMessage(err))
	}
	if t := expr.Type(); t != parser.ValueTypeVector {
		return query{}, fault.New(fault.Invalid, "is a %s; an SLI needs an instant vector", typeWords[t])
	}
	return query{expr: expr, windowed: replaced != text}, nil
}

// tokens counts names, numbers and operator characters outside strings and matchers.
func tokens(text string) int {
	n, word, braces := 0, false, 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '"' || c == '\'' || c == '`':
			for i++; i < len(text) && text[i] != c; i++ {
				if text[i] == '\\' && c != '`' {
					i++
				}
			}
		case c == '{':
			braces++
		case c == '}':
			braces--
		}
		letter := c == '_' || c == ':' || c == '.' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
		if braces <= 0 && (letter && !word || strings.IndexByte("+-*/%^<>=!@", c) >= 0) {
			n++
		}
		word = letter
	}
	return n
}

// typeWords say what people wrote instead of an instant vector.
var typeWords = map[parser.ValueType]string{
	parser.ValueTypeMatrix: "range of samples", parser.ValueTypeScalar: "scalar", parser.ValueTypeString: "string",
}

// parseMessage keeps the first error with its line and column, in the words of the text as written.
func parseMessage(err error) string {
	var many parser.ParseErrors
	if errors.As(err, &many) && len(many) > 0 {
		err = &many[0]
	}
	return clip(strings.ReplaceAll(err.Error(), windowText, windowShown))
}

// selector returns the query's selector where it is nothing but one.
func (q query) selector() (*parser.VectorSelector, bool) {
	vs, ok := unparen(q.expr).(*parser.VectorSelector)
	return vs, ok
}

func unparen(e parser.Expr) parser.Expr {
	for {
		p, ok := e.(*parser.ParenExpr)
		if !ok {
			return e
		}
		e = p.Expr
	}
}

// grouping returns the labels that the query's result can have, and false where that is not to be seen from its text.
func (q query) grouping() ([]string, bool) { return labelsOf(q.expr) }

func labelsOf(e parser.Expr) ([]string, bool) {
	switch e := unparen(e).(type) {
	case *parser.AggregateExpr:
		if e.Without {
			return nil, false
		}
		return sortedCopy(e.Grouping), true
	case *parser.BinaryExpr:
		return binaryLabels(e)
	case *parser.SubqueryExpr:
		return labelsOf(e.Expr)
	case *parser.UnaryExpr:
		return labelsOf(e.Expr)
	case *parser.Call:
		if e.Func.Name == "vector" {
			return nil, true
		}
		if len(e.Args) > 0 && !slices.Contains([]string{"label_replace", "label_join"}, e.Func.Name) {
			return labelsOf(e.Args[0])
		}
	}
	return nil, false
}

func binaryLabels(e *parser.BinaryExpr) ([]string, bool) {
	if e.LHS.Type() == parser.ValueTypeScalar {
		return labelsOf(e.RHS)
	}
	if e.VectorMatching != nil && e.VectorMatching.On && !e.Op.IsSetOperator() && e.VectorMatching.Card == parser.CardOneToOne {
		return sortedCopy(e.VectorMatching.MatchingLabels), true
	}
	return labelsOf(e.LHS)
}

func sortedCopy(names []string) []string {
	out := slices.Clone(names)
	slices.Sort(out)
	return out
}

// selectors returns every selector in the query, in order of appearance.
func (q query) selectors() []*parser.VectorSelector {
	var out []*parser.VectorSelector
	parser.Inspect(q.expr, func(n parser.Node, _ []parser.Node) error {
		if vs, ok := n.(*parser.VectorSelector); ok {
			out = append(out, vs)
		}
		return nil
	})
	return out
}

// targetMatchers returns the matchers that say which targets the query's data comes from, as PromQL text: of the first
// selector with a job or instance, those two. It is "" where no selector names any.
func (q query) targetMatchers() string {
	for _, vs := range q.selectors() {
		if m := targetMatchers(vs); m != "" {
			return m
		}
	}
	return ""
}

func targetMatchers(vs *parser.VectorSelector) string {
	var out []string
	for _, m := range vs.LabelMatchers {
		if m.Name == "job" || m.Name == "instance" {
			out = append(out, m.String())
		}
	}
	return strings.Join(out, ",")
}

// metricName returns the one metric that the selector reads, and "" where that is open.
func metricName(vs *parser.VectorSelector) string {
	for _, m := range vs.LabelMatchers {
		if m.Name == labels.MetricName && m.Type == labels.MatchEqual {
			return m.Value
		}
	}
	return ""
}

// checkCounter says why the selector is no counter that increments can be taken of, or nil.
func checkCounter(vs *parser.VectorSelector) error {
	switch {
	case metricName(vs) == "":
		return fmt.Errorf("the selector %s names no metric; start it with the metric's name", clip(vs.String()))
	case vs.Timestamp != nil || vs.StartOrEnd != 0:
		return fmt.Errorf("the selector %s is pinned to a time by @; remove it", clip(vs.String()))
	case vs.OriginalOffsetExpr != nil:
		return fmt.Errorf("the selector %s has a computed offset; write a plain duration", clip(vs.String()))
	case vs.OriginalOffset < 0:
		return fmt.Errorf("the selector %s looks into the future by a negative offset; remove it", clip(vs.String()))
	}
	return nil
}
