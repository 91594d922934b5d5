// Package simulate replays a recorded load through autoscaling policies and says what each would have cost in replicas
// and in missing capacity: the algorithm of the Kubernetes HorizontalPodAutoscaler, ours, which adds a forecast to it, a
// fixed fleet and perfect foresight. It leaves out where the trace comes from and what anybody does about the answer.
package simulate

import (
	"fmt"
	"math"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// Setup is the workload and the cluster that a load is replayed on.
type Setup struct {
	PerReplica   float64       // load of one replica at 100 % utilisation
	Usable       float64       // share of it up to which the SLO holds, in (0, 1]; beyond it requests violate the SLO
	Min, Max     int           // replicas
	Provisioning time.Duration // from wanting a replica to its taking load
	Metering     Metering
	WarmUp       time.Duration // at the beginning of the trace, which trains and is not scored
}

// Metering is how the controller sees pods.
type Metering struct {
	Lag            time.Duration // age of the newest sample
	Window         time.Duration // that one sample covers
	Initialization time.Duration // --horizontal-pod-autoscaler-cpu-initialization-period
}

// DefaultUsable is the utilisation up to which the SLO is taken to hold.
const DefaultUsable = 0.85

// DefaultTick is the controller's synchronisation period.
const DefaultTick = 15 * time.Second

// DefaultSetup is a workload of up to a thousand replicas with the metering of a usual cluster: samples of 15 s that are
// 30 s old, and the controller's default of five minutes for initialisation. PerReplica and WarmUp are left open.
func DefaultSetup(provisioning time.Duration) Setup {
	return Setup{Usable: DefaultUsable, Min: 1, Max: 1000, Provisioning: provisioning,
		Metering: Metering{Lag: 30 * time.Second, Window: 15 * time.Second, Initialization: 5 * time.Minute}}
}

// ForPeak returns the load of one replica at full utilisation with which so many replicas are needed at the 99.9th
// percentile of the load.
func (s Setup) ForPeak(l Load, replicas int) float64 {
	return l.Quantile(0.999) / (float64(replicas) * s.Usable)
}

func (s Setup) check() error {
	e := fault.New(fault.Invalid, "this replay cannot be made")
	add := func(bad bool, where, message string) {
		if bad {
			e.Details = append(e.Details, fault.Detail{Where: where, Message: message})
		}
	}
	add(!(s.PerReplica > 0) || math.IsInf(s.PerReplica, 0), "perReplica", "must be positive: the load that one replica takes at full utilisation")
	add(!(s.Usable > 0 && s.Usable <= 1), "usable", "must be above 0 and at most 1, such as 0.85")
	add(s.Min < 1 || s.Max < s.Min, "min", fmt.Sprintf("and max must be 1 <= min <= max, and are %d and %d", s.Min, s.Max))
	add(s.Provisioning < 0 || s.Metering.Lag < 0 || s.Metering.Window < 0 || s.WarmUp < 0, "durations", "must not be negative")
	if len(e.Details) > 0 {
		return e
	}
	return nil
}

// demand is the least replicas that take a load within the SLO.
func (s Setup) demand(load float64) int {
	return max(s.Min, ceil(load/(s.Usable*s.PerReplica)))
}

// ceil rounds up. A hair above a whole number is rounding, not load.
func ceil(x float64) int { return int(min(math.Ceil(x-1e-9), math.MaxInt32)) }

// View is what a policy may know at a synchronisation.
type View struct {
	Now  time.Time
	Tick int
	Measured
}

// Policy says how many replicas to have. Calls are in order of time, one a synchronisation.
type Policy interface {
	Replicas(View) int
}

// Replay runs one policy over a load and returns what came of it by day. The fleet begins with what the first load
// needs, all of it ready.
func Replay(l Load, s Setup, p Policy) (Result, error) {
	if err := s.check(); err != nil {
		return Result{}, err
	}
	if s.WarmUp >= l.Length() {
		return Result{}, fault.New(fault.Invalid, "the warm-up of %s leaves nothing of a trace of %s", s.WarmUp, l.Length())
	}
	r := newRun(l, s)
	for i := range l.at {
		r.tick(i, p)
	}
	return r.result, nil
}

// run is the state of one replay.
type run struct {
	Setup
	load    Load
	fleet   fleet
	serving []int // ready replicas at each tick
	lag     int   // of metrics, in ticks
	warm    int   // ticks that are not scored
	result  Result

	supply, demanded int // at the tick before
}

func newRun(l Load, s Setup) *run {
	r := &run{Setup: s, load: l, fleet: fleet{provisioning: s.Provisioning}, serving: make([]int, len(l.at))}
	r.lag, r.warm = int(s.Metering.Lag/l.Tick), int(s.WarmUp/l.Tick)
	r.result = newResult(l, s)
	first := s.Min
	for _, v := range l.at {
		if !math.IsNaN(v) {
			first = min(s.demand(v), s.Max)
			break
		}
	}
	r.fleet.scale(l.Begin.Add(-24*time.Hour), first)
	return r
}

// tick scores what is, then lets the policy change what will be.
func (r *run) tick(i int, p Policy) {
	now := r.load.Time(i)
	r.fleet.settle(now, r.Provisioning+r.Metering.Lag+r.Metering.Window+r.Metering.Initialization)
	ready := r.fleet.ready(now)
	r.serving[i] = ready
	r.score(i, ready)
	before := r.fleet.total
	r.fleet.scale(now, max(0, p.Replicas(View{Now: now, Tick: i, Measured: r.measure(i, now)})))
	if day := r.day(i); day != nil && r.fleet.total != before {
		if r.fleet.total > before {
			day.outs++
		} else {
			day.ins++
		}
	}
}

// measure is what the controller sees: usage of a while ago, spread over the pods that served then.
func (r *run) measure(i int, now time.Time) Measured {
	m := Measured{Replicas: r.fleet.total, Usage: math.NaN(), Sum: math.NaN()}
	counted, loaded := r.fleet.counted(now, r.Metering)
	m.Ready, m.Unready = counted, r.fleet.total-counted
	sampled := max(i-r.lag, 0)
	load := r.load.at[sampled]
	if math.IsNaN(load) {
		return m
	}
	m.Sum = load / r.PerReplica
	if served := r.serving[sampled]; counted > 0 && served > 0 {
		m.Usage = m.Sum / float64(served) * float64(loaded) / float64(counted)
	}
	return m
}

// day is the tally that a tick belongs to; nil during the warm-up and where the load is unknown.
func (r *run) day(i int) *Tally {
	if i < r.warm || math.IsNaN(r.load.at[i]) {
		return nil
	}
	return &r.result.Days[int(time.Duration(i-r.warm)*r.load.Tick/dayLength)]
}

func (r *run) score(i, ready int) {
	load := r.load.at[i]
	if math.IsNaN(load) {
		return
	}
	demand := r.demand(load)
	if day := r.day(i); day != nil {
		taken := float64(ready) * r.Usable * r.PerReplica
		day.add(r.load.Tick.Seconds(), ready, demand, r.fleet.total, load, max(0, load-taken))
		if i > 0 && sign(ready-r.supply) != sign(demand-r.demanded) {
			day.apart += r.load.Tick.Seconds()
		}
	}
	r.supply, r.demanded = ready, demand
}

func sign(n int) int { return max(-1, min(1, n)) }
