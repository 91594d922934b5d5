package engine

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics is what the engine says about itself, beside what the Prometheus libraries in it say.
type metrics struct {
	registry      *prometheus.Registry
	storage       *prometheus.Registry // of the store that opened; see openStore
	quarantined   *prometheus.CounterVec
	diskLow       prometheus.Gauge
	diskFree      prometheus.Gauge
	reloads       *prometheus.CounterVec
	reloadOK      prometheus.Gauge
	reloadedAt    prometheus.Gauge
	badRuleFiles  prometheus.Gauge
	lateSlots     prometheus.Counter
	alertsSent    prometheus.Counter
	alertsFailed  prometheus.Counter
	alertsDropped *prometheus.CounterVec
	alertsPending prometheus.Gauge
	refused       *prometheus.CounterVec
}

func newMetrics() *metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	counters := func(name, help string, label string, values ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
		for _, value := range values {
			v.WithLabelValues(value)
		}
		return v
	}
	m := &metrics{
		registry:      prometheus.NewRegistry(),
		storage:       prometheus.NewRegistry(),
		quarantined:   counters("nines_engine_quarantined_total", "Damaged parts of the samples moved aside at start.", "part", "block", "head"),
		diskLow:       gauge("nines_engine_disk_low", "1 while no samples are taken because the disk is nearly full."),
		diskFree:      gauge("nines_engine_disk_free_bytes", "Free bytes on the file system of the data folder."),
		reloads:       counters("nines_engine_reloads_total", "Times the configuration and rules were read again.", "outcome", "success", "failure"),
		reloadOK:      gauge("nines_engine_last_reload_successful", "1 if everything read at the last reload was good."),
		reloadedAt:    gauge("nines_engine_last_reload_success_timestamp_seconds", "When everything read was good for the last time."),
		badRuleFiles:  gauge("nines_engine_bad_rule_files", "Rule files that cannot be used; their last good rules stay in force."),
		lateSlots:     counter("nines_engine_late_evaluations_total", "Recording rules evaluated after their time, for slots that were missed."),
		alertsSent:    counter("nines_engine_alerts_sent_total", "Alerts that the receiver took."),
		alertsFailed:  counter("nines_engine_alert_posts_failed_total", "Posts of alerts that failed; they are tried again."),
		alertsDropped: counters("nines_engine_alerts_dropped_total", "Alerts given up.", "reason", "refused", "overflow"),
		alertsPending: gauge("nines_engine_alerts_pending", "Alerts waiting to be sent."),
		refused:       counters("nines_engine_requests_refused_total", "Requests refused before they cost anything.", "reason", "query", "disk", "size", "token"),
	}
	m.registry.MustRegister(m.quarantined, m.diskLow, m.diskFree, m.reloads, m.reloadOK, m.reloadedAt, m.badRuleFiles,
		m.lateSlots, m.alertsSent, m.alertsFailed, m.alertsDropped, m.alertsPending, m.refused,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) setDiskLow(low bool) {
	m.diskLow.Set(0)
	if low {
		m.diskLow.Set(1)
	}
}

// gatherer gives everything; the store's metrics live apart because opening can take several attempts.
func (m *metrics) gatherer() prometheus.Gatherer { return prometheus.Gatherers{m.registry, m.storage} }
