package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/runbooks"
)

const runsSQL = `
select ` + runColumns + `
from runs
where (@incident = '' or incident_id = nullif(@incident, '')::uuid) and (@runbook = '' or runbook = @runbook)
order by began_at desc, id
limit @most`

// Runs returns the newest runs of an incident (UUID), of a runbook, or with neither of all, the newest first. They are the
// operator's: a tenant has none.
func (d *DB) Runs(ctx context.Context, scope access.Scope, incident, runbook string, limit int) ([]runbooks.Run, error) {
	args := pgx.NamedArgs{"incident": incident, "runbook": runbook, "most": clamp(limit, 50, 500)}
	found, err := read(ctx, d.api, scope, runsSQL, args, scanRun)
	return found, explain(ctx, err, "list runs of runbooks")
}

const beginRunSQL = `
insert into runs (id, runbook, step, language, asked, incident_id, incident_tenant, by_id, by_name, confirmed, began_at, outcome)
values (@id, @runbook, @step, @language, @asked, nullif(@incident, '')::uuid, @incident_tenant, @by, @by_name, @confirmed, @at, 'running')
on conflict (tenant_id, incident_id, runbook, step) where by_id = 'system:diagnostics' do nothing`

// BeginRun puts on record, with its audit record, that a step is about to be run, and by whom. It returns false where the
// step has been run for the incident by itself already: then it must not be run. It needs the role responder among the
// operator's people.
func (d *DB) BeginRun(ctx context.Context, who access.Principal, r runbooks.Run) (runbooks.Run, bool, error) {
	if err := requireOperator(who, access.Responder); err != nil {
		return r, false, err
	}
	r.ID, r.By, r.ByName, r.Outcome = uuid.NewString(), who.ID, who.Name, runbooks.Running
	first := false
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		r.BeganAt = now
		tag, err := tx.Exec(ctx, beginRunSQL, pgx.NamedArgs{
			"id": r.ID, "runbook": r.Runbook, "step": r.Step, "language": r.Language, "asked": r.Asked, "incident": r.Incident,
			"incident_tenant": r.IncidentTenant, "by": r.By, "by_name": r.ByName, "confirmed": r.Confirmed, "at": now,
		})
		if first = err == nil && tag.RowsAffected() == 1; !first {
			return err
		}
		batch := &pgx.Batch{}
		record(batch, who, "", "runbook.run", "run/"+r.ID, map[string]any{
			"runbook": r.Runbook, "step": r.Step, "incident": r.Incident, "asked": r.Asked, "confirmed": r.Confirmed})
		return send(ctx, tx, batch)
	})
	return r, first, explain(ctx, err, "begin a run")
}

const failLostRunsSQL = `
update runs set outcome = 'failed', error = 'the control plane ended while the step ran; whether it took effect is not known'
where outcome = 'running' and began_at < @before
returning ` + runColumns

// runLease is how long a run may take at most, its end included; whoever still has one running after it has ended.
const runLease = runbooks.MaxTimeout + time.Minute

// FailLostRuns fails the runs that were cut off, and says so on their incidents' timelines. It returns how many.
func (d *DB) FailLostRuns(ctx context.Context) (int, error) {
	lost := 0
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		rows, err := tx.Query(ctx, failLostRunsSQL, pgx.NamedArgs{"before": now.Add(-runLease)})
		if err != nil {
			return err
		}
		runs, err := pgx.CollectRows(rows, scanRun)
		if lost = len(runs); err != nil || lost == 0 {
			return err
		}
		w := writes{&pgx.Batch{}}
		for _, r := range runs {
			w.ran(r, now)
		}
		return send(ctx, tx, w.Batch)
	})
	return lost, explain(ctx, err, "fail runs that were cut off")
}

const endRunSQL = `
update runs set took = @took, outcome = @outcome, output = @output, truncated = @truncated, error = @error
where id = @id and outcome = 'running'`

// EndRun stores how a run ended, and says so on the incident's timeline. The output stays with the run.
func (d *DB) EndRun(ctx context.Context, r runbooks.Run) error {
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		tag, err := tx.Exec(ctx, endRunSQL, pgx.NamedArgs{
			"id": r.ID, "took": int64(r.Took), "outcome": r.Outcome, "output": r.Output, "truncated": r.Truncated, "error": r.Error})
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		w := writes{&pgx.Batch{}}
		w.ran(r, now)
		return send(ctx, tx, w.Batch)
	})
	return explain(ctx, err, "end a run")
}

// ran says on the incident's timeline how a run ended.
func (w writes) ran(r runbooks.Run, now time.Time) {
	if r.Incident == "" {
		return
	}
	text := fmt.Sprintf("Step %s of the runbook %s ran.", r.Step, r.Runbook)
	if r.Outcome == runbooks.Failed {
		text = fmt.Sprintf("Step %s of the runbook %s failed.", r.Step, r.Runbook)
	}
	w.event(incidents.Event{Tenant: r.IncidentTenant, Incident: r.Incident, At: now, Kind: incidents.EventNote, Actor: r.By, Name: r.ByName,
		Text: text, Detail: map[string]any{"run": r.ID, "runbook": r.Runbook, "step": r.Step}})
	announce(w.Batch, Change{Topic: TopicIncident, Tenant: r.IncidentTenant, ID: r.Incident})
}
