package slo

import (
	"encoding/json"
	"slices"
)

// SeriesOf names the ledger series of a recorded increment: of the labels only the SLO's GroupBy count, and one that is
// missing is the empty string, as in PromQL.
func (s SLO) SeriesOf(labels map[string]string) Series {
	out := Series{SLO: s.ID, Group: "{}"}
	rest := map[string]string{}
	for _, l := range s.GroupBy {
		switch l {
		case "tenant":
			out.Tenant = labels[l]
		case "region":
			out.Region = labels[l]
		default:
			rest[l] = labels[l]
		}
	}
	if len(rest) > 0 {
		text, _ := json.Marshal(rest) // a map of strings; its keys come out sorted
		out.Group = string(text)
	}
	return out
}

// Labels returns the labels of the series: the further GroupBy labels, and tenant and region where they are not "".
func (s Series) Labels() map[string]string {
	labels := map[string]string{}
	if s.Group != "" && s.Group != "{}" {
		_ = json.Unmarshal([]byte(s.Group), &labels) // written by SeriesOf; a foreign text names no labels
	}
	if s.Tenant != "" {
		labels["tenant"] = s.Tenant
	}
	if s.Region != "" {
		labels["region"] = s.Region
	}
	return labels
}

// BudgetLabels returns the values of the SLO's BudgetBy labels in the series; a missing one is "".
func (s SLO) BudgetLabels(series Series) map[string]string {
	out := make(map[string]string, len(s.BudgetBy))
	if len(s.BudgetBy) == 0 {
		return out
	}
	labels := series.Labels()
	for _, l := range s.BudgetBy {
		out[l] = labels[l]
	}
	return out
}

// hasLabels reports whether the series belongs to the budget of these labels.
func (s SLO) hasLabels(series Series, labels map[string]string) bool {
	if len(s.BudgetBy) == 0 {
		return true
	}
	of := series.Labels()
	return !slices.ContainsFunc(s.BudgetBy, func(l string) bool { return of[l] != labels[l] })
}

// TotalSeries returns the selector of the recorded increments of all events, one series for each GroupBy value.
func (s SLO) TotalSeries() string { return s.withDefaults().recorded(s.withDefaults().totalDelta()) }

// ErrorSeries returns the selector of the recorded increments of errors. It has a sample wherever TotalSeries has.
func (s SLO) ErrorSeries() string { return s.withDefaults().recorded(s.withDefaults().errorDelta()) }
