package postgres

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

const changeColumns = `c.id, c.number, c.service, c.environment, c.ref, c.kind, c.author, c.description, c.asked_by, c.asked_by_name,
    c.at, c.verdict, c.approved_by, c.approved_by_name, c.approved_at, c.approved_for, c.approval_note, c.began_at, c.finished_at, c.outcome`

var scanChange = pgx.RowToStructByName[slo.Change]

const changesSQL = `
select ` + changeColumns + `
from changes c
where (@service = '' or c.service in (@service, '` + slo.AllServices + `')) and c.at >= @since and (@before = 0 or c.number < @before)
order by c.number desc
limit @most`

// Changes returns the changes that match the filter, the newest first. They are the operator's: a tenant has none.
func (d *DB) Changes(ctx context.Context, scope access.Scope, f slo.ChangeFilter) ([]slo.Change, error) {
	args := pgx.NamedArgs{"service": f.Service, "since": f.Since, "before": f.Before, "most": clamp(f.Limit, 50, 500)}
	found, err := read(ctx, d.api, scope, changesSQL, args, scanChange)
	return found, explain(ctx, err, "list changes")
}

// Change returns the change of that UUID or number. One that does not exist or is out of scope is a fault.NotFound.
func (d *DB) Change(ctx context.Context, scope access.Scope, idOrNumber string) (slo.Change, error) {
	r := refer(idOrNumber)
	found, err := read(ctx, d.api, scope, "select "+changeColumns+" from changes c where "+r.of("c"), r.args(), scanChange)
	if err == nil && len(found) == 0 {
		err = noChange(idOrNumber)
	}
	if err != nil {
		return slo.Change{}, explain(ctx, err, "read a change")
	}
	return found[0], nil
}

// of is the condition on the table of that alias.
func (r reference) of(alias string) string {
	if strings.HasPrefix(r.where, "@") {
		return r.where // it names nothing
	}
	return alias + "." + r.where
}

func noChange(idOrNumber string) error {
	if len(idOrNumber) > 40 {
		idOrNumber = idOrNumber[:40] + "..."
	}
	return fault.New(fault.NotFound, "there is no change %q", idOrNumber)
}

// The same change, and the same idempotency key, take turns, so that two requests at once make one change. The row of
// the key comes first.
const (
	lockChangeSQL = `select pg_advisory_xact_lock(hashtextextended('change ' || @same, 0))`
	sameChangeSQL = `
select ` + changeColumns + `
from changes c
where (c.asked_by, c.idempotency_key) = (@by, @key) or (c.service, c.environment, c.kind, c.ref) = (@service, @environment, @kind, @ref)
order by coalesce((c.asked_by, c.idempotency_key) = (@by, @key::text), false) desc, c.number desc
limit 1
for no key update`
	keyUsedSQL = `select exists (select from changes where (asked_by, idempotency_key) = (@by, @key))`
)

const insertChangeSQL = `
insert into changes (id, service, environment, ref, kind, author, description, asked_by, asked_by_name, at, verdict, began_at, idempotency_key)
values (@id, @service, @environment, @ref, @kind, @author, @description, @by, @by_name, @at, @verdict, @began, @key)
returning number`

const updateChangeSQL = `
update changes set verdict = @verdict, approved_by = @approver, approved_by_name = @approver_name, approved_at = @approved,
    approved_for = @approved_for, approval_note = @note, began_at = @began, finished_at = @finished, outcome = @outcome
where id = @id`

func changeArgs(c slo.Change) pgx.NamedArgs {
	return pgx.NamedArgs{
		"id": c.ID, "service": c.Service, "environment": c.Environment, "ref": c.Ref, "kind": c.Kind, "author": c.Author,
		"description": c.Description, "by": c.AskedBy, "by_name": c.AskedByName, "at": c.At, "verdict": c.Verdict, "began": c.BeganAt,
		"approver": c.ApprovedBy, "approver_name": c.ApprovedByName, "approved": c.ApprovedAt, "approved_for": c.ApprovedFor,
		"note": c.ApprovalNote, "finished": c.FinishedAt, "outcome": c.Outcome,
	}
}

// RecordChange writes the verdict on a change, with its audit record. Asking for the same again within ChangeValid, or
// with the same idempotency key, finds the change that is there and judges it anew; a key that stands for another
// change is a fault.Conflict. key is "" for none. It needs the role responder among the operator's people.
func (d *DB) RecordChange(ctx context.Context, who access.Principal, c slo.Change, v slo.Verdict, key string) (slo.Change, error) {
	if err := requireOperator(who, access.Responder); err != nil {
		return slo.Change{}, err
	}
	var after slo.Change
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		c.AskedBy, c.AskedByName, c.At = who.ID, who.Name, now
		before, known, err := sameChange(ctx, tx, c, key, now)
		if err != nil {
			return err
		}
		if known {
			after = before.Judged(v, now)
			return writeChange(ctx, tx, who, after, "change.judge", verdictDetail(after))
		}
		c.ID = uuid.NewString()
		after = c.Judged(v, now)
		args := changeArgs(after)
		args["key"] = orNull(key)
		if after.Number, err = one(rows(ctx, tx, insertChangeSQL, args, pgx.RowTo[int64])); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		record(batch, who, "", "change.ask", "change/"+after.ID, verdictDetail(after))
		return send(ctx, tx, batch)
	})
	return after, explain(ctx, err, "record a change")
}

func verdictDetail(c slo.Change) map[string]any {
	return map[string]any{"service": c.Service, "change": c.Ref, "kind": c.Kind, "verdict": c.Verdict.Action, "standing": c.Standing(), "why": c.Verdict.Headline}
}

// sameChange finds what is asked for again. What is over or a day old is not it, unless the key says that it is meant.
func sameChange(ctx context.Context, tx querier, c slo.Change, key string, now time.Time) (before slo.Change, known bool, err error) {
	args := changeArgs(c)
	args["key"] = orNull(key)
	args["same"] = strconv.Quote(c.Service) + strconv.Quote(c.Environment) + strconv.Quote(c.Kind) + strconv.Quote(c.Ref)
	if _, err := tx.Exec(ctx, lockChangeSQL, args); err != nil {
		return before, false, err
	}
	found, err := rows(ctx, tx, sameChangeSQL, args, scanChange)
	if err != nil || len(found) == 0 {
		return before, false, err
	}
	if found[0].Same(c, now) {
		return found[0], true, nil
	}
	if key == "" {
		return before, false, nil
	}
	used, err := one(rows(ctx, tx, keyUsedSQL, args, pgx.RowTo[bool]))
	if err == nil && used {
		err = fault.New(fault.Conflict, "this Idempotency-Key was used for change %d, which is another one, over or more than a day old; use a new key", found[0].Number)
	}
	return before, false, err
}

func writeChange(ctx context.Context, tx querier, who access.Principal, c slo.Change, action string, detail map[string]any) error {
	batch := &pgx.Batch{}
	batch.Queue(updateChangeSQL, changeArgs(c))
	record(batch, who, "", action, "change/"+c.ID, detail)
	return send(ctx, tx, batch)
}

func requireOperator(who access.Principal, role access.Role) error {
	if err := who.Require(role); err != nil {
		return err
	}
	if who.Tenant != "" {
		return fault.New(fault.Forbidden, "changes belong to the operator")
	}
	return nil
}

// ApproveChange says that the principal agrees to a change; id is the UUID or the number. It needs the role editor, and
// to be neither the author nor who asked; admins may lift a freeze with a reason. See slo.Change.Approved.
func (d *DB) ApproveChange(ctx context.Context, who access.Principal, id, reason string) (slo.Change, error) {
	by := slo.Approver{ID: who.ID, Name: who.Name, Admin: who.Role.Includes(access.Admin)}
	return d.alterChange(ctx, who, access.Editor, id, "change.approve", func(c slo.Change, now time.Time) (slo.Change, error) {
		return c.Approved(by, reason, now)
	})
}

// FinishChange tells how a change went. It needs the role responder. See slo.Change.Finished.
func (d *DB) FinishChange(ctx context.Context, who access.Principal, id, outcome string) (slo.Change, error) {
	return d.alterChange(ctx, who, access.Responder, id, "change.finish", func(c slo.Change, now time.Time) (slo.Change, error) {
		return c.Finished(outcome, now)
	})
}

func (d *DB) alterChange(ctx context.Context, who access.Principal, role access.Role, id, action string,
	alter func(c slo.Change, now time.Time) (slo.Change, error),
) (slo.Change, error) {
	if err := requireOperator(who, role); err != nil {
		return slo.Change{}, err
	}
	r := refer(id)
	var after slo.Change
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		found, err := rows(ctx, tx, "select "+changeColumns+" from changes c where "+r.of("c")+" for no key update", r.args(), scanChange)
		if err == nil && len(found) == 0 {
			err = noChange(id)
		}
		if err != nil {
			return err
		}
		if after, err = alter(found[0], now); err != nil {
			return err
		}
		if after.ApprovedAt == found[0].ApprovedAt && after.FinishedAt == found[0].FinishedAt {
			return nil // said before
		}
		return writeChange(ctx, tx, who, after, action, map[string]any{"service": after.Service, "change": after.Ref, "reason": after.ApprovalNote, "outcome": after.Outcome})
	})
	if err != nil {
		return slo.Change{}, explain(ctx, err, "alter a change")
	}
	return after, nil
}
