package slo

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// RuleGroups is every rule of one SLO. Groups of one SLO may run at the same time; rules of a group run in order.
type RuleGroups struct {
	SLO    string // its id
	Groups []RuleGroup
}

// RuleGroup is a group as Prometheus loads it.
type RuleGroup struct {
	Name     string
	Interval time.Duration
	Rules    []Rule
}

// Rule is a recording rule (Record) or an alerting rule (Alert).
type Rule struct {
	Record, Alert       string
	Expr                string
	For                 time.Duration
	KeepFiringFor       time.Duration // Prometheus 2.42 and later
	Labels, Annotations map[string]string
}

// RuleOptions is what rules take from the installation.
type RuleOptions struct {
	// RunbookURL returns where the SLO's runbook is to be read; nil or "" leaves the annotation out. Where the
	// definition's runbook is a URL itself, that is used instead.
	RunbookURL func(s SLO) string
	// NoDataURL is where the runbook for lost targets is to be read; "" means the SLO's own.
	NoDataURL string
}

// Windows recorded for every SLO, whatever its tiers need: those of Sloth's dashboards.
var (
	fastWindows = []time.Duration{5 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour}
	slowWindows = []time.Duration{24 * time.Hour, 72 * time.Hour}
)

// fastest is the longest window that is summed at every base interval; longer ones are sums of sums, see slowStep.
const fastest = 6 * time.Hour

// Rules returns the SLO's recording and alerting rules, with Sloth's metric and group names:
//
//   - sloth-slo-sli-recordings-<id>, at the base interval: the exact increments, error ratios up to six hours, and the
//     page alerts, in that order. A group's rules see the samples that earlier rules of the same evaluation wrote, so
//     alerting in the same group saves up to one interval.
//   - sloth-slo-sli-recordings-long-<id>, every five minutes: sums of five minutes, and from them the error ratios of a
//     day, three days and the period.
//   - sloth-slo-meta-recordings-<id>, every minute: objective, budget, burn rates, what is left, sloth_slo_info.
//   - sloth-slo-alerts-<id>, every minute: the ticket alerts.
//
// The error is fault.Invalid where the SLI cannot be counted, which ReadSLO would have said.
func (s SLO) Rules() (RuleGroups, error) { return s.RulesWith(RuleOptions{}) }

// RulesWith is Rules with the installation's options.
func (s SLO) RulesWith(o RuleOptions) (RuleGroups, error) {
	s = s.withDefaults()
	if !s.Objective.Valid() || s.Objective.Budget() <= 0 {
		return RuleGroups{}, fault.New(fault.Invalid, "SLO %s: objective %v is not strictly between 0 and 100", s.ID, float64(s.Objective))
	}
	c, issues := s.count(false)
	if len(issues) > 0 {
		return RuleGroups{}, fault.New(fault.Invalid, "SLO %s: %s: %s", s.ID, issues[0].field, issues[0].message)
	}
	w := newRuleWriter(s, c, o)
	return RuleGroups{SLO: s.ID, Groups: w.groups()}, nil
}

// ruleWriter writes one SLO's rules.
type ruleWriter struct {
	SLO
	counted
	tiers   []Tier
	budget  float64
	step    time.Duration // of the long windows' sums
	meta    time.Duration // interval of the meta and ticket groups
	runbook string

	noDataURL string
}

func newRuleWriter(s SLO, c counted, o RuleOptions) ruleWriter {
	w := ruleWriter{SLO: s, counted: c, tiers: s.Tiers(), budget: s.Objective.Budget(), step: s.slowStep(), runbook: s.runbookURL(o)}
	w.noDataURL = cmp.Or(o.NoDataURL, w.runbook)
	// A recorded sample is found for five minutes. What people query must come oftener than that, or it flickers.
	w.meta = max(s.Interval, min(5*s.Interval, time.Minute))
	return w
}

// slowStep is the span of the sums that long windows are made of: five minutes, or five intervals in trials with
// intervals below 15 seconds.
func (s SLO) slowStep() time.Duration {
	if s.Interval < 15*time.Second {
		return 5 * s.Interval
	}
	return 5 * time.Minute
}

func (w ruleWriter) groups() []RuleGroup {
	groups := []RuleGroup{
		{Name: "sloth-slo-sli-recordings-" + w.ID, Interval: w.Interval, Rules: slices.Concat(w.incrementRules(), w.ratioRules(w.windows(true)), w.pageAlerts())},
		{Name: "sloth-slo-sli-recordings-long-" + w.ID, Interval: w.step, Rules: slices.Concat(w.sumRules(), w.ratioRules(w.windows(false)))},
		{Name: "sloth-slo-meta-recordings-" + w.ID, Interval: w.meta, Rules: w.metaRules()},
	}
	if tickets := w.ticketAlerts(); len(tickets) > 0 {
		groups = append(groups, RuleGroup{Name: "sloth-slo-alerts-" + w.ID, Interval: w.meta, Rules: tickets})
	}
	return groups
}

// Names of the series that are recorded.
func (s SLO) totalDelta() string { return "slo:sli_total:delta" + promDuration(s.Interval) }
func (s SLO) errorDelta() string { return "slo:sli_errors:delta" + promDuration(s.Interval) }

// recorded returns the selector of this SLO's series of a recorded metric.
func (s SLO) recorded(metric string) string {
	return fmt.Sprintf("%s{sloth_id=%s, sloth_service=%s, sloth_slo=%s}", metric, strconv.Quote(s.ID), strconv.Quote(s.Service), strconv.Quote(s.Name))
}

func ratioMetric(window time.Duration) string {
	return "slo:sli_error:ratio_rate" + promDuration(window)
}
func countMetric(window time.Duration) string { return "slo:sli_events:count" + promDuration(window) }

// idLabels are the labels of every recorded series. User labels are not among them: changing one would begin new series
// beside the old ones and count twice in every window.
func (w ruleWriter) idLabels() map[string]string {
	return map[string]string{"sloth_id": w.ID, "sloth_service": w.Service, "sloth_slo": w.Name}
}

func (w ruleWriter) record(metric, expr string) Rule {
	return Rule{Record: metric, Expr: expr, Labels: w.idLabels()}
}

func (w ruleWriter) incrementRules() []Rule {
	errors := w.errors + "\nor\n0 * " + sumBy(w.groupBy, w.recorded(w.totalDelta())) // no error yet is zero errors, not no SLI
	return []Rule{w.record(w.totalDelta(), w.total), w.record(w.errorDelta(), errors)}
}

// windows returns the recorded windows, shortest first: those of the fast group or those of the long one. Windows
// beyond the period say nothing, but for the shortest.
func (w ruleWriter) windows(fast bool) []time.Duration {
	period := w.Window.Length()
	all := append(slices.Concat(fastWindows, slowWindows), period)
	for _, t := range w.tiers {
		all = append(all, t.Short, t.Long)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return slices.DeleteFunc(all, func(d time.Duration) bool {
		return (d <= fastest && d != period) != fast || d > period
	})
}

// ratioRules record the error ratio of each window, by the budget's labels, as a ratio of sums: traffic weighs as it
// should. Windows without traffic have no ratio. For the tiers' long windows the number of events is kept for the guard.
func (w ruleWriter) ratioRules(windows []time.Duration) []Rule {
	var out []Rule
	for _, window := range windows {
		errors, total := w.sumsOver(window)
		if slices.ContainsFunc(w.tiers, func(t Tier) bool { return t.Long == window }) {
			out = append(out, w.record(countMetric(window), total))
			total = sumBy(w.BudgetBy, w.recorded(countMetric(window)))
		}
		ratio := w.record(ratioMetric(window), errors+"\n/\n("+total+" > 0)")
		ratio.Labels["sloth_window"] = promDuration(window)
		out = append(out, ratio)
	}
	return out
}

func (w ruleWriter) sumsOver(window time.Duration) (errors, total string) {
	errorMetric, totalMetric := w.errorDelta(), w.totalDelta()
	if window > fastest || window == w.Window.Length() {
		errorMetric, totalMetric = w.sumMetrics()
	}
	over := func(metric string) string {
		return sumBy(w.BudgetBy, fmt.Sprintf("sum_over_time(%s[%s])", w.recorded(metric), promDuration(window)))
	}
	return over(errorMetric), over(totalMetric)
}

func (w ruleWriter) sumMetrics() (errors, total string) {
	return "slo:sli_errors:sum" + promDuration(w.step), "slo:sli_total:sum" + promDuration(w.step)
}

// sumRules record the sums that long windows are made of, each increment in exactly one of them. They end one interval
// ago, because the groups are independent: the increment of this very moment may or may not be written yet. The range is
// a millisecond short of the step, because before Prometheus 3 a range holds both of its ends and would count the
// increment between two steps twice.
func (w ruleWriter) sumRules() []Rule {
	errors, total := w.sumMetrics()
	over := func(metric string) string {
		return fmt.Sprintf("sum_over_time(%s[%s] offset %s)", w.recorded(metric), promDuration(w.step-time.Millisecond), promDuration(w.Interval))
	}
	return []Rule{w.record(errors, over(w.errorDelta())), w.record(total, over(w.totalDelta()))}
}

func (w ruleWriter) metaRules() []Rule {
	period := w.Window.Length()
	constant := func(x float64) string { return "vector(" + number(x) + ")" }
	burn := func(window time.Duration, recordedEvery time.Duration) string {
		return fmt.Sprintf("max without (sloth_window) (%s) / %s", w.latest(ratioMetric(window), recordedEvery), number(w.budget))
	}
	info := w.record("sloth_slo_info", "vector(1)")
	for name, value := range w.Labels {
		info.Labels[name] = value
	}
	for name, value := range map[string]string{"sloth_mode": "nines", "sloth_version": "nines", "sloth_spec": w.Spec, "sloth_objective": w.Objective.String()} {
		info.Labels[name] = value
	}
	return []Rule{
		w.record("slo:objective:ratio", constant(w.Objective.Ratio())),
		w.record("slo:error_budget:ratio", constant(w.budget)),
		w.record("slo:time_period:days", constant(round6(period.Hours()/24))),
		w.record("slo:current_burn_rate:ratio", burn(fastWindows[0], w.Interval)),
		w.record("slo:period_burn_rate:ratio", burn(period, w.step)),
		w.record("slo:period_error_budget_remaining:ratio", "1 - "+w.recorded("slo:period_burn_rate:ratio")),
		info,
	}
}

// latest reads a series that another group records every so often. Two of its intervals are looked back, because one
// late evaluation there must not end an alert here.
func (w ruleWriter) latest(metric string, every time.Duration) string {
	return fmt.Sprintf("last_over_time(%s[%s])", w.recorded(metric), promDuration(2*every))
}

// number writes a float as people do: 0.001, 14.4.
func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
