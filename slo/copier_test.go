package slo

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// memory is a Ledger and SampleSource in memory, which fails when it is told to.
type memory struct {
	series  []IncrementSeries
	closed  map[string]time.Time
	buckets map[string]Bucket
	fail    func() error
	asked   [][2]time.Time
}

func newMemory(series ...IncrementSeries) *memory {
	return &memory{series: series, closed: map[string]time.Time{}, buckets: map[string]Bucket{}, fail: func() error { return nil }}
}

func (m *memory) ClosedUntil(_ context.Context, slo string) (time.Time, error) {
	return m.closed[slo], nil
}

func (m *memory) PutBuckets(_ context.Context, slo string, until time.Time, buckets []Bucket) error {
	if err := m.fail(); err != nil {
		return err
	}
	for _, b := range buckets {
		m.buckets[b.SLO+b.Start.String()+b.Tenant+"/"+b.Region+b.Group] = b
	}
	m.closed[slo] = later(m.closed[slo], until)
	return m.fail() // a crash after the commit, before the answer
}

func (m *memory) Increments(_ context.Context, s SLO, from, to time.Time) ([]IncrementSeries, error) {
	m.asked = append(m.asked, [2]time.Time{from, to})
	if err := m.fail(); err != nil {
		return nil, err
	}
	var out []IncrementSeries
	for _, one := range m.series {
		if one.Series.SLO != s.ID {
			continue
		}
		part := IncrementSeries{Series: one.Series}
		for _, p := range one.Points {
			if p.At.After(from) && !p.At.After(to) {
				part.Points = append(part.Points, p)
			}
		}
		out = append(out, part)
	}
	return out, nil
}

func (m *memory) content() []Bucket {
	var out []Bucket
	for _, b := range m.buckets {
		out = append(out, b)
	}
	slices.SortFunc(out, compareBuckets)
	return out
}

func copierOf(m *memory, slos ...Versioned) *Copier {
	if len(slos) == 0 {
		slos = []Versioned{byTenant}
	}
	return &Copier{Source: m, Ledger: m, SLOs: func() []Versioned { return slos }, Horizon: 48 * time.Hour}
}

func TestABucketClosesOnlyWhenNothingCanComeAnyMore(t *testing.T) {
	t.Parallel()
	m := newMemory(steady("acme", "eu", 0, 60, 0, 1))
	c := copierOf(m)
	lag := 10*time.Second + 2*time.Minute // settle and two intervals
	for _, step := range []struct {
		now  time.Time
		want time.Time
	}{
		{at(30).Add(lag - time.Second), at(25)},
		{at(30).Add(lag), at(30)},
		{at(34).Add(lag), at(30)},
		{at(20), at(30)}, // a clock that went backwards takes nothing back
		{at(35).Add(lag), at(35)},
	} {
		if err := c.CopyOnce(t.Context(), step.now); err != nil {
			t.Fatal(err)
		}
		if got := m.closed[byTenant.SLO.ID]; !got.Equal(step.want) {
			t.Errorf("at %v it is closed until %v, want %v", step.now, got, step.want)
		}
	}
}

func TestCatchingUpGoesInChunksAndLeavesGapsGaps(t *testing.T) {
	t.Parallel()
	m := newMemory(steady("acme", "eu", 0, 120, 0, 1), steady("acme", "eu", 1203, 60, 1, 2))
	var told []int
	c := copierOf(m)
	c.Observe = func(p Progress) {
		if p.SLO != byTenant.SLO.ID || p.Err != nil {
			t.Error(p.SLO, p.Err)
		}
		told = append(told, p.Buckets)
	}
	if err := c.CopyOnce(t.Context(), at(1500)); err != nil {
		t.Fatal(err)
	}
	for i, span := range m.asked {
		if span[1].Sub(span[0]) > copyChunk || i > 0 && !span[0].Equal(m.asked[i-1][1]) {
			t.Errorf("question %d is of %v to %v", i, span[0], span[1])
		}
	}
	got := m.content()
	if len(got) != 24+13 || !slices.Equal(told, []int{24 + 13}) {
		t.Fatalf("%d buckets, told of %v; want 24 before the gap and 13 after", len(got), told)
	}
	if first := got[24]; first.Seen != 2 || first.Expect != 5 {
		t.Errorf("the bucket in which data came back has seen %d of %d, want 2 of 5", first.Seen, first.Expect)
	}
	if _, written := m.buckets[byTenant.SLO.ID+at(600).String()+"acme/eu{}"]; written {
		t.Error("there is a bucket in the gap")
	}
}

func TestAFailureIsNeitherPassedOverNorCatching(t *testing.T) {
	t.Parallel()
	other := byTenant
	other.SLO.ID = "other"
	m := newMemory(steady("acme", "eu", 0, 60, 0, 1))
	broken := errors.New("engine away")
	c := copierOf(m, byTenant, other)
	calls := 0
	m.fail = func() error {
		if calls++; calls == 1 {
			return broken
		}
		return nil
	}
	if err := c.CopyOnce(t.Context(), at(90)); !errors.Is(err, broken) {
		t.Error("the error is", err)
	}
	if !m.closed[byTenant.SLO.ID].IsZero() || m.closed["other"].IsZero() {
		t.Error("closed:", m.closed)
	}
	if err := c.CopyOnce(t.Context(), at(90)); err != nil || len(m.content()) != 12 {
		t.Errorf("the next turn gave %d buckets, %v; want 12", len(m.content()), err)
	}
}

func TestACanceledCopyStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := newMemory()
	if err := copierOf(m).CopyOnce(ctx, at(0)); !errors.Is(err, context.Canceled) || len(m.asked) != 0 {
		t.Error(err, m.asked)
	}
}

// TestCrashesDoNotChangeTheLedger stops the copier at any question or write, again and again, with turns at any time.
func TestCrashesDoNotChangeTheLedger(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		series := incrementsGen(r)
		calm, wild := newMemory(series...), newMemory(series...)
		if err := copierOf(calm).CopyOnce(t.Context(), at(300)); err != nil {
			r.Fatal(err)
		}
		crash := errors.New("crash")
		wild.fail = func() error {
			if rapid.IntRange(0, 3).Draw(r, "crash") == 0 {
				return crash
			}
			return nil
		}
		for range 8 {
			now := at(float64(rapid.IntRange(0, 300).Draw(r, "now")))
			_ = copierOf(wild).CopyOnce(t.Context(), now)
		}
		wild.fail = func() error { return nil }
		if err := copierOf(wild).CopyOnce(t.Context(), at(300)); err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(calm.content(), wild.content()); diff != "" {
			r.Fatalf("(-calm +wild):\n%s", diff)
		}
	})
}
