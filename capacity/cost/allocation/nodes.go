package allocation

import (
	"cmp"
	"math/big"
	"slices"
	"time"

	"github.com/nines-sre/nines/capacity/cost"
)

// SplitNode scales the prices that a node's resources have by themselves so that they add up to the node's own price:
// 30, 30 and 10 for a node of 35 become 15, 15 and 5 (OpenCost specification v0.1, appendix A). Where none has a price by
// itself, the first bears it all.
func SplitNode(price *big.Rat, parts [3]*big.Rat) [3]*big.Rat {
	sum := new(big.Rat)
	for _, p := range parts {
		sum.Add(sum, p)
	}
	if sum.Sign() == 0 {
		return [3]*big.Rat{new(big.Rat).Set(price), new(big.Rat), new(big.Rat)}
	}
	for i, p := range parts {
		parts[i] = new(big.Rat).Quo(new(big.Rat).Mul(price, p), sum)
	}
	return parts
}

// segment is a node over the spans in which it had the same prices; its shares can be added up before they are priced.
type segment struct {
	place  cost.Place
	price  *big.Rat // of an hour of one of the node's resources
	hours  *big.Rat
	shares map[rowKey]int64 // in millionths of unit-hours
	idle   int64
}

type segmentKey struct {
	node, price string
	capacity    float64
	resource    cost.Resource
}

// distinct returns each node once, in order of names: two exporters may both have seen it.
func distinct(nodes []Node) []Node {
	sorted := slices.Clone(nodes)
	slices.SortFunc(sorted, func(x, y Node) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Provider, y.Provider), cmp.Compare(x.Region, y.Region),
			cmp.Compare(x.InstanceType, y.InstanceType), cmp.Compare(y.CPU, x.CPU), cmp.Compare(y.RAM, x.RAM), cmp.Compare(y.GPU, x.GPU))
	})
	return slices.CompactFunc(sorted, func(x, y Node) bool { return x.Name == y.Name })
}

// nodes prices the machines of one span and counts who used which share of them.
func (a *allocator) nodes(step Step, span cost.Span) {
	onNode := map[string][]Container{}
	for _, c := range step.Containers {
		onNode[c.Node] = append(onNode[c.Node], c)
	}
	machines := distinct(step.Nodes)
	committed := a.commit(machines, span)
	known := map[string]bool{}
	for _, n := range machines {
		known[n.Name] = true
		prices := a.prices(n, span, committed)
		for i, r := range machine {
			a.share(n, r, prices[i], span, onNode[n.Name])
		}
	}
	for name, containers := range onNode {
		if !known[name] {
			a.homeless(containers, span)
		}
	}
}

// shape is what the prices of a node depend on, where no commitment covers it.
type shape struct {
	cost.Place
	cpu, ram, gpu float64
	era           int // between two changes of prices
}

// prices returns what an hour of the node's cpu, ram and gpu costs; the same shape is worked out once.
func (a *allocator) prices(n Node, span cost.Span, committed commitments) [3]*big.Rat {
	if len(committed) > 0 || n.Machines() != 1 {
		return a.pricesOf(n, span, committed)
	}
	era, _ := slices.BinarySearchFunc(a.changes, span.From.Add(1), time.Time.Compare)
	k := shape{n.Place, amount(n.CPU), amount(n.RAM), amount(n.GPU), era}
	if _, known := a.priced[k]; !known {
		a.priced[k] = a.pricesOf(n, span, committed)
	}
	return a.priced[k]
}

func (a *allocator) pricesOf(n Node, span cost.Span, committed commitments) [3]*big.Rat {
	var parts [3]*big.Rat
	var lacks []cost.Resource
	for i, r := range machine {
		parts[i] = new(big.Rat)
		if amount(n.capacity(r)) == 0 {
			continue
		}
		unit, ok := a.unit(r, n, span, committed)
		if !ok {
			lacks = append(lacks, r)
			continue
		}
		parts[i].Mul(unit, rat(n.capacity(r)))
	}
	if whole, ok := a.unit(cost.Node, n, span, committed); ok {
		return SplitNode(new(big.Rat).Mul(whole, rat(n.Machines())), parts)
	}
	for _, r := range lacks {
		a.tell("%s of nodes in %s is not priced: the price sheet has no rate for it", r, n.Place)
	}
	return parts
}

// unit returns what an hour of one unit costs: on demand, and as far as commitments cover it at their price.
func (a *allocator) unit(r cost.Resource, n Node, span cost.Span, committed commitments) (*big.Rat, bool) {
	q, ok := a.sheet.Quote(r, "", n.Place, span.From)
	if !ok {
		return nil, false
	}
	c, ok := committed[nodeResource{n.Name, r}]
	if !ok {
		return q.Unit, true
	}
	unit := new(big.Rat).Mul(c.left, q.Unit)
	return unit.Add(unit, c.price), true
}

// share counts what the containers use of one resource of the node. Where together they are billed for more than there
// is, each gets its part of what there is, and nothing is idle.
func (a *allocator) share(n Node, r cost.Resource, price *big.Rat, span cost.Span, containers []Container) {
	if price.Sign() == 0 {
		return
	}
	hours := span.Hours()
	k := segmentKey{n.Name, price.RatString(), n.capacity(r), r}
	s := a.segments[k]
	if s == nil {
		s = &segment{place: n.Place, price: price, hours: new(big.Rat), shares: map[rowKey]int64{}}
		a.segments[k] = s
	}
	s.hours.Add(s.hours, hours)
	there, used := micro(n.capacity(r), hours), int64(0)
	needs := make([]int64, len(containers))
	for i, c := range containers {
		needs[i] = micro(c.need(r).Billed(), hours)
		used += needs[i]
	}
	if used > there {
		needs, used = fit(needs, there), there
	}
	for i, c := range containers {
		if needs[i] > 0 {
			s.shares[a.keyOf(c.Owner, n.Place, r)] += needs[i]
		}
	}
	s.idle += there - used
}

// fit scales whole numbers down so that they add up to a smaller one.
func fit(needs []int64, there int64) []int64 {
	weights := make([]*big.Rat, len(needs))
	for i, n := range needs {
		weights[i] = big.NewRat(n, 1)
	}
	// JPY has no fraction: the parts are whole numbers.
	for i, part := range cost.Split(cost.Round(big.NewRat(there, 1), "JPY"), weights) {
		needs[i] = part.Minor().Int64()
	}
	return needs
}

// priceSegments divides each node's price by the shares of it.
func (a *allocator) priceSegments() {
	for k, s := range a.segments {
		keys := make([]rowKey, 0, len(s.shares)+1)
		for key := range s.shares {
			keys = append(keys, key)
		}
		slices.SortFunc(keys, rowKey.compare)
		weights := make([]*big.Rat, 0, len(keys)+1)
		for _, key := range keys {
			weights = append(weights, big.NewRat(s.shares[key], 1))
		}
		keys, weights = append(keys, a.idleKey(s.place, k.resource)), append(weights, big.NewRat(s.idle, 1))
		for i, part := range cost.SplitFine(new(big.Rat).Mul(s.price, s.hours), weights) {
			if weights[i].Sign() > 0 || part.Sign() > 0 {
				a.add(keys[i], part, float(weights[i])/1e6)
			}
		}
	}
}

// homeless prices containers whose node was not seen by their own needs, since there is no asset to divide.
func (a *allocator) homeless(containers []Container, span cost.Span) {
	hours := span.Hours()
	for _, c := range containers {
		for _, r := range machine {
			need := micro(c.need(r).Billed(), hours)
			if need == 0 {
				continue
			}
			q, ok := a.sheet.Quote(r, "", cost.Place{}, span.From)
			if !ok {
				a.tell("%s of containers whose node was not seen is not priced: the price sheet has no default rate for it", r)
				continue
			}
			a.tell("%s of containers whose node was not seen is priced by the default rate", r)
			quantity := big.NewRat(need, 1e6)
			a.add(a.keyOf(c.Owner, cost.Place{}, r), new(big.Rat).Mul(quantity, q.Unit), float(quantity))
		}
	}
}

// fine rounds an amount to trillionths.
func fine(amount *big.Rat) *big.Rat { return cost.SplitFine(amount, []*big.Rat{big.NewRat(1, 1)})[0] }

func rat(x float64) *big.Rat {
	r := new(big.Rat)
	if amount(x) > 0 {
		r.SetFloat64(x)
	}
	return r
}

func float(r *big.Rat) float64 { f, _ := r.Float64(); return f }
