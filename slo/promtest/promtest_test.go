package promtest

import (
	"bytes"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/slo"
	"github.com/nines-sre/nines/slo/packs"
	"github.com/prometheus/prometheus/model/labels"
	"gopkg.in/yaml.v3"
)

func slosOf(t testing.TB, files ...manifest.File) []slo.SLO {
	t.Helper()
	set, problems := definitions.LoadSLOs(files)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return set
}

func promtool(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed, so the unit tests are only written")
	}
	return path
}

func run(t *testing.T, suite Suite) []Result {
	t.Helper()
	dir := t.TempDir()
	if err := suite.Write(dir); err != nil {
		t.Fatal(err)
	}
	results, err := suite.Run(t.Context(), promtool(t), dir)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func shipped(t testing.TB) []slo.SLO {
	t.Helper()
	var files []manifest.File
	for _, path := range []string{"../../examples/quickstart/nines-slos.yaml", "../../examples/quickstart/shop-slos.yaml", "../../examples/sloth/shop.yml"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, manifest.File{Name: filepath.Base(path), Text: string(text)})
	}
	return slosOf(t, files...)
}

func TestEveryShippedPromiseKeepsItsUnitTest(t *testing.T) {
	t.Parallel()
	set := shipped(t)
	for _, p := range packs.All() {
		files, err := p.Files(nil)
		if err != nil {
			t.Fatal(err)
		}
		set = append(set, slosOf(t, files.Service, files.SLOs)...)
	}
	passed, leftOut := 0, 0
	for _, s := range set {
		suite, err := Of(s, slo.RuleOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range run(t, suite) {
			switch r.Outcome {
			case Passed:
				passed++
			case LeftOut:
				leftOut++
			default:
				t.Errorf("%s %s: %s: %s\n%s", s.ID, r.Name, r.Means, r.Detail, suite.Unit)
			}
		}
	}
	if passed < 4*len(set) {
		t.Errorf("of %d promises only %d checks were tried, and %d left out", len(set), passed, leftOut)
	}
}

// kinds are SLOs of every form and of what makes forms differ.
const kinds = `
apiVersion: nines/v1
kind: SLO
metadata: {name: good}
spec:
  {service: a, objective: 99, sli: {events: {good: 'done_total{job="a",result!="failed"}', total: 'done_total{job="a"}'}}}
---
apiVersion: nines/v1
kind: SLO
metadata: {name: two-metrics}
spec:
  {service: a, objective: 99.5, window: 28d, sli: {events: {errors: 'failed_total{job=~"a|b",zone=~"eu-[0-9]+"}', total: 'all_total{job=~"a|b"}'}}}
---
apiVersion: nines/v1
kind: SLO
metadata: {name: sums}
spec:
  service: a
  objective: 99.9
  objectives: [{name: week, objective: 99, window: 7d}]
  groupBy: [tenant, region]
  budgetBy: [tenant]
  alerting: {labels: {team: "x\"y", note: "{{ $labels.tenant }}"}, page: {labels: {channel: loud}}}
  sli:
    events:
      errors: sum by (tenant, region) (increase(r_total{job="a",code=~"(5..|429)"}[{{.window}}])) or vector(0)
      total: sum by (tenant, region) (rate(r_total{job="a"}[{{.window}}])) - sum by (tenant, region) (rate(r_total{job="a",handler="/health"}[{{.window}}]))
---
apiVersion: nines/v1
kind: SLO
metadata: {name: raw}
spec: {service: a, objective: 99, sli: {raw: {errorRatio: 'sum(rate(e_total{job="a"}[{{.window}}])) / sum(rate(t_total{job="a"}[{{.window}}]))'}}}
---
apiVersion: nines/v1
kind: SLO
metadata: {name: raw-gauge}
spec: {service: a, objective: 95, sli: {raw: {errorRatio: '1 - avg(probe_success{job="a"})'}}}
---
apiVersion: nines/v1
kind: SLO
metadata: {name: gauge}
spec: {service: a, objective: 99, interval: 30s, sli: {gauge: {good: 'probe_success{job="a"}'}}}
---
apiVersion: nines/v1
kind: SLO
metadata: {name: threshold}
spec: {service: a, objective: 99, sli: {threshold: {value: 'max(queue_length{job="a"}) / 1000', op: "<", bound: 0.5}}}
---
apiVersion: nines/v1
kind: SLO
metadata: {name: slices}
spec: {service: a, objective: 99, slices: {target: 80}, sli: {events: {errors: 'e_total{job="a"}', total: 't_total{job="a"}'}}}
---
apiVersion: nines/v1
kind: SLO
metadata: {name: slow}
spec: {service: a, objective: 99, interval: 5m, sli: {events: {errors: 'e_total{job="a"}', total: 't_total{job="a"}'}}}
`

func TestEveryFormIsTriedInPromtool(t *testing.T) {
	t.Parallel()
	// What cannot be tried, and no more than that.
	leftOut := map[string]string{
		"a-sums-week/no-data": "first objective", "a-raw/waits": "average", "a-raw-gauge/idle": "value", "a-gauge/idle": "value", "a-threshold/idle": "value",
	}
	for _, s := range slosOf(t, manifest.File{Name: "kinds.yaml", Text: kinds}) {
		t.Run(s.ID, func(t *testing.T) {
			t.Parallel()
			suite, err := Of(s, slo.RuleOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range run(t, suite) {
				why := leftOut[r.id()]
				if r.Outcome == Failed || (r.Outcome == LeftOut) != (why != "") || !strings.Contains(r.LeftOut, why) {
					t.Errorf("%s: %s: %s: %s\n%s", r.id(), r.Outcome, r.Means, r.Detail, suite.Unit)
				}
			}
		})
	}
}

// mutated returns the rules with some of them changed or, where change says so, left out.
func mutated(t *testing.T, rules []byte, change func(rule map[string]any) (keep bool)) []byte {
	t.Helper()
	var file struct {
		Groups []struct {
			Name     string           `yaml:"name"`
			Interval string           `yaml:"interval"`
			Rules    []map[string]any `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal(rules, &file); err != nil {
		t.Fatal(err)
	}
	for i := range file.Groups {
		file.Groups[i].Rules = slices.DeleteFunc(file.Groups[i].Rules, func(r map[string]any) bool { return !change(r) })
	}
	out, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestWrongRulesFailTheirUnitTest(t *testing.T) {
	t.Parallel()
	var good slo.SLO
	for _, s := range shipped(t) {
		if s.ID == "shop-availability" {
			good = s
		}
	}
	good.Interval, good.Settle, good.Window = time.Minute, 0, slo.Window{}
	tier := func(r map[string]any) any {
		l, _ := r["labels"].(map[string]any)
		return l["sloth_tier"]
	}
	replace := func(r map[string]any, old, new string) { r["expr"] = strings.ReplaceAll(r["expr"].(string), old, new) }
	for _, c := range []struct {
		name, fails string
		change      func(r map[string]any) bool
	}{
		{"rules that are only written again", "", func(map[string]any) bool { return true }},
		{"a threshold out of reach", CheckOutage, func(r map[string]any) bool {
			if tier(r) == "page-fast" {
				replace(r, "14.4 * 0.001", "14.4 * 0.1")
			}
			return true
		}},
		{"a threshold and guard that anything passes", CheckWaits, func(r map[string]any) bool {
			if tier(r) == "page-fast" {
				replace(r, "> (14.4 * 0.001)", "> -1")
				replace(r, "> 10.414313", "> -1000")
				r["expr"] = "vector(1)"
			}
			return true
		}},
		{"no alert", CheckOutage, func(r map[string]any) bool { return tier(r) != "page-fast" }},
		{"no alert that targets are lost", CheckNoData, func(r map[string]any) bool { return tier(r) != "no-data" }},
		{"another severity", CheckOutage, func(r map[string]any) bool {
			if tier(r) == "page-fast" {
				r["labels"].(map[string]any)["sloth_severity"] = "ticket"
			}
			return true
		}},
		{"errors counted twice", CheckRecorded, func(r map[string]any) bool {
			if r["record"] == "slo:sli_errors:delta1m" {
				r["expr"] = "2 * (" + r["expr"].(string) + ")"
			}
			return true
		}},
		{"a page that remembers half an hour", CheckHeal, func(r map[string]any) bool {
			if tier(r) == "page-slow" {
				replace(r, `slo:sli_error:ratio_rate3m{sloth_id="shop-availability"} >`, `slo:sli_error:ratio_rate3m{sloth_id="shop-availability"} >= 0 * `)
			}
			return true
		}},
		{"an alert on silence", CheckIdle, func(r map[string]any) bool {
			if tier(r) == "no-data" {
				r["expr"], r["for"] = `sum by (sloth_id) (slo:sli_total:delta1m) == 0`, "0s"
			}
			return true
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			suite, err := Of(good, slo.RuleOptions{})
			if err != nil {
				t.Fatal(err)
			}
			before := suite.Rules
			suite.Rules = mutated(t, before, c.change)
			if same := mutated(t, before, func(map[string]any) bool { return true }); c.fails != "" && bytes.Equal(same, suite.Rules) {
				t.Fatal("the mutation changed nothing")
			}
			failed := map[string]string{}
			for _, r := range run(t, suite) {
				if r.Outcome == Failed {
					failed[r.Name] = r.Detail
				}
			}
			if _, ok := failed[c.fails]; ok != (c.fails != "") || c.fails == "" && len(failed) > 0 {
				t.Errorf("failed: %v, want %q among them", failed, c.fails)
			}
			for name, detail := range failed {
				if !strings.Contains(detail, "got") {
					t.Errorf("%s does not say what there was: %q", name, detail)
				}
			}
		})
	}
}

func TestRulesThatDoNotLoadFailEveryCheck(t *testing.T) {
	t.Parallel()
	suite, err := Of(shipped(t)[0], slo.RuleOptions{})
	if err != nil {
		t.Fatal(err)
	}
	suite.Rules = []byte("groups: [{name: x, rules: [{record: y, expr: 'sum('}]}]\n")
	for _, r := range run(t, suite) {
		if r.LeftOut == "" && (r.Outcome != Failed || r.Detail == "") {
			t.Errorf("%s: %s %q", r.Name, r.Outcome, r.Detail)
		}
	}
}

func TestExamplesOfARegularExpressionMatchIt(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{"5..": "500", "GET|PUT": "GET", "(5..|429)": "500", "eu-[0-9]+": "eu-0", "a{3}": "aaa", "/api/.*": "/api/0", "[45][0-9]{2}": "400"} {
		m := labels.MustNewMatcher(labels.MatchRegexp, "l", pattern)
		if got := examples(pattern); len(got) == 0 || got[0] != want || !m.Matches(got[0]) {
			t.Errorf("%s: %q, want %q first", pattern, got, want)
		}
	}
}

func TestNotationIsReadAsItWasMeant(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	for _, c := range []struct {
		values []float64
		want   string
	}{
		{[]float64{1}, "1"}, {[]float64{1, 1, 1}, "1+0x2"}, {[]float64{0, 100, 200, 200, 200}, "0+100x2 200+0x1"}, {[]float64{3, 2, 1}, "3-1x2"},
		{[]float64{nan, nan, 5, nan}, "_x2 5 _x1"},
	} {
		if got := notation(c.values); got != c.want {
			t.Errorf("%v: %q, want %q", c.values, got, c.want)
		}
	}
}

func TestWhatNoSeriesCanBeMadeUpForIsSaid(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"histogram_quantile(0.9, sum by (le) (rate(h_bucket[{{.window}}])))": "histogram_quantile", "time() - x": "time()", "a * b": "a * b", "a offset 5m": "offset",
	} {
		s := slo.SLO{ID: "a-b", Service: "a", Name: "b", Objective: 99, SLI: slo.SLI{Value: query, Op: "<", Bound: 1}}
		if _, reason := worldOf(s.Defaulted()); !strings.Contains(reason, want) {
			t.Errorf("%s: %q, want it to name %q", query, reason, want)
		}
	}
}

func FuzzWorld(f *testing.F) {
	f.Add(`e_total{job="a",code=~"5.."}`, `t_total{job="a"}`)
	f.Add(`sum(rate(e{a!~"x|y+"}[{{.window}}]))`, `sum(rate(e[{{.window}}])) - sum(rate(e{b=~".+"}[{{.window}}]))`)
	f.Fuzz(func(t *testing.T, errors, total string) {
		if len(errors)+len(total) > 400 {
			return
		}
		s := slo.SLO{ID: "a-b", Service: "a", Name: "b", Objective: 99, SLI: slo.SLI{ErrorQuery: errors, TotalQuery: total}}
		if _, err := s.Rules(); err != nil {
			return
		}
		w, reason := worldOf(s.Defaulted())
		if reason != "" {
			return
		}
		if w.wellIn.Total <= 0 || w.wellIn.Errors() != 0 || w.outIn.Total <= 0 || w.outIn.Good != 0 {
			t.Errorf("well %v, out %v", w.wellIn, w.outIn)
		}
	})
}
