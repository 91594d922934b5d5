//go:build e2e || bench

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// webhookSecret signs the test's webhooks; it protects nothing.
const webhookSecret = "whsec_ZTJlLXRlc3Qta2V5LXRoYXQtcHJvdGVjdHMtbm90aGluZw=="

// pageKeys is the environment of a control plane whose policies name these secrets.
var pageKeys = []string{"E2E_WEBHOOK_SECRET=" + webhookSecret, "E2E_PAGERDUTY_KEY=0123456789abcdef0123456789abcdef"}

const scrapeShop = `
global: {scrape_interval: 1s, scrape_timeout: 800ms, evaluation_interval: 1s}
scrape_configs:
- job_name: shop
  static_configs: [{targets: ["SHOP"]}]
- job_name: nines
  static_configs: [{targets: ["OPS"]}]
`

// shopDefinitions is one promise about the shop at one-second speed, paging SINK and PD_ENDPOINT, and its customers.
const shopDefinitions = `
apiVersion: nines/v1
kind: Service
metadata: {name: shop}
spec: {owner: shop-team, policy: shop-oncall, runbook: slo-burn}
---
apiVersion: nines/v1
kind: SLO
metadata: {name: availability}
spec:
  service: shop
  objective: 99.9
  window: 2h
  interval: 1s
  settle: 500ms
  sli:
    events:
      errors: http_requests_total{job="shop",code=~"5.."}
      total: http_requests_total{job="shop"}
  groupBy: [tenant, region]
  budgetBy: [tenant]
  alerting: {policy: shop-oncall, runbook: slo-burn}
---
apiVersion: nines/v1
kind: SLO
metadata: {name: latency}
spec:
  service: shop
  objective: 99
  window: 2h
  interval: 1s
  settle: 500ms
  sli:
    latency: {histogram: http_request_duration_seconds, selector: '{job="shop"}', threshold: 250ms}
  groupBy: [tenant, region]
  budgetBy: [tenant]
---
apiVersion: nines/v1
kind: EscalationPolicy
metadata: {name: shop-oncall}
spec:
  repeat: 0
  steps:
  - targets:
    - webhook: {url: "SINK", secret: {env: E2E_WEBHOOK_SECRET}}
    - pagerduty: {routingKey: {env: E2E_PAGERDUTY_KEY}, endpoint: "PD_ENDPOINT"}
  - delay: 8s
    targets:
    - webhook: {url: "SINK/second", secret: {env: E2E_WEBHOOK_SECRET}}
---
apiVersion: nines/v1
kind: EscalationPolicy
metadata: {name: default}
spec:
  steps:
  - targets:
    - webhook: {url: "SINK", secret: {env: E2E_WEBHOOK_SECRET}}
---
apiVersion: nines/v1
kind: Tenant
metadata: {name: acme}
spec:
  name: Acme GmbH
  tier: gold
  zone: UTC
  region: eu
  promises:
  - {slo: shop-availability, objective: 99.5, credits: [{below: 99.5, credit: 10}, {below: 99, credit: 25}]}
---
apiVersion: nines/v1
kind: Tenant
metadata: {name: globex}
spec:
  name: Globex Corporation
  tier: silver
  zone: UTC
  promises:
  - {slo: shop-availability, objective: 99.5, credits: [{below: 99.5, credit: 10}]}
---
apiVersion: nines/v1
kind: Workload
metadata: {name: shop}
spec:
  service: shop
  load: sum(rate(http_requests_total{job="shop"}[30s]))
  replicas: max(shop_replicas)
  perReplica: 10
  min: 1
  max: 20
---
apiVersion: nines/v1
kind: PriceSheet
metadata: {name: shop}
spec:
  currency: EUR
  items:
  - name: requests
    query: sum by (tenant) (increase(http_requests_total{job="shop"}[{{.window}}]))
    per: 1000000
    unit: requests
    price: 0.40
`

func definitionsFor(sink, pagerDuty string) string {
	text := strings.ReplaceAll(shopDefinitions, "SINK", sink)
	return strings.ReplaceAll(text, "PD_ENDPOINT", pagerDuty)
}

// shop is a running example shop.
type shop struct {
	*process
	t      testing.TB
	listen string
}

func startShop(t testing.TB, rps int) *shop {
	t.Helper()
	s := &shop{t: t, listen: freePort(t)}
	s.process = start(t, "shop", []string{"SHOP_PAGER_SECRET=" + webhookSecret}, binary(t, "shop"),
		"-listen", s.listen, "-rps", fmt.Sprint(rps), "-seed", "1", "-quiet")
	eventually(t, 10*time.Second, "the shop serves", func() error {
		_, err := http.Get("http://" + s.listen + "/status")
		return err
	})
	return s
}

func (s *shop) post(path string) {
	s.t.Helper()
	res, err := http.Post("http://"+s.listen+path, "", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		s.t.Fatalf("POST %s: %s %s", path, res.Status, body)
	}
}

// truth is what the shop itself counted.
type truth struct {
	Rows []struct {
		Tenant string  `json:"tenant"`
		Region string  `json:"region"`
		Good   float64 `json:"good"`
		Fast   float64 `json:"fast"` // answered within 250 ms
		Total  float64 `json:"total"`
	} `json:"rows"`
}

func (s *shop) truth() truth {
	s.t.Helper()
	res, err := http.Get("http://" + s.listen + "/truth")
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	var v truth
	if err := json.NewDecoder(res.Body).Decode(&v); err != nil {
		s.t.Fatal(err)
	}
	return v
}

// world is a shop, somebody to page, and a control plane that watches the one for the other.
type world struct {
	*plane
	shop *shop
	sink *sink
}

func (w *world) applyShop(pagerDuty string) {
	w.t.Helper()
	path := filepath.Join(w.dir, "definitions.yaml")
	write(w.t, path, definitionsFor(w.sink.URL, pagerDuty))
	w.cli("apply", "-f", path)
}
