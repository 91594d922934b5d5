package web

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

// exhibitsView is what was kept with an incident.
type exhibitsView struct {
	Rows    []exhibitRow
	Pending []incidents.PendingExhibit
	Asked   bool // it could be read
}

// exhibitRow is one piece of evidence.
type exhibitRow struct {
	incidents.Exhibit
	Title  string
	Class  string // of the sign for its outcome
	Word   string
	Budget string // left at the moment, "" is unknown
	Plot   *plot  // of a promise's series; nil where there is none
}

var exhibitTitles = map[incidents.ExhibitKind]string{
	incidents.ExhibitSLO: "Promise", incidents.ExhibitLogs: "Logs",
	incidents.ExhibitExemplars: "Traces its metrics point out", incidents.ExhibitTraces: "Traces",
}

var exhibitOutcomes = map[incidents.ExhibitOutcome][2]string{
	incidents.ExhibitKept: {"kept", "good"}, incidents.ExhibitEmpty: {"nothing found", "idle"},
	incidents.ExhibitUnreachable: {"not reachable", "bad"}, incidents.ExhibitRefused: {"refused", "bad"},
	incidents.ExhibitUnconfigured: {"not configured", "idle"},
}

// exhibits asks for what was kept.
func (s *site) exhibits(ctx context.Context, scope access.Scope, id string) (exhibitsView, error) {
	kept, err := s.Evidence.Exhibits(ctx, scope, id)
	if err != nil {
		return exhibitsView{}, err
	}
	pending, err := s.Evidence.PendingExhibits(ctx, scope, id)
	if err != nil {
		return exhibitsView{}, err
	}
	view := exhibitsView{Pending: pending, Asked: true}
	for _, e := range kept {
		view.Rows = append(view.Rows, exhibitRowOf(e))
	}
	return view, nil
}

func exhibitRowOf(e incidents.Exhibit) exhibitRow {
	row := exhibitRow{Exhibit: e, Title: exhibitTitles[e.Kind], Word: exhibitOutcomes[e.Outcome][0], Class: exhibitOutcomes[e.Outcome][1]}
	if e.Subject != "" {
		row.Title = e.Subject
	}
	if e.Moment == incidents.AtResolution {
		row.Title += ", until it was resolved"
	}
	if b := e.Content.Budget; b != nil && finite(*b) {
		row.Budget = ratioText(*b)
	}
	if len(e.Content.Points) > 0 {
		row.Plot = exhibitPlot(e)
	}
	row.Content.Traces = slices.Clone(row.Content.Traces)
	for n := range row.Content.Traces {
		if t := &row.Content.Traces[n]; !safeLink(t.URL) {
			t.URL = ""
		}
	}
	return row
}

// exhibitPlot draws the budget that was left.
func exhibitPlot(e incidents.Exhibit) *plot {
	p := plot{Name: fmt.Sprintf("kept-%d", e.ID), Title: "Budget left: " + e.Subject, From: e.From, To: e.To, Class: "budget",
		Format: ratioText, Nothing: "The budget was not known."}
	for _, point := range e.Content.Points {
		value := math.NaN()
		if point.Remaining != nil {
			value = *point.Remaining
		}
		p.Points = append(p.Points, plotPoint{At: point.At, Value: value})
	}
	return &p
}
