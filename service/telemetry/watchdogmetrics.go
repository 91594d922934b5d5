package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// WatchdogMetrics tell of the pings to the dead man's switch outside.
type WatchdogMetrics struct {
	pings *prometheus.CounterVec
	last  prometheus.Gauge
}

// NewWatchdogMetrics registers nines_watchdog_pings_total and nines_watchdog_last_ping_timestamp_seconds.
func NewWatchdogMetrics(reg prometheus.Registerer) *WatchdogMetrics {
	m := &WatchdogMetrics{
		pings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "nines_watchdog_pings_total",
			Help: "Pings to the dead man's switch outside, by outcome: sent, failed, or withheld because alerts may not reach people.",
		}, []string{"outcome"}),
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "nines_watchdog_last_ping_timestamp_seconds", Help: "When the switch was last told that we are well; 0 before the first time.",
		}),
	}
	for _, outcome := range []string{"sent", "failed", "withheld"} {
		m.pings.WithLabelValues(outcome)
	}
	reg.MustRegister(m.pings, m.last)
	return m
}

// Pinged counts a ping by its outcome.
func (m *WatchdogMetrics) Pinged(outcome string, at time.Time) {
	m.pings.WithLabelValues(outcome).Inc()
	if outcome == "sent" {
		m.last.Set(float64(at.Unix()))
	}
}
