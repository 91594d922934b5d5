package backtest

import (
	"testing"
	"time"
)

// TestASlowWindowEndsOneIntervalBeforeItsStep: at 12:07 the day's window was last measured at 12:05, over what had
// happened until 12:04, while the five minutes' window is as of now for a page and of the interval before for a ticket.
func TestASlowWindowEndsOneIntervalBeforeItsStep(t *testing.T) {
	t.Parallel()
	noon := begin.Add(12 * hour)
	for _, c := range []struct {
		at         time.Duration // of the only event, after noon
		tier       int
		slow, fast bool // whether the windows hold it at 12:07
	}{
		{4 * minute, 2, true, true}, {5 * minute, 2, false, true}, {6 * minute, 2, false, true}, {7 * minute, 2, false, false},
		{7 * minute, 0, false, true}, {2 * minute, 0, true, false}, {3 * minute, 0, true, true},
	} {
		s := plain()
		b := newBuilder(s, begin, begin.Add(24*hour), 0)
		b.addTotal(map[string]string{}, noon.Add(c.at), 1)
		h := b.finish()
		v := newView(s, h, &h.Groups[0], s.Conditions()[c.tier])
		day, fiveMinutes := reader{1440, 5}, reader{5, 1}
		now := h.slotOf(noon.Add(7 * minute))
		if got := v.read(day, now).Total == 1; got != c.slow {
			t.Errorf("an event at 12:%02d: in the day's window %v", int(c.at.Minutes()), got)
		}
		if got := v.read(fiveMinutes, now).Total == 1; got != c.fast {
			t.Errorf("an event at 12:%02d: in tier %d's five minutes %v", int(c.at.Minutes()), c.tier, got)
		}
	}
}
