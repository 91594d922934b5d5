package simulate

import "math"

// Reactive scales by an HPA alone.
type Reactive struct{ scaler *Autoscaler }

// NewReactive returns the policy of an HPA.
func NewReactive(h HPA) Reactive { return Reactive{NewAutoscaler(h)} }

// Replicas implements Policy. Without a metric nothing changes.
func (r Reactive) Replicas(v View) int {
	wanted, ok := r.scaler.Proportional(v.Measured)
	if !ok {
		return v.Measured.Replicas
	}
	return r.scaler.Scale(v.Now, v.Measured.Replicas, wanted)
}

// Fixed is no autoscaling: always so many replicas.
type Fixed int

// Replicas implements Policy.
func (f Fixed) Replicas(View) int { return int(f) }

// Oracle knows the future: it has just the replicas that are needed, begun early enough, without any limit of rate. No
// policy can have fewer replica-hours without missing capacity, so it is the bound.
type Oracle struct{ wanted []int }

// NewOracle looks at the whole load. What is decided at a tick counts from the next one on, so replicas are wanted for the
// highest need between then and when they would be ready.
func NewOracle(l Load, s Setup) Oracle {
	ahead := max(1, int((s.Provisioning+l.Tick-1)/l.Tick))
	need := make([]int, len(l.at))
	for i, v := range l.at {
		need[i] = min(s.demand(v), s.Max)
		if math.IsNaN(v) { // unknown: what was before
			need[i] = need[max(i-1, 0)]
		}
	}
	return Oracle{highestAhead(need, ahead)}
}

// highestAhead returns, for each index, the highest of the next so many values; of the last one its own.
func highestAhead(values []int, ahead int) []int {
	out := make([]int, len(values))
	var falling []int // indices of what may be highest, from the nearest on; their values fall
	next := 0
	for i := range values {
		for ; next < len(values) && next <= i+ahead; next++ {
			for len(falling) > 0 && values[falling[len(falling)-1]] <= values[next] {
				falling = falling[:len(falling)-1]
			}
			falling = append(falling, next)
		}
		for len(falling) > 1 && falling[0] <= i {
			falling = falling[1:]
		}
		out[i] = values[falling[0]]
	}
	return out
}

// Replicas implements Policy.
func (o Oracle) Replicas(v View) int { return o.wanted[v.Tick] }
