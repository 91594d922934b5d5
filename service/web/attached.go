package web

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/slo"
)

// attached is what is found around an incident that may help with it, and what it costs.
type attached struct {
	Suspects      []suspectRow
	Similar       []similarRow
	Hit           []string    // tenants with failed requests
	Credits       []creditRow // of the tenants hit whose contracts promise this and grant credits
	Kept          exhibitsView
	HasEvidence   bool // whether there is anybody to ask for suspects and similar incidents
	AskedSuspects bool
	AskedSimilar  bool
	AskedCredits  bool
	StakeAsOf     *time.Time // when the credits were computed, nil where they were not
	MoreCredits   int        // contracts of tenants hit that were not computed
}

// suspectRow is a change near the start, with why it may be the cause.
type suspectRow struct {
	incidents.Suspect
	Change *changeRow // with its state, where it is one of the incident's own service
	Link   string     // where the change itself is to be seen, "" for nowhere
	When   string     // how long before or after the start it began
}

// similarRow is a past incident with what mended it.
type similarRow struct {
	incidents.Similar
	URL    string
	Lasted string
}

// creditRow is what a contract grants for the month so far.
type creditRow struct {
	Tenant   string
	Measured string // "" is unknown
	Promised string
	Credit   string // of the fee that is owed as it stands, "" is none
	Next     string // "25 % below 99 %": the next step down the ladder, "" at its end
	Month    slo.Month
}

const (
	// partTimeout is how long one part of the incident's page may take. What takes longer is shown as missing, because
	// who opens the page at night needs its buttons first.
	partTimeout = 3 * time.Second
	// mostSuspects bounds what stands beside an incident.
	mostSuspects = 8
)

// within asks with the deadline of one part of a page.
func within[T any](ctx context.Context, question func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, partTimeout)
	defer cancel()
	return question(ctx)
}

func suspectRows(found []incidents.Suspect, known []changeRow, start time.Time) []suspectRow {
	rows := make([]suspectRow, 0, min(len(found), mostSuspects))
	for _, f := range found[:min(len(found), mostSuspects)] {
		row := suspectRow{Suspect: f, When: spanText(start.Sub(f.BeganAt)) + " before it began"}
		if f.BeganAt.After(start) {
			row.When = spanText(f.BeganAt.Sub(start)) + " after it began"
		}
		if safeLink(f.Ref) && strings.Contains(f.Ref, "://") {
			row.Link = f.Ref
		}
		if n := slices.IndexFunc(known, func(c changeRow) bool { return c.Number == f.Number }); n >= 0 {
			row.Change = &known[n]
		}
		rows = append(rows, row)
	}
	return rows
}

func similarRows(found []incidents.Similar, now time.Time, v viewer) []similarRow {
	rows := make([]similarRow, 0, len(found))
	for _, f := range found {
		f.Incident = forAudience(f.Incident, v)
		if !v.Operator {
			f.Reason, f.Notes = "", nil
		}
		rows = append(rows, similarRow{Similar: f, URL: incidentURL(f.Incident), Lasted: spanText(endOf(f.Incident, now).Sub(f.Incident.OpenedAt))})
	}
	return rows
}

// creditRowOf puts what is at stake into words.
func creditRowOf(c slo.CreditAtStake) creditRow {
	row := creditRow{Tenant: c.Tenant, Promised: c.Promised.String() + thin + "%", Month: c.Month}
	if c.Measured != "" {
		row.Measured = c.Measured + thin + "%"
	}
	if c.Credit > 0 {
		row.Credit = trimmed(c.Credit, 2) + thin + "%"
	}
	if c.Next != nil {
		row.Next = fmt.Sprintf("%s%s%% below %s%s%%", trimmed(c.Next.Credit, 2), thin, trimmed(c.Next.Below, 5), thin)
	}
	return row
}

func creditRows(stake slo.Stake) []creditRow {
	var rows []creditRow
	for _, c := range stake.Credits {
		rows = append(rows, creditRowOf(c))
	}
	return rows
}
