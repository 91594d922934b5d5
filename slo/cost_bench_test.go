package slo

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// BenchmarkRuleCost counts the engine samples that one SLO's rules read in a minute, once thirty days of history are
// there: ours, and rules of the shape that Sloth generates for the same SLO, over the same stored samples. The figure
// sloth/ours says how many times more the peer's rules read.
func BenchmarkRuleCost(b *testing.B) {
	for _, series := range []int{20, 200} {
		b.Run(fmt.Sprintf("%d-series", series), func(b *testing.B) {
			db := month(b, series)
			ours, err := readOne(b, shopText).Rules()
			if err != nil {
				b.Fatal(err)
			}
			engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e9, Timeout: 5 * time.Minute, EnableAtModifier: true})
			var mine, theirs float64
			var took, tookTheirs time.Duration
			for b.Loop() {
				mine, theirs, took, tookTheirs = 0, 0, 0, 0
				for _, g := range ours.Groups {
					aMinute := float64(time.Minute) / float64(g.Interval)
					for _, r := range g.Rules {
						began := time.Now()
						mine += read(b, engine, db, r.Expr) * aMinute
						took += time.Duration(float64(time.Since(began)) * aMinute)
					}
				}
				for _, expr := range slothShape() {
					began := time.Now()
					theirs += read(b, engine, db, expr)
					tookTheirs += time.Since(began)
				}
			}
			b.ReportMetric(took.Seconds()*1000, "ms/SLO-minute")
			b.ReportMetric(tookTheirs.Seconds()*1000, "sloth-ms/SLO-minute")
			b.ReportMetric(mine, "samples/SLO-minute")
			b.ReportMetric(theirs, "sloth-samples/SLO-minute")
			b.ReportMetric(theirs/mine, "sloth/ours")
		})
	}
}

var costEnd = labStart.Add(30 * 24 * time.Hour)

func read(b *testing.B, engine *promql.Engine, db storage.Queryable, expr string) float64 {
	b.Helper()
	q, err := engine.NewInstantQuery(context.Background(), db, nil, expr, costEnd)
	if err != nil {
		b.Fatalf("%s: %v", expr, err)
	}
	defer q.Close()
	if r := q.Exec(context.Background()); r.Err != nil {
		b.Fatalf("%s: %v", expr, r.Err)
	}
	return float64(q.Stats().Samples.TotalSamples)
}

// slothShape is the SLI recordings that Sloth v0.12 writes for the SLO, at Prometheus' default evaluation interval of
// one minute: each window from the raw series, and thirty days from the recorded five-minute ratio.
func slothShape() []string {
	var exprs []string
	for _, w := range []string{"5m", "30m", "1h", "2h", "6h", "1d", "3d"} {
		exprs = append(exprs, fmt.Sprintf(`(sum(rate(http_requests_total{job="shop",code=~"5.."}[%s]))) / (sum(rate(http_requests_total{job="shop"}[%s])))`, w, w))
	}
	const id = `{sloth_id="shop-availability", sloth_service="shop", sloth_slo="availability"}`
	return append(exprs, strings.ReplaceAll(`sum_over_time(slo:sli_error:ratio_rate5mID[30d]) / ignoring (sloth_window) count_over_time(slo:sli_error:ratio_rate5mID[30d])`, "ID", id))
}

// month stores thirty days of raw series scraped every 30 s and of what both rule sets have recorded of them.
func month(b *testing.B, series int) *tsdb.DB {
	b.Helper()
	opts := tsdb.DefaultOptions()
	opts.RetentionDuration = int64(100 * 24 * time.Hour / time.Millisecond)
	opts.MinBlockDuration, opts.MaxBlockDuration = opts.RetentionDuration, opts.RetentionDuration // one after the other fits in
	db, err := tsdb.Open(b.TempDir(), slog.New(slog.DiscardHandler), nil, opts, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	defer compact(b, db)
	store := func(every time.Duration, from, to time.Time, sets []labels.Labels, value float64) {
		refs := make([]storage.SeriesRef, len(sets))
		app := db.Appender(context.Background())
		n := 0
		for at := from; at.Before(to); at = at.Add(every) {
			for i, set := range sets {
				ref, err := app.Append(refs[i], set, at.UnixMilli(), value*float64(at.Sub(labStart)/every+1))
				if err != nil {
					b.Fatal(err)
				}
				refs[i] = ref
			}
			if n++; n%2000 == 0 {
				if err := app.Commit(); err != nil {
					b.Fatal(err)
				}
				app = db.Appender(context.Background())
			}
		}
		if err := app.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	var raw []labels.Labels
	for i := range series {
		code := "200"
		if i%10 == 0 {
			code = "500"
		}
		raw = append(raw, labels.FromStrings("__name__", "http_requests_total", "job", "shop", "instance", fmt.Sprint(i/10), "route", fmt.Sprint(i%10), "code", code, "tenant", "acme", "region", "eu"))
	}
	recorded := func(name string, more ...string) labels.Labels {
		return labels.FromStrings(append([]string{"__name__", name, "sloth_id", "shop-availability", "sloth_service", "shop", "sloth_slo", "availability"}, more...)...)
	}
	store(30*time.Second, labStart, costEnd, raw, 1)
	store(time.Minute, labStart, costEnd, []labels.Labels{
		recorded("slo:sli_total:delta1m", "tenant", "acme", "region", "eu"), recorded("slo:sli_errors:delta1m", "tenant", "acme", "region", "eu"),
		recorded("slo:sli_total_counted:delta1m", "tenant", "acme", "region", "eu"), recorded("slo:sli_errors_counted:delta1m", "tenant", "acme", "region", "eu"),
		recorded("slo:sli_error:ratio_rate5m", "sloth_window", "5m"),
	}, 1)
	store(5*time.Minute, labStart, costEnd, []labels.Labels{
		recorded("slo:sli_total:sum5m", "tenant", "acme"), recorded("slo:sli_errors:sum5m", "tenant", "acme"),
	}, 1)
	return db
}

// compact writes the head as a block: it keeps a month's chunks of a series in a list and would walk it for each.
func compact(b *testing.B, db *tsdb.DB) {
	b.Helper()
	if err := db.CompactHead(tsdb.NewRangeHead(db.Head(), db.Head().MinTime(), db.Head().MaxTime())); err != nil {
		b.Fatal(err)
	}
}
