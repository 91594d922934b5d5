package telemetry

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
)

// maxStatement is how much of a statement stands on its span, in bytes; enough to know which one it is.
const maxStatement = 300

// PGXTracer traces statements as spans under the caller's, never their arguments and only the beginning of their text.
// Work without a span of its own, such as polling, makes none. It uses the tracer provider in force at the call.
func PGXTracer() pgx.QueryTracer {
	return statements{otelpgx.NewTracer(otelpgx.WithDisableConnectionDetailsInAttributes(), otelpgx.WithDisableAcquireTracer())}
}

// statements shortens what is traced; all else is otelpgx's.
type statements struct{ *otelpgx.Tracer }

func (s statements) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	data.SQL = trimSQL(data.SQL)
	return s.Tracer.TraceQueryStart(ctx, conn, data)
}

func (s statements) TraceBatchQuery(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchQueryData) {
	data.SQL = trimSQL(data.SQL)
	s.Tracer.TraceBatchQuery(ctx, conn, data)
}

func (s statements) TracePrepareStart(ctx context.Context, conn *pgx.Conn, data pgx.TracePrepareStartData) context.Context {
	data.SQL = trimSQL(data.SQL)
	return s.Tracer.TracePrepareStart(ctx, conn, data)
}

// trimSQL puts a statement on one line and cuts it.
func trimSQL(sql string) string {
	sql = strings.Join(strings.Fields(sql), " ")
	if len(sql) <= maxStatement {
		return sql
	}
	cut := maxStatement
	for cut > 0 && !utf8.RuneStart(sql[cut]) {
		cut--
	}
	return sql[:cut] + "…"
}
