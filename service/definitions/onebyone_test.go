package definitions

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nines-sre/nines/internal/manifest"
)

const (
	slothHead = "version: prometheus/v1\nservice: shop\nslos:\n"
	rightSLO  = "- {name: NAME, objective: 99.9, sli: {events: {error_query: 'sum(rate(e[{{.window}}]))', total_query: 'sum(rate(t[{{.window}}]))'}}, alerting: {name: Burn}}\n"
	wrongSLO  = "- {name: NAME, objective: 100, sli: {events: {error_query: 'sum(', total_query: 'sum(rate(t[{{.window}}]))'}}, alerting: {name: Burn}}\n"
)

func named(text, name string) string { return strings.Replace(text, "NAME", name, 1) }

func loadEach(set func(string) string, texts ...string) (ids, problems, notes string) {
	var files []manifest.File
	for i, text := range texts {
		files = append(files, manifest.File{Name: string(rune('a'+i)) + ".yaml", Text: text})
	}
	slos, said, wrong := LoadEach(files, set)
	var a, b, c []string
	for _, p := range slos {
		a = append(a, p.ID)
	}
	for _, p := range wrong {
		b = append(b, p.String())
	}
	for _, n := range said {
		c = append(c, n.String())
	}
	return strings.Join(a, " "), strings.Join(b, "\n"), strings.Join(c, "\n")
}

func TestAnSLOThatIsWrongStopsNoOther(t *testing.T) {
	t.Parallel()
	kubernetes := "apiVersion: sloth.slok.dev/v1\nkind: PrometheusServiceLevel\nmetadata: {name: k}\nspec:\n  service: k\n  slos:\n" +
		"  - {name: a, objective: 0, sli: {raw: {errorRatioQuery: 'x'}}, alerting: {name: A}}\n  - {name: b, objective: 99, sli: {raw: {errorRatioQuery: 'avg_over_time(x[{{.window}}])'}}, alerting: {name: B}}\n"
	native := "apiVersion: nines/v1\nkind: SLO\nmetadata: {name: n}\nspec: {service: s, objective: 99, sli: {events: {errors: e_total, total: t_total}}}\n"
	for name, one := range map[string]struct {
		text, ids string
		problems  []string
	}{
		"in a Sloth file":              {slothHead + named(rightSLO, "a") + named(wrongSLO, "b") + named(rightSLO, "c"), "shop-a shop-c", []string{"a.yaml:5: slos.1.objective: 100 would", "a.yaml:5: slos.1.sli.events.error_query"}},
		"in a PrometheusServiceLevel":  {kubernetes, "k-b", []string{"a.yaml:7: spec.slos.0.objective"}},
		"an unknown field of one":      {slothHead + named(rightSLO, "a") + named(strings.Replace(rightSLO, "objective", "objektive", 1), "b"), "shop-a", []string{"a.yaml:5: slos.1.objektive: is not a known field", "a.yaml:5: slos.1.objective: is missing"}},
		"a name that stands twice":     {slothHead + named(rightSLO, "a") + named(rightSLO, "a") + named(rightSLO, "b"), "shop-a shop-b", []string{"a.yaml:5: slos.1: makes the SLO id shop-a, which is already taken at a.yaml:4"}},
		"made by a plugin":             {slothHead + "- {name: p, objective: 99, sli: {plugin: {id: x}}, alerting: {name: P}}\n" + named(rightSLO, "a"), "shop-a", []string{"slos.0.sli.plugin: SLI plugin \"x\""}},
		"a head that is wrong, once":   {strings.Replace(slothHead, "shop", "'a b'", 1) + named(rightSLO, "a") + named(rightSLO, "b"), "", []string{"a.yaml:2: service: \"a b\" must be"}},
		"a document that is no SLO's":  {native + "---\napiVersion: v1\nkind: Pod\n", "s-n", []string{"a.yaml:6: apiVersion: \"v1\" is not known"}},
		"a document that does not end": {native + "---\na: [\n", "s-n", []string{"a.yaml:6"}},
		"no list":                      {strings.TrimSuffix(slothHead, "\n") + " []\n", "", []string{"slos: is missing"}},
		"rules that were written here": {native + "---\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nspec: {}\n", "s-n", nil},
	} {
		ids, problems, _ := loadEach(nil, one.text)
		if ids != one.ids || (problems == "") != (len(one.problems) == 0) || strings.Count(problems, "\n")+1 > max(1, len(one.problems)) {
			t.Errorf("%s: %q with\n%s", name, ids, problems)
		}
		for _, want := range one.problems {
			if !strings.Contains(problems, want) {
				t.Errorf("%s: %q is not among\n%s", name, want, problems)
			}
		}
	}
}

func TestOpenSLOIsKeptWhereNothingItUsesIsWrong(t *testing.T) {
	t.Parallel()
	slo := func(name, sli string) string {
		return "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: " + name + "}\nspec:\n  service: s\n  indicatorRef: " + sli + "\n  timeWindow: [{duration: 30d, isRolling: true}]\n  budgetingMethod: Occurrences\n  objectives: [{target: 0.99}]\n"
	}
	sli := func(name, query string) string {
		return "apiVersion: openslo/v1\nkind: SLI\nmetadata: {name: " + name + "}\nspec:\n  ratioMetric:\n    counter: true\n    bad: {metricSource: {type: Prometheus, spec: {query: '" + query + "'}}}\n    total: {metricSource: {type: Prometheus, spec: {query: t_total}}}\n"
	}
	ids, problems, _ := loadEach(nil, slo("right", "good")+"---\n"+slo("wrong", "bad"), sli("good", "e_total")+"---\n"+sli("bad", "e_total{"))
	if ids != "s-right" || !strings.Contains(problems, "b.yaml:") {
		t.Errorf("%q with\n%s", ids, problems)
	}
}

func TestIDsMayComeAgainInAnotherSet(t *testing.T) {
	t.Parallel()
	one := slothHead + named(rightSLO, "a")
	if ids, problems, notes := loadEach(nil, one, one); ids != "shop-a" || !strings.Contains(problems, "b.yaml:4: slos.0: makes the SLO id shop-a, which is already taken at a.yaml:4") || notes != "" {
		t.Errorf("in one set: %q %s %s", ids, problems, notes)
	}
	if ids, problems, notes := loadEach(func(file string) string { return file }, one, one); ids != "shop-a shop-a" || problems != "" || !strings.Contains(notes, "b.yaml:4: slos.0: makes the SLO id shop-a, as a.yaml:4 does") {
		t.Errorf("in two: %q %s %s", ids, problems, notes)
	}
}

func TestDiscoverKeepsToPathsAndGoesOnBehindWhatItCannotRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"b/x.YAML": "a: 1", "a.yml": "a: 1", "c.txt": "a: 1", "rules.yaml": "groups: []\n", "skip/a.yaml": "a: 1"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "dangling.yaml")); err != nil {
		t.Fatal(err)
	}
	files, problems, err := Discover(dir, func(path string) bool { return !strings.Contains(path, "skip") })
	if err != nil || len(files) != 2 || filepath.Base(files[0].Name) != "a.yml" || filepath.Base(files[1].Name) != "x.YAML" {
		t.Errorf("%v %v", files, err)
	}
	if len(problems) != 1 || !strings.Contains(problems[0].String(), "dangling.yaml: cannot be read") {
		t.Errorf("problems %v", problems)
	}
}

func TestACatalogOfWindowsHasEachPeriodOnce(t *testing.T) {
	t.Parallel()
	const text = "apiVersion: sloth.slok.dev/v1\nkind: AlertWindows\nspec:\n  sloPeriod: 7d\n  page: {quick: {errorBudgetPercent: 8, shortWindow: 5m, longWindow: 1h}, slow: {errorBudgetPercent: 12.5, shortWindow: 30m, longWindow: 6h}}\n" +
		"  ticket: {quick: {errorBudgetPercent: 20, shortWindow: 2h, longWindow: 1d}, slow: {errorBudgetPercent: 42, shortWindow: 6h, longWindow: 3d}}\n"
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, problems, err := AlertWindows(dir); err != nil || len(problems) != 1 {
		t.Errorf("an empty folder: %v %v", problems, err)
	}
	write("a.yaml", text)
	write("b.yaml", text)
	if all, problems, err := AlertWindows(dir); err != nil || len(problems) > 0 || len(all) != 1 || all[0].Tiers[0].Factor != 13.44 {
		t.Errorf("the same twice: %+v %v %v", all, problems, err)
	}
	write("b.yaml", strings.Replace(text, "42", "43", 1))
	if _, problems, _ := AlertWindows(dir); len(problems) != 1 || !strings.Contains(problems[0].String(), "b.yaml:4: spec.sloPeriod: has other windows already") {
		t.Errorf("another for the same period: %v", problems)
	}
	if _, _, err := AlertWindows(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a folder that is not there is read")
	}
}
