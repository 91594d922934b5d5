package service

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting/inbound"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/service/definitions"
)

const sourceText = `---
apiVersion: nines/v1
kind: Integration
metadata: {name: events-of-shop}
spec: {type: events, service: shop, policy: default, labels: {team: core}, secret: {env: HOOKS_TEST_SECRET}}
---
apiVersion: nines/v1
kind: Integration
metadata: {name: own}
spec:
  type: template
  secret: {env: HOOKS_TEST_SECRET}
  options: {mapping: {key: item.id, summary: item.title, ended: item.state == "ok"}}
---
apiVersion: nines/v1
kind: Integration
metadata: {name: repo}
spec: {type: github, service: shop, secret: {env: HOOKS_TEST_SECRET}}
`

func withToken(body string) hook.Request {
	h := http.Header{}
	h.Set("Authorization", "Bearer hush")
	return hook.Request{Method: http.MethodPost, Header: h, Body: []byte(body), At: time.Now()}
}

func TestWhatToolsTellReachesTheIntake(t *testing.T) {
	h, k := testHooks(t, sourceText)
	h.read = newSources(nil).read
	for _, body := range []string{`{"dedup_key":"k","summary":"shop is slow","labels":{"tenant":"acme"}}`, `{"action":"resolve","dedup_key":"k","labels":{"tenant":"acme"}}`} {
		if answer, err := h.Receive(t.Context(), "events-of-shop", withToken(body)); err != nil || answer.Status != http.StatusAccepted {
			t.Fatalf("%+v, %v", answer, err)
		}
	}
	begun, over := k.alerts[0], k.alerts[1]
	if begun.Fingerprint != over.Fingerprint || begun.Tenant != "acme" || begun.Labels["service"] != "shop" || begun.Annotations["nines_policy"] != "default" {
		t.Errorf("%+v", begun)
	}
	if now := time.Now(); !begun.Firing(now) || over.Firing(now) {
		t.Errorf("begun until %s, over at %s", begun.EndsAt, over.EndsAt)
	}
	if _, err := h.Receive(t.Context(), "own", withToken(`{"id":7,"title":"Disk is full","state":"bad"}`)); err != nil || k.alerts[2].Labels["dedup_key"] != "7" {
		t.Errorf("%+v, %v", k.alerts, err)
	}
}

func TestWhatToolsTellOfChangesIsKeptByTheirKey(t *testing.T) {
	h, k := testHooks(t, sourceText)
	h.read = newSources(nil).read
	r := withToken(`{"action":"published","release":{"tag_name":"v1"},"repository":{"full_name":"acme/shop"}}`)
	r.Header.Set("X-GitHub-Event", "release")
	mac := hmac.New(sha256.New, []byte("hush"))
	mac.Write(r.Body)
	r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	if _, err := h.Receive(t.Context(), "repo", r); err != nil || !slices.Equal(k.changes, []string{"repo/release/acme/shop/v1"}) {
		t.Errorf("%v, %v", k.changes, err)
	}
}

// TestEveryTypeOfTheDefinitionsCanBeRead: a type that can be written down but not read would refuse all calls.
func TestEveryTypeOfTheDefinitionsCanBeRead(t *testing.T) {
	for _, kind := range inbound.Types {
		text := "apiVersion: nines/v1\nkind: Integration\nmetadata: {name: x}\nspec:\n  type: " + kind + "\n  secret: {env: S}\n"
		switch kind {
		case inbound.TypeSNS:
			text += "  options: {topic: 'arn:aws:sns:eu-central-1:1:x'}\n"
		case inbound.TypeTemplate:
			text += "  options: {mapping: {key: item.id, summary: item.id, ended: 'false'}}\n"
		}
		set, problems := definitions.Load([]manifest.File{{Name: "x.yaml", Text: text}}, nil, func(string) bool { return true })
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		i, _ := set.Catalog.Integration("x")
		if i.Replies() {
			t.Errorf("%s takes replies", kind)
		}
		if _, err := newSources(nil).read(t.Context(), i, []string{"s"}, withToken("{}")); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// roundTrip answers calls without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAmazonsCertificateIsFetchedOnce(t *testing.T) {
	var asked []string
	fail := true
	s := newSources(roundTrip(func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.URL.String())
		if fail {
			return nil, errors.New("connection refused")
		}
		rec := httptest.NewRecorder()
		rec.WriteString("certificate")
		return rec.Result(), nil
	}))
	const url = "https://sns.eu-central-1.amazonaws.com/a.pem"
	if _, err := s.certificate(t.Context(), url); !fault.Is(err, fault.Unavailable) {
		t.Errorf("unreachable: %v", err)
	}
	fail = false
	for range 3 {
		if text, err := s.certificate(t.Context(), url); err != nil || string(text) != "certificate" {
			t.Errorf("%s, %v", text, err)
		}
	}
	if len(asked) != 2 {
		t.Errorf("asked %s", strings.Join(asked, ", "))
	}
}
