package slo

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
)

// TierNoData is the sloth_tier label of the alert that a promise's targets are lost.
const TierNoData = "no-data"

func (w ruleWriter) pageAlerts() []Rule {
	if w.Alerting.PageOff {
		return nil
	}
	var out []Rule
	for _, t := range w.tiers {
		if t.Severity == "page" {
			out = append(out, w.burnAlert(t))
		}
	}
	if w.target != "" {
		out = append(out, w.noData())
	}
	return out
}

func (w ruleWriter) ticketAlerts() []Rule {
	if w.Alerting.TicketOff {
		return nil
	}
	var out []Rule
	for _, t := range w.tiers {
		if t.Severity == "ticket" {
			out = append(out, w.burnAlert(t))
		}
	}
	return out
}

// burnAlert fires while the budget burns too fast over both windows: the long one says that it matters, the short one
// that it still goes on. A slower tier also wants it to go on over the fastest tier's short window, and then fires for
// that long again: so all tiers end soon after the trouble, and an incident can resolve, where the slow tiers' own short
// windows would remember an outage for half an hour to six hours; and a burn about as fast as the tier does not flap. The
// last condition keeps a handful of errors in little traffic from paging: with mu the errors
// that the objective itself allows in the long window, there must be more than 1 + mu + 3 sqrt(mu) of them, which only
// asks for anything where mu is below about one.
func (w ruleWriter) burnAlert(t Tier) Rule {
	limit, capped := t.threshold(w.budget)
	bound := fmt.Sprintf("(%s * %s)", number(t.Factor), number(w.budget))
	if capped {
		bound = number(limit)
	}
	short, long, count := w.reading(t, ratioMetric(t.Short), t.Short), w.reading(t, ratioMetric(t.Long), t.Long), w.reading(t, countMetric(t.Long), t.Long)
	allowed := number(w.budget) + " * " + count
	expr := fmt.Sprintf("max without (sloth_window) (%s) > %s\nand\nmax without (sloth_window) (%s) > %s\nand\n"+
		"max without (sloth_window) (%s) * %s\n  > 1 + %s + 3 * sqrt(%s)", short, bound, long, bound, long, count, allowed, allowed)
	reset := w.tiers[0].Short
	if t.Short > reset {
		expr += fmt.Sprintf("\nand\nmax without (sloth_window) (%s) > %s", w.reading(t, ratioMetric(reset), reset), bound)
	}
	r := Rule{Alert: w.Alerting.Name, Expr: expr, Labels: w.alertLabels(t.Severity, t.Name), Annotations: w.burnAnnotations(t)}
	r.Labels["long"], r.Labels["short"] = promDuration(t.Long), promDuration(t.Short)
	if t.Short > reset {
		r.KeepFiringFor = reset
	}
	return r
}

// reading returns how an alert reads a recorded series: as it is where its own group has just recorded it.
func (w ruleWriter) reading(t Tier, metric string, window time.Duration) string {
	fast := window <= fastest && window != w.Window.Length()
	switch {
	case !fast:
		return w.latest(metric, w.step)
	case t.Severity == "page":
		return w.recorded(metric)
	default:
		return w.latest(metric, w.Interval)
	}
}

// noData fires when the targets are lost: none of the SLI's targets is up, and nothing is counted any more. A service
// that is up and idle counts zero events, and its budget is none the worse.
func (w ruleWriter) noData() Rule {
	total := w.recorded(w.totalDelta())
	expr := fmt.Sprintf("(absent(%s) or sum by (sloth_id, sloth_service, sloth_slo) (%s) == 0)\nand on ()\nabsent(up{%s} == 1)", total, total, w.target)
	r := Rule{Alert: w.Alerting.Name, Expr: expr, For: min(max(3*w.Interval, 15*time.Second), 5*time.Minute), Labels: w.alertLabels("page", TierNoData)}
	r.Annotations = map[string]string{
		"title":   fmt.Sprintf("(page) %s %s has no data: its targets are lost", w.Service, w.Name),
		"summary": fmt.Sprintf("No target matching %s is up, so nothing of %s is measured. While it lasts the promise is neither kept nor broken; it is unknown.", escapeTemplate("{"+w.target+"}"), w.ID),
	}
	addRunbook(r.Annotations, w.noDataURL)
	return r
}

func (w ruleWriter) alertLabels(severity, tier string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, w.Labels)
	maps.Copy(out, w.Alerting.Labels)
	if severity == "page" {
		maps.Copy(out, w.Alerting.PageLabels)
	} else {
		maps.Copy(out, w.Alerting.TicketLabel)
	}
	maps.Copy(out, w.idLabels())
	out["sloth_severity"], out["sloth_tier"] = severity, tier
	return out
}

// burnAnnotations tell people what happens and programs what it costs: budget_spent is the share of the period's budget
// that is gone (0.25 is a quarter) and hours_to_exhaustion how long the rest lasts at the present burn; each is empty
// while there is nothing to compute it from.
func (w ruleWriter) burnAnnotations(t Tier) map[string]string {
	whom := ""
	for _, l := range w.BudgetBy {
		whom += fmt.Sprintf("{{ with $labels.%s }} for %s {{ . }}{{ end }}", l, l)
	}
	spent := w.atLabels("slo:period_burn_rate:ratio")
	left := fmt.Sprintf("clamp_min(1 - max(%s), 0) / (max(%s) / %s) * %s < 1e6",
		spent, w.atLabels(ratioMetric(t.Long)), number(w.budget), number(round6(w.Window.Length().Hours())))
	out := map[string]string{
		"title": fmt.Sprintf("(%s) %s %s SLO error budget burn rate is too fast%s", t.Severity, w.Service, w.Name, whom),
		"summary": fmt.Sprintf("{{ $value | humanizePercentage }} of events failed over the last %s%s: the error budget of %s%% is being spent at more than %s times the allowed rate over %s and %s.",
			promDuration(t.Short), whom, w.Objective, number(t.Factor), promDuration(t.Short), promDuration(t.Long)),
		"budget_spent":        w.ask("max("+spent+")", "%.4f"),
		"hours_to_exhaustion": w.ask(left, "%.1f"),
	}
	addRunbook(out, w.runbook)
	maps.Copy(out, w.Alerting.Annotations)
	if t.Severity == "page" {
		maps.Copy(out, w.Alerting.PageAnnotations)
	} else {
		maps.Copy(out, w.Alerting.TicketAnnotations)
	}
	return out
}

// atLabels returns a recorded series' selector with a %q for each of the alert's budget labels.
func (w ruleWriter) atLabels(metric string) string {
	sel := fmt.Sprintf("%s{sloth_id=%s", metric, strconv.Quote(w.ID))
	for _, l := range w.BudgetBy {
		sel += ", " + l + "=%q"
	}
	return sel + "}"
}

// ask returns a template that prints the query's value in the format, and nothing where there is none. The query's %q
// are filled with the alert's budget labels, quoted as PromQL quotes.
func (w ruleWriter) ask(query, format string) string {
	args := ""
	for range strings.Count(query, "%q") / max(1, len(w.BudgetBy)) {
		for _, l := range w.BudgetBy {
			args += " $labels." + l
		}
	}
	return fmt.Sprintf("{{ with printf %s%s | query }}{{ . | first | value | printf %s }}{{ end }}", strconv.Quote(query), args, strconv.Quote(format))
}

func addRunbook(annotations map[string]string, url string) {
	if url != "" {
		annotations["runbook_url"] = url
	}
}

func (s SLO) runbookURL(o RuleOptions) string {
	if strings.HasPrefix(s.Alerting.Runbook, "https://") || strings.HasPrefix(s.Alerting.Runbook, "http://") {
		return s.Alerting.Runbook
	}
	if o.RunbookURL == nil {
		return ""
	}
	return o.RunbookURL(s)
}

// escapeTemplate keeps text with braces from being read as a template.
func escapeTemplate(text string) string {
	if !strings.Contains(text, "{{") {
		return text
	}
	return "{{ " + strconv.Quote(text) + " }}"
}
