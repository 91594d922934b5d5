package slo

import (
	"strconv"
	"strings"

	"github.com/nines-sre/nines/internal/manifest"
	sloth "github.com/slok/sloth/pkg/prometheus/api/v1"
	"gopkg.in/yaml.v3"
)

// ReadSloth reads a Sloth prometheus/v1 document, as it is. Groups come from the total query's outermost by(); the
// window is 30 days and the interval one minute. SLI plugins are programs and are not run: their SLOs are problems that
// say what to write instead. Every problem is told at once; the SLOs are only to be used where there are none.
func ReadSloth(d manifest.Document) ([]SLO, manifest.Problems) {
	c := &checker{doc: d}
	if d.APIVersion != SlothVersion {
		c.refuse("version", "%q is not %s", clip(d.APIVersion), SlothVersion)
	}
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	spec := sloth.Spec{}
	for _, p := range d.Decode(&spec) {
		if len(c.problems) < maxProblems {
			c.problems = append(c.problems, p)
		}
	}
	c.name("service", spec.Service, slothName)
	c.labels("labels", d.Node("labels"), nil, false)
	if len(spec.SLOs) == 0 {
		c.refuse("slos", "is missing; a Sloth document promises something")
	}
	if size := queryBytes(spec.SLOs); size > maxQueryBytes {
		c.refuse("slos", "has %d KB of PromQL; at most %d KB are read of one document: split it", size>>10, maxQueryBytes>>10)
		return nil, c.problems
	}
	var (
		out   []SLO
		first = map[string]int{}
	)
	for i, one := range spec.SLOs {
		path := "slos." + strconv.Itoa(i)
		s := c.slothSLO(path, spec, one)
		if at, again := first[s.ID]; again && one.Name != "" {
			c.refuse(path+".name", "%q is also the name of slos.%d; rename one", clip(one.Name), at)
		} else {
			first[s.ID] = i
		}
		out = append(out, s)
	}
	return out, c.problems
}

func queryBytes(slos []sloth.SLO) int {
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

func (c *checker) slothSLO(path string, spec sloth.Spec, one sloth.SLO) SLO {
	labels := merge(spec.Labels, one.Labels)
	s := SLO{
		ID: spec.Service + "-" + one.Name, Service: spec.Service, Name: one.Name, Description: strings.TrimSpace(one.Description),
		Owner: labels["owner"], Objective: Objective(one.Objective), Window: Window{Rolling: DefaultRolling}, Labels: labels,
		SLI: c.slothSLI(path, one.SLI), Spec: SlothVersion,
		Alerting: Alerting{
			Name: strings.TrimSpace(one.Alerting.Name), Labels: one.Alerting.Labels, Annotations: one.Alerting.Annotations,
			Runbook:    one.Alerting.Annotations["runbook"],
			PageLabels: one.Alerting.PageAlert.Labels, TicketLabel: one.Alerting.TicketAlert.Labels,
			PageAnnotations: one.Alerting.PageAlert.Annotations, TicketAnnotations: one.Alerting.TicketAlert.Annotations,
			PageOff: one.Alerting.PageAlert.Disable, TicketOff: one.Alerting.TicketAlert.Disable,
		},
	}
	c.name(path+".name", one.Name, slothName)
	c.slothObjective(path, s.Objective)
	s = s.withDefaults()
	if !s.SLI.empty() {
		counted, issues := s.count(true)
		c.sli(issues, map[string]string{"errors": path + ".sli.events.error_query", "total": path + ".sli.events.total_query", "ratio": path + ".sli.raw.error_ratio_query"}, path+".sli.")
		s.GroupBy = counted.groupBy
		if len(issues) == 0 {
			s.Parsed = s.parsed(counted)
		}
		s.BudgetBy = withoutRegion(s.GroupBy)
		c.groups(path+".sli.events.total_query", s.GroupBy)
	}
	c.slothLabels(path, s.GroupBy)
	return s
}

func (c *checker) slothObjective(path string, o Objective) {
	if c.doc.Node(path+".objective") == nil {
		c.refuse(path+".objective", "is missing; write the share of good events in per cent, such as 99.9")
		return
	}
	c.percentage(path+".objective", float64(o))
}

// slothSLI returns the form, and the zero SLI where there is none that could be looked at further.
func (c *checker) slothSLI(path string, sli sloth.SLI) SLI {
	forms := 0
	for _, set := range []bool{sli.Events != nil, sli.Raw != nil, sli.Plugin != nil} {
		if set {
			forms++
		}
	}
	switch {
	case forms != 1:
		c.refuse(path+".sli", "has %d forms; write exactly one of events, raw and plugin", forms)
	case sli.Plugin != nil:
		c.refuse(path+".sli.plugin", "SLI plugin %q is code that Nines does not run; write the error_query and total_query it makes under events", clip(sli.Plugin.ID))
	case sli.Raw != nil:
		return SLI{RatioQuery: c.text(path+".sli.raw.error_ratio_query", sli.Raw.ErrorRatioQuery)}
	default:
		out := SLI{
			ErrorQuery: c.text(path+".sli.events.error_query", sli.Events.ErrorQuery),
			TotalQuery: c.text(path+".sli.events.total_query", sli.Events.TotalQuery),
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
func (c *checker) slothLabels(path string, groupBy []string) {
	slo := c.doc.Node(path)
	c.labels(path+".labels", child(slo, "labels"), groupBy, false)
	alerting := child(slo, "alerting")
	c.labels(path+".alerting.labels", child(alerting, "labels"), groupBy, true)
	c.annotations(path+".alerting.annotations", child(alerting, "annotations"))
	for _, tier := range []string{"page_alert", "ticket_alert"} {
		at := child(alerting, tier)
		c.labels(path+".alerting."+tier+".labels", child(at, "labels"), groupBy, true)
		c.annotations(path+".alerting."+tier+".annotations", child(at, "annotations"))
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
