package service

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/alerting/inbound"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/pagerduty/pagerdutytest"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/slo"
)

// keeper stands in for storage.
type keeper struct {
	mu        sync.Mutex
	fail      error
	alerts    []alerting.Alert
	changes   []string // keys
	answered  []incidents.Reply
	by        []access.Principal
	origins   []func(incidents.Target) bool
	delivered []string
	calls     map[string]string // digests by token
}

func (k *keeper) TellOnce(_ context.Context, integration, token, digest string) (bool, error) {
	if k.calls == nil {
		k.calls = map[string]string{}
	}
	key := integration + " " + token
	if _, known := k.calls[key]; !known {
		k.calls[key] = digest
	}
	return k.calls[key] == digest, k.fail
}

func (k *keeper) ReceiveAlerts(_ context.Context, who access.Principal, told []alerting.Alert, _ incidents.Router) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.alerts, k.by = append(k.alerts, told...), append(k.by, who)
	return k.fail
}

func (k *keeper) TellChange(_ context.Context, _ access.Principal, c slo.Change, key string) (slo.Change, error) {
	k.changes = append(k.changes, key)
	return c, k.fail
}

func (k *keeper) Answer(_ context.Context, who access.Principal, _ string, r incidents.Reply, origin func(incidents.Target) bool) (incidents.Incident, error) {
	k.answered, k.by, k.origins = append(k.answered, r), append(k.by, who), append(k.origins, origin)
	return incidents.Incident{}, k.fail
}

func (k *keeper) RecordDelivery(_ context.Context, provider, id string, delivered bool, why string, _ time.Time) error {
	k.delivered = append(k.delivered, strings.TrimSpace(provider+" "+id+" "+map[bool]string{true: "delivered", false: "undelivered"}[delivered]+" "+why))
	return k.fail
}

const hookText = `apiVersion: nines/v1
kind: Integration
metadata: {name: pd}
spec: {type: pagerduty, secret: {env: HOOKS_TEST_SECRET}}
---
apiVersion: nines/v1
kind: Integration
metadata: {name: of-acme}
spec: {type: pagerduty, tenant: acme, secret: {env: HOOKS_TEST_SECRET}, options: {routingKey: {env: ACME}}}
---
apiVersion: nines/v1
kind: Integration
metadata: {name: tool}
spec: {type: events, secret: {env: HOOKS_TEST_SECRET}, callsPerMinute: 3}
---
apiVersion: nines/v1
kind: Integration
metadata: {name: broken}
spec: {type: events, secret: {env: HOOKS_TEST_NOT_SET}}
---
apiVersion: nines/v1
kind: EscalationPolicy
metadata: {name: default}
spec: {steps: [{targets: [{pagerduty: {routingKey: {env: SHOP}}}, {email: {to: [ana@example.com]}}]}]}
`

func testHooks(t *testing.T, more string) (*hooks, *keeper) {
	t.Helper()
	t.Setenv("HOOKS_TEST_SECRET", "hush")
	set, problems := definitions.Load([]manifest.File{{Name: "h.yaml", Text: hookText + more}}, nil, func(string) bool { return true })
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	k := &keeper{}
	return &hooks{
		catalog: func() *definitions.Catalog { return set.Catalog }, store: k, alerts: k, deliveries: k, limits: newHookLimits(),
		log: slog.New(slog.DiscardHandler), resolveAfter: time.Minute, read: readTestSource,
	}, k
}

// readTestSource tells one alert and one change, and refuses what does not say hush.
func readTestSource(_ context.Context, i definitions.Integration, secrets []string, r hook.Request) (toldAtHook, error) {
	if string(r.Body) != secrets[0] {
		return toldAtHook{}, fault.New(fault.Unauthorized, "no")
	}
	return toldAtHook{
		alerts:  []alerting.PostedAlert{{Labels: map[string]string{"alertname": i.Name, "tenant": "globex"}}, {}},
		changes: []toldChange{{key: "c1"}}, answer: hook.Answer{Status: http.StatusAccepted},
	}, nil
}

func signedCall(w pagerdutytest.Webhook, secret string) hook.Request {
	body := w.Body()
	return hook.Request{Method: http.MethodPost, Header: pagerdutytest.Sign(body, secret), Body: body, At: time.Now()}
}

var acked = pagerdutytest.Webhook{ID: "e1", Type: "incident.acknowledged", Agent: pagerdutytest.User("PADA", "Ada"), Incident: "Q1", Key: "k"}

func TestWhoAnswersInPagerDutyIsARespondersEqual(t *testing.T) {
	h, k := testHooks(t, "")
	for _, name := range []string{"pd", "of-acme"} {
		if _, err := h.Receive(t.Context(), name, signedCall(acked, "hush")); err != nil {
			t.Fatal(err)
		}
	}
	for n, tenant := range []string{"", "acme"} {
		want := access.Principal{ID: "pagerduty:PADA", Name: "Ada", Role: access.Responder, Tenant: tenant}
		if k.by[n] != want || k.answered[n].Action != incidents.ReplyAcknowledge {
			t.Errorf("%+v: %+v", k.by[n], k.answered[n])
		}
	}
	if _, err := h.Receive(t.Context(), "pd", signedCall(acked, "guessed")); !fault.Is(err, fault.Unauthorized) || len(k.answered) != 2 {
		t.Errorf("a stranger: %v, %d replies", err, len(k.answered))
	}
}

// TestPagerDutyIsNotToldWhatItSaid: the one service that is paged, or the one that the integration names.
func TestPagerDutyIsNotToldWhatItSaid(t *testing.T) {
	to := func(key string) incidents.Target {
		return incidents.Target{PagerDuty: &incidents.PagerDutyTarget{RoutingKey: incidents.Secret{Env: key}}}
	}
	mail := incidents.Target{Email: &incidents.EmailTarget{To: []string{"ana@example.com"}}}
	h, _ := testHooks(t, "")
	left := func(name string, targets ...incidents.Target) int {
		i, _ := h.catalog().Integration(name)
		var c incidents.Change
		for _, target := range targets {
			c.Pages = append(c.Pages, incidents.Page{Action: incidents.ActionAcknowledge, Target: target}, incidents.Page{Action: incidents.ActionTrigger, Target: target})
		}
		return len(c.Except(h.origin(i)).Pages)
	}
	if n := left("pd", to("SHOP"), mail); n != 3 {
		t.Errorf("one service: %d pages left, want its trigger and both of the mail", n)
	}
	if n := left("of-acme", to("ACME"), to("SHOP")); n != 3 {
		t.Errorf("named: %d pages left", n)
	}
	h, _ = testHooks(t, "---\napiVersion: nines/v1\nkind: EscalationPolicy\nmetadata: {name: other}\nspec: {steps: [{targets: [{pagerduty: {routingKey: {env: B}}}]}]}\n")
	if n := left("pd", to("SHOP"), to("B")); n != 4 {
		t.Errorf("which of two services it is is not known: %d pages left", n)
	}
}

func TestWhatASourceTellsIsKeptBeforeItIsAnswered(t *testing.T) {
	h, k := testHooks(t, "")
	call := hook.Request{Method: http.MethodPost, Body: []byte("hush"), At: time.Now()}
	_, err := h.Receive(t.Context(), "tool", call)
	if !fault.Is(err, fault.Invalid) { // one alert has no label
		t.Errorf("%v", err)
	}
	if len(k.alerts) != 1 || k.alerts[0].Tenant != "globex" || len(k.changes) != 1 || k.by[0].ID != "integration:tool" || k.by[0].Role != access.Responder {
		t.Errorf("%+v by %+v, changes %v", k.alerts, k.by, k.changes)
	}
	k.fail, call.At = fault.New(fault.Unavailable, "storage is away"), call.At.Add(time.Minute)
	if _, err := h.Receive(t.Context(), "tool", call); !fault.Is(err, fault.Unavailable) {
		t.Errorf("storage away: %v", err)
	}
	if _, err := h.Receive(t.Context(), "nobody", call); !fault.Is(err, fault.NotFound) || h.Known("nobody") || !h.Known("tool") {
		t.Errorf("nobody: %v", err)
	}
	_, err = h.Receive(t.Context(), "broken", call)
	if !fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "HOOKS_TEST") {
		t.Errorf("a secret that is not there: %v", err)
	}
}

func TestATokenThatToldSomethingElseTellsNothing(t *testing.T) {
	h, store := testHooks(t, "")
	began := time.Now()
	for n, c := range []struct {
		digest  string
		kept    int
		refused bool
	}{{"down", 1, false}, {"down", 2, false}, {"resolved", 2, true}} {
		h.read = func(context.Context, definitions.Integration, []string, hook.Request) (toldAtHook, error) {
			told := alerting.PostedAlert{Labels: map[string]string{"alertname": "Mail"}}
			return toldAtHook{alerts: []alerting.PostedAlert{told}, once: &inbound.Once{Token: "t", Digest: c.digest}}, nil
		}
		at := began.Add(time.Duration(n) * time.Minute) // the tool may send that often
		_, err := h.Receive(t.Context(), "tool", hook.Request{Method: http.MethodPost, At: at})
		if fault.Is(err, fault.Unauthorized) != c.refused || len(store.alerts) != c.kept {
			t.Errorf("%s: %v with %d alerts kept", c.digest, err, len(store.alerts))
		}
	}
}

// TestAnIntegrationMaySendOnlySoMuch: strangers do not use it up, and others are not held back.
func TestAnIntegrationMaySendOnlySoMuch(t *testing.T) {
	h, _ := testHooks(t, "---\napiVersion: nines/v1\nkind: Integration\nmetadata: {name: second}\nspec: {type: events, secret: {env: HOOKS_TEST_SECRET}}\n")
	now := time.Now()
	call := func(name, body string) error {
		_, err := h.Receive(t.Context(), name, hook.Request{Method: http.MethodPost, Body: []byte(body), At: now})
		return err
	}
	for range 10 {
		if err := call("tool", "guess"); !fault.Is(err, fault.Unauthorized) {
			t.Fatal(err)
		}
	}
	if err := call("tool", "hush"); fault.Is(err, fault.Limited) {
		t.Fatal("strangers have used up what the integration may send")
	}
	err := call("tool", "hush")
	var limited *fault.Error
	if !errors.As(err, &limited) || limited.Kind != fault.Limited || limited.RetryAfter < 15*time.Second || limited.RetryAfter > 20*time.Second {
		t.Errorf("%v", err)
	}
	if err := call("second", "hush"); fault.Is(err, fault.Limited) {
		t.Error("another integration is held back")
	}
	now = now.Add(20 * time.Second)
	if err := call("tool", "hush"); fault.Is(err, fault.Limited) {
		t.Errorf("20 s later: %v", err)
	}
}

func TestOnlySoManyCallsOfOneIntegrationAreWorkedOnAtOnce(t *testing.T) {
	t.Parallel()
	l := newHookLimits()
	var done []func()
	for range hookAtOnce {
		f, err := l.begin("a")
		if err != nil {
			t.Fatal(err)
		}
		done = append(done, f)
	}
	if _, err := l.begin("a"); !fault.Is(err, fault.Limited) {
		t.Errorf("%v", err)
	}
	if _, err := l.begin("b"); err != nil {
		t.Errorf("another: %v", err)
	}
	done[0]()
	if _, err := l.begin("a"); err != nil {
		t.Errorf("after one was done: %v", err)
	}
}

func TestDeliveryReportsReachTheirAttempt(t *testing.T) {
	h, k := testHooks(t, "")
	i, _ := h.catalog().Integration("pd")
	for _, r := range []incidents.Reply{
		{Provider: "sms", ProviderID: "SM1", Action: incidents.ReplyDelivered}, {Provider: "sms", ProviderID: "SM2", Action: incidents.ReplyUndelivered, Text: "off"},
	} {
		if _, err := h.answering(i)(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(k.delivered, ", "); got != "sms SM1 delivered, sms SM2 undelivered off" || len(k.answered) > 0 {
		t.Errorf("%s; %d replies", got, len(k.answered))
	}
}
