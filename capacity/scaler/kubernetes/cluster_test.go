package kubernetes_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/nines-sre/nines/capacity/scaler/kubernetes"
	"k8s.io/client-go/rest"
)

type object = map[string]any

// cluster speaks as much of the Kubernetes API as a scaler needs, over HTTP, as it is documented: objects with resource
// versions, the scale subresource, merge patches, dry runs, conflicts and Status objects for errors.
type cluster struct {
	t       *testing.T
	mu      sync.Mutex
	version int
	objects map[string]object // by path
	forbid  string            // a part of a path that nobody may read or write
	before  func()            // called with the lock before each patch: what others do meanwhile
	patches []string          // "PATCH path?query body"
	keda    bool
}

const (
	web     = "/apis/apps/v1/namespaces/shop/deployments/web"
	hpas    = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers"
	scaleds = "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects"
)

func newCluster(t *testing.T, replicas int) (*cluster, *kubernetes.Driver) {
	t.Helper()
	c := &cluster{t: t, objects: map[string]object{}, keda: true}
	c.put(web, object{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": object{"name": "web", "namespace": "shop"},
		"spec": object{"replicas": replicas, "template": object{}}, "status": object{"replicas": replicas}})
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	d, err := kubernetes.New(&rest.Config{Host: server.URL, BearerToken: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return c, d
}

func (c *cluster) put(path string, o object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.store(path, o)
}

func (c *cluster) store(path string, o object) {
	c.version++
	meta(o)["resourceVersion"] = strconv.Itoa(c.version)
	c.objects[path] = o
}

func meta(o object) object { return o["metadata"].(object) }

func spec(o object) object { return o["spec"].(object) }

// annotate sets an annotation from the outside.
func (c *cluster) annotate(path, key, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.objects[path]
	meta(o)["annotations"] = object{key: value}
	c.store(path, o)
}

func (c *cluster) hpa(least, most int, labels object) {
	s := object{"scaleTargetRef": object{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": most}
	if least > 0 {
		s["minReplicas"] = least
	}
	c.put(hpas+"/web", object{"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
		"metadata": object{"name": "web", "namespace": "shop", "labels": labels}, "spec": s})
}

func (c *cluster) get(path string) object {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.objects[path]
}

func (c *cluster) sent() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.patches...)
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer secret" {
		c.fail(w, http.StatusUnauthorized, "Unauthorized", "Unauthorized")
		return
	}
	if c.forbid != "" && strings.Contains(r.URL.Path, c.forbid) {
		c.fail(w, http.StatusForbidden, "Forbidden", fmt.Sprintf("%s is forbidden: User \"nines\" cannot do that", r.URL.Path))
		return
	}
	path, isScale := strings.CutSuffix(r.URL.Path, "/scale")
	switch {
	case r.Method == http.MethodGet && (path == hpas || path == scaleds && c.keda):
		c.list(w, path)
	case c.objects[path] == nil:
		c.fail(w, http.StatusNotFound, "NotFound", path+" not found")
	case r.Method == http.MethodGet:
		answer(w, c.shown(path, isScale))
	case r.Method == http.MethodPatch:
		c.patch(w, r, path, isScale)
	default:
		c.fail(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "no such verb")
	}
}

func (c *cluster) list(w http.ResponseWriter, path string) {
	items := []object{}
	for at, o := range c.objects {
		if strings.HasPrefix(at, path+"/") {
			items = append(items, o)
		}
	}
	kind := map[string]string{hpas: "HorizontalPodAutoscalerList", scaleds: "ScaledObjectList"}[path]
	version := map[string]string{hpas: "autoscaling/v2", scaleds: "keda.sh/v1alpha1"}[path]
	answer(w, object{"apiVersion": version, "kind": kind, "metadata": object{"resourceVersion": "1"}, "items": items})
}

// shown is the object, or its autoscaling/v1 Scale, which leaves replicas out where they are 0.
func (c *cluster) shown(path string, isScale bool) object {
	o := c.objects[path]
	if !isScale {
		return o
	}
	s := object{}
	if n := spec(o)["replicas"]; fmt.Sprint(n) != "0" {
		s["replicas"] = n
	}
	m := object{"name": meta(o)["name"], "namespace": meta(o)["namespace"], "resourceVersion": meta(o)["resourceVersion"]}
	return object{"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": m, "spec": s, "status": o["status"]}
}

func (c *cluster) patch(w http.ResponseWriter, r *http.Request, path string, isScale bool) {
	raw, _ := io.ReadAll(r.Body)
	c.patches = append(c.patches, r.URL.RequestURI()+" "+string(raw))
	var p object
	if r.Header.Get("Content-Type") != "application/merge-patch+json" || json.Unmarshal(raw, &p) != nil {
		c.fail(w, http.StatusUnsupportedMediaType, "UnsupportedMediaType", "not a merge patch")
		return
	}
	if c.before != nil {
		c.before()
	}
	if v, ok := meta(p)["resourceVersion"]; ok && v != meta(c.objects[path])["resourceVersion"] {
		c.fail(w, http.StatusConflict, "Conflict", "the object has been modified; please apply your changes to the latest version and try again")
		return
	}
	old := c.objects[path]
	merged := merge(old, p)
	if r.URL.Query().Get("dryRun") != "All" {
		c.store(path, merged)
		answer(w, c.shown(path, isScale))
		return
	}
	c.objects[path] = merged
	answer(w, c.shown(path, isScale))
	c.objects[path] = old
}

// merge is RFC 7386.
func merge(o, p object) object {
	out := maps.Clone(o)
	if out == nil {
		out = object{}
	}
	for k, v := range p {
		child, isObject := v.(object)
		switch {
		case v == nil:
			delete(out, k)
		case isObject:
			old, _ := out[k].(object)
			out[k] = merge(old, child)
		default:
			out[k] = v
		}
	}
	return out
}

func (c *cluster) fail(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(object{"apiVersion": "v1", "kind": "Status", "metadata": object{}, "status": "Failure",
		"message": message, "reason": reason, "code": code})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
