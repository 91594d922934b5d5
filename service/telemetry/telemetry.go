// Package telemetry is how Nines shows what it does: logs to a terminal, stdout and Loki, traces over OTLP, metrics and
// health for Prometheus, and profiles. It leaves out what is worth showing: the rooms decide that, through the logger,
// the global OpenTelemetry API and the small metric types here.
package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// flushTime is how long Shutdown waits at most for traces and logs that are still on their way.
const flushTime = 5 * time.Second

// Config says where telemetry goes. The zero Config logs to standard error and sends nothing anywhere.
type Config struct {
	Service      string    // service.name of traces and logs; "nines" unless set
	Version      string    // of the program
	OTLPEndpoint string    // OpenTelemetry collector's base URL such as http://localhost:4318; "" sends no traces
	SampleRatio  float64   // share of traces recorded, (0, 1]; 0 means all. A caller's own decision wins
	LokiURL      string    // Loki's base or push URL; "" sends no logs there
	LogFormat    string    // "json", "pretty", or "auto" and "": pretty where Out is a terminal
	Level        string    // "debug", "info", "warn" or "error"; "" is info
	Out          io.Writer // where the log goes; standard error unless set
}

// Telemetry is what a program needs to be seen.
type Telemetry struct {
	Log      *slog.Logger
	Registry *prometheus.Registry

	traces *sdktrace.TracerProvider
	sink   *sink // nil without Loki
}

// New starts telemetry and makes it the process's own: it sets the global tracer provider, propagator and
// OpenTelemetry error handler. Neither the collector nor Loki need to be reachable, now or ever. A Config that cannot
// work is a fault.Invalid that names every problem.
func New(ctx context.Context, c Config) (*Telemetry, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	t := &Telemetry{Registry: newRegistry(c.Version)}
	local := localHandler(c)
	t.Log = slog.New(local)
	if c.LokiURL != "" {
		sender, err := newLoki(c.LokiURL, c.Service)
		if err != nil {
			return nil, fmt.Errorf("set up the log to Loki: %w", err)
		}
		t.sink = newSink("loki", sender, t.Log)
		t.Registry.MustRegister(t.sink.collector())
		t.Log = slog.New(fanout{local, jsonHandler(t.sink, c.level())})
	}
	t.Log = slog.New(withTrace(t.Log.Handler()))
	traces, err := newTraces(ctx, c, t.Log)
	if err != nil {
		_ = t.Shutdown(ctx)
		return nil, fmt.Errorf("set up traces: %w", err)
	}
	t.traces = traces
	return t, nil
}

// Shutdown sends what is still on its way, for at most five seconds or until ctx ends, and stops. What could not be
// sent in that time is lost, which the error says.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	var failed []error
	if t.traces != nil {
		if err := t.traces.Shutdown(ctx); err != nil {
			failed = append(failed, fmt.Errorf("send the last traces: %w", err))
		}
	}
	if t.sink != nil { // last, so that it still takes what the others had to say
		if err := t.sink.Close(ctx); err != nil {
			failed = append(failed, fmt.Errorf("send the last log lines: %w", err))
		}
	}
	return errors.Join(failed...)
}

func (c Config) withDefaults() Config {
	c.Service = cmp.Or(c.Service, "nines")
	c.LogFormat = cmp.Or(c.LogFormat, "auto")
	c.Level = cmp.Or(c.Level, "info")
	c.SampleRatio = cmp.Or(c.SampleRatio, 1)
	if c.Out == nil {
		c.Out = os.Stderr
	}
	return c
}

func (c Config) check() error {
	e := fault.New(fault.Invalid, "telemetry cannot start")
	add := func(where, format string, args ...any) {
		e.Details = append(e.Details, fault.Detail{Where: where, Message: fmt.Sprintf(format, args...)})
	}
	switch c.LogFormat {
	case "json", "pretty", "auto":
	default:
		add("log-format", "%q is not a format; write auto, json or pretty", c.LogFormat)
	}
	if _, ok := levels[c.Level]; !ok {
		add("log-level", "%q is not a level; write debug, info, warn or error", c.Level)
	}
	if !(c.SampleRatio > 0 && c.SampleRatio <= 1) {
		add("trace-sample-ratio", "%v does not lie above 0 and up to 1", c.SampleRatio)
	}
	for where, raw := range map[string]string{"otlp-endpoint": c.OTLPEndpoint, "loki-url": c.LokiURL} {
		if _, err := endpoint(raw, "/"); raw != "" && err != nil {
			add(where, "is not an http:// or https:// URL")
		}
	}
	if len(e.Details) == 0 {
		return nil
	}
	return e
}

// endpoint returns the URL with the path that the protocol wants where it has none of its own.
func endpoint(raw, path string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", fault.New(fault.Invalid, "not an http:// or https:// URL")
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = path
	}
	return u.String(), nil
}
