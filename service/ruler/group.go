package ruler

import (
	"bytes"
	"maps"
	"strings"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v3"
)

// group is a rule group on the wire. A group's limit is left out: neither ruler keeps it, they have limits of each tenant
// instead.
type group struct {
	Name     string         `yaml:"name"`
	Interval model.Duration `yaml:"interval,omitempty"`
	Rules    []rule         `yaml:"rules"`
}

type rule struct {
	Record        string            `yaml:"record,omitempty"`
	Alert         string            `yaml:"alert,omitempty"`
	Expr          string            `yaml:"expr"`
	For           model.Duration    `yaml:"for,omitempty"`
	KeepFiringFor model.Duration    `yaml:"keep_firing_for,omitempty"`
	Labels        map[string]string `yaml:"labels,omitempty"`
	Annotations   map[string]string `yaml:"annotations,omitempty"`
}

func groupOf(g slo.RuleGroup) group {
	out := group{Name: g.Name, Interval: model.Duration(g.Interval)}
	for _, r := range g.Rules {
		out.Rules = append(out.Rules, rule{
			Record: r.Record, Alert: r.Alert, Expr: r.Expr, For: model.Duration(r.For), KeepFiringFor: model.Duration(r.KeepFiringFor),
			Labels: r.Labels, Annotations: r.Annotations,
		})
	}
	return out
}

func (g group) encode() ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(g); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "write the rule group %s", g.Name)
	}
	return b.Bytes(), nil
}

// decodeGroups reads a ruler's listing: the groups of each namespace.
func decodeGroups(text []byte) (map[string][]group, error) {
	var out map[string][]group
	if err := yaml.Unmarshal(text, &out); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "the ruler's list of rule groups cannot be read; is this a ruler's URL?")
	}
	return out, nil
}

// same reports whether both do the same, however they are written.
func (g group) same(o group) bool {
	if g.Name != o.Name || g.Interval != o.Interval || len(g.Rules) != len(o.Rules) {
		return false
	}
	for i, r := range g.Rules {
		if !r.same(o.Rules[i]) {
			return false
		}
	}
	return true
}

func (r rule) same(o rule) bool {
	return r.Record == o.Record && r.Alert == o.Alert && r.For == o.For && r.KeepFiringFor == o.KeepFiringFor &&
		maps.Equal(r.Labels, o.Labels) && maps.Equal(r.Annotations, o.Annotations) && samePromQL(r.Expr, o.Expr)
}

func samePromQL(a, b string) bool {
	if strings.TrimSpace(a) == strings.TrimSpace(b) {
		return true
	}
	x, err := parser.ParseExpr(a)
	if err != nil {
		return false
	}
	y, err := parser.ParseExpr(b)
	return err == nil && x.String() == y.String()
}
