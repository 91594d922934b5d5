package postgres

import (
	"context"
	"encoding/csv"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/fault"
)

// maxAskedRows is how many rows of an answer are read at most.
const maxAskedRows = 200

// AskReadOnly asks another PostgreSQL one question and returns the answer as CSV, at most size bytes and 200 rows; the
// bool says whether more was there. The session is read only and ends with the timeout, and the question is prepared, so
// that it is one statement. It is rolled back.
func AskReadOnly(ctx context.Context, url, password, sql string, args []string, timeout time.Duration, size int) (string, bool, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return "", false, fault.New(fault.Invalid, "the data source's URL cannot be read") // the cause may hold the URL
	}
	if password != "" {
		config.Password = password
	}
	config.RuntimeParams["default_transaction_read_only"] = "on"
	config.RuntimeParams["statement_timeout"] = fmt.Sprint(timeout.Milliseconds())
	config.RuntimeParams["application_name"] = "nines runbook"
	ctx, cancel := context.WithTimeout(ctx, timeout)
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
	prepared, err := tx.Prepare(ctx, "step", sql)
	if err != nil {
		return "", false, fault.New(fault.Invalid, "%v", err)
	}
	values := make([]any, len(args))
	for i := range args {
		values[i] = args[i]
	}
	rows, err := tx.Query(ctx, prepared.Name, append([]any{pgx.QueryResultFormats{pgx.TextFormatCode}}, values...)...)
	if err != nil {
		return "", false, fault.New(fault.Invalid, "%v", err)
	}
	defer rows.Close()
	text, more, err := asCSV(rows, size)
	if err != nil {
		return text, more, fault.New(fault.Invalid, "%v", err)
	}
	return text, more, nil
}

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
			line = append(line, string(value))
		}
		if err := w.Write(line); err != nil {
			return "", false, err
		}
	}
	w.Flush()
	return b.String(), false, rows.Err()
}
