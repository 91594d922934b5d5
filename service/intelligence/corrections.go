package intelligence

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

const (
	correctionsKept = time.Second          // an answer's, as that of statuses
	correctionsBack = 400 * 24 * time.Hour // what is kept reaches back over the longest window
)

// Corrections reads what says how spans of the ledger count.
type Corrections interface {
	// CorrectionsIn returns the corrections in force whose stated span overlaps [from, to), whatever they are about; a zero
	// to is open. Whose they are matters to no figure, so there is no scope.
	CorrectionsIn(ctx context.Context, from, to time.Time) ([]slo.Correction, error)
}

// corrections returns those in force that may touch what happened since a time. Many ask at the same moment.
func (s *Service) corrections(ctx context.Context, since time.Time) ([]slo.Correction, error) {
	if s.Corrections == nil {
		return nil, nil
	}
	back := s.now().Add(-correctionsBack)
	if since.Before(back) {
		return s.correctionsIn(ctx, since, time.Time{})
	}
	return s.corrected.get(ctx, struct{}{}, func(ctx context.Context) ([]slo.Correction, error) {
		ctx, cancel := context.WithTimeout(ctx, QueryTime)
		defer cancel()
		return s.correctionsIn(ctx, back, time.Time{})
	})
}

func (s *Service) correctionsIn(ctx context.Context, from, to time.Time) ([]slo.Correction, error) {
	if s.Corrections == nil {
		return nil, nil
	}
	found, err := s.Corrections.CorrectionsIn(ctx, from, to)
	if err != nil {
		return nil, fmt.Errorf("read corrections: %w", err)
	}
	return found, nil
}

// counted lines up what counts of an SLO's evidence: corrected, and with what its gap policy makes of spans without data.
func (e evidence) counted(v slo.Versioned) []step {
	id := v.SLO.ID
	corrections := slo.CorrectionsOf(v.SLO, e.corrections)
	buckets, _ := slo.Correct(e.buckets[id], corrections)
	live, _ := slo.CorrectIncrements(e.live[id], e.width, corrections)
	all := steps(v.SLO, buckets, live)
	if v.SLO.Gap != slo.GapGood && v.SLO.Gap != slo.GapBad {
		return all
	}
	for _, b := range budgetsOf(v.SLO, e.buckets[id], e.live[id]) {
		for _, gap := range slo.Imputed(v, b.labels, b.buckets, b.live, e.to, e.corrections...) {
			all = append(all, step{series: gap.Series, start: gap.Start, width: gap.Width, Counts: gap.Counts, imputed: true})
		}
	}
	return inOrder(all)
}

// excludedNow reports whether a budget is left out at the time, as the correction states it: in maintenance nobody expects
// to see anything.
func (e evidence) excludedNow(s slo.SLO, labels map[string]string) bool {
	return slices.ContainsFunc(slo.CorrectionsOf(s, e.corrections), func(c slo.Correction) bool {
		for name, value := range c.Labels {
			if labels[name] != value {
				return false
			}
		}
		return c.Mode == slo.ModeExclude && c.Covers(e.to)
	})
}

// Preview is what a new correction would change.
type Preview struct {
	From    time.Time      `json:"from"` // the effective span: the whole buckets inside of the stated one
	To      time.Time      `json:"to"`
	Effect  slo.Effect     `json:"effect"`  // beyond what the corrections in force do already
	Budgets []BudgetChange `json:"budgets"` // those of the windows now in force that would change, by SLO and labels
	Missing []string       `json:"missing"` // what the figures lack, one sentence each
}

// BudgetChange is a budget without and with a correction.
type BudgetChange struct {
	SLO    string            `json:"slo"`
	Labels map[string]string `json:"labels"`
	Before BudgetFigure      `json:"before"`
	After  BudgetFigure      `json:"after"`
}

// BudgetFigure is the part of a status that a correction changes.
type BudgetFigure struct {
	SLI             float64 `json:"sli"`       // per cent good
	Remaining       float64 `json:"remaining"` // share of the error budget left
	Errors          float64 `json:"errors"`
	Total           float64 `json:"total"`
	ExcludedMinutes float64 `json:"excludedMinutes"`
}

// Preview says what a correction would change if it were made now; nothing is. One that Check refuses is a fault.Invalid.
func (s *Service) Preview(ctx context.Context, scope access.Scope, c slo.Correction) (Preview, error) {
	return ask(ctx, s, Analysis, "preview", func(ctx context.Context) (Preview, error) {
		if !scope.IsOperator() {
			return Preview{}, fault.New(fault.Forbidden, "corrections are made by the operator's people")
		}
		return s.preview(ctx, scope, c)
	})
}

func (s *Service) preview(ctx context.Context, scope access.Scope, c slo.Correction) (Preview, error) {
	slos := s.Definitions().SLOs()
	known := make([]slo.SLO, 0, len(slos))
	for _, v := range slos {
		known = append(known, v.SLO)
	}
	if err := c.Check(known, s.bucket()); err != nil {
		return Preview{}, err
	}
	now := s.now()
	c.ID, c.Created, c.Revoked = "new", now, time.Time{}
	touched := slices.DeleteFunc(slices.Clone(slos), func(v slo.Versioned) bool { return !c.Touches(v.SLO) })
	out := Preview{Effect: slo.Effect{By: []slo.CorrectionEffect{}}, Budgets: []BudgetChange{}}
	out.From, out.To = c.Effective(s.bucket())
	from := earliest(out.From, now)
	for _, v := range touched {
		begin, _ := v.SLO.Window.Bounds(now)
		from = earliest(from, begin)
	}
	e, err := s.gather(ctx, scope, touched, from, now)
	if err != nil {
		return Preview{}, err
	}
	for _, v := range touched {
		out.Budgets = append(out.Budgets, e.changes(v, c)...)
		if v.SLO.Of == "" { // further objectives count the same events
			out.Effect = out.Effect.Add(e.effectOf(v, c))
		}
	}
	out.Missing = e.missing()
	return out, nil
}

// effectOf returns what the correction does to what the ones in force leave.
func (e evidence) effectOf(v slo.Versioned, c slo.Correction) slo.Effect {
	inForce, added := slo.CorrectionsOf(v.SLO, e.corrections), slo.CorrectionsOf(v.SLO, []slo.Correction{c})
	buckets, _ := slo.Correct(e.buckets[v.SLO.ID], inForce)
	live, _ := slo.CorrectIncrements(e.live[v.SLO.ID], e.width, inForce)
	_, closed := slo.Correct(buckets, added)
	_, open := slo.CorrectIncrements(live, e.width, added)
	return closed.Add(open)
}

func (e evidence) changes(v slo.Versioned, c slo.Correction) []BudgetChange {
	var out []BudgetChange
	with := append(slices.Clone(e.corrections), c)
	for _, b := range budgetsOf(v.SLO, e.buckets[v.SLO.ID], e.live[v.SLO.ID]) {
		before := slo.StatusOf(v, b.labels, b.buckets, b.live, e.to, e.corrections...)
		after := slo.StatusOf(v, b.labels, b.buckets, b.live, e.to, with...)
		change := BudgetChange{SLO: v.SLO.ID, Labels: before.Labels, Before: figureOf(before), After: figureOf(after)}
		if change.Before != change.After {
			out = append(out, change)
		}
	}
	return out
}

func figureOf(st slo.Status) BudgetFigure {
	return BudgetFigure{SLI: st.SLI, Remaining: st.Remaining, Errors: st.Counts.Errors(), Total: st.Counts.Total, ExcludedMinutes: st.Adjusted.ExcludedMinutes}
}

// correctedWords says in a sentence what corrections left out of a span's figures, "" for nothing.
func correctedWords(raw, counted slo.Counts, excluded time.Duration) string {
	forgiven := raw.Errors() - counted.Errors()
	switch {
	case excluded > 0:
		return fmt.Sprintf("Maintenance and corrections leave %s of the span and %s errors out of the figures.", span(excluded), whole(math.Max(0, forgiven)))
	case forgiven > 1e-9:
		return fmt.Sprintf("Corrections leave %s errors of the span out of the figures.", whole(forgiven))
	}
	return ""
}
