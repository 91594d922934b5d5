package telemetry

import (
	"github.com/nines-sre/nines/incidents"
	"github.com/prometheus/client_golang/prometheus"
)

// AuditMetrics count what the auditor of escalations put right.
type AuditMetrics struct{ repaired *prometheus.CounterVec }

// NewAuditMetrics registers nines_escalations_repaired_total, with a series for each kind of damage.
func NewAuditMetrics(reg prometheus.Registerer) *AuditMetrics {
	m := &AuditMetrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "nines_escalations_repaired_total",
		Help: "Incidents whose paging had come to a halt and was put right by the auditor, by what was wrong. Any is a defect or a damaged database.",
	}, []string{"damage"})}
	for _, damage := range incidents.Damages() {
		m.repaired.WithLabelValues(string(damage))
	}
	reg.MustRegister(m.repaired)
	return m
}

// Repaired counts an incident that was put right.
func (m *AuditMetrics) Repaired(d incidents.Damage) { m.repaired.WithLabelValues(string(d)).Inc() }
