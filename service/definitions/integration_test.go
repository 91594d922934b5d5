package definitions

import (
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
)

func integration(spec string) manifest.File {
	return manifest.File{Name: "i.yaml", Text: "apiVersion: nines/v1\nkind: Integration\nmetadata: {name: x}\nspec:\n" + spec}
}

func TestAnIntegrationIsRead(t *testing.T) {
	t.Parallel()
	set, problems := Load([]manifest.File{
		integration("  type: events\n  tenant: acme\n  service: shop\n  labels: {team: core}\n  secret: {env: KEY}\n" +
			"  previousSecret: {file: old}\n  callsPerMinute: 60\n  options: {hold: 2h}\n"),
		{Name: "pd.yaml", Text: "apiVersion: nines/v1\nkind: Integration\nmetadata: {name: pd}\nspec: {type: pagerduty, secret: {env: S}, options: {routingKey: {env: K}}}\n"},
	}, nil, ships)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	i, ok := set.Catalog.Integration("x")
	if !ok || i.Tenant != "acme" || i.Secret.Env != "KEY" || i.Previous.File != "old" || i.CallsPerMinute != 60 || i.Options.Hold != 2*time.Hour || i.Replies() {
		t.Errorf("%+v", i)
	}
	all := set.Catalog.Integrations()
	if len(all) != 2 || all[0].Name != "pd" || !all[0].Replies() || all[0].CallsPerMinute != DefaultCallsPerMinute || all[0].Options.RoutingKey.Env != "K" {
		t.Errorf("%+v", all)
	}
	if _, ok := set.Catalog.Integration("y"); ok {
		t.Error("one that is not there is found")
	}
}

func TestWhatIsWrongWithAnIntegrationIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"  secret: {env: K}\n":                  "i.yaml:4: spec.type: is missing",
		"  type: pager\n  secret: {env: K}\n":   "i.yaml:5: spec.type: \"pager\" is not known",
		"  type: events\n":                      "spec.secret: is missing",
		"  type: events\n  secret: {env: 1K}\n": "i.yaml:6: spec.secret.env: is not the name",
		"  type: events\n  secret: {env: K}\n  previousSecret: {env: A, file: b}\n": "spec.previousSecret: names both",
		"  type: events\n  secret: {env: K}\n  policy: nobody\n":                    "spec.policy: there is no EscalationPolicy named \"nobody\"",
		"  type: events\n  secret: {env: K}\n  labels: {a-b: c}\n":                  "spec.labels: \"a-b\" is not a label's name",
		"  type: events\n  secret: {env: K}\n  callsPerMinute: -1\n":                "spec.callsPerMinute: is -1",
		"  type: events\n  secret: {env: K}\n  options: {topic: 'arn:x'}\n":         "spec.options.topic: has no effect on the type events",
		"  type: events\n  secret: {env: K}\n  options: {colour: red}\n":            "spec.options.colour: is not a known field",
		"  type: github\n  secret: {env: K}\n  tenant: acme\n":                      "spec.tenant: is not for the type github",
		"  type: sns\n":                          "spec.options.topic: is missing",
		"  type: template\n  secret: {env: K}\n": "spec.options.mapping: is missing",
		"  type: template\n  secret: {env: K}\n  options: {mapping: {key: item.id, summary: item.title, ended: 'item.ok =='}}\n":         "i.yaml:7: spec.options.mapping.ended: is not an expression in CEL",
		"  type: template\n  secret: {env: K}\n  options: {mapping: {key: item.id, summary: item.title}}\n":                              "spec.options.mapping.ended: is missing",
		"  type: template\n  secret: {env: K}\n  options: {mapping: {key: item.id, summary: item.id, ended: item.ok, titel: item.id}}\n": "spec.options.mapping.titel: is not a known field",
		"  type: events\n  secret: {env: K}\n  options: {mapping: {key: item.id}}\n":                                                     "spec.options.mapping: has no effect on the type events",
	} {
		_, problems := Load([]manifest.File{integration(spec)}, nil, ships)
		if len(problems) != 1 || !strings.Contains(problems[0].String(), want) {
			t.Errorf("%q: %v; want %s", spec, problems, want)
		}
	}
}

func FuzzIntegration(f *testing.F) {
	f.Add("  type: events\n  secret: {env: K}\n")
	f.Add("  type: template\n  secret: {file: k}\n  options: {mapping: {name: a.b}}\n")
	f.Add("  type: []\n  labels: 3\n")
	f.Fuzz(func(t *testing.T, spec string) {
		docs, _ := manifest.Read(integration(spec))
		for _, d := range docs {
			i, problems := ReadIntegration(d)
			if len(problems) == 0 && (i.Type == "" || i.CallsPerMinute < 1 || i.CallsPerMinute > maxCallsPerMinute) {
				t.Errorf("%+v", i)
			}
		}
	})
}
