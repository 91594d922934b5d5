package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

// auditedAtOnce is how many incidents an audit looks at with one question.
const auditedAtOnce = 500

const factsColumns = `(
        select count(*) from pages p
        where (p.tenant_id, p.incident_id, p.action, p.turn, p.step, p.loop) = (i.tenant_id, i.id, 'trigger', i.turn, i.step, i.loop)
            and p.state <> 'canceled')::int as live,
    exists (
        select from timeline t
        where (t.tenant_id, t.incident_id, t.kind) = (i.tenant_id, i.id, 'nobody_to_page')
            and (t.detail -> 'step', t.detail -> 'loop', coalesce(t.detail -> 'turn', '0')) = (to_jsonb(i.step), to_jsonb(i.loop), to_jsonb(i.turn))) as nobody,
    (select count(*) from alerts a where a.open and (a.tenant_id, a.incident_id) = (i.tenant_id, i.id) and a.verdict is null)::int as loud`

const auditedSQL = `
select ` + incidentColumns + `, ` + factsColumns + `
from incidents i
where state <> 'resolved' and id > @after::uuid
order by id
limit @most`

const auditOneSQL = `
select ` + incidentColumns + `, ` + factsColumns + `
from incidents i
where state <> 'resolved' and id = @id::uuid
for no key update of i skip locked`

// audited is an open incident and what an audit has to know beside it.
type audited struct {
	incidents.Incident
	incidents.AuditFacts
}

// AuditEscalations looks at every open incident, puts right what keeps one from paging as it should, see
// incidents.Damage, and returns that. Something counts as overdue that is so by more than the bound. Any number of
// replicas may call it; one incident that cannot be put right does not keep others from it, and the error joins those.
func (d *DB) AuditEscalations(ctx context.Context, bound time.Duration) ([]incidents.AuditOf, error) {
	var repaired []incidents.AuditOf
	var faults []error
	for after := noUUID; ; {
		some, err := d.audited(ctx, after, bound)
		if err != nil {
			return repaired, errors.Join(append(faults, explain(ctx, err, "audit incidents"))...)
		}
		for _, id := range some.damaged {
			found, err := d.auditOne(ctx, id, bound)
			switch {
			case err != nil:
				faults = append(faults, explain(ctx, err, "put right incident "+id))
			case found.Damage != incidents.NoDamage:
				repaired = append(repaired, found)
			}
		}
		if after = some.last; after == "" {
			return repaired, errors.Join(faults...)
		}
	}
}

const noUUID = "00000000-0000-0000-0000-000000000000"

// looked is what one look at incidents found.
type looked struct {
	damaged []string // ids
	last    string   // id, "" where there are no more
}

func (d *DB) audited(ctx context.Context, after string, bound time.Duration) (seen looked, err error) {
	err = d.paging.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		seen = looked{}
		found, err := rows(ctx, tx, auditedSQL, pgx.NamedArgs{"after": after, "most": auditedAtOnce}, pgx.RowToStructByName[audited])
		if len(found) == auditedAtOnce {
			seen.last = found[len(found)-1].ID
		}
		for _, a := range found {
			if a.Incident.Damage(a.AuditFacts, bound, now) != incidents.NoDamage {
				seen.damaged = append(seen.damaged, a.ID)
			}
		}
		return err
	})
	return seen, err
}

// auditOne looks again at an incident with its row locked. What somebody else has locked is not forgotten.
func (d *DB) auditOne(ctx context.Context, id string, bound time.Duration) (found incidents.AuditOf, err error) {
	err = d.paging.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		found = incidents.AuditOf{}
		locked, err := rows(ctx, tx, auditOneSQL, pgx.NamedArgs{"id": id}, pgx.RowToStructByName[audited])
		if err != nil || len(locked) == 0 {
			return err
		}
		before := locked[0]
		paged, err := lockPaged(ctx, tx, before.Incident)
		if err != nil {
			return err
		}
		t, err := tally(ctx, tx, before.Incident)
		if err != nil {
			return err
		}
		r, err := callable(ctx, tx, now, before.Policy)
		if err != nil {
			return err
		}
		change, damage := before.Audit(before.AuditFacts, t, paged, r, bound, now)
		if damage == incidents.NoDamage {
			return nil
		}
		found = incidents.AuditOf{Incident: change.Incident, Damage: damage}
		batch := &pgx.Batch{}
		writes{batch}.change(change)
		record(batch, access.System("auditor"), before.Tenant, "incident.repair", "incident/"+id, map[string]any{"damage": damage})
		return send(ctx, tx, batch)
	})
	return found, err
}
