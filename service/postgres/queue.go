package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
)

// pageDue holds for a page that may go as far as the page and its incident tell: of the pages of one incident and target
// one is out at a time, and what tells of an acknowledgement or a resolution waits until the pages before it have ended; a
// page in the pause before its next try does not hold up further steps, nor does a notice that is due later hold up anything. Who is called about an incident that is held
// waits until that ends.
const pageDue = `
    ((p.state = 'pending' and p.next_at <= clock_timestamp()) or (p.state = 'sending' and p.lease_until <= clock_timestamp()))
    and not exists (
        select from pages o
        where (o.tenant_id, o.incident_id, o.target_key) = (p.tenant_id, p.incident_id, p.target_key) and o.id <> p.id
            and ((o.state = 'sending' and (o.id < p.id or o.lease_until > clock_timestamp()))
                or (o.state = 'pending' and o.id < p.id and (o.action <> 'update' or p.action <> 'trigger')
                    and (o.next_at <= clock_timestamp() or o.attempts > 0 and p.action <> 'trigger'))))
    and (p.action <> 'trigger' or not exists (
        select from incidents i
        where (i.tenant_id, i.id) = (p.tenant_id, p.incident_id) and i.state = 'triggered' and i.held <> ''))`

// One claimer at a time serves a target, so that its limits hold over all replicas; whoever comes second leaves it out.
// What the target got is counted by the next statement, which sees what the claimer before has committed.
const lockTargetsOfPagesSQL = `
select set_config('app.targets', coalesce(jsonb_agg(jsonb_build_object('key', target_key, 'provider', provider))::text, '[]'), true)
from (
    select target_key, provider
    from (
        select p.target_key, min(p.priority) as priority, min(p.next_at) as next_at,
            coalesce(min((select key from jsonb_each(p.target) where value <> 'null' limit 1)), '') as provider
        from pages p
        where ` + pageDue + `
        group by p.target_key
        order by min(p.priority), min(p.next_at)
    ) as waiting
    where pg_try_advisory_xact_lock(hashtextextended('pages to ' || target_key, 0))
    limit @most
) as ours`

const waitingTargetsSQL = `
select w.key, w.provider, coalesce(t.name, ''), coalesce(t.failures, 0), t.broken_since, coalesce(t.broken_why, ''),
    t.probe_at, t.blocked_until, array(
        select (select count(*) from attempts a
            where a.target_key = w.key and a.started_at > clock_timestamp() - l.per * interval '1 second' and a.outcome <> 'canceled')::int
        from unnest(@limited::text[], @per::float8[]) with ordinality as l (provider, per, n)
        where l.provider = case when w.provider = any(@limited) then w.provider else '' end
        order by l.n)
from jsonb_to_recordset(current_setting('app.targets')::jsonb) as w (key text, provider text)
left join targets t on (t.tenant_id, t.target_key) = ('', w.key)`

// A target's pages beyond what a claim could take must not keep others' from being looked at.
const waitingPagesSQL = `
with waiting as (
    select p.*, row_number() over (partition by p.target_key order by p.priority, p.next_at, p.id) as of_target,
        row_number() over (partition by p.priority, p.tenant_id, p.service order by p.next_at, p.id) as queued
    from pages p
    where p.target_key = any(@targets::text[]) and ` + pageDue + `
)
select id, tenant_id, service, target_key, action, priority, next_at, state = 'pending' and attempts > 0 as retry, target
from waiting
where of_target <= @each
order by priority, queued, next_at, id
limit @most`

const spentRetriesSQL = `
select provider, count(*)::int, (count(*) filter (where number > 1))::int
from attempts
where provider = any(@providers::text[]) and started_at > clock_timestamp() - interval '1 minute' and outcome <> 'canceled'
group by provider`

// What a claim looks at.
const (
	lookedAt        = 400 // pages
	lookedAtEach    = 60  // pages of a target
	lookedAtTargets = 256
)

// limitsArgs are the providers' limits as arrays; the provider "" stands for all that have none of their own.
func limitsArgs() pgx.NamedArgs {
	var providers []string
	var per []float64
	for provider, limits := range incidents.Limits() {
		for _, l := range limits {
			providers, per = append(providers, provider), append(per, l.Per.Seconds())
		}
	}
	return pgx.NamedArgs{"limited": providers, "per": per}
}

// queue reads what may go next. The targets in it are this claimer's until the transaction ends.
func queue(ctx context.Context, tx querier, now time.Time) (incidents.Queue, error) {
	q := incidents.Queue{Targets: map[string]incidents.Standing{}, Retries: map[string]int{}}
	provider := map[string]string{}
	batch := &pgx.Batch{}
	batch.Queue(lockTargetsOfPagesSQL, pgx.NamedArgs{"most": lookedAtTargets})
	batch.Queue(waitingTargetsSQL, limitsArgs()).Query(func(found pgx.Rows) error {
		_, err := pgx.CollectRows(found, func(row pgx.CollectableRow) (t incidents.TargetState, err error) {
			var used []int
			err = row.Scan(&t.Key, &t.Provider, &t.Name, &t.Failures, &t.BrokenSince, &t.BrokenWhy, &t.ProbeAt, &t.BlockedUntil, &used)
			if standing := t.Standing(used, now); standing.Free > 0 {
				q.Targets[t.Key], q.Retries[t.Provider], provider[t.Key] = standing, incidents.RetryBudget(0, 0), t.Provider
			}
			return t, err
		})
		return err
	})
	if err := send(ctx, tx, batch); err != nil || len(q.Targets) == 0 {
		return q, err
	}
	batch = &pgx.Batch{}
	batch.Queue(spentRetriesSQL, pgx.NamedArgs{"providers": keys(q.Retries)}).Query(func(found pgx.Rows) error {
		_, err := pgx.CollectRows(found, func(row pgx.CollectableRow) (name string, err error) {
			var all, again int
			err = row.Scan(&name, &all, &again)
			q.Retries[name] = incidents.RetryBudget(all, again)
			return name, err
		})
		return err
	})
	args := pgx.NamedArgs{"targets": keys(q.Targets), "each": lookedAtEach, "most": lookedAt}
	batch.Queue(waitingPagesSQL, args).Query(func(found pgx.Rows) error {
		var err error
		q.Due, err = pgx.CollectRows(found, func(row pgx.CollectableRow) (d incidents.Due, err error) {
			var target incidents.Target
			err = row.Scan(&d.ID, &d.Tenant, &d.Service, &d.Target, &d.Action, &d.Priority, &d.NextAt, &d.Retry, &target)
			d.Provider, d.Bundles = provider[d.Target], target.Bundles()
			return d, err
		})
		return err
	})
	return q, send(ctx, tx, batch)
}

func keys[V any](of map[string]V) []string {
	out := make([]string, 0, len(of))
	for k := range of {
		out = append(out, k)
	}
	return out
}

// inMessages puts the claims of pages together as the queue chose them. A page that could not be claimed is left out.
func inMessages(chosen [][]incidents.Due, claims []incidents.Claim) (out []incidents.Claim) {
	byPage := make(map[int64]incidents.Claim, len(claims))
	for _, c := range claims {
		byPage[c.Page.ID] = c
	}
	for _, message := range chosen {
		var together []incidents.Claim
		for _, d := range message {
			if c, claimed := byPage[d.ID]; claimed {
				together = append(together, c)
			}
		}
		if len(together) > 0 {
			first := together[0]
			first.With = together[1:]
			out = append(out, first)
		}
	}
	return out
}
