package service

import (
	"slices"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestAGapIsToldOnceBeforeItHappensAndAgainWhenAnotherComes(t *testing.T) {
	w := newGapWatch(prometheus.NewRegistry())
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	gap := oncall.Span{From: now.Add(time.Hour), To: now.Add(2 * time.Hour)}
	f := func(what string, at time.Time, told bool, gaps ...oncall.Span) {
		t.Helper()
		all := map[string][]oncall.Span{}
		if len(gaps) > 0 {
			all["shop"] = gaps
		}
		if got := slices.Contains(w.observe(all, at), "shop"); got != told {
			t.Errorf("%s: told %v", what, got)
		}
	}
	f("it comes", now, true, gap)
	if got := testutil.ToFloat64(w.next.WithLabelValues("shop")); got != 3600 {
		t.Errorf("%v seconds until then", got)
	}
	f("it is still to come", now.Add(time.Minute), false, gap)
	f("it lasts", now.Add(90*time.Minute), false, oncall.Span{From: now.Add(90 * time.Minute), To: gap.To})
	f("it is over", now.Add(3*time.Hour), false)
	f("another comes", now.Add(3*time.Hour), true, oncall.Span{From: now.Add(9 * time.Hour), To: now.Add(10 * time.Hour)})
}
