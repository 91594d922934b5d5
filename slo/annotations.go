package slo

import (
	"strconv"
	"strings"
)

// burnAnnotations tell people what happens and programs what it costs: budget_spent is the share of the period's budget
// that is gone (0.25 is a quarter) and hours_to_exhaustion how long the rest lasts at the present burn; each is empty
// while there is nothing to compute it from.
func (w *ruleWriter) burnAnnotations(t Tier) {
	whom := ""
	for _, l := range w.BudgetBy {
		whom += "{{ with $labels." + l + " }} for " + l + " {{ . }}{{ end }}"
	}
	spent, long, short := w.atLabels("slo:period_burn_rate:ratio"), promDuration(t.Long), promDuration(t.Short)
	left := "clamp_min(1 - max(" + spent + "), 0) / (max(" + w.atLabels(ratioMetric(t.Long)) + ") / " + number(w.budget) + ") * " +
		number(round6(w.Window.Length().Hours())) + " < 1e6"
	d := w.d
	d.annotations = append(d.annotations[:0],
		pair{"budget_spent", w.ask("max("+spent+")", "%.4f")},
		pair{"hours_to_exhaustion", w.ask(left, "%.1f")},
		pair{"summary", "{{ $value | humanizePercentage }} of events failed over the last " + short + whom + ": the error budget of " + w.Objective.String() +
			"% is being spent at more than " + number(t.Factor) + " times the allowed rate over " + short + " and " + long + "."},
		pair{"title", "(" + t.Severity + ") " + w.Service + " " + w.Name + " SLO error budget burn rate is too fast" + whom})
	w.addRunbook(w.runbook)
	more := w.Alerting.PageAnnotations
	if t.Severity != "page" {
		more = w.Alerting.TicketAnnotations
	}
	for _, m := range []map[string]string{w.Alerting.Annotations, more} {
		for name, value := range m {
			d.annotations = set(d.annotations, name, value)
		}
	}
}

// atLabels returns a recorded series' selector with a %q for each of the alert's budget labels.
func (w *ruleWriter) atLabels(metric string) string {
	sel := metric + "{sloth_id=" + strconv.Quote(w.ID)
	for _, l := range w.BudgetBy {
		sel += ", " + l + "=%q"
	}
	return sel + "}"
}

// ask returns a template that prints the query's value in the format, and nothing where there is none. The query's %q
// are filled with the alert's budget labels, quoted as PromQL quotes.
func (w *ruleWriter) ask(query, format string) string {
	args := ""
	for range strings.Count(query, "%q") / max(1, len(w.BudgetBy)) {
		for _, l := range w.BudgetBy {
			args += " $labels." + l
		}
	}
	return "{{ with printf " + strconv.Quote(query) + args + " | query }}{{ . | first | value | printf " + strconv.Quote(format) + " }}{{ end }}"
}

func (w *ruleWriter) addRunbook(url string) {
	if url != "" {
		w.d.annotations = set(w.d.annotations, "runbook_url", url)
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
