// Package autoscale recommends how many replicas a workload should have, from its load now, its forecast and what one
// replica can take, and says why. It leaves out measuring the load, and acting on the recommendation.
package autoscale

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/internal/promguard"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v3"
)

// Kind is the kind of documents that ReadWorkload reads.
const Kind = "Workload"

// Workload is something whose number of replicas follows its load.
type Workload struct {
	Name       string            `json:"name"`       // metadata.name
	Service    string            `json:"service"`    //
	Load       string            `json:"load"`       // PromQL of the whole load, never of utilisation, which replicas change
	Replicas   string            `json:"replicas"`   // PromQL of the replicas there are
	PerReplica float64           `json:"perReplica"` // load that one replica can take
	Unit       string            `json:"unit"`       // of the load, for people, such as "req/s"
	Min        int               `json:"min"`
	Max        int               `json:"max"`
	Horizon    manifest.Duration `json:"horizon"`   // how far ahead to look: at least what a new replica needs to start
	History    manifest.Duration `json:"history"`   // how much of the past the forecast rests on
	Headroom   float64           `json:"headroom"`  // share kept free on top of the demand, 0.2 is a fifth
	Tolerance  float64           `json:"tolerance"` // share by which need may differ from what there is before anything changes
	Level      float64           `json:"level"`     // of the forecast's interval, whose upper bound counts
	Scaling    *Scaling          `json:"scaling,omitempty"`
}

// Defaults of a definition.
const (
	DefaultHorizon   = 15 * time.Minute
	DefaultHistory   = 24 * time.Hour
	DefaultHeadroom  = 0.2
	DefaultTolerance = 0.1 // as Kubernetes' horizontal pod autoscaler
	DefaultLevel     = 0.9
	DefaultUnit      = "load"
)

// Recent is the span whose highest load counts as the load now, so that a short dip takes nothing away.
const Recent = 5 * time.Minute

// maxReplicas bounds what a definition may ask for.
const maxReplicas = 100_000

// steps are the distances that a history may be read at, so that every season is a whole number of them.
var steps = []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}

// Step returns the distance at which to read the history: the shortest that gives at most a week of five minutes.
func (w Workload) Step() time.Duration {
	for _, s := range steps {
		if w.History.Std()/s <= 2016 {
			return s
		}
	}
	return steps[len(steps)-1]
}

// RecentLoad returns the PromQL of the highest load of the recent past, which is what Recommend wants.
func (w Workload) RecentLoad() string {
	return fmt.Sprintf("max_over_time((\n%s\n)[%s:%s])", w.Load, model.Duration(Recent), model.Duration(15*time.Second))
}

type workloadSpec struct {
	Service    string            `yaml:"service"`
	Load       string            `yaml:"load"`
	Replicas   string            `yaml:"replicas"`
	PerReplica *float64          `yaml:"perReplica"`
	Unit       string            `yaml:"unit"`
	Min        *int              `yaml:"min"`
	Max        *int              `yaml:"max"`
	Horizon    manifest.Duration `yaml:"horizon"`
	History    manifest.Duration `yaml:"history"`
	Headroom   *share            `yaml:"headroom"`
	Tolerance  *share            `yaml:"tolerance"`
	Level      *float64          `yaml:"level"`
	Scaling    *scalingSpec      `yaml:"scaling"`
}

// share is a fraction, written 20% or 0.2.
type share float64

// UnmarshalYAML reads either form.
func (s *share) UnmarshalYAML(n *yaml.Node) error {
	text, percent := strings.CutSuffix(n.Value, "%")
	x, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if n.Kind != yaml.ScalarNode || err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %q is not a share; write 20%% or 0.2", n.Line, clip(n.Value))}}
	}
	if percent {
		x /= 100
	}
	*s = share(x)
	return nil
}

// ReadWorkload reads a Workload document and names every problem in it with its line. Whether the service exists is
// checked where all definitions are known.
func ReadWorkload(d manifest.Document) (Workload, manifest.Problems) {
	var spec workloadSpec
	r := reader{doc: d, problems: d.DecodeSpec(&spec)}
	w := Workload{
		Name: d.Metadata.Name, Service: spec.Service, Load: strings.TrimSpace(spec.Load), Replicas: strings.TrimSpace(spec.Replicas),
		PerReplica: or(spec.PerReplica, 0), Unit: strings.TrimSpace(spec.Unit), Min: or(spec.Min, 1), Max: or(spec.Max, 0),
		Horizon: spec.Horizon, History: spec.History, Level: or(spec.Level, DefaultLevel),
		Headroom: float64(or(spec.Headroom, DefaultHeadroom)), Tolerance: float64(or(spec.Tolerance, DefaultTolerance)),
	}
	if w.Horizon == 0 {
		w.Horizon = manifest.Duration(DefaultHorizon)
	}
	if w.History == 0 {
		w.History = manifest.Duration(max(DefaultHistory, 2*w.Horizon.Std()))
	}
	if w.Unit == "" {
		w.Unit = DefaultUnit
	}
	r.queries(w)
	r.counts(w, spec)
	r.spans(w)
	r.shares(w)
	w.Scaling = r.scaling(w, spec.Scaling)
	return w, r.problems
}

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// reader collects the problems of one document.
type reader struct {
	doc      manifest.Document
	problems manifest.Problems
}

func (r *reader) bad(path, format string, args ...any) {
	r.problems = append(r.problems, r.doc.Problem(path, format, args...))
}

func (r *reader) queries(w Workload) {
	if w.Service == "" {
		r.bad("spec.service", "is missing; write the name of a Service")
	}
	r.query("spec.load", w.Load, `sum(rate(http_requests_total{job="shop"}[1m]))`)
	r.query("spec.replicas", w.Replicas, `count(up{job="shop"} == 1)`)
	if n := utf8.RuneCountInString(w.Unit); n > 20 {
		r.bad("spec.unit", "has %d characters; the most is 20", n)
	}
}

func (r *reader) query(path, text, example string) {
	if text == "" {
		r.bad(path, "is missing; write PromQL, such as %s", example)
		return
	}
	expr, err := promguard.Parse(text)
	if err != nil {
		shown := fault.Public(err)
		message := shown.Message
		if len(shown.Details) > 0 {
			message = "is not PromQL: " + shown.Details[0].Message
		}
		r.bad(path, "%s", message)
		return
	}
	if t := expr.Type(); t != parser.ValueTypeVector {
		r.bad(path, "is a %s; it must be an instant vector, such as %s", parser.DocumentedType(t), example)
	}
}

func (r *reader) counts(w Workload, spec workloadSpec) {
	switch {
	case spec.PerReplica == nil:
		r.bad("spec.perReplica", "is missing; write the load that one replica can take")
	case !(w.PerReplica > 0) || math.IsInf(w.PerReplica, 0):
		r.bad("spec.perReplica", "%v is not positive; write the load that one replica can take", w.PerReplica)
	}
	if w.Min < 1 || w.Min > maxReplicas {
		r.bad("spec.min", "is %d; write 1 to %d", w.Min, maxReplicas)
	}
	switch {
	case spec.Max == nil:
		r.bad("spec.max", "is missing; write the most replicas you would pay for")
	case w.Max < w.Min:
		r.bad("spec.max", "is %d, which is below min (%d)", w.Max, w.Min)
	case w.Max > maxReplicas:
		r.bad("spec.max", "is %d; the most is %d", w.Max, maxReplicas)
	}
}

func (r *reader) spans(w Workload) {
	if h := w.Horizon.Std(); h < time.Minute || h > 24*time.Hour {
		r.bad("spec.horizon", "is %s; write 1m to 1d", w.Horizon)
	}
	switch h := w.History.Std(); {
	case h > 60*24*time.Hour:
		r.bad("spec.history", "is %s; the most is 60d", w.History)
	case h < 2*w.Horizon.Std():
		r.bad("spec.history", "is %s; it must be at least twice the horizon (%s)", w.History, w.Horizon)
	}
}

func (r *reader) shares(w Workload) {
	if w.Headroom < 0 || w.Headroom > 5 {
		r.bad("spec.headroom", "%v is not between 0 and 5; write 20%% or 0.2 for a fifth", w.Headroom)
	}
	if w.Tolerance < 0 || w.Tolerance > 0.5 {
		r.bad("spec.tolerance", "%v is not between 0 and 0.5; write 10%% or 0.1 for a tenth", w.Tolerance)
	}
	if !(w.Level >= 0.5 && w.Level < 1) {
		r.bad("spec.level", "%v is not between 0.5 and 1; write 0.9 to be below the bound nineteen times of twenty", w.Level)
	}
}

func clip(s string) string {
	if len(s) <= 80 {
		return s
	}
	return strings.ToValidUTF8(s[:80], "") + "..."
}
