package service

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/service/telemetry"
	"github.com/nines-sre/nines/slo"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

var shopSLOs = []slo.Versioned{
	{SLO: slo.SLO{ID: "shop-availability", Service: "shop"}}, {SLO: slo.SLO{ID: "shop-availability-week", Service: "shop", Of: "shop-availability"}},
	{SLO: slo.SLO{ID: "lb-uptime", Service: "lb"}},
}

func TestTheGaugeShowsWhatIsCoveredNow(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	span := func(c slo.Correction, from, to time.Duration) slo.Correction {
		c.From, c.To, c.Mode = now.Add(from), now.Add(to), slo.ModeExclude
		return c
	}
	of := func(change func(*slo.Correction)) slo.Correction {
		c := slo.Correction{SLO: "lb-uptime"}
		change(&c)
		return span(c, -time.Minute, time.Minute)
	}
	lb := telemetry.Maintenance{SLO: "lb-uptime", Mode: "exclude"}
	f := func(name string, c slo.Correction, want ...telemetry.Maintenance) {
		t.Helper()
		m := &maintenance{now: func() time.Time { return now }, slos: func() []slo.Versioned { return shopSLOs }}
		m.around.Store(&[]slo.Correction{c})
		if diff := cmp.Diff(want, m.covering()); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	f("one SLO", of(func(*slo.Correction) {}), lb)
	f("while its last increment settles", span(slo.Correction{SLO: "lb-uptime"}, -time.Hour, -69*time.Second), lb)
	f("once that has been recorded", span(slo.Correction{SLO: "lb-uptime"}, -time.Hour, -70*time.Second))
	f("from its beginning on", span(slo.Correction{SLO: "lb-uptime"}, 0, time.Minute), lb)
	f("ahead", span(slo.Correction{SLO: "lb-uptime"}, time.Second, time.Minute))
	f("revoked", of(func(c *slo.Correction) { c.Revoked = now }))
	f("an SLO with a further objective", of(func(c *slo.Correction) { c.SLO = "shop-availability" }),
		telemetry.Maintenance{SLO: "shop-availability", Mode: "exclude"}, telemetry.Maintenance{SLO: "shop-availability-week", Mode: "exclude"})
	f("a service of a tenant", of(func(c *slo.Correction) {
		c.SLO, c.Service, c.Labels = "", "lb", map[string]string{"tenant": "acme", "region": "eu"}
	}),
		telemetry.Maintenance{SLO: "lb-uptime", Mode: "exclude", Tenant: "acme", Region: "eu"})
	f("narrowed by what rules do not know", of(func(c *slo.Correction) { c.Labels = map[string]string{"path": "/"} }))
	f("all", of(func(c *slo.Correction) { c.SLO, c.All = "", true }),
		telemetry.Maintenance{SLO: "shop-availability", Mode: "exclude"}, telemetry.Maintenance{SLO: "shop-availability-week", Mode: "exclude"}, lb)
}

func TestTheGaugeStandsWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		begin := time.Now()
		m := &maintenance{now: time.Now, slos: func() []slo.Versioned { return shopSLOs }, wake: make(chan struct{}, 1),
			read: func(context.Context, time.Time) ([]slo.Correction, error) {
				if away.Load() {
					return nil, errors.New("away")
				}
				return []slo.Correction{{SLO: "lb-uptime", Mode: slo.ModeExclude, From: begin, To: begin.Add(time.Hour)}, {SLO: "lb-uptime", Mode: slo.ModeExclude, From: begin, To: begin.Add(time.Hour)}}, nil
			}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.follow(ctx) }()
		if m.covering() != nil {
			t.Error("something is covered before anything was read")
		}
		m.changed()
		synctest.Wait()
		away.Store(true)
		m.changed()
		synctest.Wait()
		reg := prometheus.NewPedanticRegistry()
		telemetry.NewMaintenanceMetrics(reg, m.covering)
		want := "# HELP nines_slo_maintenance 1 while a correction covers now: mode exclude (nothing counts) or good (errors count as good), for a tenant and region or, without them, any.\n" +
			"# TYPE nines_slo_maintenance gauge\nnines_slo_maintenance{mode=\"exclude\",region=\"\",sloth_id=\"lb-uptime\",tenant=\"\"} 1\n"
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour + 70*time.Second)
		if n, err := testutil.GatherAndCount(reg); n != 0 || err != nil {
			t.Errorf("after its end %d series, %v", n, err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
