package telemetry

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// JobMetrics count the work that nobody asks for in person.
type JobMetrics struct {
	jobs     *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewJobMetrics registers nines_jobs_total and nines_job_duration_seconds.
func NewJobMetrics(reg prometheus.Registerer) *JobMetrics {
	m := &JobMetrics{
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "nines_jobs_total",
			Help: "Runs of periodic work, by how they ended: ok, error, or canceled by a stop of the program.",
		}, []string{"job", "outcome"}),
		duration: prometheus.NewHistogramVec(histogram("nines_job_duration_seconds", "How long a run of periodic work took.",
			[]float64{.005, .01, .05, .1, .5, 1, 5, 10, 30, 60, 300}), []string{"job"}),
	}
	reg.MustRegister(m.jobs, m.duration)
	return m
}

// Expect makes the series of the jobs exist before their first run.
func (m *JobMetrics) Expect(jobs ...string) {
	for _, job := range jobs {
		m.duration.WithLabelValues(job)
		for _, outcome := range []string{"ok", "error", "canceled"} {
			m.jobs.WithLabelValues(job, outcome)
		}
	}
}

// Observe counts one run that ended with err. job is one of a few fixed names.
func (m *JobMetrics) Observe(job string, err error, took time.Duration) {
	outcome := "ok"
	switch {
	case errors.Is(err, context.Canceled):
		outcome = "canceled"
	case err != nil:
		outcome = "error"
	}
	m.jobs.WithLabelValues(job, outcome).Inc()
	m.duration.WithLabelValues(job).Observe(took.Seconds())
}

// The kinds of questions of the intelligence service, each with a promise of its own: 5 and 30 seconds.
const (
	KindQuery    = "query"
	KindAnalysis = "analysis"
)

// intelligenceOutcomes: answered; refused because of what was asked; not answered in time; not answered through our fault.
var intelligenceOutcomes = []string{"ok", "refused", "timeout", "error"}

// intelligenceBuckets hold both promises, 5 and 30, exactly.
var intelligenceBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15, 20, 30, 60}

// IntelligenceMetrics are how fast and how surely questions are answered.
type IntelligenceMetrics struct {
	duration *prometheus.HistogramVec
}

// NewIntelligenceMetrics registers nines_intelligence_duration_seconds with every series it can have.
func NewIntelligenceMetrics(reg prometheus.Registerer) *IntelligenceMetrics {
	m := &IntelligenceMetrics{duration: prometheus.NewHistogramVec(histogram("nines_intelligence_duration_seconds",
		"How long questions to the intelligence service took, by kind (query, analysis) and outcome (ok, refused, timeout, error).",
		intelligenceBuckets), []string{"kind", "outcome"})}
	reg.MustRegister(m.duration)
	for _, kind := range []string{KindQuery, KindAnalysis} {
		for _, outcome := range intelligenceOutcomes {
			m.duration.WithLabelValues(kind, outcome)
		}
	}
	return m
}

// Observe counts one question with the context's span as exemplar.
func (m *IntelligenceMetrics) Observe(ctx context.Context, kind, outcome string, took time.Duration) {
	observe(ctx, m.duration.WithLabelValues(kind, outcome), took)
}

// ChildMetrics tell how our child processes are doing.
type ChildMetrics struct {
	up       *prometheus.GaugeVec
	restarts *prometheus.CounterVec

	mu   sync.Mutex
	seen map[string]int
}

// NewChildMetrics registers nines_child_up and nines_child_restarts_total.
func NewChildMetrics(reg prometheus.Registerer) *ChildMetrics {
	m := &ChildMetrics{
		seen: map[string]int{},
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "nines_child_up", Help: "1 while the child process serves, 0 while it does not."}, []string{"child"}),
		restarts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "nines_child_restarts_total", Help: "How often the child process ended and was started again."}, []string{"child"}),
	}
	reg.MustRegister(m.up, m.restarts)
	return m
}

// Observe takes the child's present state: whether it serves, and its restarts since the program began. The first call
// makes the series exist.
func (m *ChildMetrics) Observe(child string, up bool, restarts int) {
	value := 0.0
	if up {
		value = 1
	}
	m.up.WithLabelValues(child).Set(value)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.restarts.WithLabelValues(child).Add(float64(max(0, restarts-m.seen[child])))
	m.seen[child] = max(restarts, m.seen[child])
}
