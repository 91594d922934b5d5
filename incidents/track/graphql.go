package track

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
)

// GraphError is one error of a GraphQL answer.
type GraphError struct {
	Message    string         `json:"message"`
	Extensions map[string]any `json:"extensions"`
}

// Graph is a GraphQL call: an operation with its variables.
type Graph struct {
	Query     string         `json:"query"`
	Variables map[string]any `json:"variables,omitempty"`
}

// Sorting says of which kind an error of a vendor's is, and how long it asks to be left alone; ok is false where the status
// says it, or it is a fault.Invalid.
type Sorting func(GraphError) (kind fault.Kind, wait time.Duration, ok bool)

// Query makes a GraphQL call and reads its data into v. The first error in an answer is the fault.
func (c Client) Query(ctx context.Context, q Request, g Graph, sort Sorting, v any) error {
	q.Method, q.Body = http.MethodPost, g
	var said struct {
		Data   json.RawMessage `json:"data"`
		Errors []GraphError    `json:"errors"`
	}
	a, err := c.Do(ctx, q, &said)
	if err != nil {
		if json.Unmarshal(a.Body, &said) != nil || len(said.Errors) == 0 || a.Status/100 != 4 {
			return err
		}
	}
	if len(said.Errors) > 0 {
		f := fault.New(fault.Invalid, "%s answered: %s", c.Name, notify.Scrub(said.Errors[0].Message, q.Secrets...))
		if err != nil {
			f.Kind, f.RetryAfter = fault.KindOf(err), RetryAfter(err)
		}
		if kind, wait, ok := sort(said.Errors[0]); ok {
			f.Kind, f.RetryAfter = kind, wait
		}
		return f
	}
	if err := json.Unmarshal(said.Data, v); err != nil {
		return fault.New(fault.Unavailable, "%s did not answer as its schema says", c.Name)
	}
	return nil
}
