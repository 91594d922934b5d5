package telemetry

import "github.com/prometheus/client_golang/prometheus"

// SLOMetrics count what the ledger's watchdog noticed.
type SLOMetrics struct {
	missed *prometheus.CounterVec
}

// NewSLOMetrics registers nines_slo_missed_evaluations_total.
func NewSLOMetrics(reg prometheus.Registerer) *SLOMetrics {
	m := &SLOMetrics{missed: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "nines_slo_missed_evaluations_total",
		Help: "Base intervals for which the rules of an SLO recorded nothing, by what became of them: recounted from the raw series, or a gap.",
	}, []string{"slo", "outcome"})}
	reg.MustRegister(m.missed)
	return m
}

// Missed counts intervals for which nothing was recorded, of which so many could be recounted.
func (m *SLOMetrics) Missed(slo string, missed, recounted int) {
	m.missed.WithLabelValues(slo, "recounted").Add(float64(recounted))
	m.missed.WithLabelValues(slo, "gap").Add(float64(missed - recounted))
}
