//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/pagerduty/pagerdutytest"
	"github.com/nines-sre/nines/slo"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// The whole story: the shop fails for one customer, the fast burn page reaches the webhook and PagerDuty, somebody
// acknowledges and nobody else is woken, the shop heals and the incident resolves, the postmortem tells it, and the
// customer's figure equals what the shop itself counted.
func TestMainLoop(t *testing.T) {
	t.Parallel()
	pd := pagerdutytest.New(t)
	w := startWorld(t, pd.URL)

	// All customers are served, and nobody is paged for it.
	eventually(t, 30*time.Second, "all customers have traffic", func() error {
		for _, s := range w.statuses() {
			if s.Labels["tenant"] == "acme" && s.Counts.Total > 20 {
				return nil
			}
		}
		return fmt.Errorf("statuses %+v", w.statuses())
	})
	if open := w.incidents("triggered"); len(open) != 0 {
		t.Fatalf("a healthy shop has incidents: %+v", open)
	}

	broken := time.Now()
	w.shop.post("/break?tenant=acme")
	incident := w.waitForIncident("acme")
	eventually(t, 20*time.Second, "the webhook is paged", func() error {
		if len(w.sink.pages()) == 0 {
			return fmt.Errorf("no page")
		}
		return nil
	})
	t.Logf("fault to page: %v", w.sink.pages()[0].At.Sub(broken).Round(time.Millisecond))
	checkWebhookPage(t, w.sink.pages()[0], incident)
	eventually(t, 20*time.Second, "PagerDuty is paged", func() error {
		if len(pd.Events()) == 0 {
			return fmt.Errorf("no event; refused: %v", pd.Refused())
		}
		return nil
	})
	if e := pd.Events()[0]; e.EventAction != "trigger" || e.DedupKey != incident.ID+"/shop-oncall" {
		t.Errorf("PagerDuty got %+v", e)
	}

	// The command line acknowledges; the second step, eight seconds after the first, must not page.
	out := w.cli("incidents", "ack", fmt.Sprint(incident.Number))
	if !strings.Contains(out, "acknowledged") {
		t.Errorf("ack says %q", out)
	}
	eventually(t, 10*time.Second, "PagerDuty hears of the acknowledgement", func() error { return saw(pd, "acknowledge") })
	time.Sleep(9 * time.Second) // the delay of the second step: nothing to wait for but its absence
	if got := len(w.triggers()); got != 1 {
		t.Errorf("%d trigger pages, want the one before the acknowledgement", got)
	}

	w.shop.post("/heal")
	eventually(t, 90*time.Second, "the incident resolves when the burn is over", func() error {
		i := w.incident(incident.ID)
		if i.State != incidents.Resolved {
			return fmt.Errorf("it is %s", i.State)
		}
		return nil
	})
	eventually(t, 10*time.Second, "PagerDuty hears of the resolution", func() error { return saw(pd, "resolve") })
	if refused := pd.Refused(); len(refused) > 0 {
		t.Errorf("PagerDuty's schema was broken: %v", refused)
	}

	// Another customer's answers become slow, so that the latency promise has something to count.
	w.shop.post("/break?tenant=globex&mode=slow")
	eventually(t, 30*time.Second, "slow answers are counted", func() error {
		for _, s := range w.statusesOf("shop-latency") {
			if s.Labels["tenant"] == "globex" && s.Counts.Errors() > 20 {
				return nil
			}
		}
		return fmt.Errorf("statuses %+v", w.statusesOf("shop-latency"))
	})
	w.shop.post("/heal")
	w.figuresEqualTheTruth()
	w.postmortemTells(incident)
	w.restartKeepsEverything(incident)
}

func saw(pd *pagerdutytest.Server, action string) error {
	var seen []string
	for _, e := range pd.Events() {
		if e.EventAction == action {
			return nil
		}
		seen = append(seen, e.EventAction)
	}
	return fmt.Errorf("it heard %v", seen)
}

func startWorld(t *testing.T, pagerDutyURL string) *world {
	t.Helper()
	shop := startShop(t, 40)
	w := &world{shop: shop, sink: startSink(t)}
	w.plane = startPlane(t, planeOptions{scrape: strings.ReplaceAll(scrapeShop, "SHOP", shop.listen), env: pageKeys})
	w.applyShop(pagerDutyURL)
	return w
}

func (w *world) statuses() []slo.Status { return w.statusesOf("shop-availability") }

func (w *world) statusesOf(id string) []slo.Status {
	w.t.Helper()
	var answer struct {
		Statuses []slo.Status `json:"statuses"`
	}
	if err := w.get("/api/v1/slos?slo="+id, &answer); err != nil {
		w.t.Fatal(err)
	}
	return answer.Statuses
}

func (p *plane) incidents(state string) []incidents.Incident {
	p.t.Helper()
	var answer struct {
		Incidents []incidents.Incident `json:"incidents"`
	}
	if err := p.get("/api/v1/incidents?state="+state, &answer); err != nil {
		p.t.Fatal(err)
	}
	return answer.Incidents
}

func (p *plane) incident(id string) incidents.Incident {
	p.t.Helper()
	var i incidents.Incident
	if err := p.get("/api/v1/incidents/"+id, &i); err != nil {
		p.t.Fatal(err)
	}
	return i
}

// waitForIncident returns the tenant's open incident once the fast tier has made it critical.
func (p *plane) waitForIncident(tenant string) incidents.Incident {
	p.t.Helper()
	var found incidents.Incident
	eventually(p.t, 60*time.Second, "an incident opens for "+tenant, func() error {
		open := p.incidents("triggered")
		for _, i := range open {
			if i.Tenant == tenant && i.Severity == incidents.Critical {
				found = i
				return nil
			}
		}
		return fmt.Errorf("open are %+v", open)
	})
	return found
}

func (w *world) triggers() []webhookPage {
	var out []webhookPage
	for _, page := range w.sink.pages() {
		if page.Body["type"] == "incident.triggered" {
			out = append(out, page)
		}
	}
	return out
}

// checkWebhookPage verifies the signature as a receiver would, and that a person finds what is needed in the page.
func checkWebhookPage(t *testing.T, page webhookPage, i incidents.Incident) {
	t.Helper()
	if page.ID == "" || page.Header.Get("webhook-signature") == "" {
		t.Errorf("the page is not signed: %v", page.Header)
	}
	wh, err := standardwebhooks.NewWebhook(webhookSecret)
	if err != nil {
		t.Fatal(err)
	}
	if err := wh.Verify(page.Raw, page.Header); err != nil {
		t.Errorf("the signature does not verify: %v", err)
	}
	for _, need := range []string{i.ID, "critical", "acme", "shop", "/runbooks/slo-burn", "/incidents/"} {
		if !strings.Contains(string(page.Raw), need) {
			t.Errorf("the page lacks %q: %s", need, page.Raw)
		}
	}
}

// figuresEqualTheTruth stops the traffic, lets the ledger close and compares every customer's figure with what the
// shop counted, to the last request.
func (w *world) figuresEqualTheTruth() {
	w.t.Helper()
	w.shop.post("/traffic?rps=0")
	want := w.shop.truth()
	month := time.Now().UTC().Format("2006-01")
	for _, tenant := range []string{"acme", "globex"} {
		eventually(w.t, 60*time.Second, tenant+"'s SLA figure equals the truth", func() error {
			out := w.cli("report", "sla", "--tenant", tenant, "--month", month, "--json")
			var report slo.Report
			if err := json.Unmarshal([]byte(out), &report); err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return sameAsTruth(report, want, tenant)
		})
	}
	eventually(w.t, 30*time.Second, "the latency figures equal the truth", func() error {
		for _, s := range w.statusesOf("shop-latency") {
			var fast, total float64
			for _, row := range want.Rows {
				if row.Tenant == s.Labels["tenant"] {
					fast, total = fast+row.Fast, total+row.Total
				}
			}
			if s.Counts.Good != fast || s.Counts.Total != total {
				return fmt.Errorf("%s: counted %.0f fast of %.0f, the shop %.0f of %.0f", s.Labels["tenant"], s.Counts.Good, s.Counts.Total, fast, total)
			}
		}
		return nil
	})
	table := w.cli("report", "sla", "--tenant", "acme", "--month", month)
	for _, need := range []string{"shop-availability", "99.5", "coverage", "version"} {
		if !strings.Contains(strings.ToLower(table), need) {
			w.t.Errorf("the table lacks %q:\n%s", need, table)
		}
	}
}

func sameAsTruth(report slo.Report, want truth, tenant string) error {
	var good, total float64
	for _, row := range want.Rows {
		if row.Tenant == tenant {
			good, total = good+row.Good, total+row.Total
		}
	}
	if len(report.Promises) != 1 {
		return fmt.Errorf("%d promises", len(report.Promises))
	}
	got := report.Promises[0].Counts
	if got.Good != good || got.Total != total {
		return fmt.Errorf("the report has %.0f of %.0f, the shop counted %.0f of %.0f", got.Good, got.Total, good, total)
	}
	if figure := 100 * good / total; math.Abs(*report.Promises[0].SLI-figure) > 1e-9 {
		return fmt.Errorf("the figure is %v, want %v", *report.Promises[0].SLI, figure)
	}
	return nil
}

func (w *world) postmortemTells(i incidents.Incident) {
	w.t.Helper()
	text := w.cli("incidents", "postmortem", fmt.Sprint(i.Number))
	for _, need := range []string{"# Postmortem", "Impact", "acme", "Detection", "Timeline", "Acknowledged", "Root cause", "Action items"} {
		if !strings.Contains(strings.ToLower(text), strings.ToLower(need)) {
			w.t.Errorf("the postmortem lacks %q:\n%s", need, text)
		}
	}
}

// restartKeepsEverything stops and starts the plane on the same data.
func (w *world) restartKeepsEverything(i incidents.Incident) {
	w.t.Helper()
	before := w.cli("incidents", "show", fmt.Sprint(i.Number), "--json")
	w.stop()
	began := time.Now()
	w.plane.start()
	w.ready(20 * time.Second)
	w.t.Logf("warm start to ready: %v", time.Since(began).Round(time.Millisecond))
	if after := w.cli("incidents", "show", fmt.Sprint(i.Number), "--json"); after != before {
		w.t.Errorf("the incident changed over a restart:\n%s\n%s", before, after)
	}
	if status, _, _ := w.call(http.MethodGet, "/api/v1/me", nil); status != http.StatusOK {
		w.t.Errorf("the token stopped working over a restart: %d", status)
	}
}
