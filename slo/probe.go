package slo

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

// Asker answers PromQL for the present moment.
type Asker interface {
	Ask(ctx context.Context, expr string) ([]Answer, error)
}

// Answer is one element of an instant vector.
type Answer struct {
	Labels map[string]string
	Value  float64
}

// Weight is how sure a finding is.
type Weight int

// The weights of findings.
const (
	Remark  Weight = iota // worth knowing
	Missing               // what the definition reads is not there; it may come yet
	Wrong                 // what is there contradicts the definition
)

// Finding is what a metrics engine says of a definition.
type Finding struct {
	Weight  Weight
	Field   string // of a nines/v1 document, such as "spec.sli.latency.threshold"
	Message string // what is so, and what to do where it is not good
}

// probeSpan is how far back series are looked for.
const probeSpan = "1h"

// Probe asks a metrics engine whether what the definition reads is there and is what the definition takes it for: series
// for its selectors, the threshold among the histogram's bucket boundaries, groups within their bound, counters that
// only grow. An error means that the engine could not be asked.
func Probe(ctx context.Context, ask Asker, s SLO) ([]Finding, error) {
	p := &probe{ctx: ctx, ask: ask, SLO: s.withDefaults()}
	switch sli := p.SLI; {
	case sli.Histogram != "" && sli.Native:
		p.native()
	case sli.Histogram != "":
		p.classic()
	default:
		p.queries()
	}
	return p.found, p.err
}

type probe struct {
	SLO
	ctx   context.Context
	ask   Asker
	found []Finding
	err   error
}

func (p *probe) tell(w Weight, field, format string, args ...any) {
	p.found = append(p.found, Finding{w, field, fmt.Sprintf(format, args...)})
}

// vector asks once, and nothing more after an error.
func (p *probe) vector(format string, args ...any) []Answer {
	if p.err != nil {
		return nil
	}
	var out []Answer
	out, p.err = p.ask.Ask(p.ctx, fmt.Sprintf(format, args...))
	return out
}

func (p *probe) number(format string, args ...any) float64 {
	if out := p.vector(format, args...); len(out) == 1 && !math.IsNaN(out[0].Value) {
		return out[0].Value
	}
	return 0
}

// queries looks at each selector of the SLI's expressions.
func (p *probe) queries() {
	for _, q := range []struct {
		field, text string
		may         bool // be empty
	}{
		{"spec.sli.events.total", p.SLI.TotalQuery, false}, {"spec.sli.events.errors", p.SLI.ErrorQuery, true}, {"spec.sli.events.good", p.SLI.GoodQuery, false},
		{"spec.sli.raw.errorRatio", p.SLI.RatioQuery, false}, {"spec.sli.gauge.good", p.SLI.Gauge, false}, {"spec.sli.threshold.value", p.SLI.Value, false},
	} {
		if q.text == "" {
			continue
		}
		parsed, err := parseQuery(q.text)
		if err != nil {
			continue // reading has told
		}
		counters := strings.HasPrefix(q.field, "spec.sli.events")
		for _, vs := range parsed.selectors() {
			p.selector(q.field, vs, q.may, counters)
		}
		if q.field == "spec.sli.events.total" {
			if vs, plain := parsed.selector(); plain {
				p.groups(vs.String())
			}
		}
	}
}

func (p *probe) selector(field string, vs *parser.VectorSelector, may, counter bool) {
	series := p.number("count(count_over_time(%s[%s]))", vs, probeSpan)
	switch {
	case p.err != nil:
	case series == 0 && may:
		p.tell(Remark, field, "%s matches nothing of the last hour: there were no errors, or it is misspelt", clip(vs.String()))
	case series == 0:
		p.tell(Missing, field, "%s matches nothing of the last hour%s", clip(vs.String()), p.instead(vs))
	default:
		p.tell(Remark, field, "%s matches %d series", clip(vs.String()), int(series))
		p.exporter(vs, counter)
		if falls := p.number("max(resets(%s[%s]))", vs, probeSpan); counter && falls > 10 {
			p.tell(Remark, field, "%s went down %d times within an hour: if it is a gauge, it cannot be counted as events", clip(vs.String()), int(falls))
		}
	}
}

// exporter tells of counters that may outlive the process that exposes them: exporters name themselves in a metric.
func (p *probe) exporter(vs *parser.VectorSelector, counter bool) {
	if target := targetMatchers(vs); counter && target != "" && p.Counters == "" && p.number(`count({__name__=~".+_exporter_build_info", %s})`, target) > 0 {
		p.tell(Remark, "spec.counters", "the target is an exporter: where its counters are of something that outlives it, such as a database, write counters: exporter")
	}
}

// instead says what there is of the metric under other labels.
func (p *probe) instead(vs *parser.VectorSelector) string {
	name := metricName(vs)
	if name == "" {
		return ""
	}
	jobs := p.vector("count by (job) (count_over_time(%s[%s]))", name, probeSpan)
	if p.err != nil || len(jobs) == 0 {
		return "; there is no metric of that name: is it scraped, and spelt so?"
	}
	var names []string
	for _, a := range jobs[:min(len(jobs), 5)] {
		names = append(names, strconv.Quote(a.Labels["job"]))
	}
	slices.Sort(names)
	return "; the metric is there, with the job " + strings.Join(names, ", ") + ": compare the labels"
}

// groups compares the number of groups with its bound.
func (p *probe) groups(selector string) {
	if len(p.GroupBy) == 0 {
		return
	}
	most := p.MaxGroups
	if most == 0 {
		most = DefaultMaxGroups
	}
	switch n := int(p.number("count(%s (count_over_time(%s[%s])))", by("count", p.GroupBy), selector, probeSpan)); {
	case p.err != nil || n == 0:
	case n > most:
		p.tell(Wrong, "spec.groupBy", "%s has %d values and at most %d are counted: group by fewer labels, or raise spec.maxGroups", strings.Join(p.GroupBy, ", "), n, most)
	default:
		p.tell(Remark, "spec.groupBy", "%s has %d values", strings.Join(p.GroupBy, ", "), n)
	}
}

// classic looks for the threshold among the boundaries of the histogram's buckets.
func (p *probe) classic() {
	const field = "spec.sli.latency.threshold"
	bucket := p.SLI.Histogram + "_bucket" + p.SLI.Selector
	bounds := p.vector("count by (le) (count_over_time(%s[%s]))", bucket, probeSpan)
	if p.err != nil {
		return
	}
	if len(bounds) == 0 {
		hint := ""
		if p.number("count(histogram_count(last_over_time(%s%s[%s])))", p.SLI.Histogram, p.SLI.Selector, probeSpan) > 0 {
			hint = "; it is a native histogram: write native: true"
		}
		p.tell(Missing, "spec.sli.latency.histogram", "%s matches nothing of the last hour%s", clip(bucket), hint)
		return
	}
	var known []time.Duration
	for _, a := range bounds {
		if le, err := strconv.ParseFloat(a.Labels["le"], 64); err == nil && !math.IsInf(le, 0) {
			known = append(known, time.Duration(math.Round(le*float64(p.SLI.unit()))))
		}
	}
	p.groups(p.SLI.Histogram + "_count" + p.SLI.Selector)
	if slices.Contains(known, p.SLI.Threshold) {
		p.tell(Remark, field, "%s is one of %d bucket boundaries", promDuration(p.SLI.Threshold), len(known))
		return
	}
	below, above := neighbours(known, p.SLI.Threshold)
	p.tell(Wrong, field, "%s is not a bucket boundary of %s, so nothing would be known to be faster; take %s", promDuration(p.SLI.Threshold), p.SLI.Histogram, either(below, above))
}

func (p *probe) native() {
	selector := p.SLI.Histogram + p.SLI.Selector
	if p.number("count(histogram_count(last_over_time(%s[%s])))", selector, probeSpan) > 0 {
		p.tell(Remark, "spec.sli.latency.histogram", "%s has native histograms", clip(selector))
		p.groups(selector)
		return
	}
	hint := ""
	if p.err == nil && p.number("count(count_over_time(%s_bucket%s[%s]))", p.SLI.Histogram, p.SLI.Selector, probeSpan) > 0 {
		hint = "; it is a classic one: leave native out"
	}
	if p.err == nil {
		p.tell(Missing, "spec.sli.latency.histogram", "%s has no native histogram within the last hour%s", clip(selector), hint)
	}
}
