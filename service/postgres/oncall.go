package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// Schedules are the operator's definitions, so what differs from them is the operator's, too.

// UseSchedules sets where the schedules in force come from. It is called before anything else asks.
func (d *DB) UseSchedules(schedules func() map[string]oncall.Schedule) { d.schedules.Store(&schedules) }

func (d *DB) scheduleNamed(name string) (oncall.Schedule, error) {
	if s, defined := d.plans()[name]; defined {
		return s, nil
	}
	return oncall.Schedule{}, fault.New(fault.NotFound, "there is no schedule %q", shortened(name))
}

// plans are the schedules in force; none before UseSchedules.
func (d *DB) plans() map[string]oncall.Schedule {
	if f := d.schedules.Load(); f != nil {
		return (*f)()
	}
	return nil
}

func shortened(name string) string {
	if len(name) > 100 {
		return strings.ToValidUTF8(name[:100], "") + "..."
	}
	return name
}

// onSchedule refuses whoever may not touch schedules at all.
func onSchedule(who access.Principal, role access.Role) error {
	if err := who.Require(role); err != nil {
		return err
	}
	if who.Tenant != "" {
		return fault.New(fault.Forbidden, "schedules are the operator's; you belong to %s", who.Tenant)
	}
	return nil
}

const lockScheduleSQL = `select pg_advisory_xact_lock(hashtextextended('oncall/' || @schedule, 0))`

// changeSchedule runs do alone among the changes of one schedule, with what differs from its plan from now on.
func (d *DB) changeSchedule(ctx context.Context, who access.Principal, name string,
	do func(ctx context.Context, tx querier, s oncall.Schedule, o oncall.Overlay, now time.Time) error,
) error {
	s, err := d.scheduleNamed(name)
	if err != nil {
		return err
	}
	return d.api.change(ctx, who.Scope(), func(ctx context.Context, tx querier, now time.Time) error {
		if _, err := tx.Exec(ctx, lockScheduleSQL, pgx.NamedArgs{"schedule": name}); err != nil {
			return err
		}
		overlays, err := overlaysIn(ctx, tx, []string{name}, now, farAway)
		if err != nil {
			return err
		}
		return do(ctx, tx, s, overlays[name], now.UTC().Truncate(time.Microsecond))
	})
}

// farAway is later than any override that is accepted begins.
var farAway = time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)

// Bounds of what differs from one schedule's plan, since all of it is looked at whenever somebody is paged.
const (
	maxOverrides   = 2000
	maxTemporaries = 200
	longestAhead   = 2 * 366 * 24 * time.Hour // that a change may begin in the future
	lateStart      = 5 * time.Minute          // a beginning so long ago means now
)

// begins returns when a change begins: nothing changes the past, but whoever needed a minute for the form means now.
func begins(from, to, now time.Time) (time.Time, error) {
	from = from.UTC().Truncate(time.Microsecond)
	switch {
	case !to.After(now):
		return from, fault.New(fault.Invalid, "to: lies in the past, which cannot be changed; choose a later time")
	case from.Before(now.Add(-lateStart)):
		return from, fault.New(fault.Invalid, "from: lies in the past, which cannot be changed; begin now or later")
	case from.After(now.Add(longestAhead)):
		return from, fault.New(fault.Invalid, "from: is more than two years ahead")
	case from.Before(now):
		return now, nil
	}
	return from, nil
}

// Account is a person's address, as schedules and accounts compare it.
func Account(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

const knownPeopleSQL = `select email from users where disabled_at is null and tenant_id = '' and email = any(@emails::text[])`

// known refuses people who have no account, since nobody could page them.
func known(ctx context.Context, tx querier, field string, emails ...string) error {
	found, err := rows(ctx, tx, knownPeopleSQL, pgx.NamedArgs{"emails": emails}, pgx.RowTo[string])
	if err != nil {
		return err
	}
	there := map[string]bool{"": true}
	for _, email := range found {
		there[email] = true
	}
	for _, email := range emails {
		if !there[email] {
			return fault.New(fault.Invalid, "%s: there is no account %q, so nobody could page them; make one first", field, shortened(email))
		}
	}
	return nil
}

// Override puts somebody on call, or takes somebody off, for a while; ID, By and MadeAt are filled in. over names the
// overrides that its maker knows of and means to undo in part: any other that it contradicts is a fault.Conflict naming
// it, so that of two people who override at once one wins and the other is told. It needs the role responder for
// shifts of one's own, and editor for those of others.
func (d *DB) Override(ctx context.Context, who access.Principal, v oncall.Override, over []string) (oncall.Override, error) {
	if err := onSchedule(who, access.Responder); err != nil {
		return v, err
	}
	v.Add, v.Remove = Account(v.Add), Account(v.Remove)
	if v.Add != who.Name && v.Remove != who.Name {
		if err := who.Require(access.Editor); err != nil {
			return v, fault.New(fault.Forbidden, "overrides of shifts that are not your own need the role editor; you are %s", who.Role)
		}
	}
	err := d.changeSchedule(ctx, who, v.Schedule, func(ctx context.Context, tx querier, _ oncall.Schedule, o oncall.Overlay, now time.Time) error {
		made := v
		var err error
		made.To = v.To.UTC().Truncate(time.Microsecond)
		if made.From, err = begins(v.From, made.To, now); err != nil {
			return err
		}
		made.ID, made.By, made.MadeAt, made.Swap = uuid.NewString(), who.Name, now, ""
		if err := made.Check(); err != nil {
			return err
		}
		if err := roomFor(o, made, over); err != nil {
			return err
		}
		if err := known(ctx, tx, "add", made.Add); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		keepOverride(batch, who, made)
		v = made
		return send(ctx, tx, batch)
	})
	return v, explain(ctx, err, "override a schedule")
}

// roomFor refuses an override that undoes another one which its maker has not been shown.
func roomFor(o oncall.Overlay, v oncall.Override, over []string) error {
	if len(o.Overrides) >= maxOverrides {
		return fault.New(fault.Conflict, "the schedule has %d overrides to come already; write a temporary schedule, or end some", len(o.Overrides))
	}
	seen := map[string]bool{}
	for _, id := range over {
		seen[id] = true
	}
	for _, other := range o.Overrides {
		if !seen[other.ID] && v.Contradicts(other) {
			return fault.New(fault.Conflict, "%s; to put yours above it, name it in over", collision(other))
		}
	}
	return nil
}

// collision says in words which override stands there already.
func collision(v oncall.Override) string {
	what := "puts " + v.Add + " on call"
	switch {
	case v.Add == "":
		what = "takes " + v.Remove + " off call"
	case v.Remove != "" && v.Remove != v.Add:
		what += " in place of " + v.Remove
	}
	const layout = "2006-01-02 15:04 UTC"
	return "override " + v.ID + " of " + v.By + " already " + what + " from " + v.From.UTC().Format(layout) + " to " + v.To.UTC().Format(layout)
}

const keepOverrideSQL = `
insert into overrides (id, schedule, starts_at, ends_at, adds, removes, reason, made_by, made_at, swap_id)
values (@id, @schedule, @from, @to, @add, @remove, @reason, @by, @at, nullif(@swap, '')::uuid)`

func keepOverride(batch *pgx.Batch, who access.Principal, v oncall.Override) {
	batch.Queue(keepOverrideSQL, pgx.NamedArgs{
		"id": v.ID, "schedule": v.Schedule, "from": v.From, "to": v.To, "add": v.Add, "remove": v.Remove, "reason": v.Reason,
		"by": v.By, "at": v.MadeAt, "swap": v.Swap,
	})
	record(batch, who, "", "override.create", "override/"+v.ID, map[string]any{
		"schedule": v.Schedule, "from": v.From, "to": v.To, "add": v.Add, "remove": v.Remove, "reason": v.Reason, "swap": v.Swap,
	})
	announce(batch, Change{Topic: TopicOncall, ID: v.Schedule})
}
