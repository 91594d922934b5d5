package plan

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/cost/allocation"
	"github.com/nines-sre/nines/internal/fault"
)

// Change is one thing that would be other than it was. See ParseChange for how it is written.
type Change struct {
	Text string
	kind string
	of   string   // resource, region or service
	to   string   // region
	by   *big.Rat // factor, or nil
	set  *big.Rat // a new price, or nil
	size cost.Decimal
}

// maxFactor bounds growth.
var maxFactor = big.NewRat(1000, 1)

// ParseChange reads one of
//
//	price.RESOURCE=0.03  or =-10%         a new price, or all its prices changed by a share
//	region=NEW  or  region.OLD=NEW        everything, or what runs in OLD, runs in NEW
//	replicas.SERVICE=+50%  or =x2         a service has more or fewer replicas
//	growth=20%                            everything that is used grows
//	commitment.RESOURCE=40@0.02           40 units are committed to at 0.02 a unit and hour
//
// Nodes follow what is asked of them, so that the idle share stays. Anything else is a fault.Invalid that names it.
func ParseChange(text string) (Change, error) {
	key, value, found := strings.Cut(text, "=")
	kind, of, _ := strings.Cut(strings.TrimSpace(key), ".")
	c, ok := Change{Text: text, kind: kind, of: of}, false
	value = strings.TrimSpace(value)
	switch kind {
	case "price":
		ok = of != "" && (c.factor(value) || c.price(value))
	case "region":
		c.to = value
		ok = value != "" && len(value) <= 63
	case "replicas":
		ok = of != "" && c.factor(value)
	case "growth":
		ok = of == "" && c.factor(value)
	case "commitment":
		ok = c.commit(value)
	}
	if !found || !ok || len(text) > 200 {
		return Change{}, fault.New(fault.Invalid, "%q is no change; write price.cpu=-10%%, price.cpu=0.03, region=NEW, region.OLD=NEW, replicas.SERVICE=x2, growth=20%% or commitment.cpu=40@0.02", clip(text))
	}
	return c, nil
}

func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "..."
	}
	return s
}

// factor reads +20%, -10%, 20% or x2.
func (c *Change) factor(value string) bool {
	if text, times := strings.CutPrefix(value, "x"); times {
		d, ok := cost.ParseDecimal(text)
		c.by = d.Rat()
		return ok && c.by.Sign() >= 0 && c.by.Cmp(maxFactor) <= 0
	}
	text, share := strings.CutSuffix(value, "%")
	d, ok := cost.ParseDecimal(strings.TrimPrefix(text, "+"))
	if !share || !ok {
		return false
	}
	c.by = new(big.Rat).Quo(new(big.Rat).Add(big.NewRat(100, 1), d.Rat()), big.NewRat(100, 1))
	return c.by.Sign() >= 0 && c.by.Cmp(maxFactor) <= 0
}

func (c *Change) price(value string) bool {
	d, ok := cost.ParseDecimal(value)
	c.by, c.set = nil, d.Rat()
	return ok && d.Sign() >= 0
}

func (c *Change) commit(value string) bool {
	quantity, price, found := strings.Cut(value, "@")
	q, ok1 := cost.ParseDecimal(quantity)
	p, ok2 := cost.ParseDecimal(price)
	c.size, c.set = q, p.Rat()
	return found && ok1 && ok2 && q.Sign() > 0 && p.Sign() >= 0 && slices.Contains([]cost.Resource{cost.CPU, cost.RAM, cost.GPU}, cost.Resource(c.of))
}

// Apply returns the input as it would have been. The given input stays as it is.
func Apply(in allocation.Input, changes []Change) (allocation.Input, error) {
	in = clone(in)
	for _, c := range changes {
		if err := c.apply(&in); err != nil {
			return allocation.Input{}, err
		}
	}
	return in, nil
}

func clone(in allocation.Input) allocation.Input {
	in.Sheet.Rates, in.Sheet.Items = slices.Clone(in.Sheet.Rates), slices.Clone(in.Sheet.Items)
	in.Sheet.Commitments = slices.Clone(in.Sheet.Commitments)
	in.Steps, in.Items = slices.Clone(in.Steps), slices.Clone(in.Items)
	for i := range in.Steps {
		s := &in.Steps[i]
		s.Nodes, s.Containers, s.Meters = slices.Clone(s.Nodes), slices.Clone(s.Containers), slices.Clone(s.Meters)
	}
	return in
}

func (c Change) apply(in *allocation.Input) error {
	switch c.kind {
	case "price":
		return c.reprice(in)
	case "region":
		c.move(in)
	case "replicas":
		return c.resize(in, func(o allocation.Owner) bool { return o.Service == c.of })
	case "growth":
		for i := range in.Items {
			in.Items[i].Quantity *= float(c.by)
		}
		return c.resize(in, func(allocation.Owner) bool { return true })
	case "commitment":
		hourly, ok := decimal(new(big.Rat).Mul(c.size.Rat(), c.set))
		if !ok {
			return fault.New(fault.Invalid, "%q: the amount is too large", c.Text)
		}
		in.Sheet.Commitments = append(in.Sheet.Commitments, cost.Commitment{Name: "what-if-" + c.of, Resource: cost.Resource(c.of),
			Quantity: c.size, Hourly: hourly, Effective: cost.Effective{From: in.From, To: in.To}})
	}
	return nil
}

func decimal(r *big.Rat) (cost.Decimal, bool) { return cost.ParseDecimal(r.FloatString(18)) }

// reprice changes the prices of a resource's rates, or of the item of that name.
func (c Change) reprice(in *allocation.Input) error {
	changed := func(old cost.Decimal) (cost.Decimal, error) {
		to := c.set
		if c.by != nil {
			to = new(big.Rat).Mul(old.Rat(), c.by)
		}
		d, ok := decimal(to)
		if !ok {
			return d, fault.New(fault.Invalid, "%q: the price is too large", c.Text)
		}
		return d, nil
	}
	found := false
	for i := range in.Sheet.Rates {
		if r := &in.Sheet.Rates[i]; string(r.Resource) == c.of {
			found = true
			var err error
			if r.Price, err = changed(r.Price); err != nil {
				return err
			}
		}
	}
	for i := range in.Sheet.Items {
		if item := &in.Sheet.Items[i]; item.Name == c.of {
			found = true
			var err error
			if item.Price, err = changed(item.Price); err != nil {
				return err
			}
		}
	}
	if !found {
		return fault.New(fault.Invalid, "%q: the price sheet has no rate and no item of that name", c.Text)
	}
	return nil
}

func (c Change) move(in *allocation.Input) {
	moved := func(p *cost.Place) {
		if c.of == "" || p.Region == c.of {
			p.Region = c.to
		}
	}
	for i := range in.Steps {
		for n := range in.Steps[i].Nodes {
			moved(&in.Steps[i].Nodes[n].Place)
		}
		for n := range in.Steps[i].Meters {
			moved(&in.Steps[i].Meters[n].Place)
		}
	}
}

// resize multiplies what the matching owners ask for, and the fleet by as much as all of it then is more or less.
func (c Change) resize(in *allocation.Input, matches func(allocation.Owner) bool) error {
	factor, found := float(c.by), len(in.Items) > 0 && c.kind == "growth"
	for i := range in.Steps {
		s := &in.Steps[i]
		before := demand(s.Containers)
		for n := range s.Containers {
			if k := &s.Containers[n]; matches(k.Owner) {
				found = true
				for _, need := range []*allocation.Need{&k.CPU, &k.RAM, &k.GPU} {
					need.Request, need.Usage = need.Request*factor, need.Usage*factor
				}
			}
		}
		for n := range s.Meters {
			if m := &s.Meters[n]; matches(m.Owner) {
				found = true
				m.Quantity *= factor
			}
		}
		grow(s, before, demand(s.Containers))
	}
	if !found {
		return fault.New(fault.Invalid, "%q: nothing of that name ran in the period", c.Text)
	}
	return nil
}

// demand adds up what is billed of cpu, ram and gpu.
func demand(containers []allocation.Container) [3]float64 {
	var sum [3]float64
	for _, c := range containers {
		for i, n := range []allocation.Need{c.CPU, c.RAM, c.GPU} {
			sum[i] += n.Billed()
		}
	}
	return sum
}

// grow scales how many there are of each node by the largest growth of demand.
func grow(s *allocation.Step, before, after [3]float64) {
	factor := 0.0
	for i := range before {
		if before[i] > 0 {
			factor = max(factor, after[i]/before[i])
		}
	}
	if factor == 0 || math.Abs(factor-1) < 1e-12 {
		return
	}
	for i := range s.Nodes {
		s.Nodes[i].Count = s.Nodes[i].Machines() * factor
	}
}

// Difference is a period as it was and as it would have been.
type Difference struct {
	Changes []string              `json:"changes"`
	Before  allocation.Allocation `json:"before"`
	After   allocation.Allocation `json:"after"`
	Rows    []Compared            `json:"rows"` // by tenant, then the categories and the total
}

// Compared is one name's amounts.
type Compared struct {
	Name   string     `json:"name"`
	Before cost.Money `json:"before"`
	After  cost.Money `json:"after"`
	Change cost.Money `json:"change"`
}

// WhatIf replays the period with the changes.
func WhatIf(in allocation.Input, changes []Change) (Difference, error) {
	other, err := Apply(in, changes)
	if err != nil {
		return Difference{}, err
	}
	d := Difference{Before: allocation.Make(in), After: allocation.Make(other), Changes: []string{}, Rows: []Compared{}}
	for _, c := range changes {
		d.Changes = append(d.Changes, c.Text)
	}
	after := map[string]cost.Money{}
	for _, s := range d.After.View(allocation.ByTenant) {
		after[s.Name] = s.Total
	}
	row := func(name string, was, is cost.Money) {
		zero := cost.Round(new(big.Rat), in.Sheet.Currency)
		was, is = zero.Add(was), zero.Add(is)
		d.Rows = append(d.Rows, Compared{name, was, is, is.Sub(was)})
	}
	for _, s := range d.Before.View(allocation.ByTenant) {
		row(fmt.Sprintf("tenant %s", nameOf(s.Name)), s.Total, after[s.Name])
		delete(after, s.Name)
	}
	for _, s := range d.After.View(allocation.ByTenant) {
		if is, fresh := after[s.Name]; fresh {
			row("tenant "+nameOf(s.Name), cost.Money{}, is)
		}
	}
	row("workload", d.Before.Workload, d.After.Workload)
	row("idle", d.Before.Idle, d.After.Idle)
	row("shared", d.Before.Shared, d.After.Shared)
	row("overhead", d.Before.Overhead, d.After.Overhead)
	row("total", d.Before.Total, d.After.Total)
	return d, nil
}

func nameOf(tenant string) string {
	if tenant == "" {
		return cost.NoTenant
	}
	return tenant
}
