// Package postgres is how things are remembered: one file a noun, each method one transaction, every row behind row
// security. It decides nothing about alerts, incidents or promises: the domain packages do, and it commits what they say.
package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// Sizes of the pools unless the configuration says otherwise. With listeners and background work they stay well below
// the 60 connections of the built-in cluster.
const (
	defaultMaxConns    = 12
	defaultPagingConns = 6
	minPagingConns     = 3
)

// acquireTime bounds the wait for a connection, and dialTime that for a new one, so that callers hear within about three
// seconds that PostgreSQL is away.
const (
	acquireTime = 3 * time.Second
	dialTime    = 2500 * time.Millisecond
)

// Config says which database, and how much of it.
type Config struct {
	URL         string          // of a role that neither is superuser nor bypasses row security, owner of the tables
	MaxConns    int             // connections for questions and changes by people; 12 unless set
	PagingConns int             // connections for intake, escalation and the outbox alone; 6 unless set
	Log         *slog.Logger    // nil is silent
	Tracer      pgx.QueryTracer // sees every statement, such as otelpgx's; nil for none
}

// DB is the open database. It survives PostgreSQL's absence: methods answer fault.Unavailable until it is back.
type DB struct {
	config Config
	log    *slog.Logger
	api    store // questions and changes by people
	paging store // intake, escalation, outbox: what must not wait for a slow report

	intake    chan struct{} // bounds how many paging connections intake may hold, so that the outbox always has some
	inbox     *inbox
	bench     bench
	attempts  *throttle // of sign-ins
	bearers   *bearers
	schedules *plans
	channels  *channelsInForce
	wake      chan struct{} // a page may have become due
	waking    sync.Once

	alive context.Context // ends with Close
	close context.CancelFunc
	done  sync.WaitGroup
}

// limits are the server's own limits on a pool's sessions.
type limits struct{ statement, lock, idle time.Duration }

var (
	apiLimits    = limits{statement: 15 * time.Second, lock: 5 * time.Second, idle: 15 * time.Second}
	pagingLimits = limits{statement: 5 * time.Second, lock: 3 * time.Second, idle: 5 * time.Second}
)

// Open connects and refuses what would let tenants see each other: a role that passes row security, and tables without
// it (fault.Invalid that says what to do). It does not migrate; see Migrate.
func Open(ctx context.Context, c Config) (*DB, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.MaxConns <= 0 {
		c.MaxConns = defaultMaxConns
	}
	if c.PagingConns <= 0 {
		c.PagingConns = defaultPagingConns
	}
	c.PagingConns = max(c.PagingConns, minPagingConns)
	api, err := newPool(ctx, c, "nines api", c.MaxConns, apiLimits)
	if err != nil {
		return nil, err
	}
	paging, err := newPool(ctx, c, "nines paging", c.PagingConns, pagingLimits)
	if err != nil {
		api.Close()
		return nil, err
	}
	inForce, reach := new(plans), new(channelsInForce)
	d := &DB{
		config: c, log: c.Log, schedules: inForce, channels: reach, api: store{api, inForce, reach}, paging: store{paging, inForce, reach},
		intake: make(chan struct{}, c.PagingConns-2), inbox: newInbox(), attempts: newThrottle(), bearers: newBearers(), wake: make(chan struct{}, 1),
	}
	d.alive, d.close = context.WithCancel(context.Background())
	if err := d.check(ctx); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// Close ends every connection. Methods that are under way fail.
func (d *DB) Close() {
	d.close()
	d.done.Wait()
	d.api.pool.Close()
	d.paging.pool.Close()
}

// Ping reports whether PostgreSQL answers, on a paging connection: that is what /readyz is about.
func (d *DB) Ping(ctx context.Context) error {
	_, err := read(ctx, d.paging, access.Operator(), "select 1", nil, pgx.RowTo[int])
	return explain(ctx, err, "ask whether PostgreSQL answers")
}

func newPool(ctx context.Context, c Config, name string, conns int, l limits) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		// The cause repeats the URL, with its password hidden by pgx.
		return nil, fault.Wrap(fault.Invalid, err, "the database URL is not one that PostgreSQL understands, such as postgres://nines@/nines?host=/run/postgresql")
	}
	config.MaxConns = int32(conns)
	config.HealthCheckPeriod = 5 * time.Second
	config.PingTimeout = 2 * time.Second
	config.MaxConnIdleTime = 5 * time.Minute
	config.MaxConnLifetimeJitter = 5 * time.Minute
	configure(config.ConnConfig, name, l)
	config.ConnConfig.Tracer = c.Tracer
	config.AfterConnect = inUTC
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("make the pool %s: %w", name, err)
	}
	return pool, nil
}

// configure sets what every connection of ours has.
func configure(c *pgx.ConnConfig, name string, l limits) {
	c.ConnectTimeout = dialTime
	c.RuntimeParams["application_name"] = name
	c.RuntimeParams["timezone"] = "UTC"
	// A plan that was made while a table was empty reads all of it once a storm has filled it.
	c.RuntimeParams["plan_cache_mode"] = "force_custom_plan"
	for setting, limit := range map[string]time.Duration{
		"statement_timeout": l.statement, "lock_timeout": l.lock, "idle_in_transaction_session_timeout": l.idle,
	} {
		c.RuntimeParams[setting] = fmt.Sprint(limit.Milliseconds())
	}
}

// inUTC makes the connection return times in UTC.
func inUTC(_ context.Context, conn *pgx.Conn) error {
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
	return nil
}
