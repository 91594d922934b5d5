//go:build bench

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"
)

// TestBenchStorm posts 100,000 alerts of one service to Nines and to Debian's Alertmanager, and now and then the first alert
// of another service, and times that one's page. Alertmanager has a group_wait of zero; its default adds 30 s to each.
func TestBenchStorm(t *testing.T) {
	bodies := stormBodies(100_000)
	for _, who := range []string{"Nines", "Alertmanager"} {
		p := startProbes(t)
		var url, token string
		if who == "Nines" {
			w := startPlane(t, planeOptions{env: pageKeys})
			path := filepath.Join(w.dir, "definitions.yaml")
			write(t, path, fmt.Sprintf(`
apiVersion: nines/v1
kind: EscalationPolicy
metadata: {name: default}
spec:
  steps:
  - targets: [{webhook: {url: %q, secret: {env: E2E_WEBHOOK_SECRET}}}]
`, p.URL))
			w.cli("apply", "-f", path)
			url, token = w.url("/alertmanager/api/v2/alerts"), w.token
		} else {
			url = startAlertmanagerWith(t, fmt.Sprintf(
				"route: {receiver: hook, group_by: [alertname, service], group_wait: 0s}\nreceivers: [{name: hook, webhook_configs: [{url: %q, send_resolved: false}]}]\n",
				p.URL)).url + "/api/v2/alerts"
		}
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: time.Minute}
		flood := func(raw []byte) error {
			req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(raw))
			if err != nil {
				return err
			}
			req.Header.Set("Content-Type", "application/json")
			if token != "" {
				req.Header.Set("Authorization", "Bearer "+token)
			}
			res, err := client.Do(req)
			if err != nil {
				return err
			}
			defer res.Body.Close()
			if text, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
				return fmt.Errorf("%d %s", res.StatusCode, text)
			}
			return nil
		}
		post := func(_ string, body any) error {
			raw, err := json.Marshal(body)
			if err != nil {
				return err
			}
			return flood(raw)
		}
		for n := range 40 {
			p.send(t, post, fmt.Sprintf("Probequiet%d", n))
			time.Sleep(100 * time.Millisecond)
		}
		quiet := p.took(t, time.Minute)
		p.mu.Lock()
		clear(p.posted)
		p.mu.Unlock()
		began := time.Now()
		n := storm(t, p, "storm", 50*time.Millisecond, bodies, flood, post)
		lasted := time.Since(began)
		stormy := p.took(t, 10*time.Minute)
		p.mu.Lock()
		clear(p.posted)
		p.mu.Unlock()
		for n := range 60 {
			p.send(t, post, fmt.Sprintf("Probeafter%d", n))
			time.Sleep(50 * time.Millisecond)
		}
		after := p.took(t, 10*time.Minute)
		t.Logf("%-12s while the storm is worked off: page p50 %v p99 %v: ratios %.1f and %.1f", who, quantile(after, .5), quantile(after, .99),
			float64(quantile(after, .5))/float64(quantile(quiet, .5)), float64(quantile(after, .99))/float64(quantile(quiet, .99)))
		t.Logf("%-12s quiet page p50 %v p99 %v; in a storm of 100,000 alerts in %.1f s (%d probes) p50 %v p99 %v: ratios %.1f and %.1f; %d pages of the storm so far",
			who, quantile(quiet, .5), quantile(quiet, .99), lasted.Seconds(), n, quantile(stormy, .5), quantile(stormy, .99),
			float64(quantile(stormy, .5))/float64(quantile(quiet, .5)), float64(quantile(stormy, .99))/float64(quantile(quiet, .99)), p.others)
	}
}
