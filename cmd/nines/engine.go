package main

import (
	"context"
	"os"
	"time"

	"github.com/nines-sre/nines/service"
	"github.com/nines-sre/nines/service/engine"
	"github.com/nines-sre/nines/service/telemetry"
	"github.com/spf13/cobra"
)

const parentPoll = time.Second

func (a *cli) engineCommand() *cobra.Command {
	def := service.DefaultConfig()
	var c engine.Config
	var otlp string
	cmd := &cobra.Command{
		Use: "engine", Short: "Run the metrics engine alone (serve starts it as a child)", Args: args(cobra.NoArgs),
		Long: "Run the metrics engine: scraping, storage, rules and PromQL behind the Prometheus HTTP API. 'nines serve' starts\n" +
			"it as a child and restarts it; run it by hand to look at a data folder. NINES_ENGINE_TOKEN, where set, is the\n" +
			"bearer token it asks for and sends its alerts with.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.Token = os.Getenv("NINES_ENGINE_TOKEN")
			c.AlertsToken = c.Token
			c.DataDir, _ = cmd.Flags().GetString("data")
			ctx, stop := withParent(cmd.Context())
			defer stop()
			seen, err := telemetry.New(ctx, telemetry.Config{Service: "nines-engine", Version: version, OTLPEndpoint: otlp, LogFormat: "json", Out: a.err})
			if err != nil {
				return err
			}
			defer func() { _ = seen.Shutdown(context.WithoutCancel(ctx)) }() // what could not be sent in time is lost
			c.Log = seen.Log
			return engine.Run(ctx, c, func(string) {})
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.Listen, "listen", def.EngineListen, "address of the Prometheus HTTP API")
	f.StringVar(&c.ConfigFile, "config", "", "Prometheus configuration file")
	f.StringVar(&c.RuleDir, "rules", "", "folder of rule files")
	f.StringVar(&c.AlertsURL, "alerts-url", "", "Alertmanager API to send alerts to, without /api/v2")
	f.StringVar(&c.ControlPlane, "control-plane", "", "host:port of the control plane's /metrics, scraped unless the configuration has it")
	f.DurationVar(&c.Retention, "retention", def.Retention, "how long samples are kept")
	f.Int64Var(&c.MemoryLimit, "memory", def.EngineMemory, "soft memory limit in bytes")
	f.StringVar(&otlp, "otlp-endpoint", "", "OpenTelemetry collector for traces, http://host:4318")
	f.Int64Var(&c.MinFree, "min-free", def.EngineMinFree, "free bytes of disk below which no samples are taken")
	return cmd
}

// withParent ends the context when the process that started this one is gone, on systems that do not tell a child.
func withParent(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	parent := os.Getppid()
	go func() {
		tick := time.NewTicker(parentPoll)
		defer tick.Stop()
		for os.Getppid() == parent {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
		cancel()
	}()
	return ctx, cancel
}
