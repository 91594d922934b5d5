// Package alerting is what arrives: alerts, their identity and lifetime, matchers over them, the services they are about,
// and the rules that keep them from paging or say where they go. It leaves out storage and people, and what an alert means
// for an incident; the time comes in as an argument.
package alerting

import "time"

// Alert is one alert as a source tells it, after normalising: no empty labels, times in UTC.
type Alert struct {
	Tenant       string            `json:"tenant"`      // whose it is: "" for the operator's own
	Fingerprint  string            `json:"fingerprint"` // 16 hex digits, Alertmanager's FNV-1a over the labels
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	UpdatedAt    time.Time         `json:"updatedAt"` // when a source last told it
	GeneratorURL string            `json:"generatorURL"`
	Incident     string            `json:"incident,omitempty"` // id of the incident it opened or joined
	Verdict      *Verdict          `json:"verdict,omitempty"`  // what keeps it from paging; nil where nothing does
}

// Firing reports whether the alert is firing at the time: it has begun and its end lies ahead.
func (a Alert) Firing(now time.Time) bool { return a.EndsAt.After(now) }
