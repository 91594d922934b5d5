package autoscale

import (
	"cmp"
	"math"
	"math/big"
	"strings"
	"time"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/internal/manifest"
)

// Mode says who decides about replicas.
type Mode string

// The modes. The zero Mode is ForecastOnly.
const (
	ForecastOnly Mode = "forecast-only" // decisions are recorded, nothing is changed
	Reactive     Mode = "reactive"      // the load now decides, as with Kubernetes' horizontal pod autoscaler
	Predictive   Mode = "predictive"    // the forecast may add to that, once its back-test has earned it
)

// Scaling is how a workload's replicas may be changed. It is data of the definition; Guard applies it.
type Scaling struct {
	Mode          Mode              `json:"mode"`
	Startup       manifest.Duration `json:"startup"`       // from the wish for a replica until it takes load
	Up            Step              `json:"up"`            //
	Down          Step              `json:"down"`          //
	Stabilisation manifest.Duration `json:"stabilisation"` // the highest wish of this span counts where replicas are taken away
	Freeze        []Freeze          `json:"freeze,omitempty"`
	Approval      *Approval         `json:"approval,omitempty"`
	Budget        *Budget           `json:"budget,omitempty"`
	SLO           string            `json:"slo,omitempty"` // whose burn raises the floor; "" is every SLO of the service
	BurnStep      int               `json:"burnStep"`      // replicas added while the SLO's fast tiers burn
	BurnMost      int               `json:"burnMost"`      // how many burning may add to what load and forecast ask for
	Target        *Target           `json:"target,omitempty"`
}

// Step bounds how much may change within a span: by Replicas or by Share, whichever is more.
type Step struct {
	Replicas int               `json:"replicas"`
	Share    float64           `json:"share"`
	Within   manifest.Duration `json:"within"`
}

// Approval is beyond which a change waits for another person. A nil or zero bound does not ask.
type Approval struct {
	Above  int               `json:"above,omitempty"`  // replicas changed within the span
	Cost   *cost.Decimal     `json:"cost,omitempty"`   // added a month, in the budget's currency
	Within manifest.Duration `json:"within"`           // so that many small steps are not a way around
	Expiry manifest.Duration `json:"expiry,omitempty"` // how long a request and what was approved hold
}

// Budget is what the workload's replicas may cost.
type Budget struct {
	Price    cost.Decimal `json:"price"`    // of a replica, an hour
	Month    cost.Decimal `json:"month"`    // the most a month
	Currency string       `json:"currency"` // ISO 4217
}

// HoursOfMonth are those of the longest month, so that a cap holds in each.
const HoursOfMonth = 31 * 24

// Cap returns how many replicas the budget pays for all month long.
func (b Budget) Cap() int {
	perReplica := new(big.Rat).Mul(b.Price.Rat(), big.NewRat(HoursOfMonth, 1))
	if perReplica.Sign() <= 0 {
		return maxReplicas
	}
	n := new(big.Rat).Quo(b.Month.Rat(), perReplica)
	whole := new(big.Int).Div(n.Num(), n.Denom())
	if !whole.IsInt64() || whole.Int64() > maxReplicas {
		return maxReplicas
	}
	return int(whole.Int64())
}

// replicasWithin returns how many replicas an amount a month pays for.
func (b Budget) replicasWithin(amount cost.Decimal) int {
	return Budget{Price: b.Price, Month: amount}.Cap()
}

// Kinds of a Target.
const (
	TargetKubernetes = "kubernetes"
	TargetKEDA       = "keda"
	TargetASG        = "asg"
	TargetWebhook    = "webhook"
)

// Target is what a workload's replicas are changed on. One of its parts is set.
type Target struct {
	Kubernetes *KubernetesTarget `json:"kubernetes,omitempty" yaml:"kubernetes"`
	KEDA       *KEDATarget       `json:"keda,omitempty" yaml:"keda"`
	ASG        *ASGTarget        `json:"asg,omitempty" yaml:"asg"`
	Webhook    *WebhookTarget    `json:"webhook,omitempty" yaml:"webhook"`
}

// KubernetesTarget is something with a scale subresource.
type KubernetesTarget struct {
	Namespace string `json:"namespace" yaml:"namespace"`
	Kind      string `json:"kind" yaml:"kind"` // Deployment, StatefulSet or ReplicaSet
	Name      string `json:"name" yaml:"name"`
}

// KEDATarget is served by our external scaler, which KEDA asks; nothing is changed by us.
type KEDATarget struct{}

// ASGTarget is an AWS auto scaling group.
type ASGTarget struct {
	Region string `json:"region" yaml:"region"`
	Name   string `json:"name" yaml:"name"`
}

// WebhookTarget is told the wish and scales on its own.
type WebhookTarget struct {
	URL    string `json:"url" yaml:"url"`
	Secret string `json:"secret" yaml:"secret"` // name of a file in the secret folder with the signing secret
}

// Kind returns which of the targets it is, "" for none.
func (t *Target) Kind() string {
	switch {
	case t == nil:
		return ""
	case t.Kubernetes != nil:
		return TargetKubernetes
	case t.KEDA != nil:
		return TargetKEDA
	case t.ASG != nil:
		return TargetASG
	case t.Webhook != nil:
		return TargetWebhook
	}
	return ""
}

// Defaults of a Scaling. The stabilisation is Kubernetes' own; it may be longer and never shorter.
const (
	DefaultStabilisation = 300 * time.Second
	DefaultApprovalSpan  = time.Hour
	DefaultExpiry        = 15 * time.Minute
	longestStartup       = time.Hour
	longestSpan          = 24 * time.Hour
)

var (
	defaultUp   = Step{Replicas: 4, Share: 1, Within: manifest.Duration(time.Minute)}
	defaultDown = Step{Replicas: 1, Share: 0.2, Within: manifest.Duration(5 * time.Minute)}
)

// Rails returns how the workload may be scaled; with nothing written it is forecast-only with the defaults.
func (w Workload) Rails() Scaling {
	if w.Scaling != nil {
		return *w.Scaling
	}
	return Scaling{}.withDefaults(w)
}

// Provisioning is how far ahead a replica must be asked for: until it has started, and until the next decision.
func (w Workload) Provisioning() time.Duration {
	return min(w.Rails().Startup.Std()+DecideEvery, w.Horizon.Std())
}

// DecideEvery is the time between two decisions about one workload.
const DecideEvery = 30 * time.Second

func (s Scaling) withDefaults(w Workload) Scaling {
	s.Mode = cmp.Or(s.Mode, ForecastOnly)
	s.Startup = cmp.Or(s.Startup, w.Horizon)
	s.Stabilisation = cmp.Or(s.Stabilisation, manifest.Duration(DefaultStabilisation))
	s.Up, s.Down = s.Up.or(defaultUp), s.Down.or(defaultDown)
	s.BurnStep = cmp.Or(s.BurnStep, 1)
	s.BurnMost = cmp.Or(s.BurnMost, 2*s.BurnStep)
	if s.Approval != nil {
		a := *s.Approval
		a.Within = cmp.Or(a.Within, manifest.Duration(DefaultApprovalSpan))
		a.Expiry = cmp.Or(a.Expiry, manifest.Duration(DefaultExpiry))
		s.Approval = &a
	}
	return s
}

func (s Step) or(otherwise Step) Step {
	if s.Replicas == 0 && s.Share == 0 {
		s.Replicas, s.Share = otherwise.Replicas, otherwise.Share
	}
	s.Within = cmp.Or(s.Within, otherwise.Within)
	return s
}

type scalingSpec struct {
	Mode          Mode              `yaml:"mode"`
	Startup       manifest.Duration `yaml:"startup"`
	Up            stepSpec          `yaml:"up"`
	Down          stepSpec          `yaml:"down"`
	Stabilisation manifest.Duration `yaml:"stabilisation"`
	Freeze        []freezeSpec      `yaml:"freeze"`
	Approval      *approvalSpec     `yaml:"approval"`
	Budget        *budgetSpec       `yaml:"budget"`
	SLO           string            `yaml:"slo"`
	BurnStep      int               `yaml:"burnStep"`
	BurnMost      int               `yaml:"burnMost"`
	Target        *Target           `yaml:"target"`
}

type stepSpec struct {
	Replicas int               `yaml:"replicas"`
	Share    share             `yaml:"share"`
	Within   manifest.Duration `yaml:"within"`
}

type approvalSpec struct {
	Above  int               `yaml:"above"`
	Cost   *cost.Decimal     `yaml:"cost"`
	Within manifest.Duration `yaml:"within"`
	Expiry manifest.Duration `yaml:"expiry"`
}

type budgetSpec struct {
	Price    *cost.Decimal `yaml:"price"`
	Month    *cost.Decimal `yaml:"month"`
	Currency string        `yaml:"currency"`
}

func (s stepSpec) step() Step { return Step{s.Replicas, float64(s.Share), s.Within} }

// scaling reads spec.scaling, with its defaults; nil where it is not written.
func (r *reader) scaling(w Workload, spec *scalingSpec) *Scaling {
	if spec == nil {
		return nil
	}
	s := Scaling{
		Mode: spec.Mode, Startup: spec.Startup, Up: spec.Up.step(), Down: spec.Down.step(), Stabilisation: spec.Stabilisation,
		SLO: spec.SLO, BurnStep: spec.BurnStep, BurnMost: spec.BurnMost, Target: spec.Target,
	}
	if a := spec.Approval; a != nil {
		s.Approval = &Approval{a.Above, a.Cost, a.Within, a.Expiry}
	}
	r.budget(&s, w, spec)
	for i, f := range spec.Freeze {
		s.Freeze = append(s.Freeze, r.freeze(i, f))
	}
	s = s.withDefaults(w)
	r.mode(s)
	r.scalingSpans(s)
	r.step("up", s.Up)
	r.step("down", s.Down)
	r.approval(s)
	r.target(s.Target)
	if s.BurnStep < 0 || s.BurnStep > maxReplicas || s.BurnMost < s.BurnStep || s.BurnMost > maxReplicas {
		r.bad("spec.scaling.burnStep", "is %d, and burnMost %d; both must be positive, and burnMost at least burnStep", s.BurnStep, s.BurnMost)
	}
	return &s
}

func (r *reader) mode(s Scaling) {
	switch s.Mode {
	case ForecastOnly, Reactive, Predictive:
	default:
		r.bad("spec.scaling.mode", "is %q; write %s, %s or %s", clip(string(s.Mode)), ForecastOnly, Reactive, Predictive)
	}
	if s.Mode != ForecastOnly && s.Target == nil {
		r.bad("spec.scaling.target", "is missing; with mode %s it must say what is scaled", s.Mode)
	}
}

func (r *reader) scalingSpans(s Scaling) {
	if d := s.Startup.Std(); s.Startup < 0 || d > longestStartup && s.Mode != ForecastOnly {
		r.bad("spec.scaling.startup", "is %s; write up to 1h", s.Startup)
	}
	if d := s.Stabilisation.Std(); d < DefaultStabilisation || d > longestSpan {
		r.bad("spec.scaling.stabilisation", "is %s; write 5m to 1d", s.Stabilisation)
	}
}

func (r *reader) step(name string, s Step) {
	path := "spec.scaling." + name
	if s.Replicas < 0 || s.Replicas > maxReplicas || s.Share < 0 || s.Share > 10 || s.Replicas == 0 && s.Share == 0 {
		r.bad(path, "must have replicas (1 to %d) or share (up to 10)", maxReplicas)
	}
	if s.Within.Std() < 15*time.Second || s.Within.Std() > longestSpan {
		r.bad(path+".within", "is %s; write 15s to 1d", s.Within)
	}
}

func (r *reader) approval(s Scaling) {
	a := s.Approval
	if a == nil {
		return
	}
	switch {
	case a.Above < 0 || a.Above == 0 && a.Cost == nil:
		r.bad("spec.scaling.approval", "has nothing to ask about; write above (replicas) or cost (a month)")
	case a.Cost != nil && a.Cost.Sign() <= 0:
		r.bad("spec.scaling.approval.cost", "is not positive")
	case a.Cost != nil && s.Budget == nil:
		r.bad("spec.scaling.approval.cost", "needs spec.scaling.budget with the price of a replica")
	}
	if a.Within.Std() < time.Minute || a.Within.Std() > longestSpan || a.Expiry.Std() < time.Minute || a.Expiry.Std() > longestSpan {
		r.bad("spec.scaling.approval", "within is %s and expiry %s; write 1m to 1d", a.Within, a.Expiry)
	}
}

func (r *reader) budget(s *Scaling, w Workload, spec *scalingSpec) {
	b := spec.Budget
	if b == nil {
		return
	}
	if b.Price == nil || b.Month == nil || b.Price.Sign() <= 0 || b.Month.Sign() <= 0 || len(b.Currency) != 3 {
		r.bad("spec.scaling.budget", "must have price (of a replica, an hour), month (the most a month) and currency, such as EUR")
		return
	}
	s.Budget = &Budget{*b.Price, *b.Month, strings.ToUpper(b.Currency)}
	if n := s.Budget.Cap(); n < w.Min {
		r.bad("spec.scaling.budget.month", "pays for %d replicas, which is below min (%d)", n, w.Min)
	}
}

func (r *reader) target(t *Target) {
	if t == nil {
		return
	}
	n := 0
	for _, set := range []bool{t.Kubernetes != nil, t.KEDA != nil, t.ASG != nil, t.Webhook != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		r.bad("spec.scaling.target", "must have one of kubernetes, keda, asg and webhook; keda is written keda: {}")
		return
	}
	if k := t.Kubernetes; k != nil {
		r.nonEmpty("kubernetes", "namespace", k.Namespace)
		r.nonEmpty("kubernetes", "name", k.Name)
		switch k.Kind {
		case "Deployment", "StatefulSet", "ReplicaSet":
		default:
			r.bad("spec.scaling.target.kubernetes.kind", "is %q; write Deployment, StatefulSet or ReplicaSet", clip(k.Kind))
		}
	}
	if a := t.ASG; a != nil {
		r.nonEmpty("asg", "region", a.Region)
		r.nonEmpty("asg", "name", a.Name)
	}
	if h := t.Webhook; h != nil {
		if !strings.HasPrefix(h.URL, "https://") && !strings.HasPrefix(h.URL, "http://") {
			r.bad("spec.scaling.target.webhook.url", "is not an https:// or http:// URL")
		}
		r.nonEmpty("webhook", "secret", h.Secret)
	}
}

func (r *reader) nonEmpty(part, field, value string) {
	if strings.TrimSpace(value) == "" || strings.ContainsAny(value, "\n\x00") || part != "webhook" && strings.ContainsAny(value, "/ ?#%") {
		r.bad("spec.scaling.target."+part+"."+field, "is missing or not a name")
	}
}

// most returns the bounds of what may change from the replicas at the begin of the span, as Kubernetes has it.
func (s Step) most(base int, up bool) int {
	if up {
		return max(base+s.Replicas, int(math.Ceil(float64(base)*(1+s.Share)-1e-9)))
	}
	return max(0, min(base-s.Replicas, int(math.Floor(float64(base)*(1-s.Share)+1e-9))))
}
