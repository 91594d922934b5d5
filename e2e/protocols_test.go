//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/dashboards"
)

// A real Prometheus, told nothing but our address, path prefix and token, pages through us; amtool adds and queries.
func TestARealPrometheusPagesThroughUs(t *testing.T) {
	t.Parallel()
	w := startPaging(t, planeOptions{})
	token := strings.TrimSpace(w.cli("tokens", "add", "prometheus", "--role", "responder"))
	dir := tempDir(t)
	// It fires once Prometheus has found us, which it does five seconds after its start.
	from := fmt.Sprint(time.Now().Add(8 * time.Second).Unix())
	write(t, filepath.Join(dir, "rules.yml"), strings.Replace(`
groups:
- name: g
  rules:
  - {alert: RealPrometheus, expr: "vector(time()) > FROM", labels: {severity: critical, service: billing}, annotations: {title: "billing is down"}}
`, "FROM", from, 1))
	listen := freePort(t)
	write(t, filepath.Join(dir, "prometheus.yml"), fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
alerting:
  alertmanagers:
  - path_prefix: /alertmanager
    authorization: {credentials: %q}
    static_configs: [{targets: [%q]}]
`, token, w.listen))
	start(t, "prometheus", nil, find(t, "prometheus"), "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "tsdb"), "--web.listen-address="+listen)
	w.sink.waitFor(t, 30*time.Second, "billing is down")

	amtool := func(words ...string) string {
		t.Helper()
		at := fmt.Sprintf("--alertmanager.url=http://amtool:%s@%s/alertmanager", token, w.listen)
		out, err := exec.Command(find(t, "amtool"), append([]string{at}, words...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("amtool %v: %v\n%s", words, err, out)
		}
		return string(out)
	}
	amtool("alert", "add", "FromAmtool", "severity=critical", "node=a1")
	w.sink.waitFor(t, 10*time.Second, "FromAmtool")
	if out := amtool("alert", "query", "node=a1"); !strings.Contains(out, "FromAmtool") {
		t.Errorf("amtool alert query says:\n%s", out)
	}
	if out := amtool("alert", "query"); !strings.Contains(out, "RealPrometheus") {
		t.Errorf("amtool alert query says:\n%s", out)
	}
	amtool("cluster", "show")
	amtool("config", "routes", "show")
}

// Rules written for any Prometheus pass its own checker, from native and from Sloth files.
func TestGeneratedRulesPassPromtool(t *testing.T) {
	t.Parallel()
	for _, input := range []string{"../examples/quickstart", "../examples/sloth"} {
		out := filepath.Join(tempDir(t), "rules.yaml")
		if raw, err := exec.Command(binary(t, "nines"), "slo", "generate", "-i", input, "-o", out).CombinedOutput(); err != nil {
			t.Fatalf("generate %s: %v\n%s", input, err, raw)
		}
		if raw, err := exec.Command(find(t, "promtool"), "check", "rules", out).CombinedOutput(); err != nil {
			t.Errorf("promtool refuses the rules of %s: %v\n%s", input, err, raw)
		}
	}
}

// Every query of every dashboard that ships runs against the live engine through the proxy Grafana would use.
func TestDashboardQueriesRun(t *testing.T) {
	t.Parallel()
	shop := startShop(t, 20)
	w := startPaging(t, planeOptions{scrape: strings.ReplaceAll(scrapeShop, "SHOP", shop.listen)})
	path := filepath.Join(w.dir, "shop.yaml")
	write(t, path, definitionsFor(w.sink.URL, "http://127.0.0.1:1"))
	w.cli("apply", "-f", path)
	eventually(t, 30*time.Second, "most queries have data", func() error {
		asked, empty := 0, []string{}
		for _, d := range dashboards.All() {
			for _, query := range d.Queries() {
				status, raw, _ := w.call(http.MethodGet, "/prometheus/api/v1/query?query="+url.QueryEscape(query), nil)
				if status != http.StatusOK {
					t.Fatalf("%s: %s\n%d %s", d.Title, query, status, raw)
				}
				var answer struct {
					Data struct {
						Result []json.RawMessage `json:"result"`
					} `json:"data"`
				}
				if err := json.Unmarshal(raw, &answer); err != nil {
					t.Fatalf("%s: %s: %v", d.Title, query, err)
				}
				asked++
				if len(answer.Data.Result) == 0 {
					empty = append(empty, query)
				}
			}
		}
		if asked == 0 || len(empty)*4 > asked {
			return fmt.Errorf("of %d queries %d have no data: %s", asked, len(empty), strings.Join(empty, "\n"))
		}
		return nil
	})
}

// A customer's person sees that customer's data and nobody else's on every route that exists.
func TestATenantSeesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	shop := startShop(t, 20)
	w := startPaging(t, planeOptions{scrape: strings.ReplaceAll(scrapeShop, "SHOP", shop.listen)})
	path := filepath.Join(w.dir, "shop.yaml")
	write(t, path, definitionsFor(w.sink.URL, "http://127.0.0.1:1"))
	w.cli("apply", "-f", path)
	for _, tenant := range []string{"acme", "globex"} {
		w.call(http.MethodPost, "/alertmanager/api/v2/alerts", []map[string]any{{"labels": map[string]string{
			"alertname": "Canary", "severity": "critical", "tenant": tenant, "canary": "canary-of-" + tenant}}})
	}
	foreign := map[string]string{}
	eventually(t, 30*time.Second, "both tenants have incidents and a ledger", func() error {
		for _, i := range w.incidents("triggered") {
			foreign[i.Tenant] = i.ID
		}
		if foreign["acme"] == "" || foreign["globex"] == "" {
			return fmt.Errorf("incidents of %v", foreign)
		}
		_, raw, _ := w.call(http.MethodGet, "/api/v1/slos", nil)
		if !strings.Contains(string(raw), "acme") || !strings.Contains(string(raw), "globex") {
			return fmt.Errorf("statuses %s", raw)
		}
		return nil
	})
	acme := strings.TrimSpace(w.cli("tokens", "add", "acme", "--role", "admin", "--tenant", "acme"))

	_, raw, _ := w.call(http.MethodGet, "/api/v1/openapi.json", nil)
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("{fingerprint}", "25c2cdb12d31dc50", "{key}", "x", "{id}", foreign["globex"], "{kind}", "Tenant", "{name}", "globex", "{workload}", "shop")
	queries := []string{"", "?tenant=globex&month=" + time.Now().UTC().Format("2006-01"), "?tenant=acme&month=" + time.Now().UTC().Format("2006-01")}
	walked, seen := 0, 0
	for route, methods := range doc.Paths {
		for method := range methods {
			if strings.HasSuffix(route, "/events") {
				continue // a stream; its filter is tested where it lives
			}
			for _, query := range queries {
				for _, id := range []string{fill.Replace(route), strings.ReplaceAll(route, "{id}", "shop-availability")} {
					walked++
					status, body, _, err := w.try(acme, strings.ToUpper(method), "/api/v1"+strings.TrimPrefix(id, "/api/v1")+query, bodyFor(method))
					if err != nil {
						t.Errorf("%s %s: %v", method, id, err)
						continue
					}
					if status >= 500 {
						t.Errorf("%s %s%s: %d %s", method, id, query, status, body)
					}
					text := strings.ReplaceAll(string(body), foreign["globex"], "") // the id we asked with may be repeated
					if status < 400 {
						seen++
					}
					if strings.Contains(strings.ToLower(strings.ReplaceAll(text, `"globex"`, "")), "canary-of-globex") ||
						status < 400 && strings.Contains(strings.ToLower(text), "globex") {
						t.Errorf("%s %s%s shows globex to acme: %d %s", method, id, query, status, body)
					}
				}
			}
		}
	}
	if walked < 40 || seen == 0 {
		t.Errorf("walked %d requests, %d answered: the document is not complete", walked, seen)
	}
	for _, path := range []string{"/prometheus/api/v1/query?query=up", "/alertmanager/api/v2/alerts", "/alertmanager/api/v2/alerts/groups", "/", "/incidents",
		"/incidents/" + foreign["globex"], "/slos/shop-availability?tenant=globex", "/reports?tenant=globex&month=" + time.Now().UTC().Format("2006-01")} {
		status, body, _, err := w.try(acme, http.MethodGet, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.ToLower(string(body)); strings.Contains(text, "canary-of-globex") || strings.Contains(text, "globex corporation") {
			t.Errorf("GET %s shows globex to acme: %d %s", path, status, body)
		}
	}
	if i := w.incident(foreign["globex"]); i.State != "triggered" {
		t.Errorf("acme changed globex's incident: it is %s", i.State)
	}
}

func bodyFor(method string) any {
	if method == "get" || method == "delete" {
		return nil
	}
	return map[string]any{"reason": "x", "text": "x", "files": []any{}, "name": "x", "role": "viewer", "tenant": "globex", "email": "x@example.com", "password": "long-enough-password"}
}
