//go:build bench

package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestBenchFaultToPage breaks the shop for one customer after the other while two systems watch the same targets: Nines,
// and Debian's Prometheus with Alertmanager running rules of Sloth's shape. It prints how long each took from the fault
// to the page, with both at their defaults and both at one second.
func TestBenchFaultToPage(t *testing.T) {
	for _, c := range []struct {
		name     string
		peer     peerSpeed
		interval string
		settle   string
		scrape   string
		healthy  time.Duration
	}{
		{"both at 1 s", peerSpeed{scrape: "1s", timeout: "800ms", eval: "1s", groupWait: "0s"}, "1s", "500ms", "1s", 20 * time.Second},
		{"both at their defaults", peerSpeed{groupWait: "30s"}, "", "", "", 150 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			shop := startShop(t, 60)
			peerSink := startSink(t)
			startPeer(t, shop.listen, peerSink.URL, c.peer)
			ours := startOurs(t, shop, c.interval, c.settle, c.scrape)
			time.Sleep(c.healthy)
			var theirs, mine []time.Duration
			for _, tenant := range []string{"acme", "globex", "initech"} {
				time.Sleep(time.Duration(rand.Int64N(int64(20 * time.Second)))) // any phase of scrape and evaluation
				broke := time.Now()
				shop.post("/break?tenant=" + tenant)
				a := pageFor(t, ours.sink, tenant, 6*time.Minute)
				b := pageFor(t, peerSink, tenant, 10*time.Minute)
				mine, theirs = append(mine, a.Sub(broke)), append(theirs, b.Sub(broke))
			}
			t.Logf("fault to page, %s: Nines median %.2f s %v, Prometheus + Alertmanager median %.2f s %v, ratio %.2f",
				c.name, median(mine), seconds(mine), median(theirs), seconds(theirs), median(mine)/median(theirs))
		})
	}
}

type peerSpeed struct{ scrape, timeout, eval, groupWait string }

// peerRules has the shape of Sloth's page alert, by tenant.
const peerRules = `
groups:
- name: sli
  rules:
  - {record: "slo:sli_error:ratio_rate5m", expr: 'sum by (tenant) (rate(http_requests_total{job="shop",code=~"5.."}[5m])) / sum by (tenant) (rate(http_requests_total{job="shop"}[5m]))'}
  - {record: "slo:sli_error:ratio_rate30m", expr: 'sum by (tenant) (rate(http_requests_total{job="shop",code=~"5.."}[30m])) / sum by (tenant) (rate(http_requests_total{job="shop"}[30m]))'}
  - {record: "slo:sli_error:ratio_rate1h", expr: 'sum by (tenant) (rate(http_requests_total{job="shop",code=~"5.."}[1h])) / sum by (tenant) (rate(http_requests_total{job="shop"}[1h]))'}
  - {record: "slo:sli_error:ratio_rate6h", expr: 'sum by (tenant) (rate(http_requests_total{job="shop",code=~"5.."}[6h])) / sum by (tenant) (rate(http_requests_total{job="shop"}[6h]))'}
- name: alerts
  rules:
  - alert: HighErrorRate
    expr: '(slo:sli_error:ratio_rate5m > (14.4 * 0.001) and slo:sli_error:ratio_rate1h > (14.4 * 0.001)) or (slo:sli_error:ratio_rate30m > (6 * 0.001) and slo:sli_error:ratio_rate6h > (6 * 0.001))'
    labels: {sloth_severity: page}
`

func startPeer(t *testing.T, target, sink string, s peerSpeed) {
	t.Helper()
	dir := tempDir(t)
	write(t, filepath.Join(dir, "rules.yml"), peerRules)
	global := ""
	if s.scrape != "" {
		global = fmt.Sprintf("global: {scrape_interval: %s, scrape_timeout: %s, evaluation_interval: %s}\n", s.scrape, s.timeout, s.eval)
	}
	alertmanager, prometheus := freePort(t), freePort(t)
	write(t, filepath.Join(dir, "prometheus.yml"), global+fmt.Sprintf(`
rule_files: [rules.yml]
alerting: {alertmanagers: [{static_configs: [{targets: ["%s"]}]}]}
scrape_configs: [{job_name: shop, static_configs: [{targets: ["%s"]}]}]
`, alertmanager, target))
	write(t, filepath.Join(dir, "alertmanager.yml"), fmt.Sprintf(`
route: {receiver: sink, group_by: [tenant], group_wait: %s}
receivers: [{name: sink, webhook_configs: [{url: "%s"}]}]
`, s.groupWait, sink))
	start(t, "alertmanager", nil, find(t, "prometheus-alertmanager", "alertmanager"), "--config.file="+filepath.Join(dir, "alertmanager.yml"),
		"--storage.path="+filepath.Join(dir, "am"), "--web.listen-address="+alertmanager, "--cluster.listen-address=")
	start(t, "prometheus", nil, find(t, "prometheus"), "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "tsdb"), "--web.listen-address="+prometheus)
	eventually(t, 20*time.Second, "the peer is ready", func() error {
		for _, at := range []string{alertmanager, prometheus} {
			if res, err := http.Get("http://" + at + "/-/ready"); err != nil || res.StatusCode != http.StatusOK {
				return fmt.Errorf("%s is not", at)
			}
		}
		return nil
	})
}

// startOurs starts Nines on the same target; an empty interval leaves everything at its default.
func startOurs(t *testing.T, shop *shop, interval, settle, scrape string) *world {
	t.Helper()
	w := &world{shop: shop, sink: startSink(t)}
	text := scrapeShop
	if scrape == "" {
		text = strings.Replace(text, "global: {scrape_interval: 1s, scrape_timeout: 800ms, evaluation_interval: 1s}\n", "", 1)
	}
	w.plane = startPlane(t, planeOptions{scrape: strings.ReplaceAll(text, "SHOP", shop.listen), env: pageKeys})
	definitions := definitionsFor(w.sink.URL, "http://127.0.0.1:1")
	definitions = strings.Replace(definitions, "window: 2h", "window: 30d", 1)
	if interval == "" {
		definitions = strings.Replace(definitions, "  interval: 1s\n  settle: 500ms\n", "", 1)
	}
	path := filepath.Join(w.dir, "definitions.yaml")
	write(t, path, definitions)
	w.cli("apply", "-f", path)
	return w
}

// pageFor returns when the first page that names the tenant arrived.
func pageFor(t *testing.T, s *sink, tenant string, within time.Duration) time.Time {
	t.Helper()
	var at time.Time
	eventually(t, within, "a page for "+tenant, func() error {
		for _, p := range s.pages() {
			if raw, _ := json.Marshal(p.Body); strings.Contains(string(raw), `"`+tenant+`"`) {
				at = p.At
				return nil
			}
		}
		return fmt.Errorf("%d pages, none for it", len(s.pages()))
	})
	return at
}

func median(ds []time.Duration) float64 {
	sorted := slices.Sorted(slices.Values(ds))
	return sorted[len(sorted)/2].Seconds()
}

func seconds(ds []time.Duration) []string {
	var out []string
	for _, d := range ds {
		out = append(out, fmt.Sprintf("%.2f", d.Seconds()))
	}
	return out
}
