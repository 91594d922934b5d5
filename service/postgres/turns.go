package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

// Whoever takes a turn holds its row until the transaction ends, so that turns are fair however many incidents open at
// once, and one that is rolled back was not taken. Rows are locked in one order.
const lockTurnsSQL = `
with named as (
    select * from unnest(@policies::text[], @steps::int[]) as n (policy, step) order by policy, step
), made as (
    insert into turns (policy, step) select policy, step from named
    on conflict (tenant_id, policy, step) do update set next = turns.next
    returning policy, step, next
)
select policy, step, next::int from made`

const takeTurnSQL = `update turns set next = @next where (tenant_id, policy, step) = ('', @policy, @step)`

// callable returns who can be called now of those whom the policies name, and whose turn it is, holding that.
func callable(ctx context.Context, tx querier, now time.Time, policies ...incidents.Policy) (incidents.Roster, error) {
	var all incidents.Policy
	var turns []incidents.TurnOf
	for _, p := range policies {
		for _, t := range p.Everybody() {
			if t.Indirect() {
				all.Steps = append(all.Steps, incidents.Step{Targets: []incidents.Target{t}})
			}
		}
		turns = append(turns, p.Turns()...)
	}
	var r incidents.Roster
	var err error
	if len(all.Steps) > 0 {
		if r, err = roster(ctx, tx, all, now); err != nil {
			return r, err
		}
	}
	if len(turns) > 0 {
		r.Turns, err = lockTurns(ctx, tx, turns)
	}
	return r, err
}

func lockTurns(ctx context.Context, tx querier, turns []incidents.TurnOf) (map[incidents.TurnOf]int, error) {
	named := map[incidents.TurnOf]bool{}
	turns = slices.DeleteFunc(slices.Clone(turns), func(t incidents.TurnOf) bool {
		again := named[t]
		named[t] = true
		return again
	})
	next := map[incidents.TurnOf]int{}
	found, err := asOperator(ctx, tx, lockTurnsSQL, pgx.NamedArgs{
		"policies": column(turns, func(t incidents.TurnOf) string { return t.Policy }),
		"steps":    column(turns, func(t incidents.TurnOf) int { return t.Step }),
	}, func(row pgx.CollectableRow) (t incidents.Turn, err error) {
		return t, row.Scan(&t.Policy, &t.Step, &t.Next)
	})
	for _, t := range found {
		next[t.TurnOf] = t.Next
	}
	return next, err
}

func (w writes) turns(turns []incidents.Turn) {
	if len(turns) == 0 {
		return
	}
	w.Queue(asOperatorSQL) // policies are the operator's, also where a tenant's alert is paged by one
	for _, t := range turns {
		w.Queue(takeTurnSQL, pgx.NamedArgs{"policy": t.Policy, "step": t.Step, "next": t.Next})
	}
	w.Queue(asAskedSQL)
}

// WhoIsCalled returns who can be called now of those whom the targets mean.
func (d *DB) WhoIsCalled(ctx context.Context, targets []incidents.Target) (r incidents.Roster, err error) {
	err = d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) (err error) {
		r, err = callable(ctx, tx, now, incidents.Policy{Steps: []incidents.Step{{Targets: targets}}})
		return err
	})
	return r, explain(ctx, err, "read who is called")
}
