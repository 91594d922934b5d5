package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nines-sre/nines/internal/access"
)

// Every question and every change goes through this file: it tells PostgreSQL whose rows may be touched, in the same
// transaction as the statements themselves. A store shows nothing else of its pool.

// store is a pool that can only be used within a scope.
type store struct {
	pool     *pgxpool.Pool
	plans    *plans           // the schedules in force, for what runs in its transactions
	channels *channelsInForce // and the channels
}

// querier runs statements within a scope. It is only handed out by change.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// scopeSQL sets the scope until the transaction ends. An empty tenant sees nothing, as the policies read it.
const scopeSQL = `select set_config('app.scope', $1, true), set_config('app.tenant', $2, true)`

func scopeArgs(s access.Scope) (scope, tenant string) {
	if s.IsOperator() {
		return "operator", ""
	}
	return "tenant", s.TenantName()
}

const (
	// longestCall bounds a call whose caller set no deadline: a server that has stopped answering must not hold it.
	longestCall = 20 * time.Second
	changeTries = 4
)

// read asks one question within a scope, in one round trip: scope and question are one implicit transaction. A
// connection that turns out to be dead is replaced once; asking again does no harm.
func read[T any](ctx context.Context, s store, scope access.Scope, sql string, args pgx.NamedArgs, row pgx.RowToFunc[T]) ([]T, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rows, err := readOnce(ctx, s, scope, sql, args, row)
	if err != nil && lost(err) && ctx.Err() == nil {
		rows, err = readOnce(ctx, s, scope, sql, args, row)
	}
	return rows, err
}

func readOnce[T any](ctx context.Context, s store, scope access.Scope, sql string, args pgx.NamedArgs, row pgx.RowToFunc[T]) (found []T, err error) {
	conn, err := s.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	kind, tenant := scopeArgs(scope)
	batch := &pgx.Batch{}
	batch.Queue(scopeSQL, kind, tenant)
	batch.Queue(sql, namedArgs(args)...)
	results := conn.SendBatch(ctx, batch)
	defer func() { err = errors.Join(err, results.Close()) }()
	if _, err := results.Exec(); err != nil {
		return nil, err
	}
	rows, err := results.Query()
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, row)
}

// namedArgs leaves out what is not there: a statement without arguments is sent as it is.
func namedArgs(args pgx.NamedArgs) []any {
	if args == nil {
		return nil
	}
	return []any{args}
}

// errRaced says that another transaction was faster; the whole is to be tried again.
var errRaced = errors.New("another transaction was faster")

// change runs do in one transaction within a scope. now is the database's clock at its beginning. do may run several
// times, when it lost a race or a deadlock, so it starts anew each time; nothing is committed unless it returns nil.
func (s store) change(ctx context.Context, scope access.Scope, do func(ctx context.Context, tx querier, now time.Time) error) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	var err error
	for try := 0; try < changeTries; try++ {
		if err = s.changeOnce(ctx, scope, do); err == nil || !again(err) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

func (s store) changeOnce(ctx context.Context, scope access.Scope, do func(ctx context.Context, tx querier, now time.Time) error) error {
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return notBegun{err}
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // nothing to do after a commit
	now, err := enter(ctx, tx, scope)
	if err != nil {
		return notBegun{err}
	}
	if err := do(withChannels(withPlans(ctx, s.plans), s.channels), tx, now); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

func enter(ctx context.Context, tx pgx.Tx, scope access.Scope) (now time.Time, err error) {
	kind, tenant := scopeArgs(scope)
	err = tx.QueryRow(ctx, scopeSQL+", clock_timestamp()", kind, tenant).Scan(nil, nil, &now)
	return now, err
}

// notBegun is trouble before anything was done, so that trying again is safe.
type notBegun struct{ error }

func (e notBegun) Unwrap() error { return e.error }

// again reports whether trying the whole transaction once more may help and cannot do it twice.
func again(err error) bool {
	var early notBegun
	if errors.As(err, &early) {
		return lost(err) && !away(err)
	}
	return errors.Is(err, errRaced) || conflicted(err)
}

// errBusy is the cause of a wait for a connection that took too long.
var errBusy = errors.New("no database connection became free in time")

// acquire waits for a connection, but not for long.
func (s store) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	wait, cancel := context.WithTimeout(ctx, acquireTime)
	defer cancel()
	conn, err := s.pool.Acquire(wait)
	if err != nil && ctx.Err() == nil && wait.Err() != nil {
		return nil, errors.Join(errBusy, err)
	}
	return conn, err
}

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, longestCall)
}

// rows runs one of a transaction's questions.
func rows[T any](ctx context.Context, tx querier, sql string, args pgx.NamedArgs, row pgx.RowToFunc[T]) ([]T, error) {
	found, err := tx.Query(ctx, sql, namedArgs(args)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, row)
}
