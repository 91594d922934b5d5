package slo

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/prometheus/prometheus/model/rulefmt"
	"gopkg.in/yaml.v3"
)

// awkward is an SLO with everything that is hard to quote.
func awkward(name string) SLO {
	return SLO{
		ID: "shop-" + name, Service: "shop", Name: name, Objective: 99.9,
		SLI:      SLI{ErrorQuery: `e_total{job="a",path=~"/x\\d+"}`, TotalQuery: `t_total{job="a"}`},
		Alerting: Alerting{Annotations: map[string]string{"summary": "it's \"down\"\n\n  {{ $value }}: #1"}},
	}
}

func TestAPrometheusRuleHoldsTheSameGroups(t *testing.T) {
	t.Parallel()
	slos := []SLO{awkward("a"), awkward("b")}
	meta := ObjectMeta{Name: "shop.rules", Namespace: "monitoring", Labels: map[string]string{"release": "yes"}, Annotations: map[string]string{"a/b": "c: d"}}
	var object, plainText bytes.Buffer
	if err := errors.Join(WritePrometheusRule(&object, meta, slos, RuleOptions{}), WriteRules(&plainText, slos, RuleOptions{})); err != nil {
		t.Fatal(err)
	}
	var got struct {
		APIVersion string     `yaml:"apiVersion"`
		Kind       string     `yaml:"kind"`
		Metadata   ObjectMeta `yaml:"metadata"`
		Spec       yaml.Node  `yaml:"spec"`
	}
	dec := yaml.NewDecoder(&object)
	dec.KnownFields(true)
	if err := dec.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.APIVersion != "monitoring.coreos.com/v1" || got.Kind != "PrometheusRule" || !reflect.DeepEqual(got.Metadata, meta) {
		t.Errorf("the object is %+v", got)
	}
	spec, err := yaml.Marshal(&got.Spec)
	if err != nil {
		t.Fatal(err)
	}
	inside, errs := rulefmt.Parse(spec, false)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	want, errs := rulefmt.Parse(plainText.Bytes(), false)
	if len(errs) > 0 || len(want.Groups) != 8 || !reflect.DeepEqual(inside.Groups, want.Groups) {
		t.Errorf("the groups differ (%v): %d and %d", errs, len(inside.Groups), len(want.Groups))
	}
}

func TestAPrometheusRuleIsWrittenInPiecesAlike(t *testing.T) {
	t.Parallel()
	const text = "a:\n  b: |\n\n    x\n\nc: d"
	for size := 1; size <= len(text); size++ {
		var out bytes.Buffer
		w := &indented{to: &out, start: true}
		for rest := text; rest != ""; rest = rest[min(size, len(rest)):] {
			if n, err := w.Write([]byte(rest[:min(size, len(rest))])); err != nil || n != min(size, len(rest)) {
				t.Fatal(n, err)
			}
		}
		if got := out.String(); got != "  a:\n    b: |\n\n      x\n\n  c: d" {
			t.Errorf("in pieces of %d: %q", size, got)
		}
	}
}

func TestObjectMetaIsTakenOverButForOneObjectsOwn(t *testing.T) {
	t.Parallel()
	m, problems := ReadObjectMeta(document(t, "apiVersion: sloth.slok.dev/v1\nmetadata:\n  name: shop\n  namespace: m\n  uid: x\n  labels: {a: b}\n  annotations: {c: d, kubectl.kubernetes.io/last-applied-configuration: '{}'}\n"))
	want := ObjectMeta{Name: "shop", Namespace: "m", Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"c": "d"}}
	if len(problems) > 0 || !reflect.DeepEqual(m, want) {
		t.Errorf("%+v %v", m, problems)
	}
	for metadata, field := range map[string]string{"{}": "f.yaml:2: metadata.name: is missing", "{name: Shop_1}": "f.yaml:2: metadata.name: \"Shop_1\"", "{name: a, namespace: a.b}": "metadata.namespace", "{name: a, labels: [b]}": "metadata: cannot be read"} {
		_, problems := ReadObjectMeta(document(t, "apiVersion: sloth.slok.dev/v1\nmetadata: "+metadata+"\n"))
		if len(problems) != 1 || !strings.Contains(problems[0].String(), field) {
			t.Errorf("%s: %v", metadata, problems)
		}
	}
	if err := WritePrometheusRule(&bytes.Buffer{}, ObjectMeta{Name: "A"}, nil, RuleOptions{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("an object named A: %v", err)
	}
}

func TestRulesOfOneKindAreLeftOut(t *testing.T) {
	t.Parallel()
	count := func(o RuleOptions) (groups, records, alerts int) {
		rg, err := awkward("a").RulesWith(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range rg.Groups {
			if len(g.Rules) == 0 {
				t.Errorf("%+v: group %s is empty", o, g.Name)
			}
			for _, r := range g.Rules {
				if r.Alert != "" {
					alerts++
				} else {
					records++
				}
			}
		}
		return len(rg.Groups), records, alerts
	}
	groups, records, alerts := count(RuleOptions{})
	if g, r, a := count(RuleOptions{NoAlerts: true}); g != groups-1 || r != records || a != 0 {
		t.Errorf("without alerts: %d groups, %d records, %d alerts", g, r, a)
	}
	if g, r, a := count(RuleOptions{NoRecordings: true}); g != 2 || r != 0 || a != alerts || a == 0 {
		t.Errorf("without recordings: %d groups, %d records, %d alerts", g, r, a)
	}
	if g, _, _ := count(RuleOptions{NoRecordings: true, NoAlerts: true}); g != 0 {
		t.Errorf("without either: %d groups", g)
	}
}

func TestExtraLabelsAreCheckedAndWin(t *testing.T) {
	t.Parallel()
	s := awkward("a")
	s.Labels, s.GroupBy = map[string]string{"team": "x", "tier": "1"}, []string{"tenant"}
	got, err := s.WithLabels(map[string]string{"team": "y", "env": "prod"})
	if err != nil || !reflect.DeepEqual(got.Labels, map[string]string{"team": "y", "tier": "1", "env": "prod"}) || s.Labels["team"] != "x" {
		t.Errorf("%v %v, before %v", got.Labels, err, s.Labels)
	}
	for _, name := range []string{"a-b", "sloth_id", "alertname", "tenant", ""} {
		if _, err := s.WithLabels(map[string]string{name: "x"}); !fault.Is(err, fault.Invalid) {
			t.Errorf("label %q: %v", name, err)
		}
	}
}
