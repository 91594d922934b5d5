package incidents_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
)

func burn(tier string, extra ...string) incidents.AlertFacts {
	labels := map[string]string{
		"alertname": "OrdersBurn", "sloth_id": "shop-orders", "sloth_service": "shop", "sloth_slo": "orders",
		"sloth_severity": strings.Split(tier, "-")[0], "sloth_tier": tier, "tenant": "acme", "long": "1h", "short": "5m",
	}
	for n := 0; n+1 < len(extra); n += 2 {
		labels[extra[n]] = extra[n+1]
	}
	return incidents.AlertFacts{Labels: labels, StartsAt: t0, EndsAt: t0.Add(time.Hour)}
}

func TestAllTiersOfOnePromiseForOneTenantShareAnIncident(t *testing.T) {
	t.Parallel()
	byDefinition := incidents.Router{BudgetBy: map[string][]string{"shop-orders": {"tenant"}}}
	for name, r := range map[string]incidents.Router{"known SLO": byDefinition, "foreign SLO": {}} {
		key := func(a incidents.AlertFacts) string { return r.Signal(a, t0).GroupKey }
		fast := key(burn("page-fast", "severity", "critical"))
		if slow := key(burn("ticket-slow", "severity", "info", "long", "3d", "short", "6h", "sloth_window", "30d")); slow != fast {
			t.Errorf("%s: tiers are apart: %s and %s", name, fast, slow)
		}
		if other := key(burn("page-fast", "tenant", "globex")); other == fast {
			t.Errorf("%s: two tenants share %s", name, other)
		}
	}
	if got, want := byDefinition.Signal(burn("page-fast", "team", "a"), t0).GroupKey, `slo/shop-orders/{"tenant":"acme"}`; got != want {
		t.Errorf("key %s; want %s, whatever other labels a tier carries", got, want)
	}
}

func TestOtherAlertsGroupByNameTenantServiceAndPlace(t *testing.T) {
	t.Parallel()
	key := func(labels map[string]string) string {
		return incidents.Router{}.Signal(incidents.AlertFacts{Labels: labels}, t0).GroupKey
	}
	a := key(map[string]string{"alertname": "Down", "job": "db", "instance": "a", "cluster": "eu"})
	if b := key(map[string]string{"alertname": "Down", "job": "db", "instance": "b", "cluster": "eu"}); a != b {
		t.Errorf("instances of one job are apart: %s and %s", a, b)
	}
	for what, labels := range map[string]map[string]string{
		"name":      {"alertname": "Slow", "job": "db", "cluster": "eu"},
		"job":       {"alertname": "Down", "job": "web", "cluster": "eu"},
		"cluster":   {"alertname": "Down", "job": "db", "cluster": "us"},
		"namespace": {"alertname": "Down", "job": "db", "cluster": "eu", "namespace": "x"},
		"tenant":    {"alertname": "Down", "job": "db", "cluster": "eu", "tenant": "acme"},
	} {
		if key(labels) == a {
			t.Errorf("alerts that differ in %s share %s", what, a)
		}
	}
	if key(map[string]string{"disk": "a"}) == key(map[string]string{"disk": "b"}) {
		t.Error("distinct alerts without a name share an incident")
	}
	long := map[string]string{"alertname": strings.Repeat("x", 4000)}
	longer := map[string]string{"alertname": strings.Repeat("x", 4001)}
	if k := key(long); len(k) > 500 || k == key(longer) {
		t.Errorf("a long key has %d bytes, or is not distinct", len(k))
	}
}

func TestSeverityComesFromTierThenLabelThenSloth(t *testing.T) {
	t.Parallel()
	f := func(want incidents.Severity, pairs ...string) {
		t.Helper()
		labels := map[string]string{}
		for n := 0; n < len(pairs); n += 2 {
			labels[pairs[n]] = pairs[n+1]
		}
		if got := incidents.SeverityOf(labels); got != want {
			t.Errorf("%v: %s; want %s", labels, got, want)
		}
	}
	f(incidents.Critical, "sloth_tier", "page-fast", "severity", "info")
	f(incidents.Error, "sloth_tier", "page-slow")
	f(incidents.Warning, "sloth_tier", "ticket-fast", "sloth_severity", "page")
	f(incidents.Info, "sloth_tier", "ticket-slow")
	f(incidents.Critical, "severity", "Page")
	f(incidents.Error, "severity", "major")
	f(incidents.Warning, "severity", "warn")
	f(incidents.Info, "severity", "none")
	f(incidents.Error, "severity", "high", "sloth_severity", "page")
	f(incidents.Critical, "severity", "pageteam", "sloth_severity", "page")
	f(incidents.Warning, "sloth_severity", "ticket")
	f(incidents.Warning, "severity", "purple")
	f(incidents.Warning)
}

func TestTheNearestPolicyCounts(t *testing.T) {
	t.Parallel()
	named := func(n string) incidents.Policy { return incidents.Policy{Name: n} }
	r := incidents.Router{
		Policies:  map[string]incidents.Policy{"own": named("own"), "slo": named("slo"), "service": named("service"), "default": named("default")},
		SLOPolicy: map[string]string{"shop-orders": "slo", "gone-orders": "deleted"}, ServicePolicy: map[string]string{"shop": "service"},
		Default: "default",
	}
	f := func(want string, labels, annotations map[string]string) {
		t.Helper()
		if got := r.Signal(incidents.AlertFacts{Labels: labels, Annotations: annotations}, t0).Policy.Name; got != want {
			t.Errorf("%v %v: policy %q; want %q", labels, annotations, got, want)
		}
	}
	shop := map[string]string{"sloth_id": "shop-orders", "sloth_service": "shop"}
	f("own", shop, map[string]string{"nines_policy": "own"})
	f("slo", shop, nil)
	f("slo", shop, map[string]string{"nines_policy": "typo"})
	f("service", map[string]string{"service": "shop"}, nil)
	f("service", map[string]string{"sloth_id": "gone-orders", "service": "shop"}, nil)
	f("own", map[string]string{"job": "x", "nines_policy": "own"}, nil)
	f("default", map[string]string{"job": "x"}, nil)
	if p := (incidents.Router{}).Signal(incidents.AlertFacts{Labels: shop}, t0).Policy; !p.Empty() {
		t.Errorf("without definitions it pages %+v", p)
	}
}

func TestASignalSpeaksTheAlertsWords(t *testing.T) {
	t.Parallel()
	a := burn("page-fast")
	a.Tenant, a.Fingerprint = "acme", "f"
	a.Annotations = map[string]string{
		"summary": "Orders burn\n14 times too fast", "description": "See the plot.", "budget_spent": "3.4%",
		"runbook_url": "https://runbooks.example.com/orders",
	}
	s := incidents.Router{}.Signal(a, t0)
	if s.Title != "Orders burn 14 times too fast" || s.Summary != "See the plot." || s.RunbookURL != "https://runbooks.example.com/orders" {
		t.Errorf("signal says %q, %q, %q", s.Title, s.Summary, s.RunbookURL)
	}
	if s.BudgetSpent == nil || *s.BudgetSpent != 0.034 {
		t.Errorf("budget spent %v; want 0.034", s.BudgetSpent)
	}
	if s.Tenant != "acme" || s.Service != "shop" || s.SLO != "shop-orders" || !s.Firing {
		t.Errorf("signal %+v", s)
	}
	if s := (incidents.Router{}).Signal(a, a.EndsAt); s.Firing {
		t.Error("it fires at its end")
	}
	bare := incidents.Router{Runbook: func(slo, service string) string { return "https://n/" + slo + "/" + service }}
	a.Annotations = map[string]string{"runbook_url": "javascript:alert(1)", "budget_spent": "NaN"}
	s = bare.Signal(a, t0)
	if s.Title != "OrdersBurn shop" || s.RunbookURL != "https://n/shop-orders/shop" || s.BudgetSpent != nil {
		t.Errorf("a bare alert says %q, %q, %v", s.Title, s.RunbookURL, s.BudgetSpent)
	}
}
