package slo

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
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

// BenchmarkEngineLoad evaluates the rule groups of many SLOs, of 20 raw series each, in Prometheus' rule engine over an
// hour of scrapes each 30 s, and tells how much of one core their minutes take: processor time of this process, less
// that of storing scrapes. A thousand of ours; of Sloth's rules a tenth, scaled. Both are cheaper than after a month, when
// windows of days are full: BenchmarkRuleCost has that.
func BenchmarkEngineLoad(b *testing.B) {
	for _, c := range []struct {
		name  string
		slos  int
		sloth bool
	}{{"ours", 1000, false}, {"sloth", 100, true}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				const warm, measured = 60, 10 // minutes; ten hold two evaluations of each slow group
				l := newLab(b)
				l.loadText(loadRules(b, c.slos, c.sloth))
				fleet := newFleet(l, c.slos)
				for range warm {
					fleet.scrapeMinute()
				}
				fleet.evaluateMinute() // once before it counts
				fleet.scrapeMinute()
				busy := time.Duration(0)
				for range measured {
					fleet.scrapeMinute()
					began := processorTime()
					fleet.evaluateMinute()
					busy += processorTime() - began
				}
				share := busy.Seconds() / (measured * 60)
				b.ReportMetric(100*share*1000/float64(c.slos), "%-of-a-core/1000-SLOs")
				b.ReportMetric(busy.Seconds()*1e3/measured/float64(c.slos), "ms/SLO-minute")
			}
		})
	}
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
