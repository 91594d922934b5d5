package promtest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/slo"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// world is a service made up for one SLI: its series, and what they do while it is well and while it is out.
type world struct {
	series          []series
	counters        bool       // the values are growth in an interval; else they are what the series show
	well, out       []float64  // by series
	wellIn, outIn   slo.Counts // in an interval
	judged          bool       // an interval is one event, bad by the share of errors in it
	lag             int        // intervals after which what happened is counted
	smear           int        // further ones until an average over a span shows all of it
	target          series     // of the up series; nil where none is known
	targetIsCounted bool       // the SLI reads up itself
}

const perInterval = 100 // events of a series in an interval

// worldOf makes up a service for the SLI, or says why it cannot.
func worldOf(s slo.SLO) (w world, reason string) {
	sli, lag := s.SLI, int(math.Ceil(float64(s.Settle)/float64(s.Interval)))
	switch {
	case sli.Native:
		return w, "promtool takes no input series of native histograms before version 2.54"
	case len(sli.Parts) > 0:
		return w, "a composite reads what its parts' rules record; test the parts"
	case sli.Value != "":
		w, reason = valueWorld(s)
	case sli.RatioQuery != "":
		w, reason = ratioWorld(s)
	case sli.Gauge != "":
		w, reason = instantWorld(s, sli.Gauge, 1, 0)
		w.lag = lag
	case sli.Histogram != "":
		bound := strconv.FormatFloat(thresholdOf(sli), 'f', -1, 64)
		w, reason = latencyWorld(s, bound)
		w.lag = lag
	default:
		w, reason = eventsWorld(s)
		w.lag = lag
	}
	if reason == "" {
		reason = w.complete(s)
	}
	return w, reason
}

// thresholdOf is the threshold in the unit that the histogram's name ends with, as OpenTelemetry writes it; seconds else.
func thresholdOf(sli slo.SLI) float64 {
	for suffix, unit := range map[string]time.Duration{"_milliseconds": time.Millisecond, "_microseconds": time.Microsecond, "_nanoseconds": time.Nanosecond} {
		if strings.HasSuffix(sli.Histogram, suffix) {
			return float64(sli.Threshold) / float64(unit)
		}
	}
	return sli.Threshold.Seconds()
}

func latencyWorld(s slo.SLO, bound string) (world, string) {
	total, reason := read(s.SLI.Histogram + "_count" + strings.TrimSpace(s.SLI.Selector))
	if reason != "" {
		return world{}, reason
	}
	good, reason := read(s.SLI.Histogram + "_bucket" + strings.TrimSpace(s.SLI.Selector))
	if reason != "" {
		return world{}, reason
	}
	fast := good.terms[0].selector
	fast.LabelMatchers = append(fast.LabelMatchers, labels.MustNewMatcher(labels.MatchEqual, "le", bound))
	return countersWorld(s, good, total, true)
}

func eventsWorld(s slo.SLO) (world, string) {
	total, reason := read(s.SLI.TotalQuery)
	if reason != "" {
		return world{}, reason
	}
	text := s.SLI.ErrorQuery
	if s.SLI.GoodQuery != "" {
		text = s.SLI.GoodQuery
	}
	part, reason := read(text)
	if reason != "" {
		return world{}, reason
	}
	return countersWorld(s, part, total, s.SLI.GoodQuery != "")
}

// ratioWorld takes a quotient of sums of rates, and else an expression of one plain selector.
func ratioWorld(s slo.SLO) (world, string) {
	e, err := parse(s.SLI.RatioQuery)
	if err != nil {
		return world{}, err.Error()
	}
	for p, ok := e.(*parser.ParenExpr); ok; p, ok = e.(*parser.ParenExpr) {
		e = p.Expr
	}
	if quotient, ok := e.(*parser.BinaryExpr); ok && quotient.Op == parser.DIV {
		errors, reason := linearOf(quotient.LHS)
		total, otherwise := linearOf(quotient.RHS)
		if reason == "" && otherwise == "" && errors.rated && total.rated {
			w, reason := countersWorld(s, errors, total, false)
			w.judged, w.smear = true, int(min(5*s.Interval, max(5*time.Minute, s.Interval))/s.Interval) // the span that the ratio is taken over
			return w, reason
		}
	}
	return instantWorld(s, s.SLI.RatioQuery, 0, 1)
}

// valueWorld makes the expression good, and bad by its bound once more, or by one.
func valueWorld(s slo.SLO) (world, string) {
	away := max(1, math.Abs(s.SLI.Bound))
	if strings.HasPrefix(s.SLI.Op, "<") {
		return instantWorld(s, s.SLI.Value, s.SLI.Bound-away/2, s.SLI.Bound+away)
	}
	return instantWorld(s, s.SLI.Value, s.SLI.Bound+away, s.SLI.Bound-away/2)
}

func read(text string) (linear, string) {
	e, err := parse(text)
	if err != nil {
		return linear{}, err.Error()
	}
	return linearOf(e)
}

// instantWorld is one series that shows what makes the expression the one or the other value.
func instantWorld(s slo.SLO, text string, well, out float64) (world, string) {
	l, reason := read(text)
	switch {
	case reason != "":
		return world{}, reason
	case len(l.terms) != 1 || l.rated || l.terms[0].factor == 0:
		return world{}, "no input series can be derived for an expression of more than one plain selector"
	}
	w := world{wellIn: slo.Counts{Good: 1, Total: 1}, outIn: slo.Counts{Total: 1}}
	w.series, reason = universe(s, l)
	if reason != "" {
		return world{}, reason
	}
	w.series = w.series[:1]
	value := func(x float64) []float64 { return []float64{(x - l.constant) / l.terms[0].factor} }
	w.well, w.out = value(well), value(out)
	return w, ""
}

// countersWorld looks for which series grow while the service is well, and which while it is out: those of the fewest
// that make the expressions say so.
func countersWorld(s slo.SLO, part, total linear, partIsGood bool) (world, string) {
	if part.constant != 0 || total.constant != 0 {
		return world{}, "no input series can be derived for a constant number of events"
	}
	all, reason := universe(s, part, total)
	if reason != "" {
		return world{}, reason
	}
	w := world{series: all, counters: true}
	countsOf := func(values []float64) slo.Counts {
		some, of := part.of(all, values), total.of(all, values)
		if partIsGood {
			return slo.Counts{Good: some, Total: of}
		}
		return slo.Counts{Good: of - some, Total: of}
	}
	for _, values := range assignments(len(all)) {
		c := countsOf(values)
		if c.Total <= 0 {
			continue
		}
		if w.well == nil && c.Errors() == 0 {
			w.well, w.wellIn = values, c
		}
		if w.out == nil && c.Good == 0 {
			w.out, w.outIn = values, c
		}
	}
	if w.well == nil || w.out == nil {
		return world{}, "no label values were found that make some events good and others bad"
	}
	return w, ""
}

// assignments returns every way for some of n series to grow, the fewest first.
func assignments(n int) [][]float64 {
	var out [][]float64
	for bits := 1; bits < 1<<n; bits++ {
		values := make([]float64, n)
		for i := range values {
			if bits&(1<<i) != 0 {
				values[i] = perInterval
			}
		}
		out = append(out, values)
	}
	grow := func(v []float64) (sum float64) {
		for _, x := range v {
			sum += x
		}
		return sum
	}
	slices.SortStableFunc(out, func(a, b []float64) int { return int(grow(a) - grow(b)) })
	return out
}

const maxSeries, maxSelectors = 10, 6

// universe makes up one series for each set of the expressions' selectors that a series can be in.
func universe(s slo.SLO, of ...linear) ([]series, string) {
	var selectors []*parser.VectorSelector
	var matchers []*labels.Matcher
	for _, l := range of {
		for _, t := range l.terms {
			selectors, matchers = append(selectors, t.selector), append(matchers, t.selector.LabelMatchers...)
		}
	}
	if len(selectors) > maxSelectors {
		return nil, fmt.Sprintf("it reads %d selectors, more than the %d that input series are sought for", len(selectors), maxSelectors)
	}
	values := candidates(matchers)
	delete(values, labels.MetricName)
	var out []series
	for bits := 1<<len(selectors) - 1; bits > 0 && len(out) < maxSeries; bits-- {
		if one, ok := seriesIn(values, selectors, bits); ok {
			out = append(out, withGroups(one, s.GroupBy))
		}
	}
	for _, vs := range selectors {
		if !slices.ContainsFunc(out, func(one series) bool { return one.matches(vs) }) {
			return nil, fmt.Sprintf("no label values were found that %s matches", vs)
		}
	}
	return out, oneGroup(out, s.GroupBy)
}

// seriesIn finds a series that exactly the selectors of the set match.
func seriesIn(values map[string][]string, selectors []*parser.VectorSelector, set int) (series, bool) {
	metric := ""
	mine := map[string][]string{}
	for i, vs := range selectors {
		if set&(1<<i) == 0 {
			continue
		}
		if name := metricOf(vs); metric == "" {
			metric = name
		} else if name != metric {
			return nil, false
		}
	}
	for i, vs := range selectors {
		if name := metricOf(vs); name == metric || set&(1<<i) != 0 {
			for _, m := range vs.LabelMatchers {
				if m.Name != labels.MetricName {
					mine[m.Name] = values[m.Name]
				}
			}
		}
	}
	if metric == "" {
		return nil, false
	}
	one, ok := find(mine, func(one series) bool {
		one[labels.MetricName] = metric
		for i, vs := range selectors {
			if one.matches(vs) != (set&(1<<i) != 0) {
				return false
			}
		}
		return true
	})
	return one, ok
}

func metricOf(vs *parser.VectorSelector) string {
	for _, m := range vs.LabelMatchers {
		if m.Name == labels.MetricName && m.Type == labels.MatchEqual {
			return m.Value
		}
	}
	return ""
}

func withGroups(one series, groupBy []string) series {
	for _, l := range groupBy {
		if one[l] == "" {
			one[l] = "a"
		}
	}
	return one
}

// oneGroup refuses series of different groups, which no arithmetic between them would match.
func oneGroup(all []series, groupBy []string) string {
	for _, one := range all {
		for _, l := range groupBy {
			if one[l] != all[0][l] {
				return fmt.Sprintf("its selectors ask for different values of %s, which it is grouped by", l)
			}
		}
	}
	return ""
}

// complete adds the target, and labels that every scraped series has.
func (w *world) complete(s slo.SLO) string {
	matchers := w.targetMatchers(s)
	target, ok := find(candidates(matchers), func(one series) bool { return one.matchesAll(matchers) })
	if !ok {
		return "no label values were found for its targets"
	}
	if len(matchers) > 0 {
		w.target = maps.Clone(target)
		w.target[labels.MetricName] = "up"
	}
	for _, one := range w.series {
		w.targetIsCounted = w.targetIsCounted || one[labels.MetricName] == "up"
	}
	return ""
}

// targetMatchers are those of job and instance of the first selector that has any, as the no-data alert takes them.
func (w *world) targetMatchers(s slo.SLO) []*labels.Matcher {
	text := s.SLI.TotalQuery
	switch {
	case s.SLI.Histogram != "":
		text = s.SLI.Histogram + "_count" + strings.TrimSpace(s.SLI.Selector)
	case s.SLI.Gauge != "":
		text = s.SLI.Gauge
	case s.SLI.Value != "":
		text = s.SLI.Value
	case s.SLI.RatioQuery != "":
		text = s.SLI.RatioQuery
	}
	e, err := parse(text)
	if err != nil {
		return nil
	}
	var out []*labels.Matcher
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if vs, ok := n.(*parser.VectorSelector); ok && len(out) == 0 {
			for _, m := range vs.LabelMatchers {
				if m.Name == "job" || m.Name == "instance" {
					out = append(out, m)
				}
			}
		}
		return nil
	})
	return out
}
