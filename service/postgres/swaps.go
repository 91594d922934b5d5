package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

func scanSwap(row pgx.CollectableRow) (w oncall.Swap, err error) { return w, row.Scan(&w) }

const (
	lockSwapSQL = `select swap from swaps where tenant_id = '' and id = @id for update`
	swapsSQL    = `
select swap from swaps
where tenant_id = '' and (@schedule = '' or schedule = @schedule) and (not @open or state = 'proposed' and expires_at > clock_timestamp())
order by proposed_at desc, id
limit 500`
	keepSwapSQL = `
insert into swaps (id, schedule, state, proposed_at, expires_at, swap) values (@id, @schedule, @state, @proposed, @expires, @swap)
on conflict (tenant_id, id) do update set state = excluded.state, swap = excluded.swap`
	lateSwapsSQL = `
select swap from swaps
where tenant_id = '' and state = 'proposed' and expires_at <= @now
order by expires_at
limit 500
for update skip locked`
)

func keepSwap(batch *pgx.Batch, who access.Principal, w oncall.Swap, action string) {
	batch.Queue(keepSwapSQL, pgx.NamedArgs{
		"id": w.ID, "schedule": w.Schedule, "state": w.State, "proposed": w.ProposedAt, "expires": w.ExpiresAt, "swap": w,
	})
	record(batch, who, "", action, "swap/"+w.ID, map[string]any{
		"schedule": w.Schedule, "asker": w.Asker, "taker": w.Taker, "give": w.Give, "take": w.Take, "state": w.State,
	})
	announce(batch, Change{Topic: TopicOncall, ID: w.Schedule})
}

// Swaps returns the proposals of a schedule, or of all where its name is "", the newest first, 500 at most. With open
// these are the ones that still can be answered.
func (d *DB) Swaps(ctx context.Context, scope access.Scope, schedule string, open bool) ([]oncall.Swap, error) {
	found, err := read(ctx, d.api, scope, swapsSQL, pgx.NamedArgs{"schedule": schedule, "open": open}, scanSwap)
	return found, explain(ctx, err, "read swaps")
}

// ProposeSwap asks somebody to take over; the asker is whoever asks unless named. It needs the role responder, and
// editor to ask in the name of others. Shifts that its people don't have are a fault.Conflict.
func (d *DB) ProposeSwap(ctx context.Context, who access.Principal, w oncall.Swap) (oncall.Swap, error) {
	if err := onSchedule(who, access.Responder); err != nil {
		return w, err
	}
	w.Asker, w.Taker = Account(w.Asker), Account(w.Taker)
	if w.Asker == "" {
		w.Asker = who.Name
	}
	if w.Asker != who.Name && who.Require(access.Editor) != nil {
		return w, fault.New(fault.Forbidden, "asker: swaps in the name of others need the role editor; you are %s", who.Role)
	}
	made := w
	err := d.changeSchedule(ctx, who, w.Schedule, func(ctx context.Context, tx querier, s oncall.Schedule, o oncall.Overlay, now time.Time) error {
		w.ID = uuid.NewString()
		var err error
		if made, err = w.Propose(s, o, now); err != nil {
			return err
		}
		if err := known(ctx, tx, "taker", made.Taker); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		keepSwap(batch, who, made, "swap.propose")
		return send(ctx, tx, batch)
	})
	return made, explain(ctx, err, "propose a swap")
}

// AcceptSwap lets whoever asks take over, and writes the overrides that make it so. Of two who accept at once one wins
// and the other gets a fault.Conflict. It needs the role responder.
func (d *DB) AcceptSwap(ctx context.Context, who access.Principal, id string) (oncall.Swap, error) {
	return d.decide(ctx, who, id, "swap.accept", func(w oncall.Swap, s oncall.Schedule, o oncall.Overlay, now time.Time) (oncall.Swap, []oncall.Override, error) {
		return w.Accept(who.Name, s, o, now, uuid.NewString)
	})
}

// DeclineSwap answers no; only who is asked may.
func (d *DB) DeclineSwap(ctx context.Context, who access.Principal, id string) (oncall.Swap, error) {
	return d.decide(ctx, who, id, "swap.decline", func(w oncall.Swap, _ oncall.Schedule, _ oncall.Overlay, now time.Time) (oncall.Swap, []oncall.Override, error) {
		w, err := w.Decline(who.Name, now)
		return w, nil, err
	})
}

// CancelSwap takes a proposal back; only who asks may.
func (d *DB) CancelSwap(ctx context.Context, who access.Principal, id string) (oncall.Swap, error) {
	return d.decide(ctx, who, id, "swap.cancel", func(w oncall.Swap, _ oncall.Schedule, _ oncall.Overlay, now time.Time) (oncall.Swap, []oncall.Override, error) {
		w, err := w.Cancel(who.Name, now)
		return w, nil, err
	})
}

type swapDecision func(w oncall.Swap, s oncall.Schedule, o oncall.Overlay, now time.Time) (oncall.Swap, []oncall.Override, error)

func (d *DB) decide(ctx context.Context, who access.Principal, id, action string, as swapDecision) (oncall.Swap, error) {
	if err := onSchedule(who, access.Responder); err != nil {
		return oncall.Swap{}, err
	}
	w, err := d.swap(ctx, who.Scope(), id)
	if err != nil {
		return w, err
	}
	// The schedule is locked before the swap is read again, since an override by somebody else may be on its way.
	err = d.changeSchedule(ctx, who, w.Schedule, func(ctx context.Context, tx querier, s oncall.Schedule, o oncall.Overlay, now time.Time) error {
		before, err := one(rows(ctx, tx, lockSwapSQL, pgx.NamedArgs{"id": id}, scanSwap))
		if err != nil {
			return err
		}
		if before.State != oncall.Proposed {
			return fault.New(fault.Conflict, "the swap was %s already, by %s", before.State, before.DecidedBy)
		}
		var made []oncall.Override
		if w, made, err = as(before, s, o, now); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		keepSwap(batch, who, w, action)
		for _, v := range made {
			v.Swap = w.ID
			keepOverride(batch, who, v)
		}
		return send(ctx, tx, batch)
	})
	return w, explain(ctx, err, "decide a swap")
}

func (d *DB) swap(ctx context.Context, scope access.Scope, id string) (oncall.Swap, error) {
	missing := fault.New(fault.NotFound, "there is no swap %q", shortened(id))
	if !isUUID(id) {
		return oncall.Swap{}, missing
	}
	found, err := read(ctx, d.api, scope, `select swap from swaps where tenant_id = '' and id = @id`, pgx.NamedArgs{"id": id}, scanSwap)
	if err == nil && len(found) == 0 {
		err = missing
	}
	if err != nil {
		return oncall.Swap{}, explain(ctx, err, "read a swap")
	}
	return found[0], nil
}

// ExpireSwaps ends the proposals that nobody answered in time.
func (d *DB) ExpireSwaps(ctx context.Context) error {
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		late, err := rows(ctx, tx, lateSwapsSQL, pgx.NamedArgs{"now": now}, scanSwap)
		if err != nil {
			return err
		}
		batch := &pgx.Batch{}
		for _, w := range late {
			if w, over := w.Expire(now); over {
				keepSwap(batch, access.System("oncall"), w, "swap.expire")
			}
		}
		return send(ctx, tx, batch)
	})
	return explain(ctx, err, "expire swaps")
}
