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

// BenchmarkRuleCost counts the engine samples that one SLO's rules read in a minute, and how long they take, once thirty
// days of history are there: ours with all that they are (guards, meta series, alerts), and of what Sloth generates for
// the same SLO the recordings of its SLI only, over the same stored samples. The figures sloth/ours say how many times
// more the peer's rules read, and take.
func BenchmarkRuleCost(b *testing.B) {
	for _, series := range []int{20, 200} {
		b.Run(fmt.Sprintf("%d-series", series), func(b *testing.B) {
			ours, err := readOne(b, shopText).Rules()
			if err != nil {
				b.Fatal(err)
			}
			db := month(b, series, ours)
			engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e9, Timeout: 5 * time.Minute, EnableAtModifier: true})
			var mine, theirs cost
			for b.Loop() {
				mine, theirs = cost{}, cost{}
				for _, g := range ours.Groups {
					for _, r := range g.Rules {
						mine.add(read(b, engine, db, r.Expr), float64(time.Minute)/float64(g.Interval))
					}
				}
				for _, expr := range slothShape() {
					theirs.add(read(b, engine, db, expr), 1)
				}
			}
			b.ReportMetric(mine.samples, "samples/SLO-minute")
			b.ReportMetric(theirs.samples, "sloth-samples/SLO-minute")
			b.ReportMetric(theirs.samples/mine.samples, "sloth/ours")
			b.ReportMetric(mine.ms, "ms/SLO-minute")
			b.ReportMetric(theirs.ms, "sloth-ms/SLO-minute")
			b.ReportMetric(theirs.ms/mine.ms, "sloth-ms/ours")
		})
	}
}

// cost is what evaluating rules takes: samples that the engine reads and milliseconds.
type cost struct{ samples, ms float64 }

func (c *cost) add(one cost, times float64) {
	c.samples, c.ms = c.samples+one.samples*times, c.ms+one.ms*times
}

var costEnd = labStart.Add(30 * 24 * time.Hour)

func read(b *testing.B, engine *promql.Engine, db storage.Queryable, expr string) cost {
	b.Helper()
	began := time.Now()
	q, err := engine.NewInstantQuery(context.Background(), db, nil, expr, costEnd)
	if err != nil {
		b.Fatalf("%s: %v", expr, err)
	}
	defer q.Close()
	if r := q.Exec(context.Background()); r.Err != nil {
		b.Fatalf("%s: %v", expr, r.Err)
	}
	return cost{float64(q.Stats().Samples.TotalSamples), time.Since(began).Seconds() * 1e3}
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

// month stores thirty days of raw series scraped every 30 s of their targets, and of all
// that our rules have recorded of them; Sloth's 30 days read the ratio of five minutes, which is the same series.
func month(b *testing.B, series int, ours RuleGroups) *tsdb.DB {
	b.Helper()
	opts := tsdb.DefaultOptions()
	opts.RetentionDuration = int64(100 * 24 * time.Hour / time.Millisecond)
	opts.MinBlockDuration, opts.MaxBlockDuration = opts.RetentionDuration, opts.RetentionDuration // one after the other fits in
	db, err := tsdb.Open(b.TempDir(), slog.New(slog.DiscardHandler), nil, opts, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
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
	var targets []labels.Labels
	for i := range (series + 9) / 10 {
		for _, name := range []string{"up", "process_start_time_seconds"} {
			targets = append(targets, labels.FromStrings("__name__", name, "job", "shop", "instance", fmt.Sprint(i)))
		}
	}
	store(30*time.Second, labStart, costEnd, raw, 1)
	store(30*time.Second, labStart, costEnd, targets, 1)
	for _, g := range ours.Groups {
		store(g.Interval, labStart, costEnd, recordedBy(g), 1)
	}
	// As a block: the head keeps a month's chunks of a series in a list and would walk it for each.
	if err := db.CompactHead(tsdb.NewRangeHead(db.Head(), db.Head().MinTime(), db.Head().MaxTime())); err != nil {
		b.Fatal(err)
	}
	return db
}

// recordedBy returns the series that a group of the shop's rules records, where all traffic is one tenant's in one region.
func recordedBy(g RuleGroup) []labels.Labels {
	var out []labels.Labels
	for _, r := range g.Rules {
		if r.Record == "" {
			continue
		}
		set := labels.NewBuilder(labels.FromMap(r.Labels)).Set("__name__", r.Record)
		if !strings.HasPrefix(r.Expr, "vector(") {
			set.Set("tenant", "acme")
		}
		if strings.Contains(r.Record, ":delta") {
			set.Set("region", "eu")
		}
		out = append(out, set.Labels())
	}
	return out
}
