package slo

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/prometheus/common/model"
	"gopkg.in/yaml.v3"
)

// Kinds of the documents this package reads.
const (
	KindSLO      = "SLO"
	KindContract = "Tenant"
	SlothVersion = "prometheus/v1"
)

// sloSpec is the spec of a nines/v1 SLO as written.
type sloSpec struct {
	Service     string            `yaml:"service"`
	Description string            `yaml:"description,omitempty"`
	Owner       string            `yaml:"owner,omitempty"`
	Objective   yaml.Node         `yaml:"objective"`
	Window      yaml.Node         `yaml:"window,omitempty"`
	Interval    manifest.Duration `yaml:"interval,omitempty"`
	Settle      manifest.Duration `yaml:"settle,omitempty"`
	SLI         sliSpec           `yaml:"sli"`
	GroupBy     *[]string         `yaml:"groupBy,omitempty,flow"`
	BudgetBy    *[]string         `yaml:"budgetBy,omitempty,flow"`
	Alerting    alertingSpec      `yaml:"alerting,omitempty"`
}

type sliSpec struct {
	Events  *eventsSpec  `yaml:"events,omitempty"`
	Latency *latencySpec `yaml:"latency,omitempty"`
	Raw     *rawSpec     `yaml:"raw,omitempty"`
}

type eventsSpec struct {
	Errors string `yaml:"errors"`
	Total  string `yaml:"total"`
}

type latencySpec struct {
	Histogram string            `yaml:"histogram"`
	Selector  string            `yaml:"selector,omitempty"`
	Threshold manifest.Duration `yaml:"threshold"`
}

type rawSpec struct {
	ErrorRatio string `yaml:"errorRatio"`
}

type alertingSpec struct {
	Name        string            `yaml:"name,omitempty"`
	Policy      string            `yaml:"policy,omitempty"`
	Runbook     string            `yaml:"runbook,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
	Page        tierSpec          `yaml:"page,omitempty"`
	Ticket      tierSpec          `yaml:"ticket,omitempty"`
}

type tierSpec struct {
	Off         bool              `yaml:"off,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

// windowSpec is the mapping form of a window; the scalar form is a duration.
type windowSpec struct {
	Calendar string `yaml:"calendar"`
	Zone     string `yaml:"zone,omitempty"`
}

// ReadSLO reads a nines/v1 document of kind SLO. Every problem is told at once, with its line; the SLO is only to be
// used where there are none. What is left out gets its default: 30 days, one minute, budgetBy without region.
func ReadSLO(d manifest.Document) (SLO, manifest.Problems) {
	c := &checker{doc: d}
	if !c.expect(KindSLO) {
		return SLO{}, c.problems
	}
	var spec sloSpec
	c.problems = append(c.problems, d.DecodeSpec(&spec)...)
	s := SLO{
		ID: spec.Service + "-" + d.Metadata.Name, Service: spec.Service, Name: d.Metadata.Name,
		Description: strings.TrimSpace(spec.Description), Owner: spec.Owner, Labels: d.Metadata.Labels,
		Objective: c.objective("spec.objective", &spec.Objective), Window: c.window("spec.window", &spec.Window),
		Interval: spec.Interval.Std(), Settle: spec.Settle.Std(), SLI: spec.SLI.form(), Alerting: spec.Alerting.form(),
		Spec: manifest.APIVersion,
	}
	c.name("spec.service", spec.Service, nativeName)
	c.readGroups(&s, spec)
	s = s.withDefaults()
	c.interval(s)
	c.nativeLabels(s)
	c.nativeSLI(spec.SLI, &s)
	return s, c.problems
}

// window reads "30d" or {calendar: month, zone: Europe/Berlin}.
func (c *checker) window(path string, n *yaml.Node) Window {
	switch n.Kind {
	case 0:
		return Window{Rolling: DefaultRolling}
	case yaml.ScalarNode:
		d, err := model.ParseDuration(n.Value)
		if err != nil || d <= 0 {
			c.refuse(path, "%q is not a window; write a length such as 30d, or {calendar: month, zone: Europe/Berlin}", clip(n.Value))
		}
		return Window{Rolling: time.Duration(d)}
	case yaml.MappingNode:
		return c.calendar(path, n)
	}
	c.refuse(path, "is a list; write a length such as 30d, or {calendar: month, zone: Europe/Berlin}")
	return Window{}
}

func (c *checker) calendar(path string, n *yaml.Node) Window {
	var w windowSpec
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Value != "calendar" && key.Value != "zone":
			c.refuse(path+"."+clip(key.Value), "is not a known field; known here: calendar, zone")
		case value.Kind != yaml.ScalarNode:
			c.refuse(path+"."+key.Value, "must be a word")
		case key.Value == "calendar":
			w.Calendar = value.Value
		default:
			w.Zone = value.Value
		}
	}
	if w.Calendar != "month" {
		c.refuse(path+".calendar", "%q is not a calendar window; the one there is is month", clip(w.Calendar))
	}
	c.zone(path+".zone", w.Zone)
	if w.Zone == "" {
		w.Zone = "UTC"
	}
	return Window{Calendar: "month", Zone: w.Zone}
}

func (f sliSpec) form() SLI {
	var s SLI
	if f.Events != nil {
		s.ErrorQuery, s.TotalQuery = strings.TrimSpace(f.Events.Errors), strings.TrimSpace(f.Events.Total)
	}
	if f.Latency != nil {
		s.Histogram, s.Selector, s.Threshold = f.Latency.Histogram, strings.TrimSpace(f.Latency.Selector), f.Latency.Threshold.Std()
	}
	if f.Raw != nil {
		s.RatioQuery = strings.TrimSpace(f.Raw.ErrorRatio)
	}
	return s
}

func (f sliSpec) forms() int {
	n := 0
	for _, set := range []bool{f.Events != nil, f.Latency != nil, f.Raw != nil} {
		if set {
			n++
		}
	}
	return n
}

func (f alertingSpec) form() Alerting {
	return Alerting{
		Name: strings.TrimSpace(f.Name), Policy: f.Policy, Runbook: f.Runbook, Labels: f.Labels, Annotations: f.Annotations,
		PageLabels: f.Page.Labels, TicketLabel: f.Ticket.Labels, PageAnnotations: f.Page.Annotations,
		TicketAnnotations: f.Ticket.Annotations, PageOff: f.Page.Off, TicketOff: f.Ticket.Off,
	}
}

// nativeSLI checks that exactly one form is there, that it is complete, and that it can be counted.
func (c *checker) nativeSLI(f sliSpec, s *SLO) {
	if f.forms() != 1 {
		c.refuse("spec.sli", "has %d forms; write exactly one of events, latency and raw", f.forms())
		return
	}
	missing := false
	for _, need := range f.needs() {
		if strings.TrimSpace(need.text) == "" {
			c.refuse(need.path, "is missing")
			missing = true
		}
	}
	if missing {
		return
	}
	_, issues := s.count(false)
	c.sli(issues, map[string]string{
		"errors": "spec.sli.events.errors", "total": "spec.sli.events.total", "histogram": "spec.sli.latency.histogram",
		"selector": "spec.sli.latency.selector", "threshold": "spec.sli.latency.threshold", "ratio": "spec.sli.raw.errorRatio",
	})
}

// need is a text that a form cannot do without.
type need struct{ path, text string }

func (f sliSpec) needs() []need {
	switch {
	case f.Events != nil:
		return []need{{"spec.sli.events.errors", f.Events.Errors}, {"spec.sli.events.total", f.Events.Total}}
	case f.Latency != nil:
		return []need{{"spec.sli.latency.histogram", f.Latency.Histogram}}
	default:
		return []need{{"spec.sli.raw.errorRatio", f.Raw.ErrorRatio}}
	}
}

var (
	nativeName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	slothName  = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)
)

func (c *checker) name(path, name string, pattern *regexp.Regexp) {
	switch {
	case name == "":
		c.refuse(path, "is missing")
	case !pattern.MatchString(name) && pattern == nativeName:
		c.refuse(path, "%q must be lower-case letters, digits and dashes, at most 63, starting and ending with a letter or digit", clip(name))
	case !pattern.MatchString(name):
		c.refuse(path, "%q must be letters, digits, dashes, dots and underscores, at most 63, starting and ending with a letter or digit", clip(name))
	}
}

// readGroups reads groupBy and budgetBy; an empty budgetBy is one budget for all, a missing one is groupBy without region.
func (c *checker) readGroups(s *SLO, spec sloSpec) {
	if spec.GroupBy != nil && len(*spec.GroupBy) > 0 {
		s.GroupBy = *spec.GroupBy
	}
	c.groups("spec.groupBy", s.GroupBy)
	s.BudgetBy = withoutRegion(s.GroupBy)
	if spec.BudgetBy == nil {
		return
	}
	s.BudgetBy = nil
	for i, l := range *spec.BudgetBy {
		s.BudgetBy = append(s.BudgetBy, l)
		at := "spec.budgetBy." + strconv.Itoa(i)
		if !slices.Contains(s.GroupBy, l) {
			c.refuse(at, "%q is not in groupBy, so nothing is counted by it; add it there", clip(l))
		} else if slices.Contains((*spec.BudgetBy)[:i], l) {
			c.refuse(at, "%q stands twice", clip(l))
		}
	}
}

func (c *checker) nativeLabels(s SLO) {
	c.labels("metadata.labels", c.doc.Node("metadata.labels"), s.GroupBy, false)
	c.labels("spec.alerting.labels", c.doc.Node("spec.alerting.labels"), s.GroupBy, true)
	c.annotations("spec.alerting.annotations", c.doc.Node("spec.alerting.annotations"))
	for _, tier := range []string{"spec.alerting.page", "spec.alerting.ticket"} {
		c.labels(tier+".labels", c.doc.Node(tier+".labels"), s.GroupBy, true)
		c.annotations(tier+".annotations", c.doc.Node(tier+".annotations"))
	}
}
