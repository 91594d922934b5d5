package cost

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// Resource is what a rate is for. Names other than these constants are custom resources, counted in units of their own.
type Resource string

// The resources that allocation knows.
const (
	CPU          Resource = "cpu"           // vCPU-hours
	RAM          Resource = "ram"           // GiB-hours
	GPU          Resource = "gpu"           // GPU-hours
	Node         Resource = "node"          // node-hours; the price is split over the node's cpu, ram and gpu
	Storage      Resource = "storage"       // GiB-hours
	Egress       Resource = "egress"        // GiB, by class
	LoadBalancer Resource = "load-balancer" // hours
)

// The classes of egress, by where it goes.
const (
	CrossZone   = "zone"
	CrossRegion = "region"
	Internet    = "internet"
)

// units names what a quantity of a resource is, for people and for billing files.
var units = map[Resource]string{
	CPU: "vCPU-Hours", RAM: "GiB-Hours", GPU: "GPU-Hours", Node: "Node-Hours", Storage: "GiB-Hours", Egress: "GiB", LoadBalancer: "Hours",
}

// Unit names what a quantity of the resource counts, such as "vCPU-Hours"; "Units" for custom resources.
func (r Resource) Unit() string { return cmp.Or(units[r], "Units") }

// Place is where something runs. "" is not known.
type Place struct {
	Provider     string `json:"provider,omitempty"`
	Region       string `json:"region,omitempty"`
	InstanceType string `json:"instanceType,omitempty"`
}

// covers reports whether everything that scope names is so in p.
func (scope Place) covers(p Place) bool {
	return (scope.Provider == "" || scope.Provider == p.Provider) && (scope.Region == "" || scope.Region == p.Region) &&
		(scope.InstanceType == "" || scope.InstanceType == p.InstanceType)
}

func (scope Place) String() string {
	text := cmp.Or(scope.Provider, "any provider") + ", " + cmp.Or(scope.Region, "any region")
	if scope.InstanceType != "" {
		text += ", " + scope.InstanceType
	}
	return text
}

// Effective is when something is in force: [From, To). A zero time is no bound.
type Effective struct {
	From time.Time `json:"effectiveFrom,omitzero"`
	To   time.Time `json:"effectiveTo,omitzero"`
}

// Holds reports whether it is in force at that time.
func (e Effective) Holds(at time.Time) bool {
	return !at.Before(e.From) && (e.To.IsZero() || at.Before(e.To))
}

func (e Effective) overlaps(other Effective) bool {
	return (e.To.IsZero() || other.From.Before(e.To)) && (other.To.IsZero() || e.From.Before(other.To))
}

// Rate is the price of one unit of a resource, where and while it is in force.
type Rate struct {
	Resource Resource `json:"resource"`
	Class    string   `json:"class,omitempty"` // of egress
	Place
	Negotiated bool    `json:"negotiated,omitempty"`
	Price      Decimal `json:"price"`
	Per        Decimal `json:"per"`              // units the price is for; 1 unless set
	Source     string  `json:"source,omitempty"` // where the price was read
	Effective
	line int
}

// Unit returns the price of one unit.
func (r Rate) Unit() *big.Rat {
	if r.Per.Sign() <= 0 {
		return r.Price.Rat()
	}
	return new(big.Rat).Quo(r.Price.Rat(), r.Per.Rat())
}

// rank orders rates that cover the same use: negotiated before instance type before region before default, and of the
// same the one that names its provider.
func (r Rate) rank() int {
	rank := 0
	for i, named := range []bool{r.Provider != "", r.Region != "", r.InstanceType != "", r.Negotiated} {
		if named {
			rank += 1 << i
		}
	}
	return rank
}

func (r Rate) sameScope(other Rate) bool {
	return r.Resource == other.Resource && r.Class == other.Class && r.Place == other.Place && r.Negotiated == other.Negotiated
}

// Discount takes Percent off the prices of a provider that are not negotiated.
type Discount struct {
	Provider  string     `json:"provider,omitempty"`  // "" is every provider
	Resources []Resource `json:"resources,omitempty"` // none is all
	Percent   Decimal    `json:"percent"`             // 0 to 100
	Effective
	line int
}

func (d Discount) on(r Resource, p Place, at time.Time) bool {
	return d.Holds(at) && (d.Provider == "" || d.Provider == p.Provider) && (len(d.Resources) == 0 || slices.Contains(d.Resources, r))
}

// Quote is what a unit costs at a time.
type Quote struct {
	Unit *big.Rat // after the discount
	List *big.Rat // by the best rate that is not negotiated, without a discount; the rate's own where there is none
	Rate Rate
}

// Quote returns what one unit of the resource costs there and then; false where no rate covers it. Of the rates that do,
// the one that says most counts: negotiated before instance type before region before default.
func (s PriceSheet) Quote(resource Resource, class string, place Place, at time.Time) (Quote, bool) {
	best, ok := s.best(resource, class, place, at, func(Rate) bool { return true })
	if !ok {
		return Quote{}, false
	}
	q := Quote{Unit: best.Unit(), List: best.Unit(), Rate: best}
	if list, ok := s.best(resource, class, place, at, func(r Rate) bool { return !r.Negotiated }); ok {
		q.List = list.Unit()
	}
	if best.Negotiated {
		return q, true
	}
	for _, d := range s.Discounts {
		if d.on(resource, place, at) {
			left := new(big.Rat).Sub(big.NewRat(100, 1), d.Percent.Rat())
			q.Unit.Mul(q.Unit, left.Quo(left, big.NewRat(100, 1)))
			break // overlapping discounts are refused when the sheet is read
		}
	}
	return q, true
}

func (s PriceSheet) best(resource Resource, class string, place Place, at time.Time, may func(Rate) bool) (Rate, bool) {
	found, rank := Rate{}, -1
	for _, r := range s.Rates {
		if r.Resource == resource && r.Class == class && r.covers(place) && r.Holds(at) && may(r) && r.rank() > rank {
			found, rank = r, r.rank()
		}
	}
	return found, rank >= 0
}

// Span is a piece of a period in which no price of the sheet changes.
type Span struct{ From, To time.Time }

// Hours returns the span's length.
func (s Span) Hours() *big.Rat { return big.NewRat(int64(s.To.Sub(s.From)), int64(time.Hour)) }

// Changes lists when a rate, discount or commitment begins or ends, in order.
func (s PriceSheet) Changes() []time.Time {
	var cuts []time.Time
	cut := func(e Effective) {
		for _, t := range []time.Time{e.From, e.To} {
			if !t.IsZero() {
				cuts = append(cuts, t.UTC())
			}
		}
	}
	for _, r := range s.Rates {
		cut(r.Effective)
	}
	for _, d := range s.Discounts {
		cut(d.Effective)
	}
	for _, c := range s.Commitments {
		cut(c.Effective)
	}
	slices.SortFunc(cuts, time.Time.Compare)
	return slices.CompactFunc(cuts, time.Time.Equal)
}

// Spans cuts [from, to) at the sheet's changes, in order.
func (s PriceSheet) Spans(from, to time.Time) []Span { return SpansOf(s.Changes(), from, to) }

// SpansOf cuts [from, to) at the changes, which are in order.
func SpansOf(changes []time.Time, from, to time.Time) []Span {
	var spans []Span
	for _, t := range changes {
		if t.After(from) && t.Before(to) {
			spans = append(spans, Span{from.UTC(), t})
			from = t
		}
	}
	if from.Before(to) {
		spans = append(spans, Span{from.UTC(), to.UTC()})
	}
	return spans
}

// PriceOf prices a quantity that was used evenly over [from, to), piece by piece where the price changes. A piece that
// no rate covers is an error that names it.
func (s PriceSheet) PriceOf(quantity *big.Rat, resource Resource, class string, place Place, from, to time.Time) (*big.Rat, error) {
	whole, sum := Span{from, to}.Hours(), new(big.Rat)
	for _, span := range s.Spans(from, to) {
		q, ok := s.Quote(resource, class, place, span.From)
		if !ok {
			return nil, fmt.Errorf("no rate for %s in %s at %s", describe(resource, class), place, span.From.Format(time.RFC3339))
		}
		part := new(big.Rat).Quo(span.Hours(), whole)
		sum.Add(sum, part.Mul(part, new(big.Rat).Mul(quantity, q.Unit)))
	}
	return sum, nil
}

func describe(resource Resource, class string) string {
	if class == "" {
		return string(resource)
	}
	return string(resource) + " (" + class + ")"
}

// ListOnly returns the sheet with list prices alone: no negotiated rates, discounts or commitments.
func (s PriceSheet) ListOnly() PriceSheet {
	s.Rates = slices.DeleteFunc(slices.Clone(s.Rates), func(r Rate) bool { return r.Negotiated })
	s.Discounts, s.Commitments = nil, nil
	return s
}

// Commitment is capacity paid for over a term whether it is used or not, such as a reservation. Its upfront payment is
// spread evenly over the term.
type Commitment struct {
	Name     string   `json:"name"`
	Resource Resource `json:"resource"` // cpu, ram, gpu or node
	Place
	Quantity Decimal `json:"quantity"` // units that are committed to at any time, such as vCPUs
	Upfront  Decimal `json:"upfront"`  // paid once, for the whole term
	Hourly   Decimal `json:"hourly"`   // paid each hour for the whole quantity
	Effective
	line int
}

// Amortised returns what an hour of the whole commitment costs: the hourly part, and the upfront payment over the term.
func (c Commitment) Amortised() *big.Rat {
	hourly := c.Hourly.Rat()
	if hours := (Span{c.From, c.To}).Hours(); hours.Sign() > 0 {
		hourly.Add(hourly, new(big.Rat).Quo(c.Upfront.Rat(), hours))
	}
	return hourly
}

// Covers reports whether the commitment is for that resource there and then.
func (c Commitment) Covers(resource Resource, place Place, at time.Time) bool {
	return c.Resource == resource && c.Holds(at) && c.covers(place)
}
