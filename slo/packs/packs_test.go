package packs

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
	"github.com/prometheus/prometheus/promql/parser"
)

var nan = math.NaN()

// eachExporter runs a test for every pack with every exporter.
func eachExporter(t *testing.T, test func(t *testing.T, p Pack, exporter string)) {
	t.Helper()
	for _, p := range All() {
		for _, e := range p.Exporters {
			t.Run(p.Name+"/"+e.Name, func(t *testing.T) { t.Parallel(); test(t, p, e.Name) })
		}
	}
}

func files(t testing.TB, p Pack, set map[string]string) Files {
	t.Helper()
	f, err := p.Files(set)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestEveryPromiseBurnsWhenItIsBrokenAndOnlyThen(t *testing.T) {
	t.Parallel()
	eachExporter(t, func(t *testing.T, p Pack, exporter string) {
		shown := slices.Clone(exporterSeries[p.Name][exporter])
		if len(shown) == 0 {
			t.Fatal("there are no series of this exporter to try it with")
		}
		for _, job := range []string{"web", "api", "vllm", "llm", "postgres", "redis", "kafka-exporter", "kminion", "burrow", "rabbitmq", "yace", "clickhouse", "airflow", "apiserver", "kubelet", "kube-state-metrics", "nightly"} {
			shown = append(shown, gauge(`up{job="`+job+`",instance="a"}`, 1, 1))
		}
		slos := readSLOs(t, files(t, p, map[string]string{"exporter": exporter}).SLOs)
		l, healthy, broken, step := newLab(t, slos), 15*time.Minute, 20*time.Minute, 30*time.Second
		if p.Name == "batch" {
			healthy, broken, step = time.Hour, 3*time.Hour, time.Minute
		}
		l.run(healthy, step, shown, false)
		for _, s := range slos {
			if total, seen := l.query("sum(sum_over_time(" + s.TotalSeries() + "[5h]))"); !seen || total == 0 {
				t.Errorf("%s: nothing was counted while all was well", s.ID)
			}
			if errors, seen := l.query("sum(sum_over_time(" + s.ErrorSeries() + "[5h]))"); !seen || errors != 0 {
				t.Errorf("%s: %v errors while all was well (seen %v)", s.ID, errors, seen)
			}
		}
		if f := l.firing(); len(f) > 0 {
			t.Errorf("while all is well there are alerts of %v", f)
		}
		l.run(broken, step, shown, true)
		firing := l.firing()
		for _, s := range slos {
			ratio, _ := l.query(fmt.Sprintf(`max(slo:sli_error:ratio_rate5m{sloth_id=%q})`, s.ID))
			if burn := ratio / s.Objective.Budget(); burn <= 1 || !firing[s.ID] {
				t.Errorf("%s is broken, burns %.2f times, alert %v", s.ID, burn, firing[s.ID])
			}
		}
	})
}

func TestTheMetricsOfEachPackAreThoseItsExporterShows(t *testing.T) {
	t.Parallel()
	eachExporter(t, func(t *testing.T, p Pack, exporter string) {
		known := map[string]bool{}
		for _, s := range exporterSeries[p.Name][exporter] {
			name, _, _ := strings.Cut(s.text, "{")
			known[strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_count")] = true
		}
		for _, s := range readSLOs(t, files(t, p, map[string]string{"exporter": exporter}).SLOs) {
			for _, query := range []string{s.SLI.ErrorQuery, s.SLI.GoodQuery, s.SLI.TotalQuery, s.SLI.Gauge, s.SLI.Value, s.SLI.Histogram} {
				for _, name := range metricsOf(t, query) {
					if !known[strings.TrimSuffix(name, "_count")] {
						t.Errorf("%s reads %s, which no scrape shows", s.ID, name)
					}
				}
			}
		}
	})
}

func metricsOf(t *testing.T, query string) []string {
	t.Helper()
	if query == "" {
		return nil
	}
	expr, err := parser.ParseExpr(strings.ReplaceAll(query, "{{.window}}", "5m"))
	if err != nil {
		t.Fatal(query, err)
	}
	var out []string
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if vs, ok := n.(*parser.VectorSelector); ok {
			out = append(out, vs.Name)
		}
		return nil
	})
	return out
}

func TestPromtoolTakesTheRulesOfEveryPack(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed, so the rules are only checked against the library we build with")
	}
	dir := t.TempDir()
	args := []string{"check", "rules", "--lint=all", "--lint-fatal"}
	for _, p := range All() {
		for _, e := range p.Exporters {
			path := filepath.Join(dir, p.Name+"-"+e.Name+".yaml")
			if err := os.WriteFile(path, ruleText(t, readSLOs(t, files(t, p, map[string]string{"exporter": e.Name}).SLOs)), 0o600); err != nil {
				t.Fatal(err)
			}
			args = append(args, path)
		}
	}
	if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestAPackSaysWhatItHolds(t *testing.T) {
	t.Parallel()
	taken := map[string]string{}
	for _, p := range All() {
		var made []string
		for _, e := range p.Exporters {
			slos := readSLOs(t, files(t, p, map[string]string{"exporter": e.Name}).SLOs)
			if len(slos) < 2 || len(slos) > 5 {
				t.Errorf("%s/%s has %d promises, want 2 to 5", p.Name, e.Name, len(slos))
			}
			for _, s := range slos {
				if s.Alerting.Runbook != p.Runbook || p.Runbook != "slo-"+p.Name {
					t.Errorf("%s has the runbook %q, its pack %q", s.ID, s.Alerting.Runbook, p.Runbook)
				}
				if other := taken[s.Name]; other != "" && other != p.Name {
					t.Errorf("%s is in the packs %s and %s; one service could not have both", s.Name, other, p.Name)
				}
				if s.Description == "" {
					t.Errorf("%s does not say what it promises", s.ID)
				}
				taken[s.Name] = p.Name
				if !slices.Contains(made, s.Name) {
					made = append(made, s.Name)
				}
			}
			if slos[0].Name != p.SLOs[0] || slos[0].Objective.String() != p.Defaults(e.Name)[ObjectiveParameter] {
				t.Errorf("%s: --objective is about %s, which has %s", p.Name, slos[0].Name, slos[0].Objective)
			}
		}
		if slices.Sort(made); !slices.Equal(made, sorted(p.SLOs)) {
			t.Errorf("%s says that it has %v, and has %v", p.Name, p.SLOs, made)
		}
		for _, name := range []string{ServiceParameter, JobParameter, ObjectiveParameter, ThresholdParameter, ExporterParameter} {
			if _, ok := p.parameter(name); !ok {
				t.Errorf("%s has no parameter %s, which has a flag", p.Name, name)
			}
		}
	}
	if _, err := Get("http"); err != nil {
		t.Error(err)
	}
	if _, err := Get("nothing"); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "http, grpc, llm") {
		t.Errorf("an unknown pack gives %v", err)
	}
}

func sorted(in []string) []string {
	out := slices.Clone(in)
	slices.Sort(out)
	return out
}

func TestCommentsStayAndFitALine(t *testing.T) {
	t.Parallel()
	eachExporter(t, func(t *testing.T, p Pack, exporter string) {
		f := files(t, p, map[string]string{"exporter": exporter})
		for _, text := range []string{f.Service.Text, f.SLOs.Text} {
			if strings.Contains(text, "<%") || strings.Contains(text, "%>") || strings.Contains(text, "<no value>") {
				t.Errorf("a mark of the template is left in\n%s", text)
			}
			for i, line := range strings.Split(text, "\n") {
				if strings.HasPrefix(line, "#") && len(line) > 132 {
					t.Errorf("%s:%d has %d signs: %s", f.SLOs.Name, i+1, len(line), line)
				}
				if strings.TrimRight(line, " ") != line {
					t.Errorf("%s:%d ends with a blank", f.SLOs.Name, i+1)
				}
			}
			for _, doc := range strings.Split(text, "\n---\n") {
				if !strings.HasPrefix(doc, "#") {
					t.Errorf("a document does not say what it is:\n%s", doc)
				}
			}
		}
		for _, word := range []string{"# Expects ", "# Change ", "# Runbook  " + p.Runbook} {
			if !strings.Contains(f.SLOs.Text, word) {
				t.Errorf("%q is missing", word)
			}
		}
	})
}

// TestEveryParameterChangesSomething finds parameters that were forgotten in the documents, and those that promise to
// be used with an exporter and are not.
func TestEveryParameterChangesSomething(t *testing.T) {
	t.Parallel()
	other := map[string]string{"name": "odd-1", "metric": "odd:metric_total", "label": "odd_label", "match": `~odd"|\d+`, "percent": "12.5", "number": "77", "switch": "true"}
	eachExporter(t, func(t *testing.T, p Pack, exporter string) {
		before := files(t, p, map[string]string{"exporter": exporter}).SLOs.Text
		for _, q := range p.Parameters {
			if len(q.Needs) > 0 && !slices.Contains(q.Needs, exporter) || q.Name == ExporterParameter {
				continue
			}
			set := map[string]string{"exporter": exporter}
			switch {
			case q.Kind == "duration" && q.Among != "":
				bounds := strings.Split(p.Defaults(exporter)[q.Among], ", ")
				set[q.Name] = bounds[0]
			case q.Kind == "duration":
				set[q.Name] = "13d"
				if _, ok := q.duration("13d"); !ok {
					set[q.Name] = "23m"
				}
			case q.Kind == "bounds":
				set[q.Name] = p.Defaults(exporter)[q.Name] + ",3d"
			case q.Name == "native" && exporter == "native":
				set[q.Name] = "false"
			default:
				set[q.Name] = other[q.Kind]
			}
			if q.Name == "buckets" && exporter == "native" {
				set["native"] = "false"
			}
			if after := files(t, p, set).SLOs.Text; after == before {
				t.Errorf("setting %s to %s changes nothing", q.Name, set[q.Name])
			}
		}
	})
}

func TestValuesThatDoNotDoAreNamedAtOnce(t *testing.T) {
	t.Parallel()
	p, _ := Get("http")
	for _, c := range []struct {
		set   map[string]string
		where []string
		words string
	}{
		{map[string]string{"objective": "100"}, []string{"objective"}, "strictly between 0 and 100"},
		{map[string]string{"objective": "99.9%"}, []string{"objective"}, "without a sign"},
		{map[string]string{"objective": "NaN"}, []string{"objective"}, "per cent"},
		{map[string]string{"objective": "1e1"}, []string{"objective"}, "per cent"},
		{map[string]string{"threshold": "300ms"}, []string{"threshold"}, "bucket boundary"},
		{map[string]string{"threshold": "300"}, []string{"threshold"}, "duration"},
		{map[string]string{"service": "Shop"}, []string{"service"}, "lower-case"},
		{map[string]string{"service": "a: b\n"}, []string{"service"}, "lower-case"},
		{map[string]string{"histogram": "x{}"}, []string{"histogram"}, "metric's name"},
		{map[string]string{"job": "~("}, []string{"job"}, "regular expression"},
		{map[string]string{"job": ""}, []string{"job"}, "is empty"},
		{map[string]string{"job": "\xff"}, []string{"job"}, "UTF-8"},
		{map[string]string{"job": strings.Repeat("x", 600)}, []string{"job"}, "the most is 500"},
		{map[string]string{"exporter": "none"}, []string{"exporter"}, "otel, client_golang, native"},
		{map[string]string{"native": "yes"}, []string{"native"}, "true or false"},
		{map[string]string{"buckets": "2s,1s"}, []string{"buckets"}, "ascending"},
		{map[string]string{"window": "1h"}, []string{"window"}, "from 1d to 90d"},
		{map[string]string{"speed": "1"}, []string{"speed"}, "it has exporter, service, job"},
		{map[string]string{"speed": "1", "objective": "0", "status": "a-b"}, []string{"speed", "objective", "status"}, "per cent"},
		{map[string]string{"exporter": "native", "threshold": "300ms"}, []string{"spec.sli.latency.threshold"}, "power of two"},
		{map[string]string{"objective": "99.9999999999"}, []string{"spec.objective"}, "too small to count"},
	} {
		_, err := p.Files(c.set)
		f := fault.Public(err)
		var where []string
		for _, d := range f.Details {
			where = append(where, d.Where)
		}
		if f.Kind != fault.Invalid || !slices.Equal(sorted(where), sorted(c.where)) || !strings.Contains(f.Error(), c.words) {
			t.Errorf("%q gives %v, want %q about %v", c.set, err, c.words, c.where)
		}
	}
	airflow, _ := Get("airflow")
	if _, err := airflow.Files(map[string]string{"exporter": "otel", "threshold": "1m"}); err == nil || !strings.Contains(err.Error(), "it goes with statsd") {
		t.Errorf("a value that nothing uses gives %v", err)
	}
}

func TestAServiceNamedLikeANumberStaysText(t *testing.T) {
	t.Parallel()
	p, _ := Get("redis")
	for _, name := range []string{"null", "12", "true", "0x1f", "1e3", "no", "2026-01-01"} {
		f := files(t, p, map[string]string{"service": name})
		if s := readSLOs(t, f.SLOs)[0]; s.Service != name {
			t.Errorf("%s became %q", name, s.Service)
		}
		if docs, problems := manifest.Read(f.Service); len(problems) > 0 || len(docs) != 1 || docs[0].Metadata.Name != name {
			t.Errorf("%s: %v", name, problems)
		}
		if f.Service.Name != name+".service.yaml" || f.SLOs.Name != name+".redis.yaml" {
			t.Errorf("the files are %s and %s", f.Service.Name, f.SLOs.Name)
		}
	}
}

// nothing is what a value must never become: another field, another matcher, a comment, a template.
var hostile = []string{
	`shop"`, `a",x="y`, `a'b`, "a: b", "a # b", "a\nobjective: 1", "%>", "<% v \"service\" %>", "{{.window}}", "{{{ .window }}}", `\`, `\"`, "a\tb", "é", "\u2028", "*", "&a", "!!str x", "- x",
	"~a|b", "~", `~a"b`, "~[{]{2}", "~~", "}", `{job="x"}`, "'", "`", "|-", "\x00", "\x1b[31m",
}

func TestHostileTextIsOnlyEverAMatchersValue(t *testing.T) {
	t.Parallel()
	for _, p := range All() {
		for _, text := range hostile {
			checkText(t, p, text)
		}
	}
}

// checkText puts the text where the pack takes free text and asks that it is a matcher's value and changes nothing else.
func checkText(t *testing.T, p Pack, text string) {
	t.Helper()
	set := map[string]string{}
	for _, q := range p.Parameters {
		if q.Kind == "match" && len(q.Needs) == 0 {
			set[q.Name] = text
		}
	}
	f, err := p.Files(set)
	if err != nil {
		if f := fault.Public(err); f.Kind != fault.Invalid {
			t.Errorf("%s: %q gives %v", p.Name, text, err)
		}
		return
	}
	slos, plainly := readSLOs(t, f.SLOs), readSLOs(t, files(t, p, nil).SLOs)
	if len(slos) != len(plainly) {
		t.Fatalf("%s: %q made %d documents of %d", p.Name, text, len(slos), len(plainly))
	}
	want := strings.TrimSpace(text)
	if after, isRegexp := strings.CutPrefix(want, "~"); isRegexp {
		want = after
	}
	found := 0
	for i, s := range slos {
		if s.ID != plainly[i].ID || s.Objective != plainly[i].Objective || s.Window != plainly[i].Window || s.Description != plainly[i].Description {
			t.Fatalf("%s: %q changed %s to %s", p.Name, text, plainly[i].ID, s.ID)
		}
		found += matchersOf(t, s, want)
		if _, err := s.Rules(); err != nil {
			t.Errorf("%s: %q: %v", p.Name, text, err)
		}
	}
	if found == 0 {
		t.Errorf("%s: %q is nowhere a matcher's value\n%s", p.Name, text, f.SLOs.Text)
	}
}

func matchersOf(t *testing.T, s slo.SLO, value string) int {
	t.Helper()
	found := 0
	for _, query := range []string{s.SLI.ErrorQuery, s.SLI.GoodQuery, s.SLI.TotalQuery, s.SLI.Gauge, s.SLI.Value, s.SLI.Histogram + s.SLI.Selector} {
		if query == "" {
			continue
		}
		expr, err := parser.ParseExpr(windowMark.ReplaceAllString(query, "5m"))
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
			if vs, ok := n.(*parser.VectorSelector); ok {
				for _, m := range vs.LabelMatchers {
					if m.Value == value {
						found++
					}
				}
			}
			return nil
		})
	}
	return found
}

var windowMark = regexp.MustCompile(`\{\{\s*\.window\s*\}\}`)

func FuzzText(f *testing.F) {
	for _, text := range hostile {
		f.Add(0, text)
	}
	all := All()
	f.Fuzz(func(t *testing.T, which int, text string) {
		checkText(t, all[((which%len(all))+len(all))%len(all)], text)
	})
}

// FuzzValues sets any parameter to anything: it is refused, or the documents can be read and their comments are there.
func FuzzValues(f *testing.F) {
	for _, p := range All() {
		for _, q := range p.Parameters {
			f.Add(p.Name, q.Name, q.Default)
			f.Add(p.Name, q.Name, "1\n# x: [")
		}
	}
	f.Fuzz(func(t *testing.T, pack, name, value string) {
		p, err := Get(pack)
		if err != nil {
			t.Skip()
		}
		out, err := p.Files(map[string]string{name: value})
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%s %s=%q: %v", pack, name, value, err)
			}
			return
		}
		slos := readSLOs(t, out.SLOs)
		if docs := bytes.Count([]byte(out.SLOs.Text), []byte("\n---\n")) + 1; docs != len(slos) {
			t.Errorf("%s %s=%q: %d documents, %d SLOs", pack, name, value, docs, len(slos))
		}
	})
}
