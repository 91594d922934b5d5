package slo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/prometheus/prometheus/promql/parser"
)

// counted is an SLI as PromQL over one base interval: the number of all events and of errors, each summed by GroupBy.
type counted struct {
	total, errors string
	target        string // matchers of the targets the data comes from, such as job="shop"; "" where unknown
	groupBy       []string
}

// issue is one reason why an SLI cannot be counted, at the field of SLI that it concerns.
type issue struct {
	field   string // "errors", "total", "histogram", "selector", "threshold", "ratio"
	message string
}

// count translates the SLI. s.GroupBy says how to sum; with inferGroups it is taken from the total query's outermost
// aggregation instead, as for Sloth files, which have no field for it.
func (s SLO) count(inferGroups bool) (counted, []issue) {
	switch {
	case s.SLI.RatioQuery != "":
		return s.countRatio(inferGroups)
	case s.SLI.Histogram != "":
		return s.countLatency()
	default:
		return s.countEvents(inferGroups)
	}
}

func (s SLO) span() increments { return increments{interval: s.Interval, settle: s.Settle} }

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
	errors, okErrors := p.query("errors", s.SLI.ErrorQuery)
	if !okTotal || !okErrors {
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
	p.checkGroups("errors", errors, out.groupBy)
	out.total = p.events("total", total, out.groupBy, s.span())
	out.errors = p.events("errors", errors, out.groupBy, s.span())
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
		return sumBy(groupBy, span.of(vs))
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

// countLatency counts events slower than the threshold: all of them less those in the bucket of the threshold. Where
// there is no such bucket nothing is known to be fast, so every event is an error, which is seen at once.
func (s SLO) countLatency() (counted, []issue) {
	var p parsed
	sli := s.SLI
	if sli.Threshold <= 0 {
		p.refuse("threshold", "must be longer than zero, and a bucket boundary of the histogram, such as 500ms")
	}
	if name := sli.Histogram; strings.ContainsAny(name, "{}()[] \t\n") {
		p.refuse("histogram", "%q must be the histogram's name alone, such as http_request_duration_seconds; matchers go into selector", clip(name))
		return counted{}, p.issues
	} else if strings.HasSuffix(name, "_bucket") || strings.HasSuffix(name, "_count") || strings.HasSuffix(name, "_sum") {
		p.refuse("histogram", "%q must be the base name, without _bucket, _count or _sum", clip(name))
	}
	all := p.selector("_count", sli)
	fast := p.selector("_bucket", sli)
	if all == nil || fast == nil || len(p.issues) > 0 {
		return counted{}, p.issues
	}
	fast.LabelMatchers = append(fast.LabelMatchers, boundMatcher(sli.Threshold))
	total := sumBy(s.GroupBy, s.span().of(all))
	within := sumBy(s.GroupBy, s.span().of(fast))
	slow := fmt.Sprintf("clamp_min(\n%s\n-\n(\n%s\nor\n0 * %s\n)\n, 0)", total, within, total)
	return counted{total: total, errors: slow, target: targetMatchers(all), groupBy: s.GroupBy}, nil
}

func (p *parsed) selector(suffix string, sli SLI) *parser.VectorSelector {
	q, ok := p.query("selector", sli.Histogram+suffix+strings.TrimSpace(sli.Selector))
	if !ok {
		return nil
	}
	vs, plain := q.selector()
	if !plain || vs.OriginalOffset != 0 || vs.Timestamp != nil || vs.StartOrEnd != 0 {
		p.refuse("selector", "must be label matchers between braces and nothing else, such as {job=\"shop\"}")
		return nil
	}
	for _, m := range vs.LabelMatchers {
		if m.Name == "le" {
			p.refuse("selector", "must not name le; the bound is the threshold")
			return nil
		}
	}
	return vs
}

// bucketBounds returns the spellings of a bucket's le label: 5 from older clients, 5.0 from Prometheus 3 and OpenMetrics.
func bucketBounds(threshold time.Duration) []string {
	seconds := threshold.Seconds()
	spellings := []string{strconv.FormatFloat(seconds, 'f', -1, 64)}
	if g := strconv.FormatFloat(seconds, 'g', -1, 64); g != spellings[0] {
		spellings = append(spellings, g)
	}
	if !strings.Contains(spellings[0], ".") {
		spellings = append(spellings, spellings[0]+".0")
	}
	return spellings
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
	text := windowPattern.ReplaceAllLiteralString(strings.TrimSpace(s.SLI.RatioQuery), promDuration(s.rawSpan()))
	// The comparison drops NaN, which is what 0/0 gives where there was nothing to measure.
	out.errors = fmt.Sprintf("clamp(%s, 0, 1) >= 0", aggregate("avg", out.groupBy, text))
	out.total = fmt.Sprintf("(%s) * 0 + 1", out.errors)
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
