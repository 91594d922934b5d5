package slo

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sliText is a nines/v1 SLO of job api with the SLI given in flow style.
func sliText(sli, rest string) string {
	return "apiVersion: nines/v1\nkind: SLO\nmetadata: {name: quality}\nspec:\n  service: api\n  objective: 99\n  sli: " + sli + "\n" + rest
}

func TestFormsOfSLI(t *testing.T) {
	t.Parallel()
	const every = 30 * time.Second
	count, fast := `h_seconds_count{job="api",instance="a",tenant="acme"}`, `h_seconds_bucket{job="api",instance="a",tenant="acme",le="%s"}`
	histogram := func(le string) func(n float64) map[string]float64 {
		return func(n float64) map[string]float64 {
			return map[string]float64{count: 10 * n, fmt.Sprintf(fast, le): 8 * n, fmt.Sprintf(fast, "+Inf"): 10 * n}
		}
	}
	latency := `{latency: {histogram: h_seconds, selector: '{job="api"}', threshold: 5s}}`
	for _, c := range []struct {
		name, sli, rest string
		samples         func(n float64) map[string]float64
		errors, total   float64
	}{
		{"latency, with the bound as 5", latency, "  groupBy: [tenant]", histogram("5"), 80, 400},
		{"latency, with the bound as 5.0", latency, "  groupBy: [tenant]", histogram("5.0"), 80, 400},
		{"latency without such a bucket knows nothing to be fast", latency, "  groupBy: [tenant]", histogram("4"), 400, 400},
		{"Sloth's subtraction of two sums", `{events: {
			errors: 'sum(rate(h_seconds_count{job="api"}[{{.window}}])) - sum(rate(h_seconds_bucket{job="api",le="5"}[{{ .window }}]))',
			total: 'sum(rate(h_seconds_count{job="api"}[{{.window}}]))'}}`, "", histogram("5"), 80, 400},
		{"increase and a sum of two metrics", `{events: {
			errors: 'sum by (tenant) (increase(bad_total[{{.window}}])) + sum by (tenant) (increase(ugly_total[{{.window}}]))',
			total: 'sum by (tenant) (increase(all_total[{{.window}}]))'}}`, "  groupBy: [tenant]", func(n float64) map[string]float64 {
			return map[string]float64{`bad_total{tenant="x"}`: n, `ugly_total{tenant="x"}`: 2 * n, `all_total{tenant="x"}`: 9 * n}
		}, 3 * 40, 9 * 40},
		{"samples of a gauge, counted each once", `{events: {
			errors: 'count_over_time(low{job="api"}[{{.window}}]) - sum_over_time(low{job="api"}[{{.window}}])',
			total: 'count_over_time(low{job="api"}[{{.window}}])'}}`, "", func(n float64) map[string]float64 {
			return map[string]float64{`low{job="api"}`: float64(int(n) % 2)}
		}, 21, 41},
		{"a raw ratio, half bad, in slices of a minute", `{raw: {errorRatio: 'sum(bad) / sum(all)'}}`, "", func(n float64) map[string]float64 {
			return map[string]float64{"bad": 3, "all": 6}
		}, 12.5, 25}, // 20.5 minutes of samples, the last of which stands for five more
		{"a raw ratio of nothing", `{raw: {errorRatio: 'sum(bad) / sum(all)'}}`, "", func(n float64) map[string]float64 {
			return map[string]float64{"bad": 0, "all": 0}
		}, 0, 0},
		{"a raw ratio above one is one", `{raw: {errorRatio: 'x'}}`, "", func(n float64) map[string]float64 { return map[string]float64{"x": 1.5} }, 25, 25},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := readOne(t, sliText(c.sli, c.rest))
			l := newLab(t, s)
			for n := range 41 {
				samples := c.samples(float64(n))
				samples[`up{job="api",instance="a"}`] = 1
				l.scrapeAt(every+time.Duration(n)*every, samples)
			}
			l.run(40 * time.Minute)
			if diff := cmp.Diff([]float64{c.errors, c.total}, []float64{l.sum(s.ErrorSeries()), l.sum(s.TotalSeries())}); diff != "" {
				t.Errorf("errors and total (-truth +recorded):\n%s", diff)
			}
		})
	}
}

// TestWhatReadingLeftIsNotUsedForAnotherSLI: an SLO that is changed after reading has the rules of what it is now.
func TestWhatReadingLeftIsNotUsedForAnotherSLI(t *testing.T) {
	t.Parallel()
	s := shop(t)
	for name, change := range map[string]func(*SLO){
		"interval": func(s *SLO) { s.Interval = 15 * time.Second }, "settle": func(s *SLO) { s.Settle = time.Second },
		"groups": func(s *SLO) { s.GroupBy, s.BudgetBy = []string{"region"}, nil }, "query": func(s *SLO) { s.SLI.ErrorQuery = `x_total{job="y"}` },
	} {
		changed, fresh := s, s
		change(&changed)
		change(&fresh)
		fresh.Parsed = nil
		got, err := changed.Rules()
		if err != nil {
			t.Fatal(err)
		}
		want, err := fresh.Rules()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
