package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

// Reassign gives an incident to a policy as it is now, whose first step is paged anew, with its pages and audit record. It
// needs the role responder. For turn and errors see incidents.Incident.Reassign.
func (d *DB) Reassign(ctx context.Context, who access.Principal, id string, to incidents.Policy, turn *int) (incidents.Incident, error) {
	detail := map[string]any{"policy": to.Name}
	return d.calls(ctx, deed{who: who, action: "incident.reassign", detail: detail, to: &to, call: func(s scene) (incidents.Change, error) {
		return s.incident.Reassign(actor(who), to, turn, s.roster, s.now)
	}}, id)
}

// Snooze acknowledges an incident until a time and pages anew then. It needs the role responder. For errors see
// incidents.Incident.Snooze.
func (d *DB) Snooze(ctx context.Context, who access.Principal, id string, until time.Time) (incidents.Incident, error) {
	return d.transition(ctx, who, id, "incident.snooze", map[string]any{"until": until},
		func(i incidents.Incident, paged []incidents.Target, now time.Time) (incidents.Change, error) {
			return i.Snooze(actor(who), until, paged, now)
		})
}

const pageColumns = `p.id, p.incident_id as incident, p.tenant_id as tenant, p.action, p.step, p.loop, p.target, p.dedup_key, p.state, p.attempts,
    p.next_at, p.created_at, p.trace, p.text, p.fallback, p.turn, p.number, p.person, p.method`

// Pages returns the pages that call people about an incident, in the order in which they are due.
func (d *DB) Pages(ctx context.Context, scope access.Scope, id string) ([]incidents.Page, error) {
	pages, err := ofIncident(ctx, d.api, scope, id, `
		select `+pageColumns+`
		from pages p where (p.tenant_id, p.incident_id) = (select tenant_id, id from incidents where %s) and p.action = 'trigger'
		order by p.id limit `+mostEntries, pgx.RowToStructByName[incidents.Page], "read pages")
	slices.SortStableFunc(pages, func(a, b incidents.Page) int { return due(a).Compare(due(b)) })
	return pages, err
}

// due is when the page is or was to be sent.
func due(p incidents.Page) time.Time { return later(p.CreatedAt, p.NextAt) }

const withoutAccountSQL = `
select named from unnest(@emails::text[]) as named
where not exists (select from users u where u.email = named and u.tenant_id = '' and u.disabled_at is null)
order by named`

// WithoutAccount returns those of the e-mail addresses, in lower case, that no account of the operator's which is in use has.
func (d *DB) WithoutAccount(ctx context.Context, emails []string) ([]string, error) {
	found, err := read(ctx, d.api, access.Operator(), withoutAccountSQL, pgx.NamedArgs{"emails": emails}, pgx.RowTo[string])
	return found, explain(ctx, err, "look for accounts")
}
