package postgres

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/credential"
	"github.com/nines-sre/nines/internal/fault"
)

// How a code proves an address: it counts for ten minutes and five tries.
const (
	codeFor       = 10 * time.Minute
	codeTries     = 5
	maxMethodName = 60 // characters
)

// ContactMethod is one way to reach a person, as the person sees it.
type ContactMethod struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Way        string     `json:"way"`     // incidents.Ways
	Channel    string     `json:"channel"` // "" where the way needs none, or has only one
	Address    string     `json:"address"`
	VerifiedAt *time.Time `json:"verifiedAt"` // nil: pending, and not used for paging
}

// Reachability is how a person wants to be reached.
type Reachability struct {
	Email   string            `json:"email"`
	Zone    string            `json:"zone"`
	Quiet   []incidents.Quiet `json:"quiet"`
	Methods []ContactMethod   `json:"methods"`
	Rules   []incidents.Rule  `json:"rules"`
}

// channels is where the channels in force come from; nothing before UseChannels.
type channelsInForce = atomic.Pointer[func() incidents.Channels]

type channelsKey struct{}

func withChannels(ctx context.Context, c *channelsInForce) context.Context {
	return context.WithValue(ctx, channelsKey{}, c)
}

func channelsOf(ctx context.Context) incidents.Channels {
	c, _ := ctx.Value(channelsKey{}).(*channelsInForce)
	if c == nil {
		return nil
	}
	if f := c.Load(); f != nil {
		return (*f)()
	}
	return nil
}

// UseChannels sets where the channels in force come from. It is called before anything else asks.
func (d *DB) UseChannels(channels func() incidents.Channels) { d.channels.Store(&channels) }

const peopleSQL = `
select u.id::text, u.email, u.zone, u.quiet,
    coalesce((select jsonb_agg(jsonb_build_object('id', m.id, 'name', m.name, 'way', m.way, 'channel', m.channel, 'address', m.address) order by m.created_at, m.id)
        from contact_methods m where (m.tenant_id, m.user_id) = (u.tenant_id, u.id) and m.verified_at is not null), '[]'),
    coalesce((select jsonb_agg(jsonb_build_object('urgency', r.urgency, 'delay', r.delay, 'method', r.method_id) order by r.delay, r.method_id)
        from notification_rules r where (r.tenant_id, r.user_id) = (u.tenant_id, u.id)), '[]')
from users u
where u.disabled_at is null and u.tenant_id = '' and u.email = any(@emails::text[])`

// person is somebody who can be called. A method whose channel is not defined any more is left out.
func person(row pgx.CollectableRow, channels incidents.Channels) (p incidents.Person, err error) {
	var methods []ContactMethod
	if err = row.Scan(&p.ID, &p.Email, &p.Zone, &p.Quiet, &methods, &p.Rules); err != nil {
		return p, err
	}
	for _, m := range methods {
		if target, err := channels.Reach(m.Way, m.Channel, m.Address); err == nil {
			p.Methods = append(p.Methods, incidents.Method{ID: m.ID, Name: m.Name, Target: target})
		}
	}
	return p, nil
}

// own returns the account whose ways somebody may read and change: their own, or as an admin anybody's of the operator's.
func own(who access.Principal, email string) (string, error) {
	email = normalEmail(email)
	switch {
	case who.Tenant != "":
		return "", fault.New(fault.Forbidden, "ways to be reached are for the operator's people, who are paged")
	case email == "" && !strings.HasPrefix(who.ID, "user:"):
		return "", fault.New(fault.Invalid, "person: is missing; a token is nobody, so say whose ways these are")
	case email == "":
		return who.Name, who.Require(access.Responder)
	case email == who.Name && strings.HasPrefix(who.ID, "user:"):
		return email, who.Require(access.Responder)
	}
	return email, who.Require(access.Admin)
}

const (
	reachabilitySQL = `select id::text, email, zone, quiet from users where tenant_id = '' and email = @email and disabled_at is null`
	methodsSQL      = `
select id::text, name, way, channel, address, verified_at from contact_methods
where (tenant_id, user_id) = ('', @user::uuid) order by created_at, id`
	rulesSQL = `
select urgency, delay, method_id::text from notification_rules where (tenant_id, user_id) = ('', @user::uuid) order by urgency, delay, method_id`
)

// reachOf reads a person by e-mail within a transaction; lock keeps others from changing it meanwhile.
func reachOf(ctx context.Context, tx querier, email string, lock bool) (id string, r Reachability, err error) {
	sql := reachabilitySQL
	if lock {
		sql += " for no key update"
	}
	type found struct {
		id string
		Reachability
	}
	all, err := rows(ctx, tx, sql, pgx.NamedArgs{"email": email}, func(row pgx.CollectableRow) (f found, err error) {
		return f, row.Scan(&f.id, &f.Email, &f.Zone, &f.Quiet)
	})
	if err == nil && len(all) == 0 {
		err = fault.New(fault.NotFound, "there is no account %q that is in use", shortened(email))
	}
	if err != nil {
		return "", r, err
	}
	id, r = all[0].id, all[0].Reachability
	if r.Methods, err = rows(ctx, tx, methodsSQL, pgx.NamedArgs{"user": id}, pgx.RowToStructByPos[ContactMethod]); err != nil {
		return id, r, err
	}
	r.Rules, err = rows(ctx, tx, rulesSQL, pgx.NamedArgs{"user": id}, pgx.RowToStructByPos[incidents.Rule])
	return id, r, err
}

// Reachability returns how a person wants to be reached; email "" is who asks. Others' need the role admin.
func (d *DB) Reachability(ctx context.Context, who access.Principal, email string) (r Reachability, err error) {
	if email, err = own(who, email); err != nil {
		return r, err
	}
	err = d.api.change(ctx, who.Scope(), func(ctx context.Context, tx querier, _ time.Time) (err error) {
		_, r, err = reachOf(ctx, tx, email, false)
		return err
	})
	return r, explain(ctx, err, "read how somebody is reached")
}

// changeReach locks a person's ways, asks what is to be changed, and commits that with an audit record.
func (d *DB) changeReach(ctx context.Context, who access.Principal, email, action string,
	decide func(ctx context.Context, tx querier, user string, r Reachability, now time.Time, batch *pgx.Batch) (map[string]any, error),
) error {
	email, err := own(who, email)
	if err != nil {
		return err
	}
	err = d.api.change(ctx, who.Scope(), func(ctx context.Context, tx querier, now time.Time) error {
		id, r, err := reachOf(ctx, tx, email, true)
		if err != nil {
			return err
		}
		batch := &pgx.Batch{}
		detail, err := decide(ctx, tx, id, r, now, batch)
		if err != nil {
			return err
		}
		record(batch, who, "", action, "user/"+id, detail)
		return send(ctx, tx, batch)
	})
	return explain(ctx, err, "change how somebody is reached")
}

const addMethodSQL = `
insert into contact_methods (tenant_id, user_id, name, way, channel, address, code_hash, code_until)
values ('', @user, @name, @way, @channel, @address, @hash, @until)
returning id::text, name, way, channel, address, verified_at`

// AddMethod keeps a way to reach a person and returns it with the code that proves it, to be sent there and to nobody
// else. The same way and address twice, or one that is somebody else's already, is a fault.Conflict.
func (d *DB) AddMethod(ctx context.Context, who access.Principal, email string, m ContactMethod) (added ContactMethod, code string, err error) {
	m.Name = strings.Join(strings.Fields(m.Name), " ")
	if n := utf8.RuneCountInString(m.Name); n == 0 || n > maxMethodName {
		return m, "", fault.New(fault.Invalid, "name: has %d characters; write 1 to %d, such as mobile", n, maxMethodName)
	}
	if code, err = newCode(); err != nil {
		return m, "", err
	}
	err = d.changeReach(ctx, who, email, "method.add", func(ctx context.Context, tx querier, user string, r Reachability, now time.Time, _ *pgx.Batch) (map[string]any, error) {
		if len(r.Methods) >= incidents.MaxMethods {
			return nil, fault.New(fault.Conflict, "there are %d ways already; take one away first", len(r.Methods))
		}
		var err error
		added, err = one(rows(ctx, tx, addMethodSQL, pgx.NamedArgs{
			"user": user, "name": m.Name, "way": m.Way, "channel": m.Channel, "address": m.Address, "hash": credential.HashToken(code), "until": now.Add(codeFor),
		}, pgx.RowToStructByPos[ContactMethod]))
		return map[string]any{"way": m.Way, "name": m.Name, "method": added.ID}, err
	})
	return added, code, err
}

// newCode returns six digits.
func newCode() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return "", fmt.Errorf("make a code: %w", err)
	}
	return fmt.Sprintf("%06d", n), nil
}

const renewCodeSQL = `
update contact_methods set code_hash = @hash, code_until = @until, code_tries = 0
where (tenant_id, id, user_id) = ('', @id::uuid, @user::uuid)`

// RenewCode makes another code for a way that is not verified yet.
func (d *DB) RenewCode(ctx context.Context, who access.Principal, email, id string) (m ContactMethod, code string, err error) {
	if code, err = newCode(); err != nil {
		return m, "", err
	}
	err = d.changeReach(ctx, who, email, "method.code", func(_ context.Context, _ querier, user string, r Reachability, now time.Time, batch *pgx.Batch) (map[string]any, error) {
		var err error
		if m, err = r.method(id); err != nil {
			return nil, err
		}
		if m.VerifiedAt != nil {
			return nil, fault.New(fault.Conflict, "%s is verified already", m.Name)
		}
		batch.Queue(renewCodeSQL, pgx.NamedArgs{"hash": credential.HashToken(code), "until": now.Add(codeFor), "id": id, "user": user})
		return map[string]any{"method": id}, nil
	})
	return m, code, err
}

func (r Reachability) method(id string) (ContactMethod, error) {
	for _, m := range r.Methods {
		if m.ID == id {
			return m, nil
		}
	}
	return ContactMethod{}, fault.New(fault.NotFound, "there is no such way to reach this person")
}

const (
	tryCodeSQL = `
update contact_methods set code_tries = code_tries + 1
where (tenant_id, id, user_id) = ('', @id::uuid, @user::uuid) and verified_at is null
returning code_tries <= @most and code_until > @now and code_hash = @hash`
	verifySQL = `
update contact_methods set verified_at = @now, code_hash = '', code_until = null where (tenant_id, id) = ('', @id::uuid)`
)

// VerifyMethod makes a way count once its code is told. A wrong or late code is a fault.Invalid, and after five tries
// another is needed; an address that somebody else has verified is a fault.Conflict.
func (d *DB) VerifyMethod(ctx context.Context, who access.Principal, email, id, code string) error {
	right := false
	err := d.changeReach(ctx, who, email, "method.verify", func(ctx context.Context, tx querier, user string, r Reachability, now time.Time, batch *pgx.Batch) (map[string]any, error) {
		m, err := r.method(id)
		if err != nil {
			return nil, err
		}
		if m.VerifiedAt != nil {
			right = true
			return map[string]any{"method": id}, nil
		}
		args := pgx.NamedArgs{"id": id, "user": user, "most": codeTries, "now": now, "hash": credential.HashToken(strings.TrimSpace(code))}
		if right, err = one(rows(ctx, tx, tryCodeSQL, args, pgx.RowTo[bool])); err != nil {
			return nil, err
		}
		if right {
			batch.Queue(verifySQL, pgx.NamedArgs{"id": id, "now": now})
		}
		return map[string]any{"method": id, "verified": right}, nil
	})
	if err == nil && !right { // the try is counted, so that it is told after the commit
		return fault.New(fault.Invalid, "code: is not the one that was sent, or too old; after %d tries ask for another", codeTries)
	}
	return err
}

// RemoveMethod takes a way to reach a person away, with the rules that use it.
func (d *DB) RemoveMethod(ctx context.Context, who access.Principal, email, id string) error {
	return d.changeReach(ctx, who, email, "method.remove", func(_ context.Context, _ querier, _ string, r Reachability, _ time.Time, batch *pgx.Batch) (map[string]any, error) {
		m, err := r.method(id)
		if err != nil {
			return nil, err
		}
		batch.Queue(`delete from contact_methods where (tenant_id, id) = ('', @id::uuid)`, pgx.NamedArgs{"id": id})
		return map[string]any{"method": id, "way": m.Way, "name": m.Name}, nil
	})
}

// SetRules replaces when which way is used. Rules of ways that are not verified are kept and count once they are.
func (d *DB) SetRules(ctx context.Context, who access.Principal, email string, rules []incidents.Rule) error {
	return d.changeReach(ctx, who, email, "rules.set", func(_ context.Context, _ querier, user string, r Reachability, _ time.Time, batch *pgx.Batch) (map[string]any, error) {
		methods := make([]incidents.Method, 0, len(r.Methods))
		for _, m := range r.Methods {
			methods = append(methods, incidents.Method{ID: m.ID})
		}
		if err := incidents.CheckRules(rules, methods); err != nil {
			return nil, err
		}
		batch.Queue(`delete from notification_rules where (tenant_id, user_id) = ('', @user::uuid)`, pgx.NamedArgs{"user": user})
		for _, rule := range rules {
			batch.Queue(`insert into notification_rules (tenant_id, user_id, urgency, delay, method_id) values ('', @user, @urgency, @delay, @method)`,
				pgx.NamedArgs{"user": user, "urgency": rule.Urgency, "delay": int64(rule.Delay), "method": rule.Method})
		}
		return map[string]any{"rules": len(rules)}, nil
	})
}

// SetQuiet replaces a person's zone and the hours in which what is of low urgency waits.
func (d *DB) SetQuiet(ctx context.Context, who access.Principal, email, zone string, quiet []incidents.Quiet) error {
	if err := incidents.CheckQuiet(zone, quiet); err != nil {
		return err
	}
	return d.changeReach(ctx, who, email, "quiet.set", func(_ context.Context, _ querier, user string, _ Reachability, _ time.Time, batch *pgx.Batch) (map[string]any, error) {
		batch.Queue(`update users set zone = @zone, quiet = @quiet where (tenant_id, id) = ('', @user::uuid)`,
			pgx.NamedArgs{"zone": zone, "quiet": append([]incidents.Quiet{}, quiet...), "user": user})
		return map[string]any{"zone": zone, "quiet": len(quiet)}, nil
	})
}

// PersonAt returns who is paged at a telephone, by e-mail, and "" for nobody.
func (d *DB) PersonAt(ctx context.Context, number string) (string, error) {
	found, err := read(ctx, d.paging, access.Operator(), `
		select u.email from contact_methods m join users u on (u.tenant_id, u.id) = (m.tenant_id, m.user_id)
		where m.way in ('sms', 'voice') and m.address = @number and m.verified_at is not null and u.disabled_at is null limit 1`,
		pgx.NamedArgs{"number": number}, pgx.RowTo[string])
	if err != nil || len(found) == 0 {
		return "", explain(ctx, err, "look for a telephone")
	}
	return found[0], nil
}
