package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

// lookBack is how long after its resolution an incident is looked at for whether it has to be reviewed.
const lookBack = 24 * time.Hour

// What was taken over from another tool was its people's to review.
const undutifulSQL = `
select ` + incidentColumns + `
from incidents i
where state = 'resolved' and group_key not like 'past/%' and merged_into is null and (resolved_at > clock_timestamp() - @since::interval or postmortem_required is not null) and number > @after
    and not exists (select from postmortem_duties d where (d.tenant_id, d.incident_id) = (i.tenant_id, i.id))
order by number limit @most`

// undutifulPage is how many incidents are looked at in one question; a storm leaves many.
const undutifulPage = 500

const insertDutySQL = `
insert into postmortem_duties (tenant_id, incident_id, policy, reason, owner, template, every, required_at, due_at, remind_at)
values (@tenant, @incident, @policy, @reason, @owner, @template, @every, @required, @due, @remind)
on conflict on constraint postmortem_duties_pkey do nothing
returning 1`

// AssignDuties makes the review of resolved incidents a duty where demand asks for it, once for each incident: with its
// due time, its owner (who acknowledged), an entry on the timeline and an audit record. It returns how many are new, and
// may run as often as one likes, on any replica.
func (d *DB) AssignDuties(ctx context.Context, demand func(incidents.Incident) (incidents.Duty, bool)) (int, error) {
	assigned := 0
	for after := int64(0); ; {
		found, err := read(ctx, d.api, access.Operator(), undutifulSQL, pgx.NamedArgs{"since": lookBack, "after": after, "most": undutifulPage}, scanIncident)
		if err != nil {
			return assigned, explain(ctx, err, "look for incidents to review")
		}
		for _, i := range found {
			after = i.Number
			duty, ok := demand(i)
			if !ok {
				continue
			}
			fresh, err := d.assignDuty(ctx, i, duty)
			if err != nil {
				return assigned, explain(ctx, err, "make a review a duty")
			}
			if fresh {
				assigned++
			}
		}
		if len(found) < undutifulPage {
			return assigned, nil
		}
	}
}

func (d *DB) assignDuty(ctx context.Context, i incidents.Incident, duty incidents.Duty) (fresh bool, err error) {
	owner := i.AcknowledgedBy
	if incidents.CheckOwner("owner", owner) != nil {
		owner = ""
	}
	args := pgx.NamedArgs{"tenant": i.Tenant, "incident": i.ID, "policy": duty.Policy, "reason": duty.Reason, "owner": owner, "template": duty.Template,
		"every": duty.Every, "required": duty.RequiredAt, "due": duty.DueAt, "remind": duty.Chase().First}
	who := access.System("postmortems")
	err = d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		made, err := rows(ctx, tx, insertDutySQL, args, pgx.RowTo[int])
		if fresh = len(made) > 0; err != nil || !fresh {
			return err
		}
		before, err := lockIncident(ctx, tx, i.ID)
		if err != nil {
			return err
		}
		w := writes{&pgx.Batch{}}
		if change, ok := before.DemandPostmortem(duty, now); ok {
			w.Queue(setPostmortemSQL, pgx.NamedArgs{"tenant": before.Tenant, "id": before.ID, "requirement": change.Incident.PostmortemRequired})
			w.rest(change)
		}
		record(w.Batch, who, i.Tenant, "postmortem.require", "incident/"+i.ID, map[string]any{"policy": duty.Policy, "due": duty.DueAt, "owner": owner})
		return send(ctx, tx, w.Batch)
	})
	return fresh, err
}

const dutySource = `
from postmortem_duties d
join incidents i on (i.tenant_id, i.id) = (d.tenant_id, d.incident_id)
left join postmortem_incidents l on (l.incident_tenant, l.incident_id) = (d.tenant_id, d.incident_id)
left join postmortems p on (p.tenant_id, p.id) = (l.tenant_id, l.postmortem_id)
where coalesce(p.state, '') not in ('reviewed', 'closed')`

const dutyColumns = `i.id::text, i.number, i.tenant_id, i.title, i.service, i.severity, d.policy, d.reason, coalesce(nullif(p.owner, ''), d.owner), d.template,
    d.every, d.required_at, d.due_at, coalesce(p.number, 0), coalesce(p.state, '')`

func dutyFields(d *incidents.Duty) []any {
	i := &d.Incident
	return []any{&i.ID, &i.Number, &i.Tenant, &i.Title, &i.Service, &i.Severity, &d.Policy, &d.Reason, &d.Owner, &d.Template, &d.Every, &d.RequiredAt,
		&d.DueAt, &d.Postmortem, &d.State}
}

const dutiesSQL = `
select ` + dutyColumns + dutySource + ` and (not @overdue or d.due_at < clock_timestamp())
order by d.due_at, i.number limit 500`

// Duties returns the reviews that are required and not done, the first due first; overdue leaves out those that still have
// time. They are the operator's own.
func (d *DB) Duties(ctx context.Context, who access.Principal, overdue bool) ([]incidents.Duty, error) {
	if err := mayReview(who, access.Viewer); err != nil {
		return nil, err
	}
	found, err := read(ctx, d.api, who.Scope(), dutiesSQL, pgx.NamedArgs{"overdue": overdue}, func(row pgx.CollectableRow) (v incidents.Duty, err error) {
		return v, row.Scan(dutyFields(&v)...)
	})
	return found, explain(ctx, err, "list reviews that are due")
}

// DutyOf returns the duty of an incident, false where it has none.
func (d *DB) DutyOf(ctx context.Context, scope access.Scope, incident string) (incidents.Duty, bool, error) {
	found, err := read(ctx, d.api, scope, `select `+dutyColumns+dutySource+` and i.id::text = @id`, pgx.NamedArgs{"id": incident},
		func(row pgx.CollectableRow) (v incidents.Duty, err error) { return v, row.Scan(dutyFields(&v)...) })
	if err != nil || len(found) == 0 {
		return incidents.Duty{}, false, explain(ctx, err, "read when a review is due")
	}
	return found[0], true, nil
}

// OverdueReviews counts the postmortems and the action items whose time has passed.
func (d *DB) OverdueReviews(ctx context.Context) (postmortems, actions int, err error) {
	found, err := read(ctx, d.api, access.Operator(), `
		select (select count(*)`+dutySource+` and d.due_at < clock_timestamp())::int,
			(select count(*) from action_items where state = 'open' and due_at < clock_timestamp())::int`, nil,
		func(row pgx.CollectableRow) (n [2]int, err error) { return n, row.Scan(&n[0], &n[1]) })
	if err != nil {
		return 0, 0, explain(ctx, err, "count what is overdue")
	}
	return found[0][0], found[0][1], nil
}

// Reminder is one e-mail that reminds somebody.
type Reminder struct {
	ID        int64
	Tenant    string
	Recipient string
	Subject   string
	Text      string
	Attempts  int // this one included
}

// The reminders that are due are locked, so that one replica plans each; the key of reminders takes what is left.
const (
	dutiesToRemindSQL = `
select ` + dutyColumns + `, d.reminded` + dutySource + ` and d.remind_at <= clock_timestamp()
order by d.remind_at limit 100 for no key update of d skip locked`

	dutyRemindedSQL = `update postmortem_duties set reminded = @step, remind_at = @again where (tenant_id, incident_id) = (@tenant, @incident::uuid)`

	actionsToRemindSQL = `
select ` + actionColumns + `, a.reminded from ` + actionSource + `
where a.state = 'open' and a.remind_at <= clock_timestamp()
order by a.remind_at limit 100 for no key update of a skip locked`

	actionRemindedSQL = `update action_items set reminded = @step, remind_at = @again where (tenant_id, id) = (@tenant, @id::uuid)`

	insertReminderSQL = `
insert into reminders (tenant_id, kind, subject_id, due_at, step, recipient, subject, text)
select @tenant, @kind, @of::uuid, @due, @step, @to, @subject, @text where @to <> ''
on conflict on constraint reminders_once do nothing`
)

// PlanReminders writes down the reminders whose time has come: an e-mail to the owner, and for a postmortem also a line in
// the threads of its incident. What status updates are due goes to subscribers and audiences. Each is planned once, whatever the number of replicas; it returns how many were.
func (d *DB) PlanReminders(ctx context.Context, say incidents.Reminding, audiences []incidents.Audience) (int, error) {
	planned := 0
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		planned = 0
		w := writes{&pgx.Batch{}}
		if err := planDuties(ctx, tx, w, say, now, &planned); err != nil {
			return err
		}
		if err := planActions(ctx, tx, w, say, now, &planned); err != nil {
			return err
		}
		if err := planRoom(ctx, tx, w, say, audiences, now, &planned); err != nil {
			return err
		}
		return send(ctx, tx, w.Batch)
	})
	return planned, explain(ctx, err, "plan reminders")
}

type dueDuty struct {
	incidents.Duty
	reminded int
}

func planDuties(ctx context.Context, tx querier, w writes, say incidents.Reminding, now time.Time, planned *int) error {
	due, err := rows(ctx, tx, dutiesToRemindSQL, nil, func(row pgx.CollectableRow) (v dueDuty, err error) {
		return v, row.Scan(append(dutyFields(&v.Duty), &v.reminded)...)
	})
	if err != nil {
		return err
	}
	for _, v := range due {
		step, again := v.Chase().Next(v.reminded, now)
		if step == 0 {
			step = v.reminded
		} else {
			subject, text := say.Duty(v.Duty, now)
			w.Queue(insertReminderSQL, pgx.NamedArgs{"tenant": v.Incident.Tenant, "kind": "postmortem", "of": v.Incident.ID, "due": v.DueAt, "step": step,
				"to": v.Owner, "subject": subject, "text": text})
			i, err := one(rows(ctx, tx, "select "+incidentColumns+" from incidents where id = @id::uuid", pgx.NamedArgs{"id": v.Incident.ID}, scanIncident))
			if err != nil {
				return err
			}
			for _, page := range i.TellThreads(text, now) {
				w.page(page)
			}
			*planned++
		}
		w.Queue(dutyRemindedSQL, pgx.NamedArgs{"tenant": v.Incident.Tenant, "incident": v.Incident.ID, "step": step, "again": again})
	}
	return nil
}

type dueAction struct {
	incidents.ActionItem
	reminded int
}

func planActions(ctx context.Context, tx querier, w writes, say incidents.Reminding, now time.Time, planned *int) error {
	due, err := rows(ctx, tx, actionsToRemindSQL, nil, func(row pgx.CollectableRow) (v dueAction, err error) {
		a := &v.ActionItem
		return v, row.Scan(&a.ID, &a.Number, &a.Tenant, &a.Postmortem, &a.Incident, &a.Service, &a.Title, &a.Kind, &a.Owner, &a.DueAt, &a.State, &a.Reason,
			&a.Tracker, &a.TrackerKey, &a.TrackerURL, &a.SyncedAt, &a.SyncError, &a.CreatedBy, &a.CreatedAt, &a.UpdatedAt, &a.ClosedAt, &v.reminded)
	})
	if err != nil {
		return err
	}
	for _, v := range due {
		args := pgx.NamedArgs{"tenant": v.Tenant, "id": v.ID, "step": v.reminded, "again": nil}
		if chase, ok := v.Chase(); ok {
			step, again := chase.Next(v.reminded, now)
			args["again"] = again
			if step > 0 {
				args["step"] = step
				subject, text := say.Action(v.ActionItem, now)
				w.Queue(insertReminderSQL, pgx.NamedArgs{"tenant": v.Tenant, "kind": "action", "of": v.ID, "due": v.DueAt, "step": step,
					"to": v.Owner, "subject": subject, "text": text})
				*planned++
			}
		}
		w.Queue(actionRemindedSQL, args)
	}
	return nil
}

// Who claims a reminder pushes its next try ahead, which is the lease: a sender that dies leaves it to be sent again.
const claimRemindersSQL = `
with due as (
    select tenant_id, id from reminders where state = 'pending' and next_at <= clock_timestamp() order by next_at limit @most
    for no key update skip locked
)
update reminders r set attempts = r.attempts + 1, next_at = clock_timestamp() + @lease::interval
from due where (r.tenant_id, r.id) = (due.tenant_id, due.id)
returning r.id, r.tenant_id as tenant, r.recipient, r.subject, r.text, r.attempts`

// ClaimReminders leases up to most reminders that are to be sent.
func (d *DB) ClaimReminders(ctx context.Context, most int, lease time.Duration) (due []Reminder, err error) {
	err = d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		due, err = rows(ctx, tx, claimRemindersSQL, pgx.NamedArgs{"most": most, "lease": lease}, pgx.RowToStructByName[Reminder])
		return err
	})
	return due, explain(ctx, err, "claim reminders")
}

// The number of attempts fences: a sender that took the reminder over has raised it.
const finishReminderSQL = `
update reminders set state = @state, error = @error, next_at = clock_timestamp() + @again::interval,
    sent_at = case when @state = 'sent' then clock_timestamp() end
where (tenant_id, id, attempts) = (@tenant, @id, @attempts) and state = 'pending'`

// FinishReminder keeps how sending a reminder ended: NoticeSent, NoticeFailed, or NoticePending to try again after a time.
func (d *DB) FinishReminder(ctx context.Context, r Reminder, state, problem string, again time.Duration) error {
	args := pgx.NamedArgs{"tenant": r.Tenant, "id": r.ID, "attempts": r.Attempts, "state": state, "error": problem, "again": again}
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		_, err := tx.Exec(ctx, finishReminderSQL, args)
		return err
	})
	return explain(ctx, err, "keep how a reminder was sent")
}
