package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed migrations/*.sql
var migrations embed.FS

// riverSchema keeps the job queue's tables apart from ours.
const riverSchema = "river"

// migrationLock is the key of the advisory lock that replicas starting together take in turn: "nines" in ASCII.
const migrationLock = 0x6e696e6573

var migrationLimits = limits{statement: 10 * time.Minute, lock: time.Minute, idle: 10 * time.Minute}

// Migrate brings the schema up to date, one process at a time; what is up to date costs some milliseconds. A database
// that a newer version has migrated is a fault.Conflict: an old program must not work on it.
func (d *DB) Migrate(ctx context.Context) error {
	pool, err := newPool(ctx, Config{URL: d.config.URL}, "nines migration", 3, migrationLimits)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := migrate(ctx, pool); err != nil {
		return explain(ctx, err, "migrate the database")
	}
	return d.check(ctx)
}

func migrate(ctx context.Context, pool *pgxpool.Pool) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	// Held by this session until it ends, so a killed process leaves nothing locked.
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", migrationLock); err != nil {
		return fmt.Errorf("wait for another process that migrates: %w", err)
	}
	defer func() { // the session ends in any case, and its locks with it
		_, _ = conn.Exec(context.WithoutCancel(ctx), "select pg_advisory_unlock($1)", migrationLock)
	}()
	if err := migrateOurs(ctx, pool); err != nil {
		return err
	}
	return migrateRiver(ctx, pool)
}

func migrateOurs(ctx context.Context, pool *pgxpool.Pool) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithDisableGlobalRegistry(true),
		goose.WithAllowOutofOrder(true)) // a number that was left free is filled later
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	have, want, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if have > want {
		return fault.New(fault.Conflict, "the database has schema version %d, and this program knows only up to %d: start the newer program", have, want)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

func migrateRiver(ctx context.Context, pool *pgxpool.Pool) error {
	if _, err := pool.Exec(ctx, "create schema if not exists "+pgx.Identifier{riverSchema}.Sanitize()); err != nil {
		return fmt.Errorf("make the job queue's schema: %w", err)
	}
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: riverSchema})
	if err != nil {
		return fmt.Errorf("read the job queue's migrations: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate the job queue: %w", err)
	}
	return nil
}
