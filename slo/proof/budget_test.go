package proof

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
	"github.com/prometheus/prometheus/promql"
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

func api(tb testing.TB) slo.SLO {
	tb.Helper()
	docs, problems := manifest.Read(manifest.File{Name: "api.yaml", Text: apiText})
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
func (s simulated) slothSpent(tb testing.TB, budget float64) float64 {
	tb.Helper()
	sum, n := 0.0, 0.0
	s.each(tb, `(sum(rate(requests_total{job="api",code=~"5.."}[5m])))/(sum(rate(requests_total{job="api"}[5m])))`, func(_ map[string]string, _ time.Time, v float64) {
		sum, n = sum+v, n+1
	})
	if n == 0 {
		return math.NaN()
	}
	return sum / n / budget
}

// TestBudgetsAreWhatHappened runs the first days of each world: none may be off by more than 0.2 percentage
// points, or two events.
func TestBudgetsAreWhatHappened(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it simulates weeks")
	}
	of := api(t)
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			w.days = min(w.days, 1.5)

			if w.float != 0 || w.tenant != nil {
				w.days = 1
			}
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

// BenchmarkBudgetError simulates a month of each world with some seeds. truth-% is the budget really spent; ours-pp and
// sloth-pp are by how many percentage points of the budget the two are off, at worst.
func BenchmarkBudgetError(b *testing.B) {
	of := api(b)
	for _, w := range worlds {
		b.Run(w.name, func(b *testing.B) {
			var truth, ours, theirs float64
			for b.Loop() {
				truth, ours, theirs = 0, 0, 0
				for seed := range uint64(2) {
					s := w.simulate(b, seed+1)
					spent := of.Objective.BurnRate(s.truth)
					truth = 100 * spent
					if d := 100 * (s.spent(b, of) - spent); math.Abs(d) >= math.Abs(ours) {
						ours = d
					}
					if d := 100 * (s.slothSpent(b, of.Objective.Budget()) - spent); !(math.Abs(d) < math.Abs(theirs)) {
						theirs = d
					}
				}
			}
			b.ReportMetric(truth, "truth-%")
			b.ReportMetric(ours, "ours-pp")
			b.ReportMetric(theirs, "sloth-pp")
		})
	}
}
