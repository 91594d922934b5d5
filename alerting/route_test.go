package alerting_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/alerting"
)

func route(t testing.TB, name, spec string) alerting.AlertRoute {
	t.Helper()
	r, problems := alerting.ReadAlertRoute(document(t, "AlertRoute", spec))
	if len(problems) > 0 {
		t.Fatalf("%s: %v", spec, problems)
	}
	r.Name = name
	return r
}

func TestTheFirstRouteThatMatchesDecides(t *testing.T) {
	t.Parallel()
	rules := alerting.Rules{Routes: []alerting.AlertRoute{
		route(t, "rest", "  weight: 100\n  policy: rest\n"),
		route(t, "b-shop", "  weight: 10\n  matchers: [team=shop]\n  policy: shop-b\n"),
		route(t, "a-shop", `
  weight: 10
  matchers: [team=shop]
  policy: shop
  groupBy: [alertname, annotations.summary]
  groupWindow: 1h
  routes:
  - {matchers: [severity=info], drop: true}
  - matchers: [zone=~"eu.*"]
    policy: shop-eu
    continue: true
    routes:
    - {matchers: [zone=eu1], severity: critical, groupWindow: 0s}
  - {matchers: [night=yes], policy: shop-night, severity: error, groupBy: []}
`),
		route(t, "early", "  weight: -1\n  matchers: [env=test]\n  severity: info\n  continue: true\n"),
		route(t, "acme", "  weight: -2\n  tenant: acme\n  matchers: [team=shop]\n  policy: acme\n"),
	}}.Compiled()
	f := func(name string, a alerting.Alert, want alerting.Routing) {
		t.Helper()
		if got := rules.Route(a); !cmp.Equal(got, want) {
			t.Errorf("%s: %s", name, cmp.Diff(want, got))
		}
	}
	plain := func(path, policy string) alerting.Routing {
		return alerting.Routing{
			Path: []string{path}, Policy: policy, Window: time.Hour,
			Grouped: true, GroupAt: "a-shop", Group: map[string]string{"alertname": "Down"},
		}
	}
	f("nobody's", firing("alertname=Down"), alerting.Routing{Path: []string{"rest"}, Policy: "rest"})
	f("the shop's", firing("alertname=Down", "team=shop"), plain("a-shop", "shop"))
	dropped := plain("a-shop/1", "shop")
	dropped.Drop = true
	f("the shop's informational", firing("alertname=Down", "team=shop", "severity=info", "zone=eu1"), dropped)
	f("the shop's in Europe", firing("alertname=Down", "team=shop", "zone=eu2"), plain("a-shop/2", "shop-eu"))
	first := plain("a-shop/2/1", "shop-eu")
	first.Severity, first.Window = "critical", 0
	f("the shop's in eu1", firing("alertname=Down", "team=shop", "zone=eu1"), first)
	night := plain("a-shop/2", "shop-eu")
	night.Path, night.Severity = []string{"a-shop/2", "a-shop/3"}, "error"
	f("the shop's in Europe at night", firing("alertname=Down", "team=shop", "zone=eu2", "night=yes"), night)
	one := plain("a-shop/3", "shop-night")
	one.Severity, one.GroupAt, one.Group = "error", "a-shop/3", map[string]string{}
	f("the shop's at night", firing("alertname=Down", "team=shop", "night=yes"), one)
	tested := plain("early", "shop")
	tested.Path, tested.Severity = []string{"early", "a-shop"}, "info"
	f("the shop's tests", firing("alertname=Down", "team=shop", "env=test"), tested)
	f("acme's", of("acme", firing("alertname=Down", "team=shop")), alerting.Routing{Path: []string{"acme"}, Policy: "acme"})
	summed := firing("alertname=Down", "team=shop")
	summed.Annotations = map[string]string{"summary": "No orders"}
	content := plain("a-shop", "shop")
	content.Group = map[string]string{"alertname": "Down", "annotations.summary": "No orders"}
	f("the shop's by content", summed, content)
}

func TestGroupingByEveryLabelGivesEachAlertItsOwn(t *testing.T) {
	t.Parallel()
	rules := alerting.Rules{Routes: []alerting.AlertRoute{route(t, "all", "  groupBy: ['...']\n")}}
	a := firing("alertname=Down", "instance=a")
	if got := rules.Route(a); !got.Grouped || !cmp.Equal(got.Group, a.Labels) {
		t.Errorf("%+v; want all labels", got)
	}
}

func TestNoRoutesSayNothing(t *testing.T) {
	t.Parallel()
	if got := (alerting.Rules{}).Route(firing("a=b")); !cmp.Equal(got, alerting.Routing{}) {
		t.Errorf("%+v", got)
	}
}

func TestARouteNamesThePoliciesOfAllItsLevels(t *testing.T) {
	t.Parallel()
	r := route(t, "r", "  policy: a\n  routes:\n  - policy: b\n  - routes:\n    - policy: c\n")
	want := map[string]string{"spec.policy": "a", "spec.routes.0.policy": "b", "spec.routes.1.routes.0.policy": "c"}
	if got := r.Policies("spec"); !cmp.Equal(got, want) {
		t.Errorf("%v; want %v", got, want)
	}
}

func TestExplainedRoutesSayWhatTheyAskFor(t *testing.T) {
	t.Parallel()
	rules := alerting.Rules{Routes: []alerting.AlertRoute{
		route(t, "a", "  matchers: [x=y]\n"),
		route(t, "b", "  continue: true\n  groupBy: [x]\n  groupWindow: 30m\n"),
		route(t, "c", "  drop: true\n"),
	}}
	var got []string
	for _, f := range alerting.NewJudge(rules, nil, nil, noon).Explain(firing("x=z")) {
		got = append(got, f.Text)
	}
	want := []string{
		`x is "z", which does not satisfy x="y"`,
		"matches at b, groups as b says, joins an incident whose last alert came at most 30m0s before",
		"matches at c, records the alert and opens no incident",
		"nothing keeps it from paging",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", cmp.Diff(want, got))
	}
}
