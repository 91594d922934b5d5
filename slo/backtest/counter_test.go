package backtest

import (
	"context"
	"log/slog"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/tsdb"
	"pgregory.net/rapid"
)

var begin = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

// TestIncreaseIsThatOfPrometheus draws counters with resets, gaps and unsteady scrapes and asks both.
func TestIncreaseIsThatOfPrometheus(t *testing.T) {
	t.Parallel()
	db := openDB(t)
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e7, Timeout: time.Minute, LookbackDelta: 5 * time.Minute})
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		series := drawCounter(r, strconv.Itoa(n))
		store(t, db, series)
		c := cursor{counter: newCounter(series)}
		window := time.Duration(rapid.IntRange(30, 1200).Draw(r, "window")) * time.Second
		step := time.Duration(rapid.IntRange(7, 90).Draw(r, "step")) * time.Second
		from, to := begin.Add(-time.Minute), time.UnixMilli(series.At[len(series.At)-1]).Add(window)
		q, err := engine.NewRangeQuery(t.Context(), db, nil, `increase(x{n="`+strconv.Itoa(n)+`"}[`+labelDuration(window)+`])`, from, to, step)
		if err != nil {
			r.Fatal(err)
		}
		defer q.Close()
		want := map[int64]float64{}
		matrix, err := q.Exec(t.Context()).Matrix()
		if err != nil {
			r.Fatal(err)
		}
		for _, s := range matrix {
			for _, p := range s.Floats {
				want[p.T] = p.F
			}
		}
		found := 0
		for at := from; !at.After(to); at = at.Add(step) {
			got, ok := c.increase(at.UnixMilli(), window.Milliseconds())
			expected, there := want[at.UnixMilli()]
			if ok != there || ok && math.Abs(got-expected) > 1e-9*math.Max(1, math.Abs(expected)) {
				r.Fatalf("at %v over %v: got %v %v, Prometheus says %v %v", at.Sub(begin), window, got, ok, expected, there)
			}
			if ok {
				found++
			}
		}
		if found != len(want) {
			r.Fatalf("compared %d of %d points", found, len(want))
		}
	})
}

func drawCounter(r *rapid.T, name string) Series {
	s := Series{Labels: map[string]string{"__name__": "x", "n": name}}
	at, value := begin.UnixMilli(), float64(rapid.IntRange(0, 50).Draw(r, "start"))
	for range rapid.IntRange(1, 120).Draw(r, "samples") {
		s.At, s.Values = append(s.At, at), append(s.Values, value)
		at += int64(rapid.IntRange(14_900, 15_100).Draw(r, "distance"))
		switch rapid.IntRange(0, 20).Draw(r, "event") {
		case 0:
			value = float64(rapid.IntRange(0, 3).Draw(r, "after reset"))
		case 1:
			at += int64(rapid.IntRange(1, 900).Draw(r, "gap")) * 1000
		default:
			value += float64(rapid.IntRange(0, 40).Draw(r, "growth"))
		}
	}
	return s
}

func openDB(t testing.TB) *tsdb.DB {
	t.Helper()
	opts := tsdb.DefaultOptions()
	opts.RetentionDuration = int64(100 * 24 * time.Hour / time.Millisecond)
	opts.MinBlockDuration, opts.MaxBlockDuration = opts.RetentionDuration, opts.RetentionDuration
	db, err := tsdb.Open(t.TempDir(), slog.New(slog.DiscardHandler), nil, opts, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func store(t testing.TB, db *tsdb.DB, all ...Series) {
	t.Helper()
	app := db.Appender(context.Background())
	for _, s := range all {
		set := labels.FromMap(s.Labels)
		for i, at := range s.At {
			if _, err := app.Append(0, set, at, s.Values[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}
