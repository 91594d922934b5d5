// Package service is the wiring: the only package that knows every other one. It starts the children, opens storage,
// connects the rooms and stops them in order; it has no rules of its own about promises, alerts or people.
package service

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// Config is everything that can be set about a control plane. The koanf tags are the names in a configuration file, in
// flags (with dashes) and in the environment (NINES_ and upper case).
type Config struct {
	DataDir       string        `koanf:"data"`           // folder of the private cluster, the engine and the CLI's token
	Listen        string        `koanf:"listen"`         // public address: UI, API, Alertmanager API
	OpsListen     string        `koanf:"ops-listen"`     // metrics, health and profiles; keep it off public networks
	EngineListen  string        `koanf:"engine-listen"`  // loopback address of the built-in metrics engine
	BaseURL       string        `koanf:"base-url"`       // how people reach Listen; stands in pages that are sent
	DatabaseURL   string        `koanf:"database-url"`   // own PostgreSQL instead of the built-in one
	PrometheusURL string        `koanf:"prometheus-url"` // own Prometheus API instead of the built-in engine
	ScrapeConfig  string        `koanf:"scrape-config"`  // Prometheus configuration file for the built-in engine
	Apply         string        `koanf:"apply"`          // folder of definitions to apply at start
	SMTPURL       string        `koanf:"smtp-url"`       // smtp://user:password@host:587 for e-mail pages
	MailFrom      string        `koanf:"mail-from"`      // sender of e-mail pages
	SecretDir     string        `koanf:"secret-dir"`     // where relative secret files of definitions are looked up
	Retention     time.Duration `koanf:"retention"`      // how long the built-in engine keeps samples
	KeepAlerts    time.Duration `koanf:"keep-alerts"`    // how long ended alerts and what happened to alerts are kept, at least 25 hours
	EngineMemory  int64         `koanf:"engine-memory"`  // soft memory limit of the built-in engine, bytes
	EngineMinFree int64         `koanf:"engine-min-free"`
	LedgerBucket  time.Duration `koanf:"ledger-bucket"` // width of a ledger bucket; five minutes in production
	LedgerEvery   time.Duration `koanf:"ledger-every"`  // how often closed buckets are copied
	Drain         time.Duration `koanf:"drain"`         // how long requests are still taken once told to stop, while /readyz says no
	// The dead man's switch outside that is told while alerts reach people; "" for none. The file wins.
	WatchdogURL     string        `koanf:"watchdog-url"`
	WatchdogURLFile string        `koanf:"watchdog-url-file"`
	WatchdogMethod  string        `koanf:"watchdog-method"` // POST or GET
	WatchdogEvery   time.Duration `koanf:"watchdog-every"`
	ResolveAfter    time.Duration `koanf:"resolve-after"` // end of an alert that names none, as Alertmanager's resolve_timeout
	// Commands that steps of runbooks may run, by absolute path, apart by commas; none unless an admin names them.
	RunbookShell string `koanf:"runbook-shell"`
	// Hosts that steps of runbooks may reach beside our own Prometheus: host, host:port and CIDR, apart by commas.
	RunbookHosts string `koanf:"runbook-hosts"`
	LogFormat    string `koanf:"log-format"`    // auto, json or pretty
	LogLevel     string `koanf:"log-level"`     // debug, info, warn or error
	OTLPEndpoint string `koanf:"otlp-endpoint"` // OpenTelemetry collector, http://host:4318; empty sends no traces
	LokiURL      string `koanf:"loki-url"`      // Loki push URL; empty sends no logs there

	Evidence EvidenceConfig `koanf:",squash"`
}

// DefaultConfig returns what runs with nothing set.
func DefaultConfig() Config {
	return Config{
		DataDir: "data", Listen: "127.0.0.1:9990", OpsListen: "127.0.0.1:9991", EngineListen: "127.0.0.1:9992",
		Retention: 35 * 24 * time.Hour, KeepAlerts: 30 * 24 * time.Hour, EngineMemory: 1 << 30, EngineMinFree: 256 << 20,
		LedgerBucket: 5 * time.Minute, LedgerEvery: 30 * time.Second, ResolveAfter: 5 * time.Minute, Drain: 500 * time.Millisecond,
		WatchdogMethod: "POST", WatchdogEvery: time.Minute,
		MailFrom: "nines@localhost", LogFormat: "auto", LogLevel: "info",
		Evidence: defaultEvidence(),
	}
}

// Check returns one fault.Invalid with every problem of the configuration, or nil.
func (c Config) Check() error {
	e := fault.New(fault.Invalid, "the configuration has problems")
	add := func(where, format string, args ...any) {
		e.Details = append(e.Details, fault.Detail{Where: where, Message: fmt.Sprintf(format, args...)})
	}
	if c.DataDir == "" {
		add("data", "is empty; name a folder")
	}
	for where, address := range map[string]string{"listen": c.Listen, "ops-listen": c.OpsListen, "engine-listen": c.EngineListen} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			add(where, "%q is not host:port, such as 127.0.0.1:9990", address)
		}
	}
	for where, raw := range map[string]string{"base-url": c.BaseURL, "prometheus-url": c.PrometheusURL, "otlp-endpoint": c.OTLPEndpoint, "loki-url": c.LokiURL} {
		if !isURL(raw, "http", "https") {
			add(where, "is not an http:// or https:// URL")
		}
	}
	if !isURL(c.DatabaseURL, "postgres", "postgresql") {
		add("database-url", "is not a postgres:// URL")
	}
	if !isURL(c.SMTPURL, "smtp", "smtps") {
		add("smtp-url", "is not an smtp:// or smtps:// URL")
	}
	if c.LedgerBucket < time.Second || (24*time.Hour)%c.LedgerBucket != 0 {
		add("ledger-bucket", "must be at least 1s and divide a day evenly, such as 5m")
	}
	for where, d := range map[string]time.Duration{
		"ledger-every": c.LedgerEvery, "resolve-after": c.ResolveAfter, "retention": c.Retention, "keep-alerts": c.KeepAlerts,
	} {
		if d <= 0 {
			add(where, "must be positive, such as 5m")
		}
	}
	if _, err := readHosts(c.RunbookHosts); err != nil {
		add("runbook-hosts", "%v", err)
	}
	if !isURL(c.WatchdogURL, "http", "https") {
		add("watchdog-url", "is not an http:// or https:// URL")
	}
	if c.WatchdogEvery < watchdogLeast {
		add("watchdog-every", "must be at least %s, such as 1m", watchdogLeast)
	}
	if method := strings.ToUpper(c.WatchdogMethod); method != "GET" && method != "POST" {
		add("watchdog-method", "must be GET or POST")
	}
	c.Evidence.check(add)
	if len(e.Details) == 0 {
		return nil
	}
	slices.SortFunc(e.Details, func(a, b fault.Detail) int { return cmp.Compare(a.Where, b.Where) })
	return e
}

func isURL(raw string, schemes ...string) bool {
	if raw == "" {
		return true
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" && u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return false
	}
	for _, s := range schemes {
		if u.Scheme == s {
			return true
		}
	}
	return false
}

// PublicURL returns BaseURL, or the listen address as a URL where none is set.
func (c Config) PublicURL() string {
	if c.BaseURL != "" {
		return strings.TrimRight(c.BaseURL, "/")
	}
	return "http://" + loopback(c.Listen)
}

// loopback turns an address that listens everywhere into one that can be dialled.
func loopback(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err == nil && (host == "" || host == "0.0.0.0" || host == "::") {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}

// TokenFile is where the first start leaves the token that the CLI on this machine uses.
func (c Config) TokenFile() string { return filepath.Join(c.DataDir, "cli-token") }

func (c Config) enginePath(elem ...string) string {
	return filepath.Join(append([]string{c.DataDir, "engine"}, elem...)...)
}
