package prom

import (
	"context"
	"time"

	"github.com/nines-sre/nines/slo"
)

var _ slo.Asker = (*Client)(nil)

// Ask implements slo.Asker: it evaluates the expression now.
func (c *Client) Ask(ctx context.Context, expr string) ([]slo.Answer, error) {
	found, err := c.Query(ctx, expr, time.Now())
	out := make([]slo.Answer, 0, len(found))
	for _, s := range found {
		out = append(out, slo.Answer{Labels: s.Labels, Value: s.Value})
	}
	return out, err
}
