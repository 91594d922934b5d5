package slo

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/value"
)

const (
	okSeries  = `http_requests_total{job="shop",instance="%s",tenant="acme",region="eu",code="200"}`
	badSeries = `http_requests_total{job="shop",instance="%s",tenant="acme",region="eu",code="500"}`
	upSeries  = `up{job="shop",instance="%s"}`
	bornAt    = `process_start_time_seconds{job="shop",instance="%s"}`
)

func of(series, instance string) string { return fmt.Sprintf(series, instance) }

// TestIncrementsEqualTheCountersGrowth is the promise behind every figure: what is recorded adds up to what happened,
// in the cases where rate() and increase() do not.
func TestIncrementsEqualTheCountersGrowth(t *testing.T) {
	t.Parallel()
	const every = 30 * time.Second
	minute := func(n int) time.Duration { return time.Duration(n) * time.Minute }
	for _, c := range []struct {
		name          string
		feed          func(l *lab)
		run           time.Duration
		errors, total float64
	}{
		{"a long-running process counts from the first scrape on", func(l *lab) {
			for at := time.Duration(0); at <= minute(20); at += every {
				n := float64(at / every)
				l.scrapeAt(at+every, map[string]float64{of(upSeries, "a"): 1, of(bornAt, "a"): 1, of(okSeries, "a"): 5000 + 7*n, of(badSeries, "a"): 300 + n})
			}
		}, minute(25), 40, 40 * 8},
		{"an error series made by the first error counts from zero", func(l *lab) {
			for at := time.Duration(0); at <= minute(20); at += every {
				s := map[string]float64{of(upSeries, "a"): 1, of(bornAt, "a"): 1, of(okSeries, "a"): 1000 + float64(at/every)}
				if at >= minute(10) {
					s[of(badSeries, "a")] = 3
				}
				l.scrapeAt(at+every, s)
			}
		}, minute(25), 3, 40 + 3},
		{"the first error ever after days of none", func(l *lab) {
			for at := time.Duration(0); at <= 3*time.Hour; at += every {
				s := map[string]float64{of(upSeries, "a"): 1, of(bornAt, "a"): 1, of(okSeries, "a"): float64(at / every)}
				if at >= 3*time.Hour-every {
					s[of(badSeries, "a")] = 1
				}
				l.scrapeAt(at+every, s)
			}
		}, 3*time.Hour + minute(3), 1, 360 + 1},
		{"a crash resets the counter", func(l *lab) {
			for at := time.Duration(0); at <= minute(20); at += every {
				n := float64(at / every)
				if at >= minute(10) {
					n -= 20
				}
				l.scrapeAt(at+every, map[string]float64{of(upSeries, "a"): 1, of(bornAt, "a"): 1, of(okSeries, "a"): 10 * n, of(badSeries, "a"): n})
			}
		}, minute(25), 19 + 20, 19*11 + 20*11},
		{"scrapes fail for forty minutes", func(l *lab) {
			for at := time.Duration(0); at <= 2*time.Hour; at += every {
				n := float64(at / every)
				if at > minute(30) && at < minute(70) {
					s := map[string]float64{of(upSeries, "a"): 0}
					if at == minute(30)+every { // Prometheus ends the series of a target that does not answer
						for _, series := range []string{okSeries, badSeries, bornAt} {
							s[of(series, "a")] = stale
						}
					}
					l.scrapeAt(at+every, s)
					continue
				}
				l.scrapeAt(at+every, map[string]float64{of(upSeries, "a"): 1, of(bornAt, "a"): 1, of(okSeries, "a"): 9 * n, of(badSeries, "a"): n})
			}
		}, 2*time.Hour + minute(5), 240, 2400},
		{"pods are redeployed under new names, their error series lazy", func(l *lab) {
			for pod := range 4 {
				name, from := fmt.Sprintf("pod-%d", pod), minute(30*pod)
				for at := from; at <= from+minute(30)-every; at += every {
					n := float64((at-from)/every) + 1 // the first scrape comes with requests already served
					s := map[string]float64{of(upSeries, name): 1, of(bornAt, name): float64(labStart.Add(from).Unix()) - 20, of(okSeries, name): 4 * n}
					if at >= from+minute(7) {
						s[of(badSeries, name)] = 2
					}
					l.scrapeAt(at+every, s)
				}
			}
		}, 2*time.Hour + minute(10), 4 * 2, 4 * (4*60 + 2)},
		{"a target that was only ever down brings no history of its own", func(l *lab) {
			for at := time.Duration(0); at <= minute(20); at += every {
				if at < minute(10) {
					l.scrapeAt(at+every, map[string]float64{of(upSeries, "a"): 0})
					continue
				}
				l.scrapeAt(at+every, map[string]float64{of(upSeries, "a"): 1, of(bornAt, "a"): 1, of(okSeries, "a"): 1e6 + float64(at/every)})
			}
		}, minute(25), 0, 20},
		{"a scrape stamped before an evaluation and committed after it", func(l *lab) {
			for at := 29*time.Second + 900*time.Millisecond; at <= minute(30); at += every {
				n := float64(at / every)
				l.scrapeLate(at, 2*time.Second, map[string]float64{of(upSeries, "a"): 1, of(bornAt, "a"): 1, of(okSeries, "a"): 5 * n * n})
			}
		}, minute(35), 0, 5 * 59 * 59},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := shop(t)
			l := newLab(t, s)
			c.feed(l)
			l.run(c.run)
			got := []float64{l.sum(s.ErrorSeries()), l.sum(s.TotalSeries())}
			if diff := cmp.Diff([]float64{c.errors, c.total}, got); diff != "" {
				t.Errorf("errors and total (-truth +recorded):\n%s", diff)
			}
		})
	}
}

// TestWhatAnExporterTellsOutlivesIt: an exporter that is replaced shows the old counters of the database behind it.
func TestWhatAnExporterTellsOutlivesIt(t *testing.T) {
	t.Parallel()
	s := shop(t)
	s.Counters = CountersExporter
	l := newLab(t, s)
	for n := range 60 {
		at, pod := time.Duration(n+1)*30*time.Second, "a"
		if n >= 30 {
			pod = "b"
		}
		born := float64(labStart.Add(time.Duration(n/30*900) * time.Second).Unix())
		l.scrapeAt(at, map[string]float64{of(upSeries, pod): 1, of(bornAt, pod): born, of(okSeries, pod): 1e6 + 9*float64(n), of(badSeries, pod): 5e5 + float64(n)})
	}
	l.run(33 * time.Minute)
	// Each exporter's first sample is a baseline, so of 60 samples 58 are growth.
	if diff := cmp.Diff([]float64{58, 580}, []float64{l.sum(s.ErrorSeries()), l.sum(s.TotalSeries())}); diff != "" {
		t.Errorf("errors and total (-truth +recorded):\n%s", diff)
	}
}

var stale = math.Float64frombits(value.StaleNaN)
