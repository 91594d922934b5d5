package service

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/service/telemetry"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestTheAuditorIsLoudAndWaitsUntilTheClockworkIsSteady(t *testing.T) {
	t.Parallel()
	now, asked, turn := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 0, error(nil)
	var log bytes.Buffer
	registry := prometheus.NewRegistry()
	a := &auditor{
		metrics: telemetry.NewAuditMetrics(registry), log: slog.New(slog.NewTextHandler(&log, nil)), now: func() time.Time { return now },
		audit: func(_ context.Context, bound time.Duration) ([]incidents.AuditOf, error) {
			asked++
			return []incidents.AuditOf{{Incident: incidents.Incident{ID: "i1", Number: 7}, Damage: incidents.NoClock}}, nil
		},
	}
	clockwork := a.watching(func(context.Context) error { return turn })
	tick := func(after time.Duration, want int) {
		t.Helper()
		now = now.Add(after)
		if err := clockwork(context.Background()); !errors.Is(err, turn) {
			t.Errorf("the clockwork's error became %v", err)
		}
		if err := a.run(context.Background()); err != nil || asked != want {
			t.Errorf("audited %d times, want %d; %v", asked, want, err)
		}
	}
	tick(0, 0)
	tick(incidents.AuditBound-time.Second, 0)
	tick(time.Second, 1)
	turn = errors.New("PostgreSQL is away")
	tick(time.Second, 1)
	turn = nil
	tick(time.Second, 1)
	tick(incidents.AuditBound, 2)
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "no_clock") {
		t.Errorf("the log says %s", log.String())
	}
	if n, err := testutil.GatherAndCount(registry, "nines_escalations_repaired_total"); err != nil || n != len(incidents.Damages()) {
		t.Errorf("%d series, %v", n, err)
	}
	if got := testutil.ToFloat64(telemetryCounter(t, registry)); got != 2 {
		t.Errorf("counted %v repairs, want 2", got)
	}
}

// telemetryCounter returns the repairs of all kinds in one collector.
func telemetryCounter(t *testing.T, registry *prometheus.Registry) prometheus.Collector {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := prometheus.NewGauge(prometheus.GaugeOpts{Name: "sum"})
	for _, f := range families {
		for _, m := range f.Metric {
			sum.Add(m.GetCounter().GetValue())
		}
	}
	return sum
}
