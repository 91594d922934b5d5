package allocation

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"time"

	"github.com/nines-sre/nines/capacity/cost"
)

// Category says what kind of cost a row is. The categories are disjoint and together are everything.
type Category string

// The categories.
const (
	Workload Category = "workload" // what somebody asked for or used
	Idle     Category = "idle"     // paid for and asked for by nobody
	Shared   Category = "shared"   // what several have together
	Overhead Category = "overhead" // what the operation itself costs, SLA credits included
)

// Resources of rows that are not of a machine.
const (
	Amount cost.Resource = "amount"     // a monthly amount of the price sheet
	Owed   cost.Resource = "sla-credit" // what is owed because a promise was missed
)

// Input is all that an Allocation is made of.
type Input struct {
	Sheet    cost.PriceSheet
	From, To time.Time // [From, To)
	Steps    []Step    // of that period; they must not overlap
	Items    []cost.Usage
	Credits  []Credit
	Weights  map[string]map[string]float64 // by shared cost and tenant, for those with a query
}

// Allocation says what a period cost and whose that is. The rows add up to Total exactly, and so do Workload, Idle,
// Shared and Overhead.
type Allocation struct {
	Sheet    string     `json:"sheet"`
	Currency string     `json:"currency"`
	From     time.Time  `json:"from"`
	To       time.Time  `json:"to"`
	Rows     []Row      `json:"rows"` // in order of category, owner, place and resource
	Workload cost.Money `json:"workload"`
	Idle     cost.Money `json:"idle"`
	Shared   cost.Money `json:"shared"`
	Overhead cost.Money `json:"overhead"`
	Total    cost.Money `json:"total"`
	Skipped  []string   `json:"skipped"` // what could not be priced, one sentence each
}

// Row is what one owner's use of one resource in one place cost.
type Row struct {
	Category Category `json:"category"`
	Owner
	cost.Place
	Resource cost.Resource `json:"resource"`
	Class    string        `json:"class,omitempty"` // of egress
	From     string        `json:"from,omitempty"`  // the shared cost, overhead or commitment it comes from
	Quantity float64       `json:"quantity"`        // in Unit; 0 for amounts
	Unit     string        `json:"unit"`
	Cost     cost.Money    `json:"cost"`
}

type rowKey struct {
	Category Category
	Owner    Owner
	Place    cost.Place
	Resource cost.Resource
	Class    string
	From     string
	Unit     string
}

func (k rowKey) compare(o rowKey) int {
	return cmp.Or(cmp.Compare(order(k.Category), order(o.Category)), cmp.Compare(k.Owner.Tenant, o.Owner.Tenant), cmp.Compare(k.Owner.Team, o.Owner.Team),
		cmp.Compare(k.Owner.Service, o.Owner.Service), cmp.Compare(k.Owner.Namespace, o.Owner.Namespace), cmp.Compare(k.Place.Provider, o.Place.Provider),
		cmp.Compare(k.Place.Region, o.Place.Region), cmp.Compare(k.Place.InstanceType, o.Place.InstanceType), cmp.Compare(k.Resource, o.Resource),
		cmp.Compare(k.Class, o.Class), cmp.Compare(k.From, o.From))
}

func order(c Category) int { return slices.Index([]Category{Workload, Idle, Shared, Overhead}, c) }

type allocator struct {
	sheet      cost.PriceSheet
	namespaces map[string]string // those whose workload is shared, to the shared cost's name
	changes    []time.Time       // of prices
	priced     map[shape][3]*big.Rat
	segments   map[segmentKey]*segment
	amounts    map[rowKey]*big.Rat
	quantities map[rowKey]float64
	told       map[string]bool
}

// Make allocates what the period cost. The order of steps, nodes, containers and meters does not matter.
func Make(in Input) Allocation {
	a := &allocator{sheet: in.Sheet, namespaces: map[string]string{}, segments: map[segmentKey]*segment{}, amounts: map[rowKey]*big.Rat{},
		changes: in.Sheet.Changes(), priced: map[shape][3]*big.Rat{}, quantities: map[rowKey]float64{}, told: map[string]bool{}}
	for _, s := range in.Sheet.Shared {
		for _, n := range s.Namespaces {
			a.namespaces[n] = s.Name
		}
	}
	for _, step := range in.Steps {
		for _, span := range cost.SpansOf(a.changes, step.From, step.To) {
			a.nodes(step, span)
		}
		for _, m := range step.Meters {
			a.meter(m, step)
		}
	}
	a.priceSegments()
	a.items(in.Items)
	a.divideShared(in)
	a.divideIdle()
	return a.settle(in)
}

func (a *allocator) tell(format string, args ...any) { a.told[fmt.Sprintf(format, args...)] = true }

func (a *allocator) add(k rowKey, amount *big.Rat, quantity float64) {
	if a.amounts[k] == nil {
		a.amounts[k] = new(big.Rat)
	}
	a.amounts[k].Add(a.amounts[k], amount)
	a.quantities[k] += quantity
}

// keyOf is the row of a workload. In a shared namespace it is nobody's own.
func (a *allocator) keyOf(o Owner, p cost.Place, r cost.Resource) rowKey {
	k := rowKey{Category: Workload, Owner: o, Place: p, Resource: r, Unit: r.Unit()}
	if name, shared := a.namespaces[o.Namespace]; shared && o.Namespace != "" {
		k.Category, k.From = Shared, name
	}
	return k
}

func (a *allocator) idleKey(p cost.Place, r cost.Resource) rowKey {
	return rowKey{Category: Idle, Place: p, Resource: r, Unit: r.Unit()}
}

// meter prices what is paid for by use.
func (a *allocator) meter(m Meter, step Step) {
	if amount(m.Quantity) == 0 {
		return
	}
	price, err := a.sheet.PriceOf(rat(m.Quantity), m.Resource, m.Class, m.Place, step.From, step.To)
	if err != nil {
		a.tell("%s %s in %s is not priced: the price sheet has no rate for it", m.Resource, m.Class, m.Place)
		return
	}
	k := a.keyOf(m.Owner, m.Place, m.Resource)
	k.Class = m.Class
	a.add(k, fine(price), m.Quantity)
}

// items prices the usage of the sheet's items.
func (a *allocator) items(usage []cost.Usage) {
	prices, skipped := a.sheet.PriceItems(usage)
	for _, s := range skipped {
		a.tell("%s", s)
	}
	for _, p := range prices {
		k := a.keyOf(Owner{Tenant: p.Tenant}, cost.Place{}, cost.Resource(p.Item))
		k.Unit = cmp.Or(p.Unit, "units")
		a.add(k, fine(p.Amount), p.Quantity)
	}
}

// settle makes money of the amounts.
func (a *allocator) settle(in Input) Allocation {
	keys := slices.SortedFunc(maps.Keys(a.amounts), rowKey.compare)
	exact := make([]*big.Rat, len(keys))
	for i, k := range keys {
		exact[i] = a.amounts[k]
	}
	rounded, total := cost.Settle(exact, in.Sheet.Currency)
	zero := cost.Round(new(big.Rat), in.Sheet.Currency)
	out := Allocation{Sheet: in.Sheet.Name, Currency: in.Sheet.Currency, From: in.From.UTC(), To: in.To.UTC(), Rows: []Row{}, Total: total,
		Workload: zero, Idle: zero, Shared: zero, Overhead: zero, Skipped: append([]string{}, slices.Sorted(maps.Keys(a.told))...)}
	for i, k := range keys {
		out.Rows = append(out.Rows, Row{Category: k.Category, Owner: k.Owner, Place: k.Place, Resource: k.Resource, Class: k.Class, From: k.From,
			Quantity: a.quantities[k], Unit: k.Unit, Cost: rounded[i]})
		sum := out.sum(k.Category)
		*sum = sum.Add(rounded[i])
	}
	return out
}

func (a *Allocation) sum(c Category) *cost.Money {
	return [...]*cost.Money{&a.Workload, &a.Idle, &a.Shared, &a.Overhead}[order(c)]
}
