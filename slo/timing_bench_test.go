package slo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/rules"
)

// slothRules is the rule file that Sloth v0.16 writes for the shop's availability, as far as alerts need it.
func slothRules() []byte {
	const id = `{sloth_id="shop-availability", sloth_service="shop", sloth_slo="availability"}`
	text := "groups:\n  - name: sloth-slo-sli-recordings-shop-availability\n    interval: 1m\n    rules:\n"
	for _, w := range []string{"5m", "30m", "1h", "2h", "6h", "1d", "3d"} {
		text += fmt.Sprintf("      - record: slo:sli_error:ratio_rate%[1]s\n        expr: (sum(rate(http_requests_total{job=\"shop\",code=~\"5..\"}[%[1]s]))) / (sum(rate(http_requests_total{job=\"shop\"}[%[1]s])))\n"+
			"        labels: {sloth_id: shop-availability, sloth_service: shop, sloth_slo: availability, sloth_window: %[1]s}\n", w)
	}
	text += "  - name: sloth-slo-alerts-shop-availability\n    interval: 1m\n    rules:\n"
	leg := func(short, long, factor string) string {
		return fmt.Sprintf("(max(slo:sli_error:ratio_rate%s%s > (%s * 0.001)) without (sloth_window) and max(slo:sli_error:ratio_rate%s%s > (%s * 0.001)) without (sloth_window))", short, id, factor, long, id, factor)
	}
	alert := func(severity, expr string) string {
		return "      - alert: ShopAvailability\n        expr: " + expr + "\n        labels: {sloth_severity: " + severity + ", sloth_tier: " + severity + "}\n"
	}
	return []byte(text + alert("page", leg("5m", "1h", "14.4")+" or "+leg("30m", "6h", "6")) + alert("ticket", leg("2h", "1d", "3")+" or "+leg("6h", "3d", "1")))
}

// incidentTime is how long the page of a fault took to come and to go, and how long after the fault its tickets went; 0
// where there are none, or they are there for three quarters of an hour still.
type incidentTime struct{ page, reset, ticket time.Duration }

// incident runs a fault of a share of errors in traffic of 100 requests a second after hours of health, with scrapes
// every 30 s, and evaluations every minute, of ours or of Sloth's rules.
func incident(b *testing.B, sloth bool, seed uint64, share float64, history, length time.Duration) incidentTime {
	b.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	l := newLab(b)
	if sloth {
		l.loadText(slothRules())
	} else {
		l.load([]SLO{shop(b)})
	}
	phase := time.Duration(r.IntN(30000)) * time.Millisecond
	begin := history + time.Duration(r.IntN(60000))*time.Millisecond
	end := begin + length
	good, bad := 0.0, 0.0
	last := time.Duration(0)
	for at := phase; at < end+45*time.Minute; at += 30 * time.Second {
		// The requests since the last scrape, and how long of it the fault lasted.
		all := 100 * (at - last).Seconds()
		faulty := 100 * max(0, (min(at, end)-max(last, begin)).Seconds())
		errors := math.Round(faulty*share + (all-faulty)*0.0001)
		good, bad, last = good+all-errors, bad+errors, at
		l.scrapeAt(at, map[string]float64{of(upSeries, "a"): 1, of(bornAt, "a"): 1, of(okSeries, "a"): good, of(badSeries, "a"): bad})
	}
	firing := func(severity string) bool {
		return slices.ContainsFunc(l.alerts(), func(a *rules.Alert) bool { return a.Labels.Get("sloth_severity") == severity })
	}
	for l.now.Sub(labStart) < begin {
		l.run(min(l.now.Sub(labStart)+time.Minute, begin))
	}
	out := incidentTime{page: -1, reset: -1}
	ticketed := false
	for at := begin; at < end+45*time.Minute; at += time.Second {
		l.run(at)
		paging, ticket := firing("page"), firing("ticket")
		ticketed = ticketed || ticket
		switch {
		case paging && out.page < 0:
			out.page = at - begin
		case !paging && out.page >= 0 && out.reset < 0 && at > end:
			out.reset = at - end
		}
		if ticketed && !ticket && out.ticket == 0 && at > end {
			out.ticket = at - end
		}
		if out.reset >= 0 && (sloth || !ticket) {
			return out
		}
	}
	return out
}

// BenchmarkPageTime tells how long after a fault its page comes, less the time that the arithmetic itself needs (the
// long window x factor x budget / share of errors), and how long after its end no page fires any more, at worst and in
// the middle of twelve phases of fault, scrape and evaluation; and how long after the end our tickets go. Sloth's rules run
// in the same engine over the same samples; its tickets, which go after six hours, are not waited for.
func BenchmarkPageTime(b *testing.B) {
	for _, c := range []struct {
		name            string
		share           float64
		theory          time.Duration
		history, length time.Duration
	}{
		{"100-percent-10-min", 1, minutes(60 * .0144), 6 * time.Hour, 10 * time.Minute},
		{"10-percent-60-min", .1, minutes(60 * .144), 6 * time.Hour, time.Hour},
		{"2-percent-3-h", .02, minutes(60 * .72), 6 * time.Hour, 3 * time.Hour},
		{"1-percent-4-h", .01, minutes(360 * .6), 6 * time.Hour, 4 * time.Hour},
	} {
		b.Run(c.name, func(b *testing.B) {
			const phases = 12
			for b.Loop() {
				for _, sloth := range []bool{false, true} {
					var late, reset, ticket []float64
					for seed := range uint64(phases) {
						got := incident(b, sloth, seed+1, c.share, c.history, c.length)
						if got.page < 0 || got.reset < 0 {
							b.Fatalf("no page, or one without an end: %+v", got)
						}
						late, reset = append(late, (got.page-c.theory).Minutes()), append(reset, got.reset.Minutes())
						ticket = append(ticket, got.ticket.Minutes())
					}
					slices.Sort(late)
					slices.Sort(reset)
					name := "ours"
					if sloth {
						name = "sloth"
					}
					b.ReportMetric(late[phases-1], name+"-late-max-min")
					b.ReportMetric(late[phases/2], name+"-late-median-min")
					b.ReportMetric(reset[phases-1], name+"-reset-max-min")
					if !sloth {
						b.ReportMetric(slices.Max(ticket), "ours-ticket-reset-max-min")
					}
				}
			}
		})
	}
}

func minutes(m float64) time.Duration { return time.Duration(m * float64(time.Minute)) }
