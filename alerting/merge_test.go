package alerting_test

import (
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"pgregory.net/rapid"
)

// at is an alert told at a minute, with its start and end in minutes.
func at(told, starts, ends int) alerting.Alert {
	minute := func(n int) time.Time { return t0.Add(time.Duration(n) * time.Minute) }
	return alerting.Alert{
		Fingerprint: "f", UpdatedAt: minute(told), StartsAt: minute(starts), EndsAt: minute(ends),
		Annotations: map[string]string{"told": minute(told).String()},
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	f := func(name string, old, new alerting.Alert, wantStart, wantEnd int) {
		t.Helper()
		want := at(0, wantStart, wantEnd)
		got := alerting.Merge(old, new)
		if !got.StartsAt.Equal(want.StartsAt) || !got.EndsAt.Equal(want.EndsAt) {
			t.Errorf("%s: minutes %v to %v; want %d to %d", name, got.StartsAt.Sub(t0), got.EndsAt.Sub(t0), wantStart, wantEnd)
		}
		if got.Annotations["told"] != new.Annotations["told"] {
			t.Errorf("%s: annotations of the earlier telling won", name)
		}
	}
	f("the earliest start counts", at(10, 11, 20), at(12, 10, 20), 10, 20)
	f("a later start of the same trouble does not", at(10, 10, 20), at(12, 11, 22), 10, 22)
	f("while firing the latest end counts", at(10, 10, 30), at(12, 10, 20), 10, 30)
	f("an end ends it", at(10, 10, 30), at(12, 10, 12), 10, 12)
	f("ended twice, the latest end counts", at(10, 5, 9), at(12, 5, 8), 5, 9)
	f("ended twice, told later", at(10, 5, 8), at(12, 5, 9), 5, 9)
	f("fires again after its end", at(10, 5, 9), at(12, 12, 20), 12, 20)
	f("fires again just at its end", at(10, 5, 9), at(12, 9, 20), 9, 20)
	f("fires again before its end is over", at(10, 5, 15), at(12, 12, 20), 5, 20)
	f("an end told again without a start", at(10, 5, 9), at(12, 9, 9), 5, 9)
	f("an end without a start", at(10, 5, 15), at(12, 12, 12), 5, 12)
}

func TestMergeKeepsTheIncidentOfTheSameTroubleOnly(t *testing.T) {
	t.Parallel()
	old := at(10, 5, 15)
	old.Incident = "i1"
	if got := alerting.Merge(old, at(12, 5, 20)).Incident; got != "i1" {
		t.Errorf("the same trouble is of incident %q; want i1", got)
	}
	old.EndsAt = t0.Add(9 * time.Minute)
	if got := alerting.Merge(old, at(12, 12, 20)).Incident; got != "" {
		t.Errorf("trouble anew is of incident %q; want none", got)
	}
}

func TestMergeDoesNotCareWhichTellingArrivesFirst(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(told int) alerting.Alert {
			starts := rapid.IntRange(0, 20).Draw(t, "starts")
			return at(told, starts, starts+rapid.IntRange(0, 20).Draw(t, "length"))
		}
		a, b := draw(10), draw(12)
		one, other := alerting.Merge(a, b), alerting.Merge(b, a)
		if !one.StartsAt.Equal(other.StartsAt) || !one.EndsAt.Equal(other.EndsAt) || !one.UpdatedAt.Equal(other.UpdatedAt) {
			t.Fatalf("%+v and %+v", one, other)
		}
		if one.EndsAt.Before(one.StartsAt) || one.StartsAt.After(b.StartsAt) {
			t.Fatalf("merged span %v to %v of %v", one.StartsAt, one.EndsAt, b.StartsAt)
		}
		if again := alerting.Merge(one, b); !again.StartsAt.Equal(one.StartsAt) || !again.EndsAt.Equal(one.EndsAt) {
			t.Fatalf("telling it twice changes it: %+v, then %+v", one, again)
		}
	})
}

// TestAnEndKeepsTheWordsOfItsAlert: a source that knows its alerts by a key may send nothing but the key.
func TestAnEndKeepsTheWordsOfItsAlert(t *testing.T) {
	words := map[string]string{"summary": "disk is full"}
	begun := alerting.Alert{
		Labels: map[string]string{"alertname": "Disk", "severity": "critical"}, Annotations: words, StartsAt: t0, EndsAt: t0.Add(time.Hour), UpdatedAt: t0,
	}
	now := t0.Add(time.Minute)
	over := alerting.Alert{Labels: map[string]string{"alertname": "k"}, StartsAt: now, EndsAt: now, UpdatedAt: now}
	got := alerting.Merge(begun, over)
	if got.Firing(now) || got.Labels["alertname"] != "Disk" || got.Annotations["summary"] != "disk is full" {
		t.Errorf("%+v", got)
	}
	over.Annotations = map[string]string{"summary": "it is well again"}
	if got := alerting.Merge(begun, over); got.Annotations["summary"] != "it is well again" {
		t.Errorf("%+v", got)
	}
}
