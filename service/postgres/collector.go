package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nines-sre/nines/internal/access"
	"github.com/prometheus/client_golang/prometheus"
)

// How long a scrape may wait for PostgreSQL, and how long an answer serves several scrapers.
const (
	collectTime  = 2 * time.Second
	collectCache = 5 * time.Second
)

var (
	descConns = prometheus.NewDesc("nines_pgx_pool_connections",
		"Connections of a pool by state: used, idle, or max for how many there may be.", []string{"pool", "state"}, nil)
	descAcquires = prometheus.NewDesc("nines_pgx_pool_acquires_total",
		"Connections taken from a pool, by whether one was free: ok, waited, or canceled by a caller that gave up.", []string{"pool", "outcome"}, nil)
	descAcquireTime = prometheus.NewDesc("nines_pgx_pool_acquire_seconds_total",
		"Time spent waiting for connections of a pool.", []string{"pool"}, nil)
	descUp = prometheus.NewDesc("nines_db_up",
		"1 if PostgreSQL answered the scrape's question, else 0; then the figures from it are left out.", nil, nil)
	descPages = prometheus.NewDesc("nines_outbox_pages",
		"Pages in the outbox that are not done, by state; failed ones stay.", []string{"state"}, nil)
	descOldest = prometheus.NewDesc("nines_outbox_oldest_seconds",
		"Age of the oldest page that is not done, also one that is tried again; 0 with none.", nil, nil)
	descIncidents = prometheus.NewDesc("nines_incidents_open",
		"Open incidents by state and severity.", []string{"state", "severity"}, nil)
	descAlerts = prometheus.NewDesc("nines_alerts_firing",
		"Alerts that fire, by whether they may page: loud, or suppressed by a silence, another alert or a maintenance window.", []string{"state"}, nil)
	descInbox = prometheus.NewDesc("nines_inbox_alerts",
		"Alerts that are kept and not worked off yet.", nil, nil)
	descInboxOldest = prometheus.NewDesc("nines_inbox_oldest_seconds",
		"Age of the oldest posting that is not worked off yet; 0 with none.", nil, nil)
	descParked = prometheus.NewDesc("nines_inbox_parked",
		"Postings of alerts that could not be worked off and wait for somebody to look at them.", nil, nil)
	descUnreachable = prometheus.NewDesc("nines_pages_unreachable",
		"Open incidents of which nobody was reached by any page.", nil, nil)
	descBroken = prometheus.NewDesc("nines_targets_broken",
		"Targets of pages that refuse them, until a page or a test succeeds.", nil, nil)
	descSize = prometheus.NewDesc("nines_db_size_bytes",
		"Size of our database on PostgreSQL's disk.", nil, nil)
	descLag = prometheus.NewDesc("nines_ledger_lag_seconds",
		"How far behind now the ledger of an SLO is closed.", []string{"slo"}, nil)
)

var descriptions = []*prometheus.Desc{descConns, descAcquires, descAcquireTime, descUp, descPages, descOldest, descIncidents, descAlerts, descInbox,
	descInboxOldest, descParked, descUnreachable, descBroken, descSize, descLag}

// Collector returns the database's own metrics: pools, outbox, open incidents and ledger, asked for at each scrape.
func (d *DB) Collector() prometheus.Collector { return &collector{db: d} }

type collector struct {
	db *DB

	mu   sync.Mutex
	at   time.Time
	last []prometheus.Metric
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range descriptions {
		ch <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	poolMetrics(ch, "api", c.db.api.pool.Stat())
	poolMetrics(ch, "paging", c.db.paging.pool.Stat())
	for _, m := range c.stored() {
		ch <- m
	}
}

func poolMetrics(ch chan<- prometheus.Metric, pool string, s *pgxpool.Stat) {
	gauge := func(state string, n int32) {
		ch <- prometheus.MustNewConstMetric(descConns, prometheus.GaugeValue, float64(n), pool, state)
	}
	counter := func(outcome string, n int64) {
		ch <- prometheus.MustNewConstMetric(descAcquires, prometheus.CounterValue, float64(n), pool, outcome)
	}
	gauge("used", s.AcquiredConns())
	gauge("idle", s.IdleConns())
	gauge("max", s.MaxConns())
	counter("ok", s.AcquireCount()-s.EmptyAcquireCount())
	counter("waited", s.EmptyAcquireCount())
	counter("canceled", s.CanceledAcquireCount())
	ch <- prometheus.MustNewConstMetric(descAcquireTime, prometheus.CounterValue, s.AcquireDuration().Seconds(), pool)
}

// stored returns what PostgreSQL says, at most a few seconds old.
func (c *collector) stored() []prometheus.Metric {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) < collectCache {
		return c.last
	}
	ctx, cancel := context.WithTimeout(context.Background(), collectTime)
	defer cancel()
	figures, err := read(ctx, c.db.api, access.Operator(), figuresSQL, nil, pgx.RowToStructByPos[figure])
	c.at, c.last = time.Now(), nil
	up := 1.0
	if err != nil {
		up = 0
		c.db.log.Warn("could not read the figures for a scrape", "error", err)
	}
	c.last = append(c.last, prometheus.MustNewConstMetric(descUp, prometheus.GaugeValue, up))
	for _, f := range figures {
		c.last = append(c.last, f.metric())
	}
	return c.last
}

// figuresSQL asks all of it at once. Only indexed, open rows are counted: what is done only grows.
const figuresSQL = `
select 'page' as what, 'pending' as first, '' as second, (select count(*) from pages where state = 'pending')::float8
union all
select 'page', 'sending', '', (select count(*) from pages where state = 'sending')::float8
union all
select 'page', 'failed', '', (select count(*) from pages where state = 'failed')::float8
union all
select 'oldest', '', '', coalesce((select greatest(extract(epoch from clock_timestamp() - min(created_at)), 0) from pages where state in ('pending', 'sending')), 0)::float8
union all
select 'incident', s.state, v.severity, (select count(*) from incidents i where i.state <> 'resolved' and (i.state, i.severity) = (s.state, v.severity))::float8
from unnest(array['triggered', 'acknowledged']) as s (state), unnest(array['critical', 'error', 'warning', 'info']) as v (severity)
union all
select 'alert', 'loud', '', (select count(*) from alerts where open and verdict is null)::float8
union all
select 'alert', 'suppressed', '', (select count(*) from alerts where open and verdict is not null)::float8
union all
select 'inbox', '', '', (select coalesce(sum(alerts), 0) from inbox where parked_at is null)::float8
union all
select 'inbox-oldest', '', '', (select coalesce(greatest(extract(epoch from clock_timestamp() - min(received_at)), 0), 0) from inbox where parked_at is null)::float8
union all
select 'parked', '', '', (select count(*) from inbox where parked_at is not null)::float8
union all
select 'unreachable', '', '', (select count(*) from incidents where unreachable_since is not null and state <> 'resolved')::float8
union all
select 'broken', '', '', (select count(*) from targets where broken_since is not null)::float8
union all
select 'size', '', '', pg_database_size(current_database())::float8
union all
select 'lag', slo, '', greatest(extract(epoch from clock_timestamp() - closed_until), 0)::float8 from ledger_progress`

type figure struct {
	What, First, Second string
	Value               float64
}

func (f figure) metric() prometheus.Metric {
	gauge := func(desc *prometheus.Desc, labels ...string) prometheus.Metric {
		return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, f.Value, labels...)
	}
	switch f.What {
	case "page":
		return gauge(descPages, f.First)
	case "oldest":
		return gauge(descOldest)
	case "incident":
		return gauge(descIncidents, f.First, f.Second)
	case "alert":
		return gauge(descAlerts, f.First)
	case "inbox":
		return gauge(descInbox)
	case "inbox-oldest":
		return gauge(descInboxOldest)
	case "parked":
		return gauge(descParked)
	case "unreachable":
		return gauge(descUnreachable)
	case "broken":
		return gauge(descBroken)
	case "size":
		return gauge(descSize)
	}
	return gauge(descLag, f.First)
}
