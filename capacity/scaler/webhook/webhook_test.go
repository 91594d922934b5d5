package webhook_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/capacity/scaler"
	"github.com/nines-sre/nines/capacity/scaler/webhook"
	"github.com/nines-sre/nines/internal/fault"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func driver() *webhook.Driver {
	return webhook.New(func(name string) (string, error) {
		switch name {
		case "scaling":
			return secret, nil
		case "short":
			return "aGVsbG8=", nil
		}
		return "", fault.New(fault.Unavailable, "secret file %s cannot be read", name)
	})
}

func wish() scaler.Wish {
	return scaler.Wish{Key: "shop-17", Workload: "shop", From: 4, Replicas: 7, Reason: "more load"}
}

// receiver answers as it is told and keeps what it got.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	headers []http.Header
	bodies  [][]byte
}

func newReceiver(t *testing.T, status int, body string) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		raw, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		r.headers, r.bodies = append(r.headers, q.Header), append(r.bodies, raw)
		r.mu.Unlock()
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(r.Close)
	return r
}

func TestAWishIsSignedAndTheSameAtEveryTry(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, 200, `{"replicas":6}`)
	for range 2 {
		done, err := driver().Scale(t.Context(), autoscale.WebhookTarget{URL: r.URL, Secret: "scaling"}, wish())
		if err != nil || done.Before != 4 || done.After != 6 {
			t.Fatalf("%+v, %v", done, err)
		}
	}
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	for i, body := range r.bodies {
		if err := verifier.Verify(body, r.headers[i]); err != nil {
			t.Errorf("the standard's library refuses it: %v", err)
		}
		var p webhook.Payload
		if err := json.Unmarshal(body, &p); err != nil || p.Type != "scaling.wish" || p.Data != (webhook.Data{Key: "shop-17", Workload: "shop", From: 4, Replicas: 7, Reason: "more load"}) {
			t.Errorf("the body is %s", body)
		}
		if h := r.headers[i]; h.Get("Idempotency-Key") != "shop-17" || h.Get("webhook-id") != "shop-17" || h.Get("Content-Type") != "application/json" {
			t.Errorf("the headers are %v", h)
		}
	}
}

func TestADryRunSaysThatItIsOne(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, 204, "")
	w := wish()
	w.DryRun = true
	done, err := driver().Scale(t.Context(), autoscale.WebhookTarget{URL: r.URL, Secret: "scaling"}, w)
	if err != nil || !done.DryRun || done.After != 7 || !strings.Contains(string(r.bodies[0]), `"dryRun":true`) {
		t.Errorf("%+v, %v, %s", done, err, r.bodies[0])
	}
}

func TestWhatAnAnswerMeans(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		body   string
		want   fault.Kind
	}{
		{409, "", fault.Conflict}, {429, "", fault.Limited}, {503, "", fault.Unavailable}, {408, "", fault.Unavailable}, {400, "", fault.Invalid},
		{302, "", fault.Invalid}, {200, "ok", fault.Invalid}, {200, `{"replicas":-1}`, fault.Invalid}, {200, `{"replicas":"7"}`, fault.Invalid},
		{200, `{"message":"` + strings.Repeat("x", 20<<10) + `"}`, fault.Invalid},
	} {
		r := newReceiver(t, c.status, c.body)
		_, err := driver().Scale(t.Context(), autoscale.WebhookTarget{URL: r.URL, Secret: "scaling"}, wish())
		if !fault.Is(err, c.want) || len(r.bodies) != 1 {
			t.Errorf("%d %.20q: %v, %d requests", c.status, c.body, err, len(r.bodies))
		}
	}
}

func TestWhereAWishIsNotSent(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, c := range map[string]struct {
		url, secret string
		want        fault.Kind
	}{
		"the machine's metadata":        {"http://169.254.169.254/latest/meta-data", "scaling", fault.Invalid},
		"the same, written for IPv6":    {"http://[::ffff:169.254.169.254]/", "scaling", fault.Invalid},
		"nowhere":                       {"http://0.0.0.0:1/", "scaling", fault.Invalid},
		"a file":                        {"file:///etc/passwd", "scaling", fault.Invalid},
		"nobody is there":               {gone.URL, "scaling", fault.Unavailable},
		"a secret that is too short":    {gone.URL, "short", fault.Invalid},
		"a secret that is not there":    {gone.URL, "none", fault.Unavailable},
		"an address that is no address": {"http://%zz", "scaling", fault.Invalid},
	} {
		_, err := driver().Scale(t.Context(), autoscale.WebhookTarget{URL: c.url, Secret: c.secret}, wish())
		if !fault.Is(err, c.want) || strings.Contains(err.Error(), "169.254") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
