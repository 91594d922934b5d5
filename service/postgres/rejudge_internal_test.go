package postgres

import (
	"testing"
	"time"
)

func TestAlertsAreLookedAtAtOnceAfterAChangeAndThenEverMoreSeldom(t *testing.T) {
	var b bench
	began := time.Now()
	var looks []time.Duration
	for at := time.Duration(0); at <= 5*time.Minute; at += 100 * time.Millisecond {
		basis := "before"
		if at >= 2*time.Minute {
			basis = "after"
		}
		if now := began.Add(at); b.due(basis, now) {
			b.done(now)
			looks = append(looks, at)
		}
	}
	within := func(from, to time.Duration) (n int) {
		for _, at := range looks {
			if at >= from && at < to {
				n++
			}
		}
		return n
	}
	for _, change := range []time.Duration{0, 2 * time.Minute} {
		if within(change, change+50*time.Millisecond) != 1 {
			t.Errorf("nobody looks when something changes at %s: %v", change, looks)
		}
		if first, later := within(change, change+10*time.Second), within(change+time.Minute, change+2*time.Minute); first < 5 || later < 2 || later > 3 {
			t.Errorf("%d looks in the first ten seconds and %d in the second minute after %s", first, later, change)
		}
	}
}
