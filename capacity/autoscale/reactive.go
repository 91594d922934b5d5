package autoscale

import (
	"fmt"
	"math"
	"time"

	"github.com/nines-sre/nines/capacity/forecast"
)

// ReactiveReplicas returns what the load now asks for by the rule of Kubernetes' horizontal pod autoscaler,
// ceil(current × utilisation / target), where the target utilisation leaves the headroom free: no change while the ratio is
// within the tolerance of 1. It knows no bounds. ok is false where the load, the replicas or what one takes are unknown.
func ReactiveReplicas(w Workload, current int, load float64) (replicas int, ok bool) {
	if current < 0 || !known(load) || !(w.PerReplica > 0) {
		return current, false
	}
	s := sizing{Workload: w, current: current, load: load}
	if s.tolerated() {
		return current, true
	}
	return s.need(), true
}

// Predicted is what a forecast asks for, before any bounds.
type Predicted struct {
	Soon    int           `json:"soon"`    // for the upper bound within the provisioning horizon: to be asked for now
	Later   int           `json:"later"`   // for the upper bound within the whole horizon: what is needed again need not go
	Upper   float64       `json:"upper"`   // load, at its highest within the provisioning horizon
	Lower   float64       `json:"lower"`   // of the same point
	Mean    float64       `json:"mean"`    // of the same point
	Level   float64       `json:"level"`   // of the interval
	Method  string        `json:"method"`  //
	Horizon time.Duration `json:"horizon"` // the provisioning one
	DataAt  time.Time     `json:"dataAt"`  // of the newest value the forecast has seen
	Seen    float64       `json:"seen"`    // share of the history that was there
	Step    time.Duration `json:"step"`
}

// PredictedReplicas returns what the forecast asks for; nil where it says nothing of the horizon.
func PredictedReplicas(w Workload, f forecast.Forecast, now time.Time) *Predicted {
	provisioning := max(w.Provisioning(), f.Step.Std()) // a forecast says nothing between its points
	soon, ok := within(f, now, provisioning)
	later, _ := within(f, now, max(w.Horizon.Std(), provisioning))
	if !ok || !(w.PerReplica > 0) {
		return nil
	}
	s := sizing{Workload: w}
	return &Predicted{
		Soon: s.replicasFor(soon.Upper * (1 + w.Headroom)), Later: s.replicasFor(later.Upper * (1 + w.Headroom)),
		Upper: soon.Upper, Lower: soon.Lower, Mean: soon.Mean, Level: f.Level, Method: f.Method, Horizon: provisioning,
		DataAt: f.At, Seen: f.Coverage, Step: f.Step.Std(),
	}
}

// Verdict is what the back-test of a workload's policy says about trusting its forecast with replicas.
type Verdict struct {
	Allowed bool               `json:"allowed"`
	Reason  string             `json:"reason"` // for people
	At      time.Time          `json:"at"`
	Numbers map[string]float64 `json:"numbers,omitempty"` // such as the under-provisioning of both at equal replica-hours
}

// verdictHolds is for how long a back-test speaks for a workload: loads change their shape.
const verdictHolds = 30 * 24 * time.Hour

// refuses says why prediction is not allowed, "" where it is.
func (v Verdict) refuses(now time.Time) string {
	switch {
	case v.At.IsZero():
		return "its back-test has not been run yet"
	case now.Sub(v.At) > verdictHolds:
		return "its back-test is of " + v.At.UTC().Format(time.DateOnly) + ", which is too long ago"
	case !v.Allowed:
		return "its back-test declines: " + v.Reason
	}
	return ""
}

// Confidence is how well a workload's last forecasts held.
type Confidence struct {
	Judged   int     `json:"judged"`   // forecasts whose time is over
	Covered  float64 `json:"covered"`  // share of them whose upper bound held
	Promised float64 `json:"promised"` // share that should have
	Skill    float64 `json:"skill"`    // mean absolute error over that of "it stays as it is"; below 1 is better
}

// Bounds of what is trusted.
const (
	leastJudged = 20
	slack       = 0.15 // by which the bound may hold less often than it promises
)

// Outcome is one forecast beside what came.
type Outcome struct {
	Load   float64 `json:"load"`   // when it was made
	Mean   float64 `json:"mean"`   // expected at its highest within the horizon
	Upper  float64 `json:"upper"`  // the bound
	Actual float64 `json:"actual"` // the highest that came
}

// Confide judges forecasts of one level of interval by what came. What is not a number is left out.
func Confide(outcomes []Outcome, level float64) Confidence {
	c := Confidence{Promised: (1 + level) / 2}
	held, errors, naive := 0, 0.0, 0.0
	for _, o := range outcomes {
		if !known(o.Load) || !known(o.Mean) || !known(o.Upper) || !known(o.Actual) {
			continue
		}
		c.Judged++
		if o.Actual <= o.Upper {
			held++
		}
		errors += math.Abs(o.Actual - o.Mean)
		naive += math.Abs(o.Actual - o.Load)
	}
	if c.Judged == 0 {
		return c
	}
	c.Covered = float64(held) / float64(c.Judged)
	switch {
	case naive > 0:
		c.Skill = errors / naive
	case errors > 0:
		c.Skill = math.MaxFloat64 // what did not move was said to move
	}
	return c
}

// low says why the forecasts are not trusted, "" where they are.
func (c Confidence) low() string {
	switch {
	case c.Judged < leastJudged:
		return fmt.Sprintf("only %d of its forecasts could be judged yet, and %d are needed", c.Judged, leastJudged)
	case c.Covered < c.Promised-slack:
		return fmt.Sprintf("its last %d upper bounds held %s of the time and promise %s", c.Judged, percent(c.Covered), percent(c.Promised))
	case c.Skill > 1:
		return "its last forecasts erred more than saying that the load stays as it is"
	}
	return ""
}
