package postgres

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

const incidentColumns = `id, number, tenant_id as tenant, group_key, title, summary, severity, state, service, slo, labels,
    runbook_url, budget_spent, policy, step, loop, next_escalation_at,
    fallback_at, held, resolve_at, refires, gathered, unreachable_since, started_at, opened_at, acknowledged_at,
    acknowledged_by, resolved_at, resolved_by, updated_at, trace, urgency, turn, paged_as, assigned_by, return_at, snoozed,
    raise_at, auto_resolve_at, exhausted_at, awaited, threads, postmortem_required, level, impact, rated_by, roles, declared_by,
    coalesce(merged_into::text, '') as merged_into, coalesce(follows::text, '') as follows, coalesce(split_from::text, '') as split_from, phase, update_due`

var scanIncident = pgx.RowToStructByName[incidents.Incident]

const incidentsSQL = `
select ` + incidentColumns + `
from incidents
where (cardinality(@states::text[]) = 0 or state = any(@states)) and (@service = '' or service = @service)
    and (@slo = '' or slo = @slo) and opened_at >= @since and (@before = 0 or number < @before)
order by number desc
limit @most`

// Incidents returns the incidents in scope that match the filter, the newest first.
func (d *DB) Incidents(ctx context.Context, scope access.Scope, f incidents.Filter) ([]incidents.Incident, error) {
	args := pgx.NamedArgs{
		"states":  column(f.States, func(s incidents.State) string { return string(s) }),
		"service": f.Service, "slo": f.SLO, "since": f.Since, "before": f.Before, "most": clamp(f.Limit, 50, 500),
	}
	found, err := read(ctx, d.api, scope, incidentsSQL, args, scanIncident)
	return found, explain(ctx, err, "list incidents")
}

// reference is how people name an incident: by its UUID or its number. What is neither names none.
type reference struct {
	where string
	value any
}

func refer(idOrNumber string) reference {
	if n, err := strconv.ParseInt(idOrNumber, 10, 64); err == nil {
		return reference{"number = @ref::bigint", n}
	}
	if isUUID(idOrNumber) {
		return reference{"id = @ref::uuid", idOrNumber}
	}
	return reference{"@ref::bool", false}
}

func (r reference) args() pgx.NamedArgs { return pgx.NamedArgs{"ref": r.value} }

func notThere(idOrNumber string) error {
	if len(idOrNumber) > 40 {
		idOrNumber = idOrNumber[:40] + "..."
	}
	return fault.New(fault.NotFound, "there is no incident %q", idOrNumber)
}

// Incident returns the incident of that UUID or number. One that does not exist or is out of scope is a fault.NotFound.
func (d *DB) Incident(ctx context.Context, scope access.Scope, idOrNumber string) (incidents.Incident, error) {
	return incident(ctx, d.api, scope, idOrNumber)
}

func incident(ctx context.Context, s store, scope access.Scope, idOrNumber string) (incidents.Incident, error) {
	r := refer(idOrNumber)
	found, err := read(ctx, s, scope, "select "+incidentColumns+" from incidents where "+r.where, r.args(), scanIncident)
	if err == nil && len(found) == 0 {
		err = notThere(idOrNumber)
	}
	if err != nil {
		return incidents.Incident{}, explain(ctx, err, "read an incident")
	}
	return found[0], nil
}

const timelineColumns = `t.id, t.incident_id as incident, t.tenant_id as tenant, t.at, t.kind, t.actor, t.name, t.text, t.detail`

// mostEntries bounds what one incident may show.
const mostEntries = "10000"

// Timeline returns what happened in an incident, the oldest first.
func (d *DB) Timeline(ctx context.Context, scope access.Scope, id string) ([]incidents.Event, error) {
	return ofIncident(ctx, d.api, scope, id, `
		select `+timelineColumns+`
		from timeline t where (t.tenant_id, t.incident_id) = (select tenant_id, id from incidents where %s)
		order by t.id limit `+mostEntries, pgx.RowToStructByName[incidents.Event], "read a timeline")
}

const attemptColumns = `a.id, a.page_id, a.incident_id, a.tenant_id, a.number, a.provider, a.started_at, a.took, a.outcome,
    a.status_code, a.provider_id, a.error, a.delivered_at, a.undelivered`

func scanAttempt(row pgx.CollectableRow) (a incidents.Attempt, err error) {
	var took int64
	err = row.Scan(&a.ID, &a.Page, &a.Incident, &a.Tenant, &a.Number, &a.Provider, &a.StartedAt, &took, &a.Outcome,
		&a.StatusCode, &a.ProviderID, &a.Error, &a.DeliveredAt, &a.Undelivered)
	a.Took = time.Duration(took)
	return a, err
}

// Attempts returns every try at sending a page of an incident, the oldest first.
func (d *DB) Attempts(ctx context.Context, scope access.Scope, id string) ([]incidents.Attempt, error) {
	return ofIncident(ctx, d.api, scope, id, `
		select `+attemptColumns+`
		from attempts a where (a.tenant_id, a.incident_id) = (select tenant_id, id from incidents where %s)
		order by a.id limit `+mostEntries, scanAttempt, "read attempts")
}

// Acknowledge says that the principal is on it; id is the UUID or the number. It needs the role responder. Resolved
// incidents are a fault.Conflict, acknowledging twice changes nothing.
func (d *DB) Acknowledge(ctx context.Context, who access.Principal, id string) (incidents.Incident, error) {
	return d.transition(ctx, who, id, "incident.acknowledge", nil,
		func(i incidents.Incident, paged []incidents.Target, now time.Time) (incidents.Change, error) {
			return i.Acknowledge(actor(who), paged, now)
		})
}

// Resolve says that it is over, for good; the reason may be empty. It needs the role responder.
func (d *DB) Resolve(ctx context.Context, who access.Principal, id, reason string) (incidents.Incident, error) {
	return d.transition(ctx, who, id, "incident.resolve", map[string]any{"reason": reason},
		func(i incidents.Incident, paged []incidents.Target, now time.Time) (incidents.Change, error) {
			return i.Resolve(actor(who), reason, paged, now)
		})
}

// EscalateNow pages the next step at once. It needs the role responder. What is resolved or held, or has nobody to page,
// is a fault.Conflict.
func (d *DB) EscalateNow(ctx context.Context, who access.Principal, id string) (incidents.Incident, error) {
	return d.calls(ctx, deed{who: who, action: "incident.escalate", call: func(s scene) (incidents.Change, error) {
		return s.incident.EscalateNow(actor(who), s.roster, s.now)
	}}, id)
}

// Note adds a text to the timeline. It needs the role responder.
func (d *DB) Note(ctx context.Context, who access.Principal, id, text string) (incidents.Incident, error) {
	return d.transition(ctx, who, id, "incident.note", nil,
		func(i incidents.Incident, _ []incidents.Target, now time.Time) (incidents.Change, error) {
			return i.Note(actor(who), text, now)
		})
}

func actor(who access.Principal) incidents.Actor { return incidents.Actor{ID: who.ID, Name: who.Name} }

// transition locks an incident, asks the domain what is to become of it, and commits that with its audit record.
func (d *DB) transition(ctx context.Context, who access.Principal, id, action string, detail map[string]any, decide decision) (
	incidents.Incident, error,
) {
	return d.calls(ctx, deed{who: who, action: action, detail: detail, decide: decide}, id)
}

// calls does something to an incident that may call people.
func (d *DB) calls(ctx context.Context, deed deed, id string) (incidents.Incident, error) {
	if err := deed.who.Require(access.Responder); err != nil {
		return incidents.Incident{}, err
	}
	var after incidents.Incident
	err := d.paging.change(ctx, deed.who.Scope(), func(ctx context.Context, tx querier, now time.Time) (err error) {
		after, err = deed.do(ctx, tx, id, now)
		return err
	})
	if err != nil {
		return incidents.Incident{}, explain(ctx, err, "change an incident")
	}
	return after, nil
}

// decision is what the domain says is to become of an incident.
type decision func(i incidents.Incident, paged []incidents.Target, now time.Time) (incidents.Change, error)

// deed is one thing that somebody does to an incident.
type deed struct {
	who    access.Principal
	action string
	detail map[string]any
	decide decision
	call   func(scene) (incidents.Change, error)                          // instead of decide, where people may be called
	act    func(context.Context, scene, writes) (incidents.Change, error) // instead of decide, where more is written than the incident
	to     *incidents.Policy                                              // that the incident is given to; nil where it keeps its own
}

// scene is all that there is to know when people may be called.
type scene struct {
	incident incidents.Incident
	paged    []incidents.Target
	roster   incidents.Roster
	now      time.Time
	tx       querier
}

// ask asks the domain what is to become of the incident.
func (s deed) ask(ctx context.Context, tx querier, w writes, i incidents.Incident, paged []incidents.Target, now time.Time) (incidents.Change, error) {
	switch {
	case s.act != nil:
		return s.act(ctx, scene{incident: i, paged: paged, now: now, tx: tx}, w)
	case s.call == nil:
		return s.decide(i, paged, now)
	}
	policy := i.Policy
	if s.to != nil {
		policy = *s.to
	}
	r, err := callable(ctx, tx, now, policy)
	if err != nil {
		return incidents.Change{Incident: i}, err
	}
	return s.call(scene{i, paged, r, now, tx})
}

// do does it within a transaction. What changes nothing leaves no audit record.
func (s deed) do(ctx context.Context, tx querier, id string, now time.Time) (incidents.Incident, error) {
	before, err := lockIncident(ctx, tx, id)
	if err != nil {
		return before, err
	}
	paged, err := lockPaged(ctx, tx, before)
	if err != nil {
		return before, err
	}
	batch := &pgx.Batch{}
	store := writes{batch}
	change, err := s.ask(ctx, tx, store, before, paged, now)
	if err != nil || len(change.Events) == 0 {
		return change.Incident, err
	}
	store.change(change)
	record(batch, s.who, before.Tenant, s.action, "incident/"+before.ID, s.detail)
	return change.Incident, send(ctx, tx, batch)
}

// Rows of incidents are locked without their keys, since foreign keys that point at them lock those.
func lockIncident(ctx context.Context, tx querier, idOrNumber string) (incidents.Incident, error) {
	r := refer(idOrNumber)
	found, err := rows(ctx, tx, "select "+incidentColumns+" from incidents where "+r.where+" for no key update", r.args(), scanIncident)
	if err != nil {
		return incidents.Incident{}, err
	}
	if len(found) == 0 {
		return incidents.Incident{}, notThere(idOrNumber)
	}
	return found[0], nil
}

// Pages that are being claimed are waited for, and what is locked here is claimed by nobody until we commit: so a page is
// either attempted, and its target counts as paged, or can still be canceled.
const lockPagedSQL = `
select target, attempts from pages
where (tenant_id, incident_id, action) = (@tenant, @incident, 'trigger')
order by id for no key update`

// lockPaged returns the targets of an incident that were told of it, or may have been.
func lockPaged(ctx context.Context, tx querier, i incidents.Incident) ([]incidents.Target, error) {
	type page struct {
		Target   incidents.Target
		Attempts int
	}
	pages, err := rows(ctx, tx, lockPagedSQL, pgx.NamedArgs{"tenant": i.Tenant, "incident": i.ID}, pgx.RowToStructByName[page])
	if err != nil {
		return nil, err
	}
	var paged []incidents.Target
	seen := map[string]bool{}
	for _, p := range pages {
		if key := p.Target.Key(); p.Attempts > 0 && !seen[key] {
			seen[key] = true
			paged = append(paged, p.Target)
		}
	}
	return paged, nil
}

const setBudgetSQL = `
update incidents set budget_spent = @share, updated_at = clock_timestamp()
where id = @id::uuid and state <> 'resolved' and budget_spent is distinct from @share
returning tenant_id`

// SetBudgetSpent writes the share of the whole error budget that an open incident has spent so far: 0.2 is a fifth. A
// resolved incident keeps what it has.
func (d *DB) SetBudgetSpent(ctx context.Context, id string, share float64) error {
	if !isUUID(id) {
		return notThere(id)
	}
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		tenants, err := rows(ctx, tx, setBudgetSQL, pgx.NamedArgs{"id": id, "share": share}, pgx.RowTo[string])
		if err != nil || len(tenants) == 0 {
			return err
		}
		batch := &pgx.Batch{}
		announce(batch, Change{Topic: TopicIncident, Tenant: tenants[0], ID: id})
		return send(ctx, tx, batch)
	})
	return explain(ctx, err, "write the budget an incident has spent")
}
