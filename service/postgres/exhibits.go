package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

const exhibitColumns = `e.id, e.incident_id as incident, e.tenant_id as tenant, e.moment, e.kind, e.subject,
    e.from_at as "from", e.to_at as "to", e.outcome, e.missing, e.asked, e.seen, e.more, e.private, e.content, e.kept_at`

// Exhibits returns the evidence that was kept with an incident (UUID or number), in the order in which it was kept. A
// tenant's people do not see what is private to the operator.
func (d *DB) Exhibits(ctx context.Context, scope access.Scope, id string) ([]incidents.Exhibit, error) {
	return ofIncident(ctx, d.api, scope, id, `
		select `+exhibitColumns+`
		from exhibits e where (e.tenant_id, e.incident_id) = (select tenant_id, id from incidents where %s)
		order by e.id`, pgx.RowToStructByName[incidents.Exhibit], "read an incident's evidence")
}

// ExhibitJob is evidence that is to be gathered.
type ExhibitJob struct {
	Incident incidents.Incident
	Moment   incidents.Moment
	Kind     incidents.ExhibitKind
	Tries    int // this one included
}

// PendingExhibits names what is still to be gathered for an incident (UUID or number).
func (d *DB) PendingExhibits(ctx context.Context, scope access.Scope, id string) ([]incidents.PendingExhibit, error) {
	return ofIncident(ctx, d.api, scope, id, `
		select j.moment, j.kind, j.tries, j.next_at from exhibit_jobs j
		where (j.tenant_id, j.incident_id) = (select tenant_id, id from incidents where %s)
		order by j.moment, j.kind`, pgx.RowToStructByName[incidents.PendingExhibit], "read what evidence is to come")
}

// A job that was claimed comes again when its lease is over, whoever lost it.
const claimExhibitsSQL = `
with due as (
    select tenant_id, incident_id, moment, kind from exhibit_jobs
    where kind = @kind and next_at <= clock_timestamp()
    order by next_at limit @most for update skip locked
)
update exhibit_jobs j set tries = j.tries + 1, next_at = clock_timestamp() + @lease::interval
from due where (j.tenant_id, j.incident_id, j.moment, j.kind) = (due.tenant_id, due.incident_id, due.moment, due.kind)
returning j.tenant_id as tenant, j.incident_id::text as incident, j.moment, j.tries`

// ClaimExhibits takes up to so many jobs of a kind for the time of a lease, those due longest first.
func (d *DB) ClaimExhibits(ctx context.Context, kind incidents.ExhibitKind, lease time.Duration, limit int) ([]ExhibitJob, error) {
	type claimed struct {
		Tenant, Incident string
		Moment           incidents.Moment
		Tries            int
	}
	var jobs []ExhibitJob
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		jobs = nil
		args := pgx.NamedArgs{"kind": kind, "lease": lease, "most": clamp(limit, 20, 100)}
		taken, err := rows(ctx, tx, claimExhibitsSQL, args, pgx.RowToStructByName[claimed])
		if err != nil || len(taken) == 0 {
			return err
		}
		ids := column(taken, func(c claimed) string { return c.Incident })
		const sql = "select " + incidentColumns + " from incidents where id = any(@ids::uuid[])"
		found, err := rows(ctx, tx, sql, pgx.NamedArgs{"ids": ids}, scanIncident)
		byID := map[string]incidents.Incident{}
		for _, i := range found {
			byID[i.Tenant+"/"+i.ID] = i
		}
		for _, c := range taken {
			jobs = append(jobs, ExhibitJob{Incident: byID[c.Tenant+"/"+c.Incident], Moment: c.Moment, Kind: kind, Tries: c.Tries})
		}
		return err
	})
	return jobs, explain(ctx, err, "claim evidence to gather")
}

const delayExhibitSQL = `
update exhibit_jobs set next_at = clock_timestamp() + @wait::interval
where (tenant_id, incident_id, moment, kind) = (@tenant, @incident, @moment, @kind)`

// DelayExhibit lets a job wait for its next try.
func (d *DB) DelayExhibit(ctx context.Context, j ExhibitJob, wait time.Duration) error {
	args := j.args()
	args["wait"] = wait
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		_, err := tx.Exec(ctx, delayExhibitSQL, args)
		return err
	})
	return explain(ctx, err, "delay evidence")
}

func (j ExhibitJob) args() pgx.NamedArgs {
	return pgx.NamedArgs{"tenant": j.Incident.Tenant, "incident": j.Incident.ID, "moment": j.Moment, "kind": j.Kind}
}

const (
	endExhibitSQL = `delete from exhibit_jobs where (tenant_id, incident_id, moment, kind) = (@tenant, @incident, @moment, @kind)`
	putExhibitSQL = `
insert into exhibits (tenant_id, incident_id, moment, kind, subject, from_at, to_at, outcome, missing, asked, seen, more, private,
    content, kept_at)
values (@tenant, @incident, @moment, @kind, @subject, @from, @to, @outcome, @missing, @asked, @seen, @more, @private,
    @content, @at)`
)

// KeepExhibits stores what a job has gathered, for good, with an audit record each, and ends the job. A job that another
// replica has ended leaves everything as it is.
func (d *DB) KeepExhibits(ctx context.Context, by access.Principal, j ExhibitJob, kept []incidents.Exhibit) error {
	i := j.Incident
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		tag, err := tx.Exec(ctx, endExhibitSQL, j.args())
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		batch := &pgx.Batch{}
		for _, e := range kept {
			content, err := json.Marshal(e.Content)
			if err != nil {
				return fmt.Errorf("write evidence: %w", err)
			}
			args := j.args()
			for name, value := range map[string]any{
				"subject": e.Subject, "from": e.From, "to": e.To, "outcome": e.Outcome, "missing": e.Missing, "asked": e.Asked, "seen": e.Seen,
				"more": e.More, "private": e.Private, "content": string(content), "at": now,
			} {
				args[name] = value
			}
			batch.Queue(putExhibitSQL, args)
			detail := map[string]any{"kind": e.Kind, "moment": e.Moment, "subject": e.Subject, "outcome": e.Outcome, "seen": e.Seen}
			record(batch, by, i.Tenant, "incident.evidence", "incident/"+i.ID, detail)
		}
		announce(batch, Change{Topic: TopicIncident, Tenant: i.Tenant, ID: i.ID})
		return send(ctx, tx, batch)
	})
	return explain(ctx, err, "keep evidence")
}
