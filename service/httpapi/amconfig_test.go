package httpapi

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
)

func matchers(t *testing.T, texts ...string) []alerting.Matcher {
	t.Helper()
	read, err := readMatchers(texts)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// trees routes databases to dba, with a route inside that only groups, and drops what is for tests.
func trees(t *testing.T) []alerting.AlertRoute {
	yes, grouping := true, &alerting.Grouping{Labels: []string{"cluster"}}
	return []alerting.AlertRoute{
		{Name: "late", Weight: 9, Route: alerting.Route{Matchers: matchers(t, "team=late"), Policy: "dba"}},
		{Name: "databases", Route: alerting.Route{Matchers: matchers(t, `job=~"pg|my"`), Policy: "dba", Routes: []alerting.Route{
			{Matchers: matchers(t, "shift=night"), Policy: "night"}, {Matchers: matchers(t, "env=test"), Drop: &yes}}}},
		{Name: "grouping", Route: alerting.Route{Matchers: matchers(t, "team=edge"), GroupBy: grouping}},
		{Name: "says nothing", Weight: -1, Route: alerting.Route{Matchers: matchers(t, `team=~".+"`), Continue: true}},
		{Name: "acme's", Tenant: "acme", Route: alerting.Route{Matchers: matchers(t, "vip=yes"), Policy: "night"}},
	}
}

func TestTheConfigurationRoutesAsWeDo(t *testing.T) {
	t.Parallel()
	amtool, err := exec.LookPath("amtool")
	if err != nil {
		t.Skip("amtool is not installed; make setup installs it")
	}
	policies := map[string]incidents.Policy{}
	for _, name := range []string{"default", "dba", "night", "shop"} {
		policies[name] = incidents.Policy{Name: name}
	}
	rules := alerting.Rules{
		Routes:      trees(t),
		Inhibit:     []alerting.InhibitRule{{Name: "i", Source: matchers(t, "severity=critical"), Target: matchers(t, "severity=warning"), Equal: []string{"alertname"}}},
		Maintenance: []alerting.MaintenanceWindow{{Name: "patch\nnight"}},
	}
	view := &amView{operator: true, router: incidents.Router{
		Policies: policies, Default: "default", SLOPolicy: map[string]string{"shop-availability": "shop", "shop-latency": "shop", "gone": "missing"},
		ServicePolicy: map[string]string{"shop": "shop", "sho+p": "shop", "night-shift": "night"},
		Routes: func(a incidents.AlertFacts) incidents.Route {
			r := rules.Route(alerting.Alert{Tenant: a.Tenant, Labels: a.Labels})
			return incidents.Route{Policy: r.Policy, Drop: r.Drop}
		},
	}}
	text := view.config(rules)
	path := filepath.Join(t.TempDir(), "am.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(amtool, "check-config", path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, text)
	}
	for _, labels := range []string{
		"alertname=X", "sloth_id=shop-latency", "service=shop", "job=sho+p", "job=shop service=night-shift", "sloth_service=shop service=night-shift",
		"job=pg", "job=pg shift=night", "job=pg env=test", "job=pg team=late", "team=late", "team=late service=shop", "team=edge", "team=edge service=shop",
		"nines_policy=night service=shop", "nines_policy=nobody", "vip=yes tenant=acme", "vip=yes tenant=globex", "sloth_id=gone", "job=xpg",
	} {
		out, err := exec.Command(amtool, append([]string{"config", "routes", "test", "--config.file=" + path}, strings.Fields(labels)...)...).Output()
		al := alerting.Alert{Labels: map[string]string{"severity": "critical"}}
		for _, word := range strings.Fields(labels) {
			name, value, _ := strings.Cut(word, "=")
			al.Labels[name] = value
		}
		al.Tenant = al.Labels["tenant"]
		if want := view.receiverOf(al); err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s: amtool routes to %s (%v), we to %s", labels, out, err, want)
		}
	}
}

func TestATenantIsNotShownTheOperatorsPolicies(t *testing.T) {
	t.Parallel()
	view := &amView{router: incidents.Router{Policies: map[string]incidents.Policy{"secret": {Name: "secret"}}, Default: "secret"}}
	text := view.config(alerting.Rules{Routes: trees(t), Maintenance: []alerting.MaintenanceWindow{{Name: "patches"}}})
	for _, hidden := range []string{"secret", "dba", "patches"} {
		if strings.Contains(text, hidden) {
			t.Errorf("%s is shown:\n%s", hidden, text)
		}
	}
	if got := view.receiverOf(alerting.Alert{Labels: map[string]string{"severity": "critical"}}); got != receiver {
		t.Error(got)
	}
}
