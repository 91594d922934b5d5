package simulate

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"sync"
)

// Sweep is one kind of policy replayed at several targets.
type Sweep struct {
	Targets []float64 // shares of a replica's capacity
	Results []Result
}

// Targets returns those from, to in per cent, both inclusive, as shares.
func Targets(from, to, step int) []float64 {
	var out []float64
	for t := from; t <= to; t += step {
		out = append(out, float64(t)/100)
	}
	return out
}

// NewSweep replays the load with the policy made for each target, as many at once as there are processors. done is called
// after each, from several goroutines; it may be nil.
func NewSweep(l Load, s Setup, targets []float64, policy func(target float64) Policy, done func()) (Sweep, error) {
	out := Sweep{Targets: targets, Results: make([]Result, len(targets))}
	errs := make([]error, len(targets))
	turns := make(chan struct{}, runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	for i, target := range targets {
		all.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			out.Results[i], errs[i] = Replay(l, s, policy(target))
			if done != nil {
				done()
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return Sweep{}, err
		}
	}
	return out, nil
}

// Days is how many days were scored, a part of one counting as one.
func (s Sweep) Days() int {
	days := 0
	for _, r := range s.Results {
		for i, d := range r.Days {
			if d.seen > 0 {
				days = max(days, i+1)
			}
		}
	}
	return days
}

// Frontier is what a policy offers: for each target, missing capacity against replica-hours.
type Frontier []Offer

// Offer is one point of a frontier.
type Offer struct {
	Target float64 `json:"target"` // share of a replica's capacity
	Score
}

// Frontier returns the offers over days from, to excluded, in order of the targets.
func (s Sweep) Frontier(from, to int) Frontier {
	var out Frontier
	for i, r := range s.Results {
		out = append(out, Offer{s.Targets[i], r.Between(from, to)})
	}
	return out
}

// Envelope returns the offers that none other beats, fewest replica-hours first: none has both fewer replica-hours and
// less missing.
func (f Frontier) Envelope() Frontier {
	sorted := slices.Clone(f)
	slices.SortStableFunc(sorted, func(a, b Offer) int {
		return cmp.Or(cmp.Compare(a.ReplicaHoursPD, b.ReplicaHoursPD), cmp.Compare(a.Under, b.Under))
	})
	var out Frontier
	for _, o := range sorted {
		if len(out) == 0 || o.Under < out[len(out)-1].Under {
			out = append(out, o)
		}
	}
	return out
}

// UnderAt is the least missing capacity (θU, %) to be had for at most so many replica-hours a day, between two offers on
// a straight line of its logarithm. It is false where every offer needs more.
func (f Frontier) UnderAt(hours float64) (float64, bool) {
	e := f.Envelope()
	for i, o := range e {
		switch {
		case o.ReplicaHoursPD > hours && i == 0:
			return 0, false
		case o.ReplicaHoursPD > hours:
			before := e[i-1]
			share := (hours - before.ReplicaHoursPD) / (o.ReplicaHoursPD - before.ReplicaHoursPD)
			return geometric(before.Under, o.Under, share), true
		}
	}
	if len(e) == 0 {
		return 0, false
	}
	return e[len(e)-1].Under, true
}

// HoursAt is the fewest replica-hours a day with at most so much missing capacity (θU, %). It is false where no offer
// misses so little.
func (f Frontier) HoursAt(under float64) (float64, bool) {
	e := f.Envelope()
	for i, o := range e {
		if o.Under > under {
			continue
		}
		if i == 0 {
			return o.ReplicaHoursPD, true
		}
		before := e[i-1]
		return before.ReplicaHoursPD + (o.ReplicaHoursPD-before.ReplicaHoursPD)*position(before.Under, o.Under, under), true
	}
	return 0, false
}

// geometric is between a and b > a share of the way on a logarithmic scale; on a linear one where one is zero.
func geometric(a, b, share float64) float64 {
	if a <= 0 || b <= 0 {
		return a + (b-a)*share
	}
	return math.Exp(math.Log(a) + (math.Log(b)-math.Log(a))*share)
}

// position is the share of the way from a to b at which geometric returns x.
func position(a, b, x float64) float64 {
	if a <= 0 || b <= 0 {
		return (x - a) / (b - a)
	}
	return math.Log(x/a) / math.Log(b/a)
}

// Comparison sets ours against an HPA of one target.
type Comparison struct {
	Target       float64  `json:"target"`       // of the HPA
	ReplicaHours float64  `json:"replicaHours"` // a day, of the HPA
	Under        float64  `json:"under"`        // θU of the HPA's frontier at these, %
	Ours         *float64 `json:"ours"`         // θU of ours at equal replica-hours, %; null where ours needs more
	Ratio        *float64 `json:"ratio"`        // Ours over Under; null where there is none or the HPA misses nothing
	OurHours     *float64 `json:"ourHours"`     // replica-hours a day of ours at equal θU; null where ours misses more
	HoursRatio   *float64 `json:"hoursRatio"`   // OurHours over those of the HPA's frontier
}

// Compare sets two frontiers side by side at the replica-hours of each of the HPA's targets.
func Compare(hpa, ours Frontier) []Comparison {
	var out []Comparison
	for _, o := range hpa {
		c := Comparison{Target: o.Target, ReplicaHours: o.ReplicaHoursPD}
		c.Under, _ = hpa.UnderAt(o.ReplicaHoursPD)
		if under, ok := ours.UnderAt(o.ReplicaHoursPD); ok {
			c.Ours = &under
			if c.Under > 0 {
				ratio := under / c.Under
				c.Ratio = &ratio
			}
		}
		least, _ := hpa.HoursAt(c.Under)
		if hours, ok := ours.HoursAt(c.Under); ok && least > 0 {
			ratio := hours / least
			c.OurHours, c.HoursRatio = &hours, &ratio
		}
		out = append(out, c)
	}
	return out
}
