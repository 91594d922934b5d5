package telemetry

import (
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/prometheus/client_golang/prometheus"
)

var (
	pageProviders = []string{
		"pagerduty", "slack", "teams", "googlechat", "email", "sms", "voice", "ntfy", "pushover", "opsgenie", "webhook",
	}
	pageActions  = []incidents.Action{incidents.ActionTrigger, incidents.ActionAcknowledge, incidents.ActionResolve, incidents.ActionUpdate, incidents.ActionStatus}
	pageOutcomes = []string{incidents.OutcomeSent, incidents.OutcomeRetry, incidents.OutcomeFailed, incidents.OutcomeCanceled}
	pageBuckets  = []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 15, 30, 60, 300, 900}
)

// PageMetrics count the pages we send. They are an incidents.PageObserver.
type PageMetrics struct {
	pages *prometheus.CounterVec
	send  *prometheus.HistogramVec
	delay *prometheus.HistogramVec
}

var _ incidents.PageObserver = (*PageMetrics)(nil)

// NewPageMetrics registers nines_pages_total, nines_page_send_seconds and nines_page_delay_seconds, with a series for
// every provider we ship.
func NewPageMetrics(reg prometheus.Registerer) *PageMetrics {
	m := &PageMetrics{
		pages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "nines_pages_total",
			Help: "Attempts to send a page, by how they ended: sent, retry, failed or canceled.",
		}, []string{"provider", "action", "outcome"}),
		send: prometheus.NewHistogramVec(histogram("nines_page_send_seconds",
			"How long providers took to answer an attempt to send a page.", pageBuckets), []string{"provider", "action"}),
		delay: prometheus.NewHistogramVec(histogram("nines_page_delay_seconds",
			"Time from deciding to page until the provider took the page. Pages not sent are not in it.", pageBuckets), []string{"provider", "action"}),
	}
	reg.MustRegister(m.pages, m.send, m.delay)
	for _, provider := range pageProviders {
		for _, action := range pageActions {
			m.send.WithLabelValues(provider, string(action))
			m.delay.WithLabelValues(provider, string(action))
			for _, outcome := range pageOutcomes {
				m.pages.WithLabelValues(provider, string(action), outcome)
			}
		}
	}
	return m
}

// Attempted counts one attempt; a page called off before it was sent took no time of a provider.
func (m *PageMetrics) Attempted(provider string, action incidents.Action, outcome string, took, sinceCreated time.Duration) {
	if provider == "" {
		provider = "unknown"
	}
	m.pages.WithLabelValues(provider, string(action), outcome).Inc()
	if outcome != incidents.OutcomeCanceled {
		m.send.WithLabelValues(provider, string(action)).Observe(took.Seconds())
	}
	if outcome == incidents.OutcomeSent {
		m.delay.WithLabelValues(provider, string(action)).Observe(sinceCreated.Seconds())
	}
}
