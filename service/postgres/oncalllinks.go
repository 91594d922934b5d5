package postgres

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// OnCallLink lets whoever knows its secret address see one calendar or badge, without signing in.
type OnCallLink struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind"` // "calendar" or "badge"
	Schedule string    `json:"schedule,omitempty"`
	Person   string    `json:"person,omitempty"`
	MadeBy   string    `json:"madeBy"`
	MadeAt   time.Time `json:"madeAt"`
}

func scanLink(row pgx.CollectableRow) (l OnCallLink, err error) {
	return l, row.Scan(&l.ID, &l.Kind, &l.Schedule, &l.Person, &l.MadeBy, &l.MadeAt)
}

const (
	linkColumns = `id::text, kind, schedule, person, made_by, made_at`
	addLinkSQL  = `
insert into oncall_links (id, kind, schedule, person, token_hash, made_by, actor, made_at)
values (@id, @kind, @schedule, @person, @hash, @by, @actor, @at)`
	linkSQL        = `select ` + linkColumns + ` from oncall_links where tenant_id = '' and token_hash = @hash and revoked_at is null`
	oncallLinksSQL = `
select ` + linkColumns + ` from oncall_links
where tenant_id = '' and revoked_at is null and (@every::boolean or actor = @actor)
order by made_at desc, id
limit 1000`
	countLinksSQL = `select count(*) from oncall_links where tenant_id = '' and revoked_at is null and actor = @actor`
	revokeLinkSQL = `
update oncall_links set revoked_at = @now
where tenant_id = '' and id = @id and revoked_at is null and (@every::boolean or actor = @actor)
returning ` + linkColumns
)

const maxLinks = 100 // of one person

// MakeOnCallLink makes a secret address for a calendar or badge and returns its secret, once and never again: only a
// hash is kept. Anybody of the operator's may make one of a schedule; one of a person is made by that person or an admin.
func (d *DB) MakeOnCallLink(ctx context.Context, who access.Principal, l OnCallLink) (OnCallLink, string, error) {
	if err := onSchedule(who, access.Viewer); err != nil {
		return l, "", err
	}
	l.Person = Account(l.Person)
	if l.Person != "" && l.Person != who.Name && who.Require(access.Admin) != nil {
		return l, "", fault.New(fault.Forbidden, "person: links to other people's calendars need the role admin; you are %s", who.Role)
	}
	if l.Kind != "calendar" && l.Kind != "badge" || (l.Schedule == "") == (l.Person == "") {
		return l, "", fault.New(fault.Invalid, "kind: is calendar or badge, of either a schedule or a person")
	}
	if l.Schedule != "" {
		if _, err := d.scheduleNamed(l.Schedule); err != nil {
			return l, "", err
		}
	}
	random := make([]byte, 24)
	_, _ = rand.Read(random) // never fails
	secret := base64.RawURLEncoding.EncodeToString(random)
	err := d.api.change(ctx, who.Scope(), func(ctx context.Context, tx querier, now time.Time) error {
		n, err := one(rows(ctx, tx, countLinksSQL, pgx.NamedArgs{"actor": who.ID}, pgx.RowTo[int]))
		if err == nil && n >= maxLinks {
			err = fault.New(fault.Conflict, "you have %d links already; revoke some", n)
		}
		if err != nil {
			return err
		}
		l.ID, l.MadeBy, l.MadeAt = uuid.NewString(), who.Name, now.UTC()
		batch := &pgx.Batch{}
		batch.Queue(addLinkSQL, pgx.NamedArgs{
			"id": l.ID, "kind": l.Kind, "schedule": l.Schedule, "person": l.Person, "hash": hashOf(secret), "by": l.MadeBy, "actor": who.ID, "at": now,
		})
		record(batch, who, "", "oncall-link.create", "oncall-link/"+l.ID, map[string]any{"kind": l.Kind, "schedule": l.Schedule, "person": l.Person})
		return send(ctx, tx, batch)
	})
	return l, secret, explain(ctx, err, "make a link")
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// OnCallLinkOf returns what a secret address shows; a secret that is unknown or revoked is a fault.NotFound.
func (d *DB) OnCallLinkOf(ctx context.Context, secret string) (OnCallLink, error) {
	found, err := read(ctx, d.api, access.Operator(), linkSQL, pgx.NamedArgs{"hash": hashOf(secret)}, scanLink)
	if err == nil && len(found) == 0 {
		err = fault.New(fault.NotFound, "this address shows nothing, or no longer does")
	}
	if err != nil {
		return OnCallLink{}, explain(ctx, err, "read a link")
	}
	return found[0], nil
}

// OnCallLinks returns the links that somebody made and that still show something; an admin sees everybody's.
func (d *DB) OnCallLinks(ctx context.Context, who access.Principal) ([]OnCallLink, error) {
	if err := onSchedule(who, access.Viewer); err != nil {
		return nil, err
	}
	args := pgx.NamedArgs{"every": who.Require(access.Admin) == nil, "actor": who.ID}
	found, err := read(ctx, d.api, who.Scope(), oncallLinksSQL, args, scanLink)
	return found, explain(ctx, err, "read links")
}

// RevokeOnCallLink makes an address show nothing from now on. One's own, or anybody's for an admin; others are a
// fault.NotFound.
func (d *DB) RevokeOnCallLink(ctx context.Context, who access.Principal, id string) error {
	if err := onSchedule(who, access.Viewer); err != nil {
		return err
	}
	missing := fault.New(fault.NotFound, "you have no link %q", shortened(id))
	if !isUUID(id) {
		return missing
	}
	err := d.api.change(ctx, who.Scope(), func(ctx context.Context, tx querier, now time.Time) error {
		args := pgx.NamedArgs{"id": id, "now": now, "every": who.Require(access.Admin) == nil, "actor": who.ID}
		found, err := rows(ctx, tx, revokeLinkSQL, args, scanLink)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return missing
		}
		batch := &pgx.Batch{}
		record(batch, who, "", "oncall-link.revoke", "oncall-link/"+id, nil)
		return send(ctx, tx, batch)
	})
	return explain(ctx, err, "revoke a link")
}
