package slo

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/parser/posrange"
)

// passing are functions whose result over increments is still a number of events.
var passing = []string{"vector", "clamp", "clamp_min", "clamp_max", "label_replace", "label_join", "sort", "sort_desc"}

// textExpr is PromQL text standing in a parsed expression, so that increments can be put where a rate stood without
// parsing what we wrote ourselves.
type textExpr string

func (t textExpr) String() string                        { return string(t) }
func (t textExpr) Pretty(int) string                     { return string(t) }
func (t textExpr) PositionRange() posrange.PositionRange { return posrange.PositionRange{} }
func (t textExpr) Type() parser.ValueType                { return parser.ValueTypeVector }
func (t textExpr) PromQLExpr()                           {}

// rewriter turns an expression over rates into the same expression over one interval's exact increments.
type rewriter struct {
	span     increments
	problems []string
}

// overIncrements returns the query with every rate and increase replaced, or every reason why that cannot be done.
func (q query) overIncrements(span increments) (string, []string) {
	r := rewriter{span: span}
	out := r.rewrite(q.expr)
	return out.String(), r.problems
}

func (r *rewriter) rewrite(e parser.Expr) parser.Expr {
	switch e := e.(type) {
	case *parser.ParenExpr:
		e.Expr = r.rewrite(e.Expr)
	case *parser.UnaryExpr:
		e.Expr = r.rewrite(e.Expr)
	case *parser.BinaryExpr:
		e.LHS, e.RHS = r.rewrite(e.LHS), r.rewrite(e.RHS)
	case *parser.AggregateExpr:
		if e.Op != parser.SUM {
			r.refuse("%s() of rates is not a number of events; only sum() adds up", e.Op)
		}
		e.Expr = r.rewrite(e.Expr)
	case *parser.Call:
		return r.call(e)
	case *parser.VectorSelector:
		r.refuse("%s stands without a rate; write increase(%s[%s])", clip(e.String()), clip(e.String()), windowShown)
	case *parser.MatrixSelector, *parser.SubqueryExpr:
		r.refuse("%s stands without a function over it", clip(shown(e)))
	}
	return e
}

func (r *rewriter) call(c *parser.Call) parser.Expr {
	switch name := c.Func.Name; {
	case name == "rate" || name == "increase":
		return r.counter(c)
	case name == "sum_over_time" || name == "count_over_time":
		return r.slices(c)
	case slices.Contains(passing, name):
		for i, arg := range c.Args {
			if arg.Type() == parser.ValueTypeVector {
				c.Args[i] = r.rewrite(arg)
			}
		}
	default:
		r.refuse("%s() cannot be counted exactly; write rate() or increase() over [%s]", name, windowShown)
	}
	return c
}

// counter replaces a rate or increase of a counter.
func (r *rewriter) counter(c *parser.Call) parser.Expr {
	m, ok := c.Args[0].(*parser.MatrixSelector)
	if !ok {
		r.refuse("%s() over a subquery cannot be counted exactly; take it of the counter itself", c.Func.Name)
		return c
	}
	vs := m.VectorSelector.(*parser.VectorSelector)
	if m.Range != windowMark {
		r.refuse("%s reads a fixed range, which would count events more than once; write [%s]", clip(shown(c)), windowShown)
	}
	if err := checkCounter(vs); err != nil {
		r.refuse("%s", err)
		return c
	}
	return textExpr("(" + r.span.of(vs, counterReading) + ")")
}

// slices narrows a sum or count of samples over the window to one interval: consecutive spans tile the time, so each
// sample is counted once.
func (r *rewriter) slices(c *parser.Call) parser.Expr {
	switch arg := c.Args[0].(type) {
	case *parser.MatrixSelector:
		vs := arg.VectorSelector.(*parser.VectorSelector)
		if arg.Range != windowMark {
			r.refuse("%s reads a fixed range, which would count samples more than once; write [%s]", clip(shown(c)), windowShown)
		}
		if err := checkCounter(vs); err != nil {
			r.refuse("%s", err)
		}
		arg.Range, vs.OriginalOffset = r.span.interval, vs.OriginalOffset+r.span.settle
	case *parser.SubqueryExpr:
		if arg.Range != windowMark {
			r.refuse("%s reads a fixed range, which would count samples more than once; write [%s:]", clip(shown(c)), windowShown)
		}
		if strings.Contains(arg.Expr.String(), promDuration(windowMark)) {
			r.refuse("%s has [%s] inside [%s:]; keep one", clip(shown(c)), windowShown, windowShown)
		}
		arg.Range, arg.OriginalOffset = r.span.interval, arg.OriginalOffset+r.span.settle
	}
	return c
}

func (r *rewriter) refuse(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

// shown prints an expression with the window as it was written.
func shown(e parser.Expr) string {
	return strings.ReplaceAll(e.String(), promDuration(windowMark), windowShown)
}
