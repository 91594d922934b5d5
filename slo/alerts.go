package slo

import (
	"math"
	"time"
)

// TierNoData is the sloth_tier label of the alert that a promise's targets are lost.
const TierNoData = "no-data"

func (w *ruleWriter) pageAlerts() {
	if w.Alerting.PageOff {
		return
	}
	for _, t := range w.tiers {
		if t.Severity == "page" {
			w.burnAlert(t)
		}
	}
	if w.target != "" && !w.Alerting.NoDataOff && w.Of == "" {
		w.noData()
	}
}

func (w *ruleWriter) hasTickets() bool {
	for _, t := range w.tiers {
		if t.Severity == "ticket" && !w.Alerting.TicketOff {
			return true
		}
	}
	return false
}

func (w *ruleWriter) ticketAlerts() {
	for _, t := range w.tiers {
		if t.Severity == "ticket" {
			w.burnAlert(t)
		}
	}
}

// burnAlert fires while the budget burns too fast over both windows: the long one says that it matters, the short one
// that it still goes on. Two more conditions make it right where the two alone are wrong.
//
// The guard keeps a handful of errors in little traffic from waking anyone. With n events in the long window the
// objective itself allows mu = n x budget errors. How likely are as many as were seen by chance alone? By Stirling's
// approximation of the Poisson distribution about exp(-(e ln(e/mu) - e + mu)) / sqrt(2 pi e), which must be below
// Guard. The root is taken for two errors: more make the guard a little stricter, a single one is let pass at 1.3 times
// Guard, and each alert reads three series less. It asks for nothing where traffic is plenty. Errors that come close together are diluted by what was well before,
// so a tier may also pass by a window between its two, the next tier's short one.
//
// The reset ends an alert soon after the trouble does, where the tier's short window would remember an outage for five
// minutes to six hours: it goes on only while the last few minutes show trouble too. Where so little happens that
// nothing could be seen in them, the tier's own short window has to do.
func (w *ruleWriter) burnAlert(t Tier) {
	short, long, count := w.reading(t, ratioMetric(t.Short), t.Short), w.reading(t, ratioMetric(t.Long), t.Long), w.reading(t, countMetric(t.Long), t.Long)
	bound := number(t.Factor) + " * " + w.budgetText
	if limit, capped := t.threshold(w.budget); capped {
		bound = number(limit)
	}
	const and = "\nand ignoring (sloth_window)\n"
	d := w.d
	d.alert, d.name, d.pending, d.keepFiring, d.plain = true, w.Alerting.Name, 0, 0, true
	d.expr = append(d.expr[:0], "max without (sloth_window) (\n"...)
	w.add(short, " > (", bound, ")", and, long, " > (", bound, ")")
	if w.guardText != "" {
		w.add(and, "(\n")
		w.beyondChance(long, count)
		if window := between(w.tiers, t); window > 0 {
			w.add("\nor\n")
			w.beyondChance(w.reading(t, ratioMetric(window), window), w.reading(t, countMetric(window), window))
		}
		w.add("\n)")
	}
	if last := w.recent(); t.Short > last {
		ratio, events := w.reading(t, ratioMetric(last), last), w.reading(t, countMetric(last), last)
		w.add(and, "(", ratio, " > ", number(t.resetAt(w.budget)), " or ", short, " * ignoring (sloth_window) ", events, " < ", number(resetMinimum), ")")
		if t.Severity == "ticket" {
			d.keepFiring = w.tiers[0].Short // it looks at a few minutes, so a burn about as fast as the tier would flap
		}
	}
	w.add("\n)")
	w.alertLabels(t.Severity, t.Name)
	d.labels = set(set(d.labels, "long", promDuration(t.Long)), "short", promDuration(t.Short))
	w.burnAnnotations(t)
	w.to.rule(d)
}

// beyondChance adds the condition that chance alone does not explain a window's errors, per event: with the ratio r and
// the budget b, e ln(e/mu) - e + mu is n (r (ln r - ln b - 1) + b).
func (w *ruleWriter) beyondChance(ratio, count string) {
	w.add("(", ratio, " * (ln(", ratio, ")", w.guardShift, ") + ", w.budgetText, ") * ignoring (sloth_window) ", count, " > ", w.guardText)
}

// ofTwo is ln sqrt(2 pi 2), for two errors.
var ofTwo = math.Log(4*math.Pi) / 2

// add appends to the expression.
func (w *ruleWriter) add(parts ...string) {
	for _, p := range parts {
		w.d.expr = append(w.d.expr, p...)
	}
}

// resetAt is the error ratio over the last minutes above which a tier's trouble goes on: a third of what the tier fires
// at, about half-way between the two in likelihood, so that chance neither ends it nor begins it again. Tickets want
// three quarters of the budget at least, or a service that is well would never get there.
func (t Tier) resetAt(budget float64) float64 {
	limit, _ := t.threshold(budget)
	if t.Severity == "ticket" {
		return round12(max(limit/3, 0.75*budget))
	}
	return round12(limit / 3)
}

// guard returns the probability in force.
func (s SLO) guard(judged bool) float64 {
	switch {
	case s.Alerting.Guard > 0:
		return s.Alerting.Guard
	case judged:
		return DefaultSliceGuard
	}
	return DefaultGuard
}

// reading returns how an alert reads a recorded series: as it is where its own group has just recorded it.
func (w *ruleWriter) reading(t Tier, metric string, window time.Duration) string {
	switch {
	case window == w.Window.Length():
		return w.latest(metric, w.periodStep())
	case window > fastest:
		return w.latest(metric, w.step)
	case t.Severity == "page":
		return metric + w.selector
	default:
		return w.latest(metric, w.Interval)
	}
}

// noData fires when the targets are lost: none of the SLI's targets is up, and nothing is counted any more. A service
// that is up and idle counts zero events, and its budget is none the worse.
func (w *ruleWriter) noData() {
	d := w.d
	d.alert, d.name, d.keepFiring, d.plain = true, w.Alerting.Name, 0, false
	d.pending = min(max(3*w.Interval, 15*time.Second), 5*time.Minute)
	d.expr = d.expr[:0]
	w.add("absent(up{", w.target, "} == 1)\nunless on ()\nsum(", w.totalDelta(), w.selector, ") > 0")
	w.alertLabels("page", TierNoData)
	d.annotations = append(d.annotations[:0],
		pair{"summary", "No target matching " + escapeTemplate("{"+w.target+"}") + " is up, so nothing of " + w.ID + " is measured. While it lasts the promise is neither kept nor broken; it is unknown."},
		pair{"title", "(page) " + w.Service + " " + w.Name + " has no data: its targets are lost"})
	w.addRunbook(w.noDataURL)
	w.to.rule(d)
}

func (w *ruleWriter) alertLabels(severity, tier string) {
	d := w.d
	d.labels = d.labels[:0]
	more := w.Alerting.PageLabels
	if severity != "page" {
		more = w.Alerting.TicketLabel
	}
	for _, m := range []map[string]string{w.Labels, w.Alerting.Labels, more} {
		for name, value := range m {
			d.labels = set(d.labels, name, value)
		}
	}
	for _, p := range w.id {
		d.labels = set(d.labels, p.name, p.value)
	}
	d.labels = set(set(d.labels, "sloth_severity", severity), "sloth_tier", tier)
}
