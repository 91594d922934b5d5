package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/nines-sre/nines/internal/fault"
)

func TestTroubleIsExplainedByItsKind(t *testing.T) {
	t.Parallel()
	refused := func(code, constraint string) error {
		return fmt.Errorf("doing: %w", &pgconn.PgError{Code: code, ConstraintName: constraint})
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		err  error
		want fault.Kind
	}{
		{"an account that exists", t.Context(), refused("23505", "users_email"), fault.Conflict},
		{"a unique key nobody explained is our mistake", t.Context(), refused("23505", "sessions_pkey"), fault.Internal},
		{"a column that does not exist is our mistake", t.Context(), refused("42703", ""), fault.Internal},
		{"another tenant's row", t.Context(), refused("42501", ""), fault.Forbidden},
		{"a NUL character", t.Context(), refused("22021", ""), fault.Invalid},
		{"statement_timeout", t.Context(), refused("57014", ""), fault.Timeout},
		{"lock_timeout", t.Context(), refused("55P03", ""), fault.Unavailable},
		{"shutting down", t.Context(), refused("57P01", ""), fault.Unavailable},
		{"starting up", t.Context(), refused("57P03", ""), fault.Unavailable},
		{"too many connections", t.Context(), refused("53300", ""), fault.Unavailable},
		{"disk full", t.Context(), refused("53100", ""), fault.Unavailable},
		{"a standby", t.Context(), refused("25006", ""), fault.Unavailable},
		{"a deadlock that trying again did not mend", t.Context(), refused("40P01", ""), fault.Unavailable},
		{"a race that trying again did not mend", t.Context(), errRaced, fault.Unavailable},
		{"no free connection", t.Context(), errors.Join(errBusy, context.DeadlineExceeded), fault.Unavailable},
		{"cannot connect", t.Context(), &pgconn.ConnectError{}, fault.Unavailable},
		{"the connection broke", t.Context(), fmt.Errorf("read: %w", io.ErrUnexpectedEOF), fault.Unavailable},
		{"the connection was reset", t.Context(), &net.OpError{Op: "read", Err: errors.New("reset")}, fault.Unavailable},
		{"the caller's deadline", t.Context(), context.DeadlineExceeded, fault.Timeout},
		{"the caller left", ended, io.EOF, fault.Timeout},
		{"what is explained already", t.Context(), fault.New(fault.NotFound, "no"), fault.NotFound},
		{"anything else", t.Context(), errors.New("odd"), fault.Internal},
	} {
		err := explain(c.ctx, c.err, "doing it")
		if !fault.Is(err, c.want) || !errors.Is(err, c.err) {
			t.Errorf("%s: got %s (%v), want %s", c.name, fault.KindOf(err), err, c.want)
		}
		var f *fault.Error
		if c.want == fault.Unavailable && (!errors.As(err, &f) || f.RetryAfter <= 0) {
			t.Errorf("%s: does not say when to try again", c.name)
		}
	}
	if explain(t.Context(), nil, "doing it") != nil {
		t.Error("no trouble is explained")
	}
}
