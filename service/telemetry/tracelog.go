package telemetry

import (
	"context"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/trace"
)

// traced adds trace_id and span_id of the context's span to every record, at the top level whatever groups are open,
// so that one query finds all lines of a trace.
type traced struct {
	next slog.Handler // with everything in since applied
	base slog.Handler // as it was before the first group
	// since is what was applied after base, beginning with a group; empty while no group is open.
	since []func(slog.Handler) slog.Handler
}

func withTrace(h slog.Handler) slog.Handler { return traced{next: h, base: h} }

func (t traced) Enabled(ctx context.Context, l slog.Level) bool { return t.next.Enabled(ctx, l) }

func (t traced) Handle(ctx context.Context, r slog.Record) error {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return t.next.Handle(ctx, r)
	}
	ids := []slog.Attr{slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String())}
	if len(t.since) == 0 {
		r = r.Clone()
		r.AddAttrs(ids...)
		return t.next.Handle(ctx, r)
	}
	h := t.base.WithAttrs(ids)
	for _, apply := range t.since {
		h = apply(h)
	}
	return h.Handle(ctx, r)
}

func (t traced) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return t
	}
	apply := func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) }
	if len(t.since) == 0 {
		return withTrace(apply(t.base))
	}
	return t.and(apply)
}

func (t traced) WithGroup(name string) slog.Handler {
	if name == "" {
		return t
	}
	return t.and(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}

func (t traced) and(apply func(slog.Handler) slog.Handler) slog.Handler {
	return traced{next: apply(t.next), base: t.base, since: append(slices.Clip(t.since), apply)}
}
