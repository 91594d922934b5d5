package simulate

import (
	"math"
	"time"
)

// HPA is a HorizontalPodAutoscaler as autoscaling/v2 describes it and its controller carries it out. The zero fields
// are not the defaults; begin with DefaultHPA.
type HPA struct {
	Target    float64  // wanted utilisation of one pod, as a share of its capacity: 0.7 is 70 %
	Metric    Metric   // how usage is measured
	Min, Max  int      // replicas, both inclusive
	ScaleUp   Behavior // when and how fast replicas are added
	ScaleDown Behavior // when and how fast they are taken away
}

// Metric is a kind of metric, which decides what pods that are not ready count for.
type Metric string

// The metrics.
const (
	Utilization  Metric = "utilization"  // of each pod, in whole per cent of its request, as for CPU; pods not ready count as idle on the way up
	AverageValue Metric = "averageValue" // one external number, such as requests a second, over the replicas there are; as KEDA gives it
)

// Behavior bounds one direction of scaling.
type Behavior struct {
	Tolerance     float64       // no change while usage is beyond the target by no more than this share of it
	Stabilization time.Duration // the least (up) or highest (down) recommendation of this time is taken
	Select        SelectPolicy
	Policies      []ScalingPolicy
}

// SelectPolicy says which of several policies counts.
type SelectPolicy string

// The select policies: the one that allows the most change, the least, or no change at all.
const (
	MaxChange SelectPolicy = "Max"
	MinChange SelectPolicy = "Min"
	Disabled  SelectPolicy = "Disabled"
)

// ScalingPolicy allows a change of Pods replicas, or of Percent of those there were, within any Period.
type ScalingPolicy struct {
	Pods    int // counts where positive
	Percent int // counts where Pods is zero
	Period  time.Duration
}

// DefaultHPA is an HPA with what Kubernetes documents as defaults: a tolerance of 0.1, no stabilisation upwards and five
// minutes downwards, upwards the larger of 100 % and 4 pods in 15 s, downwards 100 % in 15 s.
func DefaultHPA(target float64, lowest, highest int) HPA {
	return HPA{Target: target, Metric: Utilization, Min: lowest, Max: highest, ScaleUp: defaultScaleUp(), ScaleDown: defaultScaleDown()}
}

const (
	defaultTolerance = 0.1 // --horizontal-pod-autoscaler-tolerance
	defaultPeriod    = 15 * time.Second
)

func defaultScaleUp() Behavior {
	return Behavior{Tolerance: defaultTolerance, Select: MaxChange, Policies: []ScalingPolicy{{Percent: 100, Period: defaultPeriod}, {Pods: 4, Period: defaultPeriod}}}
}

func defaultScaleDown() Behavior {
	return Behavior{Tolerance: defaultTolerance, Stabilization: 5 * time.Minute, Select: MaxChange, Policies: []ScalingPolicy{{Percent: 100, Period: defaultPeriod}}}
}

// Measured is what the controller sees of the pods at one synchronisation.
type Measured struct {
	Replicas int     // wanted by the scale subresource: ready, not ready and missing
	Ready    int     // pods whose metrics count
	Unready  int     // pods that are starting, or whose metrics do not cover their readiness yet
	Missing  int     // pods without metrics
	Usage    float64 // mean usage of the pods that count, as a share of a pod's capacity; NaN where no metric could be had
	Sum      float64 // the load in pods' capacities, for AverageValue; NaN where no metric could be had
}

// Proportional returns how many replicas the metric asks for, before stabilisation, rate limits and bounds; false where
// it could not be told. It follows the controller's replica calculator:
//
//   - ready × usage/target, rounded up, unless usage/target is within the tolerance of 1;
//   - pods not ready count as 0 % if that would scale up; missing ones as 0 % on the way up and as 100 % on the way down;
//   - where counting them brings the ratio back within the tolerance or to the other side of 1, or the replicas would
//     move against the ratio, nothing changes.
func (h HPA) Proportional(m Measured) (int, bool) {
	if !(h.Target > 0) {
		return m.Replicas, false
	}
	if h.Metric == AverageValue {
		return h.average(m), !math.IsNaN(m.Sum)
	}
	if m.Ready == 0 || math.IsNaN(m.Usage) {
		return m.Replicas, false
	}
	ratio := h.ratio(m.Usage*float64(m.Ready), m.Ready)
	countUnready := m.Unready > 0 && ratio > 1
	if !countUnready && m.Missing == 0 {
		if h.tolerated(ratio) {
			return m.Replicas, true
		}
		return up(ratio * float64(m.Ready)), true
	}
	usage, pods := m.Usage*float64(m.Ready), m.Ready
	switch {
	case ratio < 1:
		usage, pods = usage+float64(m.Missing)*max(1, h.Target), pods+m.Missing
	case ratio > 1:
		pods += m.Missing
	}
	if countUnready {
		pods += m.Unready
	}
	again := h.ratio(usage, pods)
	wanted := up(again * float64(pods))
	switch {
	case h.tolerated(again), ratio < 1 && again > 1, ratio > 1 && again < 1:
		return m.Replicas, true
	case again < 1 && wanted > m.Replicas, again > 1 && wanted < m.Replicas:
		return m.Replicas, true
	}
	return wanted, true
}

// average is the calculation for an external metric with an average value: it asks nothing about pods.
func (h HPA) average(m Measured) int {
	if math.IsNaN(m.Sum) || m.Replicas > 0 && h.tolerated(m.Sum/(h.Target*float64(m.Replicas))) {
		return m.Replicas
	}
	return up(m.Sum / h.Target)
}

// ratio is utilisation over target. The controller keeps utilisation as a whole number of per cent, rounded down.
func (h HPA) ratio(usage float64, pods int) float64 {
	target := math.Round(h.Target*1e6) / 1e4 // 55, where 100 × 0.55 is a hair more
	return math.Floor(usage/float64(pods)*100+1e-9) / target
}

func (h HPA) tolerated(ratio float64) bool {
	return ratio >= 1-h.ScaleDown.Tolerance && ratio <= 1+h.ScaleUp.Tolerance
}

// up rounds up as the controller does, whatever floats make of it: 50 × 1.1 is 56.
func up(x float64) int { return int(min(math.Ceil(x), math.MaxInt32)) }

// Autoscaler carries out an HPA's behaviour over time: it remembers recommendations and scale events.
type Autoscaler struct {
	HPA
	recommended []stamped // unstabilised, within the longest stabilisation window
	up, down    []stamped // replicas added and taken away, within the longest period
}

// stamped is a number of replicas at a time, in nanoseconds since 1970: a replay compares millions of them.
type stamped struct {
	at int64
	n  int
}

// NewAutoscaler returns an autoscaler that has seen nothing yet.
func NewAutoscaler(h HPA) *Autoscaler { return &Autoscaler{HPA: h} }

// Scale returns the replicas to have now, given those there are and those wanted. Calls are in order of time, one a
// synchronisation; the change it returns counts as made.
func (a *Autoscaler) Scale(now time.Time, current, wanted int) int {
	next := current
	switch {
	case current > a.Max:
		next = a.Max
	case current < a.Min:
		next = a.Min
	default:
		next = a.limit(now, current, a.stabilize(now, current, wanted))
	}
	a.remember(now, next-current)
	return next
}

// stabilize keeps the current replicas within the least recommendation of the upward window and the highest of the
// downward one, this recommendation included.
func (a *Autoscaler) stabilize(now time.Time, current, wanted int) int {
	at := now.UnixNano()
	upCutoff, downCutoff := at-int64(a.ScaleUp.Stabilization), at-int64(a.ScaleDown.Stabilization)
	lowest, highest := wanted, wanted
	for _, r := range a.recommended {
		if r.at > upCutoff {
			lowest = min(lowest, r.n)
		}
		if r.at > downCutoff {
			highest = max(highest, r.n)
		}
	}
	a.recommended = append(forget(a.recommended, min(upCutoff, downCutoff)), stamped{at, wanted})
	return min(max(current, lowest), highest)
}

// limit applies the policies and the bounds.
func (a *Autoscaler) limit(now time.Time, current, wanted int) int {
	switch {
	case wanted > current:
		return min(wanted, a.Max, max(current, a.upLimit(now, current)))
	case wanted < current:
		return max(wanted, a.Min, min(current, a.downLimit(now, current)))
	}
	return wanted
}

// upLimit is how many replicas the policies allow at most. Each counts from the replicas at the beginning of its period:
// the present ones without what was added since and with what was taken away.
func (a *Autoscaler) upLimit(now time.Time, current int) int {
	return selected(a.ScaleUp, current, func(p ScalingPolicy) int {
		start := a.before(now, p.Period, current)
		if p.Pods > 0 {
			return start + p.Pods
		}
		return up(float64(start) * (1 + float64(p.Percent)/100)) // up, or one replica could never become two
	}, larger, smaller)
}

// downLimit is how many replicas the policies leave at least.
func (a *Autoscaler) downLimit(now time.Time, current int) int {
	return selected(a.ScaleDown, current, func(p ScalingPolicy) int {
		start := a.before(now, p.Period, current)
		if p.Pods > 0 {
			return start - p.Pods
		}
		return int(float64(start) * (1 - float64(p.Percent)/100))
	}, smaller, larger)
}

// selected is the limit of the policy that counts: the most change or the least.
func selected(b Behavior, current int, limit func(ScalingPolicy) int, most, least func(a, b int) int) int {
	if b.Select == Disabled || len(b.Policies) == 0 {
		return current
	}
	pick := most
	if b.Select == MinChange {
		pick = least
	}
	out := limit(b.Policies[0])
	for _, p := range b.Policies[1:] {
		out = pick(out, limit(p))
	}
	return out
}

func larger(a, b int) int  { return max(a, b) }
func smaller(a, b int) int { return min(a, b) }

// before is how many replicas there were at the beginning of the period.
func (a *Autoscaler) before(now time.Time, period time.Duration, current int) int {
	cutoff := now.Add(-period).UnixNano()
	return current - sumAfter(a.up, cutoff) + sumAfter(a.down, cutoff)
}

func sumAfter(events []stamped, cutoff int64) int {
	sum := 0
	for _, e := range events {
		if e.at > cutoff {
			sum += e.n
		}
	}
	return sum
}

func (a *Autoscaler) remember(now time.Time, change int) {
	if change == 0 {
		return
	}
	at := now.UnixNano()
	cutoff := at - int64(a.longestPeriod())
	if change > 0 {
		a.up = append(forget(a.up, cutoff), stamped{at, change})
		return
	}
	a.down = append(forget(a.down, cutoff), stamped{at, -change})
}

func (a *Autoscaler) longestPeriod() time.Duration {
	longest := time.Duration(0)
	for _, policies := range [][]ScalingPolicy{a.ScaleUp.Policies, a.ScaleDown.Policies} {
		for _, p := range policies {
			longest = max(longest, p.Period)
		}
	}
	return longest
}

// forget drops what is not after the cutoff.
func forget(list []stamped, cutoff int64) []stamped {
	old := 0
	for old < len(list) && list[old].at <= cutoff {
		old++
	}
	return list[old:]
}
