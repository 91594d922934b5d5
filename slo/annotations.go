package slo

import "strings"

// told is what the annotations of all tiers share.
type told struct {
	whom  string // " for tenant acme", as a template
	args  string // the budget's labels as arguments of printf
	at    string // a recorded series' selector with a %q for each of the alert's budget labels
	spent string // the annotation budget_spent
}

const spentMetric = "slo:period_burn_rate:ratio"

func (s SLO) told(id string) told {
	t := told{at: "{sloth_id=" + id}
	for _, l := range s.BudgetBy {
		t.whom += "{{ with $labels." + l + " }} for " + l + " {{ . }}{{ end }}"
		t.args += " $labels." + l
		t.at += ", " + l + "=%q"
	}
	t.at += "}"
	t.spent = ask("max("+spentMetric+t.at+")", t.args, "%.4f")
	return t
}

// ask returns a template that prints the query's value in the format, and nothing where there is none. The query's %q
// are filled with the arguments, quoted as PromQL quotes.
func ask(query, args, format string) string {
	return "{{ with printf " + quote(query) + args + " | query }}{{ . | first | value | printf \"" + format + "\" }}{{ end }}"
}

// burnAnnotations tell people what happens and programs what it costs: budget_spent is the share of the period's budget
// that is gone (0.25 is a quarter) and hours_to_exhaustion how long the rest lasts at the present burn; each is empty
// while there is nothing to compute it from.
func (w *ruleWriter) burnAnnotations(t Tier) {
	long, short := promDuration(t.Long), promDuration(t.Short)
	left := "clamp_min(1 - max(" + spentMetric + w.told.at + "), 0) / (max(slo:sli_error:ratio_rate" + long + w.told.at + ") / " + w.budgetText + ") * " +
		number(round6(w.Window.Length().Hours())) + " < 1e6"
	d := w.d
	d.annotations = append(d.annotations[:0],
		pair{"budget_spent", w.told.spent},
		pair{"hours_to_exhaustion", ask(left, w.told.args+w.told.args, "%.1f")},
		pair{"summary", "{{ $value | humanizePercentage }} of events failed over the last " + short + w.told.whom + ": the error budget of " + w.Objective.String() +
			"% is being spent at more than " + number(t.Factor) + " times the allowed rate over " + short + " and " + long + "."},
		pair{"title", "(" + t.Severity + ") " + w.Service + " " + w.Name + " SLO error budget burn rate is too fast" + w.told.whom})
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
	return "{{ " + quote(text) + " }}"
}
