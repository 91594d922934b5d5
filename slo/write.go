package slo

import (
	"bytes"
	"cmp"
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
		Objective: objectiveNode(s.Objective),
		Window:    windowNode(s.Window), SLI: sliSpecOf(s.SLI), Alerting: alertingSpecOf(s), MaxGroups: s.MaxGroups, Gap: s.Gap, Counters: s.Counters,
	}
	if s.Interval != DefaultInterval {
		spec.Interval = manifest.Duration(s.Interval)
	}
	if s.Settle != SettleFor(s.Interval) {
		spec.Settle = manifest.Duration(s.Settle)
	}
	for _, o := range s.Objectives {
		spec.Objectives = append(spec.Objectives, targetSpec{
			Name: o.Name, Objective: objectiveNode(o.Objective), Window: windowNode(o.Window), Page: offSpec{o.PageOff}, Ticket: offSpec{o.TicketOff},
		})
	}
	if s.Slices != (Slices{}) {
		slices := slicesSpec(s.Slices)
		spec.Slices = &slices
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

func objectiveNode(o Objective) yaml.Node {
	return yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: o.String()}
}

func numberNode(x float64) yaml.Node {
	return yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: number(x)}
}

func windowNode(w Window) yaml.Node {
	word := func(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }
	if w.Calendar == "" {
		return *word(promDuration(w.Length()))
	}
	n := yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle, Content: []*yaml.Node{word("calendar"), word(w.Calendar), word("zone"), word(cmp.Or(w.Zone, "UTC"))}}
	if w.Start != "" {
		n.Content = append(n.Content, word("start"), &yaml.Node{Kind: yaml.ScalarNode, Style: yaml.DoubleQuotedStyle, Value: w.Start})
	}
	return n
}

func sliSpecOf(s SLI) sliSpec {
	switch {
	case s.RatioQuery != "":
		return sliSpec{Raw: &rawSpec{ErrorRatio: s.RatioQuery}}
	case s.Histogram != "":
		l := &latencySpec{Histogram: s.Histogram, Selector: s.Selector, Threshold: manifest.Duration(s.Threshold), Native: s.Native}
		for _, b := range s.Buckets {
			l.Buckets = append(l.Buckets, manifest.Duration(b))
		}
		return sliSpec{Latency: l}
	case s.Gauge != "":
		return sliSpec{Gauge: &gaugeSpec{Good: s.Gauge}}
	case s.Value != "":
		return sliSpec{Threshold: &thresholdSpec{Value: s.Value, Op: s.Op, Bound: numberNode(s.Bound)}}
	case len(s.Parts) > 0:
		return sliSpec{Composite: &compositeSpec{Parts: s.Parts}}
	}
	return sliSpec{Events: &eventsSpec{Errors: s.ErrorQuery, Good: s.GoodQuery, Total: s.TotalQuery}}
}

func alertingSpecOf(s SLO) alertingSpec {
	a := s.Alerting
	out := alertingSpec{
		Policy: a.Policy, Runbook: a.Runbook, Labels: a.Labels, Annotations: a.Annotations,
		Page:   tierSpec{Off: a.PageOff, Labels: a.PageLabels, Annotations: a.PageAnnotations},
		Ticket: tierSpec{Off: a.TicketOff, Labels: a.TicketLabel, Annotations: a.TicketAnnotations},
	}
	for _, tier := range a.Tiers {
		out.Windows = append(out.Windows, windowTierSpec{Name: tier.Name, Severity: tier.Severity, Factor: tier.Factor,
			Long: manifest.Duration(tier.Long), Short: manifest.Duration(tier.Short)})
	}
	out.NoData.Off = a.NoDataOff
	if a.Guard != 0 {
		out.Guard = numberNode(a.Guard)
	}
	if a.Name != alertName(s.ID) {
		out.Name = a.Name
	}
	return out
}
