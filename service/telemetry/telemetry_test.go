package telemetry

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/fault"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// These tests set the process's OpenTelemetry globals, so they run one after the other.

func TestWithoutACollectorSpansStillHaveRealIDs(t *testing.T) {
	var out bytes.Buffer
	tel, err := New(context.Background(), Config{Out: &out, Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, span := otel.Tracer("test").Start(context.Background(), "work")
	tel.Log.InfoContext(ctx, "done")
	span.End()
	if id := span.SpanContext().TraceID(); !id.IsValid() || !strings.Contains(out.String(), id.String()) {
		t.Errorf("trace %v is not in the log %q", id, out.String())
	}
	header := propagation.MapCarrier{}
	otel.GetTextMapPropagator().Inject(ctx, header)
	if parent := header["traceparent"]; !strings.Contains(parent, span.SpanContext().TraceID().String()) {
		t.Errorf("traceparent %q", parent)
	}
	if err := tel.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	families, err := tel.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range families {
		names[f.GetName()] = true
	}
	for _, want := range []string{"nines_build_info", "go_goroutines", "process_start_time_seconds"} {
		if !names[want] {
			t.Errorf("%s is not exposed", want)
		}
	}
}

func TestShutdownSendsTheLastSpansAndLines(t *testing.T) {
	spans, lines := make(chan string, 10), make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/v1/traces":
			spans <- r.Header.Get("Content-Encoding")
		case "/loki/api/v1/push":
			lines <- string(body)
		default:
			t.Errorf("request to %s", r.URL.Path)
		}
	}))
	defer server.Close()
	tel, err := New(context.Background(), Config{Out: io.Discard, OTLPEndpoint: server.URL, LokiURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	_, span := otel.Tracer("test").Start(context.Background(), "work")
	span.End()
	tel.Log.Info("bye")
	if err := tel.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(spans) != 1 || len(lines) != 1 {
		t.Errorf("%d trace and %d log pushes", len(spans), len(lines))
	}
}

func TestShutdownEndsWithACollectorThatHangs(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	tel, err := New(context.Background(), Config{Out: io.Discard, OTLPEndpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	_, span := otel.Tracer("test").Start(context.Background(), "work")
	span.End()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := tel.Shutdown(ctx); err == nil {
		t.Error("lost spans must be said")
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("took %v", took)
	}
	close(release)
	server.Close()
}

func TestABadConfigurationNamesEveryProblem(t *testing.T) {
	_, err := New(context.Background(), Config{LogFormat: "xml", Level: "loud", SampleRatio: 2, OTLPEndpoint: "collector:4318", LokiURL: "ftp://x"})
	if !fault.Is(err, fault.Invalid) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"log-format", "log-level", "trace-sample-ratio", "otlp-endpoint", "loki-url"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named in %v", want, err)
		}
	}
}

func TestStatementsAreTracedWithoutArgumentsAndShort(t *testing.T) {
	record := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(record))
	otel.SetTracerProvider(provider)
	tracer := PGXTracer()
	query := func(ctx context.Context, sql string) {
		ctx = tracer.TraceQueryStart(ctx, nil, pgx.TraceQueryStartData{SQL: sql, Args: []any{"hunter2"}})
		tracer.TraceQueryEnd(ctx, nil, pgx.TraceQueryEndData{})
	}
	ctx, parent := provider.Tracer("t").Start(context.Background(), "request")
	query(ctx, "select id,\n\t\tname\n from incidents where id = $1 and "+strings.Repeat("ä", 400))
	parent.End()
	query(context.Background(), "select 1") // polling, in no trace: makes no span
	var statement string
	for _, s := range record.Ended() {
		for _, a := range s.Attributes() {
			if strings.Contains(a.Value.String(), "hunter2") {
				t.Errorf("an argument stands on the span: %v", a)
			}
			if a.Key == "db.query.text" {
				statement = a.Value.String()
			}
		}
	}
	if !strings.HasPrefix(statement, "select id, name from incidents") || len(statement) > maxStatement+4 {
		t.Errorf("statement %q", statement)
	}
	if n := len(record.Ended()); n != 2 {
		t.Errorf("%d spans, want the request and its statement", n)
	}
	var _ pgx.BatchTracer = tracer.(pgx.BatchTracer)
	_ = trace.SpanFromContext(ctx)
}
