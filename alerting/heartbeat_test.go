package alerting_test

import (
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
)

func TestAHeartbeatIsOverdueAGraceAfterItsInterval(t *testing.T) {
	t.Parallel()
	f := func(h alerting.Heartbeat, last, now time.Time, want bool) {
		t.Helper()
		if got := h.Overdue(last, now); got != want {
			t.Errorf("%+v pinged %s is overdue at %s: %v; want %v", h, last, now, got, want)
		}
	}
	hourly, patient := alerting.Heartbeat{Interval: time.Hour}, alerting.Heartbeat{Interval: time.Hour, Grace: 5 * time.Minute}
	f(hourly, time.Time{}, noon, false)
	f(hourly, noon, noon.Add(time.Hour-1), false)
	f(hourly, noon, noon.Add(time.Hour), true)
	f(patient, noon, noon.Add(64*time.Minute), false)
	f(patient, noon, noon.Add(65*time.Minute), true)
	f(hourly, noon.Add(time.Minute), noon, false)
}

func TestAMissedHeartbeatFiresOneAlertThatItsNextPingEnds(t *testing.T) {
	t.Parallel()
	h := alerting.Heartbeat{
		Name: "backup", Tenant: "acme", Interval: time.Hour, Service: "shop", Severity: "error", Policy: "night",
		Labels: map[string]string{"team": "a"},
	}
	if a, ok := h.Alert(time.Time{}, noon); ok {
		t.Errorf("one that was never pinged raises %+v", a)
	}
	first, ok := h.Alert(noon, noon.Add(time.Hour))
	if !ok || !first.Firing(noon.Add(time.Hour)) || !first.StartsAt.Equal(noon.Add(time.Hour)) || first.Tenant != "acme" {
		t.Fatalf("an hour after its ping: %+v, %v; want it to fire", first, ok)
	}
	for name, want := range map[string]string{
		"alertname": "HeartbeatMissed", "heartbeat": "backup", "service": "shop", "severity": "error", "team": "a", "tenant": "acme",
	} {
		if first.Labels[name] != want {
			t.Errorf("label %s is %q; want %q", name, first.Labels[name], want)
		}
	}
	if first.Annotations["nines_policy"] != "night" || first.Fingerprint != alerting.Fingerprint(first.Labels) {
		t.Errorf("%+v does not name its policy and fingerprint", first)
	}
	again, _ := h.Alert(noon, noon.Add(2*time.Hour))
	known := alerting.Merge(first, again)
	if known.Fingerprint != first.Fingerprint || !known.StartsAt.Equal(first.StartsAt) {
		t.Errorf("told again it is %+v; want the same alert", known)
	}
	ping := noon.Add(150 * time.Minute)
	ended, _ := h.Alert(ping, ping)
	known = alerting.Merge(known, ended)
	if known.Firing(ping) || !known.StartsAt.Equal(first.StartsAt) || !known.EndsAt.Equal(ping) {
		t.Errorf("after a ping it is %+v; want it ended then", known)
	}
}

func TestAHeartbeatLeavesItsDefinitionsLabelsAlone(t *testing.T) {
	t.Parallel()
	h := alerting.Heartbeat{Name: "x", Interval: time.Hour, Severity: "info", Labels: map[string]string{"team": "a"}}
	h.Alert(noon, noon.Add(time.Hour))
	if len(h.Labels) != 1 {
		t.Errorf("the definition's labels became %v", h.Labels)
	}
}
