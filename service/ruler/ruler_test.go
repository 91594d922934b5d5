package ruler

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
	"github.com/prometheus/prometheus/model/rulefmt"
	"gopkg.in/yaml.v3"
)

// fake is a ruler with one namespace, which refuses whatever a ruler would not take.
type fake struct {
	t      *testing.T
	root   string // path of the namespaces
	tenant string
	auth   string

	mu     sync.Mutex
	groups map[string]rulefmt.RuleGroup
	asked  []string                                   // "METHOD path"
	answer func(n int, r *http.Request) (int, string) // in place of the usual answer, where the status is not 0
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	f.serve(w, r)
	return w.Result(), nil
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path := r.URL.EscapedPath()
	f.asked = append(f.asked, r.Method+" "+path)
	if r.Header.Get("X-Scope-OrgID") != f.tenant || r.Header.Get("Authorization") != f.auth {
		f.t.Errorf("%s %s comes as tenant %q with %q", r.Method, path, r.Header.Get("X-Scope-OrgID"), r.Header.Get("Authorization"))
	}
	if f.answer != nil {
		if code, text := f.answer(len(f.asked), r); code != 0 {
			if code == http.StatusTooManyRequests {
				w.Header().Set("Retry-After", "7")
			}
			http.Error(w, text, code)
			return
		}
	}
	namespace, group, _ := strings.Cut(strings.TrimPrefix(path, f.root+"/"), "/")
	if !strings.HasPrefix(path, f.root+"/") || namespace != "our%2Frules" {
		http.Error(w, "404 page not found", http.StatusNotFound)
		return
	}
	switch r.Method {
	case http.MethodGet:
		f.list(w)
	case http.MethodPost:
		f.push(w, r)
	case http.MethodDelete:
		name, err := url.PathUnescape(group)
		if _, there := f.groups[name]; err != nil || !there {
			http.Error(w, "group does not exist", http.StatusNotFound)
			return
		}
		delete(f.groups, name)
		w.WriteHeader(http.StatusAccepted)
	}
}

func (f *fake) list(w http.ResponseWriter) {
	if len(f.groups) == 0 {
		http.Error(w, "no rule groups found", http.StatusNotFound)
		return
	}
	var all []rulefmt.RuleGroup
	for _, g := range f.groups {
		all = append(all, g)
	}
	text, err := yaml.Marshal(map[string][]rulefmt.RuleGroup{"our/rules": all, "theirs": {{Name: "not ours"}}})
	if err != nil {
		f.t.Error(err)
	}
	w.Write(text)
}

func (f *fake) push(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	var g rulefmt.RuleGroup
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	dec.KnownFields(true)
	if bad := dec.Decode(&g); err != nil || bad != nil || r.Header.Get("Content-Type") != "application/yaml" {
		f.t.Errorf("pushed as %s: %v %v\n%s", r.Header.Get("Content-Type"), err, bad, text)
	}
	if g.Limit != 0 {
		f.t.Errorf("group %s is pushed with a limit, which no ruler keeps", g.Name)
	}
	if g.Name == "refused" {
		http.Error(w, "invalid rule: could not parse, token hunter2", http.StatusBadRequest)
		return
	}
	f.groups[g.Name] = g
	w.WriteHeader(http.StatusAccepted)
}

func mimir(t *testing.T) (*fake, *Client) {
	f := &fake{t: t, root: "/prometheus/config/v1/rules", tenant: "acme", auth: "Bearer hunter2", groups: map[string]rulefmt.RuleGroup{}}
	c, err := New(Options{URL: "http://mimir/", Namespace: "our/rules", Tenant: "acme", Token: "hunter2", Transport: f})
	if err != nil {
		t.Fatal(err)
	}
	return f, c
}

func groups(names ...string) []slo.RuleGroup {
	var out []slo.RuleGroup
	for _, name := range names {
		out = append(out, slo.RuleGroup{Name: name, Interval: time.Minute, Limit: 500, Rules: []slo.Rule{
			{Record: "a:b", Expr: "sum(up)\n", Labels: map[string]string{"x": "1"}},
			{Alert: "Down", Expr: "up == 0", For: time.Minute, KeepFiringFor: time.Hour, Annotations: map[string]string{"s": "it's \"down\"\n"}},
		}})
	}
	return out
}

func summary(changes []Change) string {
	var words []string
	for _, c := range changes {
		words = append(words, c.Action+" "+c.Group)
	}
	return strings.Join(words, ", ")
}

func keep(t *testing.T, c *Client, wanted []slo.RuleGroup) string {
	t.Helper()
	changes, err := c.Plan(t.Context(), wanted)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(t.Context(), changes, nil); err != nil {
		t.Fatal(err)
	}
	return summary(changes)
}

func TestOnlyWhatDiffersIsPushedAndWhatIsGoneIsDeleted(t *testing.T) {
	t.Parallel()
	f, c := mimir(t)
	if got := keep(t, c, groups("a/b", "c")); got != "create a/b, create c" {
		t.Errorf("an empty namespace: %s", got)
	}
	if got := keep(t, c, groups("a/b", "c")); got != "" {
		t.Errorf("the same again: %s", got)
	}
	wanted := groups("c", "d")
	wanted[0].Rules[0].Expr = "sum by () (up)"
	if got := keep(t, c, wanted); got != "create d, delete a/b" {
		t.Errorf("another spelling of the same PromQL, and other groups: %s", got)
	}
	wanted[0].Rules[0].Expr = "sum(up) + 1"
	wanted[1].Rules[1].For = 0
	if got := keep(t, c, wanted); got != "update c, update d" {
		t.Errorf("changed rules: %s", got)
	}
	if !slices.Contains(f.asked, "DELETE /prometheus/config/v1/rules/our%2Frules/a%2Fb") {
		t.Errorf("asked %v", f.asked)
	}
	if len(f.groups) != 2 || f.groups["c"].Rules[0].Expr != "sum(up) + 1" {
		t.Errorf("there is %v", f.groups)
	}
}

func TestEveryFieldOfARuleCounts(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*slo.RuleGroup){
		"interval": func(g *slo.RuleGroup) { g.Interval = 2 * time.Minute }, "rules": func(g *slo.RuleGroup) { g.Rules = g.Rules[:1] },
		"record": func(g *slo.RuleGroup) { g.Rules[0].Record = "x" }, "alert": func(g *slo.RuleGroup) { g.Rules[1].Alert = "x" },
		"labels": func(g *slo.RuleGroup) { g.Rules[0].Labels = nil }, "annotations": func(g *slo.RuleGroup) { g.Rules[1].Annotations = nil },
		"keep_firing_for": func(g *slo.RuleGroup) { g.Rules[1].KeepFiringFor = 0 }, "order": func(g *slo.RuleGroup) { slices.Reverse(g.Rules) },
		"not PromQL": func(g *slo.RuleGroup) { g.Rules[0].Expr = "sum(" },
	} {
		other := groups("a")[0]
		change(&other)
		if groupOf(groups("a")[0]).same(groupOf(other)) {
			t.Errorf("%s: no difference is seen", name)
		}
	}
}

func TestCortexHasAnotherPathAndBasicAuthMayStandInTheURL(t *testing.T) {
	t.Parallel()
	f := &fake{t: t, root: "/cortex/api/v1/rules", auth: "Basic dTpodW50ZXIy", groups: map[string]rulefmt.RuleGroup{}}
	c, err := New(Options{URL: "http://u:hunter2@cortex/cortex", API: Cortex, Namespace: "our/rules", Transport: f})
	if err != nil {
		t.Fatal(err)
	}
	if got := keep(t, c, groups("a")); got != "create a" || len(f.groups) != 1 {
		t.Errorf("%s, there is %v", got, f.groups)
	}
}

func TestAGroupThatIsRefusedStopsNoOtherAndNothingIsDeleted(t *testing.T) {
	t.Parallel()
	f, c := mimir(t)
	keep(t, c, groups("old"))
	changes, err := c.Plan(t.Context(), groups("refused", "a"))
	if err != nil {
		t.Fatal(err)
	}
	var told int
	err = c.Apply(t.Context(), changes, func(done, total int) {
		if told++; done != told || total != 3 {
			t.Errorf("told %d of %d at %d", done, total, told)
		}
	})
	shown := fault.Public(err)
	if !fault.Is(err, fault.Invalid) || len(shown.Details) != 1 || shown.Details[0].Where != "refused" || !strings.Contains(shown.Details[0].Message, "400 Bad Request: invalid rule: could not parse") {
		t.Errorf("the error is %v", err)
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a secret is shown: %v", err)
	}
	if f.groups["a"].Name == "" || f.groups["old"].Name == "" || told != 2 {
		t.Errorf("there is %v, told %d", f.groups, told)
	}
}

func TestABusyRulerIsAskedAgainWhenItSays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, c := mimir(t)
		f.answer = func(n int, _ *http.Request) (int, string) {
			switch n {
			case 1:
				return http.StatusTooManyRequests, "slow down"
			case 2:
				return http.StatusBadGateway, ""
			}
			return 0, ""
		}
		began := time.Now()
		changes, err := c.Plan(t.Context(), groups("a"))
		if err != nil || summary(changes) != "create a" || len(f.asked) != 3 {
			t.Errorf("%v %v, asked %v", changes, err, f.asked)
		}
		if took := time.Since(began); took != 7*time.Second+firstPause {
			t.Errorf("took %s", took)
		}
	})
}

func TestTroubleEndsAndSaysWhichGroup(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]struct {
		kind  fault.Kind
		asked int
		text  string
	}{
		http.StatusServiceUnavailable: {fault.Unavailable, attempts, "in trouble (503"},
		http.StatusTooManyRequests:    {fault.Limited, attempts, "no more requests"},
		http.StatusUnauthorized:       {fault.Forbidden, 1, "NINES_RULER_TOKEN"},
		http.StatusNotFound:           {fault.NotFound, 1, "is it mimir?"},
		http.StatusFound:              {fault.Invalid, 1, "redirects"},
	} {
		synctest.Test(t, func(t *testing.T) {
			f, c := mimir(t)
			changes, err := c.Plan(t.Context(), groups("a"))
			if err != nil {
				t.Fatal(err)
			}
			f.asked = nil
			f.answer = func(int, *http.Request) (int, string) { return code, "hunter2 says no" }
			err = c.Apply(t.Context(), changes, nil)
			if !fault.Is(err, want.kind) || !strings.Contains(err.Error(), want.text) || len(f.asked) != want.asked {
				t.Errorf("%d: %v after %v", code, err, f.asked)
			}
			if err == nil || !strings.Contains(err.Error(), "a: ") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%d: the error is %v", code, err)
			}
		})
	}
}

func TestWhatIsStoppedStopsWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, c := mimir(t)
		f.answer = func(int, *http.Request) (int, string) { return http.StatusTooManyRequests, "" }
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if _, err := c.Plan(ctx, groups("a")); err != context.DeadlineExceeded || len(f.asked) != 1 {
			t.Errorf("%v after %v", err, f.asked)
		}
	})
}

func TestWrongOptionsAreSaidWithoutSecrets(t *testing.T) {
	t.Parallel()
	right := Options{URL: "http://mimir/prometheus", Namespace: "a"}
	c, err := New(right)
	if err != nil || c.namespace() != "http://mimir/prometheus/config/v1/rules/a" {
		t.Errorf("%v %v", c, err)
	}
	for name, change := range map[string]func(*Options){
		"no scheme": func(o *Options) { o.URL = "u:hunter2@mimir" }, "a query": func(o *Options) { o.URL = "http://u:hunter2@mimir?x=1" },
		"bad escape": func(o *Options) { o.URL = "http://u:hunter2@mimir/%zz" }, "no namespace": func(o *Options) { o.Namespace = "" },
		"dots": func(o *Options) { o.Namespace = ".." }, "another API": func(o *Options) { o.API = "thanos" }, "a line break": func(o *Options) { o.Tenant = "a\nb" },
	} {
		o := right
		change(&o)
		if _, err := New(o); !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.address(".."); !fault.Is(err, fault.Invalid) {
		t.Errorf("a group of dots: %v", err)
	}
}

func FuzzDecodeGroups(f *testing.F) {
	f.Add([]byte("nines:\n- name: a\n  interval: 1m\n  rules:\n  - {record: b, expr: up, labels: {x: y}}\n  source_tenants: [t]\n"))
	f.Add([]byte("{}"))
	f.Add([]byte("a: [{rules: [{for: 5m, alert: x, expr: '('}]}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := decodeGroups(text)
		if err != nil {
			return
		}
		for _, some := range all {
			for _, g := range some {
				if !g.same(g) {
					t.Errorf("%+v is not itself", g)
				}
			}
		}
	})
}
