package slo

import "github.com/nines-sre/nines/internal/manifest"

// Verify completes an SLO that a reader outside this package has put together and returns every reason why it cannot be
// kept. A problem's Field is the word by which that reader knows where it came from: "objective", "window", "interval",
// "slices", "groupBy", or of the SLI "errors", "good", "total", "ratio", "value", "op" and the like; File and Line are
// the reader's to add. With inferGroups, GroupBy is what the total query keeps by its outermost by(), as Sloth means it.
func (s SLO) Verify(inferGroups bool) (SLO, manifest.Problems) {
	c := &checker{}
	s = s.withDefaults()
	c.percentage("objective", float64(s.Objective))
	for _, t := range s.Objectives {
		c.percentage("objectives."+t.Name, float64(t.Objective))
	}
	c.zone("window", s.Window.Zone)
	c.interval(s)
	for i := range c.problems {
		switch c.problems[i].Field {
		case "spec.interval", "spec.settle":
			c.problems[i].Field = "interval"
		case "spec.window":
			c.problems[i].Field = "window"
		}
	}
	c.tiers("alerting", s)
	if s.SLI.empty() {
		return s, c.problems
	}
	if inferGroups && s.SLI.Value != "" {
		if q, err := parseQuery(s.SLI.Value); err == nil {
			s.GroupBy, _ = q.grouping()
		}
	}
	counted, issues := s.count(inferGroups)
	for _, i := range issues {
		c.refuse(i.field, "%s", i.message)
	}
	if inferGroups {
		s.GroupBy = counted.groupBy
		s.BudgetBy = withoutRegion(s.GroupBy)
		c.groups("groupBy", s.GroupBy)
	}
	if len(issues) == 0 {
		s.Parsed = s.parsed(counted)
	}
	for _, name := range s.GroupBy {
		if _, set := s.Labels[name]; set {
			c.refuse("groupBy", "%q is also a label of the SLO, and here comes from the data; rename that label", name)
		}
	}
	return s, c.problems
}

// ReservedLabel says why a label of that name cannot be set by a definition, and "" where it can.
func ReservedLabel(name string) string { return reservedLabel(name) }
