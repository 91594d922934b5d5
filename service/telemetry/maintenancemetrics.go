package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Maintenance is one promise that a correction covers now. Tenant and Region are "" for any.
type Maintenance struct{ SLO, Mode, Tenant, Region string }

// maintenanceMetrics asks at each scrape, so that a gauge never outlives its span.
type maintenanceMetrics struct {
	now  func() []Maintenance
	desc *prometheus.Desc
}

// NewMaintenanceMetrics registers nines_slo_maintenance, which is 1 while a correction covers what rules record now. covering returns what is
// covered at the moment it is called; the same twice counts once.
func NewMaintenanceMetrics(reg prometheus.Registerer, covering func() []Maintenance) {
	reg.MustRegister(maintenanceMetrics{covering, prometheus.NewDesc("nines_slo_maintenance",
		"1 while a correction covers now: mode exclude (nothing counts) or good (errors count as good), for a tenant and region or, without them, any.",
		[]string{"sloth_id", "mode", "tenant", "region"}, nil)})
}

// Describe implements prometheus.Collector.
func (m maintenanceMetrics) Describe(to chan<- *prometheus.Desc) { to <- m.desc }

// Collect implements prometheus.Collector.
func (m maintenanceMetrics) Collect(to chan<- prometheus.Metric) {
	seen := map[Maintenance]bool{}
	for _, one := range m.now() {
		if seen[one] {
			continue
		}
		seen[one] = true
		to <- prometheus.MustNewConstMetric(m.desc, prometheus.GaugeValue, 1, one.SLO, one.Mode, one.Tenant, one.Region)
	}
}
