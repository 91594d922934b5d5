package openslo

import (
	"cmp"
	"slices"
	"strings"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
	"gopkg.in/yaml.v3"
)

// family are the sources that answer PromQL.
var family = []string{"prometheus", "thanos", "mimir", "cortex", "grafanamimir", "amazonprometheus", "googlemanagedprometheus", "victoriametrics"}

// queryFields are the names under which people write a Prometheus query.
var queryFields = []string{"query", "promql", "promQL", "expr", "expression"}

// sourced is an indicator found, in whichever document it stands.
type sourced struct {
	doc  manifest.Document
	at   string // the path of its spec there
	spec sliSpec
	uses []manifest.Document
	// alpha tells that a ratio is written as v1alpha writes it, without some of the levels of v1.
	alpha bool
}

var alphaPaths = strings.NewReplacer(".ratioMetric", "", ".metricSource.type", ".source", ".metricSource.spec", ".query")

// path returns where a field of the indicator stands.
func (in sourced) path(field string) string {
	if in.alpha {
		field = alphaPaths.Replace(field)
	}
	return in.at + field
}

// source finds an indicator that is written inline or referred to.
func (r *reader) source(d manifest.Document, at string, inline *indicator, ref string) (sourced, bool) {
	switch {
	case inline != nil && ref != "":
		r.refuse(d, at, "stands beside indicatorRef; write one of them")
	case inline != nil:
		in := sourced{doc: d, at: at + ".spec", spec: inline.Spec}
		if m := inline.ThresholdMetric; m != nil { // v1alpha
			in.at, in.spec.ThresholdMetric = at, m.metric()
		}
		return in, r.checkForm(d, in.at, in.spec)
	case ref == "":
		r.refuse(d, at, "is missing; write an indicator, or indicatorRef and the name of an SLI")
	default:
		one, ok := r.indicators[ref]
		if !ok {
			r.note(true, d, at+"Ref", "was read, but there is no SLI named %q among the documents; hand it over with them", clip(ref))
			return sourced{}, false
		}
		return sourced{doc: one.doc, at: "spec", spec: one.Spec, uses: []manifest.Document{one.doc}}, r.formOK(one.Spec)
	}
	return sourced{}, false
}

// metric is a v1alpha metric as v1 writes it.
func (m *alphaMetric) metric() *metric {
	if m == nil {
		return nil
	}
	query := yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{
		{Kind: yaml.ScalarNode, Tag: "!!str", Value: "query"}, {Kind: yaml.ScalarNode, Tag: "!!str", Value: m.Query},
	}}
	return &metric{Source: metricSource{Type: m.Source, Spec: query}}
}

func (f sliSpec) problem() (path, message string) {
	m := f.RatioMetric
	switch {
	case (f.ThresholdMetric == nil) == (m == nil):
		return "", "must have exactly one of thresholdMetric and ratioMetric"
	case m == nil:
		return "", ""
	case m.Raw != nil && (m.Good != nil || m.Bad != nil || m.Total != nil):
		return ".ratioMetric.raw", "stands beside good, bad or total; write one or the other"
	case m.Raw != nil && m.RawType != "success" && m.RawType != "failure":
		return ".ratioMetric.rawType", "must be success or failure: which of them the ratio is of"
	case m.Raw != nil:
		return "", ""
	case m.Total == nil:
		return ".ratioMetric.total", "is missing; write the query of all events, or raw"
	case m.Good != nil && m.Bad != nil:
		return ".ratioMetric.bad", "stands beside good; write one of them, the other is what is left of total"
	case m.Good == nil && m.Bad == nil:
		return ".ratioMetric.good", "is missing; write good or bad"
	}
	return "", ""
}

func (r *reader) formOK(f sliSpec) bool { _, message := f.problem(); return message == "" }

func (r *reader) checkForm(d manifest.Document, at string, f sliSpec) bool {
	path, message := f.problem()
	if message != "" {
		r.refuse(d, at+path, "%s", message)
	}
	return message == ""
}

// indicated makes the SLI of an indicator, for one of the objectives; ok is false where it cannot be counted.
func (r *reader) indicated(in *sourced, o objective, method string) (sli slo.SLI, ok bool) {
	if m := in.spec.ThresholdMetric; m != nil {
		text, ok := r.query(in, ".thresholdMetric", m)
		sli := slo.SLI{Value: text, Op: ops[o.Op]}
		if o.Value != nil {
			sli.Bound = *o.Value
		}
		return sli, ok
	}
	m := in.spec.RatioMetric
	if m.Raw != nil {
		text, ok := r.query(in, ".ratioMetric.raw", m.Raw)
		return rawSLI(text, m.RawType, o, method), ok
	}
	part, at := m.Good, ".ratioMetric.good"
	if part == nil {
		part, at = m.Bad, ".ratioMetric.bad"
	}
	counter, before := m.Counter == nil || *m.Counter, len(r.problems)
	total, ok := r.events(in, ".ratioMetric.total", m.Total, counter)
	if !ok && len(r.problems) == before {
		return sli, false // a note has said why, and would say it again of the other
	}
	counted, ok2 := r.events(in, at, part, counter)
	sli.TotalQuery = total
	if m.Good != nil {
		sli.GoodQuery = counted
	} else {
		sli.ErrorQuery = counted
	}
	return sli, ok && ok2
}

var ops = map[string]string{"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}

// rawSLI takes a ratio as it is. With Timeslices each slice is good or bad by the ratio, which is a threshold on it.
func rawSLI(text, rawType string, o objective, method string) slo.SLI {
	failure := rawType == "failure"
	switch {
	case method == "Timeslices" && o.TimeSliceTarget != nil && failure:
		return slo.SLI{Value: text, Op: "<=", Bound: round(1 - *o.TimeSliceTarget)}
	case method == "Timeslices" && o.TimeSliceTarget != nil:
		return slo.SLI{Value: text, Op: ">=", Bound: *o.TimeSliceTarget}
	case failure || text == "":
		return slo.SLI{RatioQuery: text}
	}
	return slo.SLI{RatioQuery: "1 - (\n" + text + "\n)"} // on lines of its own, so that a comment cannot swallow the bracket
}

// events returns the query of events, with {{.window}}.
func (r *reader) events(in *sourced, at string, m *metric, counter bool) (string, bool) {
	text, ok := r.query(in, at, m)
	if !ok {
		return "", false
	}
	windowed, err := slo.Windowed(text, counter)
	if err != nil {
		r.refuse(in.doc, in.path(at+".metricSource.spec"), "%s", fault.Public(err).Message)
		return "", false
	}
	return windowed, true
}

// query returns the PromQL of a metric. Where its source is something else, a note says so.
func (r *reader) query(in *sourced, at string, m *metric) (string, bool) {
	at += ".metricSource"
	kind := m.Source.Type
	if one, known := r.sources[m.Source.Ref]; known {
		kind = cmp.Or(kind, one.Spec.Type)
		if !slices.ContainsFunc(in.uses, func(d manifest.Document) bool { return d.Root == one.doc.Root }) {
			in.uses = append(in.uses, one.doc)
		}
	}
	switch {
	case kind == "" && m.Source.Ref == "":
		r.refuse(in.doc, in.path(at+".type"), "is missing; write type: Prometheus, or metricSourceRef and the name of a DataSource")
		return "", false
	case kind == "":
		r.note(true, in.doc, in.path(at+".metricSourceRef"), "was read, but there is no DataSource named %q among the documents, so Nines cannot count it; hand it over with them, or write type: Prometheus", clip(m.Source.Ref))
		return "", false
	case !slices.Contains(family, strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(kind))):
		r.note(true, in.doc, in.path(at+".type"), "was read, but Nines cannot count it: its source is %s, and Nines counts what a Prometheus has; write type: Prometheus and a PromQL query", clip(kind))
		return "", false
	}
	for i := 0; i+1 < len(m.Source.Spec.Content); i += 2 {
		key, value := m.Source.Spec.Content[i], m.Source.Spec.Content[i+1]
		if text := strings.TrimSpace(value.Value); slices.Contains(queryFields, key.Value) && text != "" {
			return text, r.affordable(in, text)
		}
	}
	r.refuse(in.doc, in.path(at+".spec"), "has no query; write it as query")
	return "", false
}

// affordable counts PromQL each time an SLO refers to it, since a few documents can refer to one long query many times.
func (r *reader) affordable(in *sourced, text string) bool {
	before := r.bytes
	r.bytes += len(text)
	if before <= maxQueryBytes && r.bytes > maxQueryBytes {
		r.refuse(in.doc, in.at, "and those before have more than %d MB of PromQL, counted by SLOs; hand over fewer documents at once", maxQueryBytes>>20)
	}
	return r.bytes <= maxQueryBytes
}
