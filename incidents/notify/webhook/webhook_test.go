package webhook_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/webhook"
	"github.com/nines-sre/nines/internal/fault"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// receiver verifies every webhook with the standard's own library.
type receiver struct {
	*httptest.Server
	headers []http.Header
	bodies  [][]byte
	answer  func(w http.ResponseWriter, r *http.Request)
}

func newReceiver(t *testing.T) *receiver {
	t.Setenv("HOOK_TEST_SECRET", secret)
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	s := &receiver{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := verifier.Verify(body, r.Header); err != nil {
			t.Errorf("the signature does not verify: %v", err)
		}
		s.headers, s.bodies = append(s.headers, r.Header), append(s.bodies, body)
		if s.answer != nil {
			s.answer(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func note(url string, action incidents.Action) incidents.Notification {
	now := time.Now()
	return incidents.Notification{
		Page: incidents.Page{
			ID: 7, Incident: "i1", Action: action, Step: 1, DedupKey: "i1/shop", CreatedAt: now,
			Target: incidents.Target{Webhook: &incidents.WebhookTarget{URL: url, Secret: incidents.Secret{Env: "HOOK_TEST_SECRET"}}},
		},
		Incident: incidents.Incident{
			ID: "i1", Number: 12, Tenant: "acme", Title: "Orders fail", Severity: incidents.Critical, State: incidents.Triggered,
			Service: "shop", SLO: "shop-orders", Policy: incidents.Policy{Name: "shop"}, RunbookURL: "https://runbooks.example.com/orders", StartedAt: now,
		},
		IncidentURL: "https://nines.example.com/incidents/i1", At: now,
	}
}

func TestAWebhookIsSignedAndSaysAll(t *testing.T) {
	s := newReceiver(t)
	receipt, err := webhook.New("").Send(t.Context(), note(s.URL, incidents.ActionTrigger))
	if err != nil || receipt.StatusCode != 200 || receipt.ProviderID != s.headers[0].Get("webhook-id") {
		t.Fatalf("%+v, %v", receipt, err)
	}
	var p webhook.Payload
	if err := json.Unmarshal(s.bodies[0], &p); err != nil {
		t.Fatal(err)
	}
	d := p.Data
	if p.Type != "incident.triggered" || d.DedupKey != "i1/shop" || d.Number != 12 || d.Tenant != "acme" || d.Severity != "critical" ||
		d.URL != "https://nines.example.com/incidents/i1" || d.Page.Policy != "shop" || d.Page.Step != 1 || d.Page.Round != 1 {
		t.Errorf("payload %s", s.bodies[0])
	}
	if !strings.Contains(string(s.bodies[0]), `"budgetSpent":null`) {
		t.Errorf("an unknown budget is not null: %s", s.bodies[0])
	}
}

func TestARetryHasTheSameIdAndAnotherPageAnother(t *testing.T) {
	s := newReceiver(t)
	first := note(s.URL, incidents.ActionTrigger)
	retry := first
	retry.At = first.At.Add(time.Minute)
	resolve := note(s.URL, incidents.ActionResolve)
	second := first
	second.Page.Step = 2
	for _, n := range []incidents.Notification{first, retry, resolve, second} {
		if _, err := webhook.New("").Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	id := func(n int) string { return s.headers[n].Get("webhook-id") }
	if id(0) != id(1) || id(0) == id(2) || id(0) == id(3) || id(2) == id(3) {
		t.Errorf("ids %s %s %s %s", id(0), id(1), id(2), id(3))
	}
	if s.headers[0].Get("webhook-timestamp") == s.headers[1].Get("webhook-timestamp") {
		t.Error("a retry carries the first attempt's timestamp, which a receiver refuses after five minutes")
	}
}

func TestAnswersAreClassified(t *testing.T) {
	s := newReceiver(t)
	for status, want := range map[int]fault.Kind{
		400: fault.Invalid, 404: fault.Invalid, 410: fault.Invalid, 307: fault.Invalid,
		408: fault.Unavailable, 425: fault.Unavailable, 429: fault.Limited, 503: fault.Unavailable,
	} {
		s.answer = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", s.URL+"/elsewhere")
			w.WriteHeader(status)
		}
		before := len(s.bodies)
		_, err := webhook.New("").Send(t.Context(), note(s.URL, incidents.ActionTrigger))
		if !fault.Is(err, want) || len(s.bodies) != before+1 {
			t.Errorf("%d: %v (%s) after %d requests; want %s after one", status, err, fault.KindOf(err), len(s.bodies)-before, want)
		}
	}
}

func TestASecretMustBeLongEnoughAndIsNeverShown(t *testing.T) {
	s := newReceiver(t)
	for name, value := range map[string]string{
		"short": "whsec_" + base64.StdEncoding.EncodeToString([]byte("hunter2")), "not base64": "hunter2!",
		"too long": base64.StdEncoding.EncodeToString(make([]byte, 65)),
	} {
		t.Setenv("HOOK_TEST_SECRET", value)
		_, err := webhook.New("").Send(t.Context(), note(s.URL, incidents.ActionTrigger))
		if !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), value) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(s.bodies) > 0 {
		t.Error("a webhook with a bad secret was sent")
	}
}

func TestABodyWithoutEndIsNotReadForEver(t *testing.T) {
	s := newReceiver(t)
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	}
	if _, err := webhook.New("").Send(t.Context(), note(s.URL, incidents.ActionTrigger)); err != nil {
		t.Error(err)
	}
}

func TestAStatusUpdateSaysPhaseAndText(t *testing.T) {
	s := newReceiver(t)
	n := note(s.URL, incidents.ActionStatus)
	n.Text, n.Page.Number, n.Incident.Phase, n.Incident.Level = "We know.", 3, incidents.Identified, 2
	n.Incident.AcknowledgedBy, n.Incident.Roles = "ana@example.com", map[incidents.Role]string{incidents.Commander: "ana@example.com"}
	if _, err := webhook.New("").Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	var p webhook.Payload
	if err := json.Unmarshal(s.bodies[0], &p); err != nil {
		t.Fatal(err)
	}
	if p.Type != "incident.status" || p.Data.Level != 2 || p.Data.Status == nil || *p.Data.Status != (webhook.Status{Number: 3, Phase: "identified", Text: "We know."}) ||
		strings.Contains(string(s.bodies[0]), "ana@example.com") {
		t.Errorf("payload %s", s.bodies[0])
	}
}
