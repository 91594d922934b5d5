package allocation

import (
	"cmp"
	"math/big"
	"slices"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/internal/fault"
)

// By is what a View adds up by.
type By string

// What costs can be added up by.
const (
	ByTenant    By = "tenant"
	ByTeam      By = "team"
	ByService   By = "service"
	ByNamespace By = "namespace"
	ByRegion    By = "region"
	ByResource  By = "resource"
)

// ParseBy reads one of the constants; anything else is a fault.Invalid that lists them.
func ParseBy(text string) (By, error) {
	all := []By{ByTenant, ByTeam, ByService, ByNamespace, ByRegion, ByResource}
	if by := By(text); slices.Contains(all, by) {
		return by, nil
	}
	return "", fault.New(fault.Invalid, "by: %q is not known; write tenant, team, service, namespace, region or resource", text)
}

// Of returns what a row is added up under; "" where it is not known.
func (by By) Of(r Row) string {
	switch by {
	case ByTeam:
		return r.Team
	case ByService:
		return r.Service
	case ByNamespace:
		return r.Namespace
	case ByRegion:
		return r.Region
	case ByResource:
		return string(r.Resource)
	}
	return r.Tenant
}

// Sum is what one name comes to, by category.
type Sum struct {
	Name     string     `json:"name"` // "" is nobody's
	Workload cost.Money `json:"workload"`
	Idle     cost.Money `json:"idle"`
	Shared   cost.Money `json:"shared"`
	Overhead cost.Money `json:"overhead"`
	Total    cost.Money `json:"total"`
}

// View adds up the rows by name, the dearest first. The sums add up to the Total exactly.
func (a Allocation) View(by By) []Sum {
	at, out := map[string]int{}, []Sum{}
	zero := cost.Round(new(big.Rat), a.Currency)
	for _, r := range a.Rows {
		name := by.Of(r)
		i, known := at[name]
		if !known {
			i = len(out)
			at[name] = i
			out = append(out, Sum{name, zero, zero, zero, zero, zero})
		}
		s := &out[i]
		part := [...]*cost.Money{&s.Workload, &s.Idle, &s.Shared, &s.Overhead}[order(r.Category)]
		*part, s.Total = part.Add(r.Cost), s.Total.Add(r.Cost)
	}
	slices.SortFunc(out, func(x, y Sum) int { return cmp.Or(y.Total.Minor().Cmp(x.Total.Minor()), cmp.Compare(x.Name, y.Name)) })
	return out
}

// Only returns the allocation as one tenant may see it: its own rows, with the amounts they have in the whole.
func (a Allocation) Only(tenant string) Allocation {
	zero := cost.Round(new(big.Rat), a.Currency)
	out := Allocation{Sheet: a.Sheet, Currency: a.Currency, From: a.From, To: a.To, Rows: []Row{}, Skipped: []string{},
		Workload: zero, Idle: zero, Shared: zero, Overhead: zero, Total: zero}
	for _, r := range a.Rows {
		if tenant == "" || r.Tenant != tenant {
			continue
		}
		r.Provider, r.InstanceType = "", "" // what the operator buys is the operator's own
		out.Rows = append(out.Rows, r)
		sum := out.sum(r.Category)
		*sum, out.Total = sum.Add(r.Cost), out.Total.Add(r.Cost)
	}
	return out
}

// Requests are how often something was asked for, and how often that went well.
type Requests struct{ Total, Good float64 }

// UnitCost is what one request cost. Amounts are exact to nine decimals; nil where there were no requests.
type UnitCost struct {
	Tenant     string        `json:"tenant"`
	Service    string        `json:"service,omitempty"`
	Cost       cost.Money    `json:"cost"`
	Requests   float64       `json:"requests"`
	Good       float64       `json:"good"`
	PerRequest *cost.Decimal `json:"perRequest"`
	PerGood    *cost.Decimal `json:"perGood"`
}

// PerUnit divides what a tenant's use of a service costs by its requests.
func PerUnit(tenant, service string, amount cost.Money, r Requests) UnitCost {
	return UnitCost{Tenant: tenant, Service: service, Cost: amount, Requests: r.Total, Good: r.Good,
		PerRequest: per(amount, r.Total), PerGood: per(amount, r.Good)}
}

func per(whole cost.Money, count float64) *cost.Decimal {
	if amount(count) == 0 {
		return nil
	}
	d, ok := cost.ParseDecimal(new(big.Rat).Quo(whole.Rat(), rat(count)).FloatString(9))
	if !ok {
		return nil
	}
	return &d
}
