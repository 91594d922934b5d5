package alerting

import (
	"fmt"
	"maps"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
)

// HeartbeatKind is the kind of documents that ReadHeartbeat reads.
const HeartbeatKind = "Heartbeat"

// Bounds of a heartbeat's interval and grace.
const (
	MinInterval = 10 * time.Second
	MaxInterval = 31 * 24 * time.Hour
)

// HeartbeatMissed is the name of the alert that a missed heartbeat raises.
const HeartbeatMissed = "HeartbeatMissed"

// heartbeatLife is how long a heartbeat's alert lives without being told again. It is far longer than any pause of the
// control plane, so that a restart neither ends nor reopens the incident; a ping ends it.
const heartbeatLife = 24 * time.Hour

// Heartbeat expects a ping, such as a nightly job's at its end or another Prometheus's Watchdog, at least once every
// Interval, and raises an alert Grace after one is missed.
type Heartbeat struct {
	Name     string            `json:"name"`
	Tenant   string            `json:"tenant,omitempty"`
	Interval time.Duration     `json:"interval"`
	Grace    time.Duration     `json:"grace"`
	Service  string            `json:"service,omitempty"`
	Severity string            `json:"severity"`
	Labels   map[string]string `json:"labels,omitempty"`
	Policy   string            `json:"policy,omitempty"`
	Key      KeyRef            `json:"-"` // where its own key is kept, which pings it without a token; zero for none
}

// KeyRef says where a secret key is kept: in an environment variable or in a file, never in the definition itself.
type KeyRef struct {
	Env  string `yaml:"env"`
	File string `yaml:"file"`
}

// Due returns when the heartbeat becomes overdue after its last ping.
func (h Heartbeat) Due(last time.Time) time.Time { return last.Add(h.Interval + h.Grace) }

// Overdue reports whether the next ping is missing at the time. A heartbeat that was never pinged, whose last ping is
// the zero time, is not overdue: what has not been set up yet wakes nobody.
func (h Heartbeat) Overdue(last, now time.Time) bool {
	return !last.IsZero() && !now.Before(h.Due(last))
}

// Alert returns the alert that the heartbeat raises, as told at the time: firing while it is overdue, and otherwise
// ended at its last ping, which ends the one that fires. It is to be told again at each check while the heartbeat is
// overdue, and once after the ping. ok is false for a heartbeat that was never pinged.
func (h Heartbeat) Alert(last, now time.Time) (a Alert, ok bool) {
	if last.IsZero() {
		return Alert{}, false
	}
	a = Alert{
		Tenant: h.Tenant, Labels: h.labels(), UpdatedAt: now.UTC(), StartsAt: last.UTC(), EndsAt: last.UTC(),
		Annotations: map[string]string{
			"summary": "No heartbeat from " + h.Name,
			"description": fmt.Sprintf("The last ping came at %s; one is expected every %s.",
				last.UTC().Format(time.RFC3339), manifest.Duration(h.Interval)),
		},
	}
	if h.Policy != "" {
		a.Annotations["nines_policy"] = h.Policy
	}
	if h.Overdue(last, now) {
		a.StartsAt, a.EndsAt = h.Due(last).UTC(), now.Add(heartbeatLife).UTC()
	}
	a.Fingerprint = Fingerprint(a.Labels)
	return a, true
}

func (h Heartbeat) labels() map[string]string {
	all := maps.Clone(h.Labels)
	if all == nil {
		all = map[string]string{}
	}
	all["alertname"], all["heartbeat"], all["severity"] = HeartbeatMissed, h.Name, h.Severity
	if h.Service != "" {
		all["service"] = h.Service
	}
	if h.Tenant != "" {
		all["tenant"] = h.Tenant
	}
	return all
}

type heartbeatSpec struct {
	Tenant   string            `yaml:"tenant"`
	Interval manifest.Duration `yaml:"interval"`
	Grace    manifest.Duration `yaml:"grace"`
	Service  string            `yaml:"service"`
	Severity string            `yaml:"severity"`
	Labels   map[string]string `yaml:"labels"`
	Policy   string            `yaml:"policy"`
	Key      *KeyRef           `yaml:"key"`
}

// ReadHeartbeat reads a Heartbeat document and names every problem in it with its line. That the service and the
// policy exist is checked where all definitions are known.
func ReadHeartbeat(d manifest.Document) (Heartbeat, manifest.Problems) {
	var spec heartbeatSpec
	r := reader{doc: d, problems: d.DecodeSpec(&spec)}
	h := Heartbeat{
		Name: d.Metadata.Name, Tenant: spec.Tenant, Interval: spec.Interval.Std(), Grace: spec.Grace.Std(),
		Service: spec.Service, Severity: spec.Severity, Labels: spec.Labels, Policy: spec.Policy,
	}
	switch {
	case h.Interval == 0:
		r.bad("spec.interval", "is missing; write how often a ping is expected, such as 5m or 1d")
	case h.Interval < MinInterval || h.Interval > MaxInterval:
		r.bad("spec.interval", "is %s; it must be %s to %s",
			spec.Interval, manifest.Duration(MinInterval), manifest.Duration(MaxInterval))
	}
	if h.Grace > MaxInterval {
		r.bad("spec.grace", "is %s; the longest is %s", spec.Grace, manifest.Duration(MaxInterval))
	}
	if spec.Key != nil {
		h.Key = *spec.Key
		if (h.Key.Env == "") == (h.Key.File == "") {
			r.bad("spec.key", "must name either env, an environment variable, or file, a secret file")
		}
	}
	r.text("spec.tenant", h.Tenant, maxTenant)
	h.Severity = r.severity("spec.severity", h.Severity)
	if h.Severity == "" {
		h.Severity = "critical"
	}
	r.heartbeatLabels(h.Labels)
	return h, r.problems
}

// heartbeatLabels are further labels; those that the heartbeat sets itself are refused.
func (r *reader) heartbeatLabels(labels map[string]string) {
	if len(labels) > MaxLabels-5 {
		r.bad("spec.labels", "has %d labels; the most is %d", len(labels), MaxLabels-5)
	}
	if problem := checkPairs("label", labels, MaxLabelBytes); problem != "" {
		r.bad("spec.labels", "%s", problem)
	}
	for _, name := range []string{"alertname", "heartbeat", "severity", "service", "tenant"} {
		if _, set := labels[name]; set {
			r.bad("spec.labels."+name, "is set by the heartbeat itself; leave it out")
		}
	}
	for name, value := range labels {
		if value == "" {
			delete(labels, name)
		}
	}
}
