package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// Declaring is an incident that somebody opens by hand.
type Declaring struct {
	incidents.Declaration
	Fingerprints []string // of alerts that fire and that it stands for
	Matrix       incidents.Matrix
	// Policy says who is paged, once title and service are known.
	Policy func(incidents.Declaration) (incidents.Policy, error)
	Router incidents.Router
}

// Declare opens an incident by hand and pages as its severity asks for. It needs the role responder. An alert that does
// not fire is a fault.Invalid, one that another open incident stands for a fault.Conflict that names it; for other errors
// see incidents.Declaration.Check.
func (d *DB) Declare(ctx context.Context, who access.Principal, want Declaring) (incidents.Incident, error) {
	var opened incidents.Incident
	want.Trace = traceOf(ctx)
	err := d.join(ctx, who, func(ctx context.Context, tx querier, now time.Time) error {
		found, err := firingOf(ctx, tx, lockDeclaredSQL, pgx.NamedArgs{"tenant": want.Tenant, "fingerprints": want.Fingerprints})
		if err != nil {
			return err
		}
		if err := free(ctx, tx, want.Fingerprints, found); err != nil {
			return err
		}
		declaration := want.Declaration
		declaration.Alerts = signals(want.Router, found, now)
		if declaration, err = declaration.Check(want.Matrix); err != nil {
			return err
		}
		if err := needAccount(ctx, tx, "commander", declaration.Commander); err != nil {
			return err
		}
		policy, err := want.Policy(declaration)
		if err != nil {
			return err
		}
		roster, err := callable(ctx, tx, now, policy)
		if err != nil {
			return err
		}
		w := writes{&pgx.Batch{}}
		change := incidents.Declare(actor(who), declaration, policy, roster, uuid.NewString(), now)
		w.open(change)
		w.move(change.Incident, found)
		record(w.Batch, who, change.Incident.Tenant, "incident.declare", "incident/"+change.Incident.ID, map[string]any{
			"title": change.Incident.Title, "level": change.Incident.Level, "severity": change.Incident.Severity, "alerts": len(found)})
		opened, err = w.done(ctx, tx, change.Incident.ID)
		return err
	})
	return opened, err
}

// Reopen opens a new incident where a resolved one ended; its alerts that fire still come along. It needs the role
// responder. Where another incident of the same trouble is open that is a fault.Conflict that names it; for other errors
// see incidents.Incident.Reopen.
func (d *DB) Reopen(ctx context.Context, who access.Principal, id, reason string, policy func(incidents.Incident) incidents.Policy) (incidents.Incident, error) {
	var opened incidents.Incident
	err := d.join(ctx, who, func(ctx context.Context, tx querier, now time.Time) error {
		before, err := seen(ctx, tx, id)
		if err != nil {
			return err
		}
		found, err := firingOf(ctx, tx, lockOfIncidentSQL, pgx.NamedArgs{"tenant": before.Tenant, "incident": before.ID})
		if err != nil {
			return err
		}
		if before, err = lockIncident(ctx, tx, before.ID); err != nil {
			return err
		}
		p := policy(before)
		roster, err := callable(ctx, tx, now, p)
		if err != nil {
			return err
		}
		change, closed, err := before.Reopen(actor(who), reason, p, roster, uuid.NewString(), now)
		if err != nil {
			return err
		}
		w := writes{&pgx.Batch{}}
		w.Queue(insertIncidentSQL, incidentArgs(change.Incident)).Exec(taken)
		if err := send(ctx, tx, w.Batch); err != nil {
			return d.sameTrouble(ctx, tx, before, err)
		}
		w = writes{&pgx.Batch{}}
		w.rest(change)
		w.rest(closed)
		w.move(change.Incident, found)
		record(w.Batch, who, before.Tenant, "incident.reopen", "incident/"+before.ID, map[string]any{"as": change.Incident.ID, "reason": reason})
		opened, err = w.done(ctx, tx, change.Incident.ID)
		return err
	})
	return opened, err
}

// sameTrouble names the open incident that keeps another of its group from being opened.
func (d *DB) sameTrouble(ctx context.Context, tx querier, before incidents.Incident, err error) error {
	if !errors.Is(err, errRaced) {
		return err
	}
	open, err := rows(ctx, tx, "select "+incidentColumns+" from incidents where (tenant_id, group_key) = (@tenant, @group) and state <> 'resolved'",
		pgx.NamedArgs{"tenant": before.Tenant, "group": before.GroupKey}, scanIncident)
	if err != nil || len(open) == 0 {
		return errRaced
	}
	return fault.New(fault.Conflict, "incident %d is open for the same trouble already", open[0].Number)
}

// Merge makes an incident part of another, into, and moves its alerts and open tasks there. It needs the role responder. It
// returns into. For errors see incidents.Incident.Merge.
func (d *DB) Merge(ctx context.Context, who access.Principal, id, into, reason string) (incidents.Incident, error) {
	var after incidents.Incident
	err := d.join(ctx, who, func(ctx context.Context, tx querier, now time.Time) error {
		m := merging{tx: tx, now: now}
		if err := m.lock(ctx, id, into); err != nil {
			return err
		}
		paged, err := lockPaged(ctx, tx, m.source)
		if err != nil {
			return err
		}
		roster, err := callable(ctx, tx, now, m.into.Policy, m.source.Policy)
		if err != nil {
			return err
		}
		target, source, err := m.into.Merge(actor(who), m.source, reason, len(m.alerts), paged, roster, now)
		if err != nil {
			return err
		}
		w := writes{&pgx.Batch{}}
		w.change(source)
		w.change(target)
		w.move(target.Incident, m.alerts)
		args := pgx.NamedArgs{"tenant": m.source.Tenant, "source": m.source.ID, "group": m.source.GroupKey, "into": m.into.ID}
		for _, sql := range []string{aliasSQL, repointSQL, moveTasksSQL, moveSubscribersSQL} {
			w.Queue(sql, args)
		}
		for _, i := range []incidents.Incident{m.source, m.into} {
			record(w.Batch, who, i.Tenant, "incident.merge", "incident/"+i.ID, map[string]any{"source": m.source.ID, "into": m.into.ID, "reason": reason})
		}
		if err := send(ctx, tx, w.Batch); err != nil {
			return err
		}
		if err := weigh(ctx, tx, now, roster, target.Incident); err != nil {
			return err
		}
		after, err = seen(ctx, tx, m.into.ID)
		return err
	})
	return after, err
}

const (
	aliasSQL = `
insert into incident_aliases (tenant_id, group_key, incident_id) values (@tenant, @group, @into::uuid)
on conflict (tenant_id, group_key) do update set incident_id = excluded.incident_id`

	repointSQL = `update incident_aliases set incident_id = @into::uuid where (tenant_id, incident_id) = (@tenant, @source::uuid)`

	moveTasksSQL = `
update incident_tasks t set incident_id = @into::uuid, revision = revision + 1,
    number = m.number + (select coalesce(max(number), 0) from incident_tasks o where (o.tenant_id, o.incident_id) = (@tenant, @into::uuid))
from (select number as was, row_number() over (order by number) as number from incident_tasks
    where (tenant_id, incident_id, state) = (@tenant, @source::uuid, 'open')) m
where (t.tenant_id, t.incident_id, t.number) = (@tenant, @source::uuid, m.was)`

	moveSubscribersSQL = `
insert into subscribers (tenant_id, address, incident_tenant, incident_id, public_only, created_by, created_at)
select tenant_id, address, incident_tenant, @into::uuid, public_only, created_by, created_at
from subscribers where incident_id = @source::uuid
on conflict on constraint subscribers_once do nothing`
)

// merging is what a merge locks: the alerts of the source by fingerprint, then both incidents by id.
type merging struct {
	tx           querier
	now          time.Time
	alerts       []stored
	source, into incidents.Incident
}

func (m *merging) lock(ctx context.Context, id, into string) error {
	source, err := seen(ctx, m.tx, id)
	if err != nil {
		return err
	}
	target, err := seen(ctx, m.tx, into)
	if err != nil {
		return err
	}
	if m.alerts, err = firingOf(ctx, m.tx, lockOfIncidentSQL, pgx.NamedArgs{"tenant": source.Tenant, "incident": source.ID}); err != nil {
		return err
	}
	both, err := rows(ctx, m.tx, "select "+incidentColumns+" from incidents where id = any(@ids::uuid[]) order by id for no key update",
		pgx.NamedArgs{"ids": []string{source.ID, target.ID}}, scanIncident)
	if err != nil {
		return err
	}
	for _, i := range both {
		if i.ID == source.ID {
			m.source = i
		}
		if i.ID == target.ID {
			m.into = i
		}
	}
	return whole(ctx, m.tx, m.source, m.alerts)
}

// Split makes an incident of its own out of alerts that fire in one. It needs the role responder. It returns the new one.
// Alerts that do not fire in it are a fault.Invalid; for other errors see incidents.Incident.Split.
func (d *DB) Split(ctx context.Context, who access.Principal, id string, fingerprints []string, title, reason string, r incidents.Router) (incidents.Incident, error) {
	var opened incidents.Incident
	err := d.join(ctx, who, func(ctx context.Context, tx querier, now time.Time) error {
		before, err := seen(ctx, tx, id)
		if err != nil {
			return err
		}
		all, err := firingOf(ctx, tx, lockOfIncidentSQL, pgx.NamedArgs{"tenant": before.Tenant, "incident": before.ID})
		if err != nil {
			return err
		}
		if before, err = lockIncident(ctx, tx, before.ID); err != nil {
			return err
		}
		leaving, err := among(all, fingerprints, before)
		if err != nil {
			return err
		}
		roster, err := callable(ctx, tx, now, before.Policy)
		if err != nil {
			return err
		}
		kept, split, err := before.Split(actor(who), incidents.Splitting{Title: title, Alerts: signals(r, leaving, now),
			Rest: len(all) - len(leaving), Reason: reason}, roster, uuid.NewString(), now)
		if err != nil {
			return err
		}
		w := writes{&pgx.Batch{}}
		w.open(split)
		w.change(kept)
		w.move(split.Incident, leaving)
		record(w.Batch, who, before.Tenant, "incident.split", "incident/"+before.ID, map[string]any{"as": split.Incident.ID, "alerts": fingerprints, "reason": reason})
		if err := send(ctx, tx, w.Batch); err != nil {
			return err
		}
		if err := weigh(ctx, tx, now, roster, kept.Incident, split.Incident); err != nil {
			return err
		}
		opened, err = seen(ctx, tx, split.Incident.ID)
		return err
	})
	return opened, err
}

// join runs what makes, joins or parts incidents in one transaction.
func (d *DB) join(ctx context.Context, who access.Principal, do func(context.Context, querier, time.Time) error) error {
	if err := who.Require(access.Responder); err != nil {
		return err
	}
	return explain(ctx, d.paging.change(ctx, who.Scope(), do), "change incidents")
}

// seen reads an incident without locking it.
func seen(ctx context.Context, tx querier, idOrNumber string) (incidents.Incident, error) {
	r := refer(idOrNumber)
	found, err := rows(ctx, tx, "select "+incidentColumns+" from incidents where "+r.where, r.args(), scanIncident)
	if err == nil && len(found) == 0 {
		err = notThere(idOrNumber)
	}
	if err != nil {
		return incidents.Incident{}, err
	}
	return found[0], nil
}

const (
	lockDeclaredSQL = `
select id, ` + alertColumns + ` from alerts
where open and tenant_id = @tenant and fingerprint = any(@fingerprints::text[]) order by tenant_id, fingerprint for no key update`

	lockOfIncidentSQL = `
select id, ` + alertColumns + ` from alerts
where open and (tenant_id, incident_id) = (@tenant, @incident::uuid) order by tenant_id, fingerprint for no key update`
)

// firingOf locks alerts that fire, by fingerprint.
func firingOf(ctx context.Context, tx querier, sql string, args pgx.NamedArgs) ([]stored, error) {
	if named, ok := args["fingerprints"].([]string); ok && len(named) == 0 {
		return nil, nil
	}
	return rows(ctx, tx, sql, args, scanStored)
}

func signals(r incidents.Router, all []stored, now time.Time) []incidents.Signal {
	return column(all, func(s stored) incidents.Signal {
		a := s.Alert
		return r.Signal(incidents.AlertFacts{Tenant: a.Tenant, Fingerprint: a.Fingerprint, Labels: a.Labels, Annotations: a.Annotations,
			StartsAt: a.StartsAt, EndsAt: a.EndsAt}, now)
	})
}

// free returns an error unless all the alerts named fire, and none has an incident that is open.
func free(ctx context.Context, tx querier, named []string, found []stored) error {
	for _, f := range named {
		if !slices.ContainsFunc(found, func(s stored) bool { return s.Fingerprint == f }) {
			return fault.New(fault.Invalid, "alerts: none that fires has the fingerprint %q", f)
		}
	}
	for _, s := range found {
		if s.Incident == "" {
			continue
		}
		i, err := seen(ctx, tx, s.Incident)
		if err != nil {
			return err
		}
		if i.State != incidents.Resolved {
			return fault.New(fault.Conflict, "alerts: incident %d stands for %s already; act on that one, or split the alert from it",
				i.Number, s.Labels["alertname"])
		}
	}
	return nil
}

// among returns those of an incident's alerts that are named.
func among(all []stored, named []string, i incidents.Incident) ([]stored, error) {
	var found []stored
	for _, f := range named {
		at := slices.IndexFunc(all, func(s stored) bool { return s.Fingerprint == f })
		switch {
		case at < 0:
			return nil, fault.New(fault.Invalid, "alerts: none that fires in incident %d has the fingerprint %q", i.Number, f)
		case !slices.ContainsFunc(found, func(s stored) bool { return s.Fingerprint == f }):
			found = append(found, all[at])
		}
	}
	return found, nil
}

// whole returns errRaced where an alert joined the incident between the two locks.
func whole(ctx context.Context, tx querier, i incidents.Incident, locked []stored) error {
	n, err := one(rows(ctx, tx, `select count(*) from alerts where open and (tenant_id, incident_id) = (@tenant, @incident::uuid)`,
		pgx.NamedArgs{"tenant": i.Tenant, "incident": i.ID}, pgx.RowTo[int]))
	if err == nil && n != len(locked) {
		err = errRaced
	}
	return err
}

// open queues a new incident with what belongs to it.
func (w writes) open(c incidents.Change) {
	w.Queue(insertIncidentSQL, incidentArgs(c.Incident)).Exec(taken)
	w.rest(c)
}

// taken returns errRaced where an insert found its place taken.
func taken(tag pgconn.CommandTag) error {
	if tag.RowsAffected() == 0 {
		return errRaced
	}
	return nil
}

const moveAlertsSQL = `update alerts set incident_id = @incident::uuid where tenant_id = @tenant and id = any(@rows::bigint[])`

// move makes an incident stand for alerts, which are locked.
func (w writes) move(to incidents.Incident, all []stored) {
	if len(all) > 0 {
		w.Queue(moveAlertsSQL, pgx.NamedArgs{"tenant": to.Tenant, "incident": to.ID, "rows": column(all, func(s stored) int64 { return s.id })})
		announce(w.Batch, Change{Topic: TopicAlert, Tenant: to.Tenant})
	}
}

// done sends what is queued and reads an incident as it is then.
func (w writes) done(ctx context.Context, tx querier, id string) (incidents.Incident, error) {
	if err := send(ctx, tx, w.Batch); err != nil {
		return incidents.Incident{}, err
	}
	return seen(ctx, tx, id)
}

// weigh holds or releases incidents by whether any of their alerts may page now.
func weigh(ctx context.Context, tx querier, now time.Time, r incidents.Roster, all ...incidents.Incident) error {
	found, err := tx.Query(ctx, voicesSQL, pgx.NamedArgs{
		"tenants": column(all, func(i incidents.Incident) string { return i.Tenant }),
		"ids":     column(all, func(i incidents.Incident) string { return i.ID }), "most": manyVoices,
	})
	if err != nil {
		return err
	}
	heard := map[string]voices{}
	var id string
	var v struct {
		firing, loud int
		muted        *alerting.Verdict
	}
	_, err = pgx.ForEachRow(found, []any{&id, &v.firing, &v.loud, &v.muted}, func() error {
		heard[id] = voices{firing: v.firing, loud: v.loud, muted: v.muted}
		v.muted = nil
		return nil
	})
	if err != nil {
		return err
	}
	w := writes{&pgx.Batch{}}
	for _, i := range all {
		v, ok := heard[i.ID]
		var c incidents.Change
		switch {
		case ok && i.Held == "" && v.firing > 0 && v.loud == 0 && i.DeclaredBy == "":
			c = i.Hold((&intake{}).why(v.muted), now)
		case ok && i.Held != "" && v.loud > 0:
			c = i.Release(r, now)
		}
		if len(c.Events) > 0 {
			w.change(c)
		}
	}
	return send(ctx, tx, w.Batch)
}
