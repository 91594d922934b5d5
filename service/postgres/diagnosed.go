package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

const undiagnosedSQL = `
select ` + incidentColumns + `
from incidents i
where opened_at >= now() - @within::interval
    and not exists (select from diagnosed d where d.tenant_id = '' and d.incident_id = i.id)
order by opened_at, id
limit @most`

// Undiagnosed returns the incidents that opened within that time and whose diagnostics have not all been begun, those
// that have waited longest first, resolved ones too: what their steps find helps to explain them. However many open at
// once, each is returned until Diagnosed is told of it.
func (d *DB) Undiagnosed(ctx context.Context, within time.Duration, limit int) ([]incidents.Incident, error) {
	args := pgx.NamedArgs{"within": within, "most": clamp(limit, 50, 500)}
	found, err := read(ctx, d.api, access.Operator(), undiagnosedSQL, args, scanIncident)
	return found, explain(ctx, err, "look for incidents to diagnose")
}

const diagnosedSQL = `
insert into diagnosed (incident_id, at) select unnest(@ids::uuid[]), @at
on conflict (tenant_id, incident_id) do nothing`

// Diagnosed remembers that the diagnostics of these incidents (UUIDs) have been begun.
func (d *DB) Diagnosed(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		_, err := tx.Exec(ctx, diagnosedSQL, pgx.NamedArgs{"ids": ids, "at": now})
		return err
	})
	return explain(ctx, err, "remember what was diagnosed")
}
