package simulate

import (
	"fmt"
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

// Spec names a policy: its kind, and for KindFixed how many replicas.
type Spec struct {
	Kind     Kind
	Replicas int
}

// ParseSpec reads a policy's name, such as hpa or fixed:12.
func ParseSpec(text string) (Spec, error) {
	kind, count, counted := strings.Cut(strings.TrimSpace(text), ":")
	s := Spec{Kind: Kind(kind)}
	switch {
	case s.Kind == KindFixed && counted:
		n, err := strconv.Atoi(count)
		if err != nil || n < 0 || n > 1_000_000 {
			return s, fault.New(fault.Invalid, "policy %q: %q is not a number of replicas; write such as fixed:12", text, count)
		}
		s.Replicas = n
		return s, nil
	case !counted && slices.Contains([]Kind{KindHPA, KindKEDA, KindPredictive, KindOracle}, s.Kind):
		return s, nil
	}
	return s, fault.New(fault.Invalid, "there is no policy %q; there are hpa, keda, predictive, fixed:N and oracle", text)
}

// String is what ParseSpec reads.
func (s Spec) String() string {
	if s.Kind == KindFixed {
		return fmt.Sprintf("%s:%d", s.Kind, s.Replicas)
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
	HPA       HPA              // the behaviour of hpa, keda and predictive; its target and bounds are those below
	Target    float64          // at which the policies are shown, as a share
	Specs     []Spec           // in the order shown
	Predictor func() Predictor // for each outlook a new one; Autoregression where nil
	Foresight Foresight        // Kept comes from HPA
	Gate      *Gate            // DefaultGate of Target where nil
	Sweep     bool             // frontiers of all policies with a target; those of hpa and predictive are made for the gate in any case
	Progress  func(done, total int, doing string)
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
	Compared   []Comparison        `json:"compared,omitempty"` // predictive against hpa
	Verdict    *Verdict            `json:"verdict,omitempty"`  // over all days scored
	Trial      *Trial              `json:"trial,omitempty"`
	Bounds     *Bounds             `json:"bounds,omitempty"`
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
	r := &study{Plan: p, load: l, sweeps: map[Kind]Sweep{}}
	r.HPA.Min, r.HPA.Max = p.Min, p.Max
	r.total = len(p.Specs) + 1
	for _, k := range r.kinds() {
		r.total += len(r.targets(k))
	}
	if r.forecasts() {
		r.look()
	}
	if err := r.all(); err != nil {
		return Study{}, err
	}
	return r.Study, nil
}

func (p Plan) check(l Load) error {
	if len(p.Specs) == 0 {
		return fault.New(fault.Invalid, "name a policy to replay, such as hpa")
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
	load    Load
	outlook Outlook
	sweeps  map[Kind]Sweep
	mu      sync.Mutex
	done    int
	total   int
}

func (r *study) forecasts() bool {
	return slices.ContainsFunc(r.Specs, func(s Spec) bool { return s.Kind == KindPredictive })
}

// kinds are the policies whose frontiers are needed.
func (r *study) kinds() []Kind {
	var out []Kind
	if r.forecasts() {
		out = []Kind{KindHPA, KindPredictive}
	}
	for _, s := range r.Specs {
		if r.Sweep && s.swept() && !slices.Contains(out, s.Kind) {
			out = append(out, s.Kind)
		}
	}
	return out
}

// targets are those of a kind's frontier, the plan's own among them.
func (r *study) targets(k Kind) []float64 {
	to := sweepTo
	if k == KindPredictive {
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

func (r *study) look() {
	predict := Autoregression()
	if r.Predictor != nil {
		predict = r.Predictor()
	}
	r.Foresight.Kept = r.HPA.ScaleDown.Stabilization
	r.outlook = NewOutlook(r.load, r.Setup, r.Foresight, predict)
	r.Bounds = &Bounds{Level: r.Foresight.defaulted().Level, Judged: r.outlook.Judged, Told: float64(r.outlook.Told) / float64(max(r.outlook.Asked, 1))}
	if r.outlook.Judged > 0 {
		r.Bounds.Coverage = r.outlook.Coverage()
	}
	r.step("forecasting")
}

// policy makes a kind's policy for a target.
func (r *study) policy(s Spec, target float64) Policy {
	h := r.HPA
	h.Target = target
	switch s.Kind {
	case KindKEDA:
		h.Metric = AverageValue
		return NewReactive(h)
	case KindPredictive:
		return NewPredictive(h, r.Setup, r.outlook, target)
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
	for _, k := range r.kinds() {
		if err := r.sweep(k, without); err != nil {
			return err
		}
	}
	if r.forecasts() {
		r.judge()
	}
	return nil
}

func (r *study) sweep(k Kind, without Score) error {
	sweep, err := NewSweep(r.load, r.Setup, r.targets(k), func(target float64) Policy { return r.policy(Spec{Kind: k}, target) },
		func() { r.step(string(k) + " at other targets") })
	if err != nil {
		return err
	}
	r.sweeps[k] = sweep
	if r.Frontiers == nil {
		r.Frontiers = map[string]Frontier{}
	}
	f := sweep.Frontier(0, sweep.Days())
	for i := range f {
		f[i].Speedup = f[i].SpeedupOver(without)
	}
	r.Frontiers[string(k)] = f
	return nil
}

// judge asks the gate about all days, and puts it to the test on the last third of them.
func (r *study) judge() {
	gate := DefaultGate(r.Target)
	if r.Gate != nil {
		gate = *r.Gate
	}
	hpa, ours := r.sweeps[KindHPA], r.sweeps[KindPredictive]
	days := hpa.Days()
	r.Compared = Compare(hpa.Frontier(0, days), ours.Frontier(0, days))
	v := gate.Judge(hpa, ours, 0, days)
	r.Verdict = &v
	split := days * 2 / 3
	later := hpa.Frontier(split, days)
	t := Trial{Verdict: gate.Judge(hpa, ours, 0, split)}
	if len(later) > 0 {
		t.Days = later[0].Days
	}
	t.Ratio, _ = gate.ratio(Compare(later, ours.Frontier(split, days)))
	r.Trial = &t
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
