package slo

import (
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// IncrementQueries returns PromQL for what the rules record at each base interval: all events and errors of the interval
// that ends at the evaluation's time, less the settle time, by the SLO's GroupBy labels. Evaluated at each interval over
// a past that the raw series still cover, they give the increments that the rules would have recorded, whether or not
// they were there. The error is fault.Invalid.
func (s SLO) IncrementQueries() (total, errors string, err error) {
	s = s.withDefaults()
	c, issues := s.count(false)
	if len(issues) > 0 {
		return "", "", fault.New(fault.Invalid, "SLO %s: %s: %s", s.ID, issues[0].field, issues[0].message)
	}
	return c.total, c.errors, nil
}

// Defaulted returns the SLO with everything filled in that a definition may leave out.
func (s SLO) Defaulted() SLO { return s.withDefaults() }

// SlowStep is how often windows longer than six hours are measured.
func (s SLO) SlowStep() time.Duration { return s.withDefaults().slowStep() }

// MetaInterval is how often ticket alerts are evaluated.
func (s SLO) MetaInterval() time.Duration {
	s = s.withDefaults()
	return max(s.Interval, min(5*s.Interval, time.Minute))
}

// SlowWindow reports whether the window is one of those that are sums of sums, measured every SlowStep.
func (s SLO) SlowWindow(window time.Duration) bool {
	return window > fastest || window == s.withDefaults().Window.Length()
}

// Threshold returns the error ratio above which the tier fires at this budget.
func (t Tier) Threshold(budget float64) float64 {
	ratio, _ := t.threshold(budget)
	return ratio
}
