package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
)

// Targets are the operator's own: how one is doing counts for the pages of every tenant.
const lockTargetsSQL = `
select target_key, provider, name, failures, broken_since, broken_why, probe_at, blocked_until
from targets
where tenant_id = '' and target_key = any(@keys::text[])
order by target_key
for no key update`

const addTargetSQL = `
insert into targets (target_key, provider, name) values (@key, @provider, @name)
on conflict do nothing`

const updateTargetSQL = `
update targets set failures = @failures, broken_since = @since, broken_why = @why, probe_at = @probe, blocked_until = @blocked
where (tenant_id, target_key) = ('', @key)`

func lockTargets(ctx context.Context, tx querier, claims ...incidents.Claim) (map[string]incidents.TargetState, error) {
	found, err := rows(ctx, tx, lockTargetsSQL, pgx.NamedArgs{
		"keys": column(claims, func(c incidents.Claim) string { return targetKey(c.Page.Target) }),
	}, pgx.RowToStructByPos[incidents.TargetState])
	if err != nil {
		return nil, err
	}
	byKey := make(map[string]incidents.TargetState, len(found))
	for _, t := range found {
		byKey[t.Key] = t
	}
	return byKey, nil
}

func (w writes) target(t incidents.TargetState) {
	w.Queue(updateTargetSQL, pgx.NamedArgs{
		"key": t.Key, "failures": t.Failures, "since": t.BrokenSince, "why": t.BrokenWhy,
		"probe": t.ProbeAt, "blocked": t.BlockedUntil,
	})
}

// withTargets marks the claims whose targets refuse everything, but for the one that finds out whether they still do.
func withTargets(ctx context.Context, tx querier, claims []incidents.Claim, now time.Time) error {
	states, err := lockTargets(ctx, tx, claims...)
	if err != nil || len(states) == 0 {
		return err
	}
	batch := &pgx.Batch{}
	for n := range claims {
		key := targetKey(claims[n].Page.Target)
		state, ok := states[key]
		if !ok {
			continue
		}
		standing := state.Standing(nil, now)
		claims[n].Broken = standing.Broken
		if standing.Probe {
			states[key] = state.Probed(now)
			writes{batch}.target(states[key])
		}
	}
	return send(ctx, tx, batch)
}

// concluded queues the attempt's timeline entries and what it means for the target. Only targets that have had trouble
// have a row.
func concluded(
	ctx context.Context, tx querier, w writes, c incidents.Claim, a incidents.Attempt, retryIn time.Duration, now time.Time,
) error {
	key := targetKey(c.Page.Target)
	if a.Outcome == incidents.OutcomeFailed || a.Outcome == incidents.OutcomeRetry {
		_, err := tx.Exec(ctx, addTargetSQL, pgx.NamedArgs{
			"key": key, "provider": c.Page.Target.Provider(), "name": c.Page.Target.String(),
		})
		if err != nil {
			return err
		}
	}
	states, err := lockTargets(ctx, tx, c)
	if err != nil {
		return err
	}
	before, known := states[key]
	out := c.Conclude(a, before, retryIn, now)
	for _, e := range out.Events {
		w.event(e)
	}
	if known {
		w.target(out.Target)
	}
	return nil
}

const lockOfPageSQL = `
select ` + incidentColumns + `
from incidents
where (tenant_id, id) = (@tenant, @incident)
for no key update`

// lockOfPage locks the incident of a page that calls people, before the page itself as all who change incidents do; what
// became of other pages moves nothing, so that their incident is left alone.
func lockOfPage(ctx context.Context, tx querier, p incidents.Page) (*incidents.Incident, error) {
	if p.Action != incidents.ActionTrigger {
		return nil, nil
	}
	found, err := rows(ctx, tx, lockOfPageSQL, pgx.NamedArgs{"tenant": p.Tenant, "incident": p.Incident}, scanIncident)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// tried queues what the incident does about an attempt that is written down already.
func tried(
	ctx context.Context, tx querier, w writes, i *incidents.Incident, p incidents.Page, a incidents.Attempt, now time.Time,
) error {
	if i == nil || a.Outcome == incidents.OutcomeCanceled {
		return nil
	}
	t, err := tally(ctx, tx, *i)
	if err != nil {
		return err
	}
	final := a.Outcome == incidents.OutcomeFailed
	var r incidents.Roster
	if final { // only then somebody else may be called
		if r, err = callable(ctx, tx, now, i.Policy); err != nil {
			return err
		}
	}
	if change := i.Tried(p, final || a.Outcome == incidents.OutcomeRetry, final, t, r, now); len(change.Events) > 0 {
		w.change(change)
	}
	return nil
}
