// Package kubernetes scales what has a scale subresource, and never against an autoscaler: where a HorizontalPodAutoscaler has
// the target, only its floor is raised and lowered again, and where KEDA has it, nothing is changed. It leaves out deciding
// how many replicas there should be.
package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/capacity/scaler"
	"github.com/nines-sre/nines/internal/fault"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Annotations.
const (
	// Paused on the target or its autoscaler, with the value true, leaves it alone.
	Paused = "capacity.nines/paused"
	// OriginalFloor on an autoscaler keeps its minReplicas from before it was raised.
	OriginalFloor = "capacity.nines/original-min-replicas"

	kedaPaused         = "autoscaling.keda.sh/paused"
	kedaPausedReplicas = "autoscaling.keda.sh/paused-replicas"
	kedaName           = "scaledobject.keda.sh/name" // a label that KEDA puts on its autoscalers
)

// fieldManager is who Kubernetes has on record for the fields that we write.
const fieldManager = "nines"

const (
	timeout = 15 * time.Second // of one question
	tries   = 4                // of one change, where others change the object meanwhile
)

var (
	autoscalers   = schema.GroupVersionResource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}
	scaledObjects = schema.GroupVersionResource{Group: "keda.sh", Version: "v1alpha1", Resource: "scaledobjects"}
	resources     = map[string]schema.GroupVersionResource{
		"Deployment":  {Group: "apps", Version: "v1", Resource: "deployments"},
		"StatefulSet": {Group: "apps", Version: "v1", Resource: "statefulsets"},
		"ReplicaSet":  {Group: "apps", Version: "v1", Resource: "replicasets"},
	}
)

// Driver scales targets of one cluster. It is safe for concurrent use.
type Driver struct{ client dynamic.Interface }

// New returns a driver for the cluster that the configuration reaches.
func New(config *rest.Config) (*Driver, error) {
	c := rest.CopyConfig(config)
	c.Timeout, c.UserAgent, c.QPS, c.Burst = timeout, "nines", 50, 100
	client, err := dynamic.NewForConfig(c)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the configuration of the Kubernetes cluster has problems")
	}
	return &Driver{client}, nil
}

// Connect returns a driver for the cluster of a kubeconfig file, or with "" for the one that we run in.
func Connect(kubeconfig string) (*Driver, error) {
	if kubeconfig == "" {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "we do not run in a Kubernetes cluster; name a file with --kubeconfig")
		}
		return New(config)
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the kubeconfig file cannot be used")
	}
	return New(config)
}

// target is a target with who else scales it.
type target struct {
	at         autoscale.KubernetesTarget
	scale      *unstructured.Unstructured
	paused     string
	autoscaler *unstructured.Unstructured // nil for none
	keda       string                     // the ScaledObject's name; "" for none
}

// Current returns the target's replicas and who else scales it. What is not there is a fault.NotFound, what we have no right
// to a fault.Forbidden that says which, and a cluster that does not answer a fault.Unavailable.
func (d *Driver) Current(ctx context.Context, at autoscale.KubernetesTarget) (scaler.State, error) {
	t, err := d.look(ctx, at)
	if err != nil {
		return scaler.State{}, err
	}
	ready, ok := number(t.scale, "status", "replicas")
	if !ok {
		ready = -1
	}
	s := scaler.State{Replicas: t.replicas(), Ready: ready, Paused: t.paused}
	switch {
	case t.keda != "":
		s.Through = "the ScaledObject " + t.keda
	case t.autoscaler != nil:
		s.Through = "the HorizontalPodAutoscaler " + t.autoscaler.GetName()
		s.Min, s.Max = floorOf(t.autoscaler), ceilingOf(t.autoscaler)
	}
	return s, nil
}

// Scale makes the target have the wished replicas, or its autoscaler at least that many. Where that is so already nothing is
// sent. Where the replicas are others than the decision saw, or somebody asks to leave the target alone, it is a
// fault.Conflict, and the decision must be made again; so it is where KEDA scales the target. For other errors see Current.
func (d *Driver) Scale(ctx context.Context, at autoscale.KubernetesTarget, w scaler.Wish) (scaler.Outcome, error) {
	for try := 1; ; try++ {
		t, err := d.look(ctx, at)
		if err != nil {
			return scaler.Outcome{}, err
		}
		if err := t.refuses(w); err != nil {
			return scaler.Outcome{}, err
		}
		done, err := d.change(ctx, t, w)
		if !apierrors.IsConflict(err) || try == tries {
			return done, explain(err, "scale "+name(at))
		}
		// Somebody changed the object since it was read; its status counts. So it is looked at again.
	}
}

// refuses says why the wish is not to be carried out.
func (t target) refuses(w scaler.Wish) error {
	switch {
	case t.paused != "":
		return fault.New(fault.Conflict, "%s asks to be left alone: %s", name(t.at), t.paused)
	case t.keda != "":
		return fault.New(fault.Conflict, "KEDA scales %s by the ScaledObject %s; make the workload's target keda and use its external scaler", name(t.at), t.keda)
	case t.replicas() != w.From && t.replicas() != w.Replicas:
		return fault.New(fault.Conflict, "%s has %d replicas, and the decision saw %d; it must be made again", name(t.at), t.replicas(), w.From)
	}
	return nil
}

func (d *Driver) change(ctx context.Context, t target, w scaler.Wish) (scaler.Outcome, error) {
	if t.autoscaler != nil {
		return d.raise(ctx, t, w)
	}
	done := scaler.Outcome{Before: t.replicas(), After: w.Replicas, What: "replicas of " + name(t.at), DryRun: w.DryRun}
	if done.Before == w.Replicas {
		return done, nil
	}
	patch := map[string]any{
		"metadata": map[string]any{"resourceVersion": t.scale.GetResourceVersion()},
		"spec":     map[string]any{"replicas": w.Replicas},
	}
	got, err := d.patch(ctx, resources[t.at.Kind], t.at.Namespace, t.at.Name, patch, w.DryRun, "scale")
	if err != nil {
		return done, err
	}
	if n, ok := number(got, "spec", "replicas"); ok {
		done.After = n // an admission webhook may have had a say
	}
	return done, nil
}

// raise makes the wish the autoscaler's floor, never below its own and never above its ceiling. A wish that its own floor
// meets gives that back. What the load asks for stays the autoscaler's.
func (d *Driver) raise(ctx context.Context, t target, w scaler.Wish) (scaler.Outcome, error) {
	floor := floorOf(t.autoscaler)
	original := floor
	kept, raised := t.autoscaler.GetAnnotations()[OriginalFloor]
	if n, err := strconv.Atoi(kept); raised && err == nil && n >= 0 {
		original = n
	}
	want := min(max(w.Replicas, original), max(ceilingOf(t.autoscaler), original))
	done := scaler.Outcome{Before: floor, After: want, What: "minReplicas of the HorizontalPodAutoscaler " + t.autoscaler.GetName(), DryRun: w.DryRun}
	if want == floor && (want != original || !raised) {
		return done, nil
	}
	var annotation any // null takes it away
	if want != original {
		annotation = strconv.Itoa(original)
	}
	patch := map[string]any{
		"metadata": map[string]any{"resourceVersion": t.autoscaler.GetResourceVersion(), "annotations": map[string]any{OriginalFloor: annotation}},
		"spec":     map[string]any{"minReplicas": want},
	}
	_, err := d.patch(ctx, autoscalers, t.at.Namespace, t.autoscaler.GetName(), patch, w.DryRun)
	return done, err
}

func (d *Driver) patch(ctx context.Context, r schema.GroupVersionResource, namespace, name string, patch any, dryRun bool, sub ...string) (*unstructured.Unstructured, error) {
	raw, err := json.Marshal(patch)
	if err != nil {
		return nil, err
	}
	options := metav1.PatchOptions{FieldManager: fieldManager}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	return d.client.Resource(r).Namespace(namespace).Patch(ctx, name, types.MergePatchType, raw, options, sub...)
}

// look reads the target, its scale and who else scales it.
func (d *Driver) look(ctx context.Context, at autoscale.KubernetesTarget) (target, error) {
	t := target{at: at}
	resource, ok := resources[at.Kind]
	if !ok {
		return t, fault.New(fault.Invalid, "a %s cannot be scaled here", at.Kind)
	}
	of := d.client.Resource(resource).Namespace(at.Namespace)
	object, err := of.Get(ctx, at.Name, metav1.GetOptions{})
	if err != nil {
		return t, explain(err, "read "+name(at))
	}
	if t.scale, err = of.Get(ctx, at.Name, metav1.GetOptions{}, "scale"); err != nil {
		return t, explain(err, "read the scale of "+name(at))
	}
	t.paused = pausedBy(object, Paused)
	if err := d.findAutoscaler(ctx, &t); err != nil {
		return t, err
	}
	return t, d.findScaledObject(ctx, &t)
}

func (d *Driver) findAutoscaler(ctx context.Context, t *target) error {
	found, err := d.client.Resource(autoscalers).Namespace(t.at.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return explain(err, "list the HorizontalPodAutoscalers of "+t.at.Namespace)
	}
	for i := range found.Items {
		a := &found.Items[i]
		if !t.isOf(a) {
			continue
		}
		t.autoscaler = a
		if keda := a.GetLabels()[kedaName]; keda != "" {
			t.keda = keda
		}
		if t.paused == "" {
			t.paused = pausedBy(a, Paused)
		}
		if t.paused == "" && t.replicas() == 0 && floorOf(a) > 0 {
			t.paused = "it is scaled to 0, which switches its autoscaler off"
		}
	}
	return nil
}

// findScaledObject looks for KEDA's own object too, which is there before its autoscaler is.
func (d *Driver) findScaledObject(ctx context.Context, t *target) error {
	found, err := d.client.Resource(scaledObjects).Namespace(t.at.Namespace).List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		return nil // the cluster has no KEDA
	}
	if err != nil {
		return explain(err, "list the ScaledObjects of "+t.at.Namespace)
	}
	for i := range found.Items {
		if o := &found.Items[i]; t.isOf(o) {
			t.keda = o.GetName()
			if t.paused == "" {
				t.paused = pausedBy(o, Paused, kedaPaused, kedaPausedReplicas)
			}
		}
	}
	return nil
}

// isOf reports whether an autoscaler or ScaledObject names the target. KEDA leaves out the kind of a Deployment.
func (t target) isOf(o *unstructured.Unstructured) bool {
	named, _, _ := unstructured.NestedString(o.Object, "spec", "scaleTargetRef", "name")
	kind, _, _ := unstructured.NestedString(o.Object, "spec", "scaleTargetRef", "kind")
	return named == t.at.Name && (kind == t.at.Kind || kind == "" && t.at.Kind == "Deployment")
}

func (t target) replicas() int {
	n, _ := number(t.scale, "spec", "replicas") // left out where it is 0
	return n
}

func floorOf(a *unstructured.Unstructured) int {
	if n, ok := number(a, "spec", "minReplicas"); ok {
		return n
	}
	return 1 // Kubernetes' default
}

func ceilingOf(a *unstructured.Unstructured) int {
	n, _ := number(a, "spec", "maxReplicas")
	return n
}

func number(o *unstructured.Unstructured, path ...string) (int, bool) {
	n, ok, err := unstructured.NestedInt64(o.Object, path...)
	return int(n), ok && err == nil
}

// pausedBy returns which annotation pauses, "" for none.
func pausedBy(o *unstructured.Unstructured, keys ...string) string {
	for _, key := range keys {
		if v, ok := o.GetAnnotations()[key]; ok && v != "false" {
			return fmt.Sprintf("the annotation %s on %s %s", key, o.GetKind(), o.GetName())
		}
	}
	return ""
}

func name(at autoscale.KubernetesTarget) string {
	return fmt.Sprintf("%s %s/%s", at.Kind, at.Namespace, at.Name)
}

// explain puts what the API server says into our words; nil stays nil.
func explain(err error, doing string) error {
	kind := fault.Unavailable
	switch {
	case err == nil:
		return nil
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return fault.Wrap(fault.Forbidden, err, "the cluster does not let us %s: %s", doing, reason(err))
	case apierrors.IsNotFound(err):
		kind = fault.NotFound
	case apierrors.IsConflict(err):
		kind = fault.Conflict
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		kind = fault.Invalid
	case apierrors.IsTooManyRequests(err):
		kind = fault.Limited
	}
	return fault.Wrap(kind, err, "cannot %s: %s", doing, reason(err))
}

// reason is what the API server says; of any other trouble, whose text may hold an address, only that there is some.
func reason(err error) string {
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		return status.Status().Message
	}
	return "the cluster does not answer"
}
