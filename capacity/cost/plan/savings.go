package plan

import (
	"cmp"
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/cost/allocation"
)

// Saving is something that could be smaller, with what was seen that says so.
type Saving struct {
	Kind string `json:"kind"` // Oversized or Idle
	allocation.Owner
	cost.Place
	Resource cost.Resource `json:"resource"`
	Have     float64       `json:"have"` // on average: units requested, or nodes
	Need     float64       `json:"need"` // what would do
	P95      float64       `json:"p95"`  // of the hourly use: units, or the share of the nodes that was asked for
	Max      float64       `json:"max"`
	Mean     float64       `json:"mean"`
	Hours    int           `json:"hours"`   // in which it was seen
	Monthly  cost.Money    `json:"monthly"` // what that saves in 30 days, by the prices now
}

// The kinds of savings.
const (
	Oversized = "oversized" // requests much above use
	Unused    = "idle"      // nodes that nobody asked for
)

// SavingOptions bound what is proposed.
type SavingOptions struct {
	Margin float64 // kept above the P95 of use; 0.15 unless set
	Target float64 // share of a pool of nodes that may be asked for; 0.85 unless set
	Least  cost.Money
	Hours  int // fewest hours of evidence; 24 unless set
}

const monthHours = 720

// Savings finds requests far above the P95 of use and nodes that nobody asked for. Use is hourly: bursts within an hour do not
// show, so memory keeps at least its highest hour.
func Savings(sheet cost.PriceSheet, steps []allocation.Step, o SavingOptions) []Saving {
	o.Margin, o.Target, o.Hours = cmp.Or(o.Margin, 0.15), cmp.Or(o.Target, 0.85), cmp.Or(o.Hours, 24)
	if len(steps) == 0 {
		return []Saving{}
	}
	now := steps[0].From
	for _, s := range steps {
		if s.From.After(now) {
			now = s.From
		}
	}
	out := append(oversized(sheet, steps, now, o), idleNodes(sheet, steps, now, o)...)
	slices.SortFunc(out, func(a, b Saving) int {
		return cmp.Or(b.Monthly.Minor().Cmp(a.Monthly.Minor()), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Service, b.Service),
			cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Place.String(), b.Place.String()))
	})
	return out
}

type needKey struct {
	owner    allocation.Owner
	place    cost.Place
	resource cost.Resource
}

type hourly struct{ request, usage []float64 }

func oversized(sheet cost.PriceSheet, steps []allocation.Step, now time.Time, o SavingOptions) []Saving {
	seen := map[needKey]*hourly{}
	for _, step := range steps {
		for k, n := range needs(step) {
			if seen[k] == nil {
				seen[k] = &hourly{}
			}
			seen[k].request, seen[k].usage = append(seen[k].request, n.Request), append(seen[k].usage, n.Usage)
		}
	}
	out := []Saving{}
	for k, h := range seen {
		have, p95, top := mean(h.request), quantile(h.usage, 0.95), slices.Max(h.usage)
		need := p95 * (1 + o.Margin)
		if k.resource == cost.RAM {
			need = max(need, top)
		}
		if len(h.usage) < o.Hours || need >= have || top == 0 {
			continue
		}
		s := Saving{Kind: Oversized, Owner: k.owner, Place: k.place, Resource: k.resource, Have: have, Need: need, P95: p95, Max: top, Mean: mean(h.usage), Hours: len(h.usage)}
		if s.price(sheet, k.resource, have-need, now); s.worth(o) {
			out = append(out, s)
		}
	}
	return out
}

// needs adds up what each owner requested and used of cpu and memory in a step, by place.
func needs(step allocation.Step) map[needKey]allocation.Need {
	places := map[string]cost.Place{}
	for _, n := range step.Nodes {
		places[n.Name] = n.Place
	}
	out := map[needKey]allocation.Need{}
	for _, c := range step.Containers {
		for r, n := range map[cost.Resource]allocation.Need{cost.CPU: c.CPU, cost.RAM: c.RAM} {
			k := needKey{c.Owner, places[c.Node], r}
			sum := out[k]
			sum.Request, sum.Usage = sum.Request+measured(n.Request), sum.Usage+measured(n.Usage)
			out[k] = sum
		}
	}
	return out
}

func measured(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) || x < 0 {
		return 0
	}
	return x
}

// idleNodes looks at pools, which are the nodes of one place and type.
func idleNodes(sheet cost.PriceSheet, steps []allocation.Step, now time.Time, o SavingOptions) []Saving {
	type pool struct{ nodes, asked []float64 }
	pools := map[cost.Place]*pool{}
	size := map[cost.Place]allocation.Node{}
	for _, step := range steps {
		counts, asked, there := map[cost.Place]float64{}, map[needKey]float64{}, map[needKey]float64{}
		for _, n := range step.Nodes {
			counts[n.Place]++
			size[n.Place] = n
			there[needKey{place: n.Place, resource: cost.CPU}] += measured(n.CPU)
			there[needKey{place: n.Place, resource: cost.RAM}] += measured(n.RAM)
		}
		for k, n := range needs(step) {
			asked[needKey{place: k.place, resource: k.resource}] += n.Billed()
		}
		for place, n := range counts {
			if pools[place] == nil {
				pools[place] = &pool{}
			}
			share := 0.0
			for _, r := range []cost.Resource{cost.CPU, cost.RAM} {
				if k := (needKey{place: place, resource: r}); there[k] > 0 {
					share = max(share, asked[k]/there[k])
				}
			}
			pools[place].nodes, pools[place].asked = append(pools[place].nodes, n), append(pools[place].asked, share)
		}
	}
	out := []Saving{}
	for place, p := range pools {
		have, p95 := mean(p.nodes), quantile(p.asked, 0.95)
		need := math.Ceil(have*p95/o.Target - 1e-9)
		if len(p.nodes) < o.Hours || math.Floor(have-need) < 1 {
			continue
		}
		s := Saving{Kind: Unused, Place: place, Resource: cost.Node, Have: have, Need: max(need, 1), P95: p95, Max: slices.Max(p.asked), Mean: mean(p.asked), Hours: len(p.nodes)}
		s.priceNodes(sheet, size[place], math.Floor(s.Have-s.Need), now)
		if s.worth(o) {
			out = append(out, s)
		}
	}
	return out
}

func (s *Saving) price(sheet cost.PriceSheet, r cost.Resource, units float64, now time.Time) {
	s.Monthly = cost.Round(new(big.Rat), sheet.Currency)
	if q, ok := sheet.Quote(r, "", s.Place, now); ok {
		s.Monthly = cost.Round(new(big.Rat).Mul(ratOf(units*monthHours), q.Unit), sheet.Currency)
	}
}

func (s *Saving) priceNodes(sheet cost.PriceSheet, n allocation.Node, nodes float64, now time.Time) {
	s.price(sheet, cost.Node, nodes, now)
	if s.Monthly.Sign() > 0 {
		return
	}
	for r, units := range map[cost.Resource]float64{cost.CPU: n.CPU, cost.RAM: n.RAM, cost.GPU: n.GPU} {
		part := *s
		part.price(sheet, r, nodes*measured(units), now)
		s.Monthly = s.Monthly.Add(part.Monthly)
	}
}

func (s *Saving) worth(o SavingOptions) bool {
	return s.Monthly.Sign() > 0 && s.Monthly.Minor().Cmp(o.Least.Minor()) >= 0
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(max(1, len(values)))
}

// quantile is the smallest value that at least a share q of the values do not exceed.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	return s[min(len(s)-1, max(0, int(math.Ceil(q*float64(len(s))))-1))]
}
