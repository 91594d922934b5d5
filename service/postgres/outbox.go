package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// DB implements incidents.Outbox on the paging pool.
var _ incidents.Outbox = (*DB)(nil)

// ofIncident reads rows that hang on one incident; an incident that is not in scope is a fault.NotFound, not an empty
// answer. The statement has %s where the incident is named.
func ofIncident[T any](ctx context.Context, s store, scope access.Scope, id, sql string, row pgx.RowToFunc[T], doing string) ([]T, error) {
	r := refer(id)
	found, err := read(ctx, s, scope, fmt.Sprintf(sql, r.where), r.args(), row)
	if err != nil {
		return nil, explain(ctx, err, doing)
	}
	if len(found) == 0 {
		_, err = incident(ctx, s, scope, id)
	}
	return found, err
}

// claimSQL leases the chosen pages, as far as they still wait, and writes down the attempts.
const claimSQL = `
with due as (
    select p.tenant_id, p.id
    from pages p
    where p.id = any(@ids::bigint[])
        and ((p.state = 'pending' and p.next_at <= clock_timestamp()) or (p.state = 'sending' and p.lease_until <= clock_timestamp()))
    for no key update of p skip locked
), claimed as (
    update pages p set state = 'sending', attempts = p.attempts + 1, lease_until = clock_timestamp() + @lease::interval
    from due where (p.tenant_id, p.id) = (due.tenant_id, due.id)
    returning p.*
), tried as (
    insert into attempts (tenant_id, page_id, incident_id, number, target_key, provider, started_at)
    select c.tenant_id, c.id, c.incident_id, c.attempts, c.target_key, (select key from jsonb_each(c.target) where value <> 'null' limit 1), clock_timestamp()
    from claimed c
    returning *
)
select c.id, c.incident_id, c.tenant_id, c.action, c.step, c.loop, c.target, c.dedup_key, c.state, c.attempts, c.next_at,
    c.created_at, c.trace, c.text, c.fallback, c.turn, c.number, c.person, c.method, a.id, a.number, a.provider, a.started_at, coalesce((
        select e.provider_id from attempts e join pages q on (q.tenant_id, q.id) = (e.tenant_id, e.page_id)
        where (e.tenant_id, e.incident_id, e.outcome) = (c.tenant_id, c.incident_id, 'sent') and e.provider_id <> ''
            and (q.target_key, q.action) = (c.target_key, 'trigger')
        order by e.id limit 1), '') as thread
from claimed c join tried a on (a.tenant_id, a.page_id) = (c.tenant_id, c.id)`

const claimedIncidentsSQL = `
select ` + incidentColumns + ` from incidents
where (tenant_id, id) in (select * from unnest(@tenants::text[], @ids::uuid[]))`

// ClaimDue implements incidents.Outbox.
func (d *DB) ClaimDue(ctx context.Context, most int, lease time.Duration) ([]incidents.Claim, error) {
	if most <= 0 {
		return nil, nil
	}
	var claims []incidents.Claim
	err := d.paging.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) (err error) {
		claims = nil
		q, err := queue(ctx, tx, now)
		chosen := q.Next(most)
		if err != nil || len(chosen) == 0 {
			return err
		}
		ids := column(slices.Concat(chosen...), func(d incidents.Due) int64 { return d.ID })
		claims, err = rows(ctx, tx, claimSQL, pgx.NamedArgs{"ids": ids, "lease": lease}, scanClaim)
		if err != nil || len(claims) == 0 {
			return err
		}
		if err := withIncidents(ctx, tx, claims); err != nil {
			return err
		}
		err = withTargets(ctx, tx, claims, now)
		claims = inMessages(chosen, claims)
		return err
	})
	if err != nil {
		return nil, explain(ctx, err, "claim pages")
	}
	return claims, nil
}

func scanClaim(row pgx.CollectableRow) (c incidents.Claim, err error) {
	p, a := &c.Page, &c.Attempt
	err = row.Scan(&p.ID, &p.Incident, &p.Tenant, &p.Action, &p.Step, &p.Loop, &p.Target, &p.DedupKey, &p.State, &p.Attempts,
		&p.NextAt, &p.CreatedAt, &p.Trace, &p.Text, &p.Fallback, &p.Turn, &p.Number, &p.Person, &p.Method, &a.ID, &a.Number, &a.Provider, &a.StartedAt, &c.Thread)
	a.Page, a.Incident, a.Tenant = p.ID, p.Incident, p.Tenant
	return c, err
}

func withIncidents(ctx context.Context, tx querier, claims []incidents.Claim) error {
	found, err := rows(ctx, tx, claimedIncidentsSQL, pgx.NamedArgs{
		"tenants": column(claims, func(c incidents.Claim) string { return c.Page.Tenant }),
		"ids":     column(claims, func(c incidents.Claim) string { return c.Page.Incident }),
	}, scanIncident)
	if err != nil {
		return err
	}
	byID := make(map[string]incidents.Incident, len(found))
	for _, i := range found {
		byID[i.ID] = i
	}
	for n := range claims {
		claims[n].Incident = byID[claims[n].Page.Incident]
	}
	return nil
}

// Current implements incidents.Outbox.
func (d *DB) Current(ctx context.Context, id string) (incidents.Incident, error) {
	return incident(ctx, d.paging, access.Operator(), id)
}

// The attempt's number fences: a sender that took the page over has raised it.
const finishPageSQL = `
update pages set state = @state, lease_until = null,
    next_at = case when @state = 'pending' then clock_timestamp() + @retry::interval else next_at end
where (tenant_id, id, state, attempts) = (@tenant, @page, 'sending', @number)`

const finishAttemptSQL = `
update attempts set outcome = @outcome, took = @took, provider = @provider, status_code = @status, provider_id = @provider_id, error = @error
where (tenant_id, id, outcome) = (@tenant, @attempt, '')`

// Finish implements incidents.Outbox. What became of an attempt is written down also when its page was taken over.
func (d *DB) Finish(ctx context.Context, c incidents.Claim, a incidents.Attempt, retryIn time.Duration) error {
	state := a.Outcome
	if a.Outcome == incidents.OutcomeRetry {
		state = string(incidents.PagePending)
	}
	args := pgx.NamedArgs{
		"tenant": c.Page.Tenant, "page": c.Page.ID, "number": c.Page.Attempts, "state": state, "retry": retryIn,
		"attempt": c.Attempt.ID, "outcome": a.Outcome, "took": int64(a.Took), "provider": a.Provider, "status": a.StatusCode,
		"provider_id": a.ProviderID, "error": a.Error,
	}
	var overtaken bool
	err := d.paging.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		before, err := lockOfPage(ctx, tx, c.Page)
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, finishPageSQL, args)
		if err != nil {
			return err
		}
		overtaken = tag.RowsAffected() == 0
		batch := &pgx.Batch{}
		batch.Queue(finishAttemptSQL, args)
		if !overtaken {
			if err := concluded(ctx, tx, writes{batch}, c, a, retryIn, now); err != nil {
				return err
			}
			if err := tried(ctx, tx, writes{batch}, before, c.Page, a, now); err != nil {
				return err
			}
			announce(batch, Change{Topic: TopicIncident, Tenant: c.Page.Tenant, ID: c.Page.Incident})
		}
		return send(ctx, tx, batch)
	})
	if err == nil && overtaken {
		err = fault.New(fault.Conflict, "the lease of page %d was taken over by another sender", c.Page.ID)
	}
	return explain(ctx, err, "write down how a page was sent")
}
