package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/access"
)

// One question for overrides and temporary schedules both, so that building a roster is one round trip.
const overlaysSQL = `
select schedule, id::text, starts_at, ends_at, adds, removes, reason, made_by, made_at, coalesce(swap_id::text, ''), null::jsonb, false
from overrides
where tenant_id = '' and (@every::boolean or schedule = any(@names::text[])) and ends_at > @from and starts_at < @to
union all
select schedule, id::text, starts_at, ends_at, '', '', '', made_by, made_at, '', shifts, true
from temporaries
where tenant_id = '' and (@every::boolean or schedule = any(@names::text[])) and ends_at > @from and starts_at < @to
order by 9, 2`

type overlaid struct {
	oncall.Override
	shifts    []oncall.Shift
	temporary bool
}

func scanOverlaid(row pgx.CollectableRow) (v overlaid, err error) {
	err = row.Scan(&v.Schedule, &v.ID, &v.From, &v.To, &v.Add, &v.Remove, &v.Reason, &v.By, &v.MadeAt, &v.Swap, &v.shifts, &v.temporary)
	v.From, v.To, v.MadeAt = v.From.UTC(), v.To.UTC(), v.MadeAt.UTC()
	return v, err
}

func overlayArgs(names []string, from, to time.Time) pgx.NamedArgs {
	return pgx.NamedArgs{"names": names, "every": names == nil, "from": from, "to": to}
}

// gather puts what was read together, by schedule.
func gather(all []overlaid) map[string]oncall.Overlay {
	overlays := map[string]oncall.Overlay{}
	for _, v := range all {
		o := overlays[v.Schedule]
		if v.temporary {
			o.Temporaries = append(o.Temporaries, oncall.Temporary{
				ID: v.ID, Schedule: v.Schedule, From: v.From, To: v.To, Shifts: v.shifts, By: v.By, MadeAt: v.MadeAt,
			})
		} else {
			o.Overrides = append(o.Overrides, v.Override)
		}
		overlays[v.Schedule] = o
	}
	return overlays
}

// overlaysIn reads what touches [from, to) of the schedules named, or of all where names is nil.
func overlaysIn(ctx context.Context, tx querier, names []string, from, to time.Time) (map[string]oncall.Overlay, error) {
	found, err := rows(ctx, tx, overlaysSQL, overlayArgs(names, from, to), scanOverlaid)
	return gather(found), err
}

// Overlays returns what differs from the plans between from and to, by schedule; names nil is all of them. Schedules are
// the operator's, so that others see nothing.
func (d *DB) Overlays(ctx context.Context, scope access.Scope, names []string, from, to time.Time) (map[string]oncall.Overlay, error) {
	found, err := read(ctx, d.api, scope, overlaysSQL, overlayArgs(names, from, to), scanOverlaid)
	return gather(found), explain(ctx, err, "read overrides")
}
