package engine

import (
	"context"
	"log/slog"
)

// library returns the log for a Prometheus library in the engine. What those call information is their inner life: a
// dozen lines at every start.
func (c Config) library(part string) *slog.Logger {
	return slog.New(quiet{c.Log.Handler()}).With("part", part)
}

// quiet logs information as debugging, and leaves warnings and errors alone.
type quiet struct{ slog.Handler }

// Enabled reports whether a record of the level would be written.
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return q.Handler.Enabled(ctx, lowered(level))
}

// Handle writes the record.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Level = lowered(r.Level)
	return q.Handler.Handle(ctx, r)
}

// WithAttrs returns a handler that is as quiet.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

// WithGroup returns a handler that is as quiet.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }

func lowered(level slog.Level) slog.Level {
	if level == slog.LevelInfo {
		return slog.LevelDebug
	}
	return level
}
