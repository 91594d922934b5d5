package backtest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
	"golang.org/x/sync/errgroup"
)

const (
	rangeChunk    = 24 * time.Hour // of evaluated increments asked for at once
	sampleChunk   = 6 * time.Hour  // of raw samples
	recordedChunk = 24 * time.Hour
	mostPoints    = 10_000 // of a series in one answer; Prometheus refuses more than 11 000
	smallestChunk = 10 * time.Minute
	atOnce        = 2 // questions under way, so that one side computes while the other reads
	mostTries     = 4
	enoughSeen    = 0.99 // share of the slots from which on recorded increments are not looked for
)

// fetch asks the source chunk by chunk and tells how far it is.
type fetch struct {
	source  Source
	slo     slo.SLO
	options Options
	shape   *shape

	mu          sync.Mutex
	done, total int
}

// part is one span of one question.
type part struct{ from, to time.Time }

func newFetch(source Source, s slo.SLO, o Options, shape *shape) *fetch {
	f := &fetch{source: source, slo: s, options: o, shape: shape}
	f.total = 2 * len(f.rangeParts())
	if o.Recorded {
		f.total = len(f.recordedParts())
	}
	if shape != nil {
		f.total += len(shape.toFetch()) * len(f.sampleParts())
	}
	return f
}

func (f *fetch) step(doing string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done++
	f.total = max(f.total, f.done)
	f.options.Progress(f.done, f.total, doing)
}

// parts cuts (from, to] into spans.
func parts(from, to time.Time, chunk time.Duration) []part {
	var out []part
	for ; from.Before(to); from = from.Add(chunk) {
		end := from.Add(chunk)
		if end.After(to) {
			end = to
		}
		out = append(out, part{from, end})
	}
	return out
}

func (f *fetch) begin() time.Time { return f.options.From.Add(-lead(f.slo)).Truncate(f.slo.Interval) }

func (f *fetch) rangeParts() []part {
	return parts(f.begin(), f.options.To, min(rangeChunk, mostPoints*f.slo.Interval))
}
func (f *fetch) recordedParts() []part { return parts(f.begin(), f.options.To, recordedChunk) }
func (f *fetch) sampleParts() []part {
	longest := max(slothRules(f.slo, time.Minute).longest(), pyrraRules(f.slo).longest())
	return parts(f.options.From.Add(-longest).Truncate(time.Minute), f.options.To, sampleChunk)
}

// each asks about every part, some at a time, and hands the answers over one at a time, in no order.
func (f *fetch) each(ctx context.Context, all []part, doing string, ask func(context.Context, part) ([]Series, error), take func([]Series)) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	var mu sync.Mutex
	for _, p := range all {
		g.Go(func() error {
			err := f.split(ctx, p, ask, func(found []Series) {
				mu.Lock()
				defer mu.Unlock()
				take(found)
			})
			if err == nil {
				f.step(doing)
			}
			return err
		})
	}
	return g.Wait()
}

// split asks about a part, and about its halves where the source has too much to answer.
func (f *fetch) split(ctx context.Context, p part, ask func(context.Context, part) ([]Series, error), take func([]Series)) error {
	found, err := f.persist(ctx, p, ask)
	if err == nil {
		take(found)
		return nil
	}
	half := (p.to.Sub(p.from) / 2).Truncate(f.slo.Interval)
	tooMuch := fault.Is(err, fault.TooLarge) || fault.Is(err, fault.Timeout) || fault.Is(err, fault.Invalid)
	if !tooMuch || half < max(smallestChunk, f.slo.Interval) || ctx.Err() != nil {
		return fmt.Errorf("history from %s to %s: %w", p.from.Format(time.RFC3339), p.to.Format(time.RFC3339), err)
	}
	middle := p.from.Add(half)
	if err := f.split(ctx, part{p.from, middle}, ask, take); err != nil {
		return err
	}
	return f.split(ctx, part{middle, p.to}, ask, take)
}

// persist asks again after trouble that may pass.
func (f *fetch) persist(ctx context.Context, p part, ask func(context.Context, part) ([]Series, error)) ([]Series, error) {
	for try := 1; ; try++ {
		found, err := ask(ctx, p)
		passing := fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Limited)
		if err == nil || !passing || try == mostTries || ctx.Err() != nil {
			return found, err
		}
		pause := max(fault.Public(err).RetryAfter, time.Second<<(try-1))
		if err := f.options.Wait(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// increments fills the history: from the raw series, and from what was recorded where those say nothing.
func (f *fetch) increments(ctx context.Context, r *Replay) error {
	built := newBuilder(f.slo, f.options.From, f.options.To, lead(f.slo))
	if f.options.Recorded {
		r.origin = "recorded increments"
		err := f.recorded(ctx, built)
		r.History = built.finish()
		return err
	}
	r.origin = "increments evaluated from the raw series"
	if err := f.evaluated(ctx, built); err != nil {
		return err
	}
	if built.missing() > 1-enoughSeen {
		f.mu.Lock()
		f.total += len(f.recordedParts())
		f.mu.Unlock()
		before := newBuilder(f.slo, f.options.From, f.options.To, lead(f.slo))
		if err := f.recorded(ctx, before); err != nil {
			if ctx.Err() != nil {
				return err
			}
			r.note("Recorded increments, which might fill what the raw series leave open, can't be used: %s.", fault.Public(err).Message)
		} else if n := built.fillFrom(before); n > 0 {
			r.note("%d intervals that the raw series no longer cover were taken from recorded increments.", n)
		}
	}
	r.History = built.finish()
	return nil
}

func (f *fetch) evaluated(ctx context.Context, b *builder) error {
	total, failed, err := f.slo.IncrementQueries()
	if err != nil {
		return err
	}
	for _, q := range []struct {
		expr, doing string
		add         func(map[string]string, time.Time, float64)
	}{{total, "counting events", b.addTotal}, {failed, "counting errors", b.addErrors}} {
		ask := func(ctx context.Context, p part) ([]Series, error) {
			return f.source.Range(ctx, q.expr, p.from.Add(f.slo.Interval), p.to, f.slo.Interval)
		}
		err := f.each(ctx, f.rangeParts(), q.doing, ask, func(found []Series) {
			for _, s := range found {
				labels := pick(s.Labels, f.slo.BudgetBy)
				for i, at := range s.At {
					q.add(labels, time.UnixMilli(at), s.Values[i])
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// recorded reads what rules have recorded. Rules run at an offset of their own; each increment goes to its interval.
func (f *fetch) recorded(ctx context.Context, b *builder) error {
	for _, p := range f.recordedParts() {
		var found []slo.IncrementSeries
		_, err := f.persist(ctx, p, func(ctx context.Context, p part) (none []Series, err error) {
			found, err = f.source.Increments(ctx, f.slo, p.from, p.to)
			return nil, err
		})
		if err != nil {
			return err
		}
		b.addRecorded(f.slo, found)
		f.step("reading recorded increments")
	}
	return nil
}

func (b *builder) addRecorded(s slo.SLO, found []slo.IncrementSeries) {
	for _, one := range found {
		labels := s.BudgetLabels(one.Series)
		for _, p := range one.Points {
			b.addTotal(labels, p.At, p.Total)
			b.addErrors(labels, p.At, p.Errors)
		}
	}
}

// counters fetches the raw samples that peers' rules read.
func (f *fetch) counters(ctx context.Context, s *shape) ([]*counter, error) {
	whole := map[string][]Series{}
	for _, selector := range s.toFetch() {
		ask := func(ctx context.Context, p part) ([]Series, error) {
			return f.source.Samples(ctx, selector, p.from, p.to)
		}
		err := f.each(ctx, f.sampleParts(), "reading raw samples", ask, func(found []Series) {
			for _, one := range found {
				if len(one.At) > 0 {
					key := keyOf(one.Labels)
					whole[key] = append(whole[key], one)
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	var out []*counter
	for _, key := range slices.Sorted(maps.Keys(whole)) {
		out = append(out, newCounter(joined(whole[key])))
	}
	return out, nil
}

// joined puts the parts of one series in order.
func joined(all []Series) Series {
	slices.SortFunc(all, func(a, b Series) int { return int(a.At[0] - b.At[0]) })
	out := Series{Labels: all[0].Labels}
	for _, one := range all {
		out.At, out.Values = append(out.At, one.At...), append(out.Values, one.Values...)
	}
	return out
}
