//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"
)

// TestAStormOfOneServiceWakesNobodyForEachAlertAndDelaysNobodyElse posts 20,000 alerts of one service, each of a group of its
// own, and in between the first words of other services. Those are paged at once; the storm is bounded; nothing is lost.
func TestAStormOfOneServiceWakesNobodyForEachAlertAndDelaysNobodyElse(t *testing.T) {
	const alerts, bound = 20_000, 50
	p := startProbes(t)
	w := startPlane(t, planeOptions{env: pageKeys, args: []string{"--prometheus-url", quietPrometheus(t)}})
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
	post := func(_ string, body any) error {
		code, raw, _, err := w.try(w.token, http.MethodPost, "/alertmanager/api/v2/alerts", body)
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("%d %s", code, raw)
		}
		return err
	}
	flood := func(raw []byte) error { return post("", json.RawMessage(raw)) }
	n := storm(t, p, "storm", 40*time.Millisecond, stormBodies(alerts), flood, post)
	took := p.took(t, 60*time.Second)
	eventually(t, 2*time.Minute, "the inbox is worked off", func() error {
		if left := w.metric("nines_inbox_alerts"); left != 0 {
			return fmt.Errorf("%v alerts wait", left)
		}
		return nil
	})
	var all []struct {
		Labels map[string]string `json:"labels"`
	}
	if err := w.get("/alertmanager/api/v2/alerts", &all); err != nil {
		t.Fatal(err)
	}
	loud := 0
	for _, a := range all {
		if a.Labels["service"] == "loud" {
			loud++
		}
	}
	if loud != alerts || len(all) != alerts+n {
		t.Errorf("%d alerts of the storm and %d others are kept; want %d and %d", loud, len(all)-loud, alerts, n)
	}
	var opened struct {
		Incidents []struct{ Service, Title string } `json:"incidents"`
	}
	if err := w.get("/api/v1/incidents?state=triggered,acknowledged&service=loud&limit=200", &opened); err != nil {
		t.Fatal(err)
	}
	if got := len(opened.Incidents); got == 0 || got > bound+1 {
		t.Errorf("the storm opened %d incidents; want at most %d and one for the rest", got, bound)
	}
	t.Logf("%d probes in a storm of %d alerts: paged after p50 %v, p99 %v; %d incidents and %d pages of the storm", n, alerts,
		quantile(took, .5), quantile(took, .99), len(opened.Incidents), p.others)
}
