package promtest

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// linear is an expression as a constant and so many times each of its selectors: all that sums of rates are.
type linear struct {
	constant float64
	terms    []term
	rated    bool // the selectors are read by rate() or increase()
}

type term struct {
	selector *parser.VectorSelector
	factor   float64
}

var windowPattern = regexp.MustCompile(`\{\{\s*\.window\s*\}\}`)

func parse(text string) (parser.Expr, error) {
	return parser.ParseExpr(windowPattern.ReplaceAllLiteralString(strings.TrimSpace(text), "5m"))
}

// linearOf reads the expression, or says what in it no input series can be derived for.
func linearOf(e parser.Expr) (linear, string) {
	switch e := e.(type) {
	case *parser.ParenExpr:
		return linearOf(e.Expr)
	case *parser.NumberLiteral:
		return linear{constant: e.Val}, ""
	case *parser.VectorSelector:
		if e.OriginalOffset != 0 || e.Timestamp != nil {
			return refuse(e)
		}
		return linear{terms: []term{{e, 1}}}, ""
	case *parser.UnaryExpr:
		l, reason := linearOf(e.Expr)
		if e.Op == parser.SUB {
			l = l.times(-1)
		}
		return l, reason
	case *parser.AggregateExpr:
		return linearOfAggregate(e)
	case *parser.Call:
		return linearOfCall(e)
	case *parser.BinaryExpr:
		return linearOfBinary(e)
	}
	return refuse(e)
}

func refuse(e parser.Expr) (linear, string) {
	text := e.String()
	if len(text) > 60 {
		text = text[:57] + "..."
	}
	return linear{}, fmt.Sprintf("no input series can be derived for %s", strings.ToValidUTF8(text, ""))
}

// linearOfAggregate takes sums; a mean, minimum or maximum is the value itself where there is one series.
func linearOfAggregate(e *parser.AggregateExpr) (linear, string) {
	switch e.Op {
	case parser.SUM:
		return linearOf(e.Expr)
	case parser.AVG, parser.MIN, parser.MAX:
		l, reason := linearOf(e.Expr)
		if reason != "" || l.rated || len(l.terms) > 1 {
			return refuse(e)
		}
		return l, ""
	}
	return refuse(e)
}

func linearOfCall(e *parser.Call) (linear, string) {
	switch e.Func.Name {
	case "rate", "increase":
		if m, ok := e.Args[0].(*parser.MatrixSelector); ok {
			if vs := m.VectorSelector.(*parser.VectorSelector); vs.OriginalOffset == 0 && vs.Timestamp == nil {
				return linear{terms: []term{{vs, 1}}, rated: true}, ""
			}
		}
	case "vector":
		return linearOf(e.Args[0])
	case "clamp_min", "clamp": // what is never negative stays as it is; the world is checked for that
		if low, ok := e.Args[1].(*parser.NumberLiteral); ok && low.Val == 0 {
			return linearOf(e.Args[0])
		}
	}
	return refuse(e)
}

func linearOfBinary(e *parser.BinaryExpr) (linear, string) {
	a, reason := linearOf(e.LHS)
	if reason != "" {
		return linear{}, reason
	}
	b, reason := linearOf(e.RHS)
	if reason != "" {
		return linear{}, reason
	}
	switch {
	case e.Op == parser.LOR && len(b.terms) == 0: // the series that are there win over a constant
		return a, ""
	case e.Op == parser.ADD && !e.ReturnBool:
		return a.plus(b), ""
	case e.Op == parser.SUB:
		return a.plus(b.times(-1)), ""
	case e.Op == parser.MUL && len(b.terms) == 0:
		return a.times(b.constant), ""
	case e.Op == parser.MUL && len(a.terms) == 0:
		return b.times(a.constant), ""
	case e.Op == parser.DIV && len(b.terms) == 0 && b.constant != 0:
		return a.times(1 / b.constant), ""
	}
	return refuse(e)
}

func (l linear) times(x float64) linear {
	out := linear{constant: l.constant * x, rated: l.rated}
	for _, t := range l.terms {
		out.terms = append(out.terms, term{t.selector, t.factor * x})
	}
	return out
}

func (l linear) plus(o linear) linear {
	return linear{constant: l.constant + o.constant, terms: append(append([]term{}, l.terms...), o.terms...), rated: l.rated || o.rated}
}

// of returns the expression's value where the series have these values.
func (l linear) of(all []series, values []float64) float64 {
	sum := l.constant
	for _, t := range l.terms {
		for i, s := range all {
			if s.matches(t.selector) {
				sum += t.factor * values[i]
			}
		}
	}
	return sum
}
