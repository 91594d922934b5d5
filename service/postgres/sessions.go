package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/credential"
	"github.com/nines-sre/nines/internal/fault"
)

// How long a session lives: at most, and without being used.
const (
	sessionLife = 30 * 24 * time.Hour
	sessionIdle = 7 * 24 * time.Hour
)

// touchAfter is how old a last use may be before it is written again.
const touchAfter = time.Minute

var errSignIn = fault.New(fault.Unauthorized, "the e-mail address or the password is wrong")

type account struct {
	ID, Tenant, Email, PasswordHash string
	Disabled                        bool
}

const accountSQL = `
select id, tenant_id as tenant, email, password_hash, disabled_at is not null as disabled
from users where email = @email`

// SignIn returns a new session's token, shown once, and when it ends at the latest. Wrong credentials and disabled
// accounts are the same fault.Unauthorized, in the same time; too many failures for an address are a fault.Limited.
func (d *DB) SignIn(ctx context.Context, email, password string) (token string, expires time.Time, err error) {
	email = normalEmail(email)
	if wait := d.attempts.wait(email, time.Now()); wait > 0 {
		e := fault.New(fault.Limited, "too many failed tries; wait %s", wait)
		e.RetryAfter = wait
		return "", time.Time{}, e
	}
	found, err := read(ctx, d.api, access.Operator(), accountSQL, pgx.NamedArgs{"email": email}, pgx.RowToStructByName[account])
	if err != nil {
		return "", time.Time{}, explain(ctx, err, "look up an account")
	}
	var a account // an unknown address is checked against no hash, which takes as long
	if len(found) == 1 {
		a = found[0]
	}
	ok, err := d.verify(ctx, a.PasswordHash, password)
	if err != nil {
		return "", time.Time{}, err
	}
	if !ok || a.Disabled {
		d.attempts.failed(email, time.Now())
		return "", time.Time{}, d.refuse(ctx, a)
	}
	return d.openSession(ctx, a)
}

// verify checks a password, few at a time.
func (d *DB) verify(ctx context.Context, hash, password string) (bool, error) {
	select {
	case d.attempts.hashing <- struct{}{}:
		defer func() { <-d.attempts.hashing }()
		return credential.VerifyPassword(hash, password), nil
	case <-ctx.Done():
		return false, explain(ctx, ctx.Err(), "check a password")
	}
}

// refuse records a failed try on an account that exists; the number of those is bounded by the throttle.
func (d *DB) refuse(ctx context.Context, a account) error {
	if a.ID == "" {
		return errSignIn
	}
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		batch := &pgx.Batch{}
		record(batch, access.Principal{ID: "system:sign-in", Name: "sign-in"}, a.Tenant, "session.refuse", "user/"+a.ID, map[string]any{"email": a.Email})
		return send(ctx, tx, batch)
	})
	if err != nil {
		return explain(ctx, err, "record a failed sign-in")
	}
	return errSignIn
}

const openSessionSQL = `
insert into sessions (tenant_id, token_hash, user_id, expires_at) values (@tenant, @hash, @user, @expires)`

func (d *DB) openSession(ctx context.Context, a account) (token string, expires time.Time, err error) {
	token, hash := credential.NewToken("nines_session_")
	err = d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		expires = now.Add(sessionLife)
		batch := &pgx.Batch{}
		batch.Queue(openSessionSQL, pgx.NamedArgs{"tenant": a.Tenant, "hash": hash, "user": a.ID, "expires": expires})
		record(batch, access.Principal{ID: "user:" + a.ID, Name: a.Email}, a.Tenant, "session.open", "user/"+a.ID, nil)
		return send(ctx, tx, batch)
	})
	if err != nil {
		return "", time.Time{}, explain(ctx, err, "open a session")
	}
	return token, expires, nil
}

// SignOut ends the session of the token. One that has ended already is no trouble.
func (d *DB) SignOut(ctx context.Context, token string) error {
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		_, err := tx.Exec(ctx, "delete from sessions where token_hash = $1", credential.HashToken(token))
		return err
	})
	return explain(ctx, err, "sign out")
}

// bearer is who stands behind a secret.
type bearer struct {
	ID, Name, Tenant string
	Role             access.Role
	Stale            bool // its last use was written a while ago
}

const sessionSQL = `
select u.id, u.email as name, u.tenant_id as tenant, u.role, s.last_seen_at < now() - @touch::interval as stale
from sessions s join users u on (u.tenant_id, u.id) = (s.tenant_id, s.user_id)
where s.token_hash = @hash and s.expires_at > now() and s.last_seen_at > now() - @idle::interval and u.disabled_at is null`

const touchSessionSQL = `
update sessions set last_seen_at = now() where token_hash = @hash and last_seen_at < now() - @touch::interval`

// PrincipalOfSession returns who is signed in with the token. An unknown, ended or idle session, and that of a disabled
// account, is a fault.Unauthorized.
func (d *DB) PrincipalOfSession(ctx context.Context, token string) (access.Principal, error) {
	args := pgx.NamedArgs{"hash": credential.HashToken(token), "idle": sessionIdle, "touch": touchAfter}
	return d.principal(ctx, "user:", sessionSQL, touchSessionSQL, args, "the session has ended; sign in again")
}

// principal finds who a secret belongs to, and writes down that it was used, at most once a minute.
func (d *DB) principal(ctx context.Context, prefix, find, touch string, args pgx.NamedArgs, otherwise string) (access.Principal, error) {
	hash, _ := args["hash"].(string)
	secret := prefix + hash // a session's is no token's
	pool, asked := d.api, time.Now()
	era, known := d.bearers.recall(secret, asked)
	if known {
		pool = d.paging
	}
	found, err := read(ctx, pool, access.Operator(), find, args, pgx.RowToStructByName[bearer])
	if err != nil {
		return access.Principal{}, explain(ctx, err, "look up a credential")
	}
	if len(found) != 1 {
		d.bearers.forget(secret)
		return access.Principal{}, fault.New(fault.Unauthorized, "%s", otherwise)
	}
	b := found[0]
	if b.Stale {
		err := pool.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
			_, err := tx.Exec(ctx, touch, args)
			return err
		})
		if err != nil { // the credential is good all the same
			d.log.Warn("could not write down that a credential was used", "error", err)
		}
	}
	who := access.Principal{ID: prefix + b.ID, Name: b.Name, Role: b.Role, Tenant: b.Tenant}
	d.bearers.remember(secret, who, asked, era)
	return who, nil
}

const forgetSessionsSQL = `
delete from sessions where expires_at < now() or last_seen_at < now() - @idle::interval`

// ForgetSessions removes sessions that have ended, and returns how many.
func (d *DB) ForgetSessions(ctx context.Context) (int, error) {
	var n int64
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		tag, err := tx.Exec(ctx, forgetSessionsSQL, pgx.NamedArgs{"idle": sessionIdle})
		n = tag.RowsAffected()
		return err
	})
	return int(n), explain(ctx, err, "forget ended sessions")
}
