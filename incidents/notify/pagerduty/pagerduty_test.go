package pagerduty_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/pagerduty"
	"github.com/nines-sre/nines/incidents/notify/pagerduty/pagerdutytest"
	"github.com/nines-sre/nines/internal/fault"
)

const routingKey = "e93facc04764012d7bfb002500d5d1a6"

var t0 = time.Date(2026, 11, 3, 3, 4, 5, 0, time.UTC)

func note(endpoint string, action incidents.Action, dedupKey string) incidents.Notification {
	spent := 0.034
	return incidents.Notification{
		Page: incidents.Page{
			Action: action, DedupKey: dedupKey,
			Target: incidents.Target{PagerDuty: &incidents.PagerDutyTarget{RoutingKey: incidents.Secret{Env: "PD_TEST_KEY"}, Endpoint: endpoint}},
		},
		Incident: incidents.Incident{
			ID: "i1", Number: 12, Tenant: "acme", Title: "Orders fail", Summary: "14.4 times too fast", Severity: incidents.Critical,
			State: incidents.Triggered, Service: "shop", SLO: "shop-orders", Labels: map[string]string{"alertname": "OrdersBurn"},
			RunbookURL: "https://runbooks.example.com/orders", BudgetSpent: &spent, StartedAt: t0, OpenedAt: t0,
		},
		IncidentURL: "https://nines.example.com/incidents/i1", At: t0,
	}
}

func send(t *testing.T, n incidents.Notification) (incidents.Receipt, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return pagerduty.New("").Send(ctx, n)
}

func TestATriggerTellsWhatAPersonNeeds(t *testing.T) {
	t.Setenv("PD_TEST_KEY", routingKey)
	server := pagerdutytest.New(t)
	receipt, err := send(t, note(server.URL, incidents.ActionTrigger, "i1/shop"))
	if err != nil || receipt.StatusCode != 202 || receipt.ProviderID != "i1/shop" {
		t.Fatalf("%+v, %v", receipt, err)
	}
	e := server.Events()[0]
	p := e.Payload
	if e.RoutingKey != routingKey || p.Summary != "acme: Orders fail" || p.Severity != "critical" || p.Source != "shop" || p.Timestamp != "2026-11-03T03:04:05Z" {
		t.Errorf("event %+v, payload %+v", e, p)
	}
	if want := []pagerdutytest.Link{{Href: "https://nines.example.com/incidents/i1", Text: "Incident in Nines"}, {Href: "https://runbooks.example.com/orders", Text: "Runbook"}}; !slices.Equal(e.Links, want) {
		t.Errorf("links %v", e.Links)
	}
	for name, want := range map[string]string{
		"tenant": "acme", "service": "shop", "slo": "shop-orders", "error_budget_spent": "3.4 %", "since": "2026-11-03 03:04:05 UTC", "runbook": "https://runbooks.example.com/orders",
	} {
		if got := fmt.Sprint(p.CustomDetails[name]); got != want {
			t.Errorf("custom_details.%s is %q; want %q", name, got, want)
		}
	}
}

func TestNothingThatAnAlertSaysMakesAnInvalidEvent(t *testing.T) {
	t.Setenv("PD_TEST_KEY", routingKey)
	server := pagerdutytest.New(t)
	long := strings.Repeat("ü\n", 400_000)
	for name, change := range map[string]func(*incidents.Notification){
		"long texts": func(n *incidents.Notification) {
			n.Incident.Title, n.Incident.Summary, n.Incident.Service, n.Incident.Tenant = long, long, long, long
			n.Page.DedupKey = long
			n.Incident.Labels = map[string]string{}
			for i := range 200 {
				n.Incident.Labels[fmt.Sprint("l", i)] = long[:5000]
			}
		},
		"nothing": func(n *incidents.Notification) {
			n.Incident = incidents.Incident{}
			n.IncidentURL = ""
		},
		"nothing that can be seen": func(n *incidents.Notification) {
			n.Incident.Title, n.Incident.Service, n.Incident.SLO, n.Incident.Tenant = "\x00 \n", "\t", "\u2028", " "
		},
		"addresses that are none": func(n *incidents.Notification) {
			n.Incident.RunbookURL, n.IncidentURL = "see the wiki", "/incidents/1"
		},
		"strange severity": func(n *incidents.Notification) { n.Incident.Severity = "purple" },
	} {
		n := note(server.URL, incidents.ActionTrigger, "i1/shop")
		change(&n)
		if _, err := send(t, n); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if refused := server.Refused(); len(refused) > 0 {
		t.Errorf("refused: %v", refused)
	}
}

// TestOneDedupKeyIsOneAlert is PagerDuty's documented life of an alert.
func TestOneDedupKeyIsOneAlert(t *testing.T) {
	t.Setenv("PD_TEST_KEY", routingKey)
	server := pagerdutytest.New(t)
	for _, action := range []incidents.Action{
		incidents.ActionTrigger, incidents.ActionTrigger, incidents.ActionAcknowledge, incidents.ActionTrigger,
		incidents.ActionResolve, incidents.ActionAcknowledge, incidents.ActionResolve, incidents.ActionTrigger,
	} {
		if _, err := send(t, note(server.URL, action, "K1")); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PD_TEST_KEY", "another-key")
	if _, err := send(t, note(server.URL, incidents.ActionTrigger, "K1")); err != nil {
		t.Fatal(err)
	}
	alerts := server.Alerts()
	if len(alerts) != 3 {
		t.Fatalf("%d alerts; want the first, one after its resolution, one of another routing key", len(alerts))
	}
	if a := alerts[0]; a.State != "resolved" || a.Pages != 1 || strings.Join(a.Log, " ") != "trigger trigger acknowledge trigger resolve" {
		t.Errorf("first alert %+v", a)
	}
	if a := alerts[1]; a.State != "triggered" || a.Pages != 1 {
		t.Errorf("alert after the resolution %+v", a)
	}
}

func TestALongDedupKeyStaysDistinct(t *testing.T) {
	t.Parallel()
	a, b := pagerduty.DedupKey(strings.Repeat("x", 300)), pagerduty.DedupKey(strings.Repeat("x", 301))
	if a == b || len(a) > 255 || pagerduty.DedupKey("short") != "short" {
		t.Errorf("keys %q and %q", a, b)
	}
}

func TestAnswersAreClassifiedAsDocumented(t *testing.T) {
	t.Setenv("PD_TEST_KEY", routingKey)
	for _, test := range []struct {
		name    string
		failure pagerdutytest.Failure
		kind    fault.Kind
		status  int
	}{
		{"bad request is final", pagerdutytest.Failure{Status: 400}, fault.Invalid, 400},
		{"not found is final", pagerdutytest.Failure{Status: 404}, fault.Invalid, 404},
		{"too many", pagerdutytest.Failure{Status: 429, RetryAfter: 30 * time.Second}, fault.Limited, 429},
		{"server error", pagerdutytest.Failure{Status: 500}, fault.Unavailable, 500},
		{"bad gateway", pagerdutytest.Failure{Status: 502}, fault.Unavailable, 502},
		{"reset", pagerdutytest.Failure{Reset: true}, fault.Unavailable, 0},
		{"no answer", pagerdutytest.Failure{Hang: true}, fault.Timeout, 0},
	} {
		server := pagerdutytest.New(t)
		server.Fail(test.failure)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		receipt, err := pagerduty.New("").Send(ctx, note(server.URL, incidents.ActionTrigger, "i1/shop"))
		cancel()
		if !fault.Is(err, test.kind) || receipt.StatusCode != test.status {
			t.Errorf("%s: %v (%s), status %d; want %s, %d", test.name, err, fault.KindOf(err), receipt.StatusCode, test.kind, test.status)
		}
		if want := test.failure.RetryAfter; fault.Public(err).RetryAfter != want {
			t.Errorf("%s: retry after %s; want %s", test.name, fault.Public(err).RetryAfter, want)
		}
		if strings.Contains(err.Error(), routingKey) || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: the error shows an address or key: %v", test.name, err)
		}
	}
}

func TestTheRefusalSaysWhyWithoutTheKey(t *testing.T) {
	t.Setenv("PD_TEST_KEY", routingKey)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(400)
		fmt.Fprintf(w, `{"status":"invalid event","message":"no such key %s","errors":["a","b"]}`, routingKey)
	}))
	defer server.Close()
	_, err := send(t, note(server.URL, incidents.ActionTrigger, "i1/shop"))
	if got, want := err.Error(), "PagerDuty answered 400: invalid event: no such key [secret]: a: b"; got != want {
		t.Errorf("%q; want %q", got, want)
	}
}

func TestAnAnswerWithoutEndIsNotReadForEver(t *testing.T) {
	t.Setenv("PD_TEST_KEY", routingKey)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(202)
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	if receipt, err := send(t, note(server.URL, incidents.ActionTrigger, "i1/shop")); err != nil || receipt.StatusCode != 202 {
		t.Errorf("%+v, %v; want it accepted", receipt, err)
	}
}

func TestAPageThroughAPortalThatIsNotPagerDutyIsTriedAgain(t *testing.T) {
	t.Setenv("PD_TEST_KEY", routingKey)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<html>Welcome to the hotel's network</html>")
	}))
	defer server.Close()
	if _, err := send(t, note(server.URL, incidents.ActionTrigger, "i1/shop")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v; want unavailable", err)
	}
}

func TestAMissingKeyIsTriedAgain(t *testing.T) {
	t.Parallel()
	n := note("http://127.0.0.1:1", incidents.ActionTrigger, "i1/shop")
	n.Page.Target.PagerDuty.RoutingKey = incidents.Secret{Env: "PD_TEST_NOT_SET"}
	if _, err := send(t, n); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "PD_TEST_NOT_SET is not set") {
		t.Errorf("%v; want unavailable, naming the variable", err)
	}
}
