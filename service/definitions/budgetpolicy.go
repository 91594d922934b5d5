package definitions

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
)

// promised is the kind of a reference to a service that is defined, or that an SLO of any format is about.
const promised = "Service or SLO's service"

func (l *loader) addBudgetPolicy(d manifest.Document) manifest.Problems {
	p, problems := slo.ReadBudgetPolicy(d)
	l.catalog.budgets[d.Metadata.Name] = p
	for i, name := range p.Services {
		l.refer(d, reference{fmt.Sprintf("spec.services.%d", i), promised, name})
	}
	for i, id := range p.SLOs {
		l.refer(d, reference{fmt.Sprintf("spec.slos.%d", i), KindSLO, id})
	}
	return problems
}

// BudgetPolicies returns every error-budget policy, ordered by name.
func (c *Catalog) BudgetPolicies() []slo.BudgetPolicy {
	return slices.SortedFunc(maps.Values(c.budgets), func(a, b slo.BudgetPolicy) int { return cmp.Compare(a.Name, b.Name) })
}

// HasService reports whether the service is defined, or an SLO is about it.
func (c *Catalog) HasService(name string) bool {
	if _, defined := c.services[name]; defined {
		return true
	}
	for _, v := range c.slos {
		if v.SLO.Service == name {
			return true
		}
	}
	return false
}

// ServiceOf returns the service of the SLO with that id, "" where there is none.
func (c *Catalog) ServiceOf(id string) string { return c.slos[id].SLO.Service }
