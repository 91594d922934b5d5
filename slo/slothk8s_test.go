package slo

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/internal/manifest"
)

const serviceLevelText = `apiVersion: sloth.slok.dev/v1
kind: PrometheusServiceLevel
metadata: {name: web, namespace: monitoring, labels: {app: web}, resourceVersion: "7"}
spec:
  service: web
  labels: {owner: web-team, tier: "2"}
  slos:
    - name: requests
      objective: 99.5
      description: d
      labels: {tier: "1"}
      sli:
        events:
          errorQuery: sum by (tenant) (rate(r_total{code="500"}[{{.window}}]))
          totalQuery: sum by (tenant) (rate(r_total[{{.window}}]))
      alerting:
        name: Web
        labels: {category: a}
        annotations: {runbook: "https://r.example/web"}
        pageAlert: {labels: {severity: p}, annotations: {x: y}}
        ticketAlert: {disable: true}
    - name: satisfaction
      objective: 95
      sli: {raw: {errorRatioQuery: "1 - avg(ok)"}}
      alerting: {name: Satisfaction}
status: {processedSLOs: 2}
`

// asPrometheus is the same in Sloth's other format.
func asPrometheus(text string) string {
	_, spec, _ := strings.Cut(text, "spec:\n")
	spec, _, _ = strings.Cut(spec, "status:")
	spec = strings.ReplaceAll("\n"+spec, "\n  ", "\n")
	return "version: prometheus/v1" + strings.NewReplacer("errorQuery", "error_query", "totalQuery", "total_query", "errorRatioQuery", "error_ratio_query",
		"pageAlert", "page_alert", "ticketAlert", "ticket_alert").Replace(spec)
}

func TestAServiceLevelIsWhatTheSameFileIs(t *testing.T) {
	t.Parallel()
	got, notes, problems := ReadServiceLevel(document(t, serviceLevelText))
	if len(problems)+len(notes) > 0 {
		t.Fatal(problems, notes)
	}
	want, problems := ReadSloth(document(t, asPrometheus(serviceLevelText)))
	if len(problems) > 0 || len(want) != 2 {
		t.Fatal(problems, len(want))
	}
	for i := range want {
		want[i].Spec = ServiceLevelVersion
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-prometheus/v1 +Kubernetes):\n%s", diff)
	}
}

// Sloth's own types, in the module that we take those of its other format from, have the fields that are read here.
func TestServiceLevelFieldsAreSloths(t *testing.T) {
	t.Parallel()
	path := filepath.Join(slothExamples(t), "..", "pkg", "kubernetes", "api", "sloth", "v1", "types.go")
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := map[string][]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok {
			if fields, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range fields.Fields.List {
					name, _, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json"), ",")
					theirs[spec.Name.Name] = append(theirs[spec.Name.Name], name)
				}
			}
		}
		return true
	})
	for name, own := range map[string]reflect.Type{
		"PrometheusServiceLevelSpec": reflect.TypeFor[serviceLevelSpec](), "SLO": reflect.TypeFor[serviceLevelSLO](), "SLI": reflect.TypeFor[serviceLevelSLI](),
		"SLIRaw": reflect.TypeFor[serviceLevelRaw](), "SLIEvents": reflect.TypeFor[serviceLevelEvents](), "Alerting": reflect.TypeFor[serviceLevelAlerting](),
	} {
		var ours []string
		for i := range own.NumField() {
			f, _, _ := strings.Cut(own.Field(i).Tag.Get("yaml"), ",")
			if !slices.Contains([]string{"sloPlugins", "plugins", "page_alert", "ticket_alert"}, f) { // of later versions, and misspelt
				ours = append(ours, f)
			}
		}
		slices.Sort(ours)
		slices.Sort(theirs[name])
		if diff := cmp.Diff(theirs[name], ours); diff != "" {
			t.Errorf("%s (-Sloth's +ours):\n%s", name, diff)
		}
	}
}

func TestSlothsOwnServiceLevelsAreRead(t *testing.T) {
	t.Parallel()
	dir := slothExamples(t)
	for file, want := range map[string]int{"k8s-getting-started.yml": 1, "k8s-home-wifi.yml": 2, "k8s-multifile.yml": 2, "plugin-k8s-getting-started.yml": 0} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		docs, problems := manifest.Read(manifest.File{Name: file, Text: string(text)})
		read := 0
		for _, d := range docs {
			slos, _, ps := ReadServiceLevel(d)
			problems, read = append(problems, ps...), read+len(slos)
		}
		if len(problems) > 0 || read != want {
			t.Errorf("%s: %d SLOs, want %d; %v", file, read, want, problems)
		}
	}
}

func TestServiceLevelProblemsNameTheirOwnFields(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to, want string }{
		{"errorQuery:", "error_query:", "f.yaml:14: spec.slos.0.sli.events.error_query: is not a known field; did you mean errorQuery?"},
		{"objective: 99.5", "objective: 100", "f.yaml:9: spec.slos.0.objective: 100 would mean"},
		{"code=\"500\"}[{{.window}}]", "code=\"500\"}[5m]", "f.yaml:14: spec.slos.0.sli.events.errorQuery: "},
		{"{errorRatioQuery: \"1 - avg(ok)\"}", "{errorRatioQuery: \"1 - avg(ok\"}", "f.yaml:24: spec.slos.1.sli.raw.errorRatioQuery: is not PromQL"},
		{"pageAlert: {labels: {severity: p}", "pageAlert: {labels: {alertname: p}", `f.yaml:20: spec.slos.0.alerting.pageAlert.labels: "alertname" is reserved`},
		{"kind: PrometheusServiceLevel", "kind: ServiceLevel", `f.yaml:2: kind: "ServiceLevel" is not known`},
		{"service: web", "service: web shop", `f.yaml:5: spec.service: "web shop" must be letters`},
	} {
		_, _, problems := ReadServiceLevel(document(t, strings.Replace(serviceLevelText, c.from, c.to, 1)))
		if all := textOf(problems); !strings.Contains(all, c.want) {
			t.Errorf("%q gave\n%swant %s", c.to, all, c.want)
		}
	}
}

func textOf(problems manifest.Problems) string {
	all := ""
	for _, p := range problems {
		all += p.String() + "\n"
	}
	return all
}

func TestWhatSlothDoesByPluginsIsNoted(t *testing.T) {
	t.Parallel()
	const text = `version: prometheus/v1
service: web
slo_plugins: {chain: [{id: sloth.dev/contrib/rule_intervals/v1, priority: 7, config: {interval: {all: 1m}}}]}
slos:
  - name: made
    objective: 99
    sli: {plugin: {id: some/plugin, options: {job: web}}}
    alerting: {name: A}
  - name: counted
    objective: 99
    plugins: {chain: [{id: sloth.dev/core/debug/v1}]}
    interval: {all: 5m}
    sli: {events: {error_query: 'sum(rate(e[{{.window}}]))', total_query: 'sum(rate(t[{{.window}}]))'}}
    alerting: {name: B}
`
	slos, notes, problems := ReadSlothNoting(document(t, text))
	if len(problems) > 0 || len(slos) != 1 || slos[0].ID != "web-counted" {
		t.Fatalf("%v; read %+v", problems, slos)
	}
	got := ""
	for _, n := range notes {
		got += n.Where() + " " + n.Field + "\n"
	}
	if want := "f.yaml:3 slo_plugins\nf.yaml:7 slos.0.sli.plugin\nf.yaml:11 slos.1.plugins\nf.yaml:12 slos.1.interval\n"; got != want {
		t.Errorf("noted\n%s", got)
	}
	if blocking := notes.Blocking(); len(blocking) != 1 || !strings.Contains(blocking[0].Message, "write the error_query and total_query") {
		t.Errorf("what blocks is %v", blocking)
	}
	if _, problems := ReadSloth(document(t, text)); len(problems) != 1 {
		t.Errorf("for those who want it whole it is a problem: %v", problems)
	}
	victoria := strings.NewReplacer("rule_intervals", "validate_victoria_metrics", "sum(rate(t[{{.window}}]))", "histogram_share(1, t[{{.window}}])").Replace(text)
	slos, notes, problems = ReadSlothNoting(document(t, victoria))
	if len(problems) > 0 || len(slos) != 0 || len(notes.Blocking()) != 2 {
		t.Errorf("MetricsQL: %v, %v, %v", slos, notes, problems)
	}
}

func FuzzServiceLevel(f *testing.F) {
	f.Add(serviceLevelText)
	f.Add(strings.Replace(serviceLevelText, "pageAlert", "page_alert", 1))
	f.Add("apiVersion: sloth.slok.dev/v1\nkind: PrometheusServiceLevel\nspec: {service: a, slos: [{name: b, sli: {plugin: {id: x}}, alerting: []}]}")
	f.Fuzz(func(t *testing.T, text string) {
		docs, _ := manifest.Read(manifest.File{Name: "f.yaml", Text: text})
		for _, d := range docs {
			if d.APIVersion != ServiceLevelVersion {
				continue
			}
			slos, _, problems := ReadServiceLevel(d)
			if len(problems) > 0 {
				continue
			}
			for _, s := range slos {
				if err := loadable(s); err != nil {
					t.Errorf("%s was read without a problem, but: %v", s.ID, err)
				}
			}
		}
	})
}
