package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
)

// lately is what happened a short while ago, by which storms and flapping are known.
type lately struct {
	opened map[serviceKey]int   // incidents that a service opened within incidents.StormWindow
	flaps  map[groupKey]int     // incidents of a group that its alerts resolved within incidents.FlapWindow
	joined map[string]time.Time // when an incident's latest alert came; of those whose window matters
}

// How many is counted no further than it matters.
const openedLatelySQL = `
select asked.tenant, asked.service, (
    select count(*) from (
        select from incidents i
        where (i.tenant_id, i.service) = (asked.tenant, asked.service) and i.opened_at > @now::timestamptz - @window::interval
        limit @most) as lately)
from unnest(@tenants::text[], @services::text[]) as asked (tenant, service)`

const flapsSQL = `
select tenant_id, group_key, count(*)
from incidents
where state = 'resolved' and resolved_by = @by and resolved_at > @now::timestamptz - @window::interval
    and (tenant_id, group_key) in (select * from unnest(@tenants::text[], @groups::text[]))
group by tenant_id, group_key`

// askLately queues the questions for what joins and what ends.
func (in *intake) askLately(batch *pgx.Batch) {
	in.lately = lately{opened: map[serviceKey]int{}, flaps: map[groupKey]int{}, joined: map[string]time.Time{}}
	services, groups := map[serviceKey]bool{}, map[groupKey]bool{}
	for _, t := range in.joining {
		services[serviceKey{t.signal.Tenant, t.signal.Service}] = true
	}
	for _, t := range slices.Concat(in.joining, in.ended) {
		groups[groupKey{t.signal.Tenant, t.signal.GroupKey}] = true
	}
	if len(services) > 0 {
		var tenants, names []string
		for k := range services {
			tenants, names = append(tenants, k.tenant), append(names, k.service)
		}
		batch.Queue(openedLatelySQL, pgx.NamedArgs{
			"now": in.now, "window": incidents.StormWindow, "most": incidents.MaxOpened, "tenants": tenants, "services": names,
		}).Query(func(r pgx.Rows) error {
			var k serviceKey
			var n int
			_, err := pgx.ForEachRow(r, []any{&k.tenant, &k.service, &n}, func() error { in.lately.opened[k] = n; return nil })
			return err
		})
	}
	if len(groups) > 0 {
		var tenants, names []string
		for k := range groups {
			tenants, names = append(tenants, k.tenant), append(names, k.group)
		}
		batch.Queue(flapsSQL, pgx.NamedArgs{
			"now": in.now, "window": incidents.FlapWindow, "by": incidents.AutoResolved(), "tenants": tenants, "groups": names,
		}).Query(func(r pgx.Rows) error {
			var k groupKey
			var n int
			_, err := pgx.ForEachRow(r, []any{&k.tenant, &k.group, &n}, func() error { in.lately.flaps[k] = n; return nil })
			return err
		})
	}
}

const joinedSQL = `
select incident_id::text, max(at)
from timeline
where kind in ('opened', 'alert_joined', 'flapping')
    and (tenant_id, incident_id) in (select * from unnest(@tenants::text[], @ids::uuid[]))
group by incident_id`

// askJoined asks when the latest alerts of the locked incidents came, where the time in which more may join is bounded.
func (in *intake) askJoined(ctx context.Context, locked []incidents.Incident) error {
	if len(locked) == 0 || !slices.ContainsFunc(in.joining, func(t telling) bool { return t.signal.GroupWindow > 0 }) {
		return nil
	}
	found, err := in.tx.Query(ctx, joinedSQL, pgx.NamedArgs{
		"tenants": column(locked, func(i incidents.Incident) string { return i.Tenant }),
		"ids":     column(locked, func(i incidents.Incident) string { return i.ID }),
	})
	if err != nil {
		return err
	}
	var id string
	var at time.Time
	_, err = pgx.ForEachRow(found, []any{&id, &at}, func() error { in.lately.joined[id] = at; return nil })
	return err
}
