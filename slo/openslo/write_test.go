package openslo

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nines-sre/nines/slo"
)

// native reads a nines/v1 SLO of the service web.
func native(t *testing.T, spec string) slo.SLO {
	t.Helper()
	docs := documents(t, "apiVersion: nines/v1\nkind: SLO\nmetadata: {name: s, labels: {tier: \"1\"}}\nspec:\n  service: web\n  description: d\n  objective: 99.5\n"+spec)
	s, problems := slo.ReadSLO(docs[0])
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return s
}

func lossText(lost []slo.Loss) string {
	var out []string
	for _, l := range lost {
		word := "lost"
		if l.Equivalent {
			word = "same"
		}
		out = append(out, word+" "+l.Field)
	}
	return strings.Join(out, ", ")
}

func TestWhatIsWrittenReadsBackEqual(t *testing.T) {
	t.Parallel()
	events := "  sli: {events: {errors: 'e_total', total: 't_total'}}\n"
	windowed := "  sli: {events: {%: 'sum(rate(e[{{.window}}]))', total: 'sum(rate(t[{{.window}}]))'}}\n"
	for _, c := range []struct{ name, spec string }{
		{"errors", strings.Replace(windowed, "%", "errors", 1)},
		{"good events", strings.Replace(windowed, "%", "good", 1)},
		{"by tenant", "  sli: {events: {errors: 'sum by (tenant) (rate(e[{{.window}}]))', total: 'sum by (tenant) (rate(t[{{.window}}]))'}}\n  groupBy: [tenant]"},
		{"a threshold", "  sli: {threshold: {value: 'max(lag)', op: '<=', bound: 0.25}}"},
		{"a ratio", "  sli: {raw: {errorRatio: 'avg(bad)'}}\n  interval: 5m"},
		{"slices", strings.Replace(windowed, "%", "errors", 1) + "  slices: {target: 99}\n  interval: 5m"},
		{"slices by ratio", strings.Replace(windowed, "%", "errors", 1) + "  slices: {ratio: true}"},
		{"a week", strings.Replace(windowed, "%", "errors", 1) + "  window: 7d"},
		{"a calendar", strings.Replace(windowed, "%", "errors", 1) + "  window: {calendar: quarter, zone: Europe/Berlin}"},
		{"a calendar from the 15th", strings.Replace(windowed, "%", "errors", 1) + "  window: {calendar: month, zone: UTC, start: \"2026-01-15T06:00:00\"}"},
		{"further objectives", strings.Replace(windowed, "%", "errors", 1) + "  objectives: [{name: low, objective: 90}]"},
		{"tickets only, no word of lost data", strings.Replace(windowed, "%", "errors", 1) + "  alerting: {page: {off: true}, noData: {off: true}}"},
		{"windows", strings.Replace(windowed, "%", "errors", 1) + "  alerting: {windows: [{name: now, severity: page, factor: 20, long: 1h, short: 10m}, {name: soon, severity: ticket, factor: 2, long: 1d, short: 2h}]}"},
	} {
		s := native(t, c.spec)
		text, lost, err := Write([]slo.SLO{s})
		if err != nil || len(lost) > 0 {
			t.Errorf("%s: %v, lost %v", c.name, err, lost)
			continue
		}
		slos, notes := readAll(t, text)
		if len(notes) > 0 || len(slos) != 1 {
			t.Errorf("%s: %d SLOs, %v\n%s", c.name, len(slos), notes, text)
			continue
		}
		s.Spec = V1
		if diff := cmp.Diff(s, slos[0], cmpopts.IgnoreFields(slo.SLO{}, "Parsed")); diff != "" {
			t.Errorf("%s (-written +read):\n%s\n%s", c.name, diff, text)
		}
	}
	for _, c := range []struct{ name, spec, want string }{
		{"plain selectors", events, ""},
		{"latency", "  sli: {latency: {histogram: h_seconds, threshold: 250ms}}", "same sli"},
		{"a gauge by region", "  sli: {gauge: {good: 'up{job=\"x\"}'}}\n  groupBy: [region]", "same sli"},
		{"a value by region that does not say so", "  sli: {threshold: {value: 'lag', op: '<', bound: 3}}\n  groupBy: [region]", "lost groupBy"},
		{"another window", events + "  objectives: [{name: week, objective: 95, window: 7d}]", "same objectives"},
		{"another interval", events + "  interval: 15s", "lost interval"},
		{"alerting of our own", events + "  alerting: {name: X, runbook: 'https://x', annotations: {a: b}, labels: {c: d}, policy: p, guard: off}",
			"lost alerting.annotations, lost alerting.guard, lost alerting.labels, lost alerting.name, lost alerting.policy, lost alerting.runbook"},
		{"counting of our own", events + "  groupBy: [tenant]\n  budgetBy: []\n  gap: good\n  maxGroups: 9\n  settle: 1m", "lost budgetBy, lost gap, lost maxGroups, lost settle"},
		{"alerts of seconds", events + "  interval: 15s\n  alerting: {windows: [{name: a, severity: page, factor: 20, long: 90s, short: 30s}]}", "lost alerting.windows, lost alerting.windows, lost interval"},
	} {
		text, lost, err := Write([]slo.SLO{native(t, c.spec)})
		if got := lossText(lost); err != nil || got != c.want {
			t.Errorf("%s: %v, %s; want %s", c.name, err, got, c.want)
		}
		if slos, _ := readAll(t, text); len(slos) == 0 {
			t.Errorf("%s: nothing is read back", c.name)
		}
	}
}

func TestACompositeIsLeftOutAndItsPartsAreNot(t *testing.T) {
	t.Parallel()
	part := native(t, "  sli: {events: {errors: e, total: t}}")
	composite := slo.SLO{ID: "web-all", Service: "web", Name: "all", Objective: 99, SLI: slo.SLI{Parts: []slo.Part{{SLO: part.ID, Weight: 1}}}}
	text, lost, err := Write([]slo.SLO{part, composite})
	left := slices.ContainsFunc(lost, func(l slo.Loss) bool { return l.SLO == "web-all" && strings.HasPrefix(l.Message, "is left out") })
	if err != nil || !left || strings.Count(text, "kind: SLO") != 1 {
		t.Errorf("%v, %v\n%s", err, lost, text)
	}
	if _, _, err := Write([]slo.SLO{composite}); err == nil {
		t.Error("a file with nothing in it was written")
	}
}
