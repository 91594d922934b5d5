// Package allocation divides what a fleet costs among those who use it, by OpenCost's rules: each container is billed for
// the larger of what it requested and used, what nobody asked for is idle, and what several have together is shared. All
// arithmetic is exact and rounded once, so that the parts add up to the whole to the cent. It leaves out how usage is
// measured.
package allocation

import (
	"math"
	"math/big"
	"time"

	"github.com/nines-sre/nines/capacity/cost"
)

// Owner says whose a charge is. "" is not known.
type Owner struct {
	Tenant    string `json:"tenant,omitempty"`
	Team      string `json:"team,omitempty"`
	Service   string `json:"service,omitempty"`
	Namespace string `json:"namespace,omitempty"`
}

// Step is what ran in [From, To), usually an hour. Amounts are averages over the step: a container that ran for half of
// the hour has half of its request.
type Step struct {
	From, To   time.Time
	Nodes      []Node
	Containers []Container
	Meters     []Meter
}

// Node is a machine that is paid for whether it is used or not.
type Node struct {
	Name string
	cost.Place
	CPU, RAM, GPU float64 // capacity of one: vCPUs, GiB, GPUs
	Count         float64 // how many there are of it, for what-if; 1 where 0
}

// Machines is how many there are of the node.
func (n Node) Machines() float64 {
	if amount(n.Count) == 0 {
		return 1
	}
	return n.Count
}

// capacity is what all machines of the node have together.
func (n Node) capacity(r cost.Resource) float64 {
	return [...]float64{n.CPU, n.RAM, n.GPU}[index(r)] * n.Machines()
}

// Container is what runs on a node for somebody.
type Container struct {
	Node string
	Owner
	CPU, RAM, GPU Need // vCPUs, GiB, GPUs
}

func (c Container) need(r cost.Resource) Need { return [...]Need{c.CPU, c.RAM, c.GPU}[index(r)] }

// Need is what a container asked for and what it used.
type Need struct{ Request, Usage float64 }

// Billed is the larger of request and usage; what was not measured counts as nothing.
func (n Need) Billed() float64 { return max(amount(n.Request), amount(n.Usage)) }

// Meter is a resource that is paid for by use: storage, traffic, load balancers and custom resources.
type Meter struct {
	Owner
	cost.Place
	Resource cost.Resource
	Class    string  // of egress
	Quantity float64 // over the step, in the resource's unit: GiB-hours, GiB, hours
}

// Credit is money owed to a tenant because a promise was missed.
type Credit struct {
	Tenant, Service string
	Amount          *big.Rat
}

// machine are the resources of a node, in the order in which arrays hold them.
var machine = [...]cost.Resource{cost.CPU, cost.RAM, cost.GPU}

func index(r cost.Resource) int {
	switch r {
	case cost.CPU:
		return 0
	case cost.RAM:
		return 1
	}
	return 2
}

// amount makes of what is negative, infinite or not a number nothing.
func amount(x float64) float64 {
	if x > 0 && !math.IsInf(x, 1) {
		return x
	}
	return 0
}

// micro is an amount over some hours in millionths of unit-hours, the grain in which shares of a node are counted.
func micro(units float64, hours *big.Rat) int64 {
	h, _ := hours.Float64()
	return int64(math.Round(min(amount(units)*h*1e6, math.MaxInt64/1e6)))
}
