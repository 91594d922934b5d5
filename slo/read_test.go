package slo

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/internal/manifest"
	"pgregory.net/rapid"
)

func document(t testing.TB, text string) manifest.Document {
	t.Helper()
	docs, problems := manifest.Read(manifest.File{Name: "f.yaml", Text: text})
	if len(problems) > 0 || len(docs) != 1 {
		t.Fatalf("%d documents, %v", len(docs), problems)
	}
	return docs[0]
}

func TestReadSLOReadsEveryField(t *testing.T) {
	t.Parallel()
	got := readOne(t, `
apiVersion: nines/v1
kind: SLO
metadata: {name: availability, labels: {tier: "1"}}
spec:
  service: shop
  description: Orders get through.
  owner: shop-team
  objective: 99.9
  window: {calendar: month, zone: Europe/Berlin}
  interval: 30s
  settle: 3s
  sli:
    events: {errors: 'http_requests_total{code=~"5.."}', total: http_requests_total}
  groupBy: [tenant, region, plan]
  budgetBy: [tenant]
  alerting:
    name: ShopErrors
    policy: shop-oncall
    runbook: slo-burn
    labels: {team: shop}
    annotations: {summary: "{{ $labels.tenant }} suffers"}
    page: {labels: {severity: critical}, annotations: {note: wake}}
    ticket: {off: true, labels: {severity: low}}
`)
	want := SLO{
		ID: "shop-availability", Service: "shop", Name: "availability", Description: "Orders get through.", Owner: "shop-team",
		Objective: 99.9, Window: Window{Calendar: "month", Zone: "Europe/Berlin"}, Interval: 30 * time.Second, Settle: 3 * time.Second,
		SLI:     SLI{ErrorQuery: `http_requests_total{code=~"5.."}`, TotalQuery: "http_requests_total"},
		GroupBy: []string{"tenant", "region", "plan"}, BudgetBy: []string{"tenant"}, Labels: map[string]string{"tier": "1"}, Spec: "nines/v1",
		Alerting: Alerting{
			Name: "ShopErrors", Policy: "shop-oncall", Runbook: "slo-burn", Labels: map[string]string{"team": "shop"},
			Annotations: map[string]string{"summary": "{{ $labels.tenant }} suffers"}, PageLabels: map[string]string{"severity": "critical"},
			PageAnnotations: map[string]string{"note": "wake"}, TicketLabel: map[string]string{"severity": "low"}, TicketOff: true,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadSLODefaults(t *testing.T) {
	t.Parallel()
	s := shop(t)
	if s.Window.Rolling != 30*24*time.Hour || s.Interval != time.Minute || s.Settle != 10*time.Second {
		t.Errorf("window %v, interval %v, settle %v; want 30d, 1m, 10s", s.Window, s.Interval, s.Settle)
	}
	if diff := cmp.Diff([]string{"tenant"}, s.BudgetBy); diff != "" {
		t.Errorf("budgetBy is groupBy without region (-want +got):\n%s", diff)
	}
	for interval, settle := range map[time.Duration]time.Duration{
		time.Second: 500 * time.Millisecond, 15 * time.Second: 2500 * time.Millisecond, 30 * time.Second: 5 * time.Second, 5 * time.Minute: 10 * time.Second,
	} {
		if got := SettleFor(interval); got != settle {
			t.Errorf("settle for %v is %v, want %v", interval, got, settle)
		}
	}
}

// Each case changes one thing of a good document and must give the problem at its line; none may give others.
func TestReadSLOProblems(t *testing.T) {
	t.Parallel()
	good := `apiVersion: nines/v1
kind: SLO
metadata: {name: availability, labels: {team: x}}
spec:
  service: shop
  objective: 99.9
  window: 30d
  interval: 1m
  sli:
    events:
      errors: http_requests_total{code="500"}
      total: http_requests_total
  groupBy: [tenant, region]
  budgetBy: [tenant]
  alerting: {name: A, labels: {a: b}, page: {off: false}}
`
	if _, problems := ReadSLO(document(t, good)); len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, c := range []struct{ from, to, want string }{
		{"service: shop", "service: Shop_", `f.yaml:5: spec.service: "Shop_" must be lower-case`},
		{"  service: shop\n", "", "f.yaml:4: spec.service: is missing"},
		{"service: shop", "servce: shop", "f.yaml:5: spec.servce: is not a known field; did you mean service?"},
		{"objective: 99.9", "objective: 100", "f.yaml:6: spec.objective: 100 would mean that no event may ever fail"},
		{"objective: 99.9", "objective: 0.999", "write 99.9 if you mean the share 0.999"},
		{"objective: 99.9", "objective: -3", "f.yaml:6: spec.objective: -3 is not strictly between 0 and 100"},
		{"objective: 99.9", "objective: .nan", "spec.objective: NaN is not strictly between"},
		{"objective: 99.9", "objective: .inf", "spec.objective: +Inf is not strictly between"},
		{"objective: 99.9", "objective: 99.99999999999", "too small to count"},
		{"objective: 99.9", "objective: 99.9%", `"99.9%" is not a number; write per cent without a sign`},
		{"  objective: 99.9\n", "", "f.yaml:4: spec.objective: is missing"},
		{"window: 30d", "window: 30", `f.yaml:7: spec.window: "30" is not a window`},
		{"window: 30d", "window: {calendar: fortnight}", `f.yaml:7: spec.window.calendar: "fortnight" is not a calendar window`},
		{"window: 30d", "window: {calendar: month, zone: Mars/Base}", `spec.window.zone: "Mars/Base" is not a time zone`},
		{"window: 30d", "window: {calendar: month, zone: Local}", `"Local" is not a time zone`},
		{"window: 30d", "window: {calendar: month, tz: UTC}", "spec.window.tz: is not a known field"},
		{"window: 30d", "window: 1h", "spec.window: 1h is too short for increments of 1m; write at least 1d"},
		{"window: 30d", "window: 3y", "spec.window: 3y is too long"},
		{"interval: 1m", "interval: 60", `f.yaml:8: "60" is not a duration`},
		{"interval: 1m", "interval: 500ms", "spec.interval: 500ms is out of range"},
		{"interval: 1m", "interval: 6m", "spec.interval: 6m is out of range"},
		{"interval: 1m", "interval: 45s", "spec.interval: 45s does not divide five minutes evenly"},
		{"total: http_requests_total", "total: 'sum(rate(x[5m])'", "f.yaml:12: spec.sli.events.total: is not PromQL: 1:16: parse error: unclosed left parenthesis"},
		{"total: http_requests_total", "total: '{job=\"x\"}'", "spec.sli.events.total: the selector {job=\"x\"} names no metric"},
		{"total: http_requests_total", "total: vector(1)", "spec.sli.events.total: reads no metric"},
		{"total: http_requests_total", "total: '1 + 1'", "spec.sli.events.total: is a scalar"},
		{"total: http_requests_total", "total: 'http_requests_total[5m]'", "is a range of samples; an SLI needs an instant vector"},
		{"total: http_requests_total", "total: sum(http_requests_total)", "is neither a counter's selector nor an expression over rate(...[{{.window}}])"},
		{"total: http_requests_total", "total: 'sum by (tenant, region) (irate(x[{{.window}}]))'", "irate() cannot be counted exactly"},
		{"total: http_requests_total", "total: 'max by (tenant, region) (rate(x[{{.window}}]))'", "only sum() adds up"},
		{"total: http_requests_total", "total: 'sum by (tenant, region) (rate(x[{{.window}}]) + rate(x[5m]))'", "rate(x[5m]) reads a fixed range"},
		{"total: http_requests_total", "total: 'sum by (tenant) (rate(x[{{.window}}]))'", `is counted by "region" elsewhere, but this query sums it away`},
		{"total: http_requests_total", "total: 'http_requests_total @ 5'", "is pinned to a time by @"},
		{"total: http_requests_total", "total: ''", "f.yaml:12: spec.sli.events.total: is missing"},
		{"total: http_requests_total", "total: '" + strings.Repeat("(", 300) + "x" + strings.Repeat(")", 300) + "'", "nests more than 200 levels"},
		{"total: http_requests_total", "total: 'x{a=\"" + strings.Repeat("y", 9000) + "\"}'", "at most 8192 are allowed"},
		{"    events:", "    raw: {errorRatio: x}\n    events:", "f.yaml:9: spec.sli: has 2 forms"},
		{"groupBy: [tenant, region]", "groupBy: [tenant, region, tenant]", `f.yaml:13: spec.groupBy.2: "tenant" stands twice`},
		{"groupBy: [tenant, region]", "groupBy: [tenant, sloth_id]", "spec.groupBy.1: \"sloth_id\" cannot be grouped by"},
		{"groupBy: [tenant, region]", "groupBy: [tenant, a-b]", "spec.groupBy.1: \"a-b\" is not a label name"},
		{"budgetBy: [tenant]", "budgetBy: [plan]", `f.yaml:14: spec.budgetBy.0: "plan" is not in groupBy`},
		{"labels: {a: b}", "labels: {sloth_id: b}", `f.yaml:15: spec.alerting.labels: "sloth_id" is reserved`},
		{"labels: {a: b}", "labels: {tenant: b}", `spec.alerting.labels: "tenant" is also in groupBy`},
		{"labels: {a: b}", "labels: {'9a': b}", `spec.alerting.labels: "9a" is not a label name`},
		{"labels: {a: b}", "labels: {a: '{{ .Nope'}", "is not a template that Prometheus accepts"},
		{"labels: {team: x}", "labels: {__name__: x}", `f.yaml:3: metadata.labels: "__name__" is reserved`},
		{"page: {off: false}", "page: {disable: true}", "spec.alerting.page.disable: is not a known field"},
		{"kind: SLO", "kind: Tenant", `f.yaml:2: kind: "Tenant" is not SLO`},
	} {
		text := strings.Replace(good, c.from, c.to, 1)
		if text == good {
			t.Fatalf("%q is not in the document", c.from)
		}
		_, problems := ReadSLO(document(t, text))
		all := ""
		for _, p := range problems {
			all += p.String() + "\n"
		}
		if !strings.Contains(all, c.want) {
			t.Errorf("%q gave\n%swant %s", c.to, all, c.want)
		}
	}
}

func TestReadSLOTellsEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	_, problems := ReadSLO(document(t, `apiVersion: nines/v1
kind: SLO
metadata: {name: a, labels: {sloth_x: "1"}}
spec:
  objective: 100
  window: {calendar: decade}
  sli: {latency: {histogram: h_bucket, threshold: 0s}}
  groupBy: [le]
  surprise: 1
`))
	fields := map[string]bool{}
	for _, p := range problems {
		fields[p.Field] = true
		if p.Line == 0 || p.File != "f.yaml" {
			t.Error("without its place:", p)
		}
	}
	for _, want := range []string{"metadata.labels", "spec.service", "spec.objective", "spec.window.calendar", "spec.sli.latency.histogram", "spec.sli.latency.threshold", "spec.groupBy.0", "spec.surprise"} {
		if !fields[want] {
			t.Errorf("nothing about %s in\n%v", want, problems)
		}
	}
}

func TestSlothsOwnExamples(t *testing.T) {
	t.Parallel()
	dir := slothExamples(t)
	for _, c := range []struct {
		file string
		want []string // "id groupBy..."
		bad  string
	}{
		{file: "getting-started.yml", want: []string{"myservice-requests-availability"}},
		{file: "home-wifi.yml", want: []string{"home-wifi-good-wifi-client-satisfaction", "home-wifi-risk-wifi-client-satisfaction"}},
		{file: "kubernetes-apiserver.yml", want: []string{"k8s-apiserver-requests-availability", "k8s-apiserver-requests-latency"}},
		{file: "multifile.yml", want: []string{"myservice-requests-availability", "myservice2-requests-availability"}},
		{file: "no-alerts.yml", want: []string{"myapp-http-availability"}},
		{file: "raw-home-wifi.yml", want: []string{"home-wifi-wifi-client-satisfaction"}},
		{file: "plugin-getting-started.yml", bad: `slos.0.sli.plugin: SLI plugin "getting_started_availability" is code`},
	} {
		text, err := os.ReadFile(filepath.Join(dir, c.file))
		if err != nil {
			t.Fatal(err)
		}
		docs, problems := manifest.Read(manifest.File{Name: c.file, Text: string(text)})
		var ids []string
		var all []SLO
		for _, d := range docs {
			slos, ps := ReadSloth(d)
			problems = append(problems, ps...)
			for _, s := range slos {
				ids, all = append(ids, s.ID), append(all, s)
			}
		}
		if diff := cmp.Diff(c.want, ids); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.file, diff)
		}
		if c.bad == "" && len(problems) > 0 || c.bad != "" && (len(problems) != 1 || !strings.Contains(problems[0].String(), c.bad)) {
			t.Errorf("%s: problems %v, want %q", c.file, problems, c.bad)
		}
		if c.bad == "" {
			marshalAll(t, all) // fails where rules cannot be made
		}
	}
}

// slothExamples returns the folder of the examples that come with the module we take the types from.
func slothExamples(t *testing.T) string {
	t.Helper()
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		if dep.Path == "github.com/slok/sloth" {
			cache := os.Getenv("GOMODCACHE")
			if cache == "" {
				home, _ := os.UserHomeDir()
				cache = filepath.Join(home, "go", "pkg", "mod")
			}
			if dir := filepath.Join(cache, dep.Path+"@"+dep.Version, "examples"); exists(dir) {
				return dir
			}
		}
	}
	t.Skip("Sloth's examples are not in the module cache, so its files are only read from the cases in this package")
	return ""
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

func TestReadSlothReadsEveryField(t *testing.T) {
	t.Parallel()
	slos, problems := ReadSloth(document(t, `version: prometheus/v1
service: web
labels: {owner: web-team, tier: "2"}
slos:
  - name: requests
    objective: 99.5
    description: d
    labels: {tier: "1"}
    sli:
      events:
        error_query: sum by (region, tenant) (rate(r_total{code="500"}[{{.window}}]))
        total_query: sum by (region, tenant) (rate(r_total[{{.window}}]))
    alerting:
      name: Web
      labels: {category: a}
      annotations: {runbook: "https://r.example/web", summary: s}
      page_alert: {labels: {severity: p}, annotations: {x: y}}
      ticket_alert: {disable: true}
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := []SLO{{
		ID: "web-requests", Service: "web", Name: "requests", Description: "d", Owner: "web-team", Objective: 99.5,
		Window: Window{Rolling: DefaultRolling}, Interval: time.Minute, Settle: 10 * time.Second,
		SLI: SLI{
			ErrorQuery: `sum by (region, tenant) (rate(r_total{code="500"}[{{.window}}]))`,
			TotalQuery: `sum by (region, tenant) (rate(r_total[{{.window}}]))`,
		},
		GroupBy: []string{"region", "tenant"}, BudgetBy: []string{"tenant"}, Labels: map[string]string{"owner": "web-team", "tier": "1"}, Spec: "prometheus/v1",
		Alerting: Alerting{
			Name: "Web", Runbook: "https://r.example/web", Labels: map[string]string{"category": "a"}, Annotations: map[string]string{"runbook": "https://r.example/web", "summary": "s"},
			PageLabels: map[string]string{"severity": "p"}, PageAnnotations: map[string]string{"x": "y"}, TicketOff: true,
		},
	}}
	if diff := cmp.Diff(want, slos); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadSlothProblems(t *testing.T) {
	t.Parallel()
	good := `version: prometheus/v1
service: web
slos:
  - name: requests
    objective: 99.5
    sli: {events: {error_query: 'sum(rate(e[{{.window}}]))', total_query: 'sum(rate(t[{{.window}}]))'}}
    alerting: {name: Web}
  - name: other
    objective: 99.5
    sli: {raw: {error_ratio_query: 'x'}}
    alerting: {name: Web}
`
	for _, c := range []struct{ from, to, want string }{
		{"name: other", "name: requests", `f.yaml:8: slos.1.name: "requests" is also the name of slos.0`},
		{"objective: 99.5", "objective: 100", "f.yaml:5: slos.0.objective: 100 would mean"},
		{"    objective: 99.5\n", "", "slos.0.objective: is missing"},
		{"objective: 99.5", "objectives: 99.5", "f.yaml:5: slos.0.objectives: is not a known field; did you mean objective?"},
		{"sum(rate(e[{{.window}}]))", "sum(rate(e[{{.window}}])", "f.yaml:6: slos.0.sli.events.error_query: is not PromQL: 1:25: parse error: unclosed left parenthesis"},
		{"sum(rate(t[{{.window}}]))", "sum without (a) (histogram_quantile(0.9, rate(t[{{.window}}])))", "histogram_quantile() cannot be counted exactly"},
		{"sum(rate(t[{{.window}}]))", "sum by (tenant) (rate(t[{{.window}}]))", `slos.0.sli.events.error_query: is counted by "tenant" elsewhere`},
		{"{events: {error_query", "{raw: {error_ratio_query: x}, events: {error_query", "f.yaml:6: slos.0.sli: has 2 forms"},
		{"service: web", "service: web shop", `f.yaml:2: service: "web shop" must be letters`},
		{"service: web", "service: web\nlabels: {sloth_id: x}", `f.yaml:3: labels: "sloth_id" is reserved`},
	} {
		_, problems := ReadSloth(document(t, strings.Replace(good, c.from, c.to, 1)))
		all := ""
		for _, p := range problems {
			all += p.String() + "\n"
		}
		if !strings.Contains(all, c.want) {
			t.Errorf("%q gave\n%swant %s", c.to, all, c.want)
		}
	}
}

func TestReadContract(t *testing.T) {
	t.Parallel()
	good := `apiVersion: nines/v1
kind: Tenant
metadata: {name: acme}
spec:
  name: Acme GmbH
  tier: gold
  zone: Europe/Berlin
  region: eu
  promises:
    - slo: shop-availability
      objective: 99.5
      credits: [{below: 99.5, credit: 10}, {below: 99, credit: 25}]
    - {slo: shop-latency, objective: 99}
`
	got, problems := ReadContract(document(t, good))
	want := Contract{Tenant: "acme", Name: "Acme GmbH", Tier: "gold", Zone: "Europe/Berlin", Region: "eu", Promises: []Promise{
		{SLO: "shop-availability", Objective: 99.5, Credits: []CreditTier{{99.5, 10}, {99, 25}}}, {SLO: "shop-latency", Objective: 99},
	}}
	if diff := cmp.Diff(want, got); diff != "" || len(problems) > 0 {
		t.Errorf("%v (-want +got):\n%s", problems, diff)
	}
	for _, c := range []struct{ from, to, want string }{
		{"zone: Europe/Berlin", "zone: CET+1", `f.yaml:7: spec.zone: "CET+1" is not a time zone`},
		{"slo: shop-latency", "slo: shop-availability", `f.yaml:13: spec.promises.1.slo: "shop-availability" is already promised`},
		{"objective: 99.5", "objective: 100", "f.yaml:11: spec.promises.0.objective: 100 would mean"},
		{"below: 99,", "below: 99.5,", "f.yaml:12: spec.promises.0.credits.1.below: 99.5 is not below the tier before"},
		{"below: 99.5,", "below: 99.9,", "spec.promises.0.credits.0.below: 99.9 is above the objective 99.5"},
		{"credit: 25", "credit: 5", "spec.promises.0.credits.1.credit: 5 is not more than the tier before"},
		{"credit: 25", "credit: 125", "spec.promises.0.credits.1.credit: 125 is not in (0, 100]"},
		{"credit: 25", "credit: .nan", "NaN is not in (0, 100]"},
		{"region: eu", "regon: eu", "f.yaml:8: spec.regon: is not a known field; did you mean region?"},
	} {
		_, problems := ReadContract(document(t, strings.Replace(good, c.from, c.to, 1)))
		all := ""
		for _, p := range problems {
			all += p.String() + "\n"
		}
		if !strings.Contains(all, c.want) {
			t.Errorf("%q gave\n%swant %s", c.to, all, c.want)
		}
	}
}

func TestWhatIsWrittenReadsBackEqual(t *testing.T) {
	t.Parallel()
	for _, s := range manySLOs(t) {
		text, err := WriteSLO(s)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, readOne(t, text)); diff != "" {
			t.Errorf("%s (-written +read):\n%s\n%s", s.ID, diff, text)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		s := shop(t)
		s.Objective = Objective(float64(rapid.IntRange(100, 9999).Draw(r, "objective")) / 100)
		s.Interval = rapid.SampledFrom([]time.Duration{time.Second, 15 * time.Second, time.Minute, 5 * time.Minute}).Draw(r, "interval")
		s.Settle = time.Duration(rapid.IntRange(1, 60000).Draw(r, "settle")) * time.Millisecond
		s.Window.Rolling = time.Duration(rapid.IntRange(5, 366).Draw(r, "days")) * 24 * time.Hour
		s.Description = strings.TrimSpace(rapid.StringMatching(`[ -~é\n\t]{0,60}`).Draw(r, "description"))
		s.Alerting.Annotations = map[string]string{"note": rapid.StringMatching(`[ -z]{1,40}`).Draw(r, "note")}
		text, err := WriteSLO(s)
		if err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(s, readOne(t, text)); diff != "" {
			r.Fatalf("(-written +read):\n%s\n%s", diff, text)
		}
	})
	if _, err := WriteSLO(SLO{ID: "a-b", Service: "a", Name: "b", Objective: 100}); err == nil {
		t.Error("an SLO that cannot be read was written")
	}
}
