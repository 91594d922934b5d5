package slo

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestSlothsDashboardsFindTheirSeries: what Sloth's Grafana dashboards and its own server select on is there, with the
// labels that they join and filter by.
func TestSlothsDashboardsFindTheirSeries(t *testing.T) {
	t.Parallel()
	s := shop(t)
	l := newLab(t, s)
	(&traffic{every: 30 * time.Second, perScrape: 300, to: time.Hour, errorsOf: outage("acme", 30*time.Minute, time.Hour, 0.5, 300)}).feed(l)
	l.run(time.Hour)
	const id = `sloth_id="shop-availability", sloth_service="shop", sloth_slo="availability"`
	for _, window := range []string{"5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d"} {
		selector := fmt.Sprintf("last_over_time(slo:sli_error:ratio_rate%[1]s{%[2]s, sloth_window=%[1]q, tenant=\"acme\"}[10m])", window, id)
		if got := l.query(selector); len(got) != 1 {
			t.Errorf("%s selects %d series", selector, len(got))
		}
	}
	for _, selector := range []string{
		"slo:objective:ratio{" + id + "}", "slo:error_budget:ratio{" + id + "}", "slo:time_period:days{" + id + "}",
		"sloth_slo_info{" + id + `, sloth_mode!="", sloth_version!="", sloth_spec="nines/v1", sloth_objective="99.9", tier="1"}`,
		"slo:current_burn_rate:ratio{" + id + `, tenant="acme"}`, "slo:period_burn_rate:ratio{" + id + `, tenant="acme"}`,
		"slo:period_error_budget_remaining:ratio{" + id + `, tenant="acme"}`,
		// How the dashboards join a window's ratio with the budget.
		"slo:sli_error:ratio_rate5m{" + id + "} / on (sloth_id, sloth_slo, sloth_service) group_left slo:error_budget:ratio{" + id + `} and ignoring (sloth_window) slo:sli_error:ratio_rate5m{tenant="acme"}`,
	} {
		if got := l.query(selector); len(got) != 1 {
			t.Errorf("%s selects %d series", selector, len(got))
		}
	}
	page := false
	for _, a := range l.alerts() {
		page = page || strings.Contains(a.Labels.String(), `sloth_severity="page"`) && a.Labels.Get("sloth_id") == s.ID
	}
	if !page {
		t.Error("no alert that carries sloth_id and sloth_severity")
	}
}
