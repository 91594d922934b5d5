package slo

import (
	"slices"
	"strconv"
	"strings"

	"github.com/nines-sre/nines/internal/manifest"
	sloth "github.com/slok/sloth/pkg/prometheus/api/v1"
	"gopkg.in/yaml.v3"
)

// slothWords is how one of Sloth's two formats spells what the other has too.
type slothWords struct {
	version, at, plugins, errors, total, ratio, page, ticket string
}

var prometheusWords = slothWords{
	version: SlothVersion, plugins: "slo_plugins", errors: "error_query", total: "total_query", ratio: "error_ratio_query",
	page: "page_alert", ticket: "ticket_alert",
}

// slothSpec is a whole prometheus/v1 file: Sloth's own type, and what its later versions have besides.
type slothSpec struct {
	Version string            `yaml:"version"`
	Service string            `yaml:"service"`
	Labels  map[string]string `yaml:"labels,omitempty"`
	Plugins *slothPlugins     `yaml:"slo_plugins,omitempty"`
	SLOs    []slothSLO        `yaml:"slos,omitempty"`
}

type slothSLO struct {
	sloth.SLO `yaml:",inline"`
	Plugins   *slothPlugins `yaml:"plugins,omitempty"`
	Interval  *yaml.Node    `yaml:"interval,omitempty"` // of Sloth's rule groups, in files from before its plugins
}

// slothPlugins are programs that alter the rules which Sloth writes.
type slothPlugins struct {
	OverridePrevious bool          `yaml:"overridePrevious,omitempty"`
	Chain            []slothPlugin `yaml:"chain,omitempty"`
}

type slothPlugin struct {
	ID       string    `yaml:"id"`
	Config   yaml.Node `yaml:"config,omitempty"`
	Priority int       `yaml:"priority,omitempty"`
}

// slothReader reads either format.
type slothReader struct {
	checker
	words slothWords
	notes Notes
}

func (r *slothReader) note(blocks bool, path, format string, args ...any) {
	if len(r.notes) < maxProblems {
		r.notes = append(r.notes, Note{Problem: r.doc.Problem(path, format, args...), Blocks: blocks})
	}
}

func (r *slothReader) decode(v any) {
	for _, p := range r.doc.Decode(v) {
		if len(r.problems) < maxProblems {
			r.problems = append(r.problems, p)
		}
	}
}

// ReadSloth reads a Sloth prometheus/v1 document, as it is. Groups come from the total query's outermost by(); the
// window is 30 days and the interval one minute. SLI plugins are programs and are not run: their SLOs are problems that
// say what to write instead. Every problem is told at once; the SLOs are only to be used where there are none.
func ReadSloth(d manifest.Document) ([]SLO, manifest.Problems) {
	slos, notes, problems := ReadSlothNoting(d)
	return slos, append(problems, notes.Blocking()...)
}

// ReadSlothNoting is ReadSloth for those who want to read what can be read: an SLO that is made by a plugin, or written
// in MetricsQL, is left out with a note that blocks; plugins that alter Sloth's rules are noted.
func ReadSlothNoting(d manifest.Document) ([]SLO, Notes, manifest.Problems) {
	r := &slothReader{checker: checker{doc: d}, words: prometheusWords}
	if d.APIVersion != SlothVersion {
		r.refuse("version", "%q is not %s", clip(d.APIVersion), SlothVersion)
		return nil, nil, r.problems
	}
	var spec slothSpec
	r.decode(&spec)
	return r.read(spec)
}

func (r *slothReader) read(spec slothSpec) ([]SLO, Notes, manifest.Problems) {
	at := r.words.at
	r.name(at+"service", spec.Service, slothName)
	r.labels(at+"labels", r.doc.Node(at+"labels"), nil, false)
	if len(spec.SLOs) == 0 {
		r.refuse(at+"slos", "is missing; a Sloth document promises something")
	}
	if size := queryBytes(spec.SLOs); size > maxQueryBytes {
		r.refuse(at+"slos", "has %d KB of PromQL; at most %d KB are read of one document: split it", size>>10, maxQueryBytes>>10)
		return nil, r.notes, r.problems
	}
	r.notePlugins(at+r.words.plugins, spec.Plugins)
	var (
		out   []SLO
		first = map[string]int{}
	)
	for i, one := range spec.SLOs {
		path := at + "slos." + strconv.Itoa(i)
		s, counted := r.slothSLO(path, spec, one)
		if before, again := first[s.ID]; again && one.Name != "" {
			r.refuse(path+".name", "%q is also the name of slos.%d; rename one", clip(one.Name), before)
		} else {
			first[s.ID] = i
		}
		if counted {
			out = append(out, s)
		}
	}
	return out, r.notes, r.problems
}

// notePlugins says that the rules are Nines' own, whatever plugins would have made of Sloth's.
func (r *slothReader) notePlugins(path string, plugins *slothPlugins) {
	if plugins == nil || len(plugins.Chain) == 0 {
		return
	}
	ids := make([]string, 0, len(plugins.Chain))
	for _, p := range plugins.Chain {
		if !slices.Contains(ids, p.ID) {
			ids = append(ids, p.ID)
		}
	}
	r.note(false, path, "plugins are not run (%s): Nines writes its own rules, exact for any traffic", clip(strings.Join(ids, ", ")))
}

// metricsQL reports whether a plugin says that the queries are VictoriaMetrics'.
func metricsQL(plugins ...*slothPlugins) bool {
	for _, p := range plugins {
		if p != nil && slices.ContainsFunc(p.Chain, func(one slothPlugin) bool { return strings.Contains(one.ID, "victoria_metrics") }) {
			return true
		}
	}
	return false
}

func queryBytes(slos []slothSLO) int {
	n := 0
	for _, s := range slos {
		if s.SLI.Events != nil {
			n += len(s.SLI.Events.ErrorQuery) + len(s.SLI.Events.TotalQuery)
		}
		if s.SLI.Raw != nil {
			n += len(s.SLI.Raw.ErrorRatioQuery)
		}
	}
	return n
}

// slothSLO returns the SLO, and false where its SLI cannot be counted, which a note says.
func (r *slothReader) slothSLO(path string, spec slothSpec, one slothSLO) (s SLO, counted bool) {
	labels := merge(spec.Labels, one.Labels)
	s = SLO{
		ID: spec.Service + "-" + one.Name, Service: spec.Service, Name: one.Name, Description: strings.TrimSpace(one.Description),
		Owner: labels["owner"], Objective: Objective(one.Objective), Window: Window{Rolling: DefaultRolling}, Labels: labels,
		SLI: r.slothSLI(path, one.SLI), Spec: r.words.version,
		Alerting: Alerting{
			Name: strings.TrimSpace(one.Alerting.Name), Labels: one.Alerting.Labels, Annotations: one.Alerting.Annotations,
			Runbook:    one.Alerting.Annotations["runbook"],
			PageLabels: one.Alerting.PageAlert.Labels, TicketLabel: one.Alerting.TicketAlert.Labels,
			PageAnnotations: one.Alerting.PageAlert.Annotations, TicketAnnotations: one.Alerting.TicketAlert.Annotations,
			PageOff: one.Alerting.PageAlert.Disable, TicketOff: one.Alerting.TicketAlert.Disable,
		},
	}
	r.name(path+".name", one.Name, slothName)
	r.slothObjective(path, s.Objective)
	r.notePlugins(path+".plugins", one.Plugins)
	if one.Interval != nil {
		r.note(false, path+".interval", "is of Sloth's rule groups; Nines counts at a base interval of %s, and its slower groups set their own", promDuration(DefaultInterval))
	}
	s = s.withDefaults()
	counted = r.countSloth(path, &s, metricsQL(spec.Plugins, one.Plugins))
	r.slothLabels(path, s.GroupBy)
	return s, counted
}

// countSloth checks that the SLI can be counted and takes the groups from its queries.
func (r *slothReader) countSloth(path string, s *SLO, victoria bool) bool {
	if s.SLI.empty() {
		return false
	}
	counted, issues := s.count(true)
	if victoria && len(issues) > 0 {
		r.note(true, path+".sli", "was read, but Nines cannot count it: it is MetricsQL, of VictoriaMetrics alone (%s); write it in PromQL", issues[0].message)
		return false
	}
	events := path + ".sli.events."
	r.sli(issues, map[string]string{"errors": events + r.words.errors, "total": events + r.words.total, "ratio": path + ".sli.raw." + r.words.ratio}, path+".sli.")
	s.GroupBy = counted.groupBy
	if len(issues) == 0 {
		s.Parsed = s.parsed(counted)
	}
	s.BudgetBy = withoutRegion(s.GroupBy)
	r.groups(events+r.words.total, s.GroupBy)
	return true
}

func (r *slothReader) slothObjective(path string, o Objective) {
	if r.doc.Node(path+".objective") == nil {
		r.refuse(path+".objective", "is missing; write the share of good events in per cent, such as 99.9")
		return
	}
	r.percentage(path+".objective", float64(o))
}

// slothSLI returns the form, and the zero SLI where there is none that could be looked at further.
func (r *slothReader) slothSLI(path string, sli sloth.SLI) SLI {
	forms := 0
	for _, set := range []bool{sli.Events != nil, sli.Raw != nil, sli.Plugin != nil} {
		if set {
			forms++
		}
	}
	w := r.words
	switch {
	case forms != 1:
		r.refuse(path+".sli", "has %d forms; write exactly one of events, raw and plugin", forms)
	case sli.Plugin != nil:
		r.note(true, path+".sli.plugin", "SLI plugin %q is code that Nines does not run; write the %s and %s it makes under events", clip(sli.Plugin.ID), w.errors, w.total)
	case sli.Raw != nil:
		return SLI{RatioQuery: r.text(path+".sli.raw."+w.ratio, sli.Raw.ErrorRatioQuery)}
	default:
		out := SLI{
			ErrorQuery: r.text(path+".sli.events."+w.errors, sli.Events.ErrorQuery),
			TotalQuery: r.text(path+".sli.events."+w.total, sli.Events.TotalQuery),
		}
		if out.ErrorQuery != "" && out.TotalQuery != "" {
			return out
		}
	}
	return SLI{}
}

func (c *checker) text(path, text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		c.refuse(path, "is missing")
	}
	return text
}

// slothLabels checks the maps of one SLO at their nodes.
func (r *slothReader) slothLabels(path string, groupBy []string) {
	slo := r.doc.Node(path)
	r.labels(path+".labels", child(slo, "labels"), groupBy, false)
	alerting := child(slo, "alerting")
	r.labels(path+".alerting.labels", child(alerting, "labels"), groupBy, true)
	r.annotations(path+".alerting.annotations", child(alerting, "annotations"))
	for _, tier := range []string{r.words.page, r.words.ticket} {
		at := child(alerting, tier)
		r.labels(path+".alerting."+tier+".labels", child(at, "labels"), groupBy, true)
		r.annotations(path+".alerting."+tier+".annotations", child(at, "annotations"))
	}
}

func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func merge(base, over map[string]string) map[string]string {
	if len(base)+len(over) == 0 {
		return nil
	}
	out := make(map[string]string, len(base)+len(over))
	for k, v := range base {
		out[k] = v
	}
	for k, v := range over {
		out[k] = v
	}
	return out
}
