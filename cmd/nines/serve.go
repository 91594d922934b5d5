package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (a *cli) serveCommand() *cobra.Command {
	var configFile, welcome string
	def := service.DefaultConfig()
	c := &cobra.Command{
		Use: "serve", Short: "Run the control plane with its children", Args: args(cobra.NoArgs),
		Long: "Run the control plane: UI, API, paging, ledger, and as supervised children a private PostgreSQL and the metrics\n" +
			"engine. --database-url and --prometheus-url replace the children. Every flag is also a key of the --config file\n" +
			"and an environment variable: --ops-listen is ops-listen and NINES_OPS_LISTEN.",
		Example: "  nines serve\n  nines serve --listen :9990 --base-url https://nines.example.com --database-url postgres://nines@db/nines",
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := a.serveConfig(c.Flags(), configFile)
			if err != nil {
				return err
			}
			return a.serve(c.Context(), config, welcome)
		},
	}
	f := c.Flags()
	f.StringVar(&configFile, "config", "", "YAML file with any of these settings")
	f.StringVar(&welcome, "welcome", "", "file of lines to print once everything is ready")
	f.String("listen", def.Listen, "address of UI and API")
	f.String("ops-listen", def.OpsListen, "address of /metrics, /livez, /readyz and pprof; keep it private")
	f.String("engine-listen", def.EngineListen, "loopback address of the built-in metrics engine")
	f.String("base-url", def.BaseURL, "URL by which people reach --listen; it stands in the pages that are sent")
	f.String("database-url", "", "PostgreSQL 15 or later to use instead of the built-in one")
	f.String("prometheus-url", "", "Prometheus-compatible API to use instead of the built-in engine")
	f.String("scrape-config", "", "Prometheus configuration file for the built-in engine")
	f.String("apply", "", "folder of definitions to apply at start")
	f.String("smtp-url", "", "mail server for e-mail pages, smtp://user:password@host:587")
	f.String("mail-from", def.MailFrom, "sender of e-mail pages")
	f.String("secret-dir", "", "folder in which definitions' relative secret files are looked up; unset: the data folder")
	f.Duration("retention", def.Retention, "how long the built-in engine keeps samples")
	f.Duration("keep-alerts", def.KeepAlerts, "how long ended alerts and what happened to alerts are kept, at least 25h")
	f.Int64("engine-memory", def.EngineMemory, "soft memory limit of the built-in engine in bytes")
	f.Int64("engine-min-free", def.EngineMinFree, "free bytes of disk below which the engine stops taking samples")
	f.Duration("ledger-bucket", def.LedgerBucket, "width of a ledger bucket; keep five minutes but in tests")
	f.Duration("ledger-every", def.LedgerEvery, "how often closed buckets are copied into the ledger")
	f.String("watchdog-url", "", "dead man's switch outside that is told while alerts reach people; it pages when we fall silent")
	f.String("watchdog-url-file", "", "file with that URL, which is a secret at most switches")
	f.String("watchdog-method", def.WatchdogMethod, "POST or GET")
	f.Duration("watchdog-every", def.WatchdogEvery, "how often the switch is told")
	f.Duration("drain", def.Drain, "how long requests are still taken once told to stop; longer than a load balancer needs to see /readyz")
	f.Duration("resolve-after", def.ResolveAfter, "end of an alert that names none")
	f.String("runbook-shell", "", "absolute paths of the commands that steps of runbooks may run, apart by commas; unset: none")
	f.String("runbook-hosts", "", "host, host:port and CIDR that steps of runbooks may reach, apart by commas; unset: only our own Prometheus")
	f.String("log-format", def.LogFormat, "auto, json or pretty")
	f.String("log-level", def.LogLevel, "debug, info, warn or error")
	f.String("otlp-endpoint", "", "OpenTelemetry collector for traces, http://host:4318")
	f.String("loki-url", "", "Loki push URL for logs, http://host:3100/loki/api/v1/push")
	f.String("evidence-loki-url", "", "Loki whose lines are kept with an incident that opens, http://host:3100; unset: none are")
	f.String("evidence-loki-query", def.Evidence.LokiQuery, "LogQL for them, with {{ labels.x }} and {{ incident.x }} inside quotes")
	f.String("evidence-loki-tenant", "", "X-Scope-OrgID for it; {{ incident.tenant }} is the incident's own tenant")
	f.String("evidence-loki-token-file", "", "file of its bearer token, below the folder of secrets")
	f.String("evidence-tempo-url", "", "Tempo whose traces are kept with an incident that opens, http://host:3200; unset: none are")
	f.String("evidence-tempo-query", def.Evidence.TempoQuery, "TraceQL for them")
	f.String("evidence-tempo-tenant", "", "X-Scope-OrgID for it")
	f.String("evidence-tempo-token-file", "", "file of its bearer token, below the folder of secrets")
	f.String("evidence-trace-url", "", "where people see a trace, with {trace} for its ID")
	return c
}

// serveConfig merges defaults, file, environment and flags, the later over the earlier.
func (a *cli) serveConfig(flags *pflag.FlagSet, path string) (service.Config, error) {
	k := koanf.New(".")
	if path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			return service.Config{}, fault.Wrap(fault.Invalid, err, "read the configuration file %s", path)
		}
	}
	known := map[string]bool{"data": true}
	flags.VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
	for _, key := range k.Keys() {
		if !known[key] {
			return service.Config{}, fault.New(fault.Invalid, "%s: %q is not a setting; nines serve --help lists them", path, key)
		}
	}
	err := k.Load(env.Provider(".", env.Opt{Prefix: "NINES_", TransformFunc: func(name, value string) (string, any) {
		key := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "NINES_")), "_", "-")
		if !known[key] {
			return "", nil // NINES_TOKEN and the like are other commands'
		}
		return key, value
	}}), nil)
	if err != nil {
		return service.Config{}, fmt.Errorf("read the environment: %w", err)
	}
	flags.Visit(func(f *pflag.Flag) { _ = k.Set(f.Name, f.Value.String()) })
	config := service.DefaultConfig()
	if err := k.Unmarshal("", &config); err != nil {
		return service.Config{}, fault.Wrap(fault.Invalid, err, "read the settings")
	}
	if !k.Exists("data") {
		config.DataDir = a.dataDir
	}
	return config, nil
}

func (a *cli) serve(ctx context.Context, config service.Config, welcome string) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	options := service.Options{Version: version, Program: program, Out: a.out}
	if welcome != "" {
		text, err := os.ReadFile(welcome)
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "read the welcome file")
		}
		options.Welcome = string(text)
	}
	return service.Run(ctx, config, options)
}
