package allocation

import (
	"maps"
	"math/big"
	"slices"

	"github.com/nines-sre/nines/capacity/cost"
)

// divideShared gives shared costs and overhead to the tenants. What nobody can be given stays without a tenant.
func (a *allocator) divideShared(in Input) {
	worth := a.worth("")
	for _, s := range in.Sheet.Shared {
		a.divide(Shared, s, in, worth, a.take(s.Name))
	}
	for _, s := range in.Sheet.Overhead {
		a.divide(Overhead, s, in, worth, nil)
	}
	for _, c := range in.Credits {
		a.add(rowKey{Category: Overhead, Owner: Owner{Tenant: c.Tenant, Service: c.Service}, Resource: Owed, Unit: Owed.Unit()}, c.Amount, 0)
	}
}

// worth is what each tenant's workload costs, of one resource or of all.
func (a *allocator) worth(r cost.Resource) map[string]*big.Rat {
	out := map[string]*big.Rat{}
	for k, amount := range a.amounts {
		if k.Category != Workload || k.Owner.Tenant == "" || r != "" && k.Resource != r {
			continue
		}
		if out[k.Owner.Tenant] == nil {
			out[k.Owner.Tenant] = new(big.Rat)
		}
		out[k.Owner.Tenant].Add(out[k.Owner.Tenant], amount)
	}
	return out
}

type taken struct {
	key      rowKey
	amount   *big.Rat
	quantity float64
}

// take removes the rows that the shared cost's namespaces made.
func (a *allocator) take(name string) []taken {
	var out []taken
	for k, amount := range a.amounts {
		if k.Category == Shared && k.From == name {
			out = append(out, taken{k, amount, a.quantities[k]})
			delete(a.amounts, k)
			delete(a.quantities, k)
		}
	}
	slices.SortFunc(out, func(x, y taken) int { return x.key.compare(y.key) })
	return out
}

func (a *allocator) divide(category Category, s cost.Shared, in Input, worth map[string]*big.Rat, rows []taken) {
	if monthly := s.Over(in.From, in.To); monthly.Sign() > 0 {
		rows = append(rows, taken{key: rowKey{Category: category, Resource: Amount, From: s.Name, Unit: Amount.Unit()}, amount: monthly})
	}
	weights := weightsOf(s, worth, in.Weights[s.Name])
	for _, row := range rows {
		a.give(row, weights)
	}
}

// weightsOf are the shares of the tenants. Tenants with custom weights need not have used anything.
func weightsOf(s cost.Shared, worth map[string]*big.Rat, measured map[string]float64) map[string]*big.Rat {
	out := map[string]*big.Rat{}
	switch s.Split {
	case cost.Even:
		for tenant := range worth {
			out[tenant] = big.NewRat(1, 1)
		}
	case cost.Proportional:
		return worth
	case cost.Custom:
		for tenant, w := range s.Weights {
			out[tenant] = w.Rat()
		}
		for tenant, w := range measured {
			if out[tenant] == nil && tenant != "" {
				out[tenant] = rat(w)
			}
		}
	}
	return out
}

// give divides a row among tenants; where nobody has a weight it stays as it is.
func (a *allocator) give(row taken, weights map[string]*big.Rat) {
	tenants := slices.DeleteFunc(slices.Sorted(maps.Keys(weights)), func(t string) bool { return weights[t].Sign() == 0 })
	if len(tenants) == 0 {
		a.add(row.key, row.amount, row.quantity)
		return
	}
	parts, sum := make([]*big.Rat, len(tenants)), new(big.Rat)
	for i, t := range tenants {
		parts[i] = weights[t]
		sum.Add(sum, weights[t])
	}
	for i, part := range cost.SplitFine(row.amount, parts) {
		k := row.key
		k.Owner.Tenant = tenants[i]
		a.add(k, part, row.quantity*float(new(big.Rat).Quo(parts[i], sum)))
	}
}

// divideIdle gives idle cost to the tenants by what they use of the same resource, where the sheet asks for that.
func (a *allocator) divideIdle() {
	if a.sheet.Idle != cost.Proportional {
		return
	}
	keys := slices.SortedFunc(maps.Keys(a.amounts), rowKey.compare)
	for _, k := range keys {
		if k.Category != Idle {
			continue
		}
		row := taken{k, a.amounts[k], a.quantities[k]}
		delete(a.amounts, k)
		delete(a.quantities, k)
		a.give(row, a.worth(k.Resource))
	}
}
