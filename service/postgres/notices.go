package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

// ChangeNotice is the telling of one change to one target.
type ChangeNotice struct {
	Change   string // UUID
	Target   string // incidents.Target.Key
	Attempts int    // made before
}

// mostNotices bounds what is looked at in one turn.
const mostNotices = "200"

const begunChangesSQL = `
select ` + changeColumns + `
from changes c
where c.began_at > clock_timestamp() - @within::interval
order by c.began_at
limit ` + mostNotices

// BegunChanges returns the changes that began within the time before now, the oldest first and at most 200.
func (d *DB) BegunChanges(ctx context.Context, within time.Duration) ([]slo.Change, error) {
	found, err := read(ctx, d.api, access.Operator(), begunChangesSQL, pgx.NamedArgs{"within": within}, scanChange)
	return found, explain(ctx, err, "look for changes to tell")
}

const planNoticesSQL = `
insert into change_notices (change_id, target_key, state, next_at)
select change, target, 'pending', clock_timestamp() from unnest(@changes::uuid[], @targets::text[]) as wanted (change, target)
on conflict on constraint change_notices_pkey do nothing`

const dueNoticesSQL = `
select n.change_id::text as change, n.target_key as target, n.attempts
from change_notices n join unnest(@changes::uuid[], @targets::text[]) as wanted (change, target)
    on (n.change_id, n.target_key) = (wanted.change, wanted.target)
where n.state = 'pending' and n.next_at <= clock_timestamp()`

// DueNotices returns which of the notices are to be sent now: those that were not sent, are not given up and whose time
// has come.
func (d *DB) DueNotices(ctx context.Context, wanted []ChangeNotice) (due []ChangeNotice, err error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	args := pgx.NamedArgs{
		"changes": column(wanted, func(n ChangeNotice) string { return n.Change }),
		"targets": column(wanted, func(n ChangeNotice) string { return n.Target }),
	}
	err = d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		if _, err := tx.Exec(ctx, planNoticesSQL, args); err != nil {
			return err
		}
		due, err = rows(ctx, tx, dueNoticesSQL, args, pgx.RowToStructByName[ChangeNotice])
		return err
	})
	return due, explain(ctx, err, "look for changes to tell")
}

const finishNoticeSQL = `
update change_notices set attempts = attempts + 1, state = @state, next_at = clock_timestamp() + @again::interval, error = @error
where (change_id, target_key) = (@change::uuid, @target)`

// NoticeSent, NoticeFailed and NoticePending are how telling a change ended; what is pending is tried again.
const (
	NoticeSent    = "sent"
	NoticeFailed  = "failed"
	NoticePending = "pending"
)

// FinishNotice keeps how an attempt at telling a change ended, and after which time to try again where it is pending.
func (d *DB) FinishNotice(ctx context.Context, n ChangeNotice, state, problem string, again time.Duration) error {
	args := pgx.NamedArgs{"change": n.Change, "target": n.Target, "state": state, "error": problem, "again": again}
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		_, err := tx.Exec(ctx, finishNoticeSQL, args)
		return err
	})
	return explain(ctx, err, "keep how a change was told")
}
