package slo

import (
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// traffic feeds counters of two tenants, scraped every so often: requests and the errors among them per scrape.
type traffic struct {
	every         time.Duration
	perScrape     float64
	errorsOf      func(tenant string, at time.Duration) float64
	from, to      time.Duration
	down          func(at time.Duration) bool
	errors, total map[string]float64
}

func (tr *traffic) feed(l *lab) {
	tr.errors, tr.total = map[string]float64{}, map[string]float64{}
	for at := tr.from; at <= tr.to; at += tr.every {
		if tr.down != nil && tr.down(at) {
			l.scrapeAt(at, map[string]float64{of(upSeries, "a"): 0})
			continue
		}
		samples := map[string]float64{of(upSeries, "a"): 1, of(bornAt, "a"): 1}
		for _, tenant := range []string{"acme", "globex"} {
			bad := tr.errorsOf(tenant, at)
			tr.errors[tenant] += bad
			tr.total[tenant] += tr.perScrape
			name := func(series string) string { return strings.Replace(of(series, "a"), "acme", tenant, 1) }
			samples[name(okSeries)] = tr.total[tenant] - tr.errors[tenant]
			if tr.errors[tenant] > 0 {
				samples[name(badSeries)] = tr.errors[tenant]
			}
		}
		l.scrapeAt(at, samples)
	}
}

// outage makes every request of the tenant fail in [from, to).
func outage(of string, from, to time.Duration, share float64, perScrape float64) func(string, time.Duration) float64 {
	return func(tenant string, at time.Duration) float64 {
		if tenant == of && at >= from && at < to {
			return share * perScrape
		}
		return 0
	}
}

func TestTotalOutageOfOneTenantPagesForItAlone(t *testing.T) {
	t.Parallel()
	l := newLab(t, shop(t))
	start, end := 2*time.Hour, 2*time.Hour+10*time.Minute
	(&traffic{every: 30 * time.Second, perScrape: 300, to: 4 * time.Hour, errorsOf: outage("acme", start, end, 1, 300)}).feed(l)

	l.run(start)
	if got := l.firing(); len(got) != 0 {
		t.Fatal("fires while all is well:", got)
	}
	l.run(end)
	if after := l.fired["page-fast acme"].Sub(labStart) - start; after <= 0 || after > 3*time.Minute {
		t.Errorf("the fast page came %s after the fault, want within three minutes", after)
	}
	for fired := range l.fired {
		if strings.HasSuffix(fired, "globex") {
			t.Error("an alert for the tenant that is well:", fired)
		}
	}
	l.run(end + 8*time.Minute)
	for _, firing := range l.firing() {
		if firing == "page-fast acme" {
			t.Error("the fast page goes on eight minutes after the end of the fault")
		}
	}
	if _, slow := l.fired["ticket-slow acme"]; !slow {
		t.Error("an outage of ten minutes is worth a ticket too")
	}
	l.run(end + 16*time.Minute)
	if got := l.firing(); len(got) != 0 {
		t.Errorf("a quarter of an hour after the end of the fault there still fire: %v", got)
	}
}

func TestSlowBurnsReachTheirTiers(t *testing.T) {
	t.Parallel()
	l := newLab(t, readOne(t, strings.Replace(shopText, "objective: 99.9", "objective: 99.9\n  interval: 5m", 1)))
	const steady = 12 * time.Hour
	// 0.8 % errors: 8 times the budget, so page-slow after 4.5 hours and both tickets, but never the fast page.
	(&traffic{every: 5 * time.Minute, perScrape: 5000, to: 30 * time.Hour, errorsOf: outage("acme", steady, 29*time.Hour, 0.008, 5000)}).feed(l)
	l.run(29 * time.Hour)
	want := []string{"page-slow acme", "ticket-fast acme", "ticket-slow acme"}
	if diff := cmp.Diff(want, l.firing()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// With twelve good hours before, 0.6 % over six hours are there after 0.75 x 6 hours.
	if after := l.fired["page-slow acme"].Sub(labStart) - steady; after < 4*time.Hour+25*time.Minute || after > 4*time.Hour+45*time.Minute {
		t.Errorf("page-slow came after %s, want 4.5 hours", after)
	}
}

func TestAlertsTellWhomAndWhatItCosts(t *testing.T) {
	t.Parallel()
	s := shop(t)
	s.Alerting.Runbook = "https://runbooks.example/slo-burn"
	l := newLab(t, s)
	// Half of 300 fail for six minutes in two hours: 1800 of 72000 requests are 25 budgets of 0.1 %.
	(&traffic{every: 30 * time.Second, perScrape: 300, to: 2 * time.Hour, errorsOf: outage("acme", 110*time.Minute, 116*time.Minute, 0.5, 300)}).feed(l)
	l.run(119 * time.Minute)
	for _, a := range l.alerts() {
		if a.Labels.Get("sloth_tier") != "page-fast" {
			continue
		}
		got := map[string]string{}
		for _, name := range []string{"alertname", "sloth_id", "sloth_service", "sloth_slo", "sloth_severity", "tenant", "region", "long", "short", "tier", "sloth_window"} {
			got[name] = a.Labels.Get(name)
		}
		want := map[string]string{
			"alertname": "ShopAvailabilityBurn", "sloth_id": "shop-availability", "sloth_service": "shop", "sloth_slo": "availability",
			"sloth_severity": "page", "tenant": "acme", "region": "", "long": "1h", "short": "5m", "tier": "1", "sloth_window": "",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("labels (-want +got):\n%s", diff)
		}
		if got := a.Annotations.Get("title"); got != "(page) shop availability SLO error budget burn rate is too fast for tenant acme" {
			t.Error("title:", got)
		}
		if got := a.Annotations.Get("runbook_url"); got != s.Alerting.Runbook {
			t.Error("runbook_url:", got)
		}
		if got := a.Annotations.Get("hours_to_exhaustion"); got != "0.0" {
			t.Errorf("hours_to_exhaustion of a budget overspent is %q", got)
		}
		var spent float64
		if _, err := fmt.Sscan(a.Annotations.Get("budget_spent"), &spent); err != nil || spent < 10 || spent > 26 {
			t.Errorf("budget_spent is %q, want about 25", a.Annotations.Get("budget_spent"))
		}
		return
	}
	t.Fatal("no page:", l.firing())
}

func TestASingleErrorInLittleTrafficPagesNobody(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		errors float64
		want   bool
	}{
		{"one of six requests", 1, false},
		{"five of six requests", 5, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, shop(t))
			left := c.errors
			tr := traffic{every: 30 * time.Second, perScrape: 0, to: time.Hour}
			tr.errorsOf = func(tenant string, at time.Duration) float64 {
				tr.perScrape = 0
				if tenant != "acme" || at < 20*time.Minute || at%time.Minute != 0 || at > 25*time.Minute {
					return 0
				}
				tr.perScrape = 1
				left--
				return math.Max(0, math.Min(1, left+1))
			}
			tr.feed(l)
			l.run(50 * time.Minute)
			if _, paged := l.fired["page-fast acme"]; paged != c.want {
				t.Errorf("paged is %v, want %v; fired: %v", paged, c.want, l.fired)
			}
		})
	}
}

func TestNoTrafficIsNoRatioAndNoAlert(t *testing.T) {
	t.Parallel()
	s := shop(t)
	l := newLab(t, s)
	(&traffic{every: 30 * time.Second, perScrape: 0, to: 2 * time.Hour, errorsOf: outage("", 0, 0, 0, 0)}).feed(l)
	l.run(2 * time.Hour)
	if len(l.fired) != 0 {
		t.Error("idle is not trouble:", l.fired)
	}
	if got := l.query(`{__name__=~"slo:sli_error:ratio_rate.*"}`); len(got) != 0 {
		t.Error("a ratio of nothing:", got)
	}
	if got := l.query(s.TotalSeries()); len(got) != 2 {
		t.Error("idle tenants are measured, and measured as zero:", got)
	}
}

func TestLostTargetsPageAndComeBack(t *testing.T) {
	t.Parallel()
	l := newLab(t, shop(t))
	lost := func(at time.Duration) bool { return at >= time.Hour && at < 90*time.Minute }
	(&traffic{every: 30 * time.Second, perScrape: 10, to: 2 * time.Hour, errorsOf: outage("", 0, 0, 0, 0), down: lost}).feed(l)
	l.run(85 * time.Minute)
	if after := l.fired[TierNoData].Sub(labStart) - time.Hour; after < 3*time.Minute || after > 6*time.Minute {
		t.Errorf("the page came after %s, want three to six minutes; firing: %v", after, l.firing())
	}
	l.run(2 * time.Hour)
	if got := l.firing(); len(got) != 0 {
		t.Error("still firing though the targets are back:", got)
	}
}

func TestTwentySecondsOfHistoryAreEnoughToPage(t *testing.T) {
	t.Parallel()
	s := readOne(t, strings.Replace(shopText, "objective: 99.9", "objective: 99.9\n  interval: 1s", 1))
	l := newLab(t, s)
	(&traffic{every: time.Second, perScrape: 20, to: 40 * time.Second, errorsOf: outage("acme", 20*time.Second, time.Hour, 1, 20)}).feed(l)
	l.run(40 * time.Second)
	if after := l.fired["page-fast acme"].Sub(labStart) - 20*time.Second; after <= 0 || after > 3*time.Second {
		t.Errorf("the page came %s after the fault, want within three seconds: %v", after, l.fired)
	}
	if _, wrong := l.fired["page-fast globex"]; wrong {
		t.Error("a page for the tenant that is well")
	}
	for _, a := range l.alerts() {
		if a.Labels.Get("sloth_tier") == "page-fast" && a.Annotations.Get("budget_spent") == "" {
			t.Error("the budget spent is unknown after 20 s of recording")
		}
	}
}

func TestAlertsThatAreOffAreNotMade(t *testing.T) {
	t.Parallel()
	s := shop(t)
	for _, c := range []struct {
		page, ticket bool
		want         string
	}{
		{false, false, "page-fast page-slow no-data ticket-fast ticket-slow"},
		{true, false, "ticket-fast ticket-slow"},
		{false, true, "page-fast page-slow no-data"},
		{true, true, ""},
	} {
		s.Alerting.PageOff, s.Alerting.TicketOff = c.page, c.ticket
		rg, err := s.Rules()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, g := range rg.Groups {
			for _, r := range g.Rules {
				if r.Alert != "" {
					got = append(got, r.Labels["sloth_tier"])
				}
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("page off %v, ticket off %v: %v, want %s", c.page, c.ticket, got, c.want)
		}
	}
}

func TestRecordedFiguresOfBudgetAndBurn(t *testing.T) {
	t.Parallel()
	s := shop(t)
	l := newLab(t, s)
	// One error a scrape of 1000: exactly on budget, all the time.
	(&traffic{every: 30 * time.Second, perScrape: 1000, to: 3 * time.Hour, errorsOf: func(string, time.Duration) float64 { return 1 }}).feed(l)
	l.run(3 * time.Hour)
	want := map[string]float64{
		"slo:objective:ratio": 0.999, "slo:error_budget:ratio": 0.001, "slo:time_period:days": 30, "sloth_slo_info": 1,
		"slo:current_burn_rate:ratio": 1, "slo:period_burn_rate:ratio": 1, "slo:period_error_budget_remaining:ratio": 0,
		"slo:sli_error:ratio_rate5m": 0.001, "slo:sli_error:ratio_rate1h": 0.001, "slo:sli_error:ratio_rate1d": 0.001, "slo:sli_error:ratio_rate30d": 0.001,
	}
	got := map[string]float64{}
	for name := range want {
		values := l.query(fmt.Sprintf(`max(last_over_time(%s{sloth_id="shop-availability"}[5m]))`, name))
		for _, v := range values {
			got[name] = round6(v)
		}
	}
	maps.DeleteFunc(got, func(name string, v float64) bool { return math.Abs(v-want[name]) < 1e-6 })
	if len(got) != 0 {
		t.Error("unlike what was fed:", got)
	}
	if info := l.query("sloth_slo_info"); len(info) != 1 || !strings.Contains(fmt.Sprint(info), `tier="1"`) {
		t.Error("user labels stand on sloth_slo_info:", info)
	}
}
