package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/access"
)

// AuditRecord is one thing that somebody did. Records are never changed or removed.
type AuditRecord struct {
	ID     int64          `json:"id"`
	At     time.Time      `json:"at"`
	Actor  string         `json:"actor"` // access.Principal.ID
	Name   string         `json:"name"`  // the actor's name for people
	Tenant string         `json:"tenant"`
	Action string         `json:"action"` // such as "incident.acknowledge"
	Object string         `json:"object"` // what it was done to, such as "incident/<id>"
	Detail map[string]any `json:"detail,omitempty"`
}

// AuditFilter narrows the audit log. The zero filter is all of it, newest first.
type AuditFilter struct {
	Actor  string // access.Principal.ID
	Action string
	Limit  int   // 1 to 500; 0 means 100
	Before int64 // only ids below this one: the cursor of the next page; 0 means from the newest
}

const auditSQL = `
select id, at, actor, name, tenant_id as tenant, action, object, detail
from audit
where (@actor = '' or actor = @actor) and (@action = '' or action = @action) and (@before = 0 or id < @before)
order by id desc
limit @most`

// Audit returns who did what within the principal's scope, the newest first. It needs the role admin.
func (d *DB) Audit(ctx context.Context, who access.Principal, f AuditFilter) ([]AuditRecord, error) {
	if err := who.Require(access.Admin); err != nil {
		return nil, err
	}
	args := pgx.NamedArgs{"actor": f.Actor, "action": f.Action, "before": f.Before, "most": clamp(f.Limit, 100, 500)}
	records, err := read(ctx, d.api, who.Scope(), auditSQL, args, pgx.RowToStructByName[AuditRecord])
	return records, explain(ctx, err, "read the audit log")
}

const writeAuditSQL = `
insert into audit (tenant_id, actor, name, action, object, detail) values (@tenant, @actor, @name, @action, @object, @detail)`

// record queues an audit record; it is committed with what it tells of.
func record(batch *pgx.Batch, who access.Principal, tenant, action, object string, detail map[string]any) {
	batch.Queue(writeAuditSQL, pgx.NamedArgs{
		"tenant": tenant, "actor": who.ID, "name": who.Name, "action": action, "object": object, "detail": detail,
	})
}

// send runs queued statements in one round trip and returns the first error.
func send(ctx context.Context, tx querier, batch *pgx.Batch) error {
	if batch.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, batch).Close()
}

// clamp returns n within 1 and most; what is not set is usual.
func clamp(n, usual, most int) int {
	if n <= 0 {
		return usual
	}
	return min(n, most)
}
