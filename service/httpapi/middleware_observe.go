package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"
	"github.com/google/uuid"
	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/nines-sre/nines/internal/fault"
)

const instrumentation = "github.com/nines-sre/nines/service/httpapi"

const headerRequestID = "X-Request-Id"

// observe is the outermost middleware: it names the request, starts the server span, answers whatever error or panic
// comes back, and tells metrics and log how it went.
func (a *API) observe(c *fiber.Ctx) error {
	e := &exchange{id: requestID(c.Get(headerRequestID)), method: knownMethod(c.Method()), began: a.deps.Now()}
	e.route = a.routes.template(e.method, c.Path())
	c.Set(headerRequestID, e.id)
	ctx, span := startSpan(c, e)
	defer span.End()
	c.SetUserContext(context.WithValue(ctx, exchangeKey{}, e))

	if err := protected(c); err != nil {
		if failed := a.answerError(c, err); failed != nil {
			e.failed(failed)
			c.Status(http.StatusInternalServerError)
		}
	}
	a.report(ctx, c, e, span)
	return nil
}

// protected runs the rest of the chain and makes an error of a panic.
func protected(c *fiber.Ctx) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fault.Wrap(fault.Internal, fmt.Errorf("%v\n%s", r, debug.Stack()), "panic")
		}
	}()
	return c.Next()
}

func (a *API) report(ctx context.Context, c *fiber.Ctx, e *exchange, span trace.Span) {
	status := c.Response().StatusCode()
	took := a.deps.Now().Sub(e.began)
	span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	if status >= 500 {
		span.SetStatus(codes.Error, "")
		span.SetAttributes(semconv.ErrorTypeKey.String(fault.KindOf(classifyOrNil(e.err)).String()))
	}
	tier := "none"
	if e.principal.ID != "" {
		tier = a.deps.TierOf(e.principal.Tenant)
	}
	a.deps.Metrics.Observe(ctx, e.method, e.route, status, tier, took)

	level := slog.LevelDebug
	switch {
	case status == http.StatusInternalServerError:
		level = slog.LevelError
	case status >= 500 || took > a.config.SlowRequest:
		level = slog.LevelWarn
	}
	if !a.deps.Log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", e.method), slog.String("route", e.route), slog.Int("status", status),
		slog.Duration("took", took), slog.String("request_id", e.id),
		slog.String("trace_id", span.SpanContext().TraceID().String()),
	}
	if e.principal.ID != "" {
		attrs = append(attrs, slog.String("principal", e.principal.ID))
	}
	if e.err != nil {
		attrs = append(attrs, slog.String("error", e.err.Error()))
	}
	a.deps.Log.LogAttrs(ctx, level, "request", attrs...)
}

func classifyOrNil(err error) error {
	if err == nil {
		return nil
	}
	return classify(err)
}

// startSpan starts the server span below the caller's, where the caller sent one. The query string stays out: it may
// hold what should not be kept.
func startSpan(c *fiber.Ctx, e *exchange) (context.Context, trace.Span) {
	parent := otel.GetTextMapPropagator().Extract(c.UserContext(), headerCarrier{&c.Request().Header})
	name := e.method
	if e.route != unmatched {
		name += " " + e.route
	}
	attrs := []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(e.method), semconv.URLPath(pathOf(c, e)),
		semconv.URLScheme(c.Protocol()), semconv.ServerAddress(c.Hostname()),
		semconv.ClientAddress(c.IP()), semconv.UserAgentOriginal(c.Get(fiber.HeaderUserAgent)),
	}
	if e.route != unmatched {
		attrs = append(attrs, semconv.HTTPRoute(e.route))
	}
	return otel.Tracer(instrumentation).Start(parent, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attrs...))
}

// pathOf is the request's path, or its route where the path itself holds a secret.
func pathOf(c *fiber.Ctx, e *exchange) string {
	if strings.HasSuffix(e.route, "/:key") {
		return e.route
	}
	return utils.CopyString(c.Path())
}

// headerCarrier lets trace propagation read a request's headers.
type headerCarrier struct{ header *fasthttp.RequestHeader }

func (h headerCarrier) Get(key string) string { return string(h.header.Peek(key)) }
func (h headerCarrier) Set(key, value string) { h.header.Set(key, value) }
func (h headerCarrier) Keys() []string {
	var keys []string
	for key := range h.header.All() {
		keys = append(keys, string(key))
	}
	return keys
}

// requestID takes the caller's name for the request if it can do no harm in a log, else makes one.
func requestID(given string) string {
	const most = 64
	harmless := given != "" && len(given) <= most && !strings.ContainsFunc(given, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
	})
	if harmless {
		return given
	}
	return uuid.NewString()
}

// knownMethod returns a constant: what the framework returns is a view of the request, which the next one overwrites.
func knownMethod(method string) string {
	switch method {
	case fiber.MethodGet:
		return fiber.MethodGet
	case fiber.MethodHead:
		return fiber.MethodHead
	case fiber.MethodPost:
		return fiber.MethodPost
	case fiber.MethodPut:
		return fiber.MethodPut
	case fiber.MethodPatch:
		return fiber.MethodPatch
	case fiber.MethodDelete:
		return fiber.MethodDelete
	case fiber.MethodOptions:
		return fiber.MethodOptions
	}
	return "_OTHER"
}
