package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/prometheus/prometheus/model/rulefmt"
	"gopkg.in/yaml.v3"
)

// slothFile is a Sloth spec of the SLOs; one named wrong has a problem on its line, the fourth and on.
func slothFile(service string, names ...string) string {
	text := "version: prometheus/v1\nservice: " + service + "\nslos:\n"
	for _, name := range names {
		objective := "99.9"
		if name == "wrong" {
			objective = "100"
		}
		text += fmt.Sprintf("- {name: %s, objective: %s, sli: {events: {error_query: 'sum(rate(e[{{.window}}]))', total_query: 'sum(rate(t[{{.window}}]))'}}, alerting: {name: Burn}}\n", name, objective)
	}
	return text
}

const serviceLevels = `apiVersion: sloth.slok.dev/v1
kind: PrometheusServiceLevel
metadata:
  name: first
  namespace: monitoring
  labels: {release: kps}
  annotations: {a: b}
spec: {service: k, slos: [{name: a, objective: 99, sli: {raw: {errorRatioQuery: 'avg_over_time(x[{{.window}}])'}}, alerting: {name: A}}]}
---
apiVersion: sloth.slok.dev/v1
kind: PrometheusServiceLevel
metadata: {name: second}
spec: {service: l, slos: [{name: a, objective: 99, sli: {raw: {errorRatioQuery: 'avg_over_time(x[{{.window}}])'}}, alerting: {name: A}}]}
`

// tree writes files and returns their folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// written lists the files below a folder.
func written(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(dir, path)
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

// loaded returns the rules of a file by group, as Prometheus loads them.
func loaded(t *testing.T, text string) map[string]rulefmt.RuleGroup {
	t.Helper()
	all, errs := rulefmt.Parse([]byte(text), false)
	if len(errs) > 0 {
		t.Fatalf("%v\n%.500s", errs, text)
	}
	out := map[string]rulefmt.RuleGroup{}
	for _, g := range all.Groups {
		out[g.Name] = g
	}
	return out
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestGenerateKeepsTheNamesOfAFolder(t *testing.T) {
	in := tree(t, map[string]string{
		"a.yaml": slothFile("shop", "x", "y"), "dev/b.yml": slothFile("shop", "x"), "dev/old.yaml": slothFile("old", "x"), "k.yaml": serviceLevels,
		"services.yaml": "apiVersion: nines/v1\nkind: Service\nmetadata: {name: shop}\nspec: {}\n",
	})
	out := filepath.Join(t.TempDir(), "rules") + "/"
	code, said, errOut := nines(t, "slo", "generate", "-i", in, "-o", out, "-e", "/old", "-n", `\.ya?ml$`)
	if code != exitOK || said != "wrote 3 files to "+out+"\n" || !strings.Contains(errOut, "one Prometheus must not load both files") {
		t.Errorf("exits with %d: %s%s", code, said, errOut)
	}
	if got := written(t, out); got != "a.yaml dev/b.yml k.yaml" {
		t.Errorf("wrote %s", got)
	}
	if got := loaded(t, read(t, filepath.Join(out, "a.yaml"))); len(got) != 8 || len(got["sloth-slo-alerts-shop-y"].Rules) == 0 {
		t.Errorf("a.yaml has %d groups", len(got))
	}
	if info, err := os.Stat(filepath.Join(out, "a.yaml")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("a.yaml may be read by %v %v", info.Mode(), err)
	}
	if code, _, errOut := nines(t, "slo", "generate", "-i", in, "-o", in); code != exitUsage || !strings.Contains(errOut, "input and output") {
		t.Errorf("a folder over itself exits with %d: %s", code, errOut)
	}
	if code, _, errOut := nines(t, "slo", "generate", "-i", in, "-n", "nothing"); code != exitInvalid || !strings.Contains(errOut, "there is no SLO in") {
		t.Errorf("nothing included exits with %d: %s", code, errOut)
	}
}

func TestGenerateWritesOneFileAnSLOOfAFile(t *testing.T) {
	in, out := tree(t, map[string]string{"a.yaml": slothFile("shop", "x", "y") + "---\n" + slothFile("shop", "z")}), t.TempDir()
	if code, _, errOut := nines(t, "slo", "generate", "-i", in+"/a.yaml", "-o", out); code != exitOK || written(t, out) != "shop-x.yaml shop-y.yaml shop-z.yaml" {
		t.Errorf("exits with %d, wrote %s: %s", code, written(t, out), errOut)
	}
	code, text, errOut := nines(t, "slo", "generate", "-i", in+"/a.yaml", "-o", "-", "--debug", "--no-color", "--no-log", "--logger", "json", "--disable-optimized-rules")
	if code != exitOK || len(loaded(t, text)) != 12 || errOut != "" {
		t.Errorf("exits with %d: %s", code, errOut)
	}
}

func TestGenerateWritesWhatIsRightAndListsTheRest(t *testing.T) {
	in, out := tree(t, map[string]string{"a.yaml": slothFile("shop", "x", "wrong", "y"), "b.yaml": "a: [\n", "c.yaml": slothFile("bad", "wrong")}), t.TempDir()
	keep := filepath.Join(out, "c.yaml")
	if err := os.WriteFile(keep, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, said, errOut := nines(t, "slo", "generate", "-i", in, "-o", out, "--strict")
	if code != exitInvalid || said != "" || written(t, out) != "c.yaml" || !strings.Contains(errOut, "3 problems in the definitions; nothing was written") {
		t.Errorf("--strict exits with %d, %s: %s%s", code, written(t, out), said, errOut)
	}
	code, _, errOut = nines(t, "slo", "generate", "-i", in, "-i", in+"/nowhere.yaml", "-o", out)
	for _, want := range []string{"4 problems", "the rules of 2 SLOs were written", "a.yaml:5: slos.1.objective: 100 would mean", "b.yaml:1", "c.yaml:4", "nowhere.yaml: read definitions"} {
		if code != exitInvalid || !strings.Contains(errOut, want) {
			t.Errorf("exits with %d, without %q: %s", code, want, errOut)
		}
	}
	if written(t, out) != "a.yaml c.yaml" || len(loaded(t, read(t, filepath.Join(out, "a.yaml")))) != 8 || read(t, keep) != "before" {
		t.Errorf("wrote %s", written(t, out))
	}
	code, text, _ := nines(t, "slo", "generate", "-i", in, "--json")
	var made generation
	if err := json.Unmarshal([]byte(text), &made); err != nil || code != exitInvalid || made.SLOs != 2 || len(made.Problems) != 3 || len(made.Files) != 1 || len(loaded(t, made.Files[0].Text)) != 8 {
		t.Errorf("--json exits with %d: %v %+v", code, err, made.Problems)
	}
}

// object is a PrometheusRule as far as it matters here.
type object struct {
	Kind     string `yaml:"kind"`
	Metadata struct {
		Name, Namespace     string
		Labels, Annotations map[string]string
	} `yaml:"metadata"`
	Spec yaml.Node `yaml:"spec"`
}

func objects(t *testing.T, text string) []object {
	t.Helper()
	var out []object
	dec := yaml.NewDecoder(strings.NewReader(text))
	for {
		var o object
		err := dec.Decode(&o)
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatalf("%v\n%.500s", err, text)
		}
		spec, err := yaml.Marshal(&o.Spec)
		if err != nil || len(loaded(t, string(spec))) == 0 {
			t.Fatalf("%s has no groups: %v", o.Metadata.Name, err)
		}
		out = append(out, o)
	}
}

func TestGenerateMakesObjectsOfServiceLevels(t *testing.T) {
	in := tree(t, map[string]string{"k.yaml": serviceLevels, "s.yaml": slothFile("Shop", "x.y", "z")})
	_, text, _ := nines(t, "slo", "generate", "-i", in+"/k.yaml")
	got := objects(t, text)
	if len(got) != 2 || got[0].Kind != "PrometheusRule" || got[0].Metadata.Name != "first" || got[0].Metadata.Namespace != "monitoring" || got[0].Metadata.Labels["release"] != "kps" ||
		got[0].Metadata.Annotations["a"] != "b" || got[1].Metadata.Name != "second" || got[1].Metadata.Namespace != "" {
		t.Errorf("objects %+v", got)
	}
	_, text, _ = nines(t, "slo", "generate", "-i", in, "--format", "prometheusrule", "--namespace", "other")
	var names []string
	for _, o := range objects(t, text) {
		names = append(names, o.Metadata.Namespace+"/"+o.Metadata.Name)
	}
	if got := strings.Join(names, " "); got != "other/first other/second other/shop-x-y other/shop-z" {
		t.Errorf("objects %s", got)
	}
	if code, text, errOut := nines(t, "slo", "generate", "-i", in+"/k.yaml", "--format", "prometheus"); code != exitOK || len(loaded(t, text)) != 8 {
		t.Errorf("--format prometheus exits with %d: %s", code, errOut)
	}
	if code, _, errOut := nines(t, "slo", "generate", "-i", in); code != exitInvalid || !strings.Contains(errOut, "say which with --format") {
		t.Errorf("both in one output exits with %d: %s", code, errOut)
	}
	out := t.TempDir()
	if code, _, errOut := nines(t, "slo", "generate", "-i", in+"/k.yaml", "-o", out); code != exitOK || written(t, out) != "first.yaml second.yaml" {
		t.Errorf("into a folder exits with %d, wrote %s: %s", code, written(t, out), errOut)
	}
	twice := tree(t, map[string]string{"k.yaml": serviceLevels + "---\n" + strings.Replace(serviceLevels[strings.Index(serviceLevels, "---\n")+4:], "service: l", "service: m", 1)})
	if code, text, errOut := nines(t, "slo", "generate", "-i", twice); code != exitInvalid || len(objects(t, text)) != 2 || !strings.Contains(errOut, "its PrometheusRule is named second, and so is that of") {
		t.Errorf("a name that stands twice exits with %d: %s", code, errOut)
	}
}

func TestGenerateTakesLabelsPeriodsAndWindows(t *testing.T) {
	dir := tree(t, map[string]string{"a.yaml": slothFile("shop", "x"), "w/7d.yaml": `apiVersion: sloth.slok.dev/v1
kind: AlertWindows
spec:
  sloPeriod: 7d
  page: {quick: {errorBudgetPercent: 8, shortWindow: 4m, longWindow: 50m}, slow: {errorBudgetPercent: 12.5, shortWindow: 30m, longWindow: 6h}}
  ticket: {quick: {errorBudgetPercent: 20, shortWindow: 2h, longWindow: 1d}, slow: {errorBudgetPercent: 42, shortWindow: 6h, longWindow: 3d}}
`, "p/x/plugin.go": "package x"})
	_, text, _ := nines(t, "slo", "generate", "-i", dir+"/a.yaml", "-l", "env=a=b,c", "-l", "team=x")
	for _, g := range loaded(t, text) {
		for _, r := range g.Rules {
			if labelled := r.Alert != "" || r.Record == "sloth_slo_info"; labelled && (r.Labels["env"] != "a=b,c" || r.Labels["team"] != "x") {
				t.Errorf("%s%s has the labels %v", r.Record, r.Alert, r.Labels)
			}
		}
	}
	_, text, errOut := nines(t, "slo", "generate", "-i", dir+"/a.yaml", "--default-slo-period", "1w", "--slo-period-windows-path", dir+"/w")
	if !strings.Contains(text, "ratio_rate50m") || !strings.Contains(text, "ratio_rate1w") || strings.Contains(text, "ratio_rate30d") || errOut != "" {
		t.Errorf("the windows of 7d are not used: %s", errOut)
	}
	_, text, errOut = nines(t, "slo", "generate", "-i", dir+"/a.yaml", "--slo-period-windows-path", dir+"/w")
	if strings.Contains(text, "ratio_rate50m") || !strings.Contains(errOut, "has no windows for 30d") {
		t.Errorf("the windows of 7d are used at 30d: %s", errOut)
	}
	_, text, _ = nines(t, "slo", "generate", "-i", dir+"/a.yaml", "--disable-alerts")
	if strings.Contains(text, "- alert:") || !strings.Contains(text, "- record:") {
		t.Error("--disable-alerts")
	}
	_, text, _ = nines(t, "slo", "generate", "-i", dir+"/a.yaml", "--disable-recordings")
	if strings.Contains(text, "- record:") || !strings.Contains(text, "- alert:") {
		t.Error("--disable-recordings")
	}
	for _, flag := range []string{"-p", "-m", "--plugins-path"} {
		if code, _, errOut := nines(t, "slo", "generate", "-i", dir+"/a.yaml", flag, dir+"/w", flag, dir+"/p"); code != exitInvalid || !strings.Contains(errOut, "p/x/plugin.go is a plugin") {
			t.Errorf("%s exits with %d: %s", flag, code, errOut)
		}
		if code, _, errOut := nines(t, "slo", "generate", "-i", dir+"/a.yaml", flag, dir+"/w"); code != exitOK {
			t.Errorf("%s without plugins exits with %d: %s", flag, code, errOut)
		}
	}
	if code, text, errOut := nines(t, "slo", "generate", "-i", dir+"/a.yaml", "--slo-period-windows-path", dir); code != exitInvalid || text != "" || !strings.Contains(errOut, "a.yaml:1: apiVersion") {
		t.Errorf("a catalog that is none exits with %d: %s", code, errOut)
	}
}

func TestGenerateRefusesFlagsThatMeanNothing(t *testing.T) {
	in := filepath.Join(tree(t, map[string]string{"a.yaml": slothFile("shop", "x")}), "a.yaml")
	for _, flags := range [][]string{
		{"--format", "json"}, {"--format", "prometheus", "--namespace", "a"}, {"--logger", "x"}, {"-e", "("}, {"-n", "("}, {"-l", "x"}, {"-l", "sloth_id=x"},
		{"--default-slo-period", "1h"}, {"--default-slo-period", "x"}, {"--dry-run"}, {"--ruler-tenant", "x"}, {"--ruler-url", "x"}, {"--ruler-url", "http://x", "-o", "x"},
		{"--ruler-url", "http://x", "--ruler-api", "thanos"}, {"--ruler-url", "http://x", "--ruler-namespace", ""}, {"-o", in},
	} {
		if code, out, errOut := nines(t, append([]string{"slo", "generate", "-i", in}, flags...)...); code != exitUsage || out != "" {
			t.Errorf("%v exits with %d: %s", flags, code, errOut)
		}
	}
}

// fakeRuler keeps the names of groups.
type fakeRuler struct {
	mu     sync.Mutex
	groups map[string]string // YAML, by name
	asked  []string
	refuse bool
}

func (f *fakeRuler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r.Method+" "+r.URL.Path+" "+r.Header.Get("X-Scope-OrgID")+" "+r.Header.Get("Authorization"))
	body, _ := io.ReadAll(r.Body)
	var g rulefmt.RuleGroup
	switch {
	case f.refuse:
		http.Error(w, "not you, "+r.Header.Get("Authorization"), http.StatusUnauthorized)
	case r.Method == http.MethodGet && len(f.groups) == 0:
		http.NotFound(w, r)
	case r.Method == http.MethodGet:
		text := "nines:\n"
		for _, name := range sortedKeys(f.groups) {
			text += "- " + strings.ReplaceAll(strings.TrimSpace(f.groups[name]), "\n", "\n  ") + "\n"
		}
		w.Write([]byte(text))
	case r.Method == http.MethodDelete:
		delete(f.groups, r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
		w.WriteHeader(http.StatusAccepted)
	case yaml.Unmarshal(body, &g) != nil || g.Name == "":
		http.Error(w, "not a group", http.StatusBadRequest)
	default:
		f.groups[g.Name] = string(body)
		w.WriteHeader(http.StatusAccepted)
	}
}

func TestGenerateKeepsARuler(t *testing.T) {
	f := &fakeRuler{groups: map[string]string{}}
	server := httptest.NewServer(f)
	defer server.Close()
	t.Setenv("NINES_RULER_TOKEN", "hunter2")
	in := tree(t, map[string]string{"a.yaml": slothFile("shop", "x", "y")})
	push := func(more ...string) (int, string, string) {
		t.Helper()
		f.asked = nil
		return nines(t, append([]string{"slo", "generate", "-i", in, "--ruler-url", server.URL, "--ruler-tenant", "acme"}, more...)...)
	}
	if code, out, errOut := push("--dry-run"); code != exitOK || !strings.Contains(out, "sloth-slo-alerts-shop-x               create") || !strings.Contains(out, "8 groups to create, 0 to update, 0 to delete") || len(f.groups) != 0 {
		t.Errorf("--dry-run exits with %d: %s%s", code, out, errOut)
	}
	if code, out, errOut := push(); code != exitOK || out != "namespace nines: 8 groups created, 0 updated, 0 deleted, 0 as they were\n" || len(f.groups) != 8 || errOut != "" {
		t.Errorf("exits with %d: %s%s", code, out, errOut)
	}
	if !slices.Contains(f.asked, "POST /prometheus/config/v1/rules/nines acme Bearer hunter2") {
		t.Errorf("asked %v", f.asked)
	}
	if code, out, _ := push(); code != exitOK || !strings.Contains(out, "0 groups created, 0 updated, 0 deleted, 8 as they were") || len(f.asked) != 1 {
		t.Errorf("the same again exits with %d: %s", code, out)
	}
	if err := os.WriteFile(in+"/a.yaml", []byte(slothFile("shop", "x", "wrong")), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errOut := push("-l", "team=x"); code != exitInvalid || len(f.groups) != 8 || !strings.Contains(out, "updated, 0 deleted") || !strings.Contains(out, "4 groups that no SLO has now stay") || !strings.Contains(errOut, "a.yaml:5: slos.1.objective") {
		t.Errorf("with a problem exits with %d: %s%s", code, out, errOut)
	}
	if code, _, _ := push("--strict"); code != exitInvalid || len(f.asked) != 0 {
		t.Errorf("--strict exits with %d, asked %v", code, f.asked)
	}
	if err := os.WriteFile(in+"/a.yaml", []byte(slothFile("shop", "x")), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, _ := push("--json", "--ruler-api", "mimir", "-l", "team=x")
	var done rulerChanges
	if err := json.Unmarshal([]byte(out), &done); err != nil || code != exitOK || len(done.Changes) != 4 || done.Changes[0].Action != "delete" || len(f.groups) != 4 {
		t.Errorf("--json exits with %d: %v %s", code, err, out)
	}
	f.refuse = true
	if code, _, errOut := push(); code != exitFailed || strings.Contains(errOut, "hunter2") || !strings.Contains(errOut, "refuses the credentials (401") {
		t.Errorf("credentials that are refused exit with %d: %s", code, errOut)
	}
}

func TestAFileIsReplacedWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "link.yaml")
	if err := os.WriteFile(path, []byte("before"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a.yaml", link); err != nil {
		t.Fatal(err)
	}
	s, err := stage(link)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(s, strings.Repeat("x", 100_000))
	if read(t, path) != "before" {
		t.Error("it is written before its time")
	}
	s.discard()
	if written(t, dir) != "a.yaml link.yaml" || read(t, path) != "before" {
		t.Errorf("a file that was discarded left %s", written(t, dir))
	}
	if s, err = stage(link); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(s, "after")
	if err := s.commit(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if read(t, path) != "after" || err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, the file %s", info.Mode(), read(t, path))
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("its mode is %v %v", info.Mode(), err)
	}
	if s, err = stage(os.DevNull); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(s, "x")
	if err := s.commit(); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Error("the null device was replaced")
	}
}

func TestRulesThatCannotBeMadeAreProblemsAndOtherErrorsAreNot(t *testing.T) {
	var made generated
	bad := fault.New(fault.Invalid, "SLO a: cannot be counted")
	if err := made.leftOut(&ruleFile{}, errors.Join(bad, bad)); err != nil || len(made.problems) != 2 || made.problems[0].String() != "standard output: SLO a: cannot be counted" {
		t.Errorf("%v %v", err, made.problems)
	}
	if err := made.leftOut(&ruleFile{}, errors.Join(bad, os.ErrClosed)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a file that cannot be written is %v", err)
	}
}
