package slo

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"
)

// Windows recorded for every SLO, whatever its tiers need: those of Sloth's dashboards.
var (
	fastWindows = []time.Duration{5 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour}
	slowWindows = []time.Duration{24 * time.Hour, 72 * time.Hour}
)

const (
	fastest      = 6 * time.Hour    // the longest window that is summed at every base interval; longer ones are sums of sums
	longPeriod   = 35 * day         // periods beyond are summed less often, see periodStep
	longEvery    = 30 * time.Minute // that often
	maintenance  = "nines_slo_maintenance"
	resetMinimum = 8 // errors to expect in the last minutes, so that their absence says that trouble is over
)

// ruleWriter writes the rules of one SLO, or of one further objective of it.
type ruleWriter struct {
	SLO
	counted
	to     ruleSink
	d      *draft
	tiers  []Tier
	budget float64
	step   time.Duration // of the long windows' sums
	meta   time.Duration // interval of the meta and ticket groups

	runbook, noDataURL string
	told               told
	budgetText         string
	guardText          string // how unlikely errors must be, as -ln of the probability, less ofTwo; "" asks for nothing
	guardShift         string // " + x", of -ln of the budget, less one
	quoted             string // the id as PromQL has it
	selector           string // {sloth_id="..."}: ids are unique, so nothing else is needed
	sum                string // "sum by (tenant) (", by the budget's labels
	id                 []pair
	written            bool // the user's own text stands in the increments only, and they are written
}

func newRuleWriter(s SLO, c counted, o RuleOptions, to ruleSink, d *draft) ruleWriter {
	w := ruleWriter{SLO: s, counted: c, to: to, d: d, tiers: s.Tiers(), budget: s.Objective.Budget(), step: s.slowStep(), runbook: s.runbookURL(o)}
	w.noDataURL = cmp.Or(o.NoDataURL, w.runbook)
	w.meta = s.metaInterval()
	w.sum = by("sum", s.BudgetBy) + " ("
	w.budgetText = number(w.budget)
	if p := s.guard(c.judged || s.Slices != (Slices{})); p < 1 {
		w.guardText, w.guardShift = number(round6(-math.Log(p)-ofTwo)), " + "+number(round6(-math.Log(w.budget)-1))
	}
	w.identify()
	return w
}

// identify derives what stands for the SLO's names in its rules. User labels are not on recorded series: changing one
// would begin new series beside the old ones and count twice.
func (w *ruleWriter) identify() {
	w.quoted = quote(w.ID)
	w.selector = "{sloth_id=" + w.quoted + "}"
	w.told = w.SLO.told(w.quoted)
	w.id = []pair{{"sloth_id", w.ID}, {"sloth_service", w.Service}, {"sloth_slo", w.Name}}
}

// metaInterval is how often burn rates, the budget left and ticket alerts are evaluated. A recorded sample is found for
// five minutes: what people query must come oftener than that, or it flickers.
func (s SLO) metaInterval() time.Duration { return max(s.Interval, min(5*s.Interval, 2*time.Minute)) }

// slowStep is the span of the sums that long windows are made of: five minutes, or five intervals in trials with
// intervals below 15 seconds.
func (s SLO) slowStep() time.Duration {
	if s.Interval < 15*time.Second {
		return 5 * s.Interval
	}
	return 5 * time.Minute
}

// periodStep is how often the ratio of the whole period is recorded.
func (w *ruleWriter) periodStep() time.Duration {
	if w.Window.Length() > longPeriod {
		return longEvery
	}
	return w.step
}

// Names of the series that are recorded.
func (s SLO) totalDelta() string { return "slo:sli_total:delta" + promDuration(s.Interval) }
func (s SLO) errorDelta() string { return "slo:sli_errors:delta" + promDuration(s.Interval) }

// The increments that count: all but those of maintenance.
func (s SLO) totalCounted() string { return "slo:sli_total_counted:delta" + promDuration(s.Interval) }
func (s SLO) errorCounted() string { return "slo:sli_errors_counted:delta" + promDuration(s.Interval) }

// The events behind slices, which the increments are made of.
func (s SLO) totalEvents() string { return "slo:sli_total_events:delta" + promDuration(s.Interval) }
func (s SLO) errorEvents() string { return "slo:sli_errors_events:delta" + promDuration(s.Interval) }

// recorded returns the selector of this SLO's series of a recorded metric.
func (s SLO) recorded(metric string) string { return metric + "{sloth_id=" + quote(s.ID) + "}" }

func ratioMetric(window time.Duration) string {
	return "slo:sli_error:ratio_rate" + promDuration(window)
}
func countMetric(window time.Duration) string { return "slo:sli_events:count" + promDuration(window) }

func (w *ruleWriter) sumMetrics() (errors, total string) {
	return "slo:sli_errors:sum" + promDuration(w.step), "slo:sli_total:sum" + promDuration(w.step)
}

// record hands over a recording rule of the expression's parts, which stand one after the other. window is "" or the
// value of the sloth_window label.
func (w *ruleWriter) record(metric, window string, parts ...string) {
	d := w.d
	d.alert, d.name, d.pending, d.keepFiring, d.plain = false, metric, 0, 0, w.written
	d.expr = d.expr[:0]
	for _, p := range parts {
		d.expr = append(d.expr, p...)
	}
	d.labels, d.annotations = append(d.labels[:0], w.id...), d.annotations[:0]
	if window != "" {
		d.labels = append(d.labels, pair{"sloth_window", window})
	}
	w.to.rule(d)
}

// increments records what happened in each interval. Where slices are judged the events are recorded too, and slices
// are made of them.
func (w *ruleWriter) increments() {
	totalMetric, errorMetric := w.totalDelta(), w.errorDelta()
	sliced := w.Slices != (Slices{})
	if sliced {
		totalMetric, errorMetric = w.totalEvents(), w.errorEvents()
	}
	w.record(totalMetric, "", w.total)
	w.record(errorMetric, "", w.bad(sumBy(w.groupBy, totalMetric+w.selector)))
	w.written = true
	if sliced {
		total, errors := sliceOf(w.Slices, sumBy(w.groupBy, totalMetric+w.selector), sumBy(w.groupBy, errorMetric+w.selector))
		w.record(w.totalDelta(), "", total)
		w.record(w.errorDelta(), "", errors)
	}
}

// sliceOf turns the events of an interval into one slice, where there were any.
func sliceOf(s Slices, total, errors string) (slices, bad string) {
	ratio := errors + " / (" + total + " > 0)"
	if s.Ratio {
		return "(" + total + " > bool 0) > 0", ratio
	}
	return "(" + total + " > bool 0) > 0", "(" + ratio + ") > bool " + number(round12((100-s.Target)/100))
}

// sharedIncrements records the increments of the SLO that this one shares under its own name, in the same evaluation.
func (w *ruleWriter) sharedIncrements() {
	first := "{sloth_id=" + quote(w.Of) + "}"
	w.record(w.totalDelta(), "", sumBy(w.groupBy, w.totalDelta()+first))
	w.record(w.errorDelta(), "", sumBy(w.groupBy, w.errorDelta()+first))
}

// fast records what counts of the increments, the windows that are summed at every interval, and makes the page alerts.
func (w *ruleWriter) fast() {
	excluded, any := w.unless(`, mode="exclude"`), w.unless("")
	total := w.totalCounted()
	w.record(total, "", w.totalDelta(), w.selector, excluded)
	w.record(w.errorCounted(), "", "(", w.errorDelta(), w.selector, any, ")\nor\n0 * ", total, w.selector)
	w.ratios(w.windows(true))
	w.pageAlerts()
}

// unless returns the clauses that drop what is under maintenance: of everything, or of a tenant or region only.
func (w *ruleWriter) unless(mode string) string {
	clause := func(on, of string) string {
		return "\n  unless on (" + on + ") " + maintenance + "{sloth_id=" + w.quoted + ", " + of + mode + "}"
	}
	out := clause("", `tenant="", region=""`)
	tenant, region := slices.Contains(w.GroupBy, "tenant"), slices.Contains(w.GroupBy, "region")
	if tenant {
		out += clause("tenant", `tenant!="", region=""`)
	}
	if region {
		out += clause("region", `tenant="", region!=""`)
	}
	if tenant && region {
		out += clause("tenant, region", `tenant!="", region!=""`)
	}
	return out
}

// slow writes the groups that are not evaluated at every interval.
func (w *ruleWriter) slow() {
	w.to.group("sloth-slo-sli-recordings-long-"+w.ID, w.step, 0)
	w.sums()
	period := w.Window.Length()
	windows := w.windows(false)
	apart := w.periodStep() != w.step
	if apart {
		windows = slices.DeleteFunc(windows, func(d time.Duration) bool { return d == period })
	}
	w.ratios(windows)
	if apart {
		w.to.group("sloth-slo-sli-recordings-period-"+w.ID, w.periodStep(), 0)
		w.ratios([]time.Duration{period})
	}
	w.to.group("sloth-slo-meta-recordings-"+w.ID, w.meta, 0)
	w.metaRules()
	if w.hasTickets() {
		w.to.group("sloth-slo-alerts-"+w.ID, w.meta, 0)
		w.ticketAlerts()
	}
}

// windows returns the recorded windows, shortest first: those of the fast group or those of the long one. Windows
// beyond the period say nothing, but for the shortest.
func (w *ruleWriter) windows(fast bool) []time.Duration {
	period := w.Window.Length()
	all := append(slices.Concat(fastWindows, slowWindows), period, w.recent())
	for _, t := range w.tiers {
		all = append(all, t.Short, t.Long)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return slices.DeleteFunc(all, func(d time.Duration) bool {
		return (d <= fastest && d != period) != fast || d > period
	})
}

// ratios record the error ratio of each window, by the budget's labels, as a ratio of sums: traffic weighs as it
// should. Windows without traffic have no ratio. For the windows that the guard and the reset look at, the number of
// events is kept.
func (w *ruleWriter) ratios(windows []time.Duration) {
	fastErrors, fastTotal := w.errorCounted(), w.totalCounted()
	slowErrors, slowTotal := w.sumMetrics()
	for _, window := range windows {
		errors, total := fastErrors, fastTotal
		if window > fastest || window == w.Window.Length() {
			errors, total = slowErrors, slowTotal
		}
		text := promDuration(window)
		over := w.selector + "[" + text + "]))"
		counts := window == w.recent() || slices.ContainsFunc(w.tiers, func(t Tier) bool { return t.Long == window || between(w.tiers, t) == window })
		if counts {
			w.record("slo:sli_events:count"+text, "", w.sum, "sum_over_time(", total, over)
			w.record("slo:sli_error:ratio_rate"+text, text, w.sum, "sum_over_time(", errors, over, "\n/\n(", w.sum, "slo:sli_events:count", text, w.selector, ") > 0)")
			continue
		}
		w.record("slo:sli_error:ratio_rate"+text, text, w.sum, "sum_over_time(", errors, over, "\n/\n(", w.sum, "sum_over_time(", total, over, " > 0)")
	}
}

// sums record the sums that long windows are made of, each increment in exactly one of them. They end one interval
// ago, because the groups are independent: the increment of this very moment may or may not be written yet. The range is
// a millisecond short of the step, because before Prometheus 3 a range holds both of its ends and would count the
// increment between two steps twice.
func (w *ruleWriter) sums() {
	errors, total := w.sumMetrics()
	span := w.selector + "[" + promDuration(w.step-time.Millisecond) + "] offset " + promDuration(w.Interval) + "))"
	w.record(errors, "", w.sum, "sum_over_time(", w.errorCounted(), span)
	w.record(total, "", w.sum, "sum_over_time(", w.totalCounted(), span)
}

func (w *ruleWriter) metaRules() {
	period := w.Window.Length()
	budget := w.budgetText
	burn := func(metric string, window, recordedEvery time.Duration) {
		w.record(metric, "", "max without (sloth_window) (", w.latest(ratioMetric(window), recordedEvery), ") / ", budget)
	}
	w.record("slo:objective:ratio", "", "vector(", number(w.Objective.Ratio()), ")")
	w.record("slo:error_budget:ratio", "", "vector(", budget, ")")
	w.record("slo:time_period:days", "", "vector(", number(round6(period.Hours()/24)), ")")
	burn("slo:current_burn_rate:ratio", fastWindows[0], w.Interval)
	burn("slo:period_burn_rate:ratio", period, w.periodStep())
	w.record("slo:period_error_budget_remaining:ratio", "", "1 - slo:period_burn_rate:ratio", w.selector)
	w.info()
}

// info carries the user's labels, and is the only series that does.
func (w *ruleWriter) info() {
	d := w.d
	d.alert, d.name, d.pending, d.keepFiring, d.plain = false, "sloth_slo_info", 0, 0, true
	d.expr, d.annotations = append(d.expr[:0], "vector(1)"...), d.annotations[:0]
	d.labels = d.labels[:0]
	for name, value := range w.Labels {
		d.labels = set(d.labels, name, value)
	}
	for _, p := range w.id {
		d.labels = set(d.labels, p.name, p.value)
	}
	for _, p := range []pair{{"sloth_mode", "nines"}, {"sloth_objective", w.Objective.String()}, {"sloth_spec", w.Spec}, {"sloth_version", "nines"}} {
		d.labels = set(d.labels, p.name, p.value)
	}
	w.to.rule(d)
}

// latest reads a series that another group records every so often. Two of its intervals are looked back, because one
// late evaluation there must not end an alert here.
func (w *ruleWriter) latest(metric string, every time.Duration) string {
	return "last_over_time(" + metric + w.selector + "[" + promDuration(2*every) + "])"
}

// quote writes a string as PromQL reads it.
func quote(text string) string { return string(appendQuoted(nil, text)) }

// number writes a float as people do: 0.001, 14.4.
func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
