package slo

import (
	"cmp"
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
		MaxGroups: spec.MaxGroups, Gap: spec.Gap, Counters: spec.Counters, Spec: manifest.APIVersion,
	}
	c.name("spec.service", spec.Service, nativeName)
	if spec.Slices != nil {
		s.Slices = Slices(*spec.Slices)
	}
	c.readGroups(&s, spec)
	c.targets(&s, spec.Objectives)
	s.Alerting.Guard = c.guard("spec.alerting.guard", &spec.Alerting.Guard)
	s = s.withDefaults()
	c.interval(s)
	c.policies(s)
	c.tiers("spec.alerting.windows", s)
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
	var w Window
	fields := map[string]*string{"calendar": &w.Calendar, "zone": &w.Zone, "start": &w.Start}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		field, known := fields[key.Value]
		switch {
		case !known:
			c.refuse(path+"."+clip(key.Value), "is not a known field; known here: calendar, zone, start")
		case value.Kind != yaml.ScalarNode:
			c.refuse(path+"."+key.Value, "must be a word")
		default:
			*field = value.Value
		}
	}
	if _, known := periods[w.Calendar]; !known {
		c.refuse(path+".calendar", "%q is not a calendar window; write day, week, month, quarter or year", clip(w.Calendar))
		w.Calendar = MonthOn
	}
	if _, ok := parseStart(w.Start); !ok {
		c.refuse(path+".start", "%q is not a time on the zone's clock; write such as \"2026-01-15T00:00:00\"", clip(w.Start))
	}
	c.zone(path+".zone", w.Zone)
	w.Zone = cmp.Or(w.Zone, "UTC")
	return w
}

// nativeSLI checks that exactly one form is there, that it is complete, and that it can be counted.
func (c *checker) nativeSLI(f sliSpec, s *SLO) {
	if f.forms() != 1 {
		c.refuse("spec.sli", "has %d forms; write exactly one of events, latency, raw, gauge, threshold and composite", f.forms())
		return
	}
	if f.Threshold != nil {
		s.SLI.Bound = c.number("spec.sli.threshold.bound", &f.Threshold.Bound)
	}
	if f.Events != nil && f.Events.Errors != "" && f.Events.Good != "" {
		c.refuse("spec.sli.events.good", "stands beside errors; write one of them, the other is what is left of total")
	}
	c.nativeSlices(f, *s)
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
	counted, issues := s.count(false)
	if len(issues) == 0 {
		s.Parsed = s.parsed(counted)
	}
	c.sli(issues, map[string]string{
		"errors": "spec.sli.events.errors", "good": "spec.sli.events.good", "total": "spec.sli.events.total",
		"histogram": "spec.sli.latency.histogram", "selector": "spec.sli.latency.selector", "threshold": "spec.sli.latency.threshold",
		"ratio": "spec.sli.raw.errorRatio", "gauge": "spec.sli.gauge.good", "value": "spec.sli.threshold.value", "op": "spec.sli.threshold.op",
	}, "spec.sli.composite.")
}

// need is a text that a form cannot do without.
type need struct{ path, text string }

func (f sliSpec) needs() []need {
	switch {
	case f.Events != nil && f.Events.Good != "":
		return []need{{"spec.sli.events.total", f.Events.Total}}
	case f.Events != nil:
		return []need{{"spec.sli.events.errors", f.Events.Errors}, {"spec.sli.events.total", f.Events.Total}}
	case f.Latency != nil:
		return []need{{"spec.sli.latency.histogram", f.Latency.Histogram}}
	case f.Gauge != nil:
		return []need{{"spec.sli.gauge.good", f.Gauge.Good}}
	case f.Threshold != nil:
		return []need{{"spec.sli.threshold.value", f.Threshold.Value}, {"spec.sli.threshold.op", f.Threshold.Op}}
	case f.Composite != nil:
		return nil
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
