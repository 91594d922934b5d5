package httpapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"golang.org/x/time/rate"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

// hooksPath is where integrations call us, each at its name below. They have no session and no API token of ours: each
// call is known by its integration's own signature or token.
const hooksPath = "/hooks"

// maxHookBody bounds the body of a call, in bytes, also when decompressed.
const maxHookBody = 1 << 20

// How often one address may call one integration before anything is looked at, so that strangers who only know a name
// cannot use up what the integration itself may send.
const (
	hookCallsEvery = 5 * time.Millisecond
	hookCallsBurst = 1000
)

// Hooks takes calls of integrations.
type Hooks interface {
	// Known reports whether there is an integration of that name.
	Known(name string) bool
	// Receive does what a call asks for and returns what its sender expects to hear. It returns only after everything has
	// been committed. An unknown name is a fault.NotFound, a call that is not the integration's a fault.Unauthorized.
	Receive(ctx context.Context, name string, r hook.Request) (hook.Answer, error)
}

func (a *API) mountHooks(app *fiber.App) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodGet} {
		app.Add(method, hooksPath+"/:name", a.receiveHook)
	}
}

// receiveHook says the same to everybody who is not known. Names are looked up by their hash, so that the time tells
// nothing of names like it.
func (a *API) receiveHook(c *fiber.Ctx) error {
	name := c.Params("name")
	known := a.deps.Hooks.Known(name)
	key := "hook " + a.clientAddress(c)
	if known {
		key += " " + name
	}
	if wait, ok := a.calls.take(a.deps.Now(), key, hookCallsEvery, hookCallsBurst); !ok {
		e := fault.New(fault.Limited, "there are too many calls; wait a little, then send them again")
		e.RetryAfter = wait
		return e
	}
	if !known {
		return fault.New(fault.NotFound, "there is nothing at this address")
	}
	if len(c.Body()) > maxHookBody {
		return fault.New(fault.TooLarge, "the call's body is larger than %d bytes", maxHookBody)
	}
	ctx, span := otel.Tracer(instrumentation).Start(c.UserContext(), "receive hook")
	defer span.End()
	span.SetAttributes(attribute.String("nines.integration", name))
	answer, err := a.deps.Hooks.Receive(ctx, name, a.hookRequest(c))
	if fault.Is(err, fault.Unauthorized) {
		return fault.Wrap(fault.Unauthorized, err, "the call is not signed with this integration's secret, or lacks its token")
	}
	if err != nil {
		return err
	}
	return answerHook(c, answer)
}

// hookRequest is the call as it came in. Its URL is the public one, because that is what senders sign.
func (a *API) hookRequest(c *fiber.Ctx) hook.Request {
	base := strings.TrimRight(a.config.BaseURL, "/")
	if base == "" {
		base = c.BaseURL()
	}
	header := http.Header{}
	for name, values := range c.GetReqHeaders() {
		for _, v := range values {
			header.Add(name, v)
		}
	}
	return hook.Request{Method: c.Method(), URL: base + c.OriginalURL(), Header: header, Body: c.Body(), At: a.deps.Now()}
}

func answerHook(c *fiber.Ctx, answer hook.Answer) error {
	status := answer.Status
	if status == 0 {
		status = http.StatusOK
	}
	if answer.ContentType != "" {
		c.Set(fiber.HeaderContentType, answer.ContentType)
	}
	return c.Status(status).Send(answer.Body)
}

// take takes one try of a key, or says how long until the next is free.
func (t *attempts) take(now time.Time, key string, every time.Duration, burst int) (wait time.Duration, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.keys) >= mostAttemptKeys {
		t.forget(now)
	}
	l := t.limiter(key, every, burst)
	if l.AllowN(now, 1) {
		return 0, true
	}
	return time.Duration((1 - l.TokensAt(now)) * float64(every)), false
}

func newAttempts() *attempts { return &attempts{keys: map[string]*rate.Limiter{}} }
