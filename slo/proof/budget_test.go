package proof

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
	"github.com/prometheus/prometheus/promql"
	"golang.org/x/sync/errgroup"
)

const apiText = `
apiVersion: nines/v1
kind: SLO
metadata: {name: availability}
spec:
  service: api
  objective: 99.9
  sli:
    events: {errors: 'requests_total{job="api",code=~"5.."}', total: 'requests_total{job="api"}'}
  groupBy: [tenant]
  budgetBy: []
`

// slowText is the same service's promise of speed.
const slowText = `
apiVersion: nines/v1
kind: SLO
metadata: {name: latency}
spec:
  service: api
  objective: 99.9
  sli:
    latency: {histogram: request_seconds, selector: '{job="api"}', threshold: 250ms}
`

// The ratios that Sloth would record for the two every minute.
const (
	apiRatio  = `(sum(rate(requests_total{job="api",code=~"5.."}[5m])))/(sum(rate(requests_total{job="api"}[5m])))`
	slowRatio = `(sum(rate(request_seconds_count{job="api"}[5m]))-sum(rate(request_seconds_bucket{job="api",le="0.25"}[5m])))/(sum(rate(request_seconds_count{job="api"}[5m])))`
)

// promise returns what the world's service promises, and the ratio that Sloth would record for it.
func (w world) promise(tb testing.TB) (slo.SLO, string) {
	if w.latency {
		return read(tb, slowText), slowRatio
	}
	return read(tb, apiText), apiRatio
}

func api(tb testing.TB) slo.SLO { return read(tb, apiText) }

func read(tb testing.TB, text string) slo.SLO {
	tb.Helper()
	docs, problems := manifest.Read(manifest.File{Name: "slo.yaml", Text: text})
	if len(problems) > 0 {
		tb.Fatal(problems)
	}
	s, problems := slo.ReadSLO(docs[0])
	if len(problems) > 0 {
		tb.Fatal(problems)
	}
	return s
}

func engine() *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{MaxSamples: 500e6, Timeout: 10 * time.Minute, LookbackDelta: 5 * time.Minute, EnableAtModifier: true, EnableNegativeOffset: true})
}

// each evaluates the expression at every minute of the world, half a second past, and hands on what there is.
func (s simulated) each(tb testing.TB, expr string, visit func(labels map[string]string, at time.Time, v float64)) {
	tb.Helper()
	e := engine()
	const span = 12 * time.Hour
	first := epoch.Add(500 * time.Millisecond)
	for from := first; from.Before(s.end); from = from.Add(span) {
		to := from.Add(span - time.Minute)
		if to.After(s.end) {
			to = s.end
		}
		q, err := e.NewRangeQuery(context.Background(), s.db, nil, expr, from, to, time.Minute)
		if err != nil {
			tb.Fatal(err)
		}
		res := q.Exec(context.Background())
		matrix, err := res.Matrix()
		if err != nil {
			tb.Fatal(err)
		}
		for _, series := range matrix {
			names := series.Metric.Map()
			for _, p := range series.Floats {
				visit(names, time.UnixMilli(p.T).UTC(), p.F)
			}
		}
		q.Close()
	}
}

// spent is the share of the month's budget that our increments, buckets and status say is gone. The rules look a settle
// time behind what is stored, so evaluating them afterwards gives what they would have recorded.
func (s simulated) spent(tb testing.TB, of slo.SLO) float64 {
	tb.Helper()
	total, errors, err := of.IncrementQueries()
	if err != nil {
		tb.Fatal(err)
	}
	type slot struct {
		series slo.Series
		at     int64
	}
	bad := map[slot]float64{}
	s.each(tb, errors, func(l map[string]string, at time.Time, v float64) { bad[slot{of.SeriesOf(l), at.UnixMilli()}] = v })
	points := map[slo.Series][]slo.Increment{}
	s.each(tb, total, func(l map[string]string, at time.Time, v float64) {
		id := of.SeriesOf(l)
		points[id] = append(points[id], slo.Increment{At: at, Total: v, Errors: bad[slot{id, at.UnixMilli()}]})
	})
	var series []slo.IncrementSeries
	for id, p := range points {
		series = append(series, slo.IncrementSeries{Series: id, Points: p})
	}
	of.Window = slo.Window{Rolling: s.end.Sub(epoch) + time.Hour}
	buckets := slo.Buckets(of, 1, series, epoch, s.end, 5*time.Minute)
	return 1 - slo.StatusOf(slo.Versioned{SLO: of, Version: 1}, nil, buckets, series, s.end).Remaining
}

// slothSpent is what Sloth's thirty-day rule says of the same month: the mean of the five-minute ratios recorded each
// minute. It is not a number where one of them is not.
func (s simulated) slothSpent(tb testing.TB, ratio string, budget float64) float64 {
	tb.Helper()
	sum, n := 0.0, 0.0
	s.each(tb, ratio, func(_ map[string]string, _ time.Time, v float64) {
		sum, n = sum+v, n+1
	})
	if n == 0 {
		return math.NaN()
	}
	return sum / n / budget
}

// off is by how much of the budget, as a share of it, figures differ from the truth: ours, Sloth's, and the best that
// anybody could know, who does not see what processes take with them between their last scrape and their end.
type off struct{ truth, ours, sloth, known float64 }

// rule is by how much ours differs from what can be known.
func (o off) rule() float64 { return o.ours - o.known }

func (w world) measure(tb testing.TB, seed uint64) off {
	tb.Helper()
	of, ratio := w.promise(tb)
	s := w.simulate(tb, seed)
	o := off{truth: of.Objective.BurnRate(s.truth)}
	o.known = of.Objective.BurnRate(slo.Counts{Good: s.truth.Good - s.lost.Good, Total: s.truth.Total - s.lost.Total}) - o.truth
	o.ours = s.spent(tb, of) - o.truth
	o.sloth = s.slothSpent(tb, ratio, of.Objective.Budget()) - o.truth
	return o
}

// TestBudgetsAreWhatHappened runs the first days of each world: none may be off by more than 0.2 percentage
// points, or two events.
func TestBudgetsAreWhatHappened(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it simulates weeks")
	}
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			w.days = min(w.days, 1.5)

			if w.float != 0 || w.tenant != nil {
				w.days = 1
			}
			of, _ := w.promise(t)
			s := w.simulate(t, 1)
			truth := of.Objective.BurnRate(s.truth)
			// In a day and a half one event is a good part of a percentage point, and some are lost with a process.
			allowed := max(0.002, 2/(s.truth.Total*of.Objective.Budget()))
			if w.float != 0 {
				allowed = 0.002
			}
			if got := s.spent(t, of); math.Abs(got-truth) > allowed {
				t.Errorf("%.3f %% of the budget is gone, in truth %.3f %%", 100*got, 100*truth)
			}
		})
	}
}

// BenchmarkBudgetError simulates a month of each world with some seeds, two at a time. truth-% is the budget really
// spent; ours-pp and sloth-pp are by how many percentage points of the budget the two are off, at worst; unknowable-pp is
// how far off the sum of everything is that any scrape saw, and rule-pp how far ours is from that.
func BenchmarkBudgetError(b *testing.B) {
	for _, w := range slices.Concat(worlds, harder) {
		b.Run(w.name, func(b *testing.B) {
			var worst off
			var rule float64
			for b.Loop() {
				worst, rule = off{}, 0
				for _, o := range w.seeds(b, 4) {
					worst.truth = o.truth
					worst.ours, worst.sloth = further(worst.ours, o.ours), further(worst.sloth, o.sloth)
					worst.known, rule = further(worst.known, o.known), further(rule, o.rule())
				}
			}
			b.ReportMetric(100*worst.truth, "truth-%")
			b.ReportMetric(100*worst.ours, "ours-pp")
			b.ReportMetric(100*worst.sloth, "sloth-pp")
			b.ReportMetric(100*worst.known, "unknowable-pp")
			b.ReportMetric(100*rule, "rule-pp")
		})
	}
}

// further returns the one that is further from zero; what is not a number is furthest.
func further(a, b float64) float64 {
	if math.IsNaN(a) || math.Abs(a) > math.Abs(b) {
		return a
	}
	return b
}

// seeds measures the world with so many seeds, two at a time.
func (w world) seeds(tb testing.TB, n int) []off {
	out := make([]off, n)
	var group errgroup.Group
	group.SetLimit(2)
	for i := range n {
		group.Go(func() error { out[i] = w.measure(tb, uint64(i)+1); return nil })
	}
	if err := group.Wait(); err != nil {
		tb.Fatal(err)
	}
	return out
}
