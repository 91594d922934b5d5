// Package openslo reads and writes OpenSLO documents: SLOs with the indicators, alert policies, conditions and data
// sources that they refer to, as the promises of package slo. What a promise means is slo's business; where documents
// are kept, and which of them may be applied, is not known here.
package openslo

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// The versions that are read. V1Alpha is what Sloth reads.
const (
	V1      = "openslo/v1"
	V1Alpha = "openslo/v1alpha"
)

// The kinds of documents.
const (
	KindSLO       = "SLO"
	KindSLI       = "SLI"
	KindPolicy    = "AlertPolicy"
	KindCondition = "AlertCondition"
	KindTarget    = "AlertNotificationTarget"
	KindSource    = "DataSource"
	KindService   = "Service"
)

// Kinds lists them all.
var Kinds = []string{KindSLO, KindSLI, KindPolicy, KindCondition, KindTarget, KindSource, KindService}

// Is reports whether an apiVersion is OpenSLO's, of any version.
func Is(apiVersion string) bool {
	return strings.HasPrefix(apiVersion, "openslo/") || strings.HasPrefix(apiVersion, "openslo.com/")
}

// document is the envelope of every kind.
type document[S any] struct {
	APIVersion string   `yaml:"apiVersion,omitempty"`
	Kind       string   `yaml:"kind,omitempty"`
	Metadata   metadata `yaml:"metadata"`
	Spec       S        `yaml:"spec"`
}

type metadata struct {
	Name        string            `yaml:"name"`
	DisplayName string            `yaml:"displayName,omitempty"`
	Labels      map[string]values `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

// values is one or several values of a label.
type values []string

// UnmarshalYAML reads a scalar or a list of them.
func (v *values) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*v = values{n.Value}
		return nil
	}
	var list []string
	if err := n.Decode(&list); err != nil {
		return err
	}
	*v = list
	return nil
}

// MarshalYAML writes what UnmarshalYAML reads.
func (v values) MarshalYAML() (any, error) {
	if len(v) == 1 {
		return v[0], nil
	}
	return []string(v), nil
}

type sloSpec struct {
	Description     string        `yaml:"description,omitempty"`
	Service         string        `yaml:"service"`
	Indicator       *indicator    `yaml:"indicator,omitempty"`
	IndicatorRef    string        `yaml:"indicatorRef,omitempty"`
	TimeWindow      []timeWindow  `yaml:"timeWindow,omitempty"`
	TimeWindows     []alphaWindow `yaml:"timeWindows,omitempty"` // v1alpha
	BudgetingMethod string        `yaml:"budgetingMethod,omitempty"`
	Objectives      []objective   `yaml:"objectives"`
	AlertPolicies   []yaml.Node   `yaml:"alertPolicies,omitempty"` // names, references or policies
}

type timeWindow struct {
	Duration  string    `yaml:"duration"`
	IsRolling *bool     `yaml:"isRolling,omitempty"`
	Calendar  *calendar `yaml:"calendar,omitempty"`
}

type alphaWindow struct {
	Unit      string    `yaml:"unit"`
	Count     int       `yaml:"count"`
	IsRolling *bool     `yaml:"isRolling,omitempty"`
	Calendar  *calendar `yaml:"calendar,omitempty"`
}

type calendar struct {
	StartTime string `yaml:"startTime,omitempty"`
	TimeZone  string `yaml:"timeZone,omitempty"`
}

type objective struct {
	DisplayName     string       `yaml:"displayName,omitempty"`
	Op              string       `yaml:"op,omitempty"`
	Value           *float64     `yaml:"value,omitempty"`
	Target          *float64     `yaml:"target,omitempty"`
	TargetPercent   *float64     `yaml:"targetPercent,omitempty"`
	TimeSliceTarget *float64     `yaml:"timeSliceTarget,omitempty"`
	TimeSliceWindow string       `yaml:"timeSliceWindow,omitempty"`
	Indicator       *indicator   `yaml:"indicator,omitempty"`
	IndicatorRef    string       `yaml:"indicatorRef,omitempty"`
	CompositeWeight *float64     `yaml:"compositeWeight,omitempty"`
	RatioMetrics    *alphaRatios `yaml:"ratioMetrics,omitempty"` // v1alpha
}

// indicator is an SLI, in a document of its own, inline, or as v1alpha writes it.
type indicator struct {
	APIVersion      string       `yaml:"apiVersion,omitempty"`
	Kind            string       `yaml:"kind,omitempty"`
	Metadata        *metadata    `yaml:"metadata,omitempty"`
	Spec            sliSpec      `yaml:"spec,omitempty"`
	ThresholdMetric *alphaMetric `yaml:"thresholdMetric,omitempty"` // v1alpha
}

type sliSpec struct {
	Description     string       `yaml:"description,omitempty"`
	ThresholdMetric *metric      `yaml:"thresholdMetric,omitempty"`
	RatioMetric     *ratioMetric `yaml:"ratioMetric,omitempty"`
}

type ratioMetric struct {
	Counter *bool   `yaml:"counter,omitempty"`
	Good    *metric `yaml:"good,omitempty"`
	Bad     *metric `yaml:"bad,omitempty"`
	Total   *metric `yaml:"total,omitempty"`
	RawType string  `yaml:"rawType,omitempty"`
	Raw     *metric `yaml:"raw,omitempty"`
}

type metric struct {
	Source metricSource `yaml:"metricSource"`
}

type metricSource struct {
	Ref  string    `yaml:"metricSourceRef,omitempty"`
	Type string    `yaml:"type,omitempty"`
	Spec yaml.Node `yaml:"spec,omitempty"`
}

type alphaRatios struct {
	Incremental *bool        `yaml:"incremental,omitempty"`
	Counter     *bool        `yaml:"counter,omitempty"`
	Good        *alphaMetric `yaml:"good,omitempty"`
	Bad         *alphaMetric `yaml:"bad,omitempty"`
	Total       *alphaMetric `yaml:"total,omitempty"`
}

type alphaMetric struct {
	Source    string    `yaml:"source"`
	QueryType string    `yaml:"queryType,omitempty"`
	Query     string    `yaml:"query"`
	Metadata  yaml.Node `yaml:"metadata,omitempty"`
}

// policyItem is what stands in a list of policies: a reference, or a whole policy.
type policyItem struct {
	Ref        string      `yaml:"alertPolicyRef,omitempty"`
	APIVersion string      `yaml:"apiVersion,omitempty"`
	Kind       string      `yaml:"kind,omitempty"`
	Metadata   *metadata   `yaml:"metadata,omitempty"`
	Spec       *policySpec `yaml:"spec,omitempty"`
}

type policySpec struct {
	Description   string          `yaml:"description,omitempty"`
	WhenNoData    bool            `yaml:"alertWhenNoData,omitempty"`
	WhenResolved  bool            `yaml:"alertWhenResolved,omitempty"`
	WhenBreaching *bool           `yaml:"alertWhenBreaching,omitempty"`
	Conditions    []conditionItem `yaml:"conditions,omitempty"`
	Targets       []targetItem    `yaml:"notificationTargets,omitempty"`
}

type conditionItem struct {
	Ref        string         `yaml:"conditionRef,omitempty"`
	Operator   string         `yaml:"operator,omitempty"` // of drafts; conditions are joined by or
	APIVersion string         `yaml:"apiVersion,omitempty"`
	Kind       string         `yaml:"kind,omitempty"`
	Metadata   *metadata      `yaml:"metadata,omitempty"`
	Spec       *conditionSpec `yaml:"spec,omitempty"`
}

type conditionSpec struct {
	Description string    `yaml:"description,omitempty"`
	Severity    string    `yaml:"severity,omitempty"`
	Condition   condition `yaml:"condition"`
}

type condition struct {
	Kind           string  `yaml:"kind,omitempty"`
	Op             string  `yaml:"op,omitempty"`
	Threshold      float64 `yaml:"threshold"`
	LookbackWindow string  `yaml:"lookbackWindow,omitempty"`
	AlertAfter     string  `yaml:"alertAfter,omitempty"`
}

type targetItem struct {
	Ref        string      `yaml:"targetRef,omitempty"`
	APIVersion string      `yaml:"apiVersion,omitempty"`
	Kind       string      `yaml:"kind,omitempty"`
	Metadata   *metadata   `yaml:"metadata,omitempty"`
	Spec       *targetSpec `yaml:"spec,omitempty"`
}

type targetSpec struct {
	Description string `yaml:"description,omitempty"`
	Target      string `yaml:"target,omitempty"`
}

type sourceSpec struct {
	Description       string    `yaml:"description,omitempty"`
	Type              string    `yaml:"type"`
	ConnectionDetails yaml.Node `yaml:"connectionDetails,omitempty"`
}

type serviceSpec struct {
	Description string `yaml:"description,omitempty"`
}
