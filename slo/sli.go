package slo

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// counted is an SLI as PromQL over one base interval: the number of all events and of errors, each summed by GroupBy.
type counted struct {
	total   string // all events
	errors  string // the bad ones; where it is "" there is good
	good    string // the good ones
	judged  bool   // an interval is one event, whatever happens in it, because the form says so
	target  string // matchers of the targets the data comes from, such as job="shop"; "" where unknown
	groupBy []string
}

// bad returns the errors as PromQL, where total is how to have all events: no error yet is zero errors, not no SLI.
func (c counted) bad(total string) string {
	if c.errors != "" {
		return c.errors + "\nor\n0 * " + total
	}
	return "clamp_min(" + total + " - (\n" + c.good + "\nor\n0 * " + total + "\n), 0)"
}

// issue is one reason why an SLI cannot be counted, at the field of SLI that it concerns.
type issue struct {
	field   string // of SLI, by its name in a nines/v1 document: "errors", "total", "histogram", "threshold", ...
	message string
}

// count translates the SLI. s.GroupBy says how to sum; with inferGroups it is taken from the total query's outermost
// aggregation instead, as for Sloth files, which have no field for it.
func (s SLO) count(inferGroups bool) (counted, []issue) {
	if s.Parsed.fits(s) {
		return s.Parsed.counted, nil
	}
	switch sli := s.SLI; {
	case sli.RatioQuery != "":
		return s.countRatio(inferGroups)
	case sli.Histogram != "":
		return s.countLatency()
	case sli.Gauge != "":
		return s.countGauge()
	case sli.Value != "":
		return s.countValue()
	case len(sli.Parts) > 0:
		return s.countParts()
	default:
		return s.countEvents(inferGroups)
	}
}

func (s SLO) span() increments {
	return increments{interval: s.Interval, settle: s.Settle, outlive: s.Counters == CountersExporter}
}

// parsed collects the problems of parsing the forms' queries.
type parsed struct{ issues []issue }

func (p *parsed) query(field, text string) (query, bool) {
	q, err := parseQuery(text)
	if err != nil {
		p.refuse(field, "%s", fault.Public(err).Message)
		return query{}, false
	}
	return q, true
}

func (p *parsed) refuse(field, format string, args ...any) {
	p.issues = append(p.issues, issue{field, fmt.Sprintf(format, args...)})
}

func (s SLO) countEvents(inferGroups bool) (counted, []issue) {
	var p parsed
	total, okTotal := p.query("total", s.SLI.TotalQuery)
	field, text := "errors", s.SLI.ErrorQuery
	if s.SLI.GoodQuery != "" {
		field, text = "good", s.SLI.GoodQuery
	}
	part, okPart := p.query(field, text)
	if !okTotal || !okPart {
		return counted{}, p.issues
	}
	out := counted{target: total.targetMatchers(), groupBy: s.GroupBy}
	if len(total.selectors()) == 0 {
		p.refuse("total", "reads no metric; it must count all valid events of a counter")
	}
	if inferGroups {
		out.groupBy, _ = total.grouping()
	}
	p.checkGroups("total", total, out.groupBy)
	p.checkGroups(field, part, out.groupBy)
	out.total = p.events("total", total, out.groupBy, s.span())
	if field == "good" {
		out.good = p.events(field, part, out.groupBy, s.span())
	} else {
		out.errors = p.events(field, part, out.groupBy, s.span())
	}
	return out, p.issues
}

// checkGroups refuses a grouping by labels that the query sums away: every series would fall into one group.
func (p *parsed) checkGroups(field string, q query, groupBy []string) {
	has, known := q.grouping()
	if !known {
		return
	}
	for _, l := range groupBy {
		if !slices.Contains(has, l) {
			p.refuse(field, "is counted by %q elsewhere, but this query sums it away; write sum by (%s) (...)", l, strings.Join(groupBy, ", "))
		}
	}
}

// events turns a plain selector or an expression over rates into events of one interval, summed by the groups.
func (p *parsed) events(field string, q query, groupBy []string, span increments) string {
	if vs, plain := q.selector(); plain {
		if err := checkCounter(vs); err != nil {
			p.refuse(field, "%s", err)
			return ""
		}
		return sumBy(groupBy, span.of(vs, counterReading))
	}
	if !q.windowed {
		p.refuse(field, "is neither a counter's selector nor an expression over rate(...[%s]); write one of them", windowShown)
		return ""
	}
	text, problems := q.overIncrements(span)
	for _, message := range problems {
		p.refuse(field, "%s", message)
	}
	return "clamp_min(" + sumBy(groupBy, text) + ", 0)"
}

// rawSpan is the window of a raw ratio's own query: five intervals, at most five minutes, which is Sloth's shortest, so
// that a ratio that works there has enough samples here. Each base interval then tells a short moving average.
func (s SLO) rawSpan() time.Duration { return max(s.Interval, min(5*s.Interval, 5*time.Minute)) }

// countRatio makes one slice of each interval in which the ratio exists, bad by the ratio's share.
func (s SLO) countRatio(inferGroups bool) (counted, []issue) {
	var p parsed
	q, ok := p.query("ratio", s.SLI.RatioQuery)
	if !ok {
		return counted{}, p.issues
	}
	out := counted{target: q.targetMatchers(), groupBy: s.GroupBy}
	if len(q.selectors()) == 0 {
		p.refuse("ratio", "reads no metric")
	}
	if inferGroups {
		out.groupBy, _ = q.grouping()
	}
	p.checkGroups("ratio", q, out.groupBy)
	text := s.withWindow(s.SLI.RatioQuery)
	// The comparison drops NaN, which is what 0/0 gives where there was nothing to measure.
	out.errors = fmt.Sprintf("clamp(%s, 0, 1) >= 0", aggregate("avg", out.groupBy, text))
	out.total, out.judged = fmt.Sprintf("(%s) * 0 + 1", out.errors), true
	return out, p.issues
}

func sumBy(groupBy []string, expr string) string { return aggregate("sum", groupBy, expr) }

// aggregate puts the expression on lines of its own, so that a comment at its end cannot swallow the bracket.
func aggregate(op string, groupBy []string, expr string) string {
	return by(op, groupBy) + " (\n" + expr + "\n)"
}

func by(op string, groupBy []string) string {
	if len(groupBy) == 0 {
		return op
	}
	return op + " by (" + strings.Join(groupBy, ", ") + ")"
}
