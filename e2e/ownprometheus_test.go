//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/slo"
)

// A team's own Prometheus stands in for the built-in engine: it loads the rules that `nines slo generate` writes, sends
// its alerts to us and answers our questions; pages, resolution and the customer's figure are the same.
func TestAnOwnPrometheusReplacesTheEngine(t *testing.T) {
	t.Parallel()
	listen := freePort(t)
	shop := startShop(t, 40)
	w := &world{shop: shop, sink: startSink(t)}
	w.plane = startPlane(t, planeOptions{env: pageKeys, args: []string{"--prometheus-url", "http://" + listen}, notReady: true})
	w.applyShop("http://127.0.0.1:1")
	token := strings.TrimSpace(w.cli("tokens", "add", "prometheus", "--role", "responder"))

	dir := tempDir(t)
	rules := filepath.Join(dir, "rules.yml")
	if raw, err := exec.Command(binary(t, "nines"), "slo", "generate", "-i", filepath.Join(w.dir, "definitions.yaml"), "-o", rules).CombinedOutput(); err != nil {
		t.Fatalf("generate: %v\n%s", err, raw)
	}
	write(t, filepath.Join(dir, "prometheus.yml"), fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 800ms, evaluation_interval: 1s}
rule_files: [rules.yml]
alerting: {alertmanagers: [{path_prefix: /alertmanager, authorization: {credentials: %q}, static_configs: [{targets: [%q]}]}]}
scrape_configs: [{job_name: shop, static_configs: [{targets: [%q]}]}]
`, token, w.listen, shop.listen))
	start(t, "prometheus", nil, find(t, "prometheus"), "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "tsdb"), "--web.listen-address="+listen, "--rules.alert.resend-delay=5s")
	w.ready(20 * time.Second)
	eventually(t, 40*time.Second, "acme has traffic", func() error {
		for _, s := range w.statuses() {
			if s.Labels["tenant"] == "acme" && s.Counts.Total > 60 {
				return nil
			}
		}
		return fmt.Errorf("statuses %+v", w.statuses())
	})
	shop.post("/break?tenant=acme")
	incident := w.waitForIncident("acme")
	w.sink.waitFor(t, 10*time.Second, incident.ID)
	shop.post("/heal")
	eventually(t, 90*time.Second, "the incident resolves", func() error {
		if i := w.incident(incident.ID); i.State != "resolved" {
			return fmt.Errorf("it is %s", i.State)
		}
		return nil
	})
	shop.post("/traffic?rps=0")
	want := shop.truth()
	eventually(t, 60*time.Second, "acme's SLA figure equals the truth", func() error {
		var report slo.Report
		out := w.cli("report", "sla", "--tenant", "acme", "--json")
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			return err
		}
		return sameAsTruth(report, want, "acme")
	})
	if status, raw, _ := w.call(http.MethodGet, "/prometheus/api/v1/query?query=up", nil); status != http.StatusOK || !strings.Contains(string(raw), shop.listen) {
		t.Errorf("the proxy asks the own Prometheus: %d %s", status, raw)
	}
}
