package slo

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/prometheus/prometheus/model/rulefmt"
)

// readAny reads every document of a file by whatever reader fits, and makes rules of what is good.
func readAny(text string) (problems manifest.Problems, ruled int, failed error) {
	docs, problems := manifest.Read(manifest.File{Name: "f.yaml", Text: text})
	for _, d := range docs {
		var slos []SLO
		var ps manifest.Problems
		switch {
		case d.APIVersion == SlothVersion:
			slos, ps = ReadSloth(d)
		case d.Kind == KindContract:
			_, ps = ReadContract(d)
		default:
			var s SLO
			if s, ps = ReadSLO(d); len(ps) == 0 {
				slos = []SLO{s}
			}
		}
		problems = append(problems, ps...)
		if len(ps) > 0 {
			continue
		}
		for _, s := range slos {
			if err := loadable(s); err != nil {
				return problems, ruled, fmt.Errorf("%s was read without a problem, but: %w", s.ID, err)
			}
			ruled++
		}
	}
	return problems, ruled, nil
}

// loadable makes the SLO's rules and loads them as Prometheus does.
func loadable(s SLO) error {
	rg, err := s.Rules()
	if err != nil {
		return err
	}
	text, err := MarshalRules([]RuleGroups{rg})
	if err != nil {
		return err
	}
	_, errs := rulefmt.Parse(text, false)
	return errors.Join(errs...)
}

func FuzzReaders(f *testing.F) {
	f.Add(shopText)
	f.Add(sliText(`{raw: {errorRatio: 'avg by (a) (x)'}}`, "  groupBy: [a]"))
	f.Add(sliText(`{latency: {histogram: h, threshold: 1s}}`, "  window: {calendar: month, zone: UTC}"))
	f.Add("version: prometheus/v1\nservice: a\nslos: [{name: b, objective: 99, sli: {events: {error_query: 'sum(rate(e[{{.window}}]))', total_query: 'sum by (x) (increase(t[{{.window}}]))'}}}]")
	f.Add("version: prometheus/v1\nservice: a\nslos: [{name: b, objective: 99, sli: {events: {error_query: 'sum_over_time((x < 1)[{{.window}}:]) or on () vector(0)', total_query: 'count_over_time(t[{{.window}}])'}}}]")
	f.Add("apiVersion: nines/v1\nkind: Tenant\nmetadata: {name: a}\nspec: {zone: UTC, promises: [{slo: x, objective: 99, credits: [{below: 98, credit: 1}]}]}")
	f.Add("apiVersion: nines/v1\nkind: SLO\nmetadata: {name: a}\nspec: {objective: [], window: [1], sli: 3, groupBy: {a: b}, alerting: []}")
	f.Fuzz(func(t *testing.T, text string) {
		problems, _, err := readAny(text)
		if err != nil {
			t.Error(err)
		}
		for _, p := range problems {
			if p.Message == "" || p.File != "f.yaml" {
				t.Errorf("a problem that says nothing: %+v", p)
			}
		}
	})
}

// hostile returns files of nearly the greatest size, each made to cost as much as it can.
func hostile() map[string]string {
	const size = manifest.MaxBytes - 1024
	repeat := func(unit string, rest int) string { return strings.Repeat(unit, (size-rest)/len(unit)) }
	numbered := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len()+len(format) < size-500; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	head := "apiVersion: nines/v1\nkind: SLO\nmetadata: {name: a}\nspec:\n"
	sloth := "version: prometheus/v1\nservice: a\nslos:\n"
	deep := strings.Repeat("(", 190) + "x" + strings.Repeat(")", 190)
	query := deep + strings.Repeat("+"+deep, 18)
	return map[string]string{
		"unknown fields":     head + numbered("  k%d: 1\n"),
		"labels":             head + "  alerting:\n    labels:\n" + numbered("      9k%d: v\n"),
		"groups":             head + "  groupBy:\n" + numbered("    - k%d\n"),
		"slos without sense": sloth + repeat("  - {}\n", 100),
		"slos":               sloth + numbered("  - {name: n%d, objective: 100, sli: {events: {error_query: 'irate(', total_query: 'x'}}}\n"),
		"deep queries":       sloth + numbered("  - {name: n%d, objective: 99, sli: {raw: {error_ratio_query: '"+query+"'}}}\n"),
		"long queries":       sloth + numbered("  - {name: n%d, objective: 99, sli: {raw: {error_ratio_query: 'x"+strings.Repeat("+x", 145)+"'}}}\n"),
		"longer queries":     sloth + numbered("  - {name: n%d, objective: 99, sli: {raw: {error_ratio_query: 'x"+strings.Repeat("+x", 990)+"'}}}\n"),
		"matchers":           sloth + numbered("  - {name: n%d, objective: 99, sli: {raw: {error_ratio_query: 'x{"+strings.Repeat(`a=~"(a|b)*c.*",`, 500)+"}'}}}\n"),
		"repetitions":        head + "  objective: 99\n  service: a\n  sli: {raw: {errorRatio: 'x{a=~\"" + strings.Repeat("a{1000}", 1000) + "\"}'}}\n",
		"templates":          head + "  alerting:\n    annotations:\n" + numbered("      k%d: '{{ range $i, $x := . }}{{ end }}'\n"),
		"brackets":           head + "  sli: " + strings.Repeat("[", 100000),
		"promises":           "apiVersion: nines/v1\nkind: Tenant\nmetadata: {name: a}\nspec:\n  promises:\n" + repeat("    - {}\n", 200),
	}
}

func BenchmarkHostileFiles(b *testing.B) {
	for name, text := range hostile() {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				readAny(text)
			}
		})
	}
}

func TestHostileFilesAreRefusedInFewProblems(t *testing.T) {
	t.Parallel()
	for name, text := range hostile() {
		problems, ruled, err := readAny(text)
		if err != nil || len(problems) == 0 || ruled > 0 {
			t.Errorf("%s: %d problems, %d SLOs taken, %v", name, len(problems), ruled, err)
		}
	}
}
