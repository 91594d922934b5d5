package slo

import (
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
)

const budgetPolicyText = `apiVersion: nines/v1
kind: ErrorBudgetPolicy
metadata: {name: default}
spec:
  services: [shop]
  rules:
    - {below: 0.25, action: approve, reason: "a quarter is for accidents"}
    - {below: 0, action: freeze, except: [rollback, security, fix]}
    - {burn: 6, action: freeze}
    - {exhaustionWithin: 48h, action: approve}
    - {openIncident: page, action: freeze}
  postmortem: {share: 0.2}
  freezes: [{from: "2026-12-20T00:00", to: "2027-01-02T00:00", zone: Europe/Berlin, reason: holidays}]
  minimum: {events: 1000, coverage: 0.5}
  unknown: approve
  linkWithin: 6h
`

func readBudgetPolicy(t testing.TB, text string) (BudgetPolicy, manifest.Problems) {
	t.Helper()
	docs, problems := manifest.Read(manifest.File{Name: "p.yaml", Text: text})
	if len(problems) > 0 || len(docs) != 1 {
		t.Fatalf("%v", problems)
	}
	return ReadBudgetPolicy(docs[0])
}

func TestABudgetPolicyIsReadWithItsDefaults(t *testing.T) {
	t.Parallel()
	p, problems := readBudgetPolicy(t, budgetPolicyText)
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	if p.Name != "default" || len(p.Rules) != 5 || *p.Rules[1].Below != 0 || p.Rules[1].Action != Freeze || len(p.Rules[1].Except) != 3 ||
		p.Rules[2].Burn != 6 || p.Rules[3].ExhaustionWithin != 48*time.Hour || p.Rules[4].OpenIncident != IncidentPages ||
		p.Postmortem != 0.2 || p.Minimum != (Minimum{1000, 0.5}) || p.Unknown != Approve || p.LinkWithin != 6*time.Hour {
		t.Errorf("read %+v", p)
	}
	if f := p.Freezes[0]; !f.From.Equal(time.Date(2026, 12, 19, 23, 0, 0, 0, time.UTC)) || !f.To.Equal(time.Date(2027, 1, 1, 23, 0, 0, 0, time.UTC)) {
		t.Errorf("the freeze is from %s to %s; midnight in Berlin is 23:00 UTC", f.From, f.To)
	}
	small, problems := readBudgetPolicy(t, "apiVersion: nines/v1\nkind: ErrorBudgetPolicy\nmetadata: {name: x}\nspec: {postmortem: {share: 0.5}}\n")
	if len(problems) != 0 || small.Unknown != Approve || small.LinkWithin != 4*time.Hour || len(small.Services) != 0 {
		t.Errorf("%v, %+v: not knowing is not a yes, and changes are linked for four hours", problems, small)
	}
}

func TestEveryProblemOfABudgetPolicyIsToldAtOnceWithItsLine(t *testing.T) {
	t.Parallel()
	_, problems := readBudgetPolicy(t, `apiVersion: nines/v1
kind: ErrorBudgetPolicy
metadata: {name: default}
spec:
  services: [shop, shop]
  rules:
    - {below: 25, action: freeze}
    - {below: 0.1, burn: 6, action: freeze}
    - {burn: -1, action: freeze}
    - {exhaustionWithin: 0s, action: halt}
    - {openIncident: terrible, action: allow}
    - {burn: 1}
    - {burn: .nan, action: freeze, except: [Roll Back]}
  postmortem: {share: 20}
  freezes: [{from: "2027-01-02", to: "2026-12-20", zone: Mars/Base}, {from: soon}]
  minimum: {events: -1, coverage: 50}
  unknown: perhaps
  linkWithin: 3d
  groups: worst
`)
	text := ""
	for _, p := range problems.Sorted() {
		text += p.String() + "\n"
	}
	for _, want := range []string{
		`p.yaml:5: spec.services.1: "shop" stands twice`, "p.yaml:7: spec.rules.0.below: 25 is more than the whole budget; it is a share, so write 0.25",
		"p.yaml:8: spec.rules.1: has 2 conditions", "p.yaml:9: spec.rules.2.burn: -1 is not a burn rate", "p.yaml:10: spec.rules.3.exhaustionWithin: 0s",
		`p.yaml:10: spec.rules.3.action: "halt"`, `p.yaml:11: spec.rules.4.openIncident: "terrible" is not known; write one of page, any, critical`,
		"p.yaml:11: spec.rules.4.action: allow does nothing", "p.yaml:12: spec.rules.5.action: is missing", "p.yaml:13: spec.rules.6.burn",
		`p.yaml:13: spec.rules.6.except.0: "Roll Back"`, "p.yaml:14: spec.postmortem.share: 20 is more than", `p.yaml:15: spec.freezes.0.zone: "Mars/Base"`,
		"p.yaml:15: spec.freezes.0.to", `p.yaml:15: spec.freezes.1.from: "soon"`, "p.yaml:15: spec.freezes.1.to: is missing",
		"p.yaml:16: spec.minimum.events", "p.yaml:16: spec.minimum.coverage: 50", `p.yaml:17: spec.unknown: "perhaps"`, "p.yaml:18: spec.linkWithin: 3d", "p.yaml:19: spec.groups: is not a known field",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("nobody says %q in\n%s", want, text)
		}
	}
	if _, problems := readBudgetPolicy(t, "apiVersion: nines/v1\nkind: ErrorBudgetPolicy\nmetadata: {name: x}\nspec: {services: [shop]}\n"); len(problems) != 1 || !strings.Contains(problems[0].Message, "asks for nothing") {
		t.Errorf("a policy without rules: %v", problems)
	}
}

func TestAPolicyCoversTheServicesItNamesOrThoseOfItsSLOs(t *testing.T) {
	t.Parallel()
	services := func(id string) string {
		return map[string]string{"shop-availability": "shop", "pay-latency": "pay"}[id]
	}
	for name, c := range map[string]struct {
		policy  BudgetPolicy
		service string
		want    bool
	}{
		"its own":                   {BudgetPolicy{Services: []string{"shop"}}, "shop", true},
		"another":                   {BudgetPolicy{Services: []string{"shop"}}, "pay", false},
		"by SLO":                    {BudgetPolicy{SLOs: []string{"pay-latency"}}, "pay", true},
		"by another's SLO":          {BudgetPolicy{SLOs: []string{"pay-latency"}}, "shop", false},
		"a service by others' SLOs": {BudgetPolicy{Services: []string{"shop"}, SLOs: []string{"pay-latency"}}, "shop", true},
		"none named":                {BudgetPolicy{}, "anything", true},
		"all services":              {BudgetPolicy{Services: []string{"shop"}}, AllServices, true},
	} {
		if got := c.policy.Covers(c.service, services); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	policies := []BudgetPolicy{{Services: []string{"shop"}, LinkWithin: time.Hour}, {LinkWithin: 2 * time.Hour}}
	if shop, pay, none := LinkSpan(policies, "shop", services), LinkSpan(policies[:1], "pay", services), LinkSpan(nil, "x", services); shop != 2*time.Hour || pay != DefaultLinkWithin || none != DefaultLinkWithin {
		t.Errorf("linked within %s, %s and %s", shop, pay, none)
	}
}

func TestThePostmortemBoundIsTheLowestAndIsNotMetExactly(t *testing.T) {
	t.Parallel()
	services := func(string) string { return "shop" }
	policies := []BudgetPolicy{{Name: "all", Postmortem: 0.5}, {Name: "shop", Services: []string{"shop"}, Postmortem: 0.2}, {Name: "pay", Services: []string{"pay"}, Postmortem: 0.01}, {Name: "none"}}
	for _, c := range []struct {
		spent float64
		want  string
	}{{0.6, "shop"}, {0.21, "shop"}, {0.2, ""}, {0.3 - 0.1, ""}, {0.1, ""}} {
		got, ok := PostmortemBound(policies, "shop", "shop-availability", c.spent, services)
		if got.Name != c.want || ok != (c.want != "") {
			t.Errorf("%v spent: %q", c.spent, got.Name)
		}
	}
}

func FuzzReadBudgetPolicy(f *testing.F) {
	f.Add(budgetPolicyText)
	f.Add("apiVersion: nines/v1\nkind: ErrorBudgetPolicy\nmetadata: {name: x}\nspec: {freezes: [{from: 2026-12-20, to: 2026-13-40, zone: Local}]}\n")
	f.Add("apiVersion: nines/v1\nkind: ErrorBudgetPolicy\nmetadata: {name: x}\nspec: {rules: [{below: .inf, action: freeze}, {below: ~}]}\n")
	f.Fuzz(func(t *testing.T, text string) {
		docs, _ := manifest.Read(manifest.File{Name: "f.yaml", Text: text})
		for _, d := range docs {
			p, problems := ReadBudgetPolicy(d)
			if len(problems) > 0 {
				continue
			}
			if len(p.Rules) == 0 && len(p.Freezes) == 0 && p.Postmortem == 0 || !p.Unknown.Valid() || p.LinkWithin <= 0 {
				t.Errorf("a policy that asks for nothing passes: %+v", p)
			}
			v := Decide([]BudgetPolicy{p}, []GateStatus{seen("shop-availability", 0.1, 7, nil)}, nil, Change{Service: "shop", Kind: "deploy"}, gateNow)
			if !v.Action.Valid() || v.Headline == "" || v.Action != Allow && len(v.Reasons) == 0 {
				t.Errorf("%+v", v)
			}
		}
	})
}
