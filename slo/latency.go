package slo

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

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
	p.boundary(sli)
	if sli.Native {
		return s.countNative(p)
	}
	all, fast := p.selector("_count", sli), p.selector("_bucket", sli)
	if all == nil || fast == nil || len(p.issues) > 0 {
		return counted{}, p.issues
	}
	fast.LabelMatchers = append(fast.LabelMatchers, boundMatcher(sli))
	return counted{
		total: sumBy(s.GroupBy, s.span().of(all, counterReading)), good: sumBy(s.GroupBy, s.span().of(fast, counterReading)),
		target: targetMatchers(all), groupBy: s.GroupBy,
	}, nil
}

// countNative reads a native histogram: its count, and the share of it up to the threshold. At a bucket boundary that
// share is a whole number of events but for the last bits of a float, so it is rounded.
func (s SLO) countNative(p parsed) (counted, []issue) {
	h := p.selector("", s.SLI)
	if h == nil || len(p.issues) > 0 {
		return counted{}, p.issues
	}
	all := reading{histogram: "histogram_count(%s)"}
	fast := reading{histogram: "round(histogram_fraction(-Inf, " + number(s.SLI.bound()) + ", %[1]s) * histogram_count(%[1]s))"}
	return counted{
		total: sumBy(s.GroupBy, s.span().of(h, all)), good: sumBy(s.GroupBy, s.span().of(h, fast)),
		target: targetMatchers(h), groupBy: s.GroupBy,
	}, nil
}

// boundary refuses a threshold that is known to lie inside a bucket: of those declared, or of a native histogram's,
// whose boundaries are powers of two whatever its resolution.
func (p *parsed) boundary(sli SLI) {
	if sli.Threshold <= 0 {
		return
	}
	if len(sli.Buckets) > 0 {
		if !slices.Contains(sli.Buckets, sli.Threshold) {
			below, above := neighbours(sli.Buckets, sli.Threshold)
			p.refuse("threshold", "%s lies inside a bucket, where only an estimate could be had; take a boundary: %s", promDuration(sli.Threshold), either(below, above))
		}
		return
	}
	if !sli.Native {
		return
	}
	if exp := math.Log2(sli.bound()); exp != math.Trunc(exp) {
		lower, upper := math.Exp2(math.Floor(exp)), math.Exp2(math.Ceil(exp))
		unit := float64(sli.unit())
		p.refuse("threshold", "%s lies inside a bucket of a native histogram, where only an estimate could be had; take a power of two: %s (or declare its custom buckets)",
			promDuration(sli.Threshold), either(time.Duration(lower*unit), time.Duration(upper*unit)))
	}
}

// neighbours returns the largest boundary below and the smallest above the threshold, zero where there is none.
func neighbours(buckets []time.Duration, threshold time.Duration) (below, above time.Duration) {
	for _, b := range buckets {
		if b < threshold {
			below = max(below, b)
		} else if above == 0 || b < above {
			above = b
		}
	}
	return below, above
}

func either(below, above time.Duration) string {
	switch {
	case below == 0:
		return above.String()
	case above == 0:
		return below.String()
	}
	return below.String() + " or " + above.String()
}

// unit is what the histogram's values are counted in, by its name's suffix as OpenTelemetry writes it; seconds otherwise.
func (s SLI) unit() time.Duration {
	for suffix, unit := range map[string]time.Duration{"_milliseconds": time.Millisecond, "_microseconds": time.Microsecond, "_nanoseconds": time.Nanosecond} {
		if strings.HasSuffix(s.Histogram, suffix) {
			return unit
		}
	}
	return time.Second
}

// bound is the threshold in the histogram's unit.
func (s SLI) bound() float64 { return float64(s.Threshold) / float64(s.unit()) }

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
func bucketBounds(bound float64) []string {
	spellings := []string{strconv.FormatFloat(bound, 'f', -1, 64)}
	if g := strconv.FormatFloat(bound, 'g', -1, 64); g != spellings[0] {
		spellings = append(spellings, g)
	}
	if !strings.Contains(spellings[0], ".") {
		spellings = append(spellings, spellings[0]+".0")
	}
	return spellings
}
