package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

// Candidates for being like an incident: the latest of the same service, and those that share the rarest of its terms. Each
// term is followed through the index from its newest incident and no further than so many, so that a word which all titles
// have costs no more than one that few have, and counts less. ts_rank's 32 keeps the rank below 1. What people wrote is the
// operator's to see.
const pastSQL = `
with this as (
    select (select string_agg(quote_literal(w.lexeme), ' | ') from unnest(to_tsvector('simple', @title)) w)::tsquery as asked
), shared as (
    select t.number, 1.0 / count(*) over (partition by a.term) as weight
    from terms_of(@title, @labels) a (term) cross join lateral (
        select number from incident_terms h
        where h.tenant_id = @tenant and h.term = a.term and h.number <> @number
        order by h.number desc limit 200) t
), near as (
    (select number from incidents where tenant_id = @tenant and service = @service and state = 'resolved' and number <> @number
        order by number desc limit 100)
    union
    (select number from shared group by number order by sum(weight) desc, number desc limit 100)
)
select ` + incidentColumns + `, coalesce(ts_rank(words, (select asked from this), 32), 0)::float8 as rank,
    case when @notes then coalesce((select t.text from timeline t where (t.tenant_id, t.incident_id) = (incidents.tenant_id, incidents.id)
        and t.kind = 'resolved' order by t.id desc limit 1), '') else '' end as reason,
    case when @notes then coalesce((select array_agg(n.text order by n.id desc) from (select t.id, t.text from timeline t
        where (t.tenant_id, t.incident_id) = (incidents.tenant_id, incidents.id) and t.kind = 'note' and t.actor not like 'system:%'
        order by t.id desc limit 3) n), '{}') else '{}' end as notes
from incidents
where number = any(array(select number from near))`

// mostSimilar bounds what is shown beside an incident.
const mostSimilar = 5

// Similar returns the resolved incidents of the same tenant that are most like this one, the most alike first; id is its
// UUID or number. One that is not in scope has none. A tenant's people see no reasons and notes.
func (d *DB) Similar(ctx context.Context, scope access.Scope, id string) ([]incidents.Similar, error) {
	type row struct {
		incidents.Incident
		Rank   float64
		Reason string
		Notes  []string
	}
	this, err := d.Incident(ctx, scope, id)
	if err != nil {
		return nil, err
	}
	found, err := read(ctx, d.api, scope, pastSQL, similarArgs(scope, this), pgx.RowToStructByName[row])
	if err != nil {
		return nil, explain(ctx, err, "look for similar incidents")
	}
	var past []incidents.Precedent
	for _, p := range found {
		past = append(past, incidents.Precedent{Incident: p.Incident, Words: p.Rank, Reason: p.Reason, Notes: p.Notes})
	}
	return incidents.Alike(this, past, time.Now(), mostSimilar), nil
}

func similarArgs(scope access.Scope, i incidents.Incident) pgx.NamedArgs {
	labels := i.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	return pgx.NamedArgs{"title": i.Title, "labels": labels, "tenant": i.Tenant, "service": i.Service, "number": i.Number, "notes": scope.IsOperator()}
}

// What is asked for by words is set before, because the policy of incident_words reads it.
const (
	askWordsSQL = `select set_config('app.words', websearch_to_tsquery('simple', @query)::text, true)`
	searchSQL   = `
select ` + incidentColumns + ` from incidents i
where number in (select w.number from incident_words w where @notes or not w.noted) and %[1]s
order by number desc limit @most`
)

const listFoundSQL = `select ` + incidentColumns + ` from incidents i where %[1]s order by number desc limit @most`

// SearchIncidents returns the incidents in scope that match, the newest first. The words of a query are those of titles,
// summaries, labels and, for the operator, of notes and reasons; "quoted words" stand together and -word is left out.
func (d *DB) SearchIncidents(ctx context.Context, scope access.Scope, s incidents.Search) ([]incidents.Incident, error) {
	if !scope.IsOperator() && s.Tenant == "" {
		s.Tenant = scope.TenantName() // row security says so too, and no index serves that
	}
	where, args := searchTerms(s)
	args["notes"] = scope.IsOperator()
	if strings.TrimSpace(s.Query) == "" {
		delete(args, "notes")
		found, err := read(ctx, d.api, scope, fmt.Sprintf(listFoundSQL, where), args, scanIncident)
		return found, explain(ctx, err, "list incidents")
	}
	var found []incidents.Incident
	err := d.api.change(ctx, scope, func(ctx context.Context, tx querier, _ time.Time) error {
		_, err := tx.Exec(ctx, askWordsSQL, pgx.NamedArgs{"query": s.Query})
		if err == nil {
			found, err = rows(ctx, tx, fmt.Sprintf(searchSQL, where), args, scanIncident)
		}
		return err
	})
	return found, explain(ctx, err, "search incidents")
}

// searchTerms writes only the conditions that are asked for, so that the planner sees which index serves them.
func searchTerms(s incidents.Search) (string, pgx.NamedArgs) {
	args := pgx.NamedArgs{"most": clamp(s.Limit, 50, 500)}
	terms := []string{"true"}
	term := func(asked bool, condition, name string, value any) {
		if asked {
			terms, args[name] = append(terms, condition), value
		}
	}
	term(len(s.States) > 0, "i.state = any(@states)", "states", column(s.States, func(v incidents.State) string { return string(v) }))
	term(len(s.Severities) > 0, "i.severity = any(@severities)", "severities", column(s.Severities, func(v incidents.Severity) string { return string(v) }))
	if len(s.Services) == 1 { // equality, unlike a list, leaves the index's order to the planner, so that nothing is sorted
		term(true, "i.service = @service", "service", s.Services[0])
	} else {
		term(len(s.Services) > 0, "i.service = any(@services)", "services", s.Services)
	}
	term(s.Tenant != "", "i.tenant_id = @tenant", "tenant", s.Tenant)
	term(!s.From.IsZero(), "i.opened_at >= @from", "from", s.From)
	term(!s.To.IsZero(), "i.opened_at < @to", "to", s.To)
	term(s.Before > 0, "i.number < @before", "before", s.Before)
	if len(s.States) > 0 && !slices.Contains(s.States, incidents.Resolved) {
		terms = append(terms, "i.state <> 'resolved'") // the condition of the index of open ones
	}
	return strings.Join(terms, " and "), args
}
