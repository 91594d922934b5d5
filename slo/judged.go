package slo

import (
	"fmt"
	"strings"
)

// countGauge counts the samples of series that are 1 while good and 0 while bad. Consecutive intervals tile the time,
// so each sample is one event.
func (s SLO) countGauge() (counted, []issue) {
	var p parsed
	q, ok := p.query("gauge", s.SLI.Gauge)
	if !ok {
		return counted{}, p.issues
	}
	vs, plain := q.selector()
	if !plain {
		p.refuse("gauge", "must be a plain selector of series that are 1 while good and 0 while bad, such as up{job=\"shop\"}; write an expression under threshold")
		return counted{}, p.issues
	}
	if err := checkCounter(vs); err != nil {
		p.refuse("gauge", "%s", err)
		return counted{}, p.issues
	}
	bare := *vs
	bare.OriginalOffset = 0
	samples := fmt.Sprintf("(%s[%s] offset %s)", bare.String(), promDuration(s.Interval), promDuration(vs.OriginalOffset+s.Settle))
	return counted{
		total: sumBy(s.GroupBy, "count_over_time"+samples), good: sumBy(s.GroupBy, "clamp_min(sum_over_time"+samples+", 0)"),
		target: targetMatchers(vs), groupBy: s.GroupBy,
	}, nil
}

// opposites are the comparisons that SLI.Op may be, and what is bad.
var opposites = map[string]string{"<": ">=", "<=": ">", ">": "<=", ">=": "<"}

// countValue makes one event of each interval and series in which the expression has a value.
func (s SLO) countValue() (counted, []issue) {
	var p parsed
	q, ok := p.query("value", s.SLI.Value)
	if !ok {
		return counted{}, p.issues
	}
	if len(q.selectors()) == 0 {
		p.refuse("value", "reads no metric")
	}
	opposite, known := opposites[s.SLI.Op]
	if !known {
		p.refuse("op", "%q is not a comparison; write <, <=, > or >=: what holds while it is good", clip(s.SLI.Op))
	}
	p.checkGroups("value", q, s.GroupBy)
	text := "(\n" + s.withWindow(s.SLI.Value) + "\n)"
	return counted{
		// abs() keeps infinities, and the comparison drops NaN, which is what 0/0 gives where there was nothing to measure.
		total: aggregate("count", s.GroupBy, "abs("+text+") >= 0"), errors: aggregate("count", s.GroupBy, text+" "+opposite+" "+number(s.SLI.Bound)),
		judged: true, target: q.targetMatchers(), groupBy: s.GroupBy,
	}, p.issues
}

// withWindow puts a short span where an expression that stands for a moment says {{.window}}.
func (s SLO) withWindow(text string) string {
	return windowPattern.ReplaceAllLiteralString(strings.TrimSpace(text), promDuration(s.rawSpan()))
}

// countParts makes one event of each interval, bad by the weighted mean of the parts' error ratios. It reads what their
// rules recorded one interval ago, since groups run side by side.
func (s SLO) countParts() (counted, []issue) {
	var p parsed
	var ratios, weights []string
	for i, part := range s.SLI.Parts {
		if part.SLO == "" {
			p.refuse(fmt.Sprintf("parts.%d.slo", i), "is missing; write the SLO's id, <service>-<name>")
		}
		if !(part.Weight > 0) || part.Weight > 1e9 {
			p.refuse(fmt.Sprintf("parts.%d.weight", i), "%v is not a weight; write something above zero, such as 1", part.Weight)
		}
		recorded := func(metric string) string {
			return sumBy(s.GroupBy, fmt.Sprintf("last_over_time(%s{sloth_id=%q}[%s] offset %s)", metric, part.SLO, promDuration(s.Interval), promDuration(s.Interval)))
		}
		ratio := recorded(s.errorDelta()) + "\n/ (" + recorded(s.totalDelta()) + " > 0)"
		mark := func(expr string) string {
			return fmt.Sprintf("label_replace(%s, \"part\", \"%d\", \"\", \"\")", expr, i)
		}
		ratios = append(ratios, mark(fmt.Sprintf("%s * (%s)", number(part.Weight), ratio)))
		weights = append(weights, mark(fmt.Sprintf("%s * (%s >= bool 0)", number(part.Weight), ratio)))
	}
	if len(p.issues) > 0 {
		return counted{}, p.issues
	}
	errors := sumBy(s.GroupBy, strings.Join(ratios, "\nor\n")) + "\n/\n" + sumBy(s.GroupBy, strings.Join(weights, "\nor\n"))
	return counted{total: "((" + errors + ") >= bool 0)", errors: "(" + errors + ")", judged: true, groupBy: s.GroupBy}, nil
}
