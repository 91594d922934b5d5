package web

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

// Changes reads the changes that were asked for at the gate. They are the operator's: a tenant has none.
type Changes interface {
	Changes(ctx context.Context, scope access.Scope, f slo.ChangeFilter) ([]slo.Change, error)
	// ChangesBefore returns the changes that began shortly before an incident, the closest first.
	ChangesBefore(ctx context.Context, scope access.Scope, incident string) ([]slo.Preceding, error)
}

// recentChanges is how many changes a promise's page lists.
const recentChanges = 8

// changeRow is one change as a line of a list.
type changeRow struct {
	slo.Change
	What   string // such as "deploy of shop"
	Word   string // where it is
	Class  string
	Link   string // where the change itself is to be seen, "" for nowhere
	Before string // how long before the incident it began; "" where that is no matter
	Now    time.Time
}

func changeRowOf(c slo.Change, now time.Time) changeRow {
	row := changeRow{Change: c, What: c.Kind + " of " + c.Service, Now: now}
	row.Word, row.Class = changeState(c)
	if safeLink(c.Ref) && strings.Contains(c.Ref, "://") {
		row.Link = c.Ref
	}
	return row
}

// changeState says in a word where a change is, and how good that is.
func changeState(c slo.Change) (word, class string) {
	switch {
	case c.Outcome == slo.OutcomeSucceeded:
		return "succeeded", "good"
	case c.Outcome == slo.OutcomeFailed:
		return "failed", "bad"
	case c.Outcome == slo.OutcomeRolledBack:
		return "rolled back", "warm"
	case c.Outcome != "":
		return c.Outcome, "idle"
	case c.Standing() == slo.Allow && c.ApprovedAt != nil:
		return "approved by " + c.ApprovedByName, "good"
	case c.Standing() == slo.Allow:
		return "allowed", "good"
	case c.Standing() == slo.Approve:
		return "needs approval", "warm"
	}
	return "frozen", "bad"
}

func precedingRows(before []slo.Preceding, now time.Time) []changeRow {
	rows := make([]changeRow, 0, len(before))
	for _, p := range before {
		row := changeRowOf(p.Change, now)
		row.Before = spanText(p.Before) + " before"
		rows = append(rows, row)
	}
	return rows
}

func changeRows(changes []slo.Change, now time.Time) []changeRow {
	rows := make([]changeRow, 0, len(changes))
	for _, c := range changes[:min(len(changes), recentChanges)] {
		rows = append(rows, changeRowOf(c, now))
	}
	return rows
}

// plotEvent is something that happened at a time, as an upright line on a plot.
type plotEvent struct {
	At    time.Time
	Label string
}

// plotEventsOf are the changes that began, for the plots of a promise.
func plotEventsOf(changes []slo.Change) []plotEvent {
	var out []plotEvent
	for _, c := range changes {
		if c.BeganAt != nil {
			out = append(out, plotEvent{*c.BeganAt, fmt.Sprintf("%s %s by %s, %s", c.Kind, c.Ref, c.Author, c.BeganAt.UTC().Format("2 Jan 15:04 UTC"))})
		}
	}
	return out
}

// drawEvents draws an upright line for each event within the plot's span.
func (p plot) drawEvents(d *drawing) {
	for _, e := range p.Events {
		if e.At.Before(p.From) || e.At.After(p.To) {
			continue
		}
		x := d.xAt(e.At)
		d.printf(`<g class="event"><title>%s</title>`, attr(e.Label))
		d.line("event-line", x, x, d.Top, d.Height-d.Bottom)
		d.printf(`<path d="M%s %sl4 -7h-8z"/></g>`, coord(x), coord(d.Top))
	}
}
