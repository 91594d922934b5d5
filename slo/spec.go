package slo

import (
	"strings"

	"github.com/nines-sre/nines/internal/manifest"
	"gopkg.in/yaml.v3"
)

// sloSpec is the spec of a nines/v1 SLO as written.
type sloSpec struct {
	Service     string            `yaml:"service"`
	Description string            `yaml:"description,omitempty"`
	Owner       string            `yaml:"owner,omitempty"`
	Objective   yaml.Node         `yaml:"objective"`
	Window      yaml.Node         `yaml:"window,omitempty"`
	Objectives  []targetSpec      `yaml:"objectives,omitempty"`
	Interval    manifest.Duration `yaml:"interval,omitempty"`
	Settle      manifest.Duration `yaml:"settle,omitempty"`
	SLI         sliSpec           `yaml:"sli"`
	Slices      *slicesSpec       `yaml:"slices,omitempty,flow"`
	GroupBy     *[]string         `yaml:"groupBy,omitempty,flow"`
	BudgetBy    *[]string         `yaml:"budgetBy,omitempty,flow"`
	MaxGroups   int               `yaml:"maxGroups,omitempty"`
	Counters    string            `yaml:"counters,omitempty"`
	Gap         string            `yaml:"gap,omitempty"`
	Alerting    alertingSpec      `yaml:"alerting,omitempty"`
}

type targetSpec struct {
	Name      string    `yaml:"name"`
	Objective yaml.Node `yaml:"objective"`
	Window    yaml.Node `yaml:"window,omitempty"`
	Page      offSpec   `yaml:"page,omitempty"`
	Ticket    offSpec   `yaml:"ticket,omitempty"`
}

type offSpec struct {
	Off bool `yaml:"off,omitempty"`
}

type sliSpec struct {
	Events    *eventsSpec    `yaml:"events,omitempty"`
	Latency   *latencySpec   `yaml:"latency,omitempty"`
	Raw       *rawSpec       `yaml:"raw,omitempty"`
	Gauge     *gaugeSpec     `yaml:"gauge,omitempty"`
	Threshold *thresholdSpec `yaml:"threshold,omitempty"`
	Composite *compositeSpec `yaml:"composite,omitempty"`
}

type eventsSpec struct {
	Errors string `yaml:"errors,omitempty"`
	Good   string `yaml:"good,omitempty"`
	Total  string `yaml:"total"`
}

type latencySpec struct {
	Histogram string              `yaml:"histogram"`
	Selector  string              `yaml:"selector,omitempty"`
	Threshold manifest.Duration   `yaml:"threshold"`
	Native    bool                `yaml:"native,omitempty"`
	Buckets   []manifest.Duration `yaml:"buckets,omitempty,flow"`
}

type rawSpec struct {
	ErrorRatio string `yaml:"errorRatio"`
}

type gaugeSpec struct {
	Good string `yaml:"good"`
}

type thresholdSpec struct {
	Value string    `yaml:"value"`
	Op    string    `yaml:"op"`
	Bound yaml.Node `yaml:"bound"`
}

type compositeSpec struct {
	Parts []Part `yaml:"parts"`
}

type slicesSpec struct {
	Target float64 `yaml:"target,omitempty"`
	Ratio  bool    `yaml:"ratio,omitempty"`
}

type alertingSpec struct {
	Name        string            `yaml:"name,omitempty"`
	Policy      string            `yaml:"policy,omitempty"`
	Runbook     string            `yaml:"runbook,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
	Page        tierSpec          `yaml:"page,omitempty"`
	Ticket      tierSpec          `yaml:"ticket,omitempty"`
	NoData      offSpec           `yaml:"noData,omitempty"`
	Windows     []windowTierSpec  `yaml:"windows,omitempty"`
	Guard       yaml.Node         `yaml:"guard,omitempty"`
}

type tierSpec struct {
	Off         bool              `yaml:"off,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

type windowTierSpec struct {
	Name     string            `yaml:"name,omitempty"`
	Severity string            `yaml:"severity"`
	Factor   float64           `yaml:"factor"`
	Long     manifest.Duration `yaml:"long"`
	Short    manifest.Duration `yaml:"short"`
}

func (f sliSpec) form() SLI {
	var s SLI
	if f.Events != nil {
		s.ErrorQuery, s.GoodQuery, s.TotalQuery = strings.TrimSpace(f.Events.Errors), strings.TrimSpace(f.Events.Good), strings.TrimSpace(f.Events.Total)
	}
	if l := f.Latency; l != nil {
		s.Histogram, s.Selector, s.Threshold, s.Native = l.Histogram, strings.TrimSpace(l.Selector), l.Threshold.Std(), l.Native
		for _, b := range l.Buckets {
			s.Buckets = append(s.Buckets, b.Std())
		}
	}
	if f.Raw != nil {
		s.RatioQuery = strings.TrimSpace(f.Raw.ErrorRatio)
	}
	if f.Gauge != nil {
		s.Gauge = strings.TrimSpace(f.Gauge.Good)
	}
	if f.Threshold != nil {
		s.Value, s.Op = strings.TrimSpace(f.Threshold.Value), strings.TrimSpace(f.Threshold.Op)
	}
	if f.Composite != nil {
		s.Parts = f.Composite.Parts
	}
	return s
}

func (f sliSpec) forms() int {
	n := 0
	for _, set := range []bool{f.Events != nil, f.Latency != nil, f.Raw != nil, f.Gauge != nil, f.Threshold != nil, f.Composite != nil} {
		if set {
			n++
		}
	}
	return n
}

func (f alertingSpec) form() Alerting {
	a := Alerting{
		Name: strings.TrimSpace(f.Name), Policy: f.Policy, Runbook: f.Runbook, Labels: f.Labels, Annotations: f.Annotations,
		PageLabels: f.Page.Labels, TicketLabel: f.Ticket.Labels, PageAnnotations: f.Page.Annotations,
		TicketAnnotations: f.Ticket.Annotations, PageOff: f.Page.Off, TicketOff: f.Ticket.Off, NoDataOff: f.NoData.Off,
	}
	for _, w := range f.Windows {
		a.Tiers = append(a.Tiers, Tier{Name: w.Name, Severity: w.Severity, Factor: w.Factor, Long: w.Long.Std(), Short: w.Short.Std()})
	}
	nameTiers(a.Tiers)
	return a
}

// nameTiers gives tiers without a name the usual ones, as far as they go: page-fast, page-slow, page-3, ticket-fast, ...
func nameTiers(tiers []Tier) {
	count := map[string]int{}
	for i := range tiers {
		t := &tiers[i]
		n := count[t.Severity]
		count[t.Severity]++
		if t.Name == "" {
			t.Name = t.Severity + "-" + ordinal(n)
		}
	}
}
