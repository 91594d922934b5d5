package postgres

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/nines-sre/nines/internal/fault"
)

// Bounds of an answer that is read, whatever the step keeps of it.
const (
	maxAskedRows = 200
	maxAskedRow  = 4 << 20 // bytes
)

// Question is what another PostgreSQL is asked.
type Question struct {
	URL      string // postgres://user@host:port/database, as runbooks.ReadSource lets it pass
	Password string // "" for none
	Secrets  string // folder of the URL's sslrootcert
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	SQL      string // one statement that reads; $1, $2 ... are Args
	Args     []string
	Timeout  time.Duration
	Size     int // bytes of answer at most
}

// AskReadOnly asks another PostgreSQL one question and returns the answer as CSV, at most q.Size bytes and 200 rows; the
// bool says whether more was there. Session and transaction are read only and end with the timeout, the question is
// prepared, so that it is one statement, and it is rolled back. Functions that a superuser may call can do harm all the
// same: the user should be one that may only read.
func AskReadOnly(ctx context.Context, q Question) (string, bool, error) {
	if !reads(q.SQL) {
		return "", false, fault.New(fault.Invalid, "the statement must begin with select, with, show, explain, values or table")
	}
	config, err := q.config()
	if err != nil {
		return "", false, err
	}
	ctx, cancel := context.WithTimeout(ctx, q.Timeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return "", false, fault.Wrap(fault.Unavailable, err, "the data source cannot be reached")
	}
	defer conn.Close(context.WithoutCancel(ctx))
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return "", false, fault.Wrap(fault.Unavailable, err, "the data source takes no transaction")
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // nothing was written
	text, more, err := answer(ctx, tx, q)
	return text, more, refused(err, q.Timeout)
}

var readingStatement = regexp.MustCompile(`(?is)^\s*(select|with|show|explain|values|table)\b`)

func reads(sql string) bool { return readingStatement.MatchString(sql) }

// config takes nothing from the environment or from files that libpq knows, which are the control plane's own.
func (q Question) config() (*pgx.ConnConfig, error) {
	bad := fault.New(fault.Invalid, "the data source's URL cannot be read") // a cause may hold the URL
	u, err := url.Parse(q.URL)
	if err != nil {
		return nil, bad
	}
	params := u.Query()
	if root := params.Get("sslrootcert"); root != "" {
		params.Set("sslrootcert", filepath.Join(q.Secrets, root))
	} else {
		params.Set("sslrootcert", "")
	}
	if params.Get("sslmode") == "" {
		params.Set("sslmode", "prefer")
	}
	for _, ours := range []string{"sslcert", "sslkey", "sslpassword", "passfile", "target_session_attrs"} {
		params.Set(ours, "")
	}
	params.Set("target_session_attrs", "any")
	u.RawQuery = params.Encode()
	config, err := pgx.ParseConfig(u.String())
	if err != nil {
		return nil, bad
	}
	config.Password, config.DialFunc = q.Password, q.Dial
	config.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil } // Dial decides after DNS
	config.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		f := pgproto3.NewFrontend(r, w)
		f.SetMaxBodyLen(maxAskedRow)
		return f
	}
	config.RuntimeParams = map[string]string{
		"default_transaction_read_only": "on", "application_name": "nines runbook",
		"statement_timeout": fmt.Sprint(q.Timeout.Milliseconds()), "idle_in_transaction_session_timeout": fmt.Sprint(q.Timeout.Milliseconds()),
	}
	return config, nil
}

func answer(ctx context.Context, tx pgx.Tx, q Question) (string, bool, error) {
	ctx, stop := context.WithCancel(ctx)
	prepared, err := tx.Prepare(ctx, "step", q.SQL)
	if err != nil {
		stop()
		return "", false, err
	}
	values := []any{pgx.QueryResultFormats{pgx.TextFormatCode}}
	for _, value := range q.Args {
		values = append(values, value)
	}
	rows, err := tx.Query(ctx, prepared.Name, values...)
	if err != nil {
		stop()
		return "", false, err
	}
	defer func() {
		stop() // first: rows.Close alone would fetch all that was not read
		rows.Close()
	}()
	return asCSV(rows, q.Size)
}

// refused says what the database says, which is what the writer of the step must know, and of other errors nothing.
func refused(err error, timeout time.Duration) error {
	var said *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &said):
		return fault.New(fault.Invalid, "the data source refuses: %s (SQLSTATE %s)", said.Message, said.Code)
	}
	return fault.Wrap(fault.Unavailable, err, "no answer from the data source within %s", timeout)
}

// asCSV reads rows until there are enough. What is not read is not fetched: the connection ends with the question.
func asCSV(rows pgx.Rows, size int) (string, bool, error) {
	var b strings.Builder
	w := csv.NewWriter(&b)
	var head []string
	for _, f := range rows.FieldDescriptions() {
		head = append(head, f.Name)
	}
	if err := w.Write(head); err != nil {
		return "", false, err
	}
	for n := 0; rows.Next(); n++ {
		if w.Flush(); n == maxAskedRows || b.Len() > size {
			return b.String(), true, nil
		}
		var line []string
		for _, value := range rows.RawValues() {
			line = append(line, string(value[:min(len(value), size+1)]))
		}
		if err := w.Write(line); err != nil {
			return "", false, err
		}
	}
	w.Flush()
	return b.String(), false, rows.Err()
}
