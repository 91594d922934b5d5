package httpapi

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

var shopPolicy = incidents.Policy{Name: "shop", Steps: []incidents.Step{{
	Targets: []incidents.Target{
		{Slack: &incidents.SlackTarget{URL: incidents.Secret{Env: "SLACK_URL"}}},
		{Webhook: &incidents.WebhookTarget{URL: "https://hooks.example/x?key=s3cret", Secret: incidents.Secret{File: "key"}}},
	},
	Fallback: &incidents.Fallback{After: time.Minute, Targets: []incidents.Target{{Email: &incidents.EmailTarget{To: []string{"lead@example.com"}}}}},
}}}

func (w *world) Policies(ctx context.Context, _ access.Principal) ([]incidents.Policy, error) {
	return []incidents.Policy{shopPolicy}, w.gate(ctx)
}

func (w *world) LastTests(_ context.Context, _ access.Principal, targets []incidents.Target) (map[string]incidents.ContactTest, error) {
	t := targets[0]
	return map[string]incidents.ContactTest{t.Key(): w.tested(t)}, nil
}

// tested is a test that the provider refused.
func (w *world) tested(t incidents.Target) incidents.ContactTest {
	return incidents.ContactTest{
		Key: t.Key(), Provider: t.Provider(), Name: t.String(), At: time.Unix(1, 0), Outcome: incidents.OutcomeFailed, StatusCode: 403,
		Took: 12500 * time.Microsecond, Error: "Slack answered 403: invalid_token",
	}
}

func (w *world) TestPolicy(ctx context.Context, _ access.Principal, policy string, at incidents.Spot) ([]incidents.ContactTest, error) {
	if policy != shopPolicy.Name {
		return nil, fault.New(fault.NotFound, "there is no escalation policy %q", policy)
	}
	targets, err := shopPolicy.At(at)
	if err != nil {
		return nil, err
	}
	var tests []incidents.ContactTest
	for _, t := range targets {
		tests = append(tests, w.tested(t))
	}
	return tests, w.gate(ctx)
}

func (w *world) TestTarget(ctx context.Context, who access.Principal, t incidents.Target) ([]incidents.ContactTest, error) {
	if err := who.Require(access.Editor); err != nil {
		return nil, err
	}
	if err := t.Check(); err != nil {
		return nil, err
	}
	return []incidents.ContactTest{w.tested(t)}, w.gate(ctx)
}

const contactTestPath = "/api/v1/contacts/test"

func TestATestOfAContactSaysHowEachTargetAnswered(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	f := func(name, body, role string, status int, want ...string) {
		t.Helper()
		got := ask(t, app, post, contactTestPath, body, bearer(role))
		if got.status != status {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
		for _, words := range want {
			if !strings.Contains(got.text, words) {
				t.Errorf("%s: no %s in %s", name, words, got.text)
			}
		}
	}
	f("one target", `{"policy":"shop","step":1,"index":1}`, "responder", 200,
		`"tests":[{"provider":"slack","target":"Slack (env SLACK_URL)"`, `"outcome":"failed"`, `"status":403`, `"latencyMs":12.5`, `invalid_token`)
	f("a step", `{"policy":"shop","step":1}`, "responder", 200, `"slack"`, `"webhook hooks.example"`)
	f("its fallback", `{"policy":"shop","step":1,"fallback":true}`, "responder", 200, `"e-mail to lead@example.com"`)
	f("the whole policy", `{"policy":"shop"}`, "responder", 200, `"slack"`, `"webhook"`, `"email"`)
	f("any target", `{"target":{"slack":{"url":{"env":"OTHER"}}}}`, "editor", 200, `"Slack (env OTHER)"`)
	f("a target with a token", `{"target":{"ntfy":{"url":"https://ntfy.example/x","token":{"env":"T"}}}}`, "editor", 200, `"ntfy https://ntfy.example/x"`)
	f("any target, of one who may apply none", `{"target":{"slack":{"url":{"env":"OTHER"}}}}`, "responder", 403, `forbidden`)
	f("a policy that is none", `{"policy":"shopp"}`, "responder", 404, `shopp`)
	f("a step that is none", `{"policy":"shop","step":2}`, "responder", 400, `has no step 2; it has 1`)
	f("a target that is none", `{"policy":"shop","step":1,"index":3}`, "responder", 400, `index: step 1 has no target 3; it has 2`)
	f("an index of nothing", `{"policy":"shop","index":1}`, "responder", 400, `step: say of which step`)
	f("nothing", `{}`, "editor", 400, `policy: is missing`)
	f("both", `{"policy":"shop","target":{"email":{"to":["a@example.com"]}}}`, "editor", 400, `keep either`)
	f("a target of no provider", `{"target":{}}`, "editor", 400, `names 0 providers`)
	f("a target that cannot be", `{"target":{"email":{"to":["nobody"]}}}`, "editor", 400, `target.email.to.0`, `is not a mail address`)
	f("a provider that is none", `{"target":{"pigeon":{}}}`, "editor", 400, `pigeon`)
}

func TestTooManyTestsAreToldWhenToTryAgain(t *testing.T) {
	t.Parallel()
	app, w := newWorld(t)
	limit := fault.New(fault.Limited, "this was tested less than 10s ago; try again in 7s")
	limit.RetryAfter = 7 * time.Second
	w.set(func() { w.fail = limit })
	got := ask(t, app, post, contactTestPath, `{"policy":"shop","step":1}`, bearer("responder"))
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "7" {
		t.Errorf("%d %q %s", got.status, got.header.Get("Retry-After"), got.text)
	}
}

func TestPoliciesShowTheLastTestAndNoAddressThatMayHoldASecret(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	got := ask(t, app, get, "/api/v1/policies", "", bearer("viewer"))
	for _, words := range []string{`"name":"shop"`, `"Slack (env SLACK_URL)","lastTest":{"provider":"slack"`, `"after":"1m0s"`, `"webhook hooks.example"`} {
		if !strings.Contains(got.text, words) {
			t.Errorf("no %s in %s", words, got.text)
		}
	}
	if got.status != 200 || strings.Contains(got.text, "s3cret") {
		t.Errorf("%d %s", got.status, got.text)
	}
}
