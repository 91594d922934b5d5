package slo

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// BenchmarkThousandSLOs evaluates the rules of a thousand SLOs with 20 raw series each, as the engine does, and tells
// how much of one core that takes: processor time for each minute of the clock. There is an hour of history.
func BenchmarkThousandSLOs(b *testing.B) {
	const slos, history, measured = 1000, time.Hour, 5 * time.Minute
	all := make([]SLO, slos)
	for i := range all {
		text := strings.Replace(shopText, "service: shop", fmt.Sprintf("service: shop-%d", i), 1)
		all[i] = readOne(b, strings.ReplaceAll(text, `job="shop"`, fmt.Sprintf(`job="shop-%d"`, i)))
	}
	l := newLab(b, all...)
	fleetOf(slos).scrape(b, l, history+measured)
	var used time.Duration
	for b.Loop() {
		before := processorTime(b)
		for at := labStart.Add(history + 500*time.Millisecond); at.Before(labStart.Add(history + measured)); at = at.Add(time.Minute) {
			for _, g := range l.groups {
				// The groups of five minutes take turns, as their offsets make them do.
				if every := int64(g.Interval() / time.Minute); (at.Unix()/60+int64(len(g.Name())))%every == 0 {
					g.Eval(b.Context(), at)
				}
			}
		}
		used = processorTime(b) - before
	}
	b.ReportMetric(100*used.Seconds()/measured.Seconds(), "%-of-a-core")
	b.ReportMetric(used.Seconds()*1000/slos/measured.Minutes(), "ms/SLO-minute")
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fleet is the raw series of many services, two targets of ten series each.
type fleet struct {
	sets  []labels.Labels
	value func(set int, at time.Duration) float64
}

func fleetOf(services int) fleet {
	f := fleet{}
	for i := range services {
		job := fmt.Sprintf("shop-%d", i)
		for k := range 20 {
			code := "200"
			if k%10 == 0 {
				code = "500"
			}
			f.sets = append(f.sets, labels.FromStrings("__name__", "http_requests_total", "job", job, "instance", fmt.Sprint(k/10), "route", fmt.Sprint(k%10), "code", code, "tenant", "acme", "region", "eu"))
		}
		for k := range 2 {
			f.sets = append(f.sets, labels.FromStrings("__name__", "up", "job", job, "instance", fmt.Sprint(k)),
				labels.FromStrings("__name__", "process_start_time_seconds", "job", job, "instance", fmt.Sprint(k)))
		}
	}
	f.value = func(set int, at time.Duration) float64 {
		switch k := set % 24; {
		case k >= 20:
			return 1
		case k%10 == 0:
			return 0 // nothing fails
		default:
			return at.Seconds() * 10
		}
	}
	return f
}

func (f fleet) scrape(b *testing.B, l *lab, until time.Duration) {
	b.Helper()
	refs := make([]storage.SeriesRef, len(f.sets))
	for at := time.Duration(0); at < until; at += 30 * time.Second {
		app := l.db.Appender(b.Context())
		for i, set := range f.sets {
			ref, err := app.Append(refs[i], set, labStart.Add(at).UnixMilli(), f.value(i, at))
			if err != nil {
				b.Fatal(err)
			}
			refs[i] = ref
		}
		if err := app.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}
