// Package engine is the built-in metrics engine: it scrapes, stores, evaluates rules and answers PromQL behind the
// Prometheus HTTP API, as a process of its own that may die and be started again at any time. It knows nothing of
// promises, incidents or tenants, and whoever starts it again lives elsewhere.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// Config is everything the engine can be told. The zero value of a field means its default.
type Config struct {
	DataDir        string        // folder of samples (tsdb) and of what was damaged (quarantine); required
	Listen         string        // host:port of the HTTP API; the host is loopback unless given; 127.0.0.1:9992
	ConfigFile     string        // Prometheus configuration file; "" scrapes only the engine itself
	RuleDir        string        // its *.yaml and *.yml are loaded beside the configuration's rule_files
	AlertsURL      string        // Alertmanager API without /api/v2; "" sends alerts nowhere
	AlertsToken    string        // bearer token for AlertsURL
	ControlPlane   string        // host:port whose /metrics is scraped where no job of the configuration has it; "" is none
	Token          string        // bearer token asked of clients, except for /-/healthy and /-/ready; "" asks for none
	ExternalURL    string        // how people reach the engine; stands in alerts' generatorURL; http://Listen
	Retention      time.Duration // 35 days, a calendar month and a margin
	MemoryLimit    int64         // soft limit of the Go runtime in bytes; 0 leaves it alone
	MinFree        int64         // free bytes of disk below which no samples are taken; 0 never stops
	EvalInterval   time.Duration // of rule groups that name none; one minute
	ScrapeInterval time.Duration // of jobs that name none; 15 s
	ScrapeTimeout  time.Duration // of jobs that name none; 10 s, or the interval where that is shorter
	Log            *slog.Logger  `json:"-"`

	free     func(dir string) (int64, error) // free bytes of the file system; replaced in tests
	diskPoll time.Duration
}

const (
	defaultListen         = "127.0.0.1:9992"
	defaultRetention      = 35 * 24 * time.Hour
	defaultEvalInterval   = time.Minute
	defaultScrapeInterval = 15 * time.Second
	defaultDiskPoll       = 5 * time.Second
)

func (c Config) withDefaults() (Config, error) {
	if c.DataDir == "" {
		return c, fault.New(fault.Invalid, "the engine needs a data folder")
	}
	setDefault(&c.Listen, defaultListen)
	setDefault(&c.Retention, defaultRetention)
	setDefault(&c.EvalInterval, defaultEvalInterval)
	setDefault(&c.ScrapeInterval, defaultScrapeInterval)
	setDefault(&c.diskPoll, defaultDiskPoll)
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return c, fault.Wrap(fault.Invalid, err, "the engine's listen address %q is not host:port, such as %s", c.Listen, defaultListen)
	}
	if host == "" {
		c.Listen = net.JoinHostPort("127.0.0.1", port)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.free == nil {
		c.free = freeBytes
	}
	return c, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// engine is one run. Its parts are in the other files of the package.
type engine struct {
	config  Config
	log     *slog.Logger
	metrics *metrics
	disk    *disk
	store   *store
	scraper *scraper
	rules   *ruleBook
	sender  *sender
	reloads reloads
}

// Run opens the data, serves until ctx ends, and closes within a few seconds. It calls ready with the address it listens
// on once queries are answered and rules run; /-/healthy answers earlier, while samples are still being read back.
//
// Damaged data is moved aside and never stops the start. A full disk, a data folder in use, an address in use or a
// configuration that cannot be read end it with an error that says so.
func Run(ctx context.Context, c Config, ready func(addr string)) error {
	c, err := c.withDefaults()
	if err != nil {
		return err
	}
	if c.MemoryLimit > 0 {
		debug.SetMemoryLimit(c.MemoryLimit)
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "listen on %s for the metrics API", c.Listen)
	}
	setDefault(&c.ExternalURL, "http://"+listener.Addr().String())
	front := newFront(c.Token)
	stopServing := front.serve(listener, c.Log)
	defer stopServing()
	e, err := open(c, listener.Addr().String())
	if err != nil {
		return err
	}
	defer e.close()
	if err := e.start(ctx, front); err != nil {
		return err
	}
	c.Log.Info("the metrics engine is ready", "listen", listener.Addr().String(), "data", c.DataDir)
	if ready != nil {
		ready(listener.Addr().String())
	}
	<-ctx.Done()
	front.drain() // no write may meet a closed store
	return nil
}

// open reads the configuration and the data; nothing moves yet.
func open(c Config, addr string) (*engine, error) {
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make the engine's data folder %s", c.DataDir)
	}
	e := &engine{config: c, log: c.Log, metrics: newMetrics()}
	e.reloads.self = addr
	settings, err := e.config.load(addr)
	if err != nil {
		return nil, err
	}
	e.disk = newDisk(c, e.metrics)
	if err := e.disk.roomToOpen(); err != nil {
		return nil, err
	}
	if e.store, err = openStore(c, e.metrics); err != nil {
		return nil, err
	}
	if err := e.assemble(settings); err != nil {
		return nil, errors.Join(err, e.store.close())
	}
	return e, nil
}

func (e *engine) assemble(settings *settings) (err error) {
	e.sender = newSender(e.config, e.metrics)
	if e.scraper, err = newScraper(ownLabels{e.store}, e.disk, e.config.library("scrape"), e.metrics.registry); err != nil {
		return fmt.Errorf("prepare scraping: %w", err)
	}
	if e.rules, err = newRuleBook(e.config, e.store, e.sender, e.metrics); err != nil {
		return fmt.Errorf("prepare rules: %w", err)
	}
	return e.apply(settings)
}

// start sets everything in motion. What rules missed while the engine was down is evaluated first: once new samples have
// arrived, increments between the last evaluation and the last scrape could no longer be told apart.
func (e *engine) start(ctx context.Context, front *front) error {
	e.rules.catchUpAfterRestart(ctx)
	handler, err := e.handler()
	if err != nil {
		return err
	}
	e.sender.start()
	e.rules.start()
	e.scraper.start()
	e.disk.start()
	front.open(handler)
	return nil
}

// close stops in the order in which samples flow: targets, rules, alerts, storage.
func (e *engine) close() {
	e.disk.stop()
	e.scraper.stop()
	e.rules.stop()
	e.sender.stop()
	if err := e.store.close(); err != nil {
		e.log.Error("closing the samples failed; they are read back from the log at the next start", "error", err)
	}
}

func (c Config) tsdbDir() string       { return filepath.Join(c.DataDir, "tsdb") }
func (c Config) quarantineDir() string { return filepath.Join(c.DataDir, "quarantine") }
