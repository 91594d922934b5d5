package postgres

import (
	"context"
	"net/mail"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/credential"
	"github.com/nines-sre/nines/internal/fault"
)

// User is a person who signs in.
type User struct {
	ID        string      `json:"id"`
	Email     string      `json:"email"` // lower case; unique in the installation
	Role      access.Role `json:"role"`
	Tenant    string      `json:"tenant"` // "" for the operator's own people
	Disabled  bool        `json:"disabled"`
	CreatedAt time.Time   `json:"createdAt"`
}

const userColumns = `id, email, role, tenant_id as tenant, disabled_at is not null as disabled, created_at`

// Length of a password, in characters, after NIST SP 800-63B; no rules on what it is made of.
const (
	minPassword = 12
	maxPassword = 256
)

const createUserSQL = `
insert into users (tenant_id, email, role, password_hash) values (@tenant, @email, @role, @hash)
returning ` + userColumns

// CreateUser makes an account of the user's Email, Role and Tenant. It needs the role admin; a tenant's admin makes
// accounts of that tenant. A taken address is a fault.Conflict, a bad one or a short password a fault.Invalid.
func (d *DB) CreateUser(ctx context.Context, who access.Principal, u User, password string) (User, error) {
	u.Email = normalEmail(u.Email)
	if u.Tenant == "" {
		u.Tenant = who.Tenant
	}
	if err := checkUser(who, u, password); err != nil {
		return User{}, err
	}
	args := pgx.NamedArgs{"tenant": u.Tenant, "email": u.Email, "role": u.Role, "hash": credential.HashPassword(password)}
	err := d.api.change(ctx, who.Scope(), func(ctx context.Context, tx querier, _ time.Time) error {
		made, err := one(rows(ctx, tx, createUserSQL, args, pgx.RowToStructByName[User]))
		if err != nil {
			return err
		}
		u = made
		batch := &pgx.Batch{}
		record(batch, who, u.Tenant, "user.create", "user/"+u.ID, map[string]any{"email": u.Email, "role": u.Role})
		return send(ctx, tx, batch)
	})
	if err != nil {
		return User{}, explain(ctx, err, "create a user")
	}
	return u, nil
}

func checkUser(who access.Principal, u User, password string) error {
	if err := who.Require(access.Admin); err != nil {
		return err
	}
	if a, err := mail.ParseAddress(u.Email); err != nil || a.Address != u.Email || len(u.Email) > 254 {
		return fault.New(fault.Invalid, "email: is not an address such as ana@example.com")
	}
	if err := checkGrant(who, u.Role, u.Tenant); err != nil {
		return err
	}
	return checkPassword(password)
}

// checkGrant reports a role that does not exist, and a tenant that is not who's.
func checkGrant(who access.Principal, role access.Role, tenant string) error {
	if !role.Valid() {
		return fault.New(fault.Invalid, "role: is not one of viewer, responder, editor, admin")
	}
	if who.Tenant != "" && who.Tenant != tenant {
		return fault.New(fault.Forbidden, "tenant: you can do this for your own tenant only")
	}
	return nil
}

func checkPassword(password string) error {
	if n := utf8.RuneCountInString(password); n < minPassword || n > maxPassword {
		return fault.New(fault.Invalid, "password: has %d characters; use %d to %d", n, minPassword, maxPassword)
	}
	return nil
}

func normalEmail(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// Users returns the accounts within the principal's scope, by address. It needs the role admin.
func (d *DB) Users(ctx context.Context, who access.Principal) ([]User, error) {
	if err := who.Require(access.Admin); err != nil {
		return nil, err
	}
	users, err := read(ctx, d.api, who.Scope(), "select "+userColumns+" from users order by email", nil, pgx.RowToStructByName[User])
	return users, explain(ctx, err, "list users")
}

// AnyUser reports whether there is any account; there is none before the first start.
func (d *DB) AnyUser(ctx context.Context) (bool, error) {
	found, err := read(ctx, d.api, access.Operator(), "select exists (select from users)", nil, pgx.RowTo[bool])
	if err != nil {
		return false, explain(ctx, err, "look for users")
	}
	return len(found) == 1 && found[0], nil
}

const (
	disableUserSQL = `update users set disabled_at = now() where id = @id and disabled_at is null returning ` + userColumns
	setPasswordSQL = `update users set password_hash = @hash where id = @id returning ` + userColumns
	endSessionsSQL = `delete from sessions where (tenant_id, user_id) = (@tenant, @id)`
)

// DisableUser ends an account and its sessions at once. It needs the role admin; nobody can disable their own account.
func (d *DB) DisableUser(ctx context.Context, who access.Principal, id string) error {
	if who.ID == "user:"+id {
		return fault.New(fault.Conflict, "you cannot disable your own account")
	}
	return d.changeUser(ctx, who, "user.disable", disableUserSQL, pgx.NamedArgs{"id": id})
}

// SetPassword gives an account another password and ends its sessions. It needs the role admin.
func (d *DB) SetPassword(ctx context.Context, who access.Principal, id, password string) error {
	if err := checkPassword(password); err != nil {
		return err
	}
	return d.changeUser(ctx, who, "user.password", setPasswordSQL, pgx.NamedArgs{"id": id, "hash": credential.HashPassword(password)})
}

func (d *DB) changeUser(ctx context.Context, who access.Principal, action, sql string, args pgx.NamedArgs) error {
	if err := who.Require(access.Admin); err != nil {
		return err
	}
	if !isUUID(args["id"].(string)) {
		return fault.New(fault.NotFound, "there is no such user")
	}
	err := d.api.change(ctx, who.Scope(), func(ctx context.Context, tx querier, _ time.Time) error {
		changed, err := rows(ctx, tx, sql, args, pgx.RowToStructByName[User])
		if err != nil {
			return err
		}
		if len(changed) == 0 {
			return fault.New(fault.NotFound, "there is no such user, or the account is disabled already")
		}
		u, batch := changed[0], &pgx.Batch{}
		batch.Queue(endSessionsSQL, pgx.NamedArgs{"tenant": u.Tenant, "id": u.ID})
		record(batch, who, u.Tenant, action, "user/"+u.ID, map[string]any{"email": u.Email})
		return send(ctx, tx, batch)
	})
	return explain(ctx, err, "change a user")
}

// one returns the only row of an answer that always has one.
func one[T any](found []T, err error) (T, error) {
	if err == nil && len(found) != 1 {
		err = pgx.ErrNoRows
	}
	if err != nil {
		var none T
		return none, err
	}
	return found[0], nil
}
