package slo

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// BenchmarkGeneration writes rules of ever more SLOs. B-peak/SLO is how much the heap is above what it was, at most,
// shared among them: it falls with their number, because memory does not grow with it.
func BenchmarkGeneration(b *testing.B) {
	read := thousand(b)
	for _, n := range []int{1_000, 10_000, 50_000} {
		slos := make([]SLO, n)
		for i := range slos {
			slos[i] = read[i%len(read)]
			slos[i].ID, slos[i].Service = fmt.Sprintf("shop-%d-availability", i), fmt.Sprintf("shop-%d", i)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			runtime.GC()
			before := heap()
			out := &watched{every: 64 << 20}
			b.ResetTimer()
			for b.Loop() {
				out.bytes = 0
				if err := WriteRules(out, slos, RuleOptions{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "SLOs/s")
			b.ReportMetric(float64(out.bytes)/float64(n), "B-text/SLO")
			b.ReportMetric(max(0, float64(max(out.peak, heap()))-float64(before))/float64(n), "B-peak/SLO")
		})
	}
}

// watched is a writer that looks at the heap each so many bytes.
type watched struct{ bytes, next, every, peak int }

func (w *watched) Write(p []byte) (int, error) {
	if w.bytes += len(p); w.bytes >= w.next {
		w.next, w.peak = w.bytes+w.every, max(w.peak, heap())
	}
	return len(p), nil
}

func heap() int {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse)
}

// BenchmarkEngineLoad evaluates the rule groups of many SLOs, of 20 raw series each, in Prometheus' rule engine, and tells
// how much of one core their minutes take: processor time of this process while it evaluates. What the garbage collector
// does on processors that nobody else wants is told apart. Before that stands the history that the rules look back on: a
// month of what long windows are made of, six hours of increments, and for Sloth's rules three days of raw series and a
// month of the ratio that it averages. A thousand SLOs of ours; of Sloth's twenty, scaled, because a thousand times three
// days of raw series would not fit.
func BenchmarkEngineLoad(b *testing.B) {
	for _, c := range []struct {
		name  string
		slos  int
		sloth bool
	}{{"ours", 1000, false}, {"sloth", 20, true}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				const measured = 10 // minutes: two evaluations of each group of five minutes
				if os.Getenv("GOGC") == "" {
					defer debug.SetGCPercent(debug.SetGCPercent(200)) // what Nines starts its engine with
				}
				f := history(b, c.slos, c.sloth)
				f.scrapeMinute()
				f.evaluateMinute() // once before it counts
				runtime.GC()
				busy, idle := time.Duration(0), idleCollection()
				for range measured {
					f.scrapeMinute()
					began := processorTime()
					f.evaluateMinute()
					busy += processorTime() - began
				}
				f.quiet()
				runtime.GC()
				idle = idleCollection() - idle
				percent := 100 / (measured * 60.0) * 1000 / float64(c.slos)
				b.ReportMetric((busy.Seconds()-idle)*percent, "%-of-a-core/1000-SLOs")
				b.ReportMetric(idle*percent, "%-idle-collection/1000-SLOs")
			}
		})
	}
}

// history is so many SLOs with all that their rules look back on.
func history(b *testing.B, slos int, sloth bool) *fleet {
	b.Helper()
	l := newLab(b)
	l.db = monthlong(b)
	l.loadText(loadRules(b, slos, sloth))
	f := newFleet(l, slos)
	raw := 65 * time.Minute
	if sloth {
		raw = 72 * time.Hour
	}
	const scrape = 30 * time.Second
	for i, set := range f.sets {
		start := f.values[i]
		f.remember(raw, scrape, set, func(n int) float64 { return start + float64(n)*f.step[i] })
		f.values[i] = start + float64(raw/scrape)*f.step[i]
	}
	f.rememberRecorded()
	f.compact()
	return f
}

// compact writes blocks as Prometheus would have: three days each, and the last two hours stay in memory.
func (f *fleet) compact() {
	f.t.Helper()
	const block = 72 * time.Hour
	last := labStart.Add(-2 * time.Hour)
	for at := time.UnixMilli(f.db.Head().MinTime()); at.Before(last); at = at.Add(block) {
		end := at.Add(block)
		if end.After(last) {
			end = last
		}
		if err := f.db.CompactHead(tsdb.NewRangeHead(f.db.Head(), at.UnixMilli(), end.UnixMilli()-1)); err != nil {
			f.t.Fatal(err)
		}
	}
}

// monthlong is a database that takes a month's samples in any order of their series.
func monthlong(b *testing.B) *tsdb.DB {
	b.Helper()
	opts := tsdb.DefaultOptions()
	opts.RetentionDuration = int64(100 * 24 * time.Hour / time.Millisecond)
	opts.MinBlockDuration, opts.MaxBlockDuration = opts.RetentionDuration, opts.RetentionDuration
	db, err := tsdb.Open(b.TempDir(), slog.New(slog.DiscardHandler), nil, opts, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	return db
}

// loadRules are the rules of so many SLOs, each with a job of its own.
func loadRules(b *testing.B, n int, sloth bool) []byte {
	b.Helper()
	var out bytes.Buffer
	if sloth {
		out.WriteString("groups:\n")
		for i := range n {
			text := strings.TrimPrefix(string(slothRules()), "groups:\n")
			text = strings.ReplaceAll(text, "shop", fmt.Sprint("shop-", i))
			id := fmt.Sprintf(`{sloth_id="shop-%d-availability", sloth_service="shop-%d", sloth_slo="availability"}`, i, i)
			period := strings.ReplaceAll("      - record: slo:sli_error:ratio_rate30d\n        expr: sum_over_time(slo:sli_error:ratio_rate5mID[30d]) / ignoring (sloth_window) count_over_time(slo:sli_error:ratio_rate5mID[30d])\n", "ID", id)
			period += fmt.Sprintf("        labels: {sloth_id: shop-%[1]d-availability, sloth_service: shop-%[1]d, sloth_slo: availability, sloth_window: 30d}\n", i)
			out.WriteString(strings.Replace(text, "  - name: sloth-slo-alerts", period+"  - name: sloth-slo-alerts", 1))
		}
		return out.Bytes()
	}
	s := shop(b)
	slos := make([]SLO, n)
	for i := range slos {
		slos[i] = s
		slos[i].ID, slos[i].Service = fmt.Sprintf("shop-%d-availability", i), fmt.Sprintf("shop-%d", i)
		job := fmt.Sprintf(`job="shop-%d"`, i)
		slos[i].SLI.ErrorQuery = strings.ReplaceAll(s.SLI.ErrorQuery, `job="shop"`, job)
		slos[i].SLI.TotalQuery = strings.ReplaceAll(s.SLI.TotalQuery, `job="shop"`, job)
	}
	if err := WriteRules(&out, slos, RuleOptions{}); err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
}

// fleet is the targets of many SLOs: two instances each with ten series.
type fleet struct {
	*lab
	sets   []labels.Labels
	refs   []storage.SeriesRef
	values []float64
	step   []float64
	minute int
}

func newFleet(l *lab, slos int) *fleet {
	f := &fleet{lab: l}
	add := func(value, step float64, pairs ...string) {
		f.sets, f.values, f.step = append(f.sets, labels.FromStrings(pairs...)), append(f.values, value), append(f.step, step)
	}
	for i := range slos {
		job := fmt.Sprint("shop-", i)
		for pod := range 2 {
			instance := fmt.Sprint(pod)
			add(1, 0, "__name__", "up", "job", job, "instance", instance)
			add(1e9, 0, "__name__", "process_start_time_seconds", "job", job, "instance", instance)
			for route := range 10 {
				code, step := "200", 300.0
				if route == 0 {
					code, step = "500", .1
				}
				add(0, step, "__name__", "http_requests_total", "job", job, "instance", instance, "route", fmt.Sprint(route), "code", code, "tenant", "acme", "region", "eu")
			}
		}
	}
	f.refs = make([]storage.SeriesRef, len(f.sets))
	return f
}

// remember stores a series each so often up to the lab's start, the nth sample of what value tells.
func (f *fleet) remember(length, every time.Duration, set labels.Labels, value func(n int) float64) {
	f.t.Helper()
	app, ref := f.db.Appender(f.t.Context()), storage.SeriesRef(0)
	for n := range int(length / every) {
		var err error
		if ref, err = app.Append(ref, set, labStart.Add(time.Duration(n)*every-length).UnixMilli(), value(n)); err != nil {
			f.t.Fatal(set, err)
		}
	}
	if err := app.Commit(); err != nil {
		f.t.Fatal(err)
	}
}

// rememberRecorded stores what the loaded rules have recorded and read again, of a service that is well: traffic that
// varies by a hundredth, and an error now and then, far below what any alert fires at.
func (f *fleet) rememberRecorded() {
	const month = 30 * 24 * time.Hour
	r := rand.New(rand.NewPCG(5, 6))
	traffic := func(int) float64 { return math.Round(10000 * (1 + .01*r.NormFloat64())) }
	errors := func(int) float64 { return max(0, math.Round(r.NormFloat64())) }
	ratio := func(n int) float64 { return errors(n) / traffic(n) }
	for _, g := range f.groups {
		for _, rule := range g.Rules() {
			rule, recording := rule.(*rules.RecordingRule)
			if !recording {
				continue
			}
			text := rule.Query().String()
			set, length, value := labels.NewBuilder(rule.Labels()).Set("__name__", rule.Name()), 10*time.Minute, ratio
			switch {
			case strings.HasPrefix(rule.Name(), "slo:sli_errors"):
				value = errors
			case strings.HasPrefix(rule.Name(), "slo:sli_total"), strings.HasPrefix(rule.Name(), "slo:sli_events"):
				value = traffic
			}
			switch {
			case strings.Contains(rule.Name(), ":delta"):
				length = 6 * time.Hour
				set.Set("tenant", "acme").Set("region", "eu")
			case strings.Contains(rule.Name(), ":sum5m"):
				length = month
				set.Set("tenant", "acme")
			case strings.Contains(text, "rate("):
				length = month
			case !strings.HasPrefix(text, "vector("):
				set.Set("tenant", "acme")
			}
			f.remember(length, g.Interval(), set.Labels(), value)
		}
	}
}

// quiet fails where an alert fires: a fleet that is well has none, and what they say would be paid for.
func (f *fleet) quiet() {
	f.t.Helper()
	for _, g := range f.groups {
		for _, rule := range g.AlertingRules() {
			if n := len(rule.ActiveAlerts()); n > 0 {
				f.t.Fatalf("%s: %d alerts fire", rule, n)
			}
		}
	}
}

// scrapeMinute stores the next minute's two scrapes of everything.
func (f *fleet) scrapeMinute() {
	f.t.Helper()
	for _, second := range []int{20, 50} {
		app := f.db.Appender(f.t.Context())
		at := labStart.Add(time.Duration(f.minute)*time.Minute + time.Duration(second)*time.Second).UnixMilli()
		for i, set := range f.sets {
			f.values[i] += f.step[i]
			ref, err := app.Append(f.refs[i], set, at, f.values[i])
			if err != nil {
				f.t.Fatal(err)
			}
			f.refs[i] = ref
		}
		if err := app.Commit(); err != nil {
			f.t.Fatal(err)
		}
	}
	f.minute++
}

// evaluateMinute evaluates every group that is due now; groups that are due less often take turns as in life.
func (f *fleet) evaluateMinute() {
	now := labStart.Add(time.Duration(f.minute)*time.Minute + 500*time.Millisecond)
	for i, g := range f.groups {
		if every := max(1, int(g.Interval()/time.Minute)); (f.minute+i)%every == 0 {
			g.Eval(f.t.Context(), now)
			for _, r := range g.Rules() {
				if err := r.LastError(); err != nil {
					f.t.Fatalf("%s: %v", r.Name(), err)
				}
			}
		}
	}
}

// processorTime is what this process has used of all processors, in user and system.
func processorTime() time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		panic(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// idleCollection is the processor seconds that garbage collection took which nobody else wanted, as of the last one.
func idleCollection() float64 {
	sample := []metrics.Sample{{Name: "/cpu/classes/gc/mark/idle:cpu-seconds"}}
	metrics.Read(sample)
	return sample[0].Value.Float64()
}
