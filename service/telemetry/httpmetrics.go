package telemetry

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// httpBuckets are OpenTelemetry's for http.server.request.duration.
var httpBuckets = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}

// methods are the label values of methods; everything else is "_OTHER", as OpenTelemetry says, because anybody can
// invent methods.
var methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE", "QUERY"}

// HTTPMetrics are rate, errors and duration of the requests we answer.
type HTTPMetrics struct {
	duration *prometheus.HistogramVec
}

// NewHTTPMetrics registers http_server_request_duration_seconds.
func NewHTTPMetrics(reg prometheus.Registerer) *HTTPMetrics {
	m := &HTTPMetrics{duration: prometheus.NewHistogramVec(
		histogram("http_server_request_duration_seconds", "How long HTTP requests took to answer.", httpBuckets),
		[]string{"http_request_method", "http_route", "http_response_status_code", "tenant_tier"})}
	reg.MustRegister(m.duration)
	return m
}

// Expect makes the series of a route exist before its first request, with count 0, for each status.
func (m *HTTPMetrics) Expect(method, route, tier string, statuses ...int) {
	for _, status := range statuses {
		m.series(method, route, status, tier)
	}
}

// Observe counts a request. route is the route's pattern, never the path, "" where none matched; tier is the tier of
// the tenant's contract. The strings may be reused by the caller afterwards: they are copied.
func (m *HTTPMetrics) Observe(ctx context.Context, method, route string, status int, tier string, took time.Duration) {
	observe(ctx, m.series(method, route, status, tier), took)
}

func (m *HTTPMetrics) series(method, route string, status int, tier string) prometheus.Observer {
	known := "_OTHER"
	if i := slices.Index(methods, method); i >= 0 {
		known = methods[i]
	}
	if route == "" {
		route = "unmatched"
	}
	if tier == "" {
		tier = "none"
	}
	return m.duration.WithLabelValues(known, strings.Clone(route), statusLabel(status), strings.Clone(tier))
}

func statusLabel(status int) string {
	if status < 100 || status > 599 {
		return "other"
	}
	return strconv.Itoa(status)
}
