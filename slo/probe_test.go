package slo

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// Ask answers from what the lab has stored.
func (l *lab) Ask(_ context.Context, expr string) ([]Answer, error) {
	var out []Answer
	for _, s := range l.vector(expr, l.now) {
		out = append(out, Answer{Labels: s.Metric.Map(), Value: s.F})
	}
	return out, nil
}

func TestAnEngineIsAskedWhetherADefinitionFits(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for n := range 30 {
		samples := map[string]float64{}
		for _, tenant := range []string{"a", "b", "c"} {
			samples[fmt.Sprintf(`t_total{job="api",tenant=%q}`, tenant)] = float64(n)
			samples[fmt.Sprintf(`h_seconds_count{job="api",tenant=%q}`, tenant)] = float64(n)
			for _, le := range []string{"0.1", "0.25", "1.0", "+Inf"} {
				samples[fmt.Sprintf(`h_seconds_bucket{job="api",tenant=%q,le=%q}`, tenant, le)] = float64(n)
			}
		}
		samples[`temperature{job="api"}`] = float64(n % 2)
		l.scrapeAt(time.Duration(n)*30*time.Second, samples)
	}
	l.run(15 * time.Minute)
	for _, c := range []struct {
		sli, rest, want string
		weight          Weight
	}{
		{`{events: {errors: 'e_total{job="api"}', total: 't_total{job="api"}'}}`, "", `e_total{job="api"} matches nothing of the last hour: there were no errors, or it is misspelt`, Remark},
		{`{events: {errors: 'e_total{job="api"}', total: 't_total{job="api"}'}}`, "", `t_total{job="api"} matches 3 series`, Remark},
		{`{events: {errors: 'e_total{job="api"}', total: 't_total{job="shop"}'}}`, "", `the metric is there, with the job "api": compare the labels`, Missing},
		{`{events: {errors: 'e_total{job="api"}', total: 'x_total{job="api"}'}}`, "", `there is no metric of that name: is it scraped, and spelt so?`, Missing},
		{`{events: {errors: 'e_total{job="api"}', total: 't_total{job="api"}'}}`, "  groupBy: [tenant]\n  maxGroups: 2", `tenant has 3 values and at most 2 are counted`, Wrong},
		{`{latency: {histogram: h_seconds, selector: '{job="api"}', threshold: 250ms}}`, "", "250ms is one of 3 bucket boundaries", Remark},
		{`{latency: {histogram: h_seconds, selector: '{job="api"}', threshold: 1s}}`, "", "1s is one of 3 bucket boundaries", Remark},
		{`{latency: {histogram: h_seconds, selector: '{job="api"}', threshold: 300ms}}`, "", "take 250ms or 1s", Wrong},
		{`{latency: {histogram: g_seconds, selector: '{job="api"}', threshold: 300ms}}`, "", "matches nothing of the last hour", Missing},
		{`{latency: {histogram: h_seconds, selector: '{job="api"}', threshold: 250ms, native: true}}`, "", "it is a classic one: leave native out", Missing},
		{`{events: {errors: 'temperature{job="api"}', total: 't_total{job="api"}'}}`, "", "if it is a gauge, it cannot be counted as events", Remark},
	} {
		found, err := Probe(t.Context(), l, readOne(t, sliText(c.sli, c.rest)))
		if err != nil {
			t.Fatal(err)
		}
		told := false
		for _, f := range found {
			told = told || f.Weight == c.weight && strings.Contains(f.Message, c.want)
		}
		if !told {
			t.Errorf("%s %s: want %q in %v", c.sli, c.rest, c.want, found)
		}
	}
}
