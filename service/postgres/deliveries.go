package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// A message that was delivered stays so, whatever report comes late.
const recordDeliverySQL = `
update attempts set delivered_at = case when @delivered then @at::timestamptz end,
    undelivered = case when @delivered then '' else @why end
where (provider, provider_id) = (@provider, @id) and provider_id <> '' and delivered_at is null
returning incident_id::text as id, tenant_id as tenant`

// RecordDelivery keeps what a provider reports of a message: that it reached its telephone, or why not. A message that we
// did not send is a fault.NotFound; one that was delivered already changes nothing.
func (d *DB) RecordDelivery(ctx context.Context, provider, providerID string, delivered bool, why string, at time.Time) error {
	args := pgx.NamedArgs{"provider": provider, "id": providerID, "delivered": delivered, "why": why, "at": at}
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		type told struct{ ID, Tenant string }
		found, err := rows(ctx, tx, recordDeliverySQL, args, pgx.RowToStructByName[told])
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return sentAs(ctx, tx, args)
		}
		batch := &pgx.Batch{}
		for _, i := range found {
			announce(batch, Change{Topic: TopicIncident, Tenant: i.Tenant, ID: i.ID})
		}
		return send(ctx, tx, batch)
	})
	return explain(ctx, err, "record a delivery")
}

const sentAsSQL = `select exists (select from attempts where (provider, provider_id) = (@provider, @id) and provider_id <> '')`

// sentAs is nil for a message that we sent.
func sentAs(ctx context.Context, tx querier, args pgx.NamedArgs) error {
	known, err := one(rows(ctx, tx, sentAsSQL, args, pgx.RowTo[bool]))
	if err == nil && !known {
		err = fault.New(fault.NotFound, "no message was sent by that id")
	}
	return err
}
