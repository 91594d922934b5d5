package postgres

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

// The one with the tool's key is it, however long ago; else the newest that is the same by what it changes.
const toldChangeSQL = `
select ` + changeColumns + `
from changes c
where (c.asked_by, c.idempotency_key) = (@by, @key) or (@key::text is null or not exists (
        select from changes k where (k.asked_by, k.idempotency_key) = (@by, @key)))
    and (c.service, c.environment, c.kind, c.ref) = (@service, @environment, @kind, @ref)
    and c.finished_at is null and c.at > @since
order by c.number desc
limit 1
for no key update`

// TellChange records that a change went, as a tool told: c.BeganAt and c.Outcome say when and how, and key is by what the
// tool knows it. What was asked for at the gate keeps its verdict; what was not gets one that says so. Telling it again
// changes nothing. It needs the role responder among the operator's people.
func (d *DB) TellChange(ctx context.Context, who access.Principal, c slo.Change, key string) (slo.Change, error) {
	if err := requireOperator(who, access.Responder); err != nil {
		return slo.Change{}, err
	}
	if err := c.Check(); err != nil {
		return slo.Change{}, err
	}
	var after slo.Change
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		c.AskedBy, c.AskedByName, c.At = who.ID, who.Name, now
		began := now
		if c.BeganAt != nil && c.BeganAt.Before(now) {
			began = *c.BeganAt
		}
		before, known, err := toldBefore(ctx, tx, c, key, now)
		if err != nil {
			return err
		}
		if known {
			after, err = before.Told(began, c.Outcome, now)
			if err != nil || sameTelling(before, after) {
				return err
			}
			return writeChange(ctx, tx, who, after, "change.tell", map[string]any{"outcome": after.Outcome})
		}
		after, err = insertTold(ctx, tx, who, c, key, began, now)
		return err
	})
	return after, explain(ctx, err, "record a change that was told")
}

func sameTelling(a, b slo.Change) bool {
	return a.Outcome == b.Outcome && (a.BeganAt == nil) == (b.BeganAt == nil)
}

func toldBefore(ctx context.Context, tx querier, c slo.Change, key string, now time.Time) (
	before slo.Change, known bool, err error,
) {
	args := changeArgs(c)
	args["key"], args["since"] = orNull(key), now.Add(-slo.ChangeValid)
	args["same"] = strconv.Quote(c.Service) + strconv.Quote(c.Environment) + strconv.Quote(c.Kind) + strconv.Quote(c.Ref)
	if _, err := tx.Exec(ctx, lockChangeSQL, args); err != nil {
		return before, false, err
	}
	found, err := rows(ctx, tx, toldChangeSQL, args, scanChange)
	if err != nil || len(found) == 0 {
		return before, false, err
	}
	return found[0], true, nil
}

func insertTold(ctx context.Context, tx querier, who access.Principal, c slo.Change, key string, began, now time.Time) (
	slo.Change, error,
) {
	outcome := c.Outcome
	c.ID, c.BeganAt, c.Outcome = uuid.NewString(), nil, ""
	c.Verdict = slo.Verdict{Action: slo.Allow, Headline: "Told by " + who.Name + "; nobody asked at the gate.", At: now,
		Policies: []string{}, Reasons: []slo.GateReason{}, Budgets: []slo.GateBudget{}}
	c, err := c.Told(began, outcome, now)
	if err != nil {
		return c, err
	}
	args := changeArgs(c)
	args["key"] = orNull(key)
	if c.Number, err = one(rows(ctx, tx, insertChangeSQL, args, pgx.RowTo[int64])); err != nil {
		return c, err
	}
	batch := &pgx.Batch{}
	batch.Queue(updateChangeSQL, changeArgs(c))
	detail := map[string]any{"service": c.Service, "change": c.Ref, "kind": c.Kind, "outcome": c.Outcome}
	record(batch, who, "", "change.tell", "change/"+c.ID, detail)
	return c, send(ctx, tx, batch)
}
