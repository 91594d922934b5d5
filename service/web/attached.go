package web

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
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
	// mostSuspects and mostCredits bound what stands beside an incident.
	mostSuspects = 8
	mostCredits  = 3
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

// tenantsHit returns the tenants that had failed requests, the hardest hit first.
func tenantsHit(impact incidents.Impact) []string {
	errors := map[string]float64{}
	for _, h := range impact.Counts {
		if h.Tenant != "" && h.Errors > 0 {
			errors[h.Tenant] += h.Errors
		}
	}
	var hit []string
	for tenant := range errors {
		hit = append(hit, tenant)
	}
	slices.SortFunc(hit, func(a, b string) int { return cmp.Or(cmp.Compare(errors[b], errors[a]), cmp.Compare(a, b)) })
	return hit
}

// creditsAtStake says what the contracts of the tenants hit grant for the month of the incident's start, as it stands.
// A contract that promises nothing of this SLO, or grants no credits, has no row.
func (s *site) creditsAtStake(ctx context.Context, scope access.Scope, i incidents.Incident, hit []string) ([]creditRow, error) {
	var rows []creditRow
	for _, contract := range s.Definitions.Contracts() {
		n := slices.IndexFunc(contract.Promises, func(p slo.Promise) bool { return p.SLO == i.SLO && len(p.Credits) > 0 })
		if n < 0 || !slices.Contains(hit, contract.Tenant) || len(rows) == mostCredits {
			continue
		}
		month := monthOf(i.StartedAt, contract.Zone)
		report, err := s.Insight.SLAReport(ctx, scope, contract.Tenant, month)
		if err != nil {
			return nil, err
		}
		rows = append(rows, creditRowOf(contract.Tenant, contract.Promises[n], report, month))
	}
	return rows, nil
}

// monthOf returns the month of a time on the contract's clock.
func monthOf(t time.Time, zone string) slo.Month {
	location, err := time.LoadLocation(zone)
	if err != nil {
		location = time.UTC
	}
	t = t.In(location)
	return slo.Month{Year: t.Year(), Month: t.Month()}
}

func creditRowOf(tenant string, p slo.Promise, report slo.Report, month slo.Month) creditRow {
	row := creditRow{Tenant: tenant, Promised: p.Objective.String() + thin + "%", Month: month}
	n := slices.IndexFunc(report.Promises, func(r slo.PromiseReport) bool { return r.SLO == p.SLO })
	if n < 0 {
		return row
	}
	found := report.Promises[n]
	if found.Displayed != "" {
		row.Measured = found.Displayed + thin + "%"
	}
	if found.Credit > 0 {
		row.Credit = trimmed(found.Credit, 2) + thin + "%"
	}
	ladder := slices.SortedFunc(slices.Values(p.Credits), func(a, b slo.CreditTier) int { return cmp.Compare(b.Below, a.Below) })
	for _, step := range ladder {
		if step.Credit > found.Credit {
			row.Next = fmt.Sprintf("%s%s%% below %s%s%%", trimmed(step.Credit, 2), thin, trimmed(step.Below, 5), thin)
			break
		}
	}
	return row
}
