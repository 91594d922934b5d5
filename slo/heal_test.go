package slo

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/internal/fault"
)

// labEngine reads a lab as an engine behind its API would be read.
type labEngine struct {
	*lab
	away error // of recounting
}

func (e labEngine) Increments(_ context.Context, s SLO, from, to time.Time) ([]IncrementSeries, error) {
	return within(e.increments(s), from, to), nil
}

func (e labEngine) Recount(_ context.Context, s SLO, at []time.Time) ([]IncrementSeries, error) {
	if e.away != nil {
		return nil, e.away
	}
	total, errors, err := s.IncrementQueries()
	if err != nil {
		return nil, err
	}
	out := map[Series]*IncrementSeries{}
	for _, when := range at {
		bad := map[Series]float64{}
		for _, found := range e.vector(errors, when) {
			bad[s.SeriesOf(found.Metric.Map())] = found.F
		}
		for _, found := range e.vector(total, when) {
			id := s.SeriesOf(found.Metric.Map())
			if out[id] == nil {
				out[id] = &IncrementSeries{Series: id}
			}
			out[id].Points = append(out[id].Points, Increment{At: when, Errors: bad[id], Total: found.F})
		}
	}
	var all []IncrementSeries
	for _, one := range out {
		all = append(all, *one)
	}
	return all, nil
}

// TestMissedEvaluationsAreRecounted skips evaluations of a promise's rules while errors happen: the ledger has the same
// counts as one whose rules never missed, and says how much of it was recounted.
func TestMissedEvaluationsAreRecounted(t *testing.T) {
	t.Parallel()
	s := shop(t)
	ledger := func(skip func(time.Time) bool, heal bool) ([]Bucket, Progress) {
		l := newLab(t, s)
		if skip != nil {
			l.skip = skip
		}
		(&traffic{every: 30 * time.Second, perScrape: 300, to: 2 * time.Hour, errorsOf: outage("acme", 20*time.Minute, 50*time.Minute, 0.5, 300)}).feed(l)
		l.run(2 * time.Hour)
		m := newMemory()
		c := &Copier{Source: labEngine{lab: l}, Ledger: m, SLOs: func() []Versioned { return []Versioned{{SLO: s, Version: 1}} }, Horizon: 3 * time.Hour}
		if heal {
			c.Recount = labEngine{lab: l}
		}
		var told Progress
		c.Observe = func(p Progress) { told = p }
		if err := c.CopyOnce(t.Context(), l.now); err != nil {
			t.Fatal(err)
		}
		return m.content(), told
	}
	missed := func(at time.Time) bool {
		since := at.Sub(labStart)
		return since > 22*time.Minute && since < 37*time.Minute || since > 45*time.Minute && since < 46*time.Minute
	}
	want, calm := ledger(nil, true)
	if calm.Missed != 0 {
		t.Error("nothing was missed, it says", calm.Missed)
	}
	got, told := ledger(missed, true)
	healed := 0
	for i := range got {
		healed += got[i].Healed
		got[i].Healed = 0
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-never missed +recounted):\n%s", diff)
	}
	if told.Missed != 16 || told.Healed != 16 || healed != 2*16 {
		t.Errorf("told of %d missed and %d recounted, buckets of %d; want 16, 16 and 32 of two tenants", told.Missed, told.Healed, healed)
	}
	if lost, _ := ledger(missed, false); cmp.Equal(want, lost) {
		t.Error("without recounting nothing is missing, so this test shows nothing")
	}
}

func TestASpanThatCannotBeRecountedYetIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := shop(t)
	l := newLab(t, s)
	l.skip = func(at time.Time) bool { return at.Sub(labStart) > 10*time.Minute && at.Sub(labStart) < 15*time.Minute }
	(&traffic{every: 30 * time.Second, perScrape: 10, to: time.Hour, errorsOf: outage("", 0, 0, 0, 0)}).feed(l)
	l.run(time.Hour)
	m, engine := newMemory(), &labEngine{lab: l, away: fault.New(fault.Unavailable, "away")}
	c := &Copier{Source: labEngine{lab: l}, Recount: engine, Ledger: m, SLOs: func() []Versioned { return []Versioned{{SLO: s, Version: 1}} }, Horizon: 2 * time.Hour}
	if err := c.CopyOnce(t.Context(), l.now); fault.KindOf(err) != fault.Unavailable || len(m.content()) != 0 {
		t.Fatal("a span was closed without what could still be had:", err, m.content())
	}
	engine.away = nil
	if err := c.CopyOnce(t.Context(), l.now); err != nil || len(m.content()) == 0 {
		t.Fatal(err, m.content())
	}
}

func TestMissedSlots(t *testing.T) {
	t.Parallel()
	s := SLO{Interval: time.Minute}
	minute := func(m float64) time.Time { return labStart.Add(time.Duration(m * float64(time.Minute))) }
	series := func(minutes ...float64) []IncrementSeries {
		one := IncrementSeries{}
		for _, m := range minutes {
			one.Points = append(one.Points, Increment{At: minute(m)})
		}
		return []IncrementSeries{one}
	}
	for _, c := range []struct {
		name     string
		found    []IncrementSeries
		from, to float64
		want     []float64
	}{
		{"none", series(0.5, 1.5, 2.5, 3.5, 4.5), 0, 5, nil},
		{"in the middle", series(0.5, 1.5, 4.5), 0, 5, []float64{2.5, 3.5}},
		{"at the end", series(0.5, 1.5), 0, 5, []float64{2.5, 3.5, 4.5}},
		{"at the beginning, known from before", series(-3.5, 4.5), 0, 5, []float64{0.5, 1.5, 2.5, 3.5}},
		{"before the first nothing is missed", series(3.5, 4.5), 0, 5, nil},
		{"nothing is known", nil, 0, 5, nil},
		{"what one tenant lacks another may have", append(series(0.5, 2.5, 4.5), series(1.5, 3.5)...), 0, 5, nil},
		{"rules that moved to another second", series(0.5, 1.5, 2.25, 3.25, 4.25), 0, 5, nil},
	} {
		var got []float64
		for _, at := range missedSlots(s, c.found, minute(c.from), minute(c.to)) {
			got = append(got, at.Sub(labStart).Minutes())
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
