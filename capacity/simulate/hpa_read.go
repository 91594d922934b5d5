package simulate

import (
	"fmt"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// hpaSpec is what of a HorizontalPodAutoscaler's spec counts in a replay.
type hpaSpec struct {
	MinReplicas *int `yaml:"minReplicas"`
	MaxReplicas int  `yaml:"maxReplicas"`
	Metrics     []struct {
		Type     string         `yaml:"type"`
		Resource metricResource `yaml:"resource"`
	} `yaml:"metrics"`
}

type metricResource struct {
	Name   string `yaml:"name"`
	Target struct {
		AverageUtilization *int `yaml:"averageUtilization"`
	} `yaml:"target"`
}

type behaviorSpec struct {
	ScaleUp   rulesSpec `yaml:"scaleUp"`
	ScaleDown rulesSpec `yaml:"scaleDown"`
}

type rulesSpec struct {
	StabilizationWindowSeconds *int         `yaml:"stabilizationWindowSeconds"`
	SelectPolicy               SelectPolicy `yaml:"selectPolicy"`
	Tolerance                  *float64     `yaml:"tolerance"`
	Policies                   []struct {
		Type          string `yaml:"type"`
		Value         int    `yaml:"value"`
		PeriodSeconds int    `yaml:"periodSeconds"`
	} `yaml:"policies"`
}

// ReadHPA reads a HorizontalPodAutoscaler of autoscaling/v2, as `kubectl get hpa NAME -o yaml` prints it: bounds,
// behaviour, and the target of its first resource metric with an average utilisation. What it leaves out has Kubernetes'
// defaults, a target of 80 % among them. Notes say what of it a replay does not follow, such as further metrics.
//
// Trouble is a fault.Invalid that names the lines.
func ReadHPA(f manifest.File) (HPA, []string, error) {
	docs, problems := manifest.Read(f)
	if err := problems.Err(); err != nil {
		return HPA{}, nil, err
	}
	for _, d := range docs {
		if d.Kind == "HorizontalPodAutoscaler" {
			r := hpaReader{doc: d, HPA: DefaultHPA(0.8, 1, 1)}
			r.read()
			return r.HPA, r.notes, r.problems.Err()
		}
	}
	return HPA{}, nil, fault.New(fault.Invalid, "%s holds no HorizontalPodAutoscaler", f.Name)
}

type hpaReader struct {
	HPA
	doc      manifest.Document
	notes    []string
	problems manifest.Problems
}

func (r *hpaReader) refuse(path, format string, args ...any) {
	r.problems = append(r.problems, r.doc.Problem(path, format, args...))
}

func (r *hpaReader) read() {
	if r.doc.APIVersion != "autoscaling/v2" {
		r.refuse("apiVersion", "is %s; write it as autoscaling/v2, which kubectl prints for any HPA", r.doc.APIVersion)
		return
	}
	var spec hpaSpec
	node := r.doc.Node("spec")
	if node == nil {
		r.refuse("spec", "is missing")
		return
	}
	if err := node.Decode(&spec); err != nil {
		r.refuse("spec", "cannot be read: %s", err)
		return
	}
	r.Max = spec.MaxReplicas
	if spec.MinReplicas != nil {
		r.Min = *spec.MinReplicas
	}
	if r.Min < 1 || r.Max < r.Min {
		r.refuse("spec.maxReplicas", "and minReplicas must be 1 <= minReplicas <= maxReplicas, and are %d and %d", r.Max, r.Min)
	}
	r.metrics(spec)
	r.behavior()
}

func (r *hpaReader) metrics(spec hpaSpec) {
	found := false
	for _, m := range spec.Metrics {
		share := m.Resource.Target.AverageUtilization
		switch {
		case found || share == nil:
			r.notes = append(r.notes, fmt.Sprintf("The HPA's metric of type %s is not replayed; the replay has one load.", m.Type))
		case *share < 1:
			r.refuse("spec.metrics", "have a target of %d %%", *share)
		default:
			found, r.Target = true, float64(*share)/100
		}
	}
}

func (r *hpaReader) behavior() {
	node := r.doc.Node("spec.behavior")
	if node == nil {
		return
	}
	var spec behaviorSpec
	part := manifest.Document{File: r.doc.File, Line: node.Line, Root: node}
	if problems := part.Decode(&spec); len(problems) > 0 {
		r.problems = append(r.problems, problems...)
		return
	}
	r.rules("spec.behavior.scaleUp", spec.ScaleUp, &r.ScaleUp)
	r.rules("spec.behavior.scaleDown", spec.ScaleDown, &r.ScaleDown)
}

// rules overwrites the defaults with what is written. The bounds are those that Kubernetes checks.
func (r *hpaReader) rules(path string, s rulesSpec, into *Behavior) {
	if s.StabilizationWindowSeconds != nil {
		if *s.StabilizationWindowSeconds < 0 || *s.StabilizationWindowSeconds > 3600 {
			r.refuse(path+".stabilizationWindowSeconds", "must be from 0 to 3600")
		}
		into.Stabilization = time.Duration(*s.StabilizationWindowSeconds) * time.Second
	}
	if s.Tolerance != nil {
		if !(*s.Tolerance >= 0) {
			r.refuse(path+".tolerance", "must not be negative")
		}
		into.Tolerance = *s.Tolerance
	}
	switch s.SelectPolicy {
	case MaxChange, MinChange, Disabled:
		into.Select = s.SelectPolicy
	case "":
	default:
		r.refuse(path+".selectPolicy", "is %q; write Max, Min or Disabled", s.SelectPolicy)
	}
	if s.Policies == nil {
		return
	}
	into.Policies = nil
	for i, p := range s.Policies {
		at := fmt.Sprintf("%s.policies.%d", path, i)
		if p.Value < 1 || p.PeriodSeconds < 1 || p.PeriodSeconds > 1800 {
			r.refuse(at, "must have a value above 0 and periodSeconds from 1 to 1800")
		}
		policy := ScalingPolicy{Period: time.Duration(p.PeriodSeconds) * time.Second}
		switch p.Type {
		case "Pods":
			policy.Pods = p.Value
		case "Percent":
			policy.Percent = p.Value
		default:
			r.refuse(at+".type", "is %q; write Pods or Percent", p.Type)
		}
		into.Policies = append(into.Policies, policy)
	}
}
