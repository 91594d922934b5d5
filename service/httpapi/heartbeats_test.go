package httpapi

import (
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func TestAHeartbeatIsPingedByATokenOrByItsOwnKey(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	f := func(method, path, token string, status int) {
		t.Helper()
		var headers []string
		if token != "" {
			headers = append(headers, bearer(token))
		}
		if got := ask(t, app, method, "/api/v1/heartbeats/"+path, "", headers...); got.status != status {
			t.Errorf("%s %s as %q: %d %s", method, path, token, got.status, got.text)
		}
	}
	for _, method := range []string{get, post} {
		f(method, "backup/ping", "", 401)
		f(method, "backup/ping", "viewer", 403)
		f(method, "backup/ping", "responder", 200)
		f(method, "nobody/ping", "responder", 404)
		f(method, "backup/ping/the-right-key", "", 200)
		f(method, "backup/ping/another-key", "", 401)
		f(method, "nobody/ping/another-key", "", 401)
	}
}

// This test sets the process's tracer provider, so it does not run beside others.
func TestAHeartbeatsKeyIsInNoTraceAndNoLog(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	t.Cleanup(func() { otel.SetTracerProvider(before) })
	app, w := newWorld(t)
	for _, key := range []string{"the-right-key", "the-right-key-mistyped"} {
		ask(t, app, get, "/api/v1/heartbeats/backup/ping/"+key, "")
	}
	seen := w.log.String()
	for _, span := range spans.Ended() {
		seen += fmt.Sprint(span.Name(), span.Attributes(), span.Events(), span.Status())
	}
	if !strings.Contains(seen, "/ping/:key") || strings.Contains(seen, "the-right-key") {
		t.Error(seen)
	}
}
