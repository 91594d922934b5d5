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

const (
	overrideSQL = `
select schedule, id::text, starts_at, ends_at, adds, removes, reason, made_by, made_at, coalesce(swap_id::text, ''), null::jsonb, false
from overrides where tenant_id = '' and id = @id`
	temporarySQL = `
select schedule, id::text, starts_at, ends_at, '', '', '', made_by, made_at, '', shifts, true
from temporaries where tenant_id = '' and id = @id`
	endOverrideSQL   = `update overrides set ends_at = @now where tenant_id = '' and id = @id`
	dropOverrideSQL  = `delete from overrides where tenant_id = '' and id = @id`
	endTemporarySQL  = `update temporaries set ends_at = @now where tenant_id = '' and id = @id`
	dropTemporarySQL = `delete from temporaries where tenant_id = '' and id = @id`
	lockedSQL        = ` for update`
)

// EndOverride takes an override away. One that lasts ends now, since the past stays; one that is over is a
// fault.Conflict, and one that is not there a fault.NotFound. It needs the role responder for overrides that oneself
// made or stands in, and editor for others.
func (d *DB) EndOverride(ctx context.Context, who access.Principal, id string) error {
	return d.end(ctx, who, id, ending{"override", overrideSQL, endOverrideSQL, dropOverrideSQL}, func(v overlaid) bool {
		return who.Name == v.By || who.Name == v.Add || who.Name == v.Remove
	})
}

// EndTemporary takes a temporary schedule away as EndOverride does. It needs the role editor.
func (d *DB) EndTemporary(ctx context.Context, who access.Principal, id string) error {
	return d.end(ctx, who, id, ending{"temporary", temporarySQL, endTemporarySQL, dropTemporarySQL}, func(overlaid) bool { return false })
}

// ending is how a thing that lasts for a while is taken away.
type ending struct{ noun, find, end, drop string }

func (d *DB) end(ctx context.Context, who access.Principal, id string, e ending, own func(overlaid) bool) error {
	if err := onSchedule(who, access.Responder); err != nil {
		return err
	}
	if !isUUID(id) {
		return fault.New(fault.NotFound, "there is no %s %q", e.noun, shortened(id))
	}
	err := d.api.change(ctx, who.Scope(), func(ctx context.Context, tx querier, now time.Time) error {
		found, err := rows(ctx, tx, e.find+lockedSQL, pgx.NamedArgs{"id": id}, scanOverlaid)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fault.New(fault.NotFound, "there is no %s %q; somebody may have taken it away", e.noun, id)
		}
		v := found[0]
		if !own(v) && who.Require(access.Editor) != nil {
			return fault.New(fault.Forbidden, "an %s of other people needs the role editor; you are %s", e.noun, who.Role)
		}
		batch := &pgx.Batch{}
		switch {
		case !v.To.After(now):
			return fault.New(fault.Conflict, "the %s %s is over, and what was stays as it was", e.noun, id)
		case v.From.Before(now):
			batch.Queue(e.end, pgx.NamedArgs{"id": id, "now": now})
		default:
			batch.Queue(e.drop, pgx.NamedArgs{"id": id})
		}
		record(batch, who, "", e.noun+".end", e.noun+"/"+id, map[string]any{
			"schedule": v.Schedule, "from": v.From, "to": v.To, "add": v.Add, "remove": v.Remove,
		})
		announce(batch, Change{Topic: TopicOncall, ID: v.Schedule})
		return send(ctx, tx, batch)
	})
	return explain(ctx, err, "end a change of a schedule")
}

const keepTemporarySQL = `
insert into temporaries (id, schedule, starts_at, ends_at, shifts, made_by, made_at)
values (@id, @schedule, @from, @to, @shifts, @by, @at)`

// Temporary replaces the plan of a schedule for a while; ID, By and MadeAt are filled in. One that overlaps another is a
// fault.Conflict naming it. It needs the role editor.
func (d *DB) Temporary(ctx context.Context, who access.Principal, v oncall.Temporary) (oncall.Temporary, error) {
	if err := onSchedule(who, access.Editor); err != nil {
		return v, err
	}
	made := v
	err := d.changeSchedule(ctx, who, v.Schedule, func(ctx context.Context, tx querier, _ oncall.Schedule, o oncall.Overlay, now time.Time) error {
		made = v
		var err error
		made.To = v.To.UTC().Truncate(time.Microsecond)
		if made.From, err = begins(v.From, made.To, now); err != nil {
			return err
		}
		made.ID, made.By, made.MadeAt = uuid.NewString(), who.Name, now
		made.Shifts = within(v.Shifts, made.From)
		if err := made.Check(); err != nil {
			return err
		}
		if len(o.Temporaries) >= maxTemporaries {
			return fault.New(fault.Conflict, "the schedule has %d temporary schedules to come already; end some", len(o.Temporaries))
		}
		for _, other := range o.Temporaries {
			if other.From.Before(made.To) && made.From.Before(other.To) {
				return fault.New(fault.Conflict, "temporary schedule %s of %s already replaces the plan from %s to %s; end it, or choose other times",
					other.ID, other.By, other.From.Format(time.RFC3339), other.To.Format(time.RFC3339))
			}
		}
		var people []string
		for _, s := range made.Shifts {
			people = append(people, s.Person)
		}
		if err := known(ctx, tx, "shifts", people...); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		batch.Queue(keepTemporarySQL, pgx.NamedArgs{
			"id": made.ID, "schedule": made.Schedule, "from": made.From, "to": made.To, "shifts": made.Shifts, "by": made.By, "at": now,
		})
		record(batch, who, "", "temporary.create", "temporary/"+made.ID, map[string]any{
			"schedule": made.Schedule, "from": made.From, "to": made.To, "shifts": len(made.Shifts),
		})
		announce(batch, Change{Topic: TopicOncall, ID: made.Schedule})
		return send(ctx, tx, batch)
	})
	return made, explain(ctx, err, "keep a temporary schedule")
}

// within cuts off what lies before from, which may have become now; what lies past the end is left for Check to refuse.
func within(shifts []oncall.Shift, from time.Time) []oncall.Shift {
	kept := make([]oncall.Shift, 0, len(shifts))
	for _, s := range shifts {
		s.Person, s.From, s.To = Account(s.Person), s.From.UTC().Truncate(time.Microsecond), s.To.UTC().Truncate(time.Microsecond)
		if s.From.Before(from) && from.Sub(s.From) <= lateStart {
			s.From = from
		}
		if s.To.After(from) {
			kept = append(kept, s)
		}
	}
	return kept
}
