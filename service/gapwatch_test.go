package service

import (
	"slices"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
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

func TestItShowsWhereAPageWouldReachNobodyWhoIsOnCall(t *testing.T) {
	w := newGapWatch(prometheus.NewRegistry())
	mail := incidents.Target{Email: &incidents.EmailTarget{To: []string{"ana@example.com"}}}
	ana := incidents.Person{ID: "1", Email: "ana@example.com", Methods: []incidents.Method{{ID: "m", Name: "mail", Target: mail}},
		Rules: []incidents.Rule{{Urgency: incidents.HighUrgency, Method: "m"}}}
	w.reach([]string{"gap", "shop", "stranger"}, incidents.Roster{
		People: map[string]incidents.Person{ana.Email: ana},
		OnCall: map[string][]string{"gap": nil, "shop": {"ana@example.com", "gone@example.com"}, "stranger": {"gone@example.com"}},
	}, time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC))
	for schedule, want := range map[string]float64{"gap": 0, "shop": 0, "stranger": 1} {
		if got := testutil.ToFloat64(w.unmet.WithLabelValues(schedule)); got != want {
			t.Errorf("%s: %v, want %v", schedule, got, want)
		}
	}
	w.reach(nil, incidents.Roster{}, time.Time{})
	if n := testutil.CollectAndCount(w.unmet); n != 0 {
		t.Errorf("%d series are left of schedules that are gone", n)
	}
}
