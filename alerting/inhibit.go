package alerting

import (
	"github.com/nines-sre/nines/internal/manifest"
)

// InhibitRuleKind is the kind of documents that ReadInhibitRule reads.
const InhibitRuleKind = "InhibitRule"

// InhibitRule keeps target alerts from paging while a source alert that explains them fires and all Equal labels have
// the same values on both; a label that is missing on both counts as equal. What matches both sides is not inhibited by
// what matches both sides, and so never by itself.
type InhibitRule struct {
	Name   string    `json:"name"`
	Source []Matcher `json:"source"`
	Target []Matcher `json:"target"`
	Equal  []string  `json:"equal"`
}

type inhibitSpec struct {
	Source []string `yaml:"source"`
	Target []string `yaml:"target"`
	Equal  []string `yaml:"equal"`
}

// ReadInhibitRule reads an InhibitRule document and names every problem in it with its line.
func ReadInhibitRule(d manifest.Document) (InhibitRule, manifest.Problems) {
	var spec inhibitSpec
	r := reader{doc: d, problems: d.DecodeSpec(&spec)}
	rule := InhibitRule{
		Name:   d.Metadata.Name,
		Source: r.matchers("spec.source", spec.Source, required),
		Target: r.matchers("spec.target", spec.Target, required),
		Equal:  spec.Equal,
	}
	r.labelNames("spec.equal", spec.Equal)
	return rule, r.problems
}
