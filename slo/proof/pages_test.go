package proof

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nines-sre/nines/slo"
)

// minutesOf is running sums of a service's requests and errors, a minute each.
type minutesOf struct{ total, errors []float64 }

// healthy is so many minutes of random traffic in which a share of requests fails; during [from, to) it is another share.
func healthy(r dice, n int, rps, share float64, from, to int, during float64) minutesOf {
	m := minutesOf{make([]float64, n+1), make([]float64, n+1)}
	for i := 1; i <= n; i++ {
		p := share
		if i > from && i <= to {
			p = during
		}
		all, bad := poisson(r, rps*60), 0
		if all > 500 {
			bad = min(all, poisson(r, float64(all)*p))
		} else {
			for range all {
				if r.Float64() < p {
					bad++
				}
			}
		}
		m.total[i], m.errors[i] = m.total[i-1]+float64(all), m.errors[i-1]+float64(bad)
	}
	return m
}

func (m minutesOf) over(i int, window time.Duration) slo.Reading {
	j := max(0, i-int(window/time.Minute))
	total, errors := m.total[i]-m.total[j], m.errors[i]-m.errors[j]
	return slo.Reading{Counts: slo.Counts{Good: total - errors, Total: total}, Seen: true}
}

// pages counts the pages of the conditions: from the first tier that fires until none does.
func (m minutesOf) pages(conditions []slo.Condition) int {
	n, paging := 0, false
	for i := 1; i < len(m.total); i++ {
		fires := false
		for _, c := range conditions {
			if c.Severity == "page" && c.Fires(m.over(i, c.Short), m.over(i, c.Long), m.over(i, c.Recent), m.over(i, c.Between)) {
				fires = true
				break
			}
		}
		if fires && !paging {
			n++
		}
		paging = fires
	}
	return n
}

// slothPages counts the pages of Sloth's two legs over the same minutes.
func (m minutesOf) slothPages(budget float64) int {
	above := func(i int, window time.Duration, factor float64) bool {
		r := m.over(i, window)
		return r.Total > 0 && r.Errors()/r.Total > factor*budget
	}
	n, paging := 0, false
	for i := 1; i < len(m.total); i++ {
		fires := above(i, 5*time.Minute, 14.4) && above(i, time.Hour, 14.4) || above(i, 30*time.Minute, 6) && above(i, 6*time.Hour, 6)
		if fires && !paging {
			n++
		}
		paging = fires
	}
	return n
}

// recall is the share of trials in which a tenth of all requests fails for two hours and somebody is paged.
func recall(seed uint64, rps float64, trials int, page func(minutesOf) int) float64 {
	r := rand.New(rand.NewPCG(seed, 2))
	found := 0
	for range trials {
		if page(healthy(r, 8*60, rps, .0005, 6*60, 8*60, .1)) > 0 {
			found++
		}
	}
	return float64(found) / float64(trials)
}

// TestLittleTrafficIsHeardAndWakesNobodyForNothing holds the two bounds at a few rates; the benchmark has more of them.
func TestLittleTrafficIsHeardAndWakesNobodyForNothing(t *testing.T) {
	t.Parallel()
	conditions := api(t).Conditions()
	for _, rps := range []float64{.003, .01, .02, .1} {
		const months = 48
		r, n := rand.New(rand.NewPCG(7, 3)), 0
		for range months {
			n += healthy(r, 30*1440, rps, .0005, 0, 0, 0).pages(conditions)
		}
		if perMonth := float64(n) / months; perMonth > .1 {
			t.Errorf("at %v requests a second %.2f pages a month wake somebody for nothing", rps, perMonth)
		}
	}
	if got := recall(1, .01, 1500, func(m minutesOf) int { return m.pages(conditions) }); got < .96 {
		t.Errorf("of outages of a tenth for two hours at 0.01 requests a second %.3f are found", got)
	}
}

// BenchmarkFalsePages counts pages in healthy months at half the budget, ours and of Sloth's rules over the same traffic.
func BenchmarkFalsePages(b *testing.B) {
	of := api(b)
	conditions := of.Conditions()
	for _, rps := range []float64{.003, .005, .01, .02, .03, .05, .1, .3, 1, 3, 10} {
		b.Run(fmt.Sprintf("%v-rps", rps), func(b *testing.B) {
			const months = 240
			var ours, theirs int
			for b.Loop() {
				ours, theirs = 0, 0
				r := rand.New(rand.NewPCG(11, 5))
				for range months {
					m := healthy(r, 30*1440, rps, .0005, 0, 0, 0)
					ours, theirs = ours+m.pages(conditions), theirs+m.slothPages(of.Objective.Budget())
				}
			}
			b.ReportMetric(float64(ours)/months, "ours/30d")
			b.ReportMetric(float64(theirs)/months, "sloth/30d")
		})
	}
}

// BenchmarkRecall tells which share of outages of a tenth of requests for two hours pages, at little traffic.
func BenchmarkRecall(b *testing.B) {
	of := api(b)
	conditions := of.Conditions()
	for _, rps := range []float64{.003, .01, .03} {
		b.Run(fmt.Sprintf("%v-rps", rps), func(b *testing.B) {
			var ours, theirs float64
			for b.Loop() {
				ours = recall(5, rps, 5000, func(m minutesOf) int { return m.pages(conditions) })
				theirs = recall(5, rps, 5000, func(m minutesOf) int { return m.slothPages(of.Objective.Budget()) })
			}
			b.ReportMetric(100*ours, "ours-%")
			b.ReportMetric(100*theirs, "sloth-%")
		})
	}
}
