package slo

import (
	"slices"
	"strings"
)

// Equivalent is an SLI as the queries over {{.window}} that formats without its form can carry.
type Equivalent struct {
	Errors, Good, Total string // of events; Good stands in for Errors where the SLI counts the good ones
	Ratio               string // an error ratio instead
	How                 string // what became of a form that is not events or raw; "" where it stands as it is
}

// Equivalent returns queries that count the same, grouped by GroupBy; ok is false where there are none, as for composites.
func (s SLO) Equivalent() (e Equivalent, ok bool) {
	switch sli := s.SLI; {
	case sli.RatioQuery != "":
		e = s.ratioEquivalent()
	case sli.Histogram != "":
		return s.latencyEquivalent()
	case sli.Gauge != "":
		return s.gaugeEquivalent()
	case sli.Value != "":
		e = s.valueEquivalent()
	case len(sli.Parts) > 0, sli.TotalQuery == "":
		return e, false
	default:
		e = Equivalent{Total: s.grouped(sli.TotalQuery)}
		if sli.GoodQuery != "" {
			e.Good = s.grouped(sli.GoodQuery)
		} else {
			e.Errors = s.grouped(sli.ErrorQuery)
		}
	}
	return e, true
}

// ErrorQuery returns the query of errors, made of the good ones where those are counted.
func (e Equivalent) ErrorQuery() string {
	if e.Errors != "" || e.Good == "" {
		return e.Errors
	}
	return "(\n" + e.Total + "\n)\n-\n(\n(\n" + e.Good + "\n)\nor\n0 * (\n" + e.Total + "\n)\n)"
}

const overWindow = "[" + windowShown + "]"

// grouped returns an event query that says by its outermost aggregation what it is grouped by.
func (s SLO) grouped(text string) string {
	text = strings.TrimSpace(text)
	q, err := parseQuery(text)
	if err != nil {
		return text
	}
	if _, plain := q.selector(); plain {
		return by("sum", s.GroupBy) + " (rate(" + withRange(text, overWindow) + "))"
	}
	if has, known := q.grouping(); known && slices.Equal(has, sortedCopy(s.GroupBy)) {
		return text
	}
	return sumBy(s.GroupBy, text)
}

// withRange puts a range behind a selector, before its offset where it has one.
func withRange(selector, over string) string {
	q, err := parseQuery(selector)
	if err != nil {
		return selector + over
	}
	vs, plain := q.selector()
	if !plain {
		return selector + over
	}
	bare := *vs
	bare.OriginalOffset = 0
	if vs.OriginalOffset == 0 {
		return bare.String() + over
	}
	return bare.String() + over + " offset " + promDuration(vs.OriginalOffset)
}

func (s SLO) ratioEquivalent() Equivalent {
	text := strings.TrimSpace(s.SLI.RatioQuery)
	q, err := parseQuery(text)
	if err != nil {
		return Equivalent{Ratio: text}
	}
	if has, known := q.grouping(); !known || !slices.Equal(has, sortedCopy(s.GroupBy)) {
		text = aggregate("avg", s.GroupBy, text)
	}
	if q.windowed {
		return Equivalent{Ratio: text}
	}
	return Equivalent{
		Ratio: "avg_over_time((\n" + text + "\n)[" + windowShown + ":" + promDuration(s.Interval) + "])",
		How:   "is taken every " + promDuration(s.Interval) + " and averaged over the window by a subquery",
	}
}

func (s SLO) latencyEquivalent() (e Equivalent, ok bool) {
	var p parsed
	rate := func(suffix string, bound bool) string {
		vs := p.selector(suffix, s.SLI)
		if vs == nil {
			return ""
		}
		if bound {
			vs.LabelMatchers = append(vs.LabelMatchers, boundMatcher(s.SLI))
		}
		return "rate(" + vs.String() + overWindow + ")"
	}
	if s.SLI.Native {
		h := rate("", false)
		e.Total = by("sum", s.GroupBy) + " (histogram_count(" + h + "))"
		e.Good = by("sum", s.GroupBy) + " (histogram_fraction(-Inf, " + number(s.SLI.bound()) + ", " + h + ") * histogram_count(" + h + "))"
		e.How = "is written as events: the native histogram's count, and its fraction up to " + promDuration(s.SLI.Threshold)
	} else {
		e.Total = by("sum", s.GroupBy) + " (" + rate("_count", false) + ")"
		e.Good = by("sum", s.GroupBy) + " (" + rate("_bucket", true) + ")"
		e.How = "is written as events: the histogram's count, and its bucket of " + promDuration(s.SLI.Threshold)
	}
	return e, len(p.issues) == 0
}

func (s SLO) gaugeEquivalent() (e Equivalent, ok bool) {
	samples := withRange(s.SLI.Gauge, overWindow)
	return Equivalent{
		Total: by("sum", s.GroupBy) + " (count_over_time(" + samples + "))", Good: by("sum", s.GroupBy) + " (sum_over_time(" + samples + "))",
		How: "is written as events: the number of samples, and their sum",
	}, true
}

func (s SLO) valueEquivalent() Equivalent {
	value, step := "(\n"+s.withWindow(s.SLI.Value)+"\n)", "["+windowShown+":"+promDuration(s.Interval)+"]"
	return Equivalent{
		Total:  by("sum", s.GroupBy) + " (count_over_time((abs(" + value + ") >= 0)" + step + "))",
		Errors: by("sum", s.GroupBy) + " (sum_over_time((" + value + " " + opposites[s.SLI.Op] + " bool " + number(s.SLI.Bound) + ")" + step + "))",
		How:    "is written as events: a subquery's values each " + promDuration(s.Interval) + ", and those out of bounds",
	}
}
