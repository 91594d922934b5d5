package definitions

import (
	"strings"
	"testing"
)

const budgets = fine + `---
apiVersion: nines/v1
kind: ErrorBudgetPolicy
metadata: {name: default}
spec: {services: [shop], slos: [shop-availability], rules: [{below: 0, action: freeze}]}
---
version: prometheus/v1
service: pay
slos:
- name: requests
  objective: 99.9
  sli: {events: {error_query: 'sum(rate(e_total{job="a"}[{{.window}}]))', total_query: 'sum(rate(t_total{job="a"}[{{.window}}]))'}}
  alerting: {name: Burn}
---
apiVersion: nines/v1
kind: ErrorBudgetPolicy
metadata: {name: pay}
spec: {services: [pay], rules: [{burn: 6, action: approve}]}
`

func TestErrorBudgetPoliciesStandInTheCatalog(t *testing.T) {
	t.Parallel()
	set, problems := load(t, budgets)
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	c := set.Catalog
	if p := c.BudgetPolicies(); len(p) != 2 || p[0].Name != "default" || p[1].Name != "pay" {
		t.Errorf("policies %+v", p)
	}
	if !c.HasService("shop") || !c.HasService("pay") || c.HasService("shopp") || c.ServiceOf("pay-requests") != "pay" || c.ServiceOf("x") != "" {
		t.Error("which services there are")
	}
}

func TestWhatAnErrorBudgetPolicyNamesMustExist(t *testing.T) {
	t.Parallel()
	_, problems := load(t, strings.NewReplacer("services: [shop]", "services: [shopp]", "slos: [shop-availability]", "slos: [shop-latency]").Replace(budgets))
	text := ""
	for _, p := range problems {
		text += p.String() + "\n"
	}
	if len(problems) != 2 || !strings.Contains(text, `spec.services.0: there is no Service or SLO's service named "shopp"`) || !strings.Contains(text, `spec.slos.0: there is no SLO named "shop-latency"`) {
		t.Errorf("%s", text)
	}
}
