package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// MaxPast is how many incidents of another tool are taken over at once.
const MaxPast = 500

const takeOverSQL = incidentRowSQL + `
on conflict on constraint incidents_pkey do nothing`

// TakeOver keeps incidents that another tool has had, as resolved ones with their timelines, all of them or none, and
// returns how many are new: what was taken over before stays as it is. It pages nobody. It needs the role editor among the
// operator's people; tenant is whose incidents they were, "" for the operator's own. What cannot be is a fault.Invalid that
// names the place in the list and the field.
func (d *DB) TakeOver(ctx context.Context, who access.Principal, tenant string, past []incidents.Past) (int, error) {
	if err := who.Require(access.Editor); err != nil {
		return 0, err
	}
	if who.Tenant != "" {
		return 0, fault.New(fault.Forbidden, "incidents of other tools are taken over by the operator")
	}
	if n := len(past); n > MaxPast {
		return 0, fault.New(fault.TooLarge, "incidents: has %d; send up to %d at once", n, MaxPast)
	}
	taken := 0
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		changes, err := changesOf(past, tenant, actor(who), now)
		if err != nil {
			return err
		}
		fresh := make([]bool, len(changes))
		batch := &pgx.Batch{}
		for n, c := range changes {
			batch.Queue(takeOverSQL, incidentArgs(c.Incident)).Exec(func(tag pgconn.CommandTag) error {
				fresh[n] = tag.RowsAffected() > 0
				return nil
			})
		}
		if err := send(ctx, tx, batch); err != nil {
			return err
		}
		taken, batch = 0, &pgx.Batch{}
		for n, c := range changes {
			if fresh[n] {
				taken++
				writes{batch}.rest(c)
			}
		}
		record(batch, who, tenant, "incident.take-over", "incidents", map[string]any{"told": len(past), "taken": taken})
		return send(ctx, tx, batch)
	})
	return taken, explain(ctx, err, "take over incidents")
}

func changesOf(past []incidents.Past, tenant string, by incidents.Actor, now time.Time) ([]incidents.Change, error) {
	changes := make([]incidents.Change, 0, len(past))
	for n, p := range past {
		c, err := p.Change(tenant, by, now)
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "incidents.%d.%s", n, fault.Public(err).Message)
		}
		changes = append(changes, c)
	}
	return changes, nil
}
