package incidents_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/manifest"
)

const policyText = `apiVersion: nines/v1
kind: EscalationPolicy
metadata: {name: shop}
spec:
  repeat: 2
  repeatAfter: 1h
  steps:
    - targets:
        - pagerduty: {routingKey: {env: PD_KEY}}
        - slack: {url: {file: slack.url}}
    - delay: 15m
      targets:
        - email: {to: [ana@example.com, bo@example.com]}
        - webhook: {url: "https://hooks.example.com/x?k=1", secret: {env: HOOK_SECRET}}
`

func read(t testing.TB, text string) (incidents.Policy, manifest.Problems) {
	t.Helper()
	docs, problems := manifest.Read(manifest.File{Name: "policy.yaml", Text: text})
	if len(docs) != 1 {
		t.Fatalf("%d documents, %v", len(docs), problems)
	}
	return incidents.ReadPolicy(docs[0])
}

func TestAPolicyIsReadAsWritten(t *testing.T) {
	t.Parallel()
	got, problems := read(t, policyText)
	if len(problems) > 0 {
		t.Fatal(problems.Err())
	}
	want := incidents.Policy{Name: "shop", Repeat: 2, RepeatAfter: time.Hour, Steps: []incidents.Step{
		{Targets: []incidents.Target{
			{PagerDuty: &incidents.PagerDutyTarget{RoutingKey: incidents.Secret{Env: "PD_KEY"}}},
			{Slack: &incidents.SlackTarget{URL: incidents.Secret{File: "slack.url"}}},
		}},
		{Delay: 15 * time.Minute, Targets: []incidents.Target{
			{Email: &incidents.EmailTarget{To: []string{"ana@example.com", "bo@example.com"}}},
			{Webhook: &incidents.WebhookTarget{URL: "https://hooks.example.com/x?k=1", Secret: incidents.Secret{Env: "HOOK_SECRET"}}},
		}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEveryProblemOfAPolicyIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	_, problems := read(t, `apiVersion: nines/v1
kind: EscalationPolicy
metadata: {name: shop}
spec:
  repeat: -2
  steps:
    - delay: 5 minutes
      targets:
        - pagerduty: {routingKey: {env: PD-KEY}}
          slack: {url: {env: A, file: b}}
        - email: {to: ["Ana <ana@example.com>", "x\r\nBcc: y@example.com"]}
        - webhook: {url: "ftp://x", secret: {}}
        - webhook: {url: "https://user:pw@x.example", secret: {env: S}}
        - {}
    - delay: 400d
      targets: []
    - targets:
        - slack: {url: {env: A}}
        - slack: {url: {env: A}}
    - targets:
        - pigeon: {to: "+49"}
`)
	var got []string
	for _, p := range problems.Sorted() {
		got = append(got, p.String())
	}
	for _, want := range []string{
		"policy.yaml:5: spec.repeat: is -2",
		"policy.yaml:7: \"5 minutes\" is not a duration",
		"policy.yaml:9: spec.steps.0.targets.0: names 2 providers",
		"policy.yaml:9: spec.steps.0.targets.0.pagerduty.routingKey.env: is not the name",
		"policy.yaml:10: spec.steps.0.targets.0.slack.url: names both",
		`policy.yaml:11: spec.steps.0.targets.1.email.to.0: "Ana <ana@example.com>"`,
		"policy.yaml:11: spec.steps.0.targets.1.email.to.1:",
		"policy.yaml:12: spec.steps.0.targets.2.webhook.url: is not an http",
		"policy.yaml:12: spec.steps.0.targets.2.webhook.secret: is missing",
		"policy.yaml:13: spec.steps.0.targets.3.webhook.url: holds a user",
		"policy.yaml:14: spec.steps.0.targets.4: names 0 providers",
		"policy.yaml:15: spec.steps.1.delay: is 400d",
		"policy.yaml:16: spec.steps.1.targets: is missing",
		"policy.yaml:19: spec.steps.2.targets.1: is the same as spec.steps.2.targets.0; keep one",
		"policy.yaml:21: spec.steps.3.targets.0.pigeon: is not a known field",
	} {
		if !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(strings.Replace(s, ": line 7:", ":", 1), want) }) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(got, "\n"))
	}
}

func TestAStepsFallbackIsReadAndChecked(t *testing.T) {
	t.Parallel()
	step := func(fallback string) string {
		return `apiVersion: nines/v1
kind: EscalationPolicy
metadata: {name: shop}
spec:
  steps:
    - targets: [{email: {to: [ana@example.com]}}]
      fallback: ` + fallback + "\n"
	}
	for _, c := range []struct {
		fallback string
		after    time.Duration
		problem  string
	}{
		{`{targets: [{email: {to: [bo@example.com]}}]}`, 2 * time.Minute, ""},
		{`{after: 15s, targets: [{email: {to: [bo@example.com]}}]}`, 15 * time.Second, ""},
		{`{after: 10m, targets: [{email: {to: [bo@example.com]}}]}`, 10 * time.Minute, ""},
		{`{after: 14s, targets: [{email: {to: [bo@example.com]}}]}`, 14 * time.Second, "fallback.after: is 14s; write 15s to 10m"},
		{`{after: 11m, targets: [{email: {to: [bo@example.com]}}]}`, 11 * time.Minute, "fallback.after: is 11m; write 15s to 10m"},
		{`{targets: []}`, 2 * time.Minute, "fallback.targets: is missing"},
		{`{targets: [{email: {to: [ana@example.com]}}]}`, 2 * time.Minute, "fallback.targets.0: is the same as spec.steps.0.targets.0"},
	} {
		p, problems := read(t, step(c.fallback))
		if got := p.Steps[0].Fallback; got == nil || got.After != c.after {
			t.Errorf("%s: fallback %+v; want it after %s", c.fallback, got, c.after)
		}
		switch {
		case c.problem == "" && len(problems) > 0:
			t.Errorf("%s: %v", c.fallback, problems.Err())
		case c.problem != "" && (len(problems) != 1 || !strings.Contains(problems.Err().Error(), c.problem)):
			t.Errorf("%s: %v; want %q", c.fallback, problems, c.problem)
		}
	}
}

func TestAPolicyNeedsSteps(t *testing.T) {
	t.Parallel()
	for name, steps := range map[string]string{
		"none": "{}", "too many": "{steps: [" + strings.Repeat("{targets: [{slack: {url: {env: A}}}]},", 21) + "]}",
	} {
		_, problems := read(t, "apiVersion: nines/v1\nkind: EscalationPolicy\nmetadata: {name: shop}\nspec: "+steps+"\n")
		if len(problems) != 1 || problems[0].Field != "spec.steps" {
			t.Errorf("%s: problems %v; want one at spec.steps", name, problems)
		}
	}
}

func TestATargetsKeyHoldsNoSecretAndTellsTargetsApart(t *testing.T) {
	t.Parallel()
	hook := func(url string) incidents.Target {
		return incidents.Target{Webhook: &incidents.WebhookTarget{URL: url, Secret: incidents.Secret{Env: "S"}}}
	}
	a, b := hook("https://x.example/h?token=hunter2").Key(), hook("https://x.example/h?token=hunter3").Key()
	if strings.Contains(a+hook("https://u:hunter2@x.example").Key(), "hunter") || a == b {
		t.Errorf("keys %s and %s", a, b)
	}
	pd := incidents.Target{PagerDuty: &incidents.PagerDutyTarget{RoutingKey: incidents.Secret{Env: "K"}}}
	same := incidents.Target{PagerDuty: &incidents.PagerDutyTarget{RoutingKey: incidents.Secret{Env: "K"}, Endpoint: "https://events.pagerduty.com/"}}
	if pd.Key() != same.Key() || pd.Key() != "pagerduty:env:K@https://events.pagerduty.com" {
		t.Errorf("the default endpoint written out is another target: %s and %s", pd.Key(), same.Key())
	}
	if x, y := mail("ana").Key(), (incidents.Target{Email: &incidents.EmailTarget{To: []string{"Ana@Example.com"}}}).Key(); x != y {
		t.Errorf("mail addresses differ by case: %s and %s", x, y)
	}
}

func FuzzReadPolicy(f *testing.F) {
	f.Add(policyText)
	f.Add("apiVersion: nines/v1\nkind: EscalationPolicy\nmetadata: {name: a}\nspec: {steps: [{targets: [null]}]}")
	f.Add("apiVersion: nines/v1\nkind: EscalationPolicy\nmetadata: {name: a}\nspec: {steps: [{targets: [{email: {to: [\"\"]}}]}]}")
	f.Fuzz(func(t *testing.T, text string) {
		docs, _ := manifest.Read(manifest.File{Name: "f", Text: text})
		for _, d := range docs {
			p, problems := incidents.ReadPolicy(d)
			if len(problems) > 0 {
				continue
			}
			if p.Empty() || p.RoundDelay() <= 0 {
				t.Errorf("a policy without problems pages nobody or loops: %+v", p)
			}
			for _, s := range p.Steps {
				for _, target := range s.Targets {
					if target.Provider() == "" || target.Key() == "" {
						t.Errorf("target %+v names nobody", target)
					}
				}
			}
		}
	})
}

func TestEveryProvidersTargetIsReadAndChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ target, key, words string }{
		{`slack: {token: {env: T}, channel: "#oncall"}`, "slack:#oncall/env:T@https://slack.com/api", "Slack #oncall"},
		{"teams: {url: {env: T}}", "teams:env:T", "Teams (env T)"},
		{"googlechat: {url: {file: chat}}", "googlechat:file:chat", "Google Chat (file chat)"},
		{`sms: {to: "+4915112345678", from: "+12025550123", account: AC1, token: {env: T}}`, "sms:+4915112345678/AC1@https://api.twilio.com", "SMS to +4915112345678"},
		{`voice: {to: "+4915112345678", from: "+12025550123", account: AC1, token: {env: T}, endpoint: "http://127.0.0.1:1"}`, "voice:+4915112345678/AC1@http://127.0.0.1:1", "call to +4915112345678"},
		{`ntfy: {url: "https://ntfy.example.com/oncall"}`, "ntfy:https://ntfy.example.com/onc…#1549c1ddd889", "ntfy https://ntfy.example.com/onc…#1549c1ddd889"},
		{`ntfy: {url: "https://ntfy.example.com/oncall", token: {env: T}}`, "ntfy:https://ntfy.example.com/oncall", "ntfy https://ntfy.example.com/oncall"},
		{"pushover: {user: {env: U}, token: {env: T}}", "pushover:env:U/env:T@https://api.pushover.net", "Pushover (env U)"},
		{"opsgenie: {key: {env: K}}", "opsgenie:env:K@https://api.opsgenie.com", "Opsgenie (env K)"},
		{"webhook: {url: \"https://a.example/x\", secret: {env: S}, previousSecret: {env: P}}", "webhook:https://a.example/x", "webhook a.example"},
	} {
		p, problems := read(t, "apiVersion: nines/v1\nkind: EscalationPolicy\nmetadata: {name: a}\nspec: {steps: [{targets: [{"+c.target+"}]}]}\n")
		if len(problems) > 0 {
			t.Errorf("%s: %v", c.target, problems.Err())
			continue
		}
		if got := p.Steps[0].Targets[0]; got.Key() != c.key || got.String() != c.words {
			t.Errorf("%s: %s, %s; want %s, %s", c.target, got.Key(), got, c.key, c.words)
		}
	}
	for target, want := range map[string]string{
		`slack: {token: {env: T}}`: "slack.channel: is missing", `slack: {url: {env: U}, channel: c}`: "slack: names both",
		`sms: {to: "0151"}`: "sms.to: is not a telephone", "ntfy: {url: x}": "ntfy.url: is not an http", "pushover: {user: {env: U}}": "pushover.token: is missing",
		"opsgenie: {}": "opsgenie.key: is missing", "teams: {}": "teams.url: is missing", "googlechat: {}": "googlechat.url: is missing",
	} {
		_, problems := read(t, "apiVersion: nines/v1\nkind: EscalationPolicy\nmetadata: {name: a}\nspec: {steps: [{targets: [{"+target+"}]}]}\n")
		if !slices.ContainsFunc(problems, func(p manifest.Problem) bool { return strings.Contains(p.String(), want) }) {
			t.Errorf("%s: %v; want %s", target, problems, want)
		}
	}
}
