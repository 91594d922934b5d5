package intelligence

import (
	"context"
	"math"
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

// BurnPoint is one step of a promise's history. A step in which nothing was seen has no point.
type BurnPoint struct {
	At   time.Time     `json:"at"`   // end of the step
	Step time.Duration `json:"step"` // its length; a longer distance to the point before is a gap
	// Remaining is the share of the window's error budget left at At: 1 minus the errors since the window began over the
	// errors that the window's traffic up to now allows. It never rises, and its last value is the status' Remaining;
	// negative is overspent, NaN before the window began. Corrections are applied, and it holds what the SLO's gap policy
	// makes of spans without data.
	Remaining float64 `json:"remaining"`
	Burn      float64 `json:"burn"` // burn rate during the step; 0 without traffic
	Errors    float64 `json:"errors"`
	Total     float64 `json:"total"`
}

// BurnDown returns how the error budget of the window now in force went, in at most so many points, oldest first. tenant
// "" is everybody in scope together.
func (s *Service) BurnDown(ctx context.Context, scope access.Scope, sloID, tenant string, points int) ([]BurnPoint, error) {
	return ask(ctx, s, Query, "burndown", func(ctx context.Context) ([]BurnPoint, error) {
		return s.history(ctx, scope, sloID, tenant, func(from, to time.Time) Span { return Span{from, to, points} })
	})
}

// History returns a promise's points in a span, as BurnDown does for the whole window.
func (s *Service) History(ctx context.Context, scope access.Scope, sloID, tenant string, span Span) ([]BurnPoint, error) {
	return ask(ctx, s, Query, "history", func(ctx context.Context) ([]BurnPoint, error) {
		return s.history(ctx, scope, sloID, tenant, func(time.Time, time.Time) Span { return span })
	})
}

func (s *Service) history(ctx context.Context, scope access.Scope, sloID, tenant string, spanOf func(from, to time.Time) Span) ([]BurnPoint, error) {
	if tenant != "" && !scope.Allows(tenant) {
		return nil, fault.New(fault.NotFound, "there is no tenant %q", tenant)
	}
	if sloID == "" {
		return nil, fault.New(fault.Invalid, "name an SLO")
	}
	slos, err := s.visible(scope, sloID)
	if err != nil {
		return nil, err
	}
	now := s.now()
	of := slos[0].SLO
	begin, _ := of.Window.Bounds(now)
	span := spanOf(begin, now)
	span.To = earliest(span.To, now)
	if span.Points < 2 || span.Points > mostPoints || !span.From.Before(span.To) {
		return nil, fault.New(fault.Invalid, "a history needs a span that has begun and 2 to %d points", mostPoints)
	}
	e, err := s.gather(ctx, scope, slos, earliest(begin, span.From), now)
	if err != nil {
		return nil, err
	}
	all := e.counted(slos[0])
	if tenant != "" {
		all = slices.DeleteFunc(all, func(st step) bool { return st.series.Tenant != tenant })
	}
	return burnPoints(of.Objective, all, begin, span), nil
}

// burnPoints sums steps into points. all is in order of time.
func burnPoints(o slo.Objective, all []step, windowBegin time.Time, span Span) []BurnPoint {
	var window slo.Counts // all of the window's traffic so far
	for _, st := range all {
		if !st.start.Before(windowBegin) {
			window = window.Add(st.Counts)
		}
	}
	allowed := o.Budget() * window.Total
	grid := gridOf(all, span)
	out := []BurnPoint{}
	var spent float64 // errors of the window up to and including the step
	for _, st := range all {
		if !st.start.Before(windowBegin) {
			spent += st.Errors()
		}
		if !st.end().After(span.From) || st.end().After(span.To) {
			continue
		}
		at := earliest(grid.end(st.end()), span.To)
		if len(out) == 0 || !out[len(out)-1].At.Equal(at) {
			out = append(out, BurnPoint{At: at, Step: grid.width})
		}
		p := &out[len(out)-1]
		if !st.imputed { // those are counted in Remaining alone
			p.Errors += st.Errors()
			p.Total += st.Total
		}
		p.Burn = o.BurnRate(slo.Counts{Good: p.Total - p.Errors, Total: p.Total})
		switch {
		case at.Before(windowBegin) || at.Equal(windowBegin):
			p.Remaining = math.NaN()
		case allowed > 0:
			p.Remaining = 1 - spent/allowed
		default:
			p.Remaining = 1
		}
	}
	return out
}

// grid is the points' even spacing: multiples of width since the epoch, so that points stand still between questions.
type grid struct{ width time.Duration }

// gridOf chooses the spacing: a whole number of the widest step, so that none is divided.
func gridOf(all []step, span Span) grid {
	unit := time.Second
	for _, st := range all {
		unit = max(unit, st.width)
	}
	points := time.Duration(span.Points - 1) // the first and the last step may stick out
	width := (span.To.Sub(span.From) + points - 1) / points
	return grid{max(unit, (width+unit-1)/unit*unit)}
}

// end returns the end of the grid's step that holds t: the one with t in (end-width, end].
func (g grid) end(t time.Time) time.Time {
	since := t.UnixNano()
	if rest := since % int64(g.width); rest != 0 {
		since += int64(g.width) - rest
	}
	return time.Unix(0, since).UTC()
}
