package intelligence

import (
	"context"
	"slices"
	"time"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

// mostPoints bounds one history.
const mostPoints = 2000

// Span is the part of a promise's history that is asked for.
type Span struct {
	From, To time.Time // (From, To]; a To ahead of now is now
	Points   int       // at most this many, evenly spaced; 2 to 2000
}

// BurnPoint is one step of a promise's history.
type BurnPoint = slo.BurnPoint

// BurnDown returns how the error budget of the window now in force went, in at most so many points, oldest first, and
// where it is going. tenant "" is everybody in scope together.
func (s *Service) BurnDown(ctx context.Context, scope access.Scope, sloID, tenant string, points int) (slo.BurnedDown, error) {
	return ask(ctx, s, Query, "burndown", func(ctx context.Context) (slo.BurnedDown, error) {
		e, err := s.past(ctx, scope, sloID, tenant, func(from, to time.Time) Span {
			return Span{From: earliest(from, to.Add(-time.Second)), To: to, Points: points} // a calendar period may begin now
		})
		if err != nil {
			return slo.BurnedDown{}, err
		}
		return slo.BurnedDown{Points: e.points(), Prediction: s.predictionOf(scope, e)}, nil
	})
}

// History returns a promise's points in a span, as BurnDown does for the whole window.
func (s *Service) History(ctx context.Context, scope access.Scope, sloID, tenant string, span Span) ([]BurnPoint, error) {
	return ask(ctx, s, Query, "history", func(ctx context.Context) ([]BurnPoint, error) {
		e, err := s.past(ctx, scope, sloID, tenant, func(time.Time, time.Time) Span { return span })
		if err != nil {
			return nil, err
		}
		return e.points(), nil
	})
}

// past is the evidence of one budget over a span, or of all budgets in scope together.
type past struct {
	of      slo.Versioned
	tenant  string            // "" for all in scope
	labels  map[string]string // nil takes all that is here as one budget
	buckets []slo.Bucket
	live    []slo.IncrementSeries
	closed  time.Time
	now     time.Time
	span    Span

	corrections []slo.Correction
}

func (p past) points() []BurnPoint {
	return slo.History(p.of.SLO, p.labels, p.counted(), p.now, slo.Span(p.span))
}

// counted is what counts of the evidence. Where a gap policy counts what is missing, budgets are looked at one by one.
func (p past) counted() []slo.Bucket {
	return slo.Counted(p.of, p.labels, p.buckets, p.live, p.now, p.corrections...)
}

// past reads what a history needs: the rolling window of each of its points, or the calendar window from its begin.
func (s *Service) past(ctx context.Context, scope access.Scope, sloID, tenant string, spanOf func(from, to time.Time) Span) (past, error) {
	p, err := s.asked(scope, sloID, tenant, spanOf)
	if err != nil {
		return past{}, err
	}
	return s.read(ctx, scope, p)
}

// asked checks what is asked for, without the evidence. A tenant's evidence that is one budget is called by its labels.
func (s *Service) asked(scope access.Scope, sloID, tenant string, spanOf func(from, to time.Time) Span) (past, error) {
	if tenant != "" && !scope.Allows(tenant) {
		return past{}, fault.New(fault.NotFound, "there is no tenant %q", tenant)
	}
	if sloID == "" {
		return past{}, fault.New(fault.Invalid, "name an SLO")
	}
	slos, err := s.visible(scope, sloID)
	if err != nil {
		return past{}, err
	}
	p := past{of: slos[0], tenant: tenant, now: s.now()}
	begin, _ := p.of.SLO.Window.Bounds(p.now)
	p.span = spanOf(begin, p.now)
	p.span.To = earliest(p.span.To, p.now)
	if p.span.Points < 2 || p.span.Points > mostPoints || !p.span.From.Before(p.span.To) {
		return past{}, fault.New(fault.Invalid, "a history needs a span that has begun and 2 to %d points", mostPoints)
	}
	if tenant != "" && slices.Equal(p.of.SLO.BudgetBy, []string{"tenant"}) {
		p.labels = map[string]string{"tenant": tenant}
	}
	return p, nil
}

// read fills in the evidence.
func (s *Service) read(ctx context.Context, scope access.Scope, p past) (past, error) {
	window, id := p.of.SLO.Window, p.of.SLO.ID
	from, _ := window.Bounds(p.now)
	from = earliest(from, p.span.From, p.now.Add(-slo.PredictHistory))
	if window.Calendar == "" {
		from = earliest(from, p.span.From.Add(-window.Length()))
	}
	e, err := s.gather(ctx, scope, []slo.Versioned{p.of}, from, p.now)
	if err != nil {
		return past{}, err
	}
	p.buckets, p.live, p.closed, p.corrections = e.buckets[id], e.live[id], e.closed[id], e.corrections
	if p.tenant != "" {
		p.buckets = slices.DeleteFunc(slices.Clone(p.buckets), func(b slo.Bucket) bool { return b.Tenant != p.tenant })
		p.live = slices.DeleteFunc(slices.Clone(p.live), func(l slo.IncrementSeries) bool { return l.Series.Tenant != p.tenant })
	}
	return p, nil
}

// grid is an even division of time: multiples of width since the epoch.
type grid struct{ width time.Duration }

// end returns the end of the grid's step that holds t: the one with t in (end-width, end].
func (g grid) end(t time.Time) time.Time {
	since := t.UnixNano()
	if rest := since % int64(g.width); rest != 0 {
		since += int64(g.width) - rest
	}
	return time.Unix(0, since).UTC()
}
