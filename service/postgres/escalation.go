package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

// clockwork is one thing that an incident does when its time has come.
type clockwork struct {
	doing string
	at    func(incidents.Incident) *time.Time
	due   string // condition on a row of incidents, where its time is the first column named
	order string
	do    func(ctx context.Context, tx querier, i incidents.Incident, now time.Time) (incidents.Change, error)
}

var clockworks = []clockwork{
	{
		doing: "escalate", order: "next_escalation_at",
		due: "state = 'triggered' and next_escalation_at <= clock_timestamp() and held = '' and resolve_at is null",
		at:  func(i incidents.Incident) *time.Time { return i.NextEscalationAt },
		do: func(ctx context.Context, tx querier, i incidents.Incident, now time.Time) (incidents.Change, error) {
			r, err := callable(ctx, tx, now, i.Policy)
			return i.Escalate(r, now), err
		},
	},
	{
		doing: "page the fallback of", order: "fallback_at",
		due: "state = 'triggered' and fallback_at <= clock_timestamp() and held = '' and resolve_at is null",
		at:  func(i incidents.Incident) *time.Time { return i.FallbackAt },
		do: func(ctx context.Context, tx querier, i incidents.Incident, now time.Time) (incidents.Change, error) {
			t, err := tally(ctx, tx, i)
			if err != nil {
				return incidents.Change{}, err
			}
			r, err := callable(ctx, tx, now, i.Policy)
			return i.FallBack(t, r, now), err
		},
	},
	{
		doing: "end the acknowledgement of", order: "return_at",
		due: "state = 'acknowledged' and return_at <= clock_timestamp() and held = '' and resolve_at is null",
		at:  func(i incidents.Incident) *time.Time { return i.ReturnAt },
		do: func(ctx context.Context, tx querier, i incidents.Incident, now time.Time) (incidents.Change, error) {
			r, err := callable(ctx, tx, now, i.Policy)
			return i.Return(r, now), err
		},
	},
	{
		doing: "raise the urgency of", order: "raise_at",
		due: "state = 'triggered' and raise_at <= clock_timestamp() and held = '' and resolve_at is null",
		at:  func(i incidents.Incident) *time.Time { return i.RaiseAt },
		do: func(ctx context.Context, tx querier, i incidents.Incident, now time.Time) (incidents.Change, error) {
			r, err := callable(ctx, tx, now, i.Policy)
			return i.SupportBegins(r, now), err
		},
	},
	{
		doing: "resolve", order: "resolve_at",
		due: "state <> 'resolved' and resolve_at <= clock_timestamp()",
		at:  func(i incidents.Incident) *time.Time { return i.ResolveAt },
		do: func(ctx context.Context, tx querier, i incidents.Incident, now time.Time) (incidents.Change, error) {
			paged, err := lockPaged(ctx, tx, i)
			return i.Calm(paged, now), err
		},
	},
	{
		doing: "resolve what nobody has resolved:", order: "auto_resolve_at",
		due: "state <> 'resolved' and auto_resolve_at <= clock_timestamp()",
		at:  func(i incidents.Incident) *time.Time { return i.AutoResolveAt },
		do: func(ctx context.Context, tx querier, i incidents.Incident, now time.Time) (incidents.Change, error) {
			paged, err := lockPaged(ctx, tx, i)
			return i.Expire(paged, now), err
		},
	},
}

const dueIncidentSQL = `
select ` + incidentColumns + `
from incidents
where %s and not id = any(@failed::uuid[])
order by %s
limit 1
for no key update skip locked`

// EscalateDue does what time asks of up to most incidents and returns for how many: the next step, a step's fallback, the
// resolution after a calm. What an incident does and its pages are committed together, so that any number of replicas may
// call it at once. One incident that fails does not hold up the others; the error joins what failed.
func (d *DB) EscalateDue(ctx context.Context, most int) (int, error) {
	taken := 0
	var faults []error
	for _, c := range clockworks {
		n, err := d.strike(ctx, c, most)
		taken += n
		faults = append(faults, err)
	}
	return taken, errors.Join(faults...)
}

func (d *DB) strike(ctx context.Context, c clockwork, most int) (int, error) {
	var (
		failed []string
		faults []error
		taken  int
	)
	for taken+len(failed) < most {
		id, err := d.strikeOne(ctx, c, failed)
		switch {
		case err != nil && id == "":
			return taken, errors.Join(append(faults, explain(ctx, err, c.doing+" incidents"))...)
		case err != nil:
			failed, faults = append(failed, id), append(faults, explain(ctx, err, c.doing+" incident "+id))
		case id == "":
			return taken, errors.Join(faults...)
		default:
			taken++
		}
	}
	return taken, errors.Join(faults...)
}

// strikeOne returns the incident it worked on, "" for none.
func (d *DB) strikeOne(ctx context.Context, c clockwork, failed []string) (id string, err error) {
	err = d.paging.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		id = ""
		sql := fmt.Sprintf(dueIncidentSQL, c.due, c.order)
		due, err := rows(ctx, tx, sql, pgx.NamedArgs{"failed": append([]string{}, failed...)}, scanIncident)
		if err != nil || len(due) == 0 {
			return err
		}
		before := due[0]
		id = before.ID
		// The row may have become due a moment after the transaction began.
		change, err := c.do(ctx, tx, before, later(now, *c.at(before)))
		if err != nil {
			return err
		}
		batch := &pgx.Batch{}
		writes{batch}.change(change)
		if change.Incident.State == incidents.Resolved {
			record(batch, access.System("alerts"), before.Tenant, "incident.resolve", "incident/"+id,
				map[string]any{"severity": before.Severity, "title": before.Title, "slo": before.SLO})
		}
		return send(ctx, tx, batch)
	})
	return id, err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// A page was accepted when its provider took it and has not told since that it could not be delivered.
const tallySQL = `
select count(*) filter (where last and accepted), count(*) filter (where last and state in ('pending', 'sending')),
    coalesce(bool_or(accepted), false), count(*) filter (where attempts = 0 and state = 'pending' and next_at <= clock_timestamp() or attempts <= 1 and state = 'sending'),
    count(*), coalesce(min(created_at), clock_timestamp()), array_agg(distinct coalesce(nullif(person, ''), target_key)) filter (where last)
from (
    select p.person, p.target_key, p.state, p.attempts, p.created_at, p.next_at, (p.turn, p.step, p.loop) = (@turn, @step, @loop) as last,
        p.state = 'sent' and not exists (
            select from attempts a
            where (a.tenant_id, a.page_id, a.outcome) = (p.tenant_id, p.id, 'sent') and a.undelivered <> '' and a.delivered_at is null
        ) as accepted
    from pages p
    where (p.tenant_id, p.incident_id, p.action) = (@tenant, @incident, 'trigger')
) as pages`

// tally counts what became of the pages of an incident that is locked.
func tally(ctx context.Context, tx querier, i incidents.Incident) (incidents.Tally, error) {
	found, err := rows(ctx, tx, tallySQL, pgx.NamedArgs{"tenant": i.Tenant, "incident": i.ID, "turn": i.Turn, "step": i.Step, "loop": i.Loop},
		pgx.RowToStructByPos[incidents.Tally])
	if err != nil || len(found) == 0 {
		return incidents.Tally{}, err
	}
	return found[0], nil
}
