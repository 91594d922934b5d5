package engine

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/prometheus/prometheus/prompb"
)

const failing = `
groups:
  - name: shop
    interval: 200ms
    rules:
      - record: shop:errors
        expr: sum by (tenant) (shop_requests_total{code="500"})
      - alert: ShopFails
        expr: shop:errors > 2
        labels: {severity: page}
        annotations: {summary: "{{ $value }} errors for {{ $labels.tenant }}"}
`

func TestFromScrapeToAlertAndBack(t *testing.T) {
	t.Parallel()
	s, out, rules := newShop(t), newSink(t), t.TempDir()
	write(t, rules, "shop.yaml", failing)
	e := startEngine(t, Config{ConfigFile: scraping(t, "shop", s.addr), RuleDir: rules, AlertsURL: out.url, AlertsToken: "pager",
		Token: "engine", ExternalURL: "https://nines.example/engine"})
	s.requests.WithLabelValues("acme", "500").Add(3)
	e.eventually("the alert is posted", func() bool { _, ok := out.last("ShopFails"); return ok })
	got, _ := out.last("ShopFails")
	if got.alert.Labels["tenant"] != "acme" || got.alert.Labels["severity"] != "page" || got.alert.Annotations["summary"] != "3 errors for acme" {
		t.Errorf("posted %+v", got.alert)
	}
	if !got.alert.EndsAt.After(time.Now()) || got.alert.StartsAt.After(time.Now()) {
		t.Errorf("a firing alert from %v to %v", got.alert.StartsAt, got.alert.EndsAt)
	}
	if auth := got.header.Get("Authorization"); auth != "Bearer pager" {
		t.Errorf("posted with %q", auth)
	}
	if trace := got.header.Get("Traceparent"); !regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`).MatchString(trace) {
		t.Errorf("traceparent %q", trace)
	}
	link, err := url.Parse(got.alert.GeneratorURL)
	if err != nil || !strings.HasPrefix(got.alert.GeneratorURL, "https://nines.example/engine/graph?") || link.Query().Get("g0.expr") != "shop:errors > 2" {
		t.Errorf("generatorURL %s", got.alert.GeneratorURL)
	}
	s.requests.Reset()
	e.eventually("its end is posted", func() bool { p, _ := out.last("ShopFails"); return p.alert.EndsAt.Before(time.Now()) })
}

func TestAlertsWaitForAReceiverThatIsAway(t *testing.T) {
	t.Parallel()
	s, out, rules := newShop(t), newSink(t), t.TempDir()
	out.answer(http.StatusServiceUnavailable)
	write(t, rules, "shop.yaml", failing)
	e := startEngine(t, Config{ConfigFile: scraping(t, "shop", s.addr), RuleDir: rules, AlertsURL: out.url})
	s.requests.WithLabelValues("acme", "500").Add(3)
	e.eventually("posting failed twice", func() bool { v := e.own("nines_engine_alert_posts_failed_total"); return v != "0" && v != "1" })
	out.answer(http.StatusOK)
	e.eventually("the alert arrives", func() bool { _, ok := out.last("ShopFails"); return ok })
}

func TestNativeHistogramsAreScrapedAndAnswered(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for range 100 {
		s.latency.Observe(0.25)
	}
	e := startEngine(t, Config{ConfigFile: scraping(t, "shop", s.addr)})
	e.eventually("a quantile", func() bool {
		v, ok := e.value(`histogram_quantile(0.9, shop_latency_seconds)`)
		return ok && v > 0.2 && v < 0.3
	})
}

func TestTheEngineScrapesItself(t *testing.T) {
	t.Parallel()
	e := startEngine(t, Config{ScrapeInterval: 200 * time.Millisecond, Token: "secret"})
	e.eventually("its own metric is stored", func() bool {
		v, ok := e.value(`nines_engine_disk_low{job="nines-engine"}`)
		return ok && v == 0
	})
}

func TestTheAPIAnswers(t *testing.T) {
	t.Parallel()
	s, rules := newShop(t), t.TempDir()
	write(t, rules, "shop.yaml", failing)
	s.requests.WithLabelValues("acme", "200").Inc()
	e := startEngine(t, Config{ConfigFile: scraping(t, "shop", s.addr), RuleDir: rules, AlertsURL: "http://127.0.0.1:1/alertmanager"})
	e.eventually("the target is up", func() bool { v, ok := e.value(`up{job="shop"}`); return ok && v == 1 })
	now := time.Now().Unix()
	for path, says := range map[string]string{
		fmt.Sprintf("/api/v1/query_range?query=up&start=%d&end=%d&step=1", now-5, now): `"matrix"`,
		"/api/v1/labels":             `"job"`,
		"/api/v1/label/job/values":   `"shop"`,
		"/api/v1/series?match[]=up":  `"__name__":"up"`,
		"/api/v1/rules":              `"file":"shop.yaml"`,
		"/api/v1/alerts":             `"alerts":[`,
		"/api/v1/targets":            s.addr,
		"/api/v1/metadata":           `"shop_requests_total"`,
		"/api/v1/alertmanagers":      "http://127.0.0.1:1/alertmanager/api/v2/alerts",
		"/api/v1/status/config":      "scrape_protocols",
		"/api/v1/status/flags":       `"query.timeout":"30s"`,
		"/api/v1/status/buildinfo":   `"goVersion"`,
		"/api/v1/status/runtimeinfo": `"storageRetention":"5w"`,
		"/api/v1/status/tsdb":        `"headStats"`,
		"/api/v1/query_exemplars?query=shop_latency_seconds&start=0&end=1": `"success"`,
		"/api/v1/format_query?query=up==0":                                 `up == 0`,
		"/-/ready":                                                         "ready",
		"/-/healthy":                                                       "alive",
		"/metrics":                                                         "prometheus_tsdb_head_series",
	} {
		if status, body := e.get(path); status != http.StatusOK || !strings.Contains(body, says) {
			t.Errorf("%s: want 200 with %s, got %d: %.300s", path, says, status, body)
		}
	}
	if status, _ := e.request(http.MethodPost, "/api/v1/admin/tsdb/delete_series?match[]=up", nil, ""); status == http.StatusNoContent {
		t.Error("samples can be deleted by anybody")
	}
}

func TestTheTokenIsAskedForEverywhereButHealth(t *testing.T) {
	t.Parallel()
	const token = "t-0c1f"
	e := startEngine(t, Config{Token: token})
	for _, path := range []string{"/api/v1/query?query=1", "/metrics", "/api/v1/status/config", "/anything"} {
		for _, wrong := range []string{"", "t-0c1", "t-0c1f2", "T-0C1F", "t-0c1f,t-0c1f"} {
			if status, _ := e.request(http.MethodGet, path, nil, wrong); status != http.StatusUnauthorized {
				t.Errorf("%s with token %q: %d", path, wrong, status)
			}
		}
	}
	for _, path := range []string{"/-/reload", "/api/v1/write"} {
		if status, _ := e.request(http.MethodPost, path, nil, "wrong"); status != http.StatusUnauthorized {
			t.Errorf("POST %s: %d", path, status)
		}
	}
	for _, path := range []string{"/-/healthy", "/-/ready"} {
		if status, _ := e.request(http.MethodGet, path, nil, ""); status != http.StatusOK {
			t.Errorf("%s without a token: %d", path, status)
		}
	}
	if status, text := e.get("/api/v1/status/config"); status != http.StatusOK || strings.Contains(text, token) {
		t.Error("the token stands in the configuration that the API shows")
	}
}

// remoteWrite returns a remote write 1.0 request's body.
func remoteWrite(t *testing.T, name string, at time.Time, values ...float64) []byte {
	t.Helper()
	var req prompb.WriteRequest
	for i, v := range values {
		req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
			Labels:  []prompb.Label{{Name: "__name__", Value: name}, {Name: "n", Value: fmt.Sprint(i)}},
			Samples: []prompb.Sample{{Value: v, Timestamp: at.UnixMilli()}},
		})
	}
	text, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, text)
}

func TestRemoteWriteIsTakenWithinBounds(t *testing.T) {
	t.Parallel()
	e := startEngine(t, Config{})
	if status, body := e.request(http.MethodPost, "/api/v1/write", bytes.NewReader(remoteWrite(t, "pushed", time.Now(), 1, 2, 4)), ""); status != http.StatusNoContent {
		t.Fatalf("%d: %s", status, body)
	}
	if v, ok := e.value("sum(pushed)"); !ok || v != 7 {
		t.Errorf("want 7, got %v, %v", v, ok)
	}
	bomb := []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0, 0, 0, 0} // says that it unpacks to 4 GiB
	for path, want := range map[string]int{"/api/v1/write": http.StatusRequestEntityTooLarge, "/api/v1/read": http.StatusRequestEntityTooLarge} {
		if status, _ := e.request(http.MethodPost, path, bytes.NewReader(bomb), ""); status != want {
			t.Errorf("%s: want %d for a body that unpacks to 4 GiB, got %d", path, want, status)
		}
	}
	if status, _ := e.request(http.MethodPost, "/api/v1/write", bytes.NewReader([]byte("rubbish")), ""); status != http.StatusBadRequest {
		t.Errorf("rubbish: %d", status)
	}
}

// TestDeadlyQueriesAreRefusedAtOnce holds every way in to the same bound.
func TestDeadlyQueriesAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	e := startEngine(t, Config{})
	grown := "up"
	for range 4 {
		grown = `label_replace(` + grown + `, "a", "$1$1$1$1$1$1$1$1", "a", "(.*)")`
	}
	alternation := `{a=~"` + strings.Repeat("x|", 10_000) + `"}`
	for name, expr := range map[string]string{
		"200 KB of parentheses": strings.Repeat("(", 200_000),
		"8 KB of parentheses":   strings.Repeat("(", 4000) + "1" + strings.Repeat(")", 4000),
		"a chain":               strings.Repeat("1+", 3000) + "1",
		"growing labels":        grown,
		"a wide alternation":    alternation,
		"unary minus":           strings.Repeat("-", 8000) + "1",
		"a tower of subqueries": "up" + strings.Repeat("[1h:1s]", 1100),
		"a mistake":             "sum(",
		"unterminated string":   `{a="` + strings.Repeat("(", 8000),
		"an unknown function":   "explode(up)",
	} {
		for _, form := range []struct{ path, parameter string }{
			{"/api/v1/query", "query"}, {"/api/v1/query_range", "query"}, {"/api/v1/query_exemplars", "query"},
			{"/api/v1/format_query", "query"}, {"/api/v1/parse_query", "query"}, {"/api/v1/series", "match[]"}, {"/api/v1/labels", "match[]"},
		} {
			values := url.Values{form.parameter: {expr}, "start": {"1"}, "end": {"100"}, "step": {"1"}}
			began := time.Now()
			resp, err := http.PostForm(e.base+form.path, values)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			harmless := strings.HasSuffix(form.path, "format_query") || strings.HasSuffix(form.path, "parse_query")
			if took := time.Since(began); took > time.Second || resp.StatusCode >= 500 || resp.StatusCode < 400 && !harmless {
				t.Errorf("%s at %s: %d after %v", name, form.path, resp.StatusCode, took)
			}
		}
	}
	if status, _ := e.request(http.MethodPost, "/api/v1/query", strings.NewReader(strings.Repeat("query=1&", 1<<18)), ""); status >= 500 || status < 400 {
		t.Errorf("a form of 2 MB: %d", status)
	}
	if _, ok := e.value("vector(1)"); !ok {
		t.Error("the engine does not answer any more")
	}
}

func TestReloadTakesUpWhatIsGoodAndSaysWhatIsNot(t *testing.T) {
	t.Parallel()
	s, rules := newShop(t), t.TempDir()
	record := func(name, expr string) string {
		return fmt.Sprintf("groups: [{name: g, interval: 200ms, rules: [{record: %s, expr: '%s'}]}]\n", name, expr)
	}
	write(t, rules, "a.yaml", record("a:one", "vector(1)"))
	write(t, rules, "b.yaml", record("b:one", "vector(1)"))
	configFile := scraping(t, "shop", s.addr)
	e := startEngine(t, Config{ConfigFile: configFile, RuleDir: rules})
	e.eventually("both rules run", func() bool { v, ok := e.value("a:one + b:one"); return ok && v == 2 })
	if err := e.client.Reload(t.Context()); err != nil {
		t.Fatalf("nothing changed: %v", err)
	}

	write(t, rules, "a.yaml", record("a:one", "vector(2"))
	write(t, rules, "b.yaml", record("b:one", "vector(3)"))
	write(t, rules, "c.yaml", "groups: {")
	err := e.client.Reload(t.Context())
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "a.yaml") || !strings.Contains(err.Error(), "c.yaml") || strings.Contains(err.Error(), "b.yaml") {
		t.Errorf("want the reasons of a.yaml and c.yaml, got %v", err)
	}
	e.eventually("b is new and a still runs", func() bool { v, ok := e.value("a:one + b:one"); return ok && v == 4 })
	if ok, bad := e.own("nines_engine_last_reload_successful"), e.own("nines_engine_bad_rule_files"); ok != "0" || bad != "2" {
		t.Errorf("successful %s, bad rule files %s", ok, bad)
	}

	write(t, rules, "a.yaml", record("a:one", "vector(5)"))
	write(t, rules, "c.yaml", record("c:one", "vector(1)"))
	if err := e.client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.eventually("all are new", func() bool { v, ok := e.value("a:one + b:one + c:one"); return ok && v == 9 })
	if ok, bad := e.own("nines_engine_last_reload_successful"), e.own("nines_engine_bad_rule_files"); ok != "1" || bad != "0" {
		t.Errorf("successful %s, bad rule files %s", ok, bad)
	}

	write(t, t.TempDir(), "x", "")
	write(t, strings.TrimSuffix(configFile, "/prometheus.yml"), "prometheus.yml", "alerting: {}\nscrape_configs: [{job_name: k, kubernetes_sd_configs: [{role: pod}]}]\n")
	err = e.client.Reload(t.Context())
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "alerting") || !strings.Contains(err.Error(), "prometheus.yml:2") || !strings.Contains(err.Error(), "kubernetes_sd_configs") {
		t.Errorf("want both unsupported sections with their lines, got %v", err)
	}
	after := time.Now()
	e.eventually("scraping goes on under the former configuration", func() bool {
		v, ok := e.value(`timestamp(up{job="shop"})`)
		return ok && v > float64(after.Unix()+1)
	})
}

func TestABadRuleFileDoesNotStopTheStart(t *testing.T) {
	t.Parallel()
	rules := t.TempDir()
	write(t, rules, "bad.yaml", "groups: [{name: g, rules: [{record: x, expr: '('}]}]")
	write(t, rules, "good.yml", "groups: [{name: g, interval: 200ms, rules: [{record: good, expr: 'vector(1)'}]}]")
	e := startEngine(t, Config{RuleDir: rules})
	e.eventually("the good rule runs", func() bool { _, ok := e.value("good"); return ok })
	if bad := e.own("nines_engine_bad_rule_files"); bad != "1" {
		t.Errorf("bad rule files: %s", bad)
	}
}

func TestABadConfigurationEndsTheStartWithEveryProblem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, says string }{
		"remote write out":    {"remote_write: [{url: 'http://x'}]\ntracing: {endpoint: x}", "prometheus.yml:2"},
		"not YAML":            {"scrape_configs: [", "not YAML"},
		"an unknown field":    {"scrape_configs: [{job_name: a, scrape_intervall: 1s}]", "scrape_intervall"},
		"a timeout too long":  {"scrape_configs: [{job_name: a, scrape_interval: 1s, scrape_timeout: 2s}]", "scrape timeout"},
		"the same job twice":  {"scrape_configs: [{job_name: a}, {job_name: a}]", "job name"},
		"a discovery we lack": {"scrape_configs: [{job_name: a, consul_sd_configs: [{}]}]", "consul_sd_configs is not supported"},
	} {
		path := write(t, t.TempDir(), "prometheus.yml", c.text)
		_, err := tryEngine(t, Config{ConfigFile: path})
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: want invalid saying %q, got %v", name, c.says, err)
		}
	}
	if _, err := tryEngine(t, Config{ConfigFile: "/nowhere/prometheus.yml"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestTheConfigurationKeepsWhatItSaysAndFillsInTheRest(t *testing.T) {
	t.Parallel()
	path := write(t, t.TempDir(), "prometheus.yml", `
global: {scrape_interval: 5s, external_labels: {site: a}}
scrape_configs:
  - job_name: quick
    scrape_interval: 1s
    file_sd_configs: [{files: [targets.json]}]
  - job_name: usual
`)
	s, err := Config{Log: slog.New(slog.DiscardHandler), ConfigFile: path, ScrapeInterval: 15 * time.Second, ScrapeTimeout: 10 * time.Second, EvalInterval: time.Minute}.load("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, job := range s.prometheus.ScrapeConfigs {
		got[job.JobName] = fmt.Sprintf("%v %v %v", job.ScrapeInterval, job.ScrapeTimeout, job.ScrapeProtocols[0])
	}
	for job, want := range map[string]string{"quick": "1s 1s PrometheusProto", "usual": "5s 5s PrometheusProto", selfJob: "5s 5s PrometheusProto"} {
		if got[job] != want {
			t.Errorf("%s: want %s, got %s", job, want, got[job])
		}
	}
	if s.prometheus.GlobalConfig.EvaluationInterval.String() != "1m" || s.prometheus.GlobalConfig.ExternalLabels.Get("site") != "a" {
		t.Errorf("global: %+v", s.prometheus.GlobalConfig)
	}
}

func TestAnAddressInUseEndsTheStart(t *testing.T) {
	t.Parallel()
	e := startEngine(t, Config{})
	err := Run(context.Background(), Config{DataDir: t.TempDir(), Listen: strings.TrimPrefix(e.base, "http://")}, nil)
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "listen") {
		t.Errorf("got %v", err)
	}
}
