package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

// The ledger holds what published numbers are made of. DB implements slo.Ledger.
var _ slo.Ledger = (*DB)(nil)

// ClosedUntil returns the time up to which the SLO's buckets are final; the zero time where there are none yet.
func (d *DB) ClosedUntil(ctx context.Context, sloID string) (time.Time, error) {
	found, err := read(ctx, d.api, access.Operator(), "select closed_until from ledger_progress where slo = @slo", pgx.NamedArgs{"slo": sloID}, pgx.RowTo[time.Time])
	if err != nil || len(found) == 0 {
		return time.Time{}, explain(ctx, err, "read how far the ledger is closed")
	}
	return found[0], nil
}

const moveClosedSQL = `
insert into ledger_progress (slo, closed_until) values (@slo, @until)
on conflict (tenant_id, slo) do update set closed_until = greatest(ledger_progress.closed_until, excluded.closed_until)`

const putBucketsSQL = `
insert into ledger (tenant_id, slo, region, grp, start, width, good, total, seen, healed, expect, version)
select tenant, @slo, region, grp, start, width, good, total, seen, healed, expect, version
from unnest(@tenants::text[], @regions::text[], @groups::text[], @starts::timestamptz[], @widths::bigint[],
    @goods::float8[], @totals::float8[], @seens::int[], @healed::int[], @expects::int[], @versions::int[])
    as b (tenant, region, grp, start, width, good, total, seen, healed, expect, version)
on conflict (tenant_id, slo, start, series) do update set width = excluded.width, good = excluded.good,
    total = excluded.total, seen = excluded.seen, healed = excluded.healed, expect = excluded.expect, version = excluded.version
where (ledger.width, ledger.good, ledger.total, ledger.seen, ledger.healed, ledger.expect, ledger.version)
    is distinct from (excluded.width, excluded.good, excluded.total, excluded.seen, excluded.healed, excluded.expect, excluded.version)`

// PutBuckets writes the SLO's buckets over those of the same series and start and moves ClosedUntil to until, in one
// transaction. ClosedUntil never moves backwards, and writing the same again changes nothing.
func (d *DB) PutBuckets(ctx context.Context, sloID string, until time.Time, buckets []slo.Bucket) error {
	args := bucketArgs(sloID, buckets)
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		batch := &pgx.Batch{}
		// First, so that two copiers take turns.
		batch.Queue(moveClosedSQL, pgx.NamedArgs{"slo": sloID, "until": until})
		if len(buckets) > 0 {
			batch.Queue(putBucketsSQL, args)
			announce(batch, Change{Topic: TopicLedger, ID: sloID})
		}
		return send(ctx, tx, batch)
	})
	return explain(ctx, err, "write buckets of "+sloID)
}

// bucketArgs turns buckets into columns. Of two for the same series and start the last counts.
func bucketArgs(sloID string, buckets []slo.Bucket) pgx.NamedArgs {
	type key struct {
		series slo.Series
		start  int64
	}
	place := make(map[key]int, len(buckets))
	distinct := make([]slo.Bucket, 0, len(buckets))
	for _, b := range buckets {
		k := key{b.Series, b.Start.UnixNano()}
		if i, again := place[k]; again {
			distinct[i] = b
			continue
		}
		place[k] = len(distinct)
		distinct = append(distinct, b)
	}
	return pgx.NamedArgs{
		"slo":     sloID,
		"tenants": column(distinct, func(b slo.Bucket) string { return b.Tenant }),
		"regions": column(distinct, func(b slo.Bucket) string { return b.Region }),
		"groups":  column(distinct, func(b slo.Bucket) string { return b.Group }),
		"starts":  column(distinct, func(b slo.Bucket) time.Time { return b.Start }),
		"widths":  column(distinct, func(b slo.Bucket) int64 { return int64(b.Width) }),
		"goods":   column(distinct, func(b slo.Bucket) float64 { return b.Good }),
		"totals":  column(distinct, func(b slo.Bucket) float64 { return b.Total }),
		"seens":   column(distinct, func(b slo.Bucket) int32 { return int32(b.Seen) }),
		"healed":  column(distinct, func(b slo.Bucket) int32 { return int32(b.Healed) }),
		"expects": column(distinct, func(b slo.Bucket) int32 { return int32(b.Expect) }),
		"versions": column(distinct, func(b slo.Bucket) int32 {
			return int32(b.Version)
		}),
	}
}

func column[T, V any](items []T, of func(T) V) []V {
	out := make([]V, len(items))
	for i, item := range items {
		out[i] = of(item)
	}
	return out
}

const bucketsSQL = `
select slo, tenant_id, region, grp, start, width, good, total, seen, healed, expect, version
from ledger
where (@slo = '' or slo = @slo) and (@tenant = '' or tenant_id = @tenant) and start >= @from and start < @to
order by slo, start, tenant_id, region, grp`

// Buckets returns the buckets in scope that start within [from, to), in order of SLO, start, tenant, region and group.
// An SLO or tenant of "" is all of them.
func (d *DB) Buckets(ctx context.Context, scope access.Scope, sloID, tenant string, from, to time.Time) ([]slo.Bucket, error) {
	args := pgx.NamedArgs{"slo": sloID, "tenant": tenant, "from": from, "to": to}
	buckets, err := read(ctx, d.api, scope, bucketsSQL, args, scanBucket)
	return buckets, explain(ctx, err, "read the ledger")
}

func scanBucket(row pgx.CollectableRow) (b slo.Bucket, err error) {
	var width int64
	err = row.Scan(&b.SLO, &b.Tenant, &b.Region, &b.Group, &b.Start, &width, &b.Good, &b.Total, &b.Seen, &b.Healed, &b.Expect, &b.Version)
	b.Width = time.Duration(width)
	return b, err
}
