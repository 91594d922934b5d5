package telemetry

import "github.com/prometheus/client_golang/prometheus"

// RunMetrics count the steps of runbooks that were run.
type RunMetrics struct{ runs *prometheus.CounterVec }

// NewRunMetrics registers nines_runbook_runs_total, with a series for each way in which a run is begun and can end.
func NewRunMetrics(reg prometheus.Registerer) *RunMetrics {
	m := &RunMetrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "nines_runbook_runs_total",
		Help: "Steps of runbooks that were run, by what began them (person, or incident for steps with on=open) and how they ended (ok or failed).",
	}, []string{"begun_by", "outcome"})}
	for _, by := range []string{"person", "incident"} {
		for _, outcome := range []string{"ok", "failed"} {
			m.runs.WithLabelValues(by, outcome)
		}
	}
	reg.MustRegister(m.runs)
	return m
}

// Ended counts one run.
func (m *RunMetrics) Ended(byItself bool, outcome string) {
	by := "person"
	if byItself {
		by = "incident"
	}
	m.runs.WithLabelValues(by, outcome).Inc()
}
