package simulate

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

const printedHPA = `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: shop
  namespace: prod
  resourceVersion: "181"
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}
  minReplicas: 3
  maxReplicas: 60
  metrics:
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: 65}}
  - type: External
    external: {metric: {name: queue}, target: {type: AverageValue, averageValue: "30"}}
  behavior:
    scaleUp:
      stabilizationWindowSeconds: 60
      selectPolicy: Min
      tolerance: 0.05
      policies:
      - {type: Pods, value: 8, periodSeconds: 60}
      - {type: Percent, value: 50, periodSeconds: 30}
    scaleDown: {selectPolicy: Disabled}
status: {currentReplicas: 4}
`

func TestAnHPAIsReadAsKubectlPrintsIt(t *testing.T) {
	t.Parallel()
	got, notes, err := ReadHPA(manifest.File{Name: "hpa.yaml", Text: printedHPA})
	if err != nil {
		t.Fatal(err)
	}
	want := HPA{
		Target: 0.65, Metric: Utilization, Min: 3, Max: 60,
		ScaleUp: Behavior{Tolerance: 0.05, Stabilization: time.Minute, Select: MinChange,
			Policies: []ScalingPolicy{{Pods: 8, Period: time.Minute}, {Percent: 50, Period: 30 * time.Second}}},
		ScaleDown: Behavior{Tolerance: 0.1, Stabilization: 5 * time.Minute, Select: Disabled, Policies: []ScalingPolicy{{Percent: 100, Period: 15 * time.Second}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], "External is not replayed") {
		t.Errorf("notes %q", notes)
	}
	bare, notes, err := ReadHPA(manifest.File{Name: "hpa.yaml", Text: "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\nspec: {maxReplicas: 9}\n"})
	if diff := cmp.Diff(DefaultHPA(0.8, 1, 9), bare); diff != "" || err != nil || notes != nil {
		t.Errorf("what is left out has not Kubernetes' defaults: %s %v %v", diff, err, notes)
	}
}

func TestWhatIsWrongInAnHPAIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	change := func(from, to string) string {
		if !strings.Contains(printedHPA, from) {
			t.Fatalf("the example has no %q", from)
		}
		return strings.Replace(printedHPA, from, to, 1)
	}
	for name, c := range map[string]struct{ text, want string }{
		"another kind":        {change("kind: HorizontalPodAutoscaler", "kind: Deployment"), "holds no HorizontalPodAutoscaler"},
		"an old version":      {change("autoscaling/v2", "autoscaling/v1"), "hpa.yaml:1: apiVersion: is autoscaling/v1"},
		"bounds":              {change("minReplicas: 3", "minReplicas: 300"), "hpa.yaml:10: spec.maxReplicas"},
		"a misspelt field":    {change("stabilizationWindowSeconds: 60", "stabilisationWindowSeconds: 60"), "hpa.yaml:18: scaleUp.stabilisationWindowSeconds"},
		"too long":            {change("stabilizationWindowSeconds: 60", "stabilizationWindowSeconds: 4000"), "hpa.yaml:18: spec.behavior.scaleUp.stabilizationWindowSeconds: must be from 0 to 3600"},
		"no such select":      {change("selectPolicy: Min", "selectPolicy: Most"), `hpa.yaml:19: spec.behavior.scaleUp.selectPolicy: is "Most"`},
		"no such type":        {change("type: Pods, value: 8", "type: Nodes, value: 8"), `hpa.yaml:22: spec.behavior.scaleUp.policies.0.type: is "Nodes"`},
		"no period":           {change("value: 50, periodSeconds: 30", "value: 50"), "hpa.yaml:23: spec.behavior.scaleUp.policies.1: must have a value above 0 and periodSeconds"},
		"a negative bearance": {change("tolerance: 0.05", "tolerance: -1"), "hpa.yaml:20: spec.behavior.scaleUp.tolerance"},
		"text for a number":   {change("maxReplicas: 60", "maxReplicas: many"), "hpa.yaml:7: spec: cannot be read"},
		"a target of nothing": {change("averageUtilization: 65", "averageUtilization: 0"), "spec.metrics: have a target of 0 %"},
		"no spec":             {"apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\n", "spec: is missing"},
	} {
		if _, _, err := ReadHPA(manifest.File{Name: "hpa.yaml", Text: c.text}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReadHPAKeepsItsBounds(f *testing.F) {
	f.Add(printedHPA)
	f.Add("apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nspec: {maxReplicas: 2, behavior: {scaleUp: {policies: [{type: Pods, value: 1, periodSeconds: 1}]}}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		h, _, err := ReadHPA(manifest.File{Name: "f.yaml", Text: text})
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("trouble is not called invalid: %v", err)
			}
			return
		}
		if h.Min < 1 || h.Max < h.Min || !(h.Target > 0) || h.ScaleUp.Tolerance < 0 {
			t.Fatalf("%+v", h)
		}
		a, n := NewAutoscaler(h), h.Min
		for i, wanted := range []int{h.Max + 5, 0, h.Min + 1, h.Max, 0, 0} {
			if n = a.Scale(seconds(600*i), n, wanted); n < h.Min || n > h.Max {
				t.Fatalf("%d replicas are outside of %d to %d", n, h.Min, h.Max)
			}
		}
	})
}
