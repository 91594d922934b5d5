package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Watch exports a figure that is asked for at each scrape.
func Watch(to prometheus.Registerer, name, help string, value func() float64) {
	to.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}
