package slo

import (
	"fmt"
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"
)

// Defaults and bounds of what an SLO may set of its alerts and groups.
const (
	// DefaultGuard is the chance of the errors seen, had the service just kept its objective, below which a tier fires.
	DefaultGuard = 1e-4
	// DefaultSliceGuard is the same for SLIs that judge intervals: one of them is more evidence than one request.
	DefaultSliceGuard = 2.5e-3

	DefaultMaxGroups = 500
	mostGroups       = 10000
	maxTargets       = 10
	maxTiers         = 10
)

// targets reads the further objectives.
func (c *checker) targets(s *SLO, specs []targetSpec) {
	if len(specs) > maxTargets {
		c.refuse("spec.objectives", "has %d objectives; at most %d beside the first", len(specs), maxTargets)
		return
	}
	for i, spec := range specs {
		path := "spec.objectives." + strconv.Itoa(i)
		c.name(path+".name", spec.Name, nativeName)
		if slices.ContainsFunc(s.Objectives, func(t Target) bool { return t.Name == spec.Name }) {
			c.refuse(path+".name", "%q stands twice; rename one", clip(spec.Name))
		}
		s.Objectives = append(s.Objectives, Target{
			Name: spec.Name, Objective: c.objective(path+".objective", &spec.Objective), Window: c.window(path+".window", &spec.Window),
			PageOff: spec.Page.Off, TicketOff: spec.Ticket.Off,
		})
	}
}

// policies checks how slices, gaps and groups are to be counted.
func (c *checker) policies(s SLO) {
	if !slices.Contains([]string{"", GapIgnore, GapGood, GapBad}, s.Gap) {
		c.refuse("spec.gap", "%q is not known; write ignore, good or bad: what unmeasured time counts as", clip(s.Gap))
	}
	if !slices.Contains([]string{"", CountersProcess, CountersExporter}, s.Counters) {
		c.refuse("spec.counters", "%q is not known; write process (they begin at zero with the target's process) or exporter (they outlive it)", clip(s.Counters))
	}
	if s.MaxGroups < 0 || s.MaxGroups > mostGroups {
		c.refuse("spec.maxGroups", "%d is out of range; write 1 to %d", s.MaxGroups, mostGroups)
	}
}

// nativeSlices checks that slices are asked for in one way and of events only.
func (c *checker) nativeSlices(f sliSpec, s SLO) {
	if s.Slices == (Slices{}) {
		return
	}
	if s.Slices.Ratio && s.Slices.Target != 0 {
		c.refuse("spec.slices", "has both target and ratio; write one of them")
	}
	if !s.Slices.Ratio && !(s.Slices.Target > 0 && s.Slices.Target < 100) {
		c.refuse("spec.slices.target", "%v is not strictly between 0 and 100; write per cent, such as 99", s.Slices.Target)
	}
	if f.Events == nil && f.Latency == nil && f.Gauge == nil {
		c.refuse("spec.slices", "is only for sli.events, sli.latency and sli.gauge; the other forms judge intervals anyway, so leave it out")
	}
}

// guard reads a probability, or "off".
func (c *checker) guard(path string, n *yaml.Node) float64 {
	if n.Kind == 0 {
		return 0
	}
	if n.Value == "off" {
		return 1
	}
	x := c.number(path, n)
	if !(x > 0 && x <= 1) {
		c.refuse(path, "%q is not a probability above 0 and at most 1, such as 3e-5, or off", clip(n.Value))
	}
	return x
}

// number reads a finite number.
func (c *checker) number(path string, n *yaml.Node) float64 {
	if n.Kind == 0 {
		c.refuse(path, "is missing; write a number")
		return 0
	}
	var x float64
	if n.Kind != yaml.ScalarNode || n.Decode(&x) != nil || x != x || x-x != 0 {
		c.refuse(path, "%q is not a number", clip(n.Value))
		return 0
	}
	return x
}

// tiers checks windows that the user set.
func (c *checker) tiers(path string, s SLO) {
	if len(s.Alerting.Tiers) > maxTiers {
		c.refuse(path, "has %d windows; at most %d", len(s.Alerting.Tiers), maxTiers)
		return
	}
	for i, t := range s.Alerting.Tiers {
		at := path + "." + strconv.Itoa(i)
		refuse := func(field, format string, args ...any) { c.refuse(at+field, format, args...) }
		if t.Severity != "page" && t.Severity != "ticket" {
			refuse(".severity", "%q is not known; write page or ticket", clip(t.Severity))
		} else if i > 0 && t.Severity == "page" && s.Alerting.Tiers[i-1].Severity == "ticket" {
			refuse(".severity", "a page after a ticket; write the fastest first, and pages before tickets")
		}
		if t.Name == TierNoData || !nativeName.MatchString(t.Name) {
			refuse(".name", "%q must be lower-case letters, digits and dashes, and not %s", clip(t.Name), TierNoData)
		} else if slices.ContainsFunc(s.Alerting.Tiers[:i], func(o Tier) bool { return o.Name == t.Name }) {
			refuse(".name", "%q stands twice; rename one", t.Name)
		}
		if !(t.Factor > 0 && t.Factor <= 1e6) {
			refuse(".factor", "%v is not a burn rate; write how many times too fast, such as 14.4", t.Factor)
		}
		c.tierWindows(at, s, t)
	}
}

func (c *checker) tierWindows(at string, s SLO, t Tier) {
	period := s.Window.Length()
	for _, w := range []struct {
		field string
		is    int64
		text  string
	}{{".short", int64(t.Short), promDuration(t.Short)}, {".long", int64(t.Long), promDuration(t.Long)}} {
		switch {
		case w.is <= 0:
			c.refuse(at+w.field, "is missing; write a length such as 5m")
		case w.is%int64(s.Interval) != 0:
			c.refuse(at+w.field, "%s is not a multiple of the base interval of %s", w.text, promDuration(s.Interval))
		case w.is > int64(period):
			c.refuse(at+w.field, "%s is longer than the compliance window of %s", w.text, promDuration(period))
		}
	}
	if t.Short > 0 && t.Short >= t.Long {
		c.refuse(at+".short", "%s is not shorter than the long window of %s", promDuration(t.Short), promDuration(t.Long))
	}
	if budget := s.Objective.Budget(); s.Objective.Valid() && t.Factor*budget >= 1 {
		c.refuse(at+".factor", "%s times a budget of %s is a ratio that even a total outage does not exceed; write something below %s",
			number(t.Factor), number(budget), number(round6(1/budget)))
	}
}

// ordinal names the tiers of a severity in order.
func ordinal(n int) string {
	if n < 2 {
		return []string{"fast", "slow"}[n]
	}
	return fmt.Sprint(n + 1)
}
