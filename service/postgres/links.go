package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

// linkHorizon is how far back incidents get links: a change may be told as done without leave hours after it went.
const linkHorizon = 24 * time.Hour

// mostLinks bounds the changes that one incident is linked to; the closest count.
const mostLinks = "10"

// Incidents that opened lately, and the changes of their service or of all that began within the span before, the
// closest first.
const linkChangesSQL = `
with found as (
    select i.tenant_id, i.id, c.id as change, i.opened_at - c.began_at as before,
        row_number() over (partition by i.id order by c.began_at desc, c.number desc) as rank
    from incidents i
    left join unnest(@services::text[], @withins::float8[]) as w (service, within) on w.service = i.service
    join changes c on c.service in (i.service, '` + slo.AllServices + `') and c.began_at <= i.opened_at
        and c.began_at > i.opened_at - make_interval(secs => coalesce(w.within, @usual::float8))
    where i.opened_at > @since
), fresh as (
    insert into change_links (change_id, incident_tenant, incident_id, before, linked_at)
    select change, tenant_id, id, (extract(epoch from before) * 1e9)::bigint, @now::timestamptz from found where rank <= ` + mostLinks + `
    on conflict do nothing
    returning change_id, incident_tenant, incident_id, before
)
select f.incident_tenant as tenant, f.incident_id as incident, i.service as of, f.before, c.number, c.service, c.ref, c.kind, c.author
from fresh f
join changes c on c.id = f.change_id
join incidents i on (i.tenant_id, i.id) = (f.incident_tenant, f.incident_id)
order by f.before, c.number desc`

// LinkChanges ties incidents that opened lately to the changes that began shortly before, each with an entry on the
// timeline, and returns how many links are new. spans are the services with a span of their own; others have usual.
// It may run as often as one likes, on any replica.
func (d *DB) LinkChanges(ctx context.Context, spans []slo.LinkRule, usual time.Duration) (int, error) {
	type link struct {
		Tenant, Incident, Of       string
		Before, Number             int64
		Service, Ref, Kind, Author string
	}
	var links []link
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		var err error
		links, err = rows(ctx, tx, linkChangesSQL, pgx.NamedArgs{
			"services": column(spans, func(r slo.LinkRule) string { return r.Service }),
			"withins":  column(spans, func(r slo.LinkRule) float64 { return r.Within.Seconds() }),
			"usual":    usual.Seconds(), "since": now.Add(-linkHorizon), "now": now,
		}, pgx.RowToStructByName[link])
		if err != nil {
			return err
		}
		w := writes{&pgx.Batch{}}
		for _, l := range links {
			i := incidents.Incident{ID: l.Incident, Tenant: l.Tenant, Service: l.Of}
			w.event(i.ChangeBefore(incidents.Preceding{Number: l.Number, Service: l.Service, Ref: l.Ref, Kind: l.Kind, Author: l.Author, Before: time.Duration(l.Before)}, now))
			announce(w.Batch, Change{Topic: TopicIncident, Tenant: l.Tenant, ID: l.Incident})
		}
		return send(ctx, tx, w.Batch)
	})
	return len(links), explain(ctx, err, "link changes to incidents")
}

// ChangesBefore returns the changes that began shortly before an incident, the closest first; id is its UUID or number.
// An incident that is not there has none.
func (d *DB) ChangesBefore(ctx context.Context, scope access.Scope, id string) ([]slo.Preceding, error) {
	r := refer(id)
	found, err := read(ctx, d.api, scope, `
		select `+changeColumns+`, l.before
		from change_links l join changes c on c.id = l.change_id
		where l.incident_id in (select i.id from incidents i where `+r.of("i")+`)
		order by l.before, c.number desc`, r.args(), pgx.RowToStructByName[slo.Preceding])
	return found, explain(ctx, err, "read the changes before an incident")
}

// IncidentsAfter returns the incidents that opened soon after a change began, the first first; id is its UUID or number.
func (d *DB) IncidentsAfter(ctx context.Context, scope access.Scope, id string) ([]slo.Follower, error) {
	r := refer(id)
	found, err := read(ctx, d.api, scope, `
		select i.id, i.number, i.title, i.severity, i.state, i.opened_at, l.before
		from change_links l join incidents i on (i.tenant_id, i.id) = (l.incident_tenant, l.incident_id)
		where l.change_id in (select c.id from changes c where `+r.of("c")+`)
		order by l.before, i.number`, r.args(), pgx.RowToStructByName[slo.Follower])
	return found, explain(ctx, err, "read the incidents after a change")
}

const setPostmortemSQL = `
update incidents set postmortem_required = @requirement, updated_at = clock_timestamp()
where (tenant_id, id) = (@tenant, @id) and postmortem_required is null`

// RequirePostmortem makes the review of an incident a duty, with the policy that asks for it, and reports whether it was
// not one already. See incidents.Incident.RequirePostmortem.
func (d *DB) RequirePostmortem(ctx context.Context, id, policy string, spent, share float64) (bool, error) {
	if !isUUID(id) {
		return false, notThere(id)
	}
	var set bool
	who := access.System("gate")
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		before, err := lockIncident(ctx, tx, id)
		if err != nil {
			return err
		}
		change, ok := before.RequirePostmortem(policy, spent, share, now)
		if set = ok; !ok {
			return nil
		}
		w := writes{&pgx.Batch{}}
		w.Queue(setPostmortemSQL, pgx.NamedArgs{"tenant": before.Tenant, "id": before.ID, "requirement": change.Incident.PostmortemRequired})
		w.rest(change)
		record(w.Batch, who, before.Tenant, "incident.require-postmortem", "incident/"+before.ID, change.Events[0].Detail)
		return send(ctx, tx, w.Batch)
	})
	return set, explain(ctx, err, "require a postmortem")
}
