package openslo

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
)

func documents(t testing.TB, text string) []manifest.Document {
	t.Helper()
	docs, problems := manifest.Read(manifest.File{Name: "f.yaml", Text: text})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return docs
}

func readAll(t testing.TB, text string) ([]slo.SLO, slo.Notes) {
	t.Helper()
	promises, notes, problems := Read(documents(t, text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var slos []slo.SLO
	for _, p := range promises {
		slos = append(slos, p.SLO)
	}
	return slos, notes
}

// whole refers to a document of every kind.
const whole = `apiVersion: openslo/v1
kind: SLO
metadata:
  name: availability
  displayName: The shop answers
  labels: {team: [a, b], tier.level: "1", owner: shop-team}
  annotations: {example.com/x: y}
spec:
  description: Requests that are not errors.
  service: shop
  indicatorRef: answered
  timeWindow:
    - duration: 4w
      isRolling: true
  budgetingMethod: Occurrences
  objectives:
    - displayName: Good
      target: 0.999
  alertPolicies:
    - alertPolicyRef: on-call
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: answered}
spec:
  description: d
  ratioMetric:
    counter: true
    bad: {metricSource: {metricSourceRef: main, spec: {query: 'sum by (tenant) (rate(e_total{job="shop"}[5m]))'}}}
    total: {metricSource: {metricSourceRef: main, spec: {query: 'sum by (tenant) (rate(t_total{job="shop"}[5m]))'}}}
---
- apiVersion: openslo/v1
  kind: DataSource
  metadata: {name: main}
  spec: {type: prometheus, connectionDetails: [{url: "http://prometheus.example.com"}]}
- apiVersion: openslo/v1
  kind: AlertPolicy
  metadata: {name: on-call}
  spec:
    alertWhenNoData: true
    alertWhenBreaching: true
    conditions: [{conditionRef: fast}, {kind: AlertCondition, metadata: {name: Slow Burn}, spec: {severity: warning, condition: {kind: burnrate, op: gte, threshold: 2, lookbackWindow: 1d}}}]
    notificationTargets: [{targetRef: pager}]
- apiVersion: openslo/v1
  kind: AlertCondition
  metadata: {name: fast}
  spec: {severity: page, condition: {kind: burnrate, op: gt, threshold: 10, lookbackWindow: 1h, alertAfter: 5m}}
- {apiVersion: openslo/v1, kind: AlertNotificationTarget, metadata: {name: pager}, spec: {target: pagerduty}}
- {apiVersion: openslo/v1, kind: Service, metadata: {name: shop}, spec: {description: x}}
`

func TestDocumentsOfEveryKindMakeOneSLO(t *testing.T) {
	t.Parallel()
	promises, notes, problems := Read(documents(t, whole))
	if len(problems)+len(notes) > 0 || len(promises) != 1 {
		t.Fatal(problems, notes, len(promises))
	}
	want := slo.SLO{
		ID: "shop-availability", Service: "shop", Name: "availability", Description: "Requests that are not errors.", Owner: "shop-team",
		Objective: 99.9, Window: slo.Window{Rolling: 28 * day}, Interval: time.Minute, Settle: 10 * time.Second,
		SLI:     slo.SLI{ErrorQuery: `sum by (tenant) (rate(e_total{job="shop"}[{{.window}}]))`, TotalQuery: `sum by (tenant) (rate(t_total{job="shop"}[{{.window}}]))`},
		GroupBy: []string{"tenant"}, BudgetBy: []string{"tenant"}, Labels: map[string]string{"team": "a,b", "tier_level": "1", "owner": "shop-team"},
		Alerting: slo.Alerting{Name: "ShopAvailabilityBurn", Labels: map[string]string{"notification_target": "pager"}, Tiers: []slo.Tier{
			{Name: "fast", Severity: "page", Factor: 10, Long: time.Hour, Short: 5 * time.Minute},
			{Name: "slow-burn", Severity: "ticket", Factor: 2, Long: day, Short: 2 * time.Hour},
		}},
		Spec: V1,
	}
	if diff := cmp.Diff(want, promises[0].SLO, cmpopts.IgnoreFields(slo.SLO{}, "Parsed")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var uses []string
	for _, d := range promises[0].Uses {
		uses = append(uses, d.Kind+"/"+d.Metadata.Name)
	}
	if diff := cmp.Diff([]string{"AlertPolicy/on-call", "AlertCondition/fast", "SLI/answered", "DataSource/main"}, uses); diff != "" {
		t.Errorf("what it is made of (-want +got):\n%s", diff)
	}
}

// one returns an SLO document around its indicator, window and objectives.
func one(metric, rest string) string {
	return "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: s}\nspec:\n  service: web\n  indicator: {metadata: {name: i}, spec: {" + metric + "}}\n" + rest
}

// source is a Prometheus metric.
func source(query string) string {
	return "{metricSource: {type: Prometheus, spec: {query: '" + query + "'}}}"
}

func ratio(bad string) string {
	return "ratioMetric: {bad: " + source(bad) + ", total: " + source("t_total") + "}"
}

func TestIndicators(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, metric, rest string
		want               slo.SLI
		slices             slo.Slices
		interval           time.Duration
	}{
		{"bad events", ratio("e_total"), "  objectives: [{target: 0.99}]", slo.SLI{ErrorQuery: "e_total", TotalQuery: "t_total"}, slo.Slices{}, time.Minute},
		{"good events of a counter", "ratioMetric: {counter: true, good: " + source("sum(g)") + ", total: " + source("sum(t)") + "}", "  objectives: [{targetPercent: 99}]",
			slo.SLI{GoodQuery: "sum(increase(g[{{.window}}]))", TotalQuery: "sum(increase(t[{{.window}}]))"}, slo.Slices{}, time.Minute},
		{"numbers that go up and down", "ratioMetric: {counter: false, good: " + source("ready") + ", total: " + source("wanted") + "}", "  objectives: [{target: 0.99}]",
			slo.SLI{GoodQuery: "sum_over_time(ready[{{.window}}])", TotalQuery: "sum_over_time(wanted[{{.window}}])"}, slo.Slices{}, time.Minute},
		{"time slices", ratio("e_total"), "  budgetingMethod: Timeslices\n  objectives: [{target: 0.99, timeSliceTarget: 0.95, timeSliceWindow: 5m}]",
			slo.SLI{ErrorQuery: "e_total", TotalQuery: "t_total"}, slo.Slices{Target: 95}, 5 * time.Minute},
		{"ratios of time slices, in minutes", ratio("e_total"), "  budgetingMethod: RatioTimeslices\n  objectives: [{target: 0.99, timeSliceWindow: 1}]",
			slo.SLI{ErrorQuery: "e_total", TotalQuery: "t_total"}, slo.Slices{Ratio: true}, time.Minute},
		{"half-minute slices", ratio("e_total"), "  budgetingMethod: RatioTimeslices\n  objectives: [{target: 0.99, timeSliceWindow: 0.5}]",
			slo.SLI{ErrorQuery: "e_total", TotalQuery: "t_total"}, slo.Slices{Ratio: true}, 30 * time.Second},
		{"a ratio of failures", "ratioMetric: {rawType: failure, raw: " + source("avg(bad)") + "}", "  objectives: [{target: 0.99}]", slo.SLI{RatioQuery: "avg(bad)"}, slo.Slices{}, time.Minute},
		{"a ratio of successes", "ratioMetric: {rawType: success, raw: " + source("avg(ok)") + "}", "  objectives: [{target: 0.99}]", slo.SLI{RatioQuery: "1 - (\navg(ok)\n)"}, slo.Slices{}, time.Minute},
		{"slices by a ratio of failures", "ratioMetric: {rawType: failure, raw: " + source("avg(bad)") + "}", "  budgetingMethod: Timeslices\n  objectives: [{target: 0.99, timeSliceTarget: 0.9, timeSliceWindow: 1m}]",
			slo.SLI{Value: "avg(bad)", Op: "<=", Bound: 0.1}, slo.Slices{}, time.Minute},
		{"a threshold", "thresholdMetric: " + source("max(lag)"), "  objectives: [{op: lte, value: 300, target: 0.99}]", slo.SLI{Value: "max(lag)", Op: "<=", Bound: 300}, slo.Slices{}, time.Minute},
		{"a threshold at zero", "thresholdMetric: " + source("min_over_time(up[2m])"), "  objectives: [{op: gt, value: 0, target: 0.99}]", slo.SLI{Value: "min_over_time(up[2m])", Op: ">"}, slo.Slices{}, time.Minute},
	} {
		slos, _ := readAll(t, one(c.metric, c.rest))
		if len(slos) != 1 {
			t.Errorf("%s: read %d SLOs", c.name, len(slos))
			continue
		}
		s := slos[0]
		if diff := cmp.Diff(c.want, s.SLI); diff != "" || s.Slices != c.slices || s.Interval != c.interval || s.Objective != 99 {
			t.Errorf("%s: objective %v, slices %v, interval %v (-want +got):\n%s", c.name, s.Objective, s.Slices, s.Interval, diff)
		}
		if _, err := s.Rules(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestWindows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want slo.Window
	}{
		{"{duration: 30d, isRolling: true}", slo.Window{Rolling: 30 * day}},
		{"{duration: 4w}", slo.Window{Rolling: 28 * day}},
		{"{duration: 1M, isRolling: true}", slo.Window{Rolling: 30 * day}},
		{"{duration: 1M, isRolling: false}", slo.Window{Calendar: "month", Zone: "UTC"}},
		{"{duration: 1M, calendar: {startTime: 2024-05-01 00:00:00, timeZone: Europe/Berlin}}", slo.Window{Calendar: "month", Zone: "Europe/Berlin"}},
		{"{duration: 1M, calendar: {startTime: 2024-05-15 00:00:00, timeZone: Europe/Berlin}}", slo.Window{Calendar: "month", Zone: "Europe/Berlin", Start: "2024-05-15T00:00:00"}},
		{"{duration: 1w, isRolling: false, calendar: {startTime: 2022-01-01 12:00:00, timeZone: America/New_York}}", slo.Window{Calendar: "week", Zone: "America/New_York", Start: "2022-01-01T12:00:00"}},
		{"{duration: 1w, calendar: {startTime: 2024-01-01 00:00:00}}", slo.Window{Calendar: "week", Zone: "UTC"}}, // a Monday
		{"{duration: 1d, calendar: {timeZone: UTC}}", slo.Window{Calendar: "day", Zone: "UTC"}},
		{"{duration: 1Q, calendar: {startTime: 2024-10-01 00:00:00}}", slo.Window{Calendar: "quarter", Zone: "UTC"}},
		{"{duration: 1Q, calendar: {startTime: 2024-11-01 00:00:00}}", slo.Window{Calendar: "quarter", Zone: "UTC", Start: "2024-11-01T00:00:00"}},
		{"{duration: 1Y, calendar: {startTime: 2024-04-01 00:00:00}}", slo.Window{Calendar: "year", Zone: "UTC", Start: "2024-04-01T00:00:00"}},
		{"{duration: 1m, isRolling: false, calendar: {timeZone: UTC}}", slo.Window{Calendar: "month", Zone: "UTC"}},
	} {
		slos, _ := readAll(t, one(ratio("e_total"), "  objectives: [{target: 0.99}]\n  timeWindow: ["+c.text+"]"))
		if diff := cmp.Diff(c.want, slos[0].Window); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.text, diff)
		}
	}
}

func TestSeveralObjectives(t *testing.T) {
	t.Parallel()
	ids := func(metric, rest string) string {
		slos, _ := readAll(t, one(metric, rest))
		var out []string
		for _, s := range slos {
			for _, one := range s.All() {
				of := ""
				if one.Of != "" {
					of = " of " + one.Of
				}
				out = append(out, one.ID+" "+one.Objective.String()+of)
			}
		}
		return strings.Join(out, "; ")
	}
	threshold := "thresholdMetric: " + source("max(lag)")
	for _, c := range []struct{ name, metric, rest, want string }{
		{"share what is counted", ratio("e"), "  objectives: [{target: 0.99}, {displayName: Stretch Goal, target: 0.999}, {target: 0.9}]",
			"web-s 99; web-s-stretch-goal 99.9 of web-s; web-s-objective-3 90 of web-s"},
		{"count for themselves with another bound", threshold, "  objectives: [{op: lt, value: 5, target: 0.99}, {displayName: hard, op: lt, value: 9, target: 0.999}, {displayName: soft, op: lt, value: 5, target: 0.9}]",
			"web-s-hard 99.9; web-s 99; web-s-soft 90 of web-s"},
		{"count for themselves with alerts of their own", ratio("e"), "  objectives: [{target: 0.99}, {displayName: b, target: 0.9}]\n" +
			"  alertPolicies: [{kind: AlertPolicy, metadata: {name: p}, spec: {conditions: [{kind: AlertCondition, metadata: {name: c}, spec: {severity: page, condition: {op: gt, threshold: 3, lookbackWindow: 1h}}}]}}]",
			"web-s-b 90; web-s 99"},
	} {
		if got := ids(c.metric, c.rest); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// A composite burns as fast as OpenSLO says: the sum of its objectives' burn rates by their weights.
func TestACompositeBurnsByTheSumOfItsObjectives(t *testing.T) {
	t.Parallel()
	inline := func(query string) string { return "indicator: {metadata: {name: x}, spec: {" + ratio(query) + "}}" }
	slos, _ := readAll(t, "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: s}\nspec:\n  service: web\n  objectives:\n  - {displayName: a, target: 0.99, "+inline("e1")+
		"}\n  - {displayName: b, target: 0.999, compositeWeight: 0.5, "+inline("e2")+"}\n")
	if len(slos) != 3 || slos[2].ID != "web-s" || len(slos[2].SLI.Parts) != 2 {
		t.Fatalf("read %+v", slos)
	}
	composite := slos[2]
	ratios := map[string]float64{"web-s-a": 0.004, "web-s-b": 0.0007}
	sum, weights, mean := 0.0, 0.0, 0.0
	for i, part := range composite.SLI.Parts {
		sum += []float64{1, 0.5}[i] * ratios[part.SLO] / slos[i].Objective.Budget()
		mean += part.Weight * ratios[part.SLO]
		weights += part.Weight
	}
	if burn := mean / weights / composite.Objective.Budget(); burn-sum > 1e-6 || sum-burn > 1e-6 || sum < 0.7 {
		t.Errorf("it burns %v, its objectives %v together", burn, sum)
	}
}

func TestWhatCannotBeCountedIsReadAndNoted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, from, to, want string }{
		{"another source", "type: prometheus", "type: Datadog", "f.yaml:30: spec.ratioMetric.total.metricSource.type: was read, but Nines cannot count it: its source is Datadog"},
		{"no such indicator", "indicatorRef: answered", "indicatorRef: unknown", `f.yaml:11: spec.indicatorRef: was read, but there is no SLI named "unknown"`},
		{"no such source", "metadata: {name: main}", "metadata: {name: other}", `there is no DataSource named "main"`},
		{"no such policy", "alertPolicyRef: on-call", "alertPolicyRef: nobody", `f.yaml:20: spec.alertPolicies.0: was read, but there is no AlertPolicy named "nobody"`},
		{"no such condition", "{conditionRef: fast}", "{conditionRef: fest}", `there is no AlertCondition named "fest"`},
	} {
		_, notes := readAll(t, strings.Replace(whole, c.from, c.to, 1))
		if blocking := notes.Blocking(); len(blocking) != 1 || !strings.Contains(blocking[0].String(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, blocking, c.want)
		}
	}
	slos, notes := readAll(t, strings.Replace(whole, "op: gt, threshold: 10", "op: lte, threshold: 10", 1))
	if len(notes) != 1 || notes[0].Blocks || len(slos[0].Alerting.Tiers) != 1 || !slos[0].Alerting.PageOff {
		t.Errorf("a condition on slow burning: %v, %+v", notes, slos[0].Alerting)
	}
	slos, notes = readAll(t, one(ratio("e"), "  objectives: [{target: 0.99}]"))
	if a := slos[0].Alerting; !a.PageOff || !a.TicketOff || !a.NoDataOff || len(notes) != 2 {
		t.Errorf("without a policy nobody is told: %+v, %v", a, notes)
	}
}

func TestEveryProblemNamesItsFieldAndRemedy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to, want string }{
		{"service: shop\n", "servise: shop\n", "f.yaml:10: spec.servise: is not a known field; did you mean service?"},
		{"target: 0.999", "target: 99.9", "f.yaml:18: spec.objectives.0.target: 99.9 is not a share; write 0.999, or targetPercent: 99.9"},
		{"target: 0.999", "target: 1", "spec.objectives.0.target: 100 would mean"},
		{"target: 0.999", "target: 0.999\n      targetPercent: 99", "stands beside target"},
		{"      target: 0.999\n", "", "spec.objectives.0.target: is missing"},
		{"  indicatorRef: answered\n", "", "spec.indicator: is missing; write an indicator, or indicatorRef"},
		{"Occurrences", "Sometimes", `spec.budgetingMethod: "Sometimes" is not known`},
		{"Occurrences", "Timeslices", `f.yaml:17: spec.objectives.0.timeSliceWindow: "" is not a slice`},
		{"budgetingMethod: Occurrences\n", "budgetingMethod: RatioTimeslices\n", "is not a slice; write minutes or a duration"},
		{"duration: 4w", "duration: 4 weeks", `f.yaml:13: spec.timeWindow.0.duration: "4 weeks" is not a duration`},
		{"isRolling: true", "isRolling: false", "4w is not a calendar window that is counted; write 1d, 1w, 1M, 1Q or 1Y, or isRolling: true"},
		{"duration: 4w", "duration: 1h", "f.yaml:13: spec.timeWindow.0: 1h is too short"},
		{`(e_total{job="shop"}[5m])`, `(e_total{job="shop"}[5m]`, "f.yaml:29: spec.ratioMetric.bad.metricSource.spec: is not PromQL"},
		{`sum by (tenant) (rate(e_total`, `sum(rate(e_total`, `f.yaml:29: spec.ratioMetric.bad: is counted by "tenant" elsewhere`},
		{"bad: {metricSource", "worse: {metricSource", "f.yaml:29: spec.ratioMetric.worse: is not a known field"},
		{"{query: 'sum by (tenant) (rate(e", "{qery: 'sum by (tenant) (rate(e", "f.yaml:29: spec.ratioMetric.bad.metricSource.spec: has no query"},
		{"kind: burnrate, op: gt,", "kind: latency, op: gt,", `spec.condition.kind: "latency" is not known`},
		{"lookbackWindow: 1h", "lookbackWindow: 1hour", `spec.condition.lookbackWindow: "1hour" is not a duration`},
		{"threshold: 10", "threshold: 1000", "spec.alertPolicies: 1000 times a budget of 0.001"},
		{"kind: Service", "kind: Servise", `kind: "Servise" is not known; OpenSLO's kinds are SLO, SLI,`},
		{"openslo/v1\nkind: SLI", "openslo/v2\nkind: SLI", `apiVersion: "openslo/v2" is not read; write openslo/v1`},
		{"{name: pager}", "{name: pa ger}", `metadata.name: "pa ger" must be letters`},
		{"kind: Service, metadata: {name: shop}", "kind: AlertCondition, metadata: {name: fast}", "is already defined at f.yaml:"},
	} {
		_, _, problems := Read(documents(t, strings.Replace(whole, c.from, c.to, 1)))
		all := ""
		for _, p := range problems {
			all += p.String() + "\n"
		}
		if !strings.Contains(all, c.want) {
			t.Errorf("%q gave\n%swant %s", c.to, all, c.want)
		}
	}
}

func TestAFastSliceThatDoesNotFitIsRefusedWithTheRemedy(t *testing.T) {
	t.Parallel()
	for window, want := range map[string]string{"10m": "10m is out of range; write something from 15s to 5m", "4m": "4m does not divide five minutes evenly"} {
		_, _, problems := Read(documents(t, one(ratio("e"), "  budgetingMethod: RatioTimeslices\n  objectives: [{target: 0.99, timeSliceWindow: "+window+"}]")))
		if len(problems) == 0 || !strings.Contains(problems[0].String(), "spec.objectives.0.timeSliceWindow: "+want) {
			t.Errorf("%s: %v", window, problems)
		}
	}
}

func TestV1AlphaHasSlothsIDs(t *testing.T) {
	t.Parallel()
	slos, _ := readAll(t, `apiVersion: openslo/v1alpha
kind: SLO
metadata: {name: s, displayName: S}
spec:
  service: web
  budgetingMethod: Occurrences
  objectives:
    - target: 0.999
      ratioMetrics:
        good: {source: prometheus, queryType: promql, query: 'sum(rate(g[{{.window}}]))'}
        total: {source: prometheus, queryType: promql, query: 'sum(rate(t[{{.window}}]))'}
    - target: 0.99
      ratioMetrics:
        incremental: true
        good: {source: prometheus, query: g2}
        total: {source: prometheus, query: t2}
  timeWindows: [{count: 30, unit: Day}]
`)
	if len(slos) != 2 || slos[0].ID != "web-s-0" || slos[1].ID != "web-s-1" || slos[1].SLI.GoodQuery != "g2" || slos[0].Window.Rolling != 30*day {
		t.Errorf("read %+v", slos)
	}
}

// One long query that a thousand SLOs refer to is not parsed a thousand times.
func TestManySLOsOfOneLongQueryAreRefusedQuickly(t *testing.T) {
	t.Parallel()
	long := "sum(rate(x{a=~\"" + strings.Repeat("a|", 3500) + "\"}[5m]))"
	var b strings.Builder
	b.WriteString("apiVersion: openslo/v1\nkind: SLI\nmetadata: {name: i}\nspec: {ratioMetric: {bad: " + source(long) + ", total: " + source(long) + "}}\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "---\n{apiVersion: openslo/v1, kind: SLO, metadata: {name: s%d}, spec: {service: w, indicatorRef: i, objectives: [{target: 0.9}]}}\n", i)
	}
	began := time.Now()
	_, _, problems := Read(documents(t, b.String()))
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "hand over fewer documents at once") {
		t.Errorf("%d problems: %.500v", len(problems), problems)
	}
	t.Logf("refused after %v", time.Since(began))
}

func FuzzRead(f *testing.F) {
	f.Add(whole)
	f.Add(one("thresholdMetric: "+source("max(x)"), "  objectives: [{op: lt, value: 1, target: 0.9, indicatorRef: x, compositeWeight: 2}]"))
	f.Add(one(ratio("sum(rate(x[5m]))"), "  budgetingMethod: Timeslices\n  objectives: [{target: 0.9, timeSliceTarget: 0.5, timeSliceWindow: 5}, {target: 0.8}]\n  alertPolicies: [a, {alertPolicyRef: b}, 3, []]"))
	f.Add("apiVersion: openslo/v1alpha\nkind: SLO\nmetadata: {name: a}\nspec: {service: b, objectives: [{target: 0.5, ratioMetrics: {good: {}, total: {}}}], timeWindows: [{count: -1, unit: X}]}")
	f.Add("- {apiVersion: openslo/v1, kind: SLI, metadata: {name: a, labels: {x: [1, 2]}}, spec: {ratioMetric: {raw: {metricSource: 3}}}}")
	f.Fuzz(func(t *testing.T, text string) {
		docs, _ := manifest.Read(manifest.File{Name: "f.yaml", Text: text})
		var ours []manifest.Document
		for _, d := range docs {
			if Is(d.APIVersion) {
				ours = append(ours, d)
			}
		}
		promises, notes, problems := Read(ours)
		for _, p := range append(problems, notes.Blocking()...) {
			if p.Message == "" || p.File != "f.yaml" {
				t.Errorf("a problem that says nothing: %+v", p)
			}
		}
		if len(problems) > 0 {
			return
		}
		for _, p := range promises {
			if _, err := p.SLO.Rules(); err != nil {
				t.Errorf("%s was read without a problem, but: %v", p.ID, err)
			}
		}
	})
}
