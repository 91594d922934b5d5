package allocation

import (
	"cmp"
	"math/big"
	"slices"

	"github.com/nines-sre/nines/capacity/cost"
)

type nodeResource struct {
	node     string
	resource cost.Resource
}

// commitments are how far each node's resources are covered by commitments.
type commitments map[nodeResource]*covered

// covered is what commitments do to one resource of a node.
type covered struct {
	left  *big.Rat // share that is still paid on demand, 0..1
	price *big.Rat // of a unit and hour, for the share that is covered
}

// commit covers the nodes by the commitments in force, the most particular first. What a commitment covers is spread
// evenly over all that it may cover, so that no order of nodes matters. What it does not cover is idle cost: it is paid for
// all the same. Nodes that have a price of their own are not covered by commitments to their cpu, ram or gpu.
func (a *allocator) commit(nodes []Node, span cost.Span) commitments {
	out := commitments{}
	for _, c := range a.inForce(span) {
		var may []Node
		there := new(big.Rat)
		for _, n := range nodes {
			if !c.Covers(c.Resource, n.Place, span.From) || c.Resource != cost.Node && a.pricedWhole(n, span) {
				continue
			}
			may = append(may, n)
			there.Add(there, new(big.Rat).Mul(units(n, c.Resource), out.left(n, c.Resource)))
		}
		quantity := c.Quantity.Rat()
		price, share := new(big.Rat).Quo(c.Amortised(), quantity), big.NewRat(1, 1)
		if quantity.Cmp(there) < 0 {
			share.Quo(quantity, there)
		}
		for _, n := range may {
			out.cover(n, c.Resource, share, price)
		}
		if unused := new(big.Rat).Sub(quantity, there); unused.Sign() > 0 {
			k := a.idleKey(c.Place, c.Resource)
			k.From = c.Name
			unused.Mul(unused, span.Hours())
			a.add(k, fine(new(big.Rat).Mul(unused, price)), float(unused))
		}
	}
	return out
}

// inForce returns the commitments of that time, those that name most first.
func (a *allocator) inForce(span cost.Span) []cost.Commitment {
	found := slices.DeleteFunc(slices.Clone(a.sheet.Commitments), func(c cost.Commitment) bool { return !c.Holds(span.From) })
	slices.SortStableFunc(found, func(x, y cost.Commitment) int {
		return cmp.Or(cmp.Compare(named(y.Place), named(x.Place)), cmp.Compare(x.Name, y.Name))
	})
	return found
}

func named(p cost.Place) int {
	n := 0
	for i, text := range []string{p.Provider, p.Region, p.InstanceType} {
		if text != "" {
			n += 1 << i
		}
	}
	return n
}

func (a *allocator) pricedWhole(n Node, span cost.Span) bool {
	_, ok := a.sheet.Quote(cost.Node, "", n.Place, span.From)
	return ok
}

func units(n Node, r cost.Resource) *big.Rat {
	if r == cost.Node {
		return rat(n.Machines())
	}
	return rat(n.capacity(r))
}

func (c commitments) left(n Node, r cost.Resource) *big.Rat {
	if found, ok := c[nodeResource{n.Name, r}]; ok {
		return found.left
	}
	return big.NewRat(1, 1)
}

func (c commitments) cover(n Node, r cost.Resource, share, price *big.Rat) {
	k := nodeResource{n.Name, r}
	if c[k] == nil {
		c[k] = &covered{left: big.NewRat(1, 1), price: new(big.Rat)}
	}
	taken := new(big.Rat).Mul(c[k].left, share)
	c[k].left = new(big.Rat).Sub(c[k].left, taken)
	c[k].price.Add(c[k].price, taken.Mul(taken, price))
}
