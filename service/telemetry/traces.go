package telemetry

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// newTraces makes the tracer provider and sets the OpenTelemetry globals. Without an endpoint nothing is exported, but
// spans have real ids all the same, so that logs, exemplars and stored trace parents tell what belongs together.
func newTraces(ctx context.Context, c Config, log *slog.Logger) (*sdktrace.TracerProvider, error) {
	about, err := resource.Merge(resource.Default(), resource.NewWithAttributes(semconv.SchemaURL,
		semconv.ServiceName(c.Service), semconv.ServiceVersion(c.Version)))
	if err != nil {
		return nil, err
	}
	options := []sdktrace.TracerProviderOption{
		sdktrace.WithResource(about),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.SampleRatio))),
	}
	if c.OTLPEndpoint != "" {
		to, err := endpoint(c.OTLPEndpoint, "/v1/traces")
		if err != nil {
			return nil, err
		}
		exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(to), otlptracehttp.WithTimeout(flushTime),
			otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
		if err != nil {
			return nil, err
		}
		options = append(options, sdktrace.WithBatcher(exporter)) // drops when its queue is full; never blocks a span's end
	}
	provider := sdktrace.NewTracerProvider(options...)
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	otel.SetErrorHandler(&seldom{log: log})
	return provider, nil
}

// seldom logs OpenTelemetry's errors at most once a minute: a collector that is away fails every few seconds.
type seldom struct {
	log  *slog.Logger
	last atomic.Int64 // UnixNano of the last line
}

// Handle implements otel.ErrorHandler.
func (s *seldom) Handle(err error) {
	now, last := time.Now().UnixNano(), s.last.Load()
	if err == nil || last != 0 && now-last < int64(reportEvery) || !s.last.CompareAndSwap(last, now) {
		return
	}
	s.log.Warn("traces were not sent", "error", err)
}
