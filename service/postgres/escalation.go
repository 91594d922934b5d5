package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/access"
)

const dueIncidentSQL = `
select ` + incidentColumns + `
from incidents
where state = 'triggered' and next_escalation_at <= clock_timestamp() and not id = any(@failed::uuid[])
order by next_escalation_at
limit 1
for no key update skip locked`

// EscalateDue takes the next step of up to most incidents whose time has come and returns how many it took: the step and
// its pages are committed together, so that any number of replicas may call it at once. One incident that fails does not
// hold up the others; the error joins what failed.
func (d *DB) EscalateDue(ctx context.Context, most int) (int, error) {
	var (
		failed []string
		faults []error
		taken  int
	)
	for taken+len(failed) < most {
		id, err := d.escalateOne(ctx, failed)
		switch {
		case err != nil && id == "":
			return taken, errors.Join(append(faults, explain(ctx, err, "escalate incidents"))...)
		case err != nil:
			failed, faults = append(failed, id), append(faults, explain(ctx, err, "escalate incident "+id))
		case id == "":
			return taken, errors.Join(faults...)
		default:
			taken++
		}
	}
	return taken, errors.Join(faults...)
}

// escalateOne returns the incident it worked on, "" for none.
func (d *DB) escalateOne(ctx context.Context, failed []string) (id string, err error) {
	err = d.paging.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		id = ""
		due, err := rows(ctx, tx, dueIncidentSQL, pgx.NamedArgs{"failed": append([]string{}, failed...)}, scanIncident)
		if err != nil || len(due) == 0 {
			return err
		}
		id = due[0].ID
		// The row may have become due a moment after the transaction began.
		batch := &pgx.Batch{}
		writes{batch}.change(due[0].Escalate(later(now, *due[0].NextEscalationAt)))
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
