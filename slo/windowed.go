package slo

import (
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/prometheus/prometheus/promql/parser"
)

// Windowed returns an event query of a format that has no {{.window}} with one in it, so that it can be counted exactly:
// a query's one fixed window, as in sum(rate(x[5m])), gives way to {{.window}}, and selectors without a window are
// counted by it: by their increase where they are counters, else by the sum of their samples. What has {{.window}}, or is
// a counter's selector alone, is returned as it is. The error is fault.Invalid.
func Windowed(text string, counter bool) (string, error) {
	q, err := parseQuery(text)
	if err != nil || q.windowed {
		return text, err
	}
	ranges, err := fixedRanges(q.expr)
	if err != nil {
		return "", err
	}
	if len(ranges) > 0 {
		return strings.ReplaceAll(q.expr.String(), promDuration(windowMark), windowShown), nil
	}
	if _, plain := q.selector(); plain && counter {
		return text, nil
	}
	return wrapSelectors(text, q.selectors(), counter)
}

// fixedRanges puts the mark in the place of every range, and returns those there were. They must all be the same: with
// two of them no single window can say what the query means.
func fixedRanges(expr parser.Expr) ([]time.Duration, error) {
	var ranges []time.Duration
	computed := false
	mark := func(at *time.Duration, by *parser.DurationExpr) {
		computed = computed || by != nil
		ranges = append(ranges, *at)
		*at = windowMark
	}
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.MatrixSelector:
			mark(&n.Range, n.RangeExpr)
		case *parser.SubqueryExpr:
			mark(&n.Range, n.RangeExpr)
		}
		return nil
	})
	if computed {
		return nil, fault.New(fault.Invalid, "has a computed window; write %s", windowShown)
	}
	slices.Sort(ranges)
	if different := slices.Compact(slices.Clone(ranges)); len(different) > 1 {
		return nil, fault.New(fault.Invalid, "reads windows of %s and %s; write the same one everywhere, or %s", promDuration(different[0]), promDuration(different[1]), windowShown)
	}
	return ranges, nil
}

func wrapSelectors(text string, selectors []*parser.VectorSelector, counter bool) (string, error) {
	function := "sum_over_time("
	if counter {
		function = "increase("
	}
	for _, vs := range slices.Backward(selectors) {
		at := vs.PositionRange()
		if vs.OriginalOffset != 0 || vs.Timestamp != nil || vs.StartOrEnd != 0 || int(at.End) > len(text) {
			return "", fault.New(fault.Invalid, "has an offset or @ without a window; write %s%s[%s] ...) itself", function, clip(metricName(vs)), windowShown)
		}
		text = text[:at.Start] + function + strings.TrimSpace(text[at.Start:at.End]) + "[" + windowShown + "])" + text[at.End:]
	}
	return text, nil
}
