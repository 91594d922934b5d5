package service

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	jobGaps   = "look-for-gaps"
	gapsEvery = time.Minute
	gapsAhead = 30 * 24 * time.Hour
)

// gapWatch says before it happens when nobody will be on call, and when nobody of those who are can be called. Every
// replica looks for itself: a figure of one that looked long ago would stand beside the figures of the others.
type gapWatch struct {
	next  *prometheus.GaugeVec
	long  *prometheus.GaugeVec
	unmet *prometheus.GaugeVec
	mu    sync.Mutex
	told  map[string]oncall.Span // the gap that was last told, by schedule
}

func newGapWatch(registry prometheus.Registerer) *gapWatch {
	w := &gapWatch{told: map[string]oncall.Span{}}
	w.next = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "nines_oncall_next_gap_seconds",
		Help: "Seconds until nobody is on call, 0 while that is so; only schedules with a gap within 30 days."}, []string{"schedule"})
	w.long = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "nines_oncall_gap_seconds",
		Help: "How long nobody is on call within the next 30 days."}, []string{"schedule"})
	w.unmet = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "nines_oncall_unreachable",
		Help: "1 while somebody is on call and a page would reach none of them, because of accounts or ways of contact; else 0."}, []string{"schedule"})
	registry.MustRegister(w.next, w.long, w.unmet)
	return w
}

// watchGaps warns of gaps, and of people on call whom no page would reach.
func (p *plane) watchGaps(w *gapWatch) func(context.Context) error {
	return func(ctx context.Context) error {
		now := time.Now().UTC()
		schedules := p.definitions.Catalog().Schedules()
		overlays, err := p.db.Overlays(ctx, operator, nil, now, now.Add(gapsAhead))
		if err != nil {
			return err
		}
		gaps := map[string][]oncall.Span{}
		for name, s := range schedules {
			if found := s.Gaps(overlays[name], now, now.Add(gapsAhead)); len(found) > 0 {
				gaps[name] = found
			}
		}
		for _, name := range w.observe(gaps, now) {
			gap := gaps[name][0]
			p.log.Warn("nobody will be on call; override the schedule or mend its plan",
				"schedule", name, "from", gap.From.UTC(), "to", gap.To.UTC())
		}
		roster, err := p.db.WhoIsCalled(ctx, schedulesAsTargets(schedules))
		if err != nil {
			return err
		}
		w.reach(slices.Sorted(maps.Keys(schedules)), roster, now)
		return nil
	}
}

func schedulesAsTargets(schedules map[string]oncall.Schedule) []incidents.Target {
	targets := make([]incidents.Target, 0, len(schedules))
	for _, name := range slices.Sorted(maps.Keys(schedules)) {
		targets = append(targets, incidents.Target{Schedule: name})
	}
	return targets
}

// reach sets for each schedule whether those on call can be called. A schedule without anybody on call has a gap, which is
// told as one.
func (w *gapWatch) reach(schedules []string, r incidents.Roster, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unmet.Reset()
	for _, name := range schedules {
		unmet := 0.0
		if targets, _ := (incidents.Target{Schedule: name}).Means(r, now); len(targets) == 0 && len(r.OnCall[name]) > 0 {
			unmet = 1
		}
		w.unmet.WithLabelValues(name).Set(unmet)
	}
}

// observe sets the metrics and returns the schedules whose next gap was not told yet.
func (w *gapWatch) observe(gaps map[string][]oncall.Span, now time.Time) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next.Reset()
	w.long.Reset()
	var tell []string
	for _, name := range slices.Sorted(maps.Keys(gaps)) {
		total := time.Duration(0)
		for _, g := range gaps[name] {
			total += g.To.Sub(g.From)
		}
		first := gaps[name][0]
		w.next.WithLabelValues(name).Set(max(0, first.From.Sub(now).Seconds()))
		w.long.WithLabelValues(name).Set(total.Seconds())
		// A gap that lasts is clipped to now, and the last one to the end of what is looked at: its other edge is what stays.
		if old, known := w.told[name]; !known || !old.From.Equal(first.From) && !old.To.Equal(first.To) {
			tell = append(tell, name)
		}
		w.told[name] = first
	}
	maps.DeleteFunc(w.told, func(name string, _ oncall.Span) bool { return len(gaps[name]) == 0 })
	return tell
}
