package slo

import (
	"bytes"
	"slices"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"gopkg.in/yaml.v3"
)

// sloDocument is a whole nines/v1 SLO as it is written out.
type sloDocument struct {
	APIVersion string            `yaml:"apiVersion"`
	Kind       string            `yaml:"kind"`
	Metadata   manifest.Metadata `yaml:"metadata"`
	Spec       sloSpec           `yaml:"spec"`
}

// WriteSLO returns the nines/v1 document that ReadSLO reads back as the same SLO, defaults left out. An SLO read from
// another format becomes a nines/v1 one. The error is fault.Invalid where ReadSLO would refuse the result, such as for
// a name that our own documents may not have.
func WriteSLO(s SLO) (string, error) {
	s = s.withDefaults()
	doc := sloDocument{APIVersion: manifest.APIVersion, Kind: KindSLO, Metadata: manifest.Metadata{Name: s.Name, Labels: s.Labels}, Spec: specOf(s)}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(doc); err != nil {
		return "", fault.Wrap(fault.Internal, err, "writing SLO %s", s.ID)
	}
	docs, problems := manifest.Read(manifest.File{Name: s.ID, Text: b.String()})
	if len(problems) == 0 && len(docs) == 1 {
		_, problems = ReadSLO(docs[0])
	}
	if err := problems.Err(); err != nil {
		return "", fault.Wrap(fault.Invalid, err, "SLO %s cannot be written as a %s document: %s", s.ID, manifest.APIVersion, problems[0].Message)
	}
	return b.String(), nil
}

func specOf(s SLO) sloSpec {
	spec := sloSpec{
		Service: s.Service, Description: s.Description, Owner: s.Owner,
		Objective: yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: s.Objective.String()},
		Window:    windowNode(s.Window), SLI: sliSpecOf(s.SLI), Alerting: alertingSpecOf(s),
	}
	if s.Interval != DefaultInterval {
		spec.Interval = manifest.Duration(s.Interval)
	}
	if s.Settle != SettleFor(s.Interval) {
		spec.Settle = manifest.Duration(s.Settle)
	}
	if len(s.GroupBy) > 0 {
		spec.GroupBy = &s.GroupBy
	}
	if !slices.Equal(s.BudgetBy, withoutRegion(s.GroupBy)) {
		budgetBy := append([]string{}, s.BudgetBy...)
		spec.BudgetBy = &budgetBy
	}
	return spec
}

func windowNode(w Window) yaml.Node {
	word := func(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }
	if w.Calendar == "" {
		return *word(promDuration(w.Rolling))
	}
	return yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle, Content: []*yaml.Node{word("calendar"), word(w.Calendar), word("zone"), word(w.Zone)}}
}

func sliSpecOf(s SLI) sliSpec {
	switch {
	case s.RatioQuery != "":
		return sliSpec{Raw: &rawSpec{ErrorRatio: s.RatioQuery}}
	case s.Histogram != "":
		return sliSpec{Latency: &latencySpec{Histogram: s.Histogram, Selector: s.Selector, Threshold: manifest.Duration(s.Threshold)}}
	}
	return sliSpec{Events: &eventsSpec{Errors: s.ErrorQuery, Total: s.TotalQuery}}
}

func alertingSpecOf(s SLO) alertingSpec {
	a := s.Alerting
	out := alertingSpec{
		Policy: a.Policy, Runbook: a.Runbook, Labels: a.Labels, Annotations: a.Annotations,
		Page:   tierSpec{Off: a.PageOff, Labels: a.PageLabels, Annotations: a.PageAnnotations},
		Ticket: tierSpec{Off: a.TicketOff, Labels: a.TicketLabel, Annotations: a.TicketAnnotations},
	}
	if a.Name != alertName(s.ID) {
		out.Name = a.Name
	}
	return out
}
