package slo

import (
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// KindAlertWindows is Sloth's document of the windows that SLOs of one period are alerted by; its apiVersion is
// ServiceLevelVersion.
const KindAlertWindows = "AlertWindows"

// AlertWindows are the burn alerts of every SLO with that period which brings none of its own.
type AlertWindows struct {
	Period time.Duration
	Tiers  []Tier // fastest first, as Sloth has them: two pages, two tickets
}

type alertWindowsSpec struct {
	Period manifest.Duration `yaml:"sloPeriod"`
	Page   quickAndSlow      `yaml:"page"`
	Ticket quickAndSlow      `yaml:"ticket"`
}

type quickAndSlow struct {
	Quick budgetWindow `yaml:"quick"`
	Slow  budgetWindow `yaml:"slow"`
}

// budgetWindow fires when that share of the period's budget, in per cent, went within the long window.
type budgetWindow struct {
	Percent float64           `yaml:"errorBudgetPercent"`
	Short   manifest.Duration `yaml:"shortWindow"`
	Long    manifest.Duration `yaml:"longWindow"`
}

// ReadAlertWindows reads one document of Sloth's catalog of windows. Every problem is told at once, with its line; the
// windows are only to be used where there are none. A tier's burn rate is share x period / long window, as in the SRE
// workbook, chapter 5.
func ReadAlertWindows(d manifest.Document) (AlertWindows, manifest.Problems) {
	c := &checker{doc: d}
	if d.APIVersion != ServiceLevelVersion {
		c.refuse("apiVersion", "%q is not %s", clip(d.APIVersion), ServiceLevelVersion)
	}
	if d.Kind != KindAlertWindows {
		c.refuse("kind", "%q is not %s", clip(d.Kind), KindAlertWindows)
	}
	if len(c.problems) > 0 {
		return AlertWindows{}, c.problems
	}
	var spec alertWindowsSpec
	c.problems = append(c.problems, d.DecodeSpec(&spec)...)
	w := AlertWindows{Period: spec.Period.Std()}
	switch {
	case d.Node("spec.sloPeriod") == nil:
		c.refuse("spec.sloPeriod", "is missing; write the period that the windows are for, such as 30d")
	case w.Period < 24*time.Hour || w.Period > maxWindow:
		c.refuse("spec.sloPeriod", "%s is not between a day and %s", promDuration(w.Period), promDuration(maxWindow))
	}
	for i, b := range []budgetWindow{spec.Page.Quick, spec.Page.Slow, spec.Ticket.Quick, spec.Ticket.Slow} {
		plan := tierPlans[i]
		w.Tiers = append(w.Tiers, c.budgetWindow("spec."+[]string{"page.quick", "page.slow", "ticket.quick", "ticket.slow"}[i], plan, b, w.Period))
	}
	return w, c.problems
}

func (c *checker) budgetWindow(path string, plan tierPlan, b budgetWindow, period time.Duration) Tier {
	t := Tier{Name: plan.name, Severity: plan.severity, Long: b.Long.Std(), Short: b.Short.Std()}
	if !(b.Percent > 0 && b.Percent <= 100) {
		c.refuse(path+".errorBudgetPercent", "%v is not a share of the budget; write per cent above 0 and up to 100", b.Percent)
	}
	whole := true
	for _, w := range []struct {
		field string
		is    time.Duration
	}{{".shortWindow", t.Short}, {".longWindow", t.Long}} {
		if w.is <= 0 {
			c.refuse(path+w.field, "is missing; write a length such as 5m")
			whole = false
		} else if w.is > period {
			c.refuse(path+w.field, "%s is longer than the period of %s", promDuration(w.is), promDuration(period))
		}
	}
	if whole && t.Short >= t.Long {
		c.refuse(path+".shortWindow", "%s is not shorter than the long window of %s", promDuration(t.Short), promDuration(t.Long))
	}
	if whole {
		t.Factor = round6(b.Percent / 100 * float64(period) / float64(t.Long))
	}
	return t
}

// Fits reports whether the windows are for this SLO: its budget rolls over their period, and its definition brings no
// windows of its own.
func (w AlertWindows) Fits(s SLO) bool {
	return s.Window.Calendar == "" && s.withDefaults().Window.Rolling == w.Period && len(s.Alerting.Tiers) == 0
}

// On returns the SLO with these burn alerts. The error is fault.Invalid where a window is not a whole number of the SLO's
// base intervals, which nothing is counted in.
func (w AlertWindows) On(s SLO) (SLO, error) {
	interval := s.withDefaults().Interval
	for _, t := range w.Tiers {
		for _, d := range []time.Duration{t.Short, t.Long} {
			if d%interval != 0 {
				return s, fault.New(fault.Invalid, "the catalog's window of %s for %s is not a multiple of the base interval of %s", promDuration(d), t.Name, promDuration(interval))
			}
		}
	}
	s.Alerting.Tiers = w.Tiers
	return s, nil
}
