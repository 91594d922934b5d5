package telemetry

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/trace"
)

// newRegistry returns a registry with the Go runtime, the process and the build.
func newRegistry(version string) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "nines_build_info",
		Help:        "Always 1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision(), "goversion": runtime.Version()},
	})
	build.Set(1)
	reg.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build)
	return reg
}

// revision is the commit the binary was built from, "unknown" where the build did not record it.
func revision() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}

// histogram returns options for a histogram that every scraper understands: classic buckets for SLOs with a fixed
// bound, and a native one for everything else where the scraper asks for it.
func histogram(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  160,
		NativeHistogramMinResetDuration: time.Hour,
	}
}

// observe records seconds with the context's span as exemplar, where it was recorded so that one can look at it.
func observe(ctx context.Context, o prometheus.Observer, took time.Duration) {
	span := trace.SpanContextFromContext(ctx)
	if withExemplar, ok := o.(prometheus.ExemplarObserver); ok && span.IsSampled() && span.IsValid() {
		withExemplar.ObserveWithExemplar(took.Seconds(), prometheus.Labels{
			"trace_id": span.TraceID().String(), "span_id": span.SpanID().String()})
		return
	}
	o.Observe(took.Seconds())
}
