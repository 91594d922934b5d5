package slo

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/rulefmt"
	"gopkg.in/yaml.v3"
)

// promtool returns the real tool, whose version is older than the parser we build with, so that nothing newer slips in.
func promtool(t *testing.T) func(dir string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed, so the rules are only checked against the library we build with")
	}
	return func(dir string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), path, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
}

// manySLOs is one of each kind: forms, windows, intervals, groupings, hostile texts.
func manySLOs(t testing.TB) []SLO {
	t.Helper()
	out := []SLO{shop(t)}
	add := func(name, objective, sli, rest string) {
		text := strings.Replace(sliText(sli, rest), "metadata: {name: quality}", "metadata: {name: "+name+"}", 1)
		out = append(out, readOne(t, strings.Replace(text, "objective: 99\n", "objective: "+objective+"\n", 1)))
	}
	events := `{events: {errors: 'e_total{job="api"}', total: 't_total{job="api"}'}}`
	add("latency", "99", `{latency: {histogram: h_seconds, selector: '{job="api"}', threshold: 250ms}}`, "  groupBy: [tenant, region]")
	add("raw", "95", `{raw: {errorRatio: "1 - avg(x) # a comment"}}`, "  window: {calendar: month, zone: Europe/Berlin}")
	add("expr", "99.9", `{events: {errors: 'sum by (tenant) (rate(e_total[{{.window}}])) or vector(0)', total: 'sum by (tenant) (rate(t_total[{{.window}}]))'}}`, "  groupBy: [tenant]\n  budgetBy: []")
	add("week", "99.95", events, "  window: 7d\n  interval: 15s")
	add("four-weeks", "90", events, "  window: 28d")
	add("quarter", "50", events, "  window: 90d\n  interval: 5m")
	add("trial", "99", events, "  window: 24m\n  interval: 1s")
	add("odd-text", "99.9", `{events: {errors: 'e_total{job="a\"b\\c{{}}é%"}', total: 't_total{job="a\"b\\c{{}}é%"}'}}`,
		"  description: \"a: b # c\\n- d\"\n  alerting: {name: \"It's {{ bad }}: #1\", annotations: {summary: \"{{ $labels.tenant }}: 'x' \\\" \\\\ \\t é\", note: \"{{ $value }} %\"}}")
	return out
}

func marshalAll(t testing.TB, slos []SLO) []byte {
	t.Helper()
	return marshalWith(t, slos, RuleOptions{RunbookURL: func(s SLO) string { return "https://nines.example/runbooks/" + s.ID }})
}

func marshalWith(t testing.TB, slos []SLO, o RuleOptions) []byte {
	t.Helper()
	var all []RuleGroups
	for _, s := range slos {
		rg, err := s.RulesWith(o)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rg)
	}
	text, err := MarshalRules(all)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestRulesOfEveryKindLoadInBothPrometheuses(t *testing.T) {
	t.Parallel()
	text := marshalAll(t, manySLOs(t))
	if _, errs := rulefmt.Parse(text, false); len(errs) > 0 {
		t.Fatal("the library refuses them:", errs)
	}
	if again := marshalAll(t, manySLOs(t)); !bytes.Equal(text, again) {
		t.Error("the same definitions gave other bytes")
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var one, two any
	if err := dec.Decode(&one); err != nil {
		t.Fatal(err)
	}
	if err := dec.Decode(&two); err == nil {
		t.Error("there is a second YAML document, which Prometheus would not load")
	}
	run, dir := promtool(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rules.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	run(dir, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")
}

// TestPromtoolAgrees runs the recorded figures and the alerts of an outage in the real promtool, as a user would in CI.
// Its evaluation times are whole minutes and its ranges are closed at both ends.
func TestPromtoolAgrees(t *testing.T) {
	t.Parallel()
	run, dir := promtool(t), t.TempDir()
	s := shop(t)
	s.Alerting.TicketOff = true
	// promtool runs the groups of a minute in any order, so what depends on another group is set aside here.
	s.Alerting.Annotations = map[string]string{"budget_spent": "-", "hours_to_exhaustion": "-"}
	if err := os.WriteFile(filepath.Join(dir, "rules.yaml"), marshalAll(t, []SLO{s}), 0o600); err != nil {
		t.Fatal(err)
	}
	// 100 requests a minute for an hour; then for ten minutes every second one fails, in a series that did not exist.
	unit := fmt.Sprintf(`
rule_files: [rules.yaml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'http_requests_total{job="shop",instance="a",tenant="acme",region="eu",code="200"}', values: '0+100x60 6050+50x9 6600+100x60'}
      - {series: 'http_requests_total{job="shop",instance="a",tenant="acme",region="eu",code="500"}', values: '_x61 50+50x9 500+0x60'}
      - {series: 'up{job="shop",instance="a"}', values: '1+0x140'}
    promql_expr_test:
      - {expr: 'sum(sum_over_time(%[1]s[2h]))', eval_time: 80m, exp_samples: [{value: 500}]}
      - {expr: 'sum(sum_over_time(%[2]s[2h]))', eval_time: 80m, exp_samples: [{value: 7900}]}
      - {expr: 'slo:sli_error:ratio_rate5m * 100', eval_time: 70m, exp_samples: [{labels: '{sloth_id="shop-availability",sloth_service="shop",sloth_slo="availability",sloth_window="5m",tenant="acme"}', value: 50}]}
    alert_rule_test:
      - {alertname: ShopAvailabilityBurn, eval_time: 59m}
      - alertname: ShopAvailabilityBurn
        eval_time: 63m
        exp_alerts:
          - exp_labels: {sloth_severity: page, sloth_tier: page-fast, sloth_id: shop-availability, sloth_service: shop, sloth_slo: availability, tenant: acme, tier: "1", long: 1h, short: 5m}
            exp_annotations:
              title: "(page) shop availability SLO error budget burn rate is too fast for tenant acme"
              summary: "16.67%% of events failed over the last 5m for tenant acme: the error budget of 99.9%% is being spent at more than 14.4 times the allowed rate over 5m and 1h."
              runbook_url: https://nines.example/runbooks/shop-availability
              budget_spent: "-"
              hours_to_exhaustion: "-"
          - exp_labels: {sloth_severity: page, sloth_tier: page-slow, sloth_id: shop-availability, sloth_service: shop, sloth_slo: availability, tenant: acme, tier: "1", long: 6h, short: 30m}
            exp_annotations:
              title: "(page) shop availability SLO error budget burn rate is too fast for tenant acme"
              summary: "3.226%% of events failed over the last 30m for tenant acme: the error budget of 99.9%% is being spent at more than 6 times the allowed rate over 30m and 6h."
              runbook_url: https://nines.example/runbooks/shop-availability
              budget_spent: "-"
              hours_to_exhaustion: "-"
`, s.ErrorSeries(), s.TotalSeries())
	if err := os.WriteFile(filepath.Join(dir, "unit.yaml"), []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	run(dir, "test", "rules", "unit.yaml")
}

func TestOneBadSLODoesNotChangeAnother(t *testing.T) {
	t.Parallel()
	if _, err := (SLO{ID: "a-b", Service: "a", Name: "b", Objective: 100, SLI: SLI{ErrorQuery: "e", TotalQuery: "t"}}).Rules(); err == nil {
		t.Error("an objective of 100 has no budget, yet there are rules")
	}
	if _, err := (SLO{ID: "a-b", Service: "a", Name: "b", Objective: 99, SLI: SLI{ErrorQuery: "irate(e[5m])", TotalQuery: "t"}}).Rules(); err == nil {
		t.Error("an SLI that cannot be counted has rules")
	}
	rg, _ := shop(t).Rules()
	if _, err := MarshalRules([]RuleGroups{rg, rg}); err == nil {
		t.Error("two SLOs of the same id were written")
	}
}

func TestTiersOfOtherWindows(t *testing.T) {
	t.Parallel()
	type tier struct {
		factor      float64
		long, short time.Duration
	}
	for _, c := range []struct {
		name     string
		window   Window
		interval time.Duration
		want     [4]tier
	}{
		{"30 days", Window{Rolling: DefaultRolling}, time.Minute, [4]tier{{14.4, time.Hour, 5 * time.Minute}, {6, 6 * time.Hour, 30 * time.Minute}, {3, 24 * time.Hour, 2 * time.Hour}, {1, 72 * time.Hour, 6 * time.Hour}}},
		{"a calendar month", Window{Calendar: "month"}, time.Minute, [4]tier{{14.4, time.Hour, 5 * time.Minute}, {6, 6 * time.Hour, 30 * time.Minute}, {3, 24 * time.Hour, 2 * time.Hour}, {1, 72 * time.Hour, 6 * time.Hour}}},
		{"28 days as Sloth has them", Window{Rolling: 28 * 24 * time.Hour}, time.Minute, [4]tier{{13.44, time.Hour, 5 * time.Minute}, {5.6, 6 * time.Hour, 30 * time.Minute}, {2.8, 24 * time.Hour, 2 * time.Hour}, {0.933333, 72 * time.Hour, 6 * time.Hour}}},
		{"a week", Window{Rolling: 7 * 24 * time.Hour}, time.Minute, [4]tier{{14.4, 14 * time.Minute, 3 * time.Minute}, {6, 84 * time.Minute, 7 * time.Minute}, {3, 336 * time.Minute, 28 * time.Minute}, {1, 1008 * time.Minute, 84 * time.Minute}}},
		{"a day, whose windows cannot shrink below a few intervals", Window{Rolling: 24 * time.Hour}, time.Minute, [4]tier{{4.8, 6 * time.Minute, 3 * time.Minute}, {6, 12 * time.Minute, 3 * time.Minute}, {3, 48 * time.Minute, 4 * time.Minute}, {1, 144 * time.Minute, 12 * time.Minute}}},
	} {
		s := SLO{Window: c.window, Interval: c.interval}
		for i, got := range s.Tiers() {
			if want := c.want[i]; got.Factor != want.factor || got.Long != want.long || got.Short != want.short {
				t.Errorf("%s, %s: %v over %v and %v, want %v", c.name, got.Name, got.Factor, got.Long, got.Short, want)
			}
		}
	}
}

func TestATotalOutageIsAlwaysAboveTheThreshold(t *testing.T) {
	t.Parallel()
	for _, o := range []Objective{1, 10, 50, 90, 93, 95, 99, 99.9} {
		for _, tier := range (SLO{}).Tiers() {
			limit, _ := tier.threshold(o.Budget())
			if limit >= 1 || limit < o.Budget()*min(1, tier.Factor)-1e-12 {
				t.Errorf("%v %s: threshold %v", o, tier.Name, limit)
			}
		}
	}
}
