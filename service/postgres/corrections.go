package postgres

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

// CorrectionFilter narrows the corrections. The zero filter is all in force, whatever their span.
type CorrectionFilter struct {
	From, To time.Time // only those whose stated span overlaps [From, To); zero is open
	Revoked  bool      // also those that count no more
	Limit    int       // the newest so many; 0 is all, for those who compute with them
}

const correctionColumns = `id::text, slo, service, labels, begins, ends, mode, kind, reason, note, author, created_at,
    coalesce(revoked_at, 'epoch'), revoked_by, revoked_reason, revoked_at is not null`

const correctionsSQL = `
select ` + correctionColumns + `
from corrections
where (@revoked or revoked_at is null) and (@from::timestamptz is null or ends > @from) and (@to::timestamptz is null or begins < @to)
order by created_at desc, id
limit nullif(@most::int, 0)`

// Corrections returns the corrections in scope, the newest first. A tenant's scope holds those that name the tenant; those
// that name none are the operator's rows, though they touch everybody.
func (d *DB) Corrections(ctx context.Context, scope access.Scope, f CorrectionFilter) ([]slo.Correction, error) {
	args := pgx.NamedArgs{"revoked": f.Revoked, "from": timeOrNull(f.From), "to": timeOrNull(f.To), "most": f.Limit}
	found, err := read(ctx, d.api, scope, correctionsSQL, args, scanCorrection)
	return found, explain(ctx, err, "read corrections")
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func scanCorrection(row pgx.CollectableRow) (c slo.Correction, err error) {
	var revoked bool
	var at time.Time
	err = row.Scan(&c.ID, &c.SLO, &c.Service, &c.Labels, &c.From, &c.To, &c.Mode, &c.Kind, &c.Reason, &c.Note, &c.Author, &c.Created,
		&at, &c.RevokedBy, &c.RevokedReason, &revoked)
	c.All = c.SLO == "" && c.Service == ""
	c.From, c.To, c.Created = c.From.UTC(), c.To.UTC(), c.Created.UTC()
	if revoked {
		c.Revoked = at.UTC()
	}
	if len(c.Labels) == 0 {
		c.Labels = nil
	}
	return c, err
}

const addCorrectionSQL = `
insert into corrections (tenant_id, slo, service, labels, begins, ends, mode, kind, reason, note, author)
values (@tenant, @slo, @service, @labels, @from, @to, @mode, @kind, @reason, @note, @author)
returning ` + correctionColumns

// AddCorrection keeps a correction; its id, author and time of creation are set here. It needs the role editor among the
// operator's people. A correction that Check refuses is a fault.Invalid.
func (d *DB) AddCorrection(ctx context.Context, who access.Principal, c slo.Correction) (slo.Correction, error) {
	if err := mayCorrect(who); err != nil {
		return slo.Correction{}, err
	}
	c.Reason, c.Note = strings.TrimSpace(c.Reason), strings.TrimSpace(c.Note)
	if err := c.Check(nil, time.Nanosecond); err != nil { // how wide buckets are is not known here
		return slo.Correction{}, err
	}
	labels := c.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	args := pgx.NamedArgs{"tenant": labels["tenant"], "slo": c.SLO, "service": c.Service, "labels": labels, "from": c.From, "to": c.To,
		"mode": c.Mode, "kind": c.Kind, "reason": c.Reason, "note": c.Note, "author": who.Name}
	var made slo.Correction
	err := d.api.change(ctx, who.Scope(), func(ctx context.Context, tx querier, _ time.Time) (err error) {
		if made, err = one(rows(ctx, tx, addCorrectionSQL, args, scanCorrection)); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		record(batch, who, labels["tenant"], "correction.add", "correction/"+made.ID, correctionDetail(made))
		announce(batch, Change{Topic: TopicCorrection, Tenant: labels["tenant"], ID: made.ID})
		return send(ctx, tx, batch)
	})
	return made, explain(ctx, err, "add a correction")
}

func mayCorrect(who access.Principal) error {
	if err := who.Require(access.Editor); err != nil {
		return err
	}
	if who.Tenant != "" {
		return fault.New(fault.Forbidden, "corrections are made by the operator's people; you belong to %s", who.Tenant)
	}
	return nil
}

func correctionDetail(c slo.Correction) map[string]any {
	return map[string]any{"slo": c.SLO, "service": c.Service, "labels": c.Labels, "from": c.From, "to": c.To, "mode": c.Mode, "kind": c.Kind,
		"reason": c.Reason, "retroactive": c.Retroactive()}
}

const (
	correctionSQL = `select ` + correctionColumns + ` from corrections where id = @id for update`

	revokeCorrectionSQL = `
update corrections set revoked_at = clock_timestamp(), revoked_by = @by, revoked_reason = @reason
where id = @id and revoked_at is null
returning ` + correctionColumns
)

const maxRevokeReason = 500 // characters

// RevokeCorrection ends a correction as if it had never been; it stays in the list, with who revoked it and why. It needs
// the role editor among the operator's people. One that is unknown is a fault.NotFound, one that is revoked already a
// fault.Conflict.
func (d *DB) RevokeCorrection(ctx context.Context, who access.Principal, id, reason string) (slo.Correction, error) {
	if err := mayCorrect(who); err != nil {
		return slo.Correction{}, err
	}
	reason = strings.TrimSpace(reason)
	if n := utf8.RuneCountInString(reason); n == 0 || n > maxRevokeReason {
		return slo.Correction{}, fault.New(fault.Invalid, "reason: has %d characters; say in 1 to %d why it no longer holds", n, maxRevokeReason)
	}
	missing := fault.New(fault.NotFound, "there is no correction %q", id)
	if !isUUID(id) {
		return slo.Correction{}, missing
	}
	var ended slo.Correction
	err := d.api.change(ctx, who.Scope(), func(ctx context.Context, tx querier, _ time.Time) error {
		found, err := rows(ctx, tx, correctionSQL, pgx.NamedArgs{"id": id}, scanCorrection)
		switch {
		case err != nil:
			return err
		case len(found) == 0:
			return missing
		case !found[0].InForce():
			return fault.New(fault.Conflict, "this correction was revoked at %s already", found[0].Revoked.Format(time.RFC3339))
		}
		if ended, err = one(rows(ctx, tx, revokeCorrectionSQL, pgx.NamedArgs{"id": id, "by": who.Name, "reason": reason}, scanCorrection)); err != nil {
			return err
		}
		tenant := ended.Labels["tenant"]
		batch := &pgx.Batch{}
		record(batch, who, tenant, "correction.revoke", "correction/"+id, map[string]any{"reason": reason})
		announce(batch, Change{Topic: TopicCorrection, Tenant: tenant, ID: id})
		return send(ctx, tx, batch)
	})
	return ended, explain(ctx, err, "revoke a correction")
}
