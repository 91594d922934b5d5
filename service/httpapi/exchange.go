package httpapi

import (
	"context"
	"time"

	"github.com/nines-sre/nines/internal/access"
)

// exchange is what the middlewares know of one request and its answer.
type exchange struct {
	id        string // names the request in log and problems
	method    string // a constant, never a slice of the request
	route     string // template such as /api/v1/incidents/:id, or unmatched
	began     time.Time
	principal access.Principal
	err       error // what went wrong, cause included, for the log
}

// failed remembers the first trouble: what comes later is usually its echo.
func (e *exchange) failed(err error) {
	if e.err == nil {
		e.err = err
	}
}

type exchangeKey struct{}

// exchangeOf returns the request's exchange; outside of one, such as before a request could be read, an empty one.
func exchangeOf(ctx context.Context) *exchange {
	if e, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return e
	}
	return &exchange{}
}
