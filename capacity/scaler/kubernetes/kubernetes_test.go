package kubernetes_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/capacity/scaler"
	"github.com/nines-sre/nines/capacity/scaler/kubernetes"
	"github.com/nines-sre/nines/internal/fault"
)

var at = autoscale.KubernetesTarget{Namespace: "shop", Kind: "Deployment", Name: "web"}

func wish(from, to int) scaler.Wish {
	return scaler.Wish{Key: "k", Workload: "shop", From: from, Replicas: to}
}

func TestReplicasAreSetThroughTheScaleSubresource(t *testing.T) {
	t.Parallel()
	c, d := newCluster(t, 4)
	c.keda = false // the cluster does not know ScaledObjects
	if s, err := d.Current(t.Context(), at); err != nil || s != (scaler.State{Replicas: 4, Ready: 4}) {
		t.Fatalf("%+v, %v", s, err)
	}
	done, err := d.Scale(t.Context(), at, wish(4, 7))
	if err != nil || done.Before != 4 || done.After != 7 {
		t.Fatalf("%+v, %v", done, err)
	}
	sent := c.sent()
	if len(sent) != 1 || !strings.HasPrefix(sent[0], web+"/scale?fieldManager=nines") || !strings.Contains(sent[0], `{"metadata":{"resourceVersion":"1"},"spec":{"replicas":7}}`) {
		t.Errorf("sent %q", sent)
	}
	if again, err := d.Scale(t.Context(), at, wish(4, 7)); err != nil || again.Before != 7 || len(c.sent()) != 1 {
		t.Errorf("the same wish again: %+v, %v, %q", again, err, c.sent())
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	t.Parallel()
	c, d := newCluster(t, 4)
	w := wish(4, 7)
	w.DryRun = true
	done, err := d.Scale(t.Context(), at, w)
	if err != nil || done.After != 7 || !done.DryRun || !strings.Contains(c.sent()[0], "dryRun=All") {
		t.Errorf("%+v, %v, %q", done, err, c.sent())
	}
	if s, _ := d.Current(t.Context(), at); s.Replicas != 4 {
		t.Errorf("it has %d", s.Replicas)
	}
}

func TestAConflictIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	c, d := newCluster(t, 4)
	others := 2
	c.before = func() { // the status changes, and with it the version
		if others--; others >= 0 {
			c.store(web, c.objects[web])
		}
	}
	if done, err := d.Scale(t.Context(), at, wish(4, 7)); err != nil || done.After != 7 || len(c.sent()) != 3 {
		t.Errorf("%+v, %v, %d patches", done, err, len(c.sent()))
	}
	c.before = func() { // somebody else scales meanwhile
		o := merge(c.objects[web], object{"spec": object{"replicas": 20}})
		c.store(web, o)
		c.before = nil
	}
	if _, err := d.Scale(t.Context(), at, wish(7, 9)); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "has 20 replicas, and the decision saw 7") {
		t.Errorf("against another's change: %v", err)
	}
	c.before = func() { c.store(web, c.objects[web]) }
	if _, err := d.Scale(t.Context(), at, wish(20, 9)); !fault.Is(err, fault.Conflict) {
		t.Errorf("without end: %v", err)
	}
	if s, _ := d.Current(t.Context(), at); s.Replicas != 20 {
		t.Errorf("it has %d", s.Replicas)
	}
}

func TestWithAnAutoscalerOnlyItsFloorMoves(t *testing.T) {
	t.Parallel()
	c, d := newCluster(t, 4)
	c.hpa(2, 10, nil)
	s, err := d.Current(t.Context(), at)
	if err != nil || s.Min != 2 || s.Max != 10 || s.Through != "the HorizontalPodAutoscaler web" {
		t.Fatalf("%+v, %v", s, err)
	}
	for _, step := range []struct {
		want, floor int
		kept        string // the original floor, in the annotation
		patches     int    // so far
	}{{7, 7, "2", 1}, {7, 7, "2", 1}, {9, 9, "2", 2}, {50, 10, "2", 3}, {5, 5, "2", 4}, {1, 2, "", 5}, {1, 2, "", 5}, {2, 2, "", 5}} {
		done, err := d.Scale(t.Context(), at, wish(4, step.want))
		if err != nil || done.After != step.floor {
			t.Fatalf("%+v: %+v, %v", step, done, err)
		}
		o := c.get(hpas + "/web")
		kept := ""
		if a, ok := meta(o)["annotations"].(object); ok && a[kubernetes.OriginalFloor] != nil {
			kept = a[kubernetes.OriginalFloor].(string)
		}
		if fmt.Sprint(spec(o)["minReplicas"]) != fmt.Sprint(step.floor) || kept != step.kept || len(c.sent()) != step.patches {
			t.Errorf("%+v: the autoscaler has %v, kept %q, after %d patches", step, spec(o), kept, len(c.sent()))
		}
	}
	for _, sent := range c.sent() {
		if strings.Contains(sent, web) {
			t.Errorf("the replicas themselves were touched: %s", sent)
		}
	}
}

func TestAnAutoscalerOfSomethingElseIsNoReason(t *testing.T) {
	t.Parallel()
	c, d := newCluster(t, 4)
	c.put(hpas+"/db", object{"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": object{"name": "db", "namespace": "shop"},
		"spec": object{"scaleTargetRef": object{"kind": "StatefulSet", "name": "web"}, "maxReplicas": 10}})
	if done, err := d.Scale(t.Context(), at, wish(4, 5)); err != nil || done.What != "replicas of Deployment shop/web" {
		t.Errorf("%+v, %v", done, err)
	}
}

func TestKEDAIsNotFought(t *testing.T) {
	t.Parallel()
	object1 := object{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": object{"name": "web-so", "namespace": "shop"},
		"spec": object{"scaleTargetRef": object{"name": "web"}}} // the kind is a Deployment where it is left out
	for name, prepare := range map[string]func(*cluster){
		"by its own object": func(c *cluster) { c.put(scaleds+"/web-so", object1) },
		"by its autoscaler": func(c *cluster) { c.hpa(2, 10, object{"scaledobject.keda.sh/name": "web-so"}) },
	} {
		c, d := newCluster(t, 4)
		prepare(c)
		_, err := d.Scale(t.Context(), at, wish(4, 5))
		if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "by the ScaledObject web-so; make the workload's target keda") || len(c.sent()) > 0 {
			t.Errorf("%s: %v, sent %q", name, err, c.sent())
		}
	}
}

func TestWhatIsPausedIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path, key, value string
		replicas         int
		paused           bool
	}{
		"the target":               {web, kubernetes.Paused, "true", 4, true},
		"the target, no more":      {web, kubernetes.Paused, "false", 4, false},
		"its autoscaler":           {hpas + "/web", kubernetes.Paused, "true", 4, true},
		"a target that is at zero": {"", "", "", 0, true},
	} {
		k, d := newCluster(t, c.replicas)
		k.hpa(2, 10, nil)
		if c.path != "" {
			k.annotate(c.path, c.key, c.value)
		}
		s, err := d.Current(t.Context(), at)
		if err != nil || (s.Paused != "") != c.paused {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		if _, err := d.Scale(t.Context(), at, wish(c.replicas, 8)); fault.Is(err, fault.Conflict) != c.paused || c.paused == (len(k.sent()) > 0) {
			t.Errorf("%s: %v, sent %q", name, err, k.sent())
		}
	}
}

func TestWhatTheClusterRefusesIsSaid(t *testing.T) {
	t.Parallel()
	for forbidden, want := range map[string]string{
		"deployments/web/scale":    "the cluster does not let us read the scale of Deployment shop/web",
		"horizontalpodautoscalers": "the cluster does not let us list the HorizontalPodAutoscalers of shop",
		"scaledobjects":            "the cluster does not let us list the ScaledObjects of shop",
	} {
		c, d := newCluster(t, 4)
		c.forbid = forbidden
		if _, err := d.Scale(t.Context(), at, wish(4, 5)); !fault.Is(err, fault.Forbidden) || !strings.Contains(err.Error(), want) || !strings.Contains(fault.Public(err).Message, `User "nines" cannot do that`) || len(c.sent()) > 0 {
			t.Errorf("%s: %v", forbidden, err)
		}
	}
	_, d := newCluster(t, 4)
	gone := at
	gone.Name = "gone"
	if _, err := d.Current(t.Context(), gone); !fault.Is(err, fault.NotFound) {
		t.Errorf("what is not there: %v", err)
	}
}
