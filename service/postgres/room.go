package postgres

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// Rate sets an incident's level, and pages by the policy where that is worse than what was paged for so far. It needs the
// role responder. For errors see incidents.Incident.Rate.
func (d *DB) Rate(ctx context.Context, who access.Principal, id string, want incidents.Rating, m incidents.Matrix, p incidents.Policy) (incidents.Incident, error) {
	detail := map[string]any{"level": want.Level, "impact": want.Impact, "reason": want.Reason}
	return d.calls(ctx, deed{who: who, action: "incident.rate", detail: detail, to: &p, call: func(s scene) (incidents.Change, error) {
		return s.incident.Rate(actor(who), want, m, p, s.roster, s.now)
	}}, id)
}

// Cast gives a role in an incident to somebody, and mails it to them where somebody else did. It needs the role responder.
// A person without an account of the operator's is a fault.Invalid; for other errors see incidents.Incident.Cast.
func (d *DB) Cast(ctx context.Context, who access.Principal, id string, want incidents.Casting, say incidents.Reminding) (incidents.Incident, error) {
	detail := map[string]any{"role": want.Role, "person": want.Person, "from": want.From}
	return d.calls(ctx, deed{who: who, action: "incident.cast", detail: detail, act: func(ctx context.Context, s scene, w writes) (incidents.Change, error) {
		c, err := s.incident.Cast(actor(who), want, s.now)
		person := c.Incident.Roles[want.Role]
		if err != nil || len(c.Events) == 0 || person == "" {
			return c, err
		}
		if err := needAccount(ctx, s.tx, "user", person); err != nil {
			return c, err
		}
		if !strings.EqualFold(person, who.Name) {
			subject, text := say.Role(c.Incident, want.Role, who.Name)
			w.letter("role", c.Incident, s.now, 1, person, subject, text)
		}
		return c, nil
	}}, id)
}

// needAccount returns a fault.Invalid unless an account of the operator's that is in use has the address.
func needAccount(ctx context.Context, tx querier, field, person string) error {
	if person == "" {
		return nil
	}
	missing, err := rows(ctx, tx, withoutAccountSQL, pgx.NamedArgs{"emails": []string{person}}, pgx.RowTo[string])
	if err == nil && len(missing) > 0 {
		err = fault.New(fault.Invalid, "%s: no account that is in use has the address %s", field, person)
	}
	return err
}

// letter queues an e-mail about an incident; the key of reminders takes what is told twice.
func (w writes) letter(kind string, i incidents.Incident, at time.Time, step int, to, subject, text string) {
	w.Queue(insertReminderSQL, pgx.NamedArgs{"tenant": i.Tenant, "kind": kind, "of": i.ID, "due": at, "step": step, "to": to, "subject": subject, "text": text})
}

const taskColumns = `tenant_id as tenant, incident_id::text as incident, number, text, owner, due_at, state, created_by, created_at, updated_at, closed_by,
    closed_at, revision`

var scanTask = pgx.RowToStructByName[incidents.Task]

// Tasks returns the tasks of an incident by number. They are the operator's own.
func (d *DB) Tasks(ctx context.Context, scope access.Scope, id string) ([]incidents.Task, error) {
	return ofIncident(ctx, d.api, scope, id, `
		select `+taskColumns+`
		from incident_tasks t where (t.tenant_id, t.incident_id) = (select tenant_id, id from incidents where %s)
		order by t.number`, scanTask, "read tasks")
}

const insertTaskSQL = `
insert into incident_tasks (tenant_id, incident_id, number, text, owner, due_at, state, created_by, created_at, updated_at, closed_by, closed_at, revision)
values (@tenant, @incident, @number, @text, @owner, @due, @state, @creator, @created, @updated, @closer, @closed, @revision)`

const updateTaskSQL = `
update incident_tasks set text = @text, owner = @owner, due_at = @due, state = @state, updated_at = @updated, closed_by = @closer,
    closed_at = @closed, revision = @revision
where (tenant_id, incident_id, number) = (@tenant, @incident, @number)`

func taskArgs(t incidents.Task) pgx.NamedArgs {
	return pgx.NamedArgs{"tenant": t.Tenant, "incident": t.Incident, "number": t.Number, "text": t.Text, "owner": t.Owner, "due": t.DueAt,
		"state": t.State, "creator": t.CreatedBy, "created": t.CreatedAt, "updated": t.UpdatedAt, "closer": t.ClosedBy, "closed": t.ClosedAt,
		"revision": t.Revision}
}

const lastNumberSQL = `select coalesce(max(number), 0) from %s where (tenant_id, incident_id) = (@tenant, @incident)`

// nextNumber returns the next number of what is counted within an incident, which is locked.
func nextNumber(ctx context.Context, tx querier, table string, i incidents.Incident) (int, error) {
	last, err := one(rows(ctx, tx, fmt.Sprintf(lastNumberSQL, table), pgx.NamedArgs{"tenant": i.Tenant, "incident": i.ID}, pgx.RowTo[int]))
	return last + 1, err
}

// AddTask makes a task of an incident, and mails it to its owner where that is somebody else. It needs the role responder.
// For errors see incidents.Incident.AddTask.
func (d *DB) AddTask(ctx context.Context, who access.Principal, id string, e incidents.TaskEdit, say incidents.Reminding) (task incidents.Task, err error) {
	_, err = d.calls(ctx, deed{who: who, action: "incident.task.add", act: func(ctx context.Context, s scene, w writes) (c incidents.Change, err error) {
		number, err := nextNumber(ctx, s.tx, "incident_tasks", s.incident)
		if err != nil {
			return incidents.Change{Incident: s.incident}, err
		}
		if c, task, err = s.incident.AddTask(actor(who), e, number, s.now); err != nil {
			return c, err
		}
		w.Queue(insertTaskSQL, taskArgs(task))
		return c, w.tellOwner(ctx, s, who, incidents.Task{}, task, say)
	}}, id)
	return task, err
}

// EditTask changes a task of an incident. It needs the role responder. One that is not there is a fault.NotFound; for other
// errors see incidents.Incident.EditTask.
func (d *DB) EditTask(ctx context.Context, who access.Principal, id string, number int, e incidents.TaskEdit, say incidents.Reminding) (task incidents.Task, err error) {
	detail := map[string]any{"task": number}
	_, err = d.calls(ctx, deed{who: who, action: "incident.task.edit", detail: detail, act: func(ctx context.Context, s scene, w writes) (incidents.Change, error) {
		c := incidents.Change{Incident: s.incident}
		found, err := rows(ctx, s.tx, `select `+taskColumns+` from incident_tasks where (tenant_id, incident_id, number) = (@tenant, @incident, @number)`,
			pgx.NamedArgs{"tenant": s.incident.Tenant, "incident": s.incident.ID, "number": number}, scanTask)
		switch {
		case err != nil:
			return c, err
		case len(found) == 0:
			return c, fault.New(fault.NotFound, "incident %d has no task %d", s.incident.Number, number)
		}
		before := found[0]
		if c, task, err = s.incident.EditTask(actor(who), before, e, s.now); err != nil || len(c.Events) == 0 {
			return c, err
		}
		w.Queue(updateTaskSQL, taskArgs(task))
		return c, w.tellOwner(ctx, s, who, before, task, say)
	}}, id)
	return task, err
}

// tellOwner mails a task to whom it was given.
func (w writes) tellOwner(ctx context.Context, s scene, who access.Principal, before, task incidents.Task, say incidents.Reminding) error {
	if task.Owner == before.Owner || task.Owner == "" {
		return nil
	}
	if err := needAccount(ctx, s.tx, "owner", task.Owner); err != nil {
		return err
	}
	if task.State == incidents.TaskOpen && !strings.EqualFold(task.Owner, who.Name) {
		subject, text := say.Task(s.incident, task, who.Name)
		w.letter("task", s.incident, s.now, task.Number, task.Owner, subject, text)
	}
	return nil
}

const updateColumns = `tenant_id as tenant, incident_id::text as incident, number, at, phase, text, public, next_at, actor, name`

var scanUpdate = pgx.RowToStructByName[incidents.StatusUpdate]

// Updates returns the status updates of an incident, the newest first: to a tenant's people those that are public.
func (d *DB) Updates(ctx context.Context, scope access.Scope, id string) ([]incidents.StatusUpdate, error) {
	return ofIncident(ctx, d.api, scope, id, `
		select `+updateColumns+`
		from incident_updates u where (u.tenant_id, u.incident_id) = (select tenant_id, id from incidents where %s)
		order by u.number desc limit 500`, scanUpdate, "read status updates")
}

const insertUpdateSQL = `
insert into incident_updates (tenant_id, incident_id, number, at, phase, text, public, next_at, actor, name)
values (@tenant, @incident, @number, @at, @phase, @text, @public, @next, @actor, @name)`

// Tell publishes a status update of an incident with the letters to its subscribers and the messages to audiences, all of it
// or nothing. It needs the role responder. For errors see incidents.Incident.Tell.
func (d *DB) Tell(ctx context.Context, who access.Principal, id string, st incidents.Statement, say incidents.Reminding, all []incidents.Audience) (u incidents.StatusUpdate, err error) {
	detail := map[string]any{"phase": st.Phase, "public": st.Public}
	_, err = d.calls(ctx, deed{who: who, action: "incident.tell", detail: detail, act: func(ctx context.Context, s scene, w writes) (c incidents.Change, err error) {
		number, err := nextNumber(ctx, s.tx, "incident_updates", s.incident)
		if err != nil {
			return incidents.Change{Incident: s.incident}, err
		}
		if c, u, err = s.incident.Tell(actor(who), st, number, s.now); err != nil {
			return c, err
		}
		return c, w.publish(ctx, s.tx, c.Incident, u, say, all)
	}}, id)
	return u, err
}

// publish writes a status update down and queues the letters to those who are to hear it.
func (w writes) publish(ctx context.Context, tx querier, i incidents.Incident, u incidents.StatusUpdate, say incidents.Reminding,
	audiences []incidents.Audience,
) error {
	for _, p := range u.Pages(i, audiences, u.At) {
		w.page(p)
	}
	w.Queue(insertUpdateSQL, pgx.NamedArgs{"tenant": u.Tenant, "incident": u.Incident, "number": u.Number, "at": u.At, "phase": u.Phase, "text": u.Text,
		"public": u.Public, "next": u.NextAt, "actor": u.Actor, "name": u.Name})
	all, err := rows(ctx, tx, audienceSQL, pgx.NamedArgs{"tenant": i.Tenant, "incident": i.ID, "service": i.Service}, scanSubscriber)
	if err != nil {
		return err
	}
	told := map[string]bool{}
	for _, s := range all {
		if told[s.Address] || !s.Hears(i, u) {
			continue
		}
		told[s.Address] = true
		subject, text := u.Letter(i, say.BaseURL, "/unsubscribe/"+s.ID)
		w.letter("update", i, u.At, u.Number, s.Address, subject, text)
	}
	return nil
}

const subscriberColumns = `id::text, tenant_id as tenant, address, coalesce(incident_id::text, '') as incident, service, level, public_only, created_by, created_at`

var scanSubscriber = pgx.RowToStructByName[incidents.Subscriber]

const audienceSQL = `
select ` + subscriberColumns + ` from subscribers
where tenant_id in ('', @tenant) and (incident_id = @incident::uuid or incident_id is null and service in ('', @service))
order by (incident_id is null), address`

// Subscribers returns who is told of status updates: of one incident where id is not "", else all standing ones. People who
// may not act see their own only.
func (d *DB) Subscribers(ctx context.Context, who access.Principal, id string) ([]incidents.Subscriber, error) {
	own := ""
	if who.Tenant != "" || who.Require(access.Responder) != nil {
		own = strings.ToLower(who.Name)
	}
	args := pgx.NamedArgs{"own": own}
	where := "incident_id is null"
	if id != "" {
		i, err := incident(ctx, d.api, who.Scope(), id)
		if err != nil {
			return nil, err
		}
		where, args["incident"] = "incident_id = @incident::uuid", i.ID
	}
	found, err := read(ctx, d.api, who.Scope(), `select `+subscriberColumns+` from subscribers where `+where+
		` and (@own = '' or address = @own) order by address, service limit 1000`, args, scanSubscriber)
	return found, explain(ctx, err, "list subscribers")
}

// MaxSubscribers bounds who is told of an incident, or stands for all, so that one update is a bounded number of letters.
const MaxSubscribers = 1000

const insertSubscriberSQL = `
insert into subscribers (tenant_id, address, incident_tenant, incident_id, service, level, public_only, created_by, created_at)
values (@tenant, @address, @incident_tenant, @incident::uuid, @service, @level, @public, @by, @at)
on conflict on constraint subscribers_once do update set level = excluded.level, public_only = excluded.public_only
returning ` + subscriberColumns

// Subscribe has an address told of status updates; subscribing again changes what of. People subscribe themselves, and
// with the role responder, among the operator's, others. A tenant's people hear of their own tenant's incidents what is
// public. A field out of bounds is a fault.Invalid, more than MaxSubscribers a fault.Conflict.
func (d *DB) Subscribe(ctx context.Context, who access.Principal, want incidents.Subscriber) (made incidents.Subscriber, err error) {
	want.Address = cmp.Or(strings.TrimSpace(want.Address), who.Name)
	if want, err = want.Check(); err != nil {
		return want, err
	}
	if !strings.EqualFold(want.Address, who.Name) {
		if who.Tenant != "" {
			return want, fault.New(fault.Forbidden, "address: you can subscribe your own address, %s, only", who.Name)
		}
		if err := who.Require(access.Responder); err != nil {
			return want, err
		}
	}
	want.Tenant, want.PublicOnly = who.Tenant, want.PublicOnly || who.Tenant != ""
	err = d.api.change(ctx, who.Scope(), func(ctx context.Context, tx querier, now time.Time) error {
		args := pgx.NamedArgs{"tenant": want.Tenant, "address": want.Address, "incident": nil, "incident_tenant": nil, "service": want.Service,
			"level": want.Level, "public": want.PublicOnly, "by": who.Name, "at": now}
		if want.Incident != "" {
			r := refer(want.Incident)
			found, err := rows(ctx, tx, "select "+incidentColumns+" from incidents where "+r.where, r.args(), scanIncident)
			if err != nil {
				return err
			}
			if len(found) == 0 {
				return notThere(want.Incident)
			}
			args["incident"], args["incident_tenant"] = found[0].ID, found[0].Tenant
		}
		stand, err := one(rows(ctx, tx, `select count(*) from subscribers where incident_id is not distinct from @incident::uuid and tenant_id = @tenant`,
			pgx.NamedArgs{"incident": args["incident"], "tenant": want.Tenant}, pgx.RowTo[int]))
		if err != nil {
			return err
		}
		if stand >= MaxSubscribers {
			return fault.New(fault.Conflict, "%d are subscribed already, the most there may be; use a mailing list's address", stand)
		}
		if made, err = one(rows(ctx, tx, insertSubscriberSQL, args, scanSubscriber)); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		record(batch, who, want.Tenant, "subscriber.add", "subscriber/"+made.ID, map[string]any{"address": made.Address, "incident": made.Incident,
			"service": made.Service, "level": made.Level, "publicOnly": made.PublicOnly})
		return send(ctx, tx, batch)
	})
	return made, explain(ctx, err, "subscribe")
}

// Unsubscribe ends a subscription: one's own, or with the role responder among the operator's any. One that is not there is
// a fault.NotFound.
func (d *DB) Unsubscribe(ctx context.Context, who access.Principal, id string) error {
	own := strings.ToLower(who.Name)
	if who.Tenant == "" && who.Require(access.Responder) == nil {
		own = ""
	}
	_, err := d.leave(ctx, who, id, own)
	return explain(ctx, err, "end a subscription")
}

// Leave ends the subscription whose id is known from a letter, and returns its address. That id is all it takes, so that
// whoever is told too much can end it without an account. One that is not there is a fault.NotFound.
func (d *DB) Leave(ctx context.Context, id string) (address string, err error) {
	address, err = d.leave(ctx, access.System("subscriber"), id, "")
	return address, explain(ctx, err, "end a subscription")
}

func (d *DB) leave(ctx context.Context, who access.Principal, id, own string) (address string, err error) {
	gone := fault.New(fault.NotFound, "there is no such subscription; it may have been ended already")
	if !isUUID(id) {
		return "", gone
	}
	err = d.api.change(ctx, who.Scope(), func(ctx context.Context, tx querier, _ time.Time) error {
		found, err := rows(ctx, tx, `delete from subscribers where id = @id::uuid and (@own = '' or address = @own) returning `+subscriberColumns,
			pgx.NamedArgs{"id": id, "own": own}, scanSubscriber)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return gone
		}
		address = found[0].Address
		batch := &pgx.Batch{}
		record(batch, who, found[0].Tenant, "subscriber.remove", "subscriber/"+id, map[string]any{"address": address})
		return send(ctx, tx, batch)
	})
	return address, err
}

const relatedSQL = `
with this as (select * from incidents where %s)
select r.relation, r.id::text, r.number, r.title, r.state, r.level from (
    select 'merged_into' as relation, o.* from this t join incidents o on (o.tenant_id, o.id) = (t.tenant_id, t.merged_into)
    union all select 'follows', o.* from this t join incidents o on (o.tenant_id, o.id) = (t.tenant_id, t.follows)
    union all select 'split_from', o.* from this t join incidents o on (o.tenant_id, o.id) = (t.tenant_id, t.split_from)
    union all select 'merged', o.* from this t join incidents o on (o.tenant_id, o.merged_into) = (t.tenant_id, t.id)
    union all select 'reopened_as', o.* from this t join incidents o on (o.tenant_id, o.follows) = (t.tenant_id, t.id)
    union all select 'split_off', o.* from this t join incidents o on (o.tenant_id, o.split_from) = (t.tenant_id, t.id)
) r order by r.number limit 200`

// Related returns the incidents that hang together with one, by number.
func (d *DB) Related(ctx context.Context, scope access.Scope, id string) ([]incidents.Related, error) {
	return ofIncident(ctx, d.api, scope, id, relatedSQL, pgx.RowToStructByPos[incidents.Related], "read related incidents")
}
