package simulate

import (
	"math"
	"time"
)

const dayLength = 24 * time.Hour

// Result is what a policy did with a load.
type Result struct {
	From time.Time // where scoring begins, after the warm-up
	Days []Tally   // of 24 hours each from From on, the last one possibly shorter
}

func newResult(l Load, s Setup) Result {
	scored := l.Length() - s.WarmUp
	return Result{From: l.Begin.Add(s.WarmUp), Days: make([]Tally, int((scored+dayLength-1)/dayLength)+1)}
}

// Score is the score over all days.
func (r Result) Score() Score { return r.Between(0, len(r.Days)) }

// Between is the score over days from, to excluded.
func (r Result) Between(from, to int) Score {
	var sum Tally
	for _, d := range r.Days[max(0, from):min(to, len(r.Days))] {
		sum.merge(d)
	}
	return sum.score()
}

// Tally adds up what the metrics are made of. Times are in seconds.
type Tally struct {
	seen                float64 // time with a known load
	under, over         float64 // missing and needless replicas over the demand, times seconds
	underTime, overTime float64
	apart               float64 // time in which supply and demand moved differently
	replicas            float64 // replica-seconds, those starting included
	load, lost          float64 // load-seconds, and those beyond what ready replicas take
	outs, ins           int     // scale events
}

func (t *Tally) add(seconds float64, supply, demand, paid int, load, lost float64) {
	t.seen += seconds
	t.replicas += seconds * float64(paid)
	t.load += seconds * load
	t.lost += seconds * lost
	switch {
	case demand > supply:
		t.under += seconds * float64(demand-supply) / float64(demand)
		t.underTime += seconds
	case supply > demand:
		t.over += seconds * float64(supply-demand) / float64(demand)
		t.overTime += seconds
	}
}

func (t *Tally) merge(o Tally) {
	t.seen, t.under, t.over = t.seen+o.seen, t.under+o.under, t.over+o.over
	t.underTime, t.overTime, t.apart = t.underTime+o.underTime, t.overTime+o.overTime, t.apart+o.apart
	t.replicas, t.load, t.lost = t.replicas+o.replicas, t.load+o.load, t.lost+o.lost
	t.outs, t.ins = t.outs+o.outs, t.ins+o.ins
}

// Score is how a policy did, in the elasticity metrics of the SPEC Research Group's cloud group (Herbst et al., "Ready for
// Rain?", SPEC-RG-2016-01) and what users and finance ask for besides. Shares are in per cent.
type Score struct {
	Days           float64  `json:"days"`         // scored, with a known load
	Under          float64  `json:"under"`        // θU: mean of missing replicas over the demand, %
	Over           float64  `json:"over"`         // θO: mean of needless replicas over the demand, %
	UnderTime      float64  `json:"underTime"`    // τU: share of time with too few replicas, %
	OverTime       float64  `json:"overTime"`     // τO: share of time with too many, %
	Instability    float64  `json:"instability"`  // υ: share of synchronisations at which supply and demand moved differently, %
	Violations     float64  `json:"violations"`   // share of the load beyond what ready replicas take within the SLO, %
	ReplicaHours   float64  `json:"replicaHours"` // paid for, replicas that are starting included
	ReplicaHoursPD float64  `json:"replicaHoursPerDay"`
	EventsPD       float64  `json:"eventsPerDay"` // changes of the number of replicas
	Speedup        *float64 `json:"speedup"`      // ε: elastic speed-up over a fixed fleet; null where it is not defined
}

func (t Tally) score() Score {
	if t.seen == 0 {
		return Score{}
	}
	days := t.seen / dayLength.Seconds()
	s := Score{
		Days: days, Under: 100 * t.under / t.seen, Over: 100 * t.over / t.seen, UnderTime: 100 * t.underTime / t.seen,
		OverTime: 100 * t.overTime / t.seen, Instability: 100 * t.apart / t.seen, ReplicaHours: t.replicas / 3600,
	}
	if t.load > 0 {
		s.Violations = 100 * t.lost / t.load
	}
	s.ReplicaHoursPD, s.EventsPD = s.ReplicaHours/days, float64(t.outs+t.ins)/days
	return s
}

// SpeedupOver is the elastic speed-up ε: the geometric mean of how many times smaller θU, θO, τU and τO are than without
// autoscaling. It is not defined (nil) where one of them is zero on either side.
func (s Score) SpeedupOver(without Score) *float64 {
	product := 1.0
	for _, pair := range [][2]float64{{without.Under, s.Under}, {without.Over, s.Over}, {without.UnderTime, s.UnderTime}, {without.OverTime, s.OverTime}} {
		if pair[0] <= 0 || pair[1] <= 0 {
			return nil
		}
		product *= pair[0] / pair[1]
	}
	e := math.Pow(product, 0.25)
	return &e
}
