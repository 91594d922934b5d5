package service

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
)

func TestAnEngineThatStaysDownIsToldUntilItIsBack(t *testing.T) {
	t.Parallel()
	var (
		down, deaf bool
		told       []alerting.Alert
	)
	w := &engineWatch{url: "/runbooks/engine-down",
		ready: func(context.Context) error {
			if down {
				return errors.New("connection refused")
			}
			return nil
		},
		tell: func(_ context.Context, a alerting.Alert) error {
			if deaf {
				return errors.New("storage is away")
			}
			told = append(told, a)
			return nil
		}}
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	look := func(after time.Duration) error {
		now = now.Add(after)
		return w.look(t.Context(), now)
	}
	f := func(what string, err error, want int) {
		t.Helper()
		if err != nil || len(told) != want {
			t.Errorf("%s: %d alerts told, want %d; error %v", what, len(told), want, err)
		}
	}
	f("it answers", look(0), 0)
	down = true
	f("down for a moment", look(5*time.Second), 0)
	f("a restart's length", look(20*time.Second), 0)
	f("half a minute", look(10*time.Second), 1)
	if a := told[0]; !a.Firing(now) || a.StartsAt != now.Add(-30*time.Second) || a.Annotations["runbook_url"] == "" {
		t.Errorf("it began when the engine went: %+v", a)
	}
	f("it is told again before it would lapse", look(5*time.Second), 2)
	down, deaf = false, true
	if look(5*time.Second) == nil {
		t.Error("an end that could not be told is an error")
	}
	deaf = false
	f("the end is told at the next look", look(5*time.Second), 3)
	if told[2].Firing(now) || told[2].Fingerprint != told[0].Fingerprint {
		t.Errorf("the same alert has ended: %+v", told[2])
	}
	f("and only once", look(5*time.Second), 3)
}
