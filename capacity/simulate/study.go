package simulate

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// Kind is a kind of policy.
type Kind string

// The kinds of policies.
const (
	KindHPA        Kind = "hpa"        // the HorizontalPodAutoscaler on utilisation
	KindKEDA       Kind = "keda"       // the same on an external average value, as KEDA makes it
	KindPredictive Kind = "predictive" // the HPA and a forecast
	KindFixed      Kind = "fixed"      // always so many
	KindOracle     Kind = "oracle"     // perfect foresight, the bound
)

// Spec names a policy: its kind, for KindFixed how many replicas, for KindPredictive which of the plan's predictors.
type Spec struct {
	Kind     Kind
	Replicas int
	Model    string // "" is the default, Autoregression
}

// ParseSpec reads a policy's name, such as hpa, fixed:12 or predictive:seasonal.
func ParseSpec(text string) (Spec, error) {
	kind, rest, more := strings.Cut(strings.TrimSpace(text), ":")
	s := Spec{Kind: Kind(kind)}
	switch {
	case s.Kind == KindFixed && more:
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 || n > 1_000_000 {
			return s, fault.New(fault.Invalid, "policy %q: %q is not a number of replicas; write such as fixed:12", text, rest)
		}
		s.Replicas = n
		return s, nil
	case s.Kind == KindPredictive && rest != "":
		s.Model = rest
		return s, nil
	case !more && slices.Contains([]Kind{KindHPA, KindKEDA, KindPredictive, KindOracle}, s.Kind):
		return s, nil
	}
	return s, fault.New(fault.Invalid, "there is no policy %q; there are hpa, keda, predictive, predictive:MODEL, fixed:N and oracle", text)
}

// String is what ParseSpec reads.
func (s Spec) String() string {
	switch {
	case s.Kind == KindFixed:
		return fmt.Sprintf("%s:%d", s.Kind, s.Replicas)
	case s.Model != "":
		return string(s.Kind) + ":" + s.Model
	}
	return string(s.Kind)
}

// swept reports whether the policy has a target.
func (s Spec) swept() bool {
	return s.Kind == KindHPA || s.Kind == KindKEDA || s.Kind == KindPredictive
}

// Plan is what to find out about a load.
type Plan struct {
	Setup
	HPA        HPA                         // the behaviour of hpa, keda and predictive; its target and bounds are those below
	Target     float64                     // at which the policies are shown, as a share
	Specs      []Spec                      // in the order shown
	Predictors map[string]func() Predictor // by Spec.Model; each call makes a new one. "" is Autoregression where it is not there
	Foresight  Foresight                   // Kept comes from HPA
	Gate       *Gate                       // DefaultGate of Target where nil
	Sweep      bool                        // frontiers of all policies with a target; those of hpa and predictive are made for the gate in any case
	Progress   func(done, total int, doing string)
}

// Outcome is one policy at the plan's target.
type Outcome struct {
	Policy string   `json:"policy"`
	Target *float64 `json:"target"` // null where it has none
	Score
}

// Study is what a plan found out.
type Study struct {
	From       time.Time           `json:"from"` // where scoring begins, after the warm-up
	To         time.Time           `json:"to"`
	WarmUp     manifest.Duration   `json:"warmUp"`
	PerReplica float64             `json:"perReplica"`
	Baseline   int                 `json:"baseline"` // replicas of the fixed fleet that the speed-up is over: the mean demand, rounded up
	Outcomes   []Outcome           `json:"outcomes"`
	Frontiers  map[string]Frontier `json:"frontiers,omitempty"`
	Judged     []Judgement         `json:"judged,omitempty"` // one for each predictive policy
}

// Judgement is what the gate says of one predictive policy.
type Judgement struct {
	Policy   string       `json:"policy"`
	Compared []Comparison `json:"compared"` // with hpa
	Verdict  Verdict      `json:"verdict"`  // over all days scored
	Trial    Trial        `json:"trial"`
	Bounds   Bounds       `json:"bounds"`
}

// Trial is the gate put to the test: what it would have said of the earlier days, and what came of the later ones.
type Trial struct {
	Verdict Verdict  `json:"verdict"` // on the earlier two thirds of the days scored
	Days    float64  `json:"days"`    // later
	Ratio   *float64 `json:"ratio"`   // on the later days, as in Verdict
}

// Bounds says how the forecasts held.
type Bounds struct {
	Level    float64 `json:"level"`    // asked for
	Coverage float64 `json:"coverage"` // share of bounds not exceeded
	Judged   int     `json:"judged"`
	Told     float64 `json:"told"` // share of the times asked at which a forecast could be made
}

// The targets of frontiers, in per cent. Ours goes further, to where it costs as little as an HPA of a high target.
const (
	sweepFrom, sweepTo, sweepOurs, sweepStep = 30, 95, 120, 5
)

// WarmUpFor is how long a trace trains before anything is scored: a week, but no more than a third of it.
func WarmUpFor(length time.Duration) time.Duration {
	return min(7*dayLength, (length / 3).Truncate(time.Minute))
}

// Run replays the load through every policy of the plan.
func (p Plan) Run(l Load) (Study, error) {
	if err := p.check(l); err != nil {
		return Study{}, err
	}
	r := &study{Plan: p, load: l, sweeps: map[Spec]Sweep{}, outlooks: map[Spec]Outlook{}}
	r.HPA.Min, r.HPA.Max = p.Min, p.Max
	r.Foresight.Kept = r.HPA.ScaleDown.Stabilization
	r.total = len(p.Specs) + len(r.forecasts())
	for _, s := range r.swept() {
		r.total += len(r.targets(s))
	}
	for _, s := range r.forecasts() {
		r.outlooks[s] = NewOutlook(l, r.Setup, r.Foresight, p.predictor(s.Model)())
		r.step("forecasting for " + s.String())
	}
	if err := r.all(); err != nil {
		return Study{}, err
	}
	return r.Study, nil
}

// predictor is the named one; nil where there is none.
func (p Plan) predictor(model string) func() Predictor {
	if one := p.Predictors[model]; one != nil || model != "" {
		return one
	}
	return Autoregression
}

func (p Plan) check(l Load) error {
	if len(p.Specs) == 0 {
		return fault.New(fault.Invalid, "name a policy to replay, such as hpa")
	}
	for _, s := range p.Specs {
		if s.Kind == KindPredictive && p.predictor(s.Model) == nil {
			return fault.New(fault.Invalid, "policy %s: there is no model %q; there are %s", s, s.Model, strings.Join(slices.Sorted(maps.Keys(p.Predictors)), ", "))
		}
	}
	if !(p.Target > 0 && p.Target <= 2) {
		return fault.New(fault.Invalid, "the target is %s; it must be between 1 %% and 200 %%", perCent(p.Target))
	}
	if p.WarmUp >= l.Length() {
		return fault.New(fault.Invalid, "the warm-up of %s leaves nothing of a trace of %s", manifest.Duration(p.WarmUp), manifest.Duration(l.Length()))
	}
	return p.Setup.check()
}

// study is a plan at work.
type study struct {
	Plan
	Study
	load     Load
	outlooks map[Spec]Outlook
	sweeps   map[Spec]Sweep
	mu       sync.Mutex
	done     int
	total    int
}

// forecasts are the policies that forecast.
func (r *study) forecasts() []Spec {
	var out []Spec
	for _, s := range r.Specs {
		if s.Kind == KindPredictive && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// swept are the policies whose frontiers are needed.
func (r *study) swept() []Spec {
	out := r.forecasts()
	if len(out) > 0 {
		out = append([]Spec{{Kind: KindHPA}}, out...)
	}
	for _, s := range r.Specs {
		if r.Sweep && s.swept() && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// targets are those of a policy's frontier, the plan's own among them.
func (r *study) targets(s Spec) []float64 {
	to := sweepTo
	if s.Kind == KindPredictive {
		to = sweepOurs
	}
	out := Targets(sweepFrom, to, sweepStep)
	if !slices.ContainsFunc(out, func(t float64) bool { return math.Abs(t-r.Target) < 1e-9 }) {
		out = append(out, r.Target)
		slices.Sort(out)
	}
	return out
}

func (r *study) step(doing string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
	if r.Progress != nil {
		r.Progress(r.done, r.total, doing)
	}
}

// policy makes the policy for a target.
func (r *study) policy(s Spec, target float64) Policy {
	h := r.HPA
	h.Target = target
	switch s.Kind {
	case KindKEDA:
		h.Metric = AverageValue
		return NewReactive(h)
	case KindPredictive:
		return NewPredictive(h, r.Setup, r.outlooks[s], target)
	case KindFixed:
		return Fixed(s.Replicas)
	case KindOracle:
		return NewOracle(r.load, r.Setup)
	}
	return NewReactive(h)
}

func (r *study) all() error {
	l := r.load
	r.From, r.To = l.Begin.Add(r.Setup.WarmUp), l.Begin.Add(l.Length())
	r.Study.WarmUp, r.Study.PerReplica = manifest.Duration(r.Setup.WarmUp), r.Setup.PerReplica
	r.Baseline = l.meanDemand(r.Setup)
	fixed, err := Replay(l, r.Setup, Fixed(r.Baseline))
	if err != nil {
		return err
	}
	without := fixed.Score()
	for _, s := range r.Specs {
		result, err := Replay(l, r.Setup, r.policy(s, r.Target))
		if err != nil {
			return err
		}
		o := Outcome{Policy: s.String(), Score: result.Score()}
		if s.swept() {
			o.Target = &r.Target
		}
		o.Speedup = o.SpeedupOver(without)
		r.Outcomes = append(r.Outcomes, o)
		r.step(s.String())
	}
	for _, s := range r.swept() {
		if err := r.sweep(s, without); err != nil {
			return err
		}
	}
	for _, s := range r.forecasts() {
		r.Judged = append(r.Judged, r.judge(s))
	}
	return nil
}

func (r *study) sweep(s Spec, without Score) error {
	sweep, err := NewSweep(r.load, r.Setup, r.targets(s), func(target float64) Policy { return r.policy(s, target) },
		func() { r.step(s.String() + " at other targets") })
	if err != nil {
		return err
	}
	r.sweeps[s] = sweep
	if r.Frontiers == nil {
		r.Frontiers = map[string]Frontier{}
	}
	f := sweep.Frontier(0, sweep.Days())
	for i := range f {
		f[i].Speedup = f[i].SpeedupOver(without)
	}
	r.Frontiers[s.String()] = f
	return nil
}

// judge asks the gate about all days, and puts it to the test on the last third of them.
func (r *study) judge(s Spec) Judgement {
	gate := DefaultGate(r.Target)
	if r.Gate != nil {
		gate = *r.Gate
	}
	hpa, ours := r.sweeps[Spec{Kind: KindHPA}], r.sweeps[s]
	days := hpa.Days()
	split := days * 2 / 3
	j := Judgement{
		Policy: s.String(), Compared: Compare(hpa.Frontier(0, days), ours.Frontier(0, days)), Verdict: gate.Judge(hpa, ours, 0, days),
		Trial: Trial{Verdict: gate.Judge(hpa, ours, 0, split)}, Bounds: r.outlooks[s].bounds(r.Foresight.defaulted().Level),
	}
	later := hpa.Frontier(split, days)
	if len(later) > 0 {
		j.Trial.Days = later[0].Days
	}
	j.Trial.Ratio, _ = gate.ratio(Compare(later, ours.Frontier(split, days)))
	return j
}

func (o Outlook) bounds(level float64) Bounds {
	b := Bounds{Level: level, Judged: o.Judged, Told: float64(o.Told) / float64(max(o.Asked, 1))}
	if o.Judged > 0 {
		b.Coverage = o.Coverage()
	}
	return b
}

// meanDemand is the mean of the replicas needed after the warm-up, rounded up.
func (l Load) meanDemand(s Setup) int {
	sum, n := 0, 0
	for i := int(s.WarmUp / l.Tick); i < len(l.at); i++ {
		if !math.IsNaN(l.at[i]) {
			sum, n = sum+s.demand(l.at[i]), n+1
		}
	}
	return ceil(float64(sum) / float64(max(n, 1)))
}
