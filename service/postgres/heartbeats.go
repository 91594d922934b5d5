package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// A ping is never moved back, whichever replica's transaction comes last.
const pingSQL = `
insert into heartbeats (tenant_id, name, last_at, actor) values (@tenant, @name, clock_timestamp(), @actor)
on conflict (tenant_id, name) do update set last_at = greatest(heartbeats.last_at, excluded.last_at), actor = excluded.actor
returning tenant_id, name, last_at, actor`

// PingHeartbeat notes that a heartbeat is alive, by the database's clock, and returns the ping. The tenant is whose
// heartbeat it is. That it is defined, and that the alert it raised ends, is up to the caller. It needs the role
// responder, and a tenant's people ping their tenant's alone.
func (d *DB) PingHeartbeat(ctx context.Context, who access.Principal, tenant, name string) (alerting.Ping, error) {
	if err := who.Require(access.Responder); err != nil {
		return alerting.Ping{}, err
	}
	if who.Tenant != "" && who.Tenant != tenant {
		return alerting.Ping{}, fault.New(fault.NotFound, "there is no heartbeat %q", name)
	}
	var ping alerting.Ping
	err := d.paging.change(ctx, who.Scope(), func(ctx context.Context, tx querier, _ time.Time) (err error) {
		args := pgx.NamedArgs{"tenant": tenant, "name": name, "actor": who.ID}
		if ping, err = one(rows(ctx, tx, pingSQL, args, scanPing)); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		announce(batch, Change{Topic: TopicHeartbeat, Tenant: tenant, ID: name})
		return send(ctx, tx, batch)
	})
	return ping, explain(ctx, err, "note a heartbeat")
}

func scanPing(row pgx.CollectableRow) (p alerting.Ping, err error) {
	return p, row.Scan(&p.Tenant, &p.Name, &p.LastAt, &p.Actor)
}

const pingsSQL = `select tenant_id, name, last_at, actor from heartbeats order by tenant_id, name`

// HeartbeatStates returns when each heartbeat in scope was last heard; those that were never pinged are not among them.
func (d *DB) HeartbeatStates(ctx context.Context, scope access.Scope) ([]alerting.Ping, error) {
	found, err := read(ctx, d.api, scope, pingsSQL, nil, scanPing)
	return found, explain(ctx, err, "read heartbeats")
}

const beatsSQL = `select tenant_id, name, last_at, actor, clock_timestamp() from heartbeats`

const firingNowSQL = `
select tenant_id, fingerprint, ends_at
from alerts
where open and ends_at > @now and (tenant_id, fingerprint) in (select * from unnest(@tenants::text[], @fingerprints::text[]))`

// beatRenewal is how long before a heartbeat's alert would lapse it is told again.
const beatRenewal = time.Hour

// WatchHeartbeats tells the alerts of the heartbeats that are overdue, and ends those of heartbeats that were pinged,
// through the ordinary intake; it returns how many. Any number of replicas may call it.
func (d *DB) WatchHeartbeats(ctx context.Context, beats []alerting.Heartbeat, routing Routing) (int, error) {
	if len(beats) == 0 {
		return 0, nil
	}
	var now time.Time
	last := map[serviceKey]time.Time{}
	_, err := read(ctx, d.paging, access.Operator(), beatsSQL, nil, func(row pgx.CollectableRow) (p alerting.Ping, err error) {
		err = row.Scan(&p.Tenant, &p.Name, &p.LastAt, &p.Actor, &now)
		last[serviceKey{p.Tenant, p.Name}] = p.LastAt
		return p, err
	})
	if err != nil {
		return 0, explain(ctx, err, "read heartbeats")
	}
	var told []alerting.Alert
	for _, h := range beats {
		if a, ok := h.Alert(last[serviceKey{h.Tenant, h.Name}], now); ok {
			told = append(told, a)
		}
	}
	told, err = d.newsOf(ctx, told, now)
	if err != nil || len(told) == 0 {
		return 0, explain(ctx, err, "look at the alerts of heartbeats")
	}
	return len(told), d.ReceiveAlerts(ctx, access.System("heartbeats"), told, routing)
}

// What a heartbeat raised is known by the alert's name and by its having been pinged; what others call so is theirs.
const undefinedBeatsSQL = `
select a.tenant_id, a.fingerprint, a.labels, a.annotations, a.starts_at, clock_timestamp()
from alerts a
where a.open and a.ends_at > clock_timestamp() and a.labels @> @name
    and exists (select from heartbeats h where (h.tenant_id, h.name) = (a.tenant_id, a.labels->>'heartbeat'))
    and (a.tenant_id, a.fingerprint) not in (select * from unnest(@tenants::text[], @fingerprints::text[]))`

// EndUndefinedHeartbeats ends the alerts of heartbeats that are not defined any more, and returns how many; beats are those
// that are.
func (d *DB) EndUndefinedHeartbeats(ctx context.Context, beats []alerting.Heartbeat, routing Routing) (int, error) {
	var defined []alerting.Alert
	for _, h := range beats {
		if a, ok := h.Alert(time.Now(), time.Now()); ok { // its labels matter, not its times
			defined = append(defined, a)
		}
	}
	args := pgx.NamedArgs{
		"name":         map[string]string{"alertname": alerting.HeartbeatMissed},
		"tenants":      column(defined, func(a alerting.Alert) string { return a.Tenant }),
		"fingerprints": column(defined, func(a alerting.Alert) string { return a.Fingerprint }),
	}
	over, err := read(ctx, d.paging, access.Operator(), undefinedBeatsSQL, args, func(row pgx.CollectableRow) (a alerting.Alert, err error) {
		err = row.Scan(&a.Tenant, &a.Fingerprint, &a.Labels, &a.Annotations, &a.StartsAt, &a.UpdatedAt)
		a.EndsAt = a.UpdatedAt
		return a, err
	})
	if err != nil || len(over) == 0 {
		return 0, explain(ctx, err, "look for heartbeats that are not defined")
	}
	return len(over), d.ReceiveAlerts(ctx, access.System("heartbeats"), over, routing)
}

// newsOf leaves out the alerts that are known to fire for long enough, and the ended that do not fire.
func (d *DB) newsOf(ctx context.Context, told []alerting.Alert, now time.Time) ([]alerting.Alert, error) {
	if len(told) == 0 {
		return nil, nil
	}
	firing := map[alertKey]time.Time{}
	args := pgx.NamedArgs{
		"now": now, "tenants": column(told, func(a alerting.Alert) string { return a.Tenant }),
		"fingerprints": column(told, func(a alerting.Alert) string { return a.Fingerprint }),
	}
	_, err := read(ctx, d.paging, access.Operator(), firingNowSQL, args, func(row pgx.CollectableRow) (k alertKey, err error) {
		var ends time.Time
		err = row.Scan(&k.tenant, &k.fingerprint, &ends)
		firing[k] = ends
		return k, err
	})
	if err != nil {
		return nil, err
	}
	news := told[:0]
	for _, a := range told {
		ends, fires := firing[keyOf(a)]
		if a.Firing(now) && ends.Before(now.Add(beatRenewal)) || !a.Firing(now) && fires {
			news = append(news, a)
		}
	}
	return news, nil
}
