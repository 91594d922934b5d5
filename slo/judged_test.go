package slo

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
)

func TestFormsThatJudge(t *testing.T) {
	t.Parallel()
	const every = 30 * time.Second
	mod := func(n float64, of int) bool { return int(n)%of == 0 }
	for _, c := range []struct {
		name, sli, rest string
		samples         func(n float64) map[string]float64
		errors, total   float64
	}{
		{"good over total", `{events: {good: 'e_total{job="api",code="ok"}', total: 'e_total{job="api"}'}}`, "", func(n float64) map[string]float64 {
			return map[string]float64{`e_total{job="api",code="ok"}`: 9 * n, `e_total{job="api",code="bad"}`: n}
		}, 40, 400},
		{"good that was never seen is none", `{events: {good: 'g_total{job="api"}', total: 'e_total{job="api"}'}}`, "", func(n float64) map[string]float64 {
			return map[string]float64{`e_total{job="api"}`: n}
		}, 40, 40},
		{"a gauge's samples, each once", `{gauge: {good: 'probe_success{job="api"}'}}`, "", func(n float64) map[string]float64 {
			ok := 1.0
			if mod(n, 4) {
				ok = 0
			}
			return map[string]float64{`probe_success{job="api"}`: ok}
		}, 11, 41},
		{"a value per series and minute against its bound", `{threshold: {value: 'lag{job="api"}', op: "<=", bound: 300}}`, "", func(n float64) map[string]float64 {
			return map[string]float64{`lag{job="api",partition="0"}`: 300, `lag{job="api",partition="1"}`: 301}
		}, 25, 50}, // 20.5 minutes of samples, the last of which stands for five more
		{"a value that is not a number is no event", `{threshold: {value: 'x{job="api"} / y{job="api"}', op: "<", bound: 1}}`, "", func(n float64) map[string]float64 {
			return map[string]float64{`x{job="api"}`: 0, `y{job="api"}`: 0}
		}, 0, 0},
		{"latency in milliseconds", `{latency: {histogram: d_milliseconds, selector: '{job="api"}', threshold: 250ms, buckets: [100ms, 250ms, 1s]}}`, "", func(n float64) map[string]float64 {
			return map[string]float64{`d_milliseconds_count{job="api"}`: 5 * n, `d_milliseconds_bucket{job="api",le="250.0"}`: 4 * n}
		}, 40, 200},
		{"slices of which one in two is good enough", `{events: {errors: 'e_total{job="api"}', total: 't_total{job="api"}'}}`, "  slices: {target: 99}", func(n float64) map[string]float64 {
			// Each second minute one of 50 fails, in the others one of 100: exactly the target.
			return map[string]float64{`t_total{job="api"}`: 50 * n, `e_total{job="api"}`: float64(int(n)/2) + float64(int(n)/4)}
		}, 10, 20},
		{"slices good by their share", `{events: {errors: 'e_total{job="api"}', total: 't_total{job="api"}'}}`, "  slices: {ratio: true}", func(n float64) map[string]float64 {
			return map[string]float64{`t_total{job="api"}`: 8 * n, `e_total{job="api"}`: 2 * n}
		}, 5, 20},
		{"slices without traffic are none", `{events: {errors: 'e_total{job="api"}', total: 't_total{job="api"}'}}`, "  slices: {target: 99}", func(n float64) map[string]float64 {
			return map[string]float64{`t_total{job="api"}`: 8, `e_total{job="api"}`: 2}
		}, 0, 0},
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

// TestNativeHistogramsAreExactAtAPowerOfTwo feeds a native histogram with resets and counts what was slower than a
// quarter of a second.
func TestNativeHistogramsAreExactAtAPowerOfTwo(t *testing.T) {
	t.Parallel()
	s := readOne(t, sliText(`{latency: {histogram: h_seconds, selector: '{job="api"}', threshold: 250ms, native: true}}`, "  groupBy: [tenant]"))
	l := newLab(t, s)
	l.scrapeAt(0, map[string]float64{`up{job="api"}`: 1})
	app := l.db.Appender(t.Context())
	fast, slow := uint64(0), uint64(0)
	for n := range 60 {
		if n == 30 {
			fast, slow = 0, 0 // the process restarted
		}
		fast, slow = fast+90, slow+10
		// Schema 0: bucket i holds (2^(i-1), 2^i]. Offset -3 is up to 1/8, then 1/4, 1/2, 1.
		h := &histogram.Histogram{Schema: 0, Count: fast + slow, Sum: 1, ZeroThreshold: 1e-128, PositiveSpans: []histogram.Span{{Offset: -3, Length: 4}},
			PositiveBuckets: []int64{int64(fast / 3), int64(fast-fast/3) - int64(fast/3), int64(slow/2) - int64(fast-fast/3), int64(slow-slow/2) - int64(slow/2)}}
		lset := labels.FromStrings("__name__", "h_seconds", "job", "api", "tenant", "acme")
		if _, err := app.AppendHistogram(0, lset, labStart.Add(time.Duration(n+1)*30*time.Second).UnixMilli(), h, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	l.run(40 * time.Minute)
	if diff := cmp.Diff([]float64{590, 5900}, []float64{l.sum(s.ErrorSeries()), l.sum(s.TotalSeries())}); diff != "" {
		t.Errorf("slow and all (-truth +recorded):\n%s", diff)
	}
}

func TestABoundInsideABucketIsRefusedWithItsNeighbours(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sli, want string }{
		{`{latency: {histogram: h_seconds, threshold: 300ms, native: true}}`, "take a power of two: 250ms or 500ms"},
		{`{latency: {histogram: h_seconds, threshold: 300ms, buckets: [100ms, 250ms, 500ms, 1s]}}`, "take a boundary: 250ms or 500ms"},
		{`{latency: {histogram: h_seconds, threshold: 2s, buckets: [100ms, 250ms]}}`, "take a boundary: 250ms"},
		{`{events: {errors: e_total, good: g_total, total: t_total}}`, "spec.sli.events.good: stands beside errors"},
		{`{threshold: {value: x, op: "==", bound: 3}}`, `spec.sli.threshold.op: "==" is not a comparison`},
		{`{threshold: {value: x, op: "<"}}`, "spec.sli.threshold.bound: is missing"},
		{`{gauge: {good: "sum(up)"}}`, "spec.sli.gauge.good: must be a plain selector"},
		{`{composite: {parts: [{slo: "", weight: 1}, {slo: a-b, weight: 0}]}}`, "spec.sli.composite.parts.0.slo: is missing"},
		{`{composite: {parts: [{slo: "", weight: 1}, {slo: a-b, weight: 0}]}}`, "spec.sli.composite.parts.1.weight: 0 is not a weight"},
	} {
		_, problems := readText(t, sliText(c.sli, ""))
		if !strings.Contains(fmt.Sprint(problems), c.want) {
			t.Errorf("%s: want %q in %v", c.sli, c.want, problems)
		}
	}
}

// TestACompositeIsTheWeightedMeanOfItsParts also shows that a part without traffic is left out.
func TestACompositeIsTheWeightedMeanOfItsParts(t *testing.T) {
	t.Parallel()
	part := func(name string) SLO {
		text := strings.Replace(sliText(fmt.Sprintf(`{events: {errors: '%[1]s_bad_total{job="api"}', total: '%[1]s_total{job="api"}'}}`, name), ""), "quality", name, 1)
		return readOne(t, text)
	}
	s := readOne(t, sliText(`{composite: {parts: [{slo: api-a, weight: 3}, {slo: api-b, weight: 1}]}}`, ""))
	l := newLab(t, part("a"), part("b"), s)
	for n := range 41 {
		samples := map[string]float64{`a_total{job="api"}`: 100 * float64(n), `a_bad_total{job="api"}`: 10 * float64(n), `b_total{job="api"}`: 0}
		if n >= 20 {
			samples[`b_total{job="api"}`], samples[`b_bad_total{job="api"}`] = float64(2*(n-20)), float64(n-20)
		}
		l.scrapeAt(30*time.Second*time.Duration(n+1), samples)
	}
	l.run(30 * time.Minute)
	// Ten minutes of a alone at 10 %, then ten of both: (3 x 10 % + 1 x 50 %) / 4 = 20 %.
	want := []float64{round6(10*0.1 + 10*0.2), 20}
	if diff := cmp.Diff(want, []float64{round6(l.sum(s.ErrorSeries())), l.sum(s.TotalSeries())}); diff != "" {
		t.Errorf("errors and total (-truth +recorded):\n%s", diff)
	}
}

// TestFurtherObjectivesShareTheIncrements: the same counts under both names, in the same evaluation.
func TestFurtherObjectivesShareTheIncrements(t *testing.T) {
	t.Parallel()
	s := readOne(t, sliText(`{events: {errors: 'e_total{job="api"}', total: 't_total{job="api"}'}}`,
		"  groupBy: [tenant]\n  objectives: [{name: strict, objective: 99.99, window: 7d, ticket: {off: true}}]"))
	l := newLab(t, s)
	for n := range 61 {
		l.scrapeAt(30*time.Second*time.Duration(n+1), map[string]float64{
			`e_total{job="api",tenant="x"}`: float64(n), `t_total{job="api",tenant="x"}`: 1000 * float64(n), `up{job="api"}`: 1})
	}
	l.run(33 * time.Minute)
	all := s.All()
	if len(all) != 2 || all[1].ID != "api-quality-strict" {
		t.Fatal(all)
	}
	for _, one := range all {
		if got := []float64{l.sum(one.ErrorSeries()), l.sum(one.TotalSeries())}; got[0] != 60 || got[1] != 60000 {
			t.Errorf("%s recorded %v", one.ID, got)
		}
	}
	if _, paged := l.fired["page-fast x"]; paged {
		t.Error("0.1 % is ten times 0.01 %, which is no fast page")
	}
	// Ten times the strict budget: page-slow of a week (6 x over 84 min and 7 min) fires for it; not for 99 %.
	if _, paged := l.fired["page-slow x"]; !paged {
		t.Error("the strict objective did not page:", l.fired)
	}
	if rg, err := all[1].Rules(); err != nil || len(rg.Groups) != 0 {
		t.Error("a further objective has rules of its own, which would count twice", rg, err)
	}
}

// TestMaintenanceIsRecordedButDoesNotCount sets the control plane's gauge for one tenant.
func TestMaintenanceIsRecordedButDoesNotCount(t *testing.T) {
	t.Parallel()
	s := readOne(t, sliText(`{events: {errors: 'e_total{job="api"}', total: 't_total{job="api"}'}}`, "  groupBy: [tenant, region]"))
	l := newLab(t, s)
	for n := range 121 {
		samples := map[string]float64{}
		for _, tenant := range []string{"acme", "globex", "initech"} {
			samples[fmt.Sprintf(`t_total{job="api",tenant=%q,region="eu"}`, tenant)] = 100 * float64(n)
			samples[fmt.Sprintf(`e_total{job="api",tenant=%q,region="eu"}`, tenant)] = 50 * float64(max(0, n-60))
		}
		samples[`nines_slo_maintenance{sloth_id="api-quality",mode="exclude",tenant="acme",region="",job="nines"}`] = 1
		samples[`nines_slo_maintenance{sloth_id="api-quality",mode="good",tenant="globex",region="eu",job="nines"}`] = 1
		l.scrapeAt(30*time.Second*time.Duration(n+1), samples)
	}
	l.run(59 * time.Minute)
	if got := l.sum(s.ErrorSeries()); got != 3*50*54 {
		t.Error("what happened is recorded, maintenance or not:", got)
	}
	want := map[string]bool{"page-fast initech": true, "page-slow initech": true, "ticket-fast initech": true, "ticket-slow initech": true}
	for fired := range l.fired {
		if !want[fired] {
			t.Error("fired under maintenance:", fired)
		}
	}
	if len(l.fired) < 2 {
		t.Error("the tenant without maintenance did not page:", l.fired)
	}
	ratio := l.query("slo:sli_error:ratio_rate30m")
	if len(ratio) != 2 {
		t.Error("excluded is no ratio, counted as good is zero:", ratio)
	}
}
