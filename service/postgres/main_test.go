package postgres_test

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/pgtest"
	"github.com/nines-sre/nines/service/postgres"
)

var server = pgtest.Server{Migrate: func(ctx context.Context, url string) error {
	db, err := postgres.Open(ctx, postgres.Config{URL: url})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Migrate(ctx)
}}

func TestMain(m *testing.M) { os.Exit(server.Main(m)) }

// The people of the tests.
var (
	operator  = access.Principal{ID: "user:op", Name: "ola@nines.example", Role: access.Admin}
	responder = access.Principal{ID: "user:re", Name: "rea@nines.example", Role: access.Responder}
	acme      = access.Principal{ID: "user:ac", Name: "ann@acme.example", Role: access.Admin, Tenant: "acme"}
	globex    = access.Principal{ID: "user:gl", Name: "gil@globex.example", Role: access.Admin, Tenant: "globex"}
)

// open returns a database of the test's own.
func open(t testing.TB) *postgres.DB {
	t.Helper()
	return openURL(t, server.Database(t))
}

func openURL(t testing.TB, url string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(context.Background(), postgres.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// openBoth returns a database and a connection beside it that sees and may do everything.
func openBoth(t testing.TB) (*postgres.DB, *pgx.Conn) {
	t.Helper()
	url := server.Database(t)
	return openURL(t, url), superuser(t, url)
}

func superuser(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), server.AsSuperuser(t, url))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// value asks a connection one thing.
func value[T any](t testing.TB, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	rows, err := conn.Query(context.Background(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func do(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// must returns what a call gives that cannot fail here.
func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
