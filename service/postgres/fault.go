package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/nines-sre/nines/internal/fault"
)

// refusal is what PostgreSQL's refusal means to the person who asked.
type refusal struct {
	kind    fault.Kind
	message string
}

// refusals explains constraints by name. What is not here is a mistake of ours and therefore internal.
var refusals = map[string]refusal{
	"users_email":               {fault.Conflict, "there is already an account with this e-mail address"},
	"users_email_check":         {fault.Invalid, "email: must be in lower case"},
	"users_role_check":          {fault.Invalid, "role: is not one of viewer, responder, editor, admin"},
	"tokens_role_check":         {fault.Invalid, "role: is not one of viewer, responder, editor, admin"},
	"incidents_stay_resolved":   {fault.Conflict, "the incident is resolved, and that is final; the same trouble opens a new one"},
	"definitions_pkey":          {fault.Conflict, "somebody else has just applied definitions; compare and apply again"},
	"corrections_stand":         {fault.Forbidden, "a correction stands as it was made; revoke it and make another"},
	"changes_once":              {fault.Conflict, "this Idempotency-Key was used for another change; use a new one"},
	"postmortem_incidents_once": {fault.Conflict, "one of the incidents has a postmortem already; an incident has one at most"},
	"contact_methods_once":      {fault.Conflict, "this way to be reached is there already"},
	"contact_methods_address":   {fault.Conflict, "this address is somebody else's already; whoever has it has to take it away first"},
	"append_only":               {fault.Forbidden, "what happened is kept as it was: it can be neither changed nor removed"},
}

// Times after which a client may try again.
const (
	retryAway = 2 * time.Second
	retryBusy = time.Second
)

// explain turns an error of pgx into one of ours: what was being done for the log, a kind and a message for the client.
// Errors that are explained already are left as they are.
func explain(ctx context.Context, err error, doing string) error {
	var known *fault.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, errBusy) && !away(err):
		return fault.Wrap(fault.Timeout, err, "the database did not answer in time (%s)", doing)
	case errors.Is(err, errBusy), errors.Is(err, errRaced), conflicted(err):
		return unavailable(err, retryBusy, "the database is busy ("+doing+")")
	case away(err), lost(err):
		return unavailable(err, retryAway, "the database is away ("+doing+")")
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return explainRefusal(refused, err, doing)
	}
	return fault.Wrap(fault.Internal, err, "%s", doing)
}

func unavailable(err error, after time.Duration, message string) error {
	e := fault.Wrap(fault.Unavailable, err, "%s; try again", message)
	e.RetryAfter = after
	return e
}

func explainRefusal(refused *pgconn.PgError, err error, doing string) error {
	if r, ok := refusals[refused.ConstraintName]; ok {
		return fault.Wrap(r.kind, err, "%s", r.message)
	}
	switch refused.Code {
	case "57014": // query_canceled, by statement_timeout
		return fault.Wrap(fault.Timeout, err, "the database took too long (%s)", doing)
	case "55P03": // lock_not_available, by lock_timeout
		return unavailable(err, retryBusy, "the database is busy ("+doing+")")
	case "25006": // read_only_sql_transaction: a standby, while another takes over
		return unavailable(err, retryAway, "the database takes no changes now ("+doing+")")
	case "42501": // insufficient_privilege: row security
		return fault.Wrap(fault.Forbidden, err, "that belongs to another tenant")
	case "22021", "22P05": // not UTF-8, or a NUL character
		return fault.Wrap(fault.Invalid, err, "the text holds characters that cannot be stored")
	}
	return fault.Wrap(fault.Internal, err, "%s", doing)
}

// away reports whether PostgreSQL cannot be reached, or says itself that it takes no work.
func away(err error) bool {
	var dial *pgconn.ConnectError
	if errors.As(err, &dial) {
		return true
	}
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return false
	}
	for _, class := range []string{
		"08",    // connection exceptions
		"53",    // no memory, disk or connections left
		"57P",   // shutting down, crashed, starting up
		"58",    // I/O error
		"25P03", // idle in a transaction for too long
	} {
		if strings.HasPrefix(refused.Code, class) {
			return true
		}
	}
	return false
}

// lost reports whether the connection broke, so that another one may work.
func lost(err error) bool {
	var network net.Error
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return true
	case errors.As(err, &network) && !errors.Is(err, context.DeadlineExceeded):
		return true
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return strings.HasPrefix(refused.Code, "57P") || strings.HasPrefix(refused.Code, "08")
	}
	return pgconn.SafeToRetry(err)
}

// conflicted reports whether PostgreSQL gave up this transaction for the sake of another one.
func conflicted(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && (refused.Code == "40001" || refused.Code == "40P01")
}
