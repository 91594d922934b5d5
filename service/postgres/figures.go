package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

// All figures come from here. Each incident is read out of its timeline, then they are added up by group. A person is
// whoever is not a part of this system; docs/figures.md has the definitions in words.
const incidentFiguresSQL = `
with chosen as (
    select i.tenant_id, i.id, i.service, i.policy,
        case @by when 'service' then i.service when 'tenant' then i.tenant_id when 'team' then coalesce(o.team, '') else '' end as key
    from incidents i
    left join unnest(@services::text[], @teams::text[]) as o (service, team) on o.service = i.service
    where i.opened_at >= @from and i.opened_at < @to and (@service = '' or i.service = @service)
), read as (
    select c.*, t.*, lag(t.opened) over (partition by c.tenant_id, c.service, t.merged order by t.opened, c.id) as opened_before,
        (select min(e.at) from timeline e where (e.tenant_id, e.incident_id) = (c.tenant_id, c.id)
            and e.actor not like 'system:%' and e.at >= t.first_page) as engaged
    from chosen c
    cross join lateral (
        select min(e.at) filter (where e.kind = 'opened') as opened,
            min(e.at) filter (where e.kind = 'acknowledged') as acknowledged,
            min(e.at) filter (where e.kind = 'resolved') as resolved,
            min(e.at) filter (where e.kind = 'page_sent' and e.detail->>'action' = 'trigger') as first_page,
            count(*) filter (where e.kind = 'page_sent' and e.detail->>'action' = 'trigger') as pages,
            count(*) filter (where e.kind = 'page_sent' and e.detail->>'action' = 'trigger'
                and (extract(hour from e.at at time zone @zone) >= 22 or extract(hour from e.at at time zone @zone) < 7)) as sleep,
            count(*) filter (where e.kind = 'escalated' and e.actor like 'system:%'
                and (coalesce((e.detail->>'step')::int, 0) > 1 or coalesce((e.detail->>'loop')::int, 0) > 0)
                and not exists (select from timeline h where (h.tenant_id, h.incident_id) = (c.tenant_id, c.id)
                    and h.kind = 'escalated' and h.actor not like 'system:%' and h.at = e.at)) as timeouts,
            coalesce(bool_or(e.actor not like 'system:%'), false) as touched,
            coalesce(bool_or(e.kind = 'merged' and e.detail ? 'into'), false) as merged
        from timeline e where (e.tenant_id, e.incident_id) = (c.tenant_id, c.id)
    ) t
), lasted as (
    select *, extract(epoch from acknowledged - opened)::float8 as acknowledge, extract(epoch from resolved - opened)::float8 as resolve,
        extract(epoch from opened - opened_before)::float8 as between_them, extract(epoch from engaged - first_page)::float8 as engage
    from read where not merged
    union all
    select *, null, null, null, null from read where merged -- part of another: its pages were sent all the same
), answers as ( -- the schedules by which a group's incidents are called
    select distinct key, schedule #>> '{}' as schedule
    from chosen, jsonb_path_query(policy, '$.steps.**.schedule') as schedule
), duty as ( -- a shift is a stretch without a break, whatever schedules it comes from
    select a.key, h.person, unnest(range_agg(tstzrange(h.started_at, h.ended_at))) as shift
    from answers a join oncall_history h on h.tenant_id = '' and h.schedule = a.schedule
    where h.started_at < @to and coalesce(h.ended_at, 'infinity') > @from
    group by a.key, h.person
), called as (
    select c.key, p.person, e.at
    from chosen c
    join timeline e on (e.tenant_id, e.incident_id) = (c.tenant_id, c.id) and e.kind = 'page_sent' and e.detail->>'action' = 'trigger' and e.at < @to
    join pages p on p.tenant_id = e.tenant_id and p.id = (e.detail->>'page')::bigint and p.person <> ''
), carried as (
    select d.key, d.person, d.shift, count(c.at)::float8 as pages
    from duty d left join called c on c.key = d.key and c.person = d.person and d.shift @> c.at
    group by d.key, d.person, d.shift
), shifts as (
    select key, count(*)::int as over, avg(pages) as mean, percentile_cont(0.5) within group (order by pages) as median,
        percentile_cont(0.9) within group (order by pages) as p90
    from carried
    group by key
)
select lasted.key, (count(*) filter (where not merged))::int, (count(resolved) filter (where not merged))::int, coalesce(sum(pages), 0)::int, coalesce(sum(sleep), 0)::int, coalesce(sum(timeouts), 0)::int,
    (count(*) filter (where resolved is not null and not touched and not merged))::int,
    count(acknowledge)::int, avg(acknowledge), percentile_cont(0.5) within group (order by acknowledge), percentile_cont(0.9) within group (order by acknowledge),
    count(resolve)::int, avg(resolve), percentile_cont(0.5) within group (order by resolve), percentile_cont(0.9) within group (order by resolve),
    count(between_them)::int, avg(between_them), percentile_cont(0.5) within group (order by between_them), percentile_cont(0.9) within group (order by between_them),
    count(engage)::int, avg(engage), percentile_cont(0.5) within group (order by engage), percentile_cont(0.9) within group (order by engage),
    coalesce(min(shifts.over), 0), min(shifts.mean), min(shifts.median), min(shifts.p90)
from lasted left join shifts on shifts.key = lasted.key
group by lasted.key
order by lasted.key`

func scanFigures(row pgx.CollectableRow) (f incidents.Figures, err error) {
	fields := []any{&f.Key, &f.Incidents, &f.Resolved, &f.Pages, &f.Sleep, &f.Timeouts, &f.Noise}
	for _, s := range []*incidents.Spread{&f.Acknowledge, &f.Resolve, &f.Between, &f.Engage, &f.Shift} {
		fields = append(fields, &s.Over, &s.Mean, &s.Median, &s.P90)
	}
	return f, row.Scan(fields...)
}

// Figures returns how the incidents in scope that opened within the period went, by group in order of keys. Groups
// without incidents are left out.
func (d *DB) Figures(ctx context.Context, scope access.Scope, f incidents.FiguresFilter) ([]incidents.Figures, error) {
	found, err := read(ctx, d.api, scope, incidentFiguresSQL, figuresArgs(f), scanFigures)
	return found, explain(ctx, err, "compute figures")
}

func figuresArgs(f incidents.FiguresFilter) pgx.NamedArgs {
	services, teams := []string{}, []string{}
	for service, team := range f.Teams {
		services, teams = append(services, service), append(teams, team)
	}
	zone := f.Zone
	if zone == nil {
		zone = time.UTC
	}
	return pgx.NamedArgs{"from": f.From, "to": f.To, "by": string(f.By), "service": f.Service, "zone": zone.String(), "services": services, "teams": teams}
}
