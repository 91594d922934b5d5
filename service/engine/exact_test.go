package engine

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nines-sre/nines/service/prom"
	"github.com/nines-sre/nines/slo"
)

// promise is an SLO over the shop with a base interval of one second.
func promise() slo.SLO {
	return slo.SLO{
		ID: "shop-availability", Service: "shop", Name: "availability", Objective: 99.9, Interval: time.Second,
		Settle:  time.Second, // a busy machine must not fail the test
		GroupBy: []string{"tenant"}, BudgetBy: []string{"tenant"},
		SLI: slo.SLI{ErrorQuery: `shop_requests_total{job="shop",code="500"}`, TotalQuery: `shop_requests_total{job="shop"}`},
	}
}

func writeRules(t *testing.T, dir string, s slo.SLO) {
	t.Helper()
	groups, err := s.Rules()
	if err != nil {
		t.Fatal(err)
	}
	text, err := slo.MarshalRules([]slo.RuleGroups{groups})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/slo.yaml", text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// traffic sends requests until stopped and counts them itself.
type traffic struct {
	errors, total [2]atomic.Int64 // by tenant
	stop          chan struct{}
	done          chan struct{}
}

var tenants = [2]string{"acme", "globex"}

func startTraffic(s *shop) *traffic {
	tr := &traffic{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(tr.done)
		tick := time.NewTicker(3 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tr.stop:
				return
			case <-tick.C:
			}
			who, code := i%2, "200"
			if i > 200 && i%11 == 0 { // errors begin later: their series are made while we watch
				code = "500"
				tr.errors[who].Add(1)
			}
			tr.total[who].Add(1)
			s.requests.WithLabelValues(tenants[who], code).Inc()
		}
	}()
	return tr
}

func (tr *traffic) end() { close(tr.stop); <-tr.done }

// recorded returns the sums of the recorded increments by tenant.
func recorded(t *testing.T, c *prom.Client, from time.Time) (errors, total map[string]float64) {
	t.Helper()
	series, err := c.Increments(t.Context(), promise(), from, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	errors, total = map[string]float64{}, map[string]float64{}
	for _, s := range series {
		for _, p := range s.Points {
			errors[s.Series.Tenant] += p.Errors
			total[s.Series.Tenant] += p.Total
		}
	}
	return errors, total
}

// agrees compares what was recorded with what happened; "" if they are the same.
func (tr *traffic) agrees(t *testing.T, c *prom.Client, from time.Time) (difference string) {
	t.Helper()
	errors, total := recorded(t, c, from)
	for i, name := range tenants {
		if errors[name] != float64(tr.errors[i].Load()) || total[name] != float64(tr.total[i].Load()) {
			difference += fmt.Sprintf("%s: %v of %v recorded, %d of %d happened; ", name, errors[name], total[name], tr.errors[i].Load(), tr.total[i].Load())
		}
	}
	return difference
}

// settles waits until recording has caught up with traffic that has ended, and then looks for increments too many.
func (tr *traffic) settles(t *testing.T, c *prom.Client, from time.Time) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for tr.agrees(t, c, from) != "" && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(1500 * time.Millisecond) // one more evaluation must add nothing
	if d := tr.agrees(t, c, from); d != "" {
		t.Error(d)
	}
}

// TestRecordedIncrementsEqualTheTargetsCounters is the product's heart on the real engine: scrapes over HTTP, real time,
// the rules as they are generated.
func TestRecordedIncrementsEqualTheTargetsCounters(t *testing.T) {
	t.Parallel()
	s, rules := newShop(t), t.TempDir()
	writeRules(t, rules, promise())
	from := time.Now().Add(-time.Minute)
	tr := startTraffic(s)
	e := startEngine(t, Config{ConfigFile: scraping(t, "shop", s.addr), RuleDir: rules})
	time.Sleep(5 * time.Second) // several intervals of traffic
	tr.end()
	tr.settles(t, e.client, from)
}

// TestNoIncrementIsLostToAKill ends the engine at moments of no choosing, between evaluations and after scrapes.
func TestNoIncrementIsLostToAKill(t *testing.T) {
	t.Parallel()
	s, rules := newShop(t), t.TempDir()
	writeRules(t, rules, promise())
	from := time.Now().Add(-time.Minute)
	config := Config{DataDir: t.TempDir(), ConfigFile: scraping(t, "shop", s.addr), RuleDir: rules}
	tr := startTraffic(s)
	for _, alive := range []time.Duration{2300, 1700} {
		p := startChild(t, config)
		time.Sleep(alive * time.Millisecond)
		p.kill()
		time.Sleep(1200 * time.Millisecond) // at least one evaluation is missed
	}
	p := startChild(t, config)
	time.Sleep(1500 * time.Millisecond)
	tr.end()
	tr.settles(t, p.client(), from)
}

// TestWhatAKilledEngineScrapedButNeverEvaluatedCounts gives the first engine no rules, which is as if it was killed before
// it came to them.
func TestWhatAKilledEngineScrapedButNeverEvaluatedCounts(t *testing.T) {
	t.Parallel()
	s, rules := newShop(t), t.TempDir()
	from := time.Now().Add(-time.Minute)
	config := Config{DataDir: t.TempDir(), ConfigFile: scraping(t, "shop", s.addr), RuleDir: rules}
	tr := startTraffic(s)
	p := startChild(t, config)
	time.Sleep(1500 * time.Millisecond)
	p.kill()
	time.Sleep(2500 * time.Millisecond) // longer than an interval and its settling
	writeRules(t, rules, promise())
	p = startChild(t, config)
	time.Sleep(2300 * time.Millisecond)
	tr.end()
	tr.settles(t, p.client(), from)
}

// TestNoIncrementIsLostToReloads changes the promise's rules again and again while traffic runs.
func TestNoIncrementIsLostToReloads(t *testing.T) {
	t.Parallel()
	s, rules := newShop(t), t.TempDir()
	writeRules(t, rules, promise())
	from := time.Now().Add(-time.Minute)
	tr := startTraffic(s)
	e := startEngine(t, Config{ConfigFile: scraping(t, "shop", s.addr), RuleDir: rules})
	for i := range 40 {
		changed := promise()
		changed.Objective = slo.Objective(99 + float64(i)/100)
		writeRules(t, rules, changed)
		if err := e.client.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(113 * time.Millisecond)
	}
	tr.end()
	tr.settles(t, e.client, from)
}

// TestNoIncrementIsLostWhileTheEngineStandsStill stops the process as a starved or suspended machine would.
func TestNoIncrementIsLostWhileTheEngineStandsStill(t *testing.T) {
	t.Parallel()
	s, rules := newShop(t), t.TempDir()
	writeRules(t, rules, promise())
	from := time.Now().Add(-time.Minute)
	tr := startTraffic(s)
	p := startChild(t, Config{DataDir: t.TempDir(), ConfigFile: scraping(t, "shop", s.addr), RuleDir: rules})
	for range 2 {
		time.Sleep(1700 * time.Millisecond)
		if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2600 * time.Millisecond)
		if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(1500 * time.Millisecond)
	tr.end()
	tr.settles(t, p.client(), from)
}
