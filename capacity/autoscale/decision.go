package autoscale

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/internal/manifest"
)

// Actions of a Decision.
const (
	ScaleOut = "scale-out"
	ScaleIn  = "scale-in"
	Hold     = "hold"
)

// Decision is one recommendation with what it rests on. Nothing acts on it: it is a dry run.
type Decision struct {
	Workload string    `json:"workload"`
	Service  string    `json:"service"`
	At       time.Time `json:"at"`
	Current  int       `json:"current"` // replicas there are; -1 where unknown
	Desired  int       `json:"desired"` // replicas recommended; Current for Hold
	Action   string    `json:"action"`  // ScaleOut, ScaleIn or Hold
	Reason   string    `json:"reason"`  // for people, with the numbers
	DryRun   bool      `json:"dryRun"`
	Inputs   Inputs    `json:"inputs"`
}

// Inputs are the numbers that a decision was made from, so that it can be made again. Null is unknown.
type Inputs struct {
	Load       *float64          `json:"load"`     // highest of the recent past
	Forecast   *Outlook          `json:"forecast"` // null: there was none to be had
	Need       *int              `json:"need"`     // replicas before the bounds of min and max
	PerReplica float64           `json:"perReplica"`
	Unit       string            `json:"unit"`
	Headroom   float64           `json:"headroom"`
	Tolerance  float64           `json:"tolerance"`
	Min        int               `json:"min"`
	Max        int               `json:"max"`
	Horizon    manifest.Duration `json:"horizon"`
}

// Outlook is the highest point of a forecast, by its upper bound.
type Outlook struct {
	At       time.Time         `json:"at"`
	Mean     float64           `json:"mean"`
	Upper    float64           `json:"upper"`
	Level    float64           `json:"level"`
	Method   string            `json:"method"`
	Season   manifest.Duration `json:"season"`
	Coverage float64           `json:"coverage"`
	History  int               `json:"history"`
	DataAt   time.Time         `json:"dataAt"` // of the newest value it saw
}

// minCoverage is the share of the history that must have been seen before a forecast may take replicas away.
const minCoverage = 0.5

// stale is how old a forecast's newest value may be, in steps, and at least in time.
const (
	staleSteps = 5
	staleTime  = 2 * time.Minute
)

// Recommend says how many replicas the workload should have: enough for the highest of the load now and the forecast's
// upper bound within the horizon, with the headroom, between min and max.
//
// load is the highest of the recent past, as RecentLoad asks for it, so a forecast alone never takes replicas away; NaN
// or negative is unknown. current is negative where unknown. The zero Forecast means that none could be made: then the
// load may add replicas, and nothing may take any away. Differences within the tolerance change nothing, unless the load
// is already more than the replicas can take.
func Recommend(w Workload, current int, f forecast.Forecast, load float64, now time.Time) Decision {
	d := Decision{Workload: w.Name, Service: w.Service, At: now.UTC(), Current: max(current, -1), Desired: current, Action: Hold, DryRun: true}
	d.Inputs = Inputs{PerReplica: w.PerReplica, Unit: w.Unit, Headroom: w.Headroom, Tolerance: w.Tolerance, Min: w.Min, Max: w.Max, Horizon: w.Horizon}
	if missing := d.take(w, f, load); missing != "" {
		d.Desired = d.Current
		d.Reason = missing + " Nothing is changed on data that is missing or old."
		return d
	}
	s := sizing{Workload: w, current: current, load: load, outlook: d.Inputs.Forecast}
	need := s.need()
	d.Inputs.Need = &need
	d.Desired, d.Reason = s.decide(need)
	switch {
	case d.Desired > current:
		d.Action = ScaleOut
	case d.Desired < current:
		d.Action = ScaleIn
	}
	return d
}

// take records the inputs and returns what is missing of them, "" for nothing.
func (d *Decision) take(w Workload, f forecast.Forecast, load float64) string {
	if known(load) {
		d.Inputs.Load = &load
	}
	if peak, ok := within(f, d.At, w.Horizon.Std()); ok {
		d.Inputs.Forecast = &Outlook{
			At: peak.At, Mean: peak.Mean, Upper: peak.Upper, Level: f.Level, Method: f.Method, Season: f.Season,
			Coverage: f.Coverage, History: f.History, DataAt: f.At,
		}
	}
	age := d.At.Sub(f.At)
	switch {
	case d.Current < 0:
		return "Hold: the number of replicas is unknown; the replicas query gave nothing."
	case !known(load):
		return "Hold: the load is unknown; the load query gave nothing."
	case !(w.PerReplica > 0):
		return "Hold: it is unknown what one replica can take."
	case d.Inputs.Forecast != nil && age > max(staleTime, staleSteps*f.Step.Std()):
		return fmt.Sprintf("Hold: the newest load the forecast has seen is %s old.", age.Round(time.Second))
	}
	return ""
}

func known(x float64) bool { return x >= 0 && !math.IsInf(x, 0) }

// within returns the forecast's highest point in (now, now+horizon].
func within(f forecast.Forecast, now time.Time, horizon time.Duration) (forecast.Predicted, bool) {
	near := f
	near.Points = nil
	for _, p := range f.Points {
		if p.At.After(now) && !p.At.After(now.Add(horizon)) && known(p.Upper) {
			near.Points = append(near.Points, p)
		}
	}
	return near.Peak()
}

// sizing is the arithmetic of one decision whose inputs are known.
type sizing struct {
	Workload
	current int
	load    float64
	outlook *Outlook
}

// demand is the load to be ready for.
func (s sizing) demand() float64 {
	if s.outlook == nil {
		return s.load
	}
	return max(s.load, s.outlook.Upper)
}

// replicasFor returns how many replicas take a load. A hair above a whole number is rounding, not load.
func (s sizing) replicasFor(load float64) int {
	n := math.Ceil(load/s.PerReplica - 1e-9)
	return int(min(max(n, 0), math.MaxInt32))
}

// need is the replicas for the demand with its headroom, before any bounds.
func (s sizing) need() int { return s.replicasFor(s.demand() * (1 + s.Headroom)) }

func (s sizing) clamp(n int) int { return min(max(n, s.Min), s.Max) }

// decide returns the replicas to have and why.
func (s sizing) decide(need int) (int, string) {
	target := s.clamp(need)
	held := s.clamp(s.current)
	switch {
	case s.current != held:
		if !s.mayTakeAway() {
			target = max(target, held)
		}
		return target, s.tell("%d replicas are outside of min %d and max %d: go to %d.", s.current, s.Min, s.Max, target) + s.bounded(need)
	case target == s.current:
		return s.current, s.tell("Hold at %d.", s.current) + s.bounded(need)
	case s.tolerated():
		return s.current, s.tell("Hold at %d: %d would do as well, but the difference is within the tolerance of %s.", s.current, target, percent(s.Tolerance))
	case target > s.current:
		return target, s.tell("Go from %d to %d.", s.current, target) + s.bounded(need)
	case s.outlook == nil:
		return s.current, s.tell("Hold at %d: %d would do for the load now, but without a forecast nothing is taken away.", s.current, target)
	case !s.mayTakeAway():
		return s.current, s.tell("Hold at %d: %d would do, but only %s of the history was seen, too little to take replicas away.", s.current, target, percent(s.outlook.Coverage))
	}
	return target, s.tell("Go from %d to %d.", s.current, target) + s.bounded(need)
}

// tolerated reports whether the need differs too little from what there is, and the load now fits without headroom.
func (s sizing) tolerated() bool {
	if s.current == 0 || s.replicasFor(s.load) > s.current {
		return false
	}
	ratio := s.demand() * (1 + s.Headroom) / (s.PerReplica * float64(s.current))
	return math.Abs(ratio-1) <= s.Tolerance
}

// mayTakeAway reports whether the forecast is good enough to have fewer replicas by.
func (s sizing) mayTakeAway() bool { return s.outlook != nil && s.outlook.Coverage >= minCoverage }

// tell puts the verdict before the numbers it comes from.
func (s sizing) tell(format string, args ...any) string {
	var b strings.Builder
	fmt.Fprintf(&b, format, args...)
	fmt.Fprintf(&b, " Load is %s at its highest of the last %s", s.amount(s.load), manifest.Duration(Recent))
	if o := s.outlook; o != nil {
		fmt.Fprintf(&b, "; within %s at most %s is expected (%s sure, mean %s, %s)", s.Horizon, s.amount(o.Upper), percent((1+o.Level)/2), s.amount(o.Mean), o.Method)
	} else {
		b.WriteString("; there is no forecast yet")
	}
	fmt.Fprintf(&b, ". With %s headroom that is %s, at %s a replica %d.", percent(s.Headroom), s.amount(s.demand()*(1+s.Headroom)), s.amount(s.PerReplica), s.need())
	return b.String()
}

// bounded says where min or max decided instead of the need.
func (s sizing) bounded(need int) string {
	switch {
	case need > s.Max:
		return fmt.Sprintf(" That is above max %d: the service will be short of %d.", s.Max, need-s.Max)
	case need < s.Min:
		return fmt.Sprintf(" Min is %d.", s.Min)
	}
	return ""
}

func (s sizing) amount(x float64) string { return number(x) + " " + s.Unit }

// number writes three digits that matter, or all whole ones.
func number(x float64) string {
	if x >= 100 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.3g", x)
}

func percent(share float64) string { return fmt.Sprintf("%.3g %%", share*100) }
