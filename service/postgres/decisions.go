package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/internal/access"
)

const recordDecisionSQL = `
insert into decisions (at, workload, service, decision) values (@at, @workload, @service, @decision)`

// RecordDecision keeps a scaling recommendation with the numbers it was made from. Decisions are never changed.
func (d *DB) RecordDecision(ctx context.Context, made autoscale.Decision) error {
	args := pgx.NamedArgs{"at": made.At, "workload": made.Workload, "service": made.Service, "decision": made}
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		_, err := tx.Exec(ctx, recordDecisionSQL, args)
		return err
	})
	return explain(ctx, err, "record a decision")
}

const decisionsSQL = `
select decision from decisions where (@workload = '' or workload = @workload) order by id desc limit @most`

// Decisions returns recorded recommendations in scope, the newest first. A workload of "" is all of them; the limit is 1
// to 500, and 50 unless set.
func (d *DB) Decisions(ctx context.Context, scope access.Scope, workload string, limit int) ([]autoscale.Decision, error) {
	args := pgx.NamedArgs{"workload": workload, "most": clamp(limit, 50, 500)}
	made, err := read(ctx, d.api, scope, decisionsSQL, args, pgx.RowTo[autoscale.Decision])
	return made, explain(ctx, err, "read decisions")
}
