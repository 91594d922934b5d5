package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/runbooks"
)

const runColumns = `id, runbook, step, language, asked, coalesce(incident_id::text, '') as incident, incident_tenant, by_id as by, by_name, confirmed,
    began_at, took, outcome, output, truncated, error, approved_by, approved_name, expires_at`

var scanRun = pgx.RowToStructByName[runbooks.Run]

const askRunSQL = `
insert into runs (id, runbook, step, language, asked, incident_id, incident_tenant, by_id, by_name, confirmed, began_at, outcome, expires_at)
values (@id, @runbook, @step, @language, @asked, nullif(@incident, '')::uuid, @incident_tenant, @by, @by_name, false, @at, 'waiting', @expires)
returning ` + runColumns

// AskRun puts on record that somebody wants to run a step that somebody else has to approve, within runbooks.ApprovalTime, and
// tells the incident's timeline and threads. It needs the role responder among the operator's people.
func (d *DB) AskRun(ctx context.Context, who access.Principal, r runbooks.Run) (asked runbooks.Run, err error) {
	if err := requireOperator(who, access.Responder); err != nil {
		return r, err
	}
	err = d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		asked, err = one(rows(ctx, tx, askRunSQL, pgx.NamedArgs{
			"id": uuid.NewString(), "runbook": r.Runbook, "step": r.Step, "language": r.Language, "asked": r.Asked, "incident": r.Incident,
			"incident_tenant": r.IncidentTenant, "by": who.ID, "by_name": who.Name, "at": now, "expires": now.Add(runbooks.ApprovalTime)}, scanRun))
		if err != nil {
			return err
		}
		w := writes{&pgx.Batch{}}
		record(w.Batch, who, "", "runbook.ask", "run/"+asked.ID, map[string]any{"runbook": r.Runbook, "step": r.Step, "incident": r.Incident, "asked": r.Asked})
		text := fmt.Sprintf("%s asks to run the step %s of the runbook %s, which changes something. Somebody else has to approve it until %s UTC.",
			who.Name, r.Step, r.Runbook, asked.ExpiresAt.UTC().Format("15:04"))
		if err := w.tellOfRun(ctx, tx, asked, who.ID, who.Name, text, now); err != nil {
			return err
		}
		return send(ctx, tx, w.Batch)
	})
	return asked, explain(ctx, err, "ask for an approval")
}

// tellOfRun says something about a run on its incident's timeline and in its threads.
func (w writes) tellOfRun(ctx context.Context, tx querier, r runbooks.Run, actor, name, text string, now time.Time) error {
	if r.Incident == "" {
		return nil
	}
	i, err := seen(ctx, tx, r.Incident)
	if err != nil {
		return err
	}
	w.event(incidents.Event{Tenant: r.IncidentTenant, Incident: r.Incident, At: now, Kind: incidents.EventNote, Actor: actor, Name: name,
		Text: text, Detail: map[string]any{"run": r.ID, "runbook": r.Runbook, "step": r.Step}})
	for _, p := range i.TellThreads(text, now) {
		w.page(p)
	}
	announce(w.Batch, Change{Topic: TopicIncident, Tenant: r.IncidentTenant, ID: r.Incident})
	return nil
}

// Run returns one run. It is the operator's own; one that is not there is a fault.NotFound.
func (d *DB) Run(ctx context.Context, scope access.Scope, id string) (runbooks.Run, error) {
	gone := fault.New(fault.NotFound, "there is no run %q", id[:min(len(id), 40)])
	if !isUUID(id) {
		return runbooks.Run{}, gone
	}
	found, err := read(ctx, d.api, scope, "select "+runColumns+" from runs where id = @id::uuid", pgx.NamedArgs{"id": id}, scanRun)
	if err == nil && len(found) == 0 {
		err = gone
	}
	if err != nil {
		return runbooks.Run{}, explain(ctx, err, "read a run")
	}
	return found[0], nil
}

const (
	approveRunSQL = `
update runs set outcome = 'running', confirmed = true, approved_by = @by, approved_name = @name, began_at = @now
where id = @id::uuid and outcome = 'waiting' and expires_at > @now and by_id <> @by
returning ` + runColumns

	denyRunSQL = `
update runs set outcome = 'denied', approved_by = @by, approved_name = @name, error = @reason
where id = @id::uuid and outcome = 'waiting' and expires_at > @now
returning ` + runColumns

	expireRunsSQL = `
update runs set outcome = 'expired', error = 'nobody approved it in time'
where outcome = 'waiting' and expires_at <= @now
returning ` + runColumns
)

// ApproveRun claims a run that waits: of several who approve it one gets it, and has to run it and tell EndRun; the others are
// told who it was by a fault.Conflict, as is who comes too late. Who has asked for it cannot approve it, which is a
// fault.Forbidden. It needs the role responder among the operator's people.
func (d *DB) ApproveRun(ctx context.Context, who access.Principal, id string) (runbooks.Run, error) {
	return d.answerRun(ctx, who, id, "runbook.approve", approveRunSQL, "", func(r runbooks.Run) string {
		return fmt.Sprintf("%s approved the step %s of the runbook %s, which %s asked for.", who.Name, r.Step, r.Runbook, r.ByName)
	})
}

// DenyRun ends a run that waits. Who has asked for it may take it back so. The reason may be empty. For errors see ApproveRun.
func (d *DB) DenyRun(ctx context.Context, who access.Principal, id, reason string) (runbooks.Run, error) {
	return d.answerRun(ctx, who, id, "runbook.deny", denyRunSQL, reason, func(r runbooks.Run) string {
		text := fmt.Sprintf("%s denied the step %s of the runbook %s, which %s asked for.", who.Name, r.Step, r.Runbook, r.ByName)
		if reason != "" {
			text += " " + reason
		}
		return text
	})
}

func (d *DB) answerRun(ctx context.Context, who access.Principal, id, action, sql, reason string, words func(runbooks.Run) string) (r runbooks.Run, err error) {
	if err := requireOperator(who, access.Responder); err != nil {
		return r, err
	}
	if r, err = d.Run(ctx, access.Operator(), id); err != nil {
		return r, err
	}
	err = d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		found, err := rows(ctx, tx, sql, pgx.NamedArgs{"id": id, "by": who.ID, "name": who.Name, "now": now, "reason": reason}, scanRun)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return notWaiting(ctx, tx, who, id)
		}
		r = found[0]
		w := writes{&pgx.Batch{}}
		record(w.Batch, who, "", action, "run/"+id, map[string]any{"runbook": r.Runbook, "step": r.Step, "asked": r.Asked, "by": r.By, "reason": reason})
		if err := w.tellOfRun(ctx, tx, r, who.ID, who.Name, words(r), now); err != nil {
			return err
		}
		return send(ctx, tx, w.Batch)
	})
	return r, explain(ctx, err, "answer a run that waits")
}

// notWaiting says why a run cannot be answered.
func notWaiting(ctx context.Context, tx querier, who access.Principal, id string) error {
	r, err := one(rows(ctx, tx, "select "+runColumns+" from runs where id = @id::uuid", pgx.NamedArgs{"id": id}, scanRun))
	switch {
	case err != nil:
		return err
	case r.Outcome == runbooks.Denied:
		return fault.New(fault.Conflict, "%s has denied it already", r.ApprovedName)
	case r.ApprovedName != "":
		return fault.New(fault.Conflict, "%s has approved it already", r.ApprovedName)
	case r.Outcome == runbooks.Waiting && r.By == who.ID && r.ExpiresAt.After(time.Now()):
		return fault.New(fault.Forbidden, "you have asked for it, so that somebody else has to approve it")
	case r.ExpiresAt != nil:
		return fault.New(fault.Conflict, "it waited for an approval until %s UTC; ask anew", r.ExpiresAt.UTC().Format("15:04"))
	}
	return fault.New(fault.Conflict, "it does not wait for an approval")
}

// ExpireRuns ends the runs whose approval has not come in time, and says so on their incidents' timelines. It returns how many.
func (d *DB) ExpireRuns(ctx context.Context) (int, error) {
	expired := 0
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		found, err := rows(ctx, tx, expireRunsSQL, pgx.NamedArgs{"now": now}, scanRun)
		if expired = len(found); err != nil || expired == 0 {
			return err
		}
		w := writes{&pgx.Batch{}}
		for _, r := range found {
			text := fmt.Sprintf("Nobody approved the step %s of the runbook %s in time, which %s asked for.", r.Step, r.Runbook, r.ByName)
			if err := w.tellOfRun(ctx, tx, r, "system:runbooks", "Nines", text, now); err != nil {
				return err
			}
		}
		return send(ctx, tx, w.Batch)
	})
	return expired, explain(ctx, err, "end runs that nobody approved")
}
