package backtest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/slo"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// shape is an SLI in the form that peers' rules are made of: sums of rates over plain selectors. Its ratio is errors by
// total, or ratio itself where the file gave one.
type shape struct {
	errors, total, ratio parser.Expr
	by                   []string
	selectors            []*parser.VectorSelector
}

// windowMark stands for Sloth's {{.window}} while a query is parsed.
const windowMark = 123456789 * time.Millisecond

var windowPattern = regexp.MustCompile(`\{\{\s*\.window\s*\}\}`)

// shapeOf returns the SLI's shape, or why it has none that peers' rules could be replayed from.
func shapeOf(s slo.SLO) (*shape, string) {
	out := &shape{by: s.BudgetBy}
	var err error
	switch sli := s.SLI; {
	case s.Slices != slo.Slices{}:
		return nil, "neither knows slices of time as they are judged here"
	case sli.Histogram != "" && !sli.Native:
		all, fast := sli.Histogram+"_count"+sli.Selector, withBound(sli)
		out.total, out.errors, err = both(all, all+" - "+fast)
	case sli.TotalQuery != "" && sli.ErrorQuery != "":
		out.total, out.errors, err = both(sli.TotalQuery, sli.ErrorQuery)
	case sli.TotalQuery != "" && sli.GoodQuery != "":
		out.total, out.errors, err = both(sli.TotalQuery, "("+sli.TotalQuery+") - ("+sli.GoodQuery+")")
	case sli.RatioQuery != "":
		out.ratio, err = parseShape(sli.RatioQuery)
	default:
		return nil, "their rules read rates of counters, and this indicator is none"
	}
	for _, e := range []parser.Expr{out.errors, out.total, out.ratio} {
		if err == nil && e != nil {
			err = out.check(e)
		}
	}
	if err != nil {
		return nil, err.Error()
	}
	return out, ""
}

func both(total, errors string) (parser.Expr, parser.Expr, error) {
	t, err := parseShape(total)
	if err != nil {
		return nil, nil, err
	}
	e, err := parseShape(errors)
	return t, e, err
}

func parseShape(text string) (parser.Expr, error) {
	text = windowPattern.ReplaceAllLiteralString(text, strconv.FormatInt(windowMark.Milliseconds(), 10)+"ms")
	e, err := parser.ParseExpr(text)
	if err != nil {
		return nil, fmt.Errorf("the query %q is not PromQL", text)
	}
	return e, nil
}

// withBound returns the selector of the histogram's bucket at the threshold, in either spelling.
func withBound(sli slo.SLI) string {
	bound := strconv.FormatFloat(sli.Threshold.Seconds(), 'f', -1, 64)
	le := fmt.Sprintf("le=~%q", regexp.QuoteMeta(bound))
	if !strings.Contains(bound, ".") { // newer clients write 5.0
		le = fmt.Sprintf("le=~%q", bound+"|"+bound+"[.]0")
	}
	inner := strings.Trim(strings.TrimSpace(sli.Selector), "{}")
	if strings.TrimSpace(inner) != "" {
		le = strings.TrimRight(strings.TrimSpace(inner), ",") + "," + le
	}
	return sli.Histogram + "_bucket{" + le + "}"
}

// check walks the expression and collects its selectors; the error says what keeps it from being replayed.
func (s *shape) check(e parser.Expr) error {
	switch e := e.(type) {
	case *parser.ParenExpr:
		return s.check(e.Expr)
	case *parser.NumberLiteral:
		return nil
	case *parser.BinaryExpr:
		return s.checkBinary(e)
	case *parser.VectorSelector: // a plain counter, which peers would sum the rates of
		return s.selector(e)
	case *parser.Call:
		if e.Func.Name == "vector" {
			return nil
		}
	case *parser.AggregateExpr:
		return s.checkSum(e)
	}
	return fmt.Errorf("only sums of rate() or increase() over counters are replayed, and the query has %s", clip(e.String()))
}

func (s *shape) checkBinary(e *parser.BinaryExpr) error {
	switch e.Op {
	case parser.ADD, parser.SUB, parser.MUL, parser.DIV:
	case parser.LOR:
		if c, ok := bare(e.RHS).(*parser.Call); !ok || c.Func.Name != "vector" {
			return fmt.Errorf("only \"or vector(0)\" is replayed, and the query has or %s", clip(e.RHS.String()))
		}
	default:
		return fmt.Errorf("%q between rates is not replayed", e.Op.String())
	}
	return errors.Join(s.check(e.LHS), s.check(e.RHS))
}

// checkSum takes sum by (...) (rate(x[w])) that keeps the labels of the budget.
func (s *shape) checkSum(e *parser.AggregateExpr) error {
	if e.Op != parser.SUM || e.Without {
		return fmt.Errorf("only sum and sum by are replayed, and the query has %s", clip(e.String()))
	}
	for _, l := range s.by {
		if !slices.Contains(e.Grouping, l) {
			return fmt.Errorf("%s sums the label %q away, by which budgets are kept", clip(e.String()), l)
		}
	}
	if len(s.by) == 0 && len(e.Grouping) > 0 {
		return fmt.Errorf("%s keeps labels by which no budget is kept", clip(e.String()))
	}
	call, ok := bare(e.Expr).(*parser.Call)
	if !ok || call.Func.Name != "rate" && call.Func.Name != "increase" {
		return fmt.Errorf("only sums of rate() or increase() are replayed, and the query has %s", clip(e.String()))
	}
	m, ok := call.Args[0].(*parser.MatrixSelector)
	if !ok || m.Range != windowMark {
		return fmt.Errorf("%s does not read [{{.window}}]", clip(call.String()))
	}
	return s.selector(m.VectorSelector.(*parser.VectorSelector))
}

func (s *shape) selector(vs *parser.VectorSelector) error {
	if vs.OriginalOffset != 0 || vs.Timestamp != nil || vs.StartOrEnd != 0 {
		return fmt.Errorf("%s reads another time", clip(vs.String()))
	}
	s.selectors = append(s.selectors, vs)
	return nil
}

func bare(e parser.Expr) parser.Expr {
	for {
		p, ok := e.(*parser.ParenExpr)
		if !ok {
			return e
		}
		e = p.Expr
	}
}

// toFetch returns the selectors without those whose series another one has too.
func (s *shape) toFetch() []string {
	var out []string
	for _, a := range s.selectors {
		covered := slices.ContainsFunc(s.selectors, func(b *parser.VectorSelector) bool {
			return a.String() != b.String() && within(a.LabelMatchers, b.LabelMatchers)
		})
		if text := a.String(); !covered && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// within reports whether every matcher of the wider selector stands in the narrower one too.
func within(narrow, wide []*labels.Matcher) bool {
	for _, w := range wide {
		if !slices.ContainsFunc(narrow, func(m *labels.Matcher) bool { return m.String() == w.String() }) {
			return false
		}
	}
	return len(narrow) > len(wide)
}

func clip(text string) string {
	text = strings.ReplaceAll(text, "["+(labelDuration(windowMark))+"]", "[{{.window}}]")
	if len(text) > 120 {
		return strings.ToValidUTF8(text[:120], "") + "..."
	}
	return text
}
