package postgres

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/credential"
	"github.com/nines-sre/nines/internal/fault"
)

// Token is an API token, for machines. Its secret is shown once, when it is made; only a hash is kept.
type Token struct {
	ID         string      `json:"id"`
	Name       string      `json:"name"`
	Role       access.Role `json:"role"`
	Tenant     string      `json:"tenant"` // "" for the operator's own
	CreatedAt  time.Time   `json:"createdAt"`
	CreatedBy  string      `json:"createdBy"`  // access.Principal.ID
	LastUsedAt *time.Time  `json:"lastUsedAt"` // exact to a minute; nil is never
	RevokedAt  *time.Time  `json:"revokedAt"`
}

const tokenColumns = `id, name, role, tenant_id as tenant, created_at, created_by, last_used_at, revoked_at`

const createTokenSQL = `
insert into tokens (tenant_id, name, role, token_hash, created_by) values (@tenant, @name, @role, @hash, @by)
returning ` + tokenColumns

const maxTokenName = 100 // characters

// CreateToken makes an API token and returns its secret. It needs the role admin; a tenant's admin makes tokens of that
// tenant. The tenant is "" for the operator's own.
func (d *DB) CreateToken(ctx context.Context, who access.Principal, name string, role access.Role, tenant string) (plain string, t Token, err error) {
	name = strings.TrimSpace(name)
	if tenant == "" {
		tenant = who.Tenant
	}
	if err := who.Require(access.Admin); err != nil {
		return "", t, err
	}
	if n := utf8.RuneCountInString(name); n == 0 || n > maxTokenName {
		return "", t, fault.New(fault.Invalid, "name: has %d characters; use 1 to %d, such as what will use the token", n, maxTokenName)
	}
	if err := checkGrant(who, role, tenant); err != nil {
		return "", t, err
	}
	plain, hash := credential.NewToken("nines_token_")
	args := pgx.NamedArgs{"tenant": tenant, "name": name, "role": role, "hash": hash, "by": who.ID}
	err = d.api.change(ctx, who.Scope(), func(ctx context.Context, tx querier, _ time.Time) error {
		t, err = one(rows(ctx, tx, createTokenSQL, args, pgx.RowToStructByName[Token]))
		if err != nil {
			return err
		}
		batch := &pgx.Batch{}
		record(batch, who, tenant, "token.create", "token/"+t.ID, map[string]any{"name": name, "role": role})
		return send(ctx, tx, batch)
	})
	if err != nil {
		return "", Token{}, explain(ctx, err, "create a token")
	}
	return plain, t, nil
}

// Tokens returns the tokens within the principal's scope, the newest first, revoked ones too. It needs the role admin.
func (d *DB) Tokens(ctx context.Context, who access.Principal) ([]Token, error) {
	if err := who.Require(access.Admin); err != nil {
		return nil, err
	}
	tokens, err := read(ctx, d.api, who.Scope(), "select "+tokenColumns+" from tokens order by created_at desc, id", nil, pgx.RowToStructByName[Token])
	return tokens, explain(ctx, err, "list tokens")
}

const revokeTokenSQL = `
update tokens set revoked_at = now() where id = @id and revoked_at is null returning ` + tokenColumns

// RevokeToken ends a token at once. It needs the role admin. A token that is unknown, out of scope or revoked already is
// a fault.NotFound.
func (d *DB) RevokeToken(ctx context.Context, who access.Principal, id string) error {
	if err := who.Require(access.Admin); err != nil {
		return err
	}
	missing := fault.New(fault.NotFound, "there is no such token, or it is revoked already")
	if !isUUID(id) {
		return missing
	}
	err := d.api.change(ctx, who.Scope(), func(ctx context.Context, tx querier, _ time.Time) error {
		revoked, err := rows(ctx, tx, revokeTokenSQL, pgx.NamedArgs{"id": id}, pgx.RowToStructByName[Token])
		if err != nil {
			return err
		}
		if len(revoked) == 0 {
			return missing
		}
		batch := &pgx.Batch{}
		record(batch, who, revoked[0].Tenant, "token.revoke", "token/"+id, map[string]any{"name": revoked[0].Name})
		announce(batch, Change{Topic: topicToken})
		return send(ctx, tx, batch)
	})
	d.bearers.forgetAll()
	return explain(ctx, err, "revoke a token")
}

const tokenSQL = `
select id, name, tenant_id as tenant, role, coalesce(last_used_at < now() - @touch::interval, true) as stale
from tokens where token_hash = @hash and revoked_at is null`

const touchTokenSQL = `
update tokens set last_used_at = now()
where token_hash = @hash and coalesce(last_used_at < now() - @touch::interval, true)`

// PrincipalOfToken returns who the token stands for. An unknown or revoked one is a fault.Unauthorized. One that was looked
// up a moment ago is not looked up again.
func (d *DB) PrincipalOfToken(ctx context.Context, token string) (access.Principal, error) {
	hash := credential.HashToken(token)
	if who, fresh := d.bearers.fresh("token:"+hash, time.Now()); fresh {
		return who, nil
	}
	args := pgx.NamedArgs{"hash": hash, "touch": touchAfter}
	return d.principal(ctx, "token:", tokenSQL, touchTokenSQL, args, "the API token is not known, or was revoked")
}

func isUUID(s string) bool {
	_, err := uuid.Parse(s)
	return err == nil && len(s) == 36
}
