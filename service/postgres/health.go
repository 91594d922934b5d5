package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/access"
)

// Alerts wait in the inbox for a fraction of a second, and pages that are due start at once; what waits for a provider's
// limit or for its next try is not due, or others' attempts show that the pager works.
const pagingTroubleSQL = `
select what from (values
    ('alerts wait in the inbox for more than a minute',
        exists (select from inbox where parked_at is null and received_at < clock_timestamp() - interval '1 minute')),
    ('pages are due for more than a minute and none is sent',
        exists (select from pages where state in ('pending', 'sending') and next_at < clock_timestamp() - interval '1 minute'
            and coalesce(lease_until, next_at) < clock_timestamp() - interval '1 minute')
        and not exists (select from attempts where id > (select max(id) - 1000 from attempts) and started_at > clock_timestamp() - interval '1 minute')),
    ('nobody is reached for an open incident',
        exists (select from incidents where unreachable_since is not null and state <> 'resolved'))
) as looked (what, so) where so`

// PagingTrouble returns what keeps alerts from reaching people, in plain words; nothing is well.
func (d *DB) PagingTrouble(ctx context.Context) ([]string, error) {
	found, err := read(ctx, d.paging, access.Operator(), pagingTroubleSQL, nil, pgx.RowTo[string])
	return found, explain(ctx, err, "look after paging")
}
