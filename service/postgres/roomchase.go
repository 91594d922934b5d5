package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
)

// endAfter is how long after an incident was resolved its people may tell that themselves, before it is told for them.
const endAfter = 5 * time.Minute

// What is due is locked, so that one replica sees to each.
const (
	updatesDueSQL = `
select ` + incidentColumns + ` from incidents
where state <> 'resolved' and update_due <= clock_timestamp()
order by id limit 100 for no key update skip locked`

	untoldSQL = `
select ` + incidentColumns + ` from incidents
where state = 'resolved' and phase not in ('', 'resolved') and merged_into is null and resolved_at <= clock_timestamp() - @after::interval
order by resolved_at limit 100 for no key update skip locked`

	lastUpdateSQL = `select ` + updateColumns + ` from incident_updates where (tenant_id, incident_id) = (@tenant, @incident) order by number desc limit 1`
)

// planRoom sees to the status updates that were promised and have not come, and to those that say that it is over.
func planRoom(ctx context.Context, tx querier, w writes, say incidents.Reminding, all []incidents.Audience, now time.Time, planned *int) error {
	due, err := rows(ctx, tx, updatesDueSQL, nil, scanIncident)
	if err != nil {
		return err
	}
	for _, i := range due {
		c := i.UpdateOverdue(now)
		if len(c.Events) == 0 {
			continue
		}
		if who := i.Speaker(); who != "" {
			subject, text := say.UpdateDue(i)
			w.letter("update_due", i, *i.UpdateDue, 1, who, subject, text)
		}
		w.change(c)
		*planned++
	}
	over, err := rows(ctx, tx, untoldSQL, pgx.NamedArgs{"after": endAfter}, scanIncident)
	if err != nil {
		return err
	}
	for _, i := range over {
		if err := tellEnd(ctx, tx, w, say, all, i, now); err != nil {
			return err
		}
		*planned++
	}
	return planTasks(ctx, tx, w, say, planned)
}

func tellEnd(ctx context.Context, tx querier, w writes, say incidents.Reminding, all []incidents.Audience, i incidents.Incident, now time.Time) error {
	last, err := one(rows(ctx, tx, lastUpdateSQL, pgx.NamedArgs{"tenant": i.Tenant, "incident": i.ID}, scanUpdate))
	if err != nil {
		return err
	}
	c, u, ok := i.TellEnd(last.Public, last.Number+1, now)
	if !ok {
		return nil
	}
	w.change(c)
	return w.publish(ctx, tx, c.Incident, u, say, all)
}

// A task that is overdue is told to its owner once for each time it was due; the key of reminders sees to that.
const tasksDueSQL = `
select t.tenant_id as tenant, t.incident_id::text as incident, t.number, t.text, t.owner, t.due_at, t.state, t.created_by, t.created_at,
    t.updated_at, t.closed_by, t.closed_at, t.revision
from incident_tasks t
where t.state = 'open' and t.owner <> '' and t.due_at <= clock_timestamp() and t.due_at > clock_timestamp() - interval '1 day'
    and not exists (select from reminders r where (r.tenant_id, r.kind, r.subject_id, r.due_at, r.recipient, r.step)
        = (t.tenant_id, 'task_due', t.incident_id, t.due_at, t.owner, t.number))
order by t.due_at limit 100 for no key update of t skip locked`

func planTasks(ctx context.Context, tx querier, w writes, say incidents.Reminding, planned *int) error {
	due, err := rows(ctx, tx, tasksDueSQL, nil, scanTask)
	if err != nil {
		return err
	}
	for _, t := range due {
		i, err := seen(ctx, tx, t.Incident)
		if err != nil {
			return err
		}
		subject, text := say.TaskDue(i, t)
		w.letter("task_due", i, *t.DueAt, t.Number, t.Owner, subject, text)
		*planned++
	}
	return nil
}
