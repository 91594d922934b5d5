package alerting

import "github.com/prometheus/common/model"

// Fingerprint identifies an alert by its labels: 16 hex digits of FNV-1a over the sorted labels, as Alertmanager
// computes it. Empty labels count as absent.
func Fingerprint(labels map[string]string) string {
	set := make(model.LabelSet, len(labels))
	for name, value := range labels {
		if value != "" {
			set[model.LabelName(name)] = model.LabelValue(value)
		}
	}
	return set.Fingerprint().String()
}
