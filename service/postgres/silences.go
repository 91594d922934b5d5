package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

const silenceColumns = `id::text, tenant_id, matchers, starts_at, ends_at, updated_at, created_by, comment`

func silenceFields(s *alerting.Silence) []any {
	return []any{&s.ID, &s.Tenant, &s.Matchers, &s.StartsAt, &s.EndsAt, &s.UpdatedAt, &s.CreatedBy, &s.Comment}
}

func scanSilence(row pgx.CollectableRow) (s alerting.Silence, err error) {
	return s, row.Scan(silenceFields(&s)...)
}

const lockSilenceSQL = `select ` + silenceColumns + ` from silences where id = @id for no key update`

// PutSilence makes a silence, or changes the one whose id it carries by Alertmanager's rule: what changes more than its
// end may give it a new id, and the old one expires. It needs the role responder. A tenant's people set silences for
// their tenant alone; the operator's for the tenant named, or for all. An id that is not there is a fault.NotFound, and
// what alerting.CheckSilence refuses a fault.Invalid. What it silences is told by RejudgeAlerts.
func (d *DB) PutSilence(ctx context.Context, who access.Principal, s alerting.Silence) (alerting.Silence, error) {
	if err := who.Require(access.Responder); err != nil {
		return alerting.Silence{}, err
	}
	if who.Tenant != "" {
		s.Tenant = who.Tenant
	}
	var made alerting.Silence
	err := d.api.change(ctx, who.Scope(), func(ctx context.Context, tx querier, now time.Time) error {
		if err := alerting.CheckSilence(s, now); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		if s.ID == "" {
			if err := roomForSilence(ctx, tx, s.Tenant, now); err != nil {
				return err
			}
			made = inMicroseconds(s.Begin(uuid.NewString(), now))
			keepSilence(batch, who, made, "silence.create")
			return send(ctx, tx, batch)
		}
		before, err := lockSilence(ctx, tx, s.ID)
		if err != nil {
			return err
		}
		current, replaced := before.Replace(inMicroseconds(s), uuid.NewString(), now)
		made = inMicroseconds(current)
		if replaced != nil && before.State(now) != alerting.SilenceExpired {
			keepSilence(batch, who, *replaced, "silence.expire")
		}
		action := "silence.update"
		if made.ID != before.ID {
			action = "silence.create"
		}
		keepSilence(batch, who, made, action)
		return send(ctx, tx, batch)
	})
	return made, explain(ctx, err, "keep a silence")
}

// Every silence in force is looked at for every alert, so their number is bounded.
const maxSilences = 2000

const countSilencesSQL = `select count(*) from silences where tenant_id = @tenant and ends_at > @now`

func roomForSilence(ctx context.Context, tx querier, tenant string, now time.Time) error {
	n, err := one(rows(ctx, tx, countSilencesSQL, pgx.NamedArgs{"tenant": tenant, "now": now}, pgx.RowTo[int]))
	if err == nil && n >= maxSilences {
		return fault.New(fault.Conflict, "there are %d silences already; expire some, or write one whose matchers say more", n)
	}
	return err
}

// inMicroseconds gives the silence the times that PostgreSQL can keep, so that what is told back is told again unchanged.
func inMicroseconds(s alerting.Silence) alerting.Silence {
	s.StartsAt, s.EndsAt = s.StartsAt.UTC().Truncate(time.Microsecond), s.EndsAt.UTC().Truncate(time.Microsecond)
	s.UpdatedAt = s.UpdatedAt.UTC().Truncate(time.Microsecond)
	return s
}

// ExpireSilence ends a silence now; one that has expired already is left as it is. It needs the role responder. One that
// is not there is a fault.NotFound.
func (d *DB) ExpireSilence(ctx context.Context, who access.Principal, id string) error {
	if err := who.Require(access.Responder); err != nil {
		return err
	}
	err := d.api.change(ctx, who.Scope(), func(ctx context.Context, tx querier, now time.Time) error {
		s, err := lockSilence(ctx, tx, id)
		if err != nil || s.State(now) == alerting.SilenceExpired {
			return err
		}
		batch := &pgx.Batch{}
		keepSilence(batch, who, s.Expire(now), "silence.expire")
		return send(ctx, tx, batch)
	})
	return explain(ctx, err, "expire a silence")
}

func lockSilence(ctx context.Context, tx querier, id string) (alerting.Silence, error) {
	if !isUUID(id) {
		return alerting.Silence{}, noSilence(id)
	}
	found, err := rows(ctx, tx, lockSilenceSQL, pgx.NamedArgs{"id": id}, scanSilence)
	if err == nil && len(found) == 0 {
		err = noSilence(id)
	}
	if err != nil {
		return alerting.Silence{}, err
	}
	return found[0], nil
}

func noSilence(id string) error {
	if len(id) > 40 {
		id = id[:40] + "..."
	}
	return fault.New(fault.NotFound, "there is no silence %q", id)
}

const keepSilenceSQL = `
with version as (
    insert into silence_versions (tenant_id, id, matchers, starts_at, ends_at, updated_at, created_by, comment, actor, name)
    values (@tenant, @id, @matchers, @starts, @ends, @updated, @by, @comment, @actor, @name)
)
insert into silences (tenant_id, id, matchers, starts_at, ends_at, updated_at, created_by, comment)
values (@tenant, @id, @matchers, @starts, @ends, @updated, @by, @comment)
on conflict (tenant_id, id) do update set matchers = excluded.matchers, starts_at = excluded.starts_at,
    ends_at = excluded.ends_at, updated_at = excluded.updated_at, created_by = excluded.created_by, comment = excluded.comment`

// keepSilence queues a version of a silence with its audit record.
func keepSilence(batch *pgx.Batch, who access.Principal, s alerting.Silence, action string) {
	batch.Queue(keepSilenceSQL, pgx.NamedArgs{
		"tenant": s.Tenant, "id": s.ID, "matchers": s.Matchers, "starts": s.StartsAt, "ends": s.EndsAt, "updated": s.UpdatedAt,
		"by": s.CreatedBy, "comment": s.Comment, "actor": who.ID, "name": who.Name,
	})
	record(batch, who, s.Tenant, action, "silence/"+s.ID, map[string]any{
		"matchers": s.Matchers, "startsAt": s.StartsAt, "endsAt": s.EndsAt, "createdBy": s.CreatedBy, "comment": s.Comment,
	})
	announce(batch, Change{Topic: TopicSilence, Tenant: s.Tenant, ID: s.ID})
}

// A tenant's silences are its own; the operator's concern everybody, but their rows are the operator's.
const silencesSQL = `
select ` + silenceColumns + `
from silences
where case when @id = '' then ends_at > clock_timestamp() - @kept::interval else id = nullif(@id, '')::uuid end
order by ends_at desc, id
limit @most`

const mostSilences = 10_000

// Silences returns the silences in scope, those that end last first.
func (d *DB) Silences(ctx context.Context, scope access.Scope, f alerting.SilenceFilter) ([]alerting.Silence, error) {
	kept := time.Duration(0)
	if f.Expired {
		kept = alerting.SilenceKept
	}
	return d.silences(ctx, scope, kept, "")
}

// Silence returns the silence of that id, also long after it has expired. One that is not there or out of scope is a
// fault.NotFound.
func (d *DB) Silence(ctx context.Context, scope access.Scope, id string) (alerting.Silence, error) {
	if !isUUID(id) {
		return alerting.Silence{}, noSilence(id)
	}
	found, err := d.silences(ctx, scope, 0, id)
	if err == nil && len(found) == 0 {
		err = noSilence(id)
	}
	if err != nil {
		return alerting.Silence{}, err
	}
	return found[0], nil
}

func scanSilenceVersion(row pgx.CollectableRow) (v alerting.SilenceVersion, err error) {
	return v, row.Scan(append(silenceFields(&v.Silence), &v.Version, &v.Actor, &v.Name)...)
}

func (d *DB) silences(ctx context.Context, scope access.Scope, kept time.Duration, id string) ([]alerting.Silence, error) {
	found, err := read(ctx, d.api, scope, silencesSQL, pgx.NamedArgs{"id": id, "kept": kept, "most": mostSilences}, scanSilence)
	return found, explain(ctx, err, "read silences")
}

const silenceHistorySQL = `
select ` + silenceColumns + `, version, actor, name
from silence_versions
where id = @id
order by version desc`

// SilenceHistory returns every version of a silence, the newest first. One that is not there or out of scope is a
// fault.NotFound.
func (d *DB) SilenceHistory(ctx context.Context, scope access.Scope, id string) ([]alerting.SilenceVersion, error) {
	if !isUUID(id) {
		return nil, noSilence(id)
	}
	found, err := read(ctx, d.api, scope, silenceHistorySQL, pgx.NamedArgs{"id": id}, scanSilenceVersion)
	if err == nil && len(found) == 0 {
		err = noSilence(id)
	}
	return found, explain(ctx, err, "read the history of a silence")
}
