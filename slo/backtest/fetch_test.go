package backtest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

// shaky is a source that counts ten events a minute, and answers as told.
type shaky struct {
	mu       sync.Mutex
	trouble  func(length time.Duration, call int) error
	calls    int
	from     time.Time // nothing before it is known from raw series
	recorded func(from, to time.Time) ([]slo.IncrementSeries, error)
}

func (s *shaky) Range(_ context.Context, expr string, from, to time.Time, step time.Duration) ([]Series, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.trouble != nil {
		if err := s.trouble(to.Sub(from)+step, s.calls); err != nil {
			return nil, err
		}
	}
	n := 10.0
	if strings.Contains(expr, "errors") {
		n = 1
	}
	out := Series{}
	for at := from; !at.After(to); at = at.Add(step) {
		if !at.Before(s.from) {
			out.At, out.Values = append(out.At, at.UnixMilli()), append(out.Values, n)
		}
	}
	return []Series{out}, nil
}

func (s *shaky) Samples(context.Context, string, time.Time, time.Time) ([]Series, error) {
	return nil, nil
}

func (s *shaky) Increments(_ context.Context, _ slo.SLO, from, to time.Time) ([]slo.IncrementSeries, error) {
	if s.recorded == nil {
		return nil, nil
	}
	return s.recorded(from, to)
}

func TestReadingGoesOnThroughTrouble(t *testing.T) {
	t.Parallel()
	away := fault.New(fault.Unavailable, "away")
	busy := fault.New(fault.Limited, "busy")
	busy.RetryAfter = 7 * time.Second
	for _, c := range []struct {
		name    string
		trouble func(length time.Duration, call int) error
		fails   bool
		pauses  []time.Duration
	}{
		{"away twice", func(_ time.Duration, call int) error {
			if call <= 2 {
				return away
			}
			return nil
		}, false, []time.Duration{time.Second, 2 * time.Second}},
		{"busy, and says how long", func(_ time.Duration, call int) error {
			if call == 1 {
				return busy
			}
			return nil
		}, false, []time.Duration{7 * time.Second}},
		{"too much at once", func(length time.Duration, _ int) error {
			if length > 2*time.Hour {
				return fault.New(fault.TooLarge, "too much")
			}
			return nil
		}, false, nil},
		{"away for good", func(time.Duration, int) error { return away }, true, nil},
		{"refuses everything", func(time.Duration, int) error { return fault.New(fault.Invalid, "no such function") }, true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var pauses []time.Duration
			var mu sync.Mutex
			last, total := 0, 0
			r, err := Read(t.Context(), &shaky{trouble: c.trouble}, plain(), Options{From: begin, To: begin.Add(20 * hour),
				Wait: func(_ context.Context, d time.Duration) error {
					mu.Lock()
					defer mu.Unlock()
					pauses = append(pauses, d)
					return nil
				},
				Progress: func(done, all int, _ string) { last, total = done, all },
			})
			if (err != nil) != c.fails {
				t.Fatalf("got %v", err)
			}
			if c.pauses != nil {
				slices.Sort(pauses)
				// Two questions are under way at once, so that both may meet the trouble for their first time.
				if len(pauses) != len(c.pauses) || pauses[0] != c.pauses[0] {
					t.Errorf("paused %v", pauses)
				}
			}
			if err != nil {
				return
			}
			if g := r.Result().Groups[0]; g.Total != 20*60*10 || g.Errors != 20*60 || g.Coverage != 1 {
				t.Errorf("counted %+v", g)
			}
			if last != total || total == 0 {
				t.Errorf("progress ended at %d of %d", last, total)
			}
		})
	}
}

func TestWhatRawSeriesNoLongerCoverComesFromRecordedIncrements(t *testing.T) {
	t.Parallel()
	half := begin.Add(10 * hour)
	source := &shaky{from: half.Add(minute), recorded: func(from, to time.Time) ([]slo.IncrementSeries, error) {
		one := slo.IncrementSeries{Series: slo.Series{SLO: "a-b", Group: "{}"}}
		for at := from.Add(23 * time.Second); !at.After(to); at = at.Add(minute) { // at the group's own offset
			one.Points = append(one.Points, slo.Increment{At: at, Total: 5})
		}
		return []slo.IncrementSeries{one}, nil
	}}
	r, err := Read(t.Context(), source, plain(), Options{From: begin, To: begin.Add(20 * hour)})
	if err != nil {
		t.Fatal(err)
	}
	result := r.Result()
	if g := result.Groups[0]; g.Total != 10*60*10+10*60*5 || g.Errors != 10*60 || g.Coverage != 1 {
		t.Errorf("counted %+v", g)
	}
	if !strings.Contains(strings.Join(result.Notes, "\n"), "taken from recorded increments") {
		t.Errorf("notes: %v", result.Notes)
	}
}

func TestAHistoryOfNothingSaysSo(t *testing.T) {
	t.Parallel()
	r, err := Read(t.Context(), &shaky{from: begin.Add(100 * hour)}, plain(), Options{From: begin, To: begin.Add(hour), Peers: true})
	if err != nil {
		t.Fatal(err)
	}
	result := r.Result()
	notes := strings.Join(result.Notes, "\n")
	if len(result.Rules) != 1 || !strings.Contains(notes, "Nothing was counted") || !strings.Contains(notes, "Sloth and Pyrra are not shown") {
		t.Errorf("%+v", result)
	}
	r.Chart(result, 40).Text(false)
	if _, err := Read(t.Context(), &shaky{}, plain(), Options{From: begin, To: begin}); !fault.Is(err, fault.Invalid) {
		t.Errorf("no time at all: %v", err)
	}
}
