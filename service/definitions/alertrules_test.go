package definitions

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
)

const alertRules = fine + `---
apiVersion: nines/v1
kind: InhibitRule
metadata: {name: cluster}
spec: {source: [alertname=ClusterDown], target: ['severity=~"warning|info"'], equal: [cluster]}
---
apiVersion: nines/v1
kind: MaintenanceWindow
metadata: {name: sundays}
spec: {matchers: [cluster=eu], start: "2026-03-01T02:00", duration: 2h, zone: Europe/Berlin, rrule: FREQ=WEEKLY}
---
apiVersion: nines/v1
kind: AlertRoute
metadata: {name: shop}
spec:
  weight: 5
  matchers: [team=shop]
  routes:
  - {matchers: [severity=high], policy: oncall, severity: critical, groupBy: [alertname], groupWindow: 1h}
---
apiVersion: nines/v1
kind: AlertRoute
metadata: {name: first}
spec: {weight: 1, matchers: [team=none], drop: true}
---
apiVersion: nines/v1
kind: Heartbeat
metadata: {name: nightly}
spec: {interval: 1d, grace: 1h, service: shop, policy: oncall}
---
apiVersion: nines/v1
kind: Heartbeat
metadata: {name: backup}
spec: {interval: 1h, severity: warning}
`

func TestTheRulesAboutAlertsStandInTheCatalog(t *testing.T) {
	t.Parallel()
	set, problems := load(t, alertRules)
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	c := set.Catalog
	rules := c.AlertRules()
	if len(rules.Inhibit) != 1 || len(rules.Maintenance) != 1 || len(rules.Routes) != 2 || len(set.Records) != 10 {
		t.Errorf("%d records make %+v", len(set.Records), rules)
	}
	if h := c.Heartbeats(); len(h) != 2 || h[0].Name != "backup" || h[1].Interval != 24*time.Hour {
		t.Errorf("heartbeats %+v", h)
	}
	if h, ok := c.Heartbeat("nightly"); !ok || h.Policy != "oncall" {
		t.Errorf("the nightly heartbeat is %+v, %v", h, ok)
	}
	sunday := time.Date(2026, 3, 8, 2, 0, 0, 0, time.UTC)
	down := map[string]string{"alertname": "ClusterDown", "cluster": "eu"}
	source := alerting.Alert{Fingerprint: "a", Labels: down, EndsAt: sunday.Add(1)}
	target := alerting.Alert{Labels: map[string]string{"severity": "info", "cluster": "eu"}}
	v := alerting.NewJudge(rules, nil, []alerting.Alert{source}, sunday).Verdict(target)
	if !slices.Equal(v.InhibitedBy, []string{"a"}) || !slices.Equal(v.MutedBy, []string{"sundays"}) {
		t.Errorf("verdict %+v", v)
	}
}

func TestTheCatalogsRouterAsksItsRoutes(t *testing.T) {
	t.Parallel()
	set, problems := load(t, alertRules)
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	router := set.Catalog.Router(func(name string) string { return name })
	slow := map[string]string{"alertname": "Slow", "team": "shop", "severity": "high"}
	s := router.Signal(incidents.AlertFacts{Labels: slow}, time.Now())
	if s.Policy.Name != "oncall" || s.Severity != incidents.Critical || s.GroupWindow != time.Hour ||
		s.GroupKey != `route/shop/1/{"alertname":"Slow"}` {
		t.Errorf("the shop's alert means %+v", s)
	}
	if s := router.Signal(incidents.AlertFacts{Labels: map[string]string{"team": "none"}}, time.Now()); !s.Drop {
		t.Errorf("nobody's alert means %+v; want it dropped", s)
	}
}

func TestWhatARouteOrHeartbeatNamesMustExist(t *testing.T) {
	t.Parallel()
	wrong := strings.NewReplacer(
		"policy: oncall, severity", "policy: onkall, severity", "service: shop, policy: oncall}", "service: shopp, policy: x}",
	).Replace(alertRules)
	_, problems := load(t, wrong)
	var got []string
	for _, p := range problems.Sorted() {
		got = append(got, p.Field+": "+p.Message)
	}
	for n, want := range []string{
		`spec.routes.0.policy: there is no EscalationPolicy named "onkall"`, `spec.policy: there is no EscalationPolicy named "x"`,
		`spec.service: there is no Service or SLO's service named "shopp"`,
	} {
		if len(got) != 3 || !strings.HasPrefix(got[n], want) {
			t.Errorf("problems %q; want one that begins with %s", got, want)
		}
	}
}

func TestTwoRulesOfOneNameAreRefused(t *testing.T) {
	t.Parallel()
	doc := alertRules[strings.Index(alertRules, "---\napiVersion: nines/v1\nkind: InhibitRule"):]
	doc = doc[:strings.Index(doc[4:], "---")+4]
	_, problems := load(t, alertRules+doc)
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "InhibitRule cluster is already defined") {
		t.Errorf("%v", problems)
	}
}

func TestTheDefinitionsInTheDocumentationAreRight(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/alerting.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(fine, "name: oncall", "name: shop-oncall")
	text = strings.ReplaceAll(text, "policy: oncall", "policy: shop-oncall")
	kinds := 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		if strings.HasPrefix(block[1], "apiVersion: nines/v1\n") {
			text, kinds = text+"---\n"+block[1], kinds+1
		}
	}
	if _, problems := load(t, text); len(problems) > 0 || kinds < 4 {
		t.Errorf("%d definitions: %v", kinds, problems)
	}
}
