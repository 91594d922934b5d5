package slo

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/internal/manifest"
)

// readBack reads what was written for Sloth, in either of its formats.
func readBack(t *testing.T, text string) map[string]SLO {
	t.Helper()
	docs, problems := manifest.Read(manifest.File{Name: "written.yaml", Text: text})
	out := map[string]SLO{}
	for _, d := range docs {
		read := ReadSlothNoting
		if d.APIVersion == ServiceLevelVersion {
			read = ReadServiceLevel
		}
		slos, notes, ps := read(d)
		problems = append(problems, ps...)
		for _, n := range notes {
			t.Errorf("wrote what it has to note: %v", n)
		}
		for _, s := range slos {
			out[s.ID] = s
		}
	}
	if len(problems) > 0 {
		t.Fatalf("%v\n%s", problems, text)
	}
	return out
}

func lossText(lost []Loss) string {
	var out []string
	for _, l := range lost {
		word := "lost"
		if l.Equivalent {
			word = "same"
		}
		out = append(out, strings.TrimPrefix(l.SLO, "api-quality")+" "+word+" "+l.Field)
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func TestSlothCarriesWhatItHasAFieldFor(t *testing.T) {
	t.Parallel()
	s := readOne(t, `apiVersion: nines/v1
kind: SLO
metadata: {name: quality, labels: {tier: "1"}}
spec:
  service: api
  description: d
  objective: 99.9
  sli: {events: {errors: 'sum by (tenant) (rate(e[{{.window}}]))', total: 'sum by (tenant) (rate(t[{{.window}}]))'}}
  groupBy: [tenant]
  alerting: {name: X, labels: {a: b}, annotations: {c: d}, page: {labels: {e: f}}, ticket: {off: true, annotations: {g: h}}}
`)
	for format, write := range map[string]func([]SLO) (string, []Loss, error){SlothVersion: WriteSloth, ServiceLevelVersion: WriteServiceLevel} {
		text, lost, err := write([]SLO{s})
		if err != nil || len(lost) > 0 {
			t.Fatalf("%v; lost %v", err, lost)
		}
		want := s
		want.Spec = format
		if diff := cmp.Diff(want, readBack(t, text)[s.ID]); diff != "" {
			t.Errorf("%s (-written +read):\n%s", format, diff)
		}
	}
}

func TestWhatSlothCannotCarryIsNamed(t *testing.T) {
	t.Parallel()
	events := `{events: {errors: 'e_total', total: 't_total'}}`
	for _, c := range []struct{ name, sli, rest, want string }{
		{"nothing", events, "", ""},
		{"no page for lost targets", events, "  alerting: {noData: {off: true}}", " lost alerting.noData"},
		{"a window", events, "  window: 7d", " lost window"},
		{"a calendar", events, "  window: {calendar: month}", " lost window"},
		{"slices at another interval", events, "  slices: {target: 99}\n  interval: 5m", " lost interval\n lost settle\n lost slices"},
		{"good events", `{events: {good: 'g', total: 't_total'}}`, "", " same sli.events.good"},
		{"groups without their region", events, "  groupBy: [tenant]\n  budgetBy: []\n  maxGroups: 7\n  gap: bad", " lost budgetBy\n lost gap\n lost maxGroups"},
		{"alerting of our own", events, "  alerting: {policy: p, guard: off, windows: [{severity: page, factor: 2, long: 1h, short: 5m}]}",
			" lost alerting.guard\n lost alerting.policy\n lost alerting.windows"},
		{"latency", `{latency: {histogram: h_seconds, threshold: 250ms}}`, "", " same sli"},
		{"further objectives", events, "  objectives: [{name: week, objective: 95, window: 7d}]",
			"-week lost window\n-week same objectives"},
	} {
		rest := strings.Replace(c.rest, "interval: 5m", "interval: 5m\n  settle: 20s", 1)
		text, lost, err := WriteSloth([]SLO{readOne(t, sliText(c.sli, rest))})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := lossText(lost); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.name, got, c.want)
		}
		readBack(t, text)
	}
	composite := SLO{ID: "a-b", Service: "a", Name: "b", Objective: 99, SLI: SLI{Parts: []Part{{SLO: "a-c", Weight: 1}}}}
	if text, lost, err := WriteSloth([]SLO{composite}); err == nil || text != "" || len(lost) != 1 || !strings.Contains(lost[0].Message, "is left out") {
		t.Errorf("a composite: %q, %v, %v", text, lost, err)
	}
}

// What is said to count the same does: written for Sloth and read back, the same samples give the same counts.
func TestEquivalentQueriesCountTheSame(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, sli, rest string
		samples         func(n float64) map[string]float64
	}{
		{"latency", `{latency: {histogram: h_seconds, selector: '{job="api"}', threshold: 5s}}`, "  groupBy: [tenant]", func(n float64) map[string]float64 {
			return map[string]float64{`h_seconds_count{job="api",tenant="a"}`: 10 * n, `h_seconds_bucket{job="api",tenant="a",le="5.0"}`: 7 * n, `h_seconds_bucket{job="api",tenant="a",le="10"}`: 9 * n}
		}},
		{"latency of which none is fast", `{latency: {histogram: h_seconds, selector: '{job="api"}', threshold: 5s}}`, "", func(n float64) map[string]float64 {
			return map[string]float64{`h_seconds_count{job="api"}`: 10 * n}
		}},
		{"good events", `{events: {good: 'e_total{job="api",code="ok"}', total: 'e_total{job="api"}'}}`, "", func(n float64) map[string]float64 {
			return map[string]float64{`e_total{job="api",code="ok"}`: 9 * n, `e_total{job="api",code="bad"}`: n}
		}},
		{"a gauge", `{gauge: {good: 'probe_success{job="api"}'}}`, "  groupBy: [zone]", func(n float64) map[string]float64 {
			return map[string]float64{`probe_success{job="api",zone="a"}`: float64(int(n) % 3 / 2), `probe_success{job="api",zone="b"}`: 1}
		}},
		{"plain selectors by tenant", `{events: {errors: 'e_total{job="api"}', total: 't_total{job="api"}'}}`, "  groupBy: [tenant]", func(n float64) map[string]float64 {
			return map[string]float64{`e_total{job="api",tenant="a"}`: n, `t_total{job="api",tenant="a"}`: 3 * n, `t_total{job="api",tenant="b"}`: 5 * n}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := readOne(t, sliText(c.sli, c.rest))
			text, _, err := WriteSloth([]SLO{s})
			if err != nil {
				t.Fatal(err)
			}
			again, ok := readBack(t, text)[s.ID]
			if !ok {
				t.Fatalf("it is not there:\n%s", text)
			}
			measure := func(s SLO) []float64 {
				l := newLab(t, s)
				for n := range 41 {
					samples := c.samples(float64(n))
					samples[`up{job="api",instance="a"}`] = 1
					l.scrapeAt(time.Duration(n+1)*30*time.Second, samples)
				}
				l.run(30 * time.Minute)
				return []float64{l.sum(s.ErrorSeries()), l.sum(s.TotalSeries())}
			}
			own, theirs := measure(s), measure(again)
			if diff := cmp.Diff(own, theirs); diff != "" || own[1] == 0 {
				t.Errorf("errors and total (-ours +through Sloth's format):\n%s\n%s", diff, text)
			}
		})
	}
}
