package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/access"
)

// keepCall is how long a call's token is remembered: longer than any signature's date is good for.
const keepCall = 24 * time.Hour

const tellOnceSQL = `
insert into hook_calls as kept (integration, token, digest) values (@integration, @token, @digest)
on conflict on constraint hook_calls_pkey do update set digest = kept.digest
returning kept.digest = @digest`

// TellOnce remembers what a call with the token told and reports whether it may count: false is a token that told
// something else before. The same again is the sender's retry.
func (d *DB) TellOnce(ctx context.Context, integration, token, digest string) (bool, error) {
	counts := false
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) (err error) {
		counts, err = one(rows(ctx, tx, tellOnceSQL, pgx.NamedArgs{"integration": integration, "token": token, "digest": digest},
			pgx.RowTo[bool]))
		return err
	})
	return counts, explain(ctx, err, "remember a call")
}

const forgetCallsSQL = `delete from hook_calls where at < clock_timestamp() - @keep::interval`

// ForgetCalls removes the tokens of calls that are too old to be told again.
func (d *DB) ForgetCalls(ctx context.Context) error {
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		_, err := tx.Exec(ctx, forgetCallsSQL, pgx.NamedArgs{"keep": keepCall})
		return err
	})
	return explain(ctx, err, "forget old calls")
}
