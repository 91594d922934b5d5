package slo

import (
	"math"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// IncrementQueries returns PromQL for what the rules record at each base interval: all events and errors of the interval
// that ends at the evaluation's time, less the settle time, by the SLO's GroupBy labels. Evaluated at each interval over
// a past that the raw series still cover, they give the increments that the rules would have recorded, whether or not
// they were there. Where there is a total and no errors, there were none. The error is fault.Invalid.
func (s SLO) IncrementQueries() (total, errors string, err error) {
	s = s.withDefaults()
	c, issues := s.count(false)
	if len(issues) > 0 {
		return "", "", fault.New(fault.Invalid, "SLO %s: %s: %s", s.ID, issues[0].field, issues[0].message)
	}
	all := "(\n" + c.total + "\n)"
	if s.Slices != (Slices{}) {
		total, errors = sliceOf(s.Slices, sumBy(c.groupBy, c.total), "("+sumBy(c.groupBy, c.bad(all))+")")
		return total, errors, nil
	}
	if c.errors != "" {
		return c.total, c.errors, nil // no need to read the total twice
	}
	return c.total, c.bad(all), nil
}

// Defaulted returns the SLO with everything filled in that a definition may leave out.
func (s SLO) Defaulted() SLO { return s.withDefaults() }

// MeasuredEvery returns how often the error ratio of a window is recorded: at each interval, or more rarely where it is
// made of sums of sums. Those end one interval before.
func (s SLO) MeasuredEvery(window time.Duration) time.Duration {
	s = s.withDefaults()
	w := ruleWriter{SLO: s, step: s.slowStep()}
	switch {
	case window == s.Window.Length():
		return w.periodStep()
	case window > fastest:
		return w.step
	}
	return s.Interval
}

// Condition is the condition of one burn alert in Go: it holds when the rule's expression has a value.
type Condition struct {
	Tier
	Recent   time.Duration // the span that says whether trouble goes on
	Between  time.Duration // a window between short and long that the guard looks at too; 0 where there is none
	Keep     time.Duration // how long the alert goes on firing after the condition ends
	Interval time.Duration // between evaluations

	budget, limit, resetAt, guard float64
	resets                        bool
}

// Reading is what is recorded of a window: its counts, and whether there is any interval in it that was measured.
type Reading struct {
	Counts
	Seen bool
}

// Conditions returns the conditions of the alerts that the SLO's rules have, in the order of its tiers; those that are
// off are left out.
func (s SLO) Conditions() []Condition {
	s = s.withDefaults()
	tiers, budget := s.Tiers(), s.Objective.Budget()
	guard := round6(-math.Log(s.GuardInForce()))
	var out []Condition
	for _, t := range tiers {
		ticket := t.Severity == "ticket"
		if ticket && s.Alerting.TicketOff || !ticket && s.Alerting.PageOff {
			continue
		}
		one := Condition{Tier: t, Recent: s.recent(), Interval: s.Interval, budget: budget, guard: guard, resetAt: t.resetAt(budget)}
		one.limit, _ = t.threshold(budget)
		one.resets = t.Short > one.Recent
		one.Between = between(tiers, t)
		if ticket {
			one.Interval = s.metaInterval()
			if one.resets {
				one.Keep = tiers[0].Short
			}
		}
		out = append(out, one)
	}
	return out
}

// GuardInForce returns the probability that chance alone must stay below for an alert to fire; 1 asks for nothing.
func (s SLO) GuardInForce() float64 {
	c, _ := s.withDefaults().count(false)
	return s.guard(c.judged || s.Slices != (Slices{}))
}

// Fires reports whether the condition holds over the tier's two windows, the last minutes and the window
// between; see burnAlert.
func (c Condition) Fires(short, long, recent, between Reading) bool {
	if short.Total <= 0 || long.Total <= 0 {
		return false
	}
	r := long.Errors() / long.Total
	s := short.Errors() / short.Total
	if !(s > c.limit && r > c.limit) {
		return false
	}
	if c.guard > 0 && !c.beyondChance(long) && !(c.Between > 0 && c.beyondChance(between)) {
		return false
	}
	if !c.resets {
		return true
	}
	return recent.Total > 0 && recent.Errors()/recent.Total > c.resetAt || recent.Seen && s*recent.Total < resetMinimum
}

// beyondChance reports whether chance alone does not explain the errors of the window.
func (c Condition) beyondChance(r Reading) bool {
	if r.Total <= 0 {
		return false
	}
	ratio := r.Errors() / r.Total
	return (ratio*(math.Log(ratio/c.budget)-1)+c.budget)*r.Total > c.guard-ofTwo
}
