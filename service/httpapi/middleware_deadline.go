package httpapi

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"
)

// deadline bounds every request's context, because nothing else does: the context does not end when a client leaves.
// Analyses have longer; the event stream has none.
func (a *API) deadline(c *fiber.Ctx) error {
	limit := a.limitOf(exchangeOf(c.UserContext()).route)
	if limit == 0 {
		return c.Next()
	}
	ctx, cancel := context.WithTimeout(c.UserContext(), limit)
	defer cancel()
	c.SetUserContext(ctx)
	return c.Next()
}

func (a *API) limitOf(route string) time.Duration {
	switch {
	case a.endless[route]:
		return 0
	case a.slow[route] || under(route, prometheusPath):
		return a.config.AnalysisTimeout
	}
	return a.config.RequestTimeout
}
