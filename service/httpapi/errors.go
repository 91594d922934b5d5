package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/internal/fault"
)

// statusOf is the one table from a fault's kind to HTTP's words.
var statusOf = map[fault.Kind]int{
	fault.Internal: http.StatusInternalServerError, fault.Invalid: http.StatusBadRequest,
	fault.Unauthorized: http.StatusUnauthorized, fault.Forbidden: http.StatusForbidden,
	fault.NotFound: http.StatusNotFound, fault.Conflict: http.StatusConflict,
	fault.TooLarge: http.StatusRequestEntityTooLarge, fault.Limited: http.StatusTooManyRequests,
	fault.Unavailable: http.StatusServiceUnavailable, fault.Timeout: http.StatusGatewayTimeout,
}

// kindOf goes the other way, for errors that a library words as a status.
var kindOf = func() map[int]fault.Kind {
	kinds := map[int]fault.Kind{}
	for kind, status := range statusOf {
		kinds[status] = kind
	}
	return kinds
}()

// defaultRetryAfter is what a client is told where nobody knows when trying again will help.
const defaultRetryAfter = 5 * time.Second

// Problem is the answer to every request that went wrong, after RFC 9457 (application/problem+json).
type Problem struct {
	Title     string          `json:"title" doc:"The status in words." example:"Not Found"`
	Status    int             `json:"status" example:"404"`
	Code      string          `json:"code" doc:"The kind of trouble, for programs." enum:"internal,invalid,unauthorized,forbidden,not_found,conflict,too_large,limited,unavailable,timeout" example:"not_found"`
	Detail    string          `json:"detail" doc:"What is wrong and what to do, for people." example:"there is no incident 42"`
	Errors    []ProblemDetail `json:"errors,omitempty" doc:"Every problem at once, where there are several."`
	RequestID string          `json:"requestId,omitempty" doc:"Names this request in the log."`

	retryAfter time.Duration
	worded     bool // the status was chosen, not found by the kind
}

// ProblemDetail is one problem among several.
type ProblemDetail struct {
	Location string `json:"location" doc:"Where: file:line, JSON path or parameter." example:"slos/shop.yaml:12"`
	Message  string `json:"message" doc:"What is wrong and what to do."`
}

// problemOf words an error for a client. What is no *fault.Error is ours, and its text stays here.
func problemOf(err error) *Problem {
	public := fault.Public(classify(err))
	status := statusOf[public.Kind]
	var worded *fiber.Error
	if errors.As(err, &worded) && worded.Code >= 400 {
		status = worded.Code // a status without a kind of its own, such as 405, 415 or 501
	}
	p := &Problem{
		Title: http.StatusText(status), Status: status, Code: public.Kind.String(), Detail: public.Message,
		retryAfter: public.RetryAfter, worded: worded != nil,
	}
	for _, d := range public.Details {
		p.Errors = append(p.Errors, ProblemDetail{Location: d.Where, Message: d.Message})
	}
	return p
}

// classify makes a fault of what libraries return.
func classify(err error) error {
	var known *fault.Error
	var worded *fiber.Error
	isFault := errors.As(err, &known)
	switch {
	case errors.As(err, &worded) && !isFault:
		return fault.Wrap(kindOfStatus(worded.Code), err, "%s", plain(worded))
	case isFault && known.Kind != fault.Internal:
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(fault.Timeout, err, "this took too long and was stopped; ask for less, or try again")
	case errors.Is(err, context.Canceled):
		return fault.Wrap(fault.Unavailable, err, "the request was canceled; try again")
	}
	return err
}

func kindOfStatus(status int) fault.Kind {
	kind, known := kindOf[status]
	switch {
	case known:
		return kind
	case status == http.StatusRequestHeaderFieldsTooLarge || status == http.StatusRequestURITooLong:
		return fault.TooLarge
	case status == http.StatusRequestTimeout:
		return fault.Timeout
	case status >= 400 && status < 500:
		return fault.Invalid
	case status == http.StatusNotImplemented || status == http.StatusBadGateway:
		return fault.Unavailable
	}
	return fault.Internal
}

// plain words an error of the web framework without what it echoes of the request or of the parser.
func plain(e *fiber.Error) string {
	switch e.Code {
	case http.StatusNotFound:
		return "there is nothing at this address"
	case http.StatusMethodNotAllowed:
		return "this address does not take that method"
	case http.StatusRequestEntityTooLarge:
		return "the request's body is too large"
	case http.StatusRequestHeaderFieldsTooLarge:
		return "the request's headers are too large"
	case http.StatusBadRequest:
		return "the request is malformed"
	}
	return strings.ToLower(http.StatusText(e.Code))
}

// refusal is an error whose status has no kind of its own, with a text of ours.
func refusal(status int, format string, args ...any) error {
	return errors.Join(fault.New(kindOfStatus(status), format, args...), fiber.NewError(status))
}

// Error returns the detail.
func (p *Problem) Error() string { return p.Detail }

// GetStatus makes a Problem an error that huma answers as it is.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType names the media type of a Problem.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders returns the headers that go with the status.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if after := retryAfter(p.Status, p.retryAfter); after != "" {
		h.Set(fiber.HeaderRetryAfter, after)
	}
	if p.Status == http.StatusUnauthorized {
		h.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="nines"`)
	}
	return h
}

// retryAfter returns the header's value in whole seconds, rounded up, and "" where trying again would not help.
func retryAfter(status int, after time.Duration) string {
	if status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests {
		return ""
	}
	if after <= 0 {
		after = defaultRetryAfter
	}
	return strconv.Itoa(int(math.Ceil(after.Seconds())))
}

// speakFaults makes huma word its own errors, such as failed validation, as Problems. It is huma's only way and holds
// for the process. Values are not echoed: one of them could be a password.
var speakFaults = sync.OnceFunc(func() {
	huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
		p := problemOfLibrary(status, message, errs...)
		if ctx != nil {
			p.RequestID = exchangeOf(ctx.Context()).id
		}
		return p
	}
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return problemOfLibrary(status, message, errs...)
	}
})

func problemOfLibrary(status int, message string, errs ...error) *Problem {
	if status == http.StatusUnprocessableEntity {
		status = http.StatusBadRequest // one status for what is wrong in a request
	}
	p := &Problem{Title: http.StatusText(status), Status: status, Code: kindOfStatus(status).String(), Detail: message}
	if status >= 500 || status == 0 {
		p.Detail = fault.Public(errors.New(message)).Message
		return p
	}
	for _, err := range errs {
		var detailer huma.ErrorDetailer
		if errors.As(err, &detailer) {
			d := detailer.ErrorDetail()
			p.Errors = append(p.Errors, ProblemDetail{Location: d.Location, Message: d.Message})
		}
	}
	if len(p.Errors) > 0 {
		p.Detail = fmt.Sprintf("the request has %d problem(s): %s: %s", len(p.Errors), p.Errors[0].Location, p.Errors[0].Message)
	}
	return p
}

// answerError is the app's error handler: each family of addresses has its own form of the same Problem.
func (a *API) answerError(c *fiber.Ctx, err error) error {
	e := exchangeOf(c.UserContext())
	e.failed(err)
	p := problemOf(err)
	p.RequestID = e.id
	for name, values := range p.GetHeaders() {
		c.Set(name, values[0])
	}
	if p.Status == http.StatusUnauthorized && under(c.Path(), hooksPath) {
		c.Set(fiber.HeaderWWWAuthenticate, `Basic realm="nines"`) // SNS sends its password only when it is asked for
	}
	c.Status(p.Status)
	switch path := c.Path(); {
	case under(path, prometheusPath):
		return c.JSON(prometheusProblem(p))
	case under(path, alertmanagerPath):
		return answerAlertmanagerProblem(c, p)
	case under(path, apiPath) || under(path, hooksPath) || a.config.HTMLError == nil || wantsJSON(c):
		return writeProblem(c, p)
	}
	return a.config.HTMLError(c, p.Status, p.Detail)
}

func writeProblem(c *fiber.Ctx, p *Problem) error {
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, p.ContentType(""))
	return c.Send(body)
}

func wantsJSON(c *fiber.Ctx) bool {
	accept := c.Get(fiber.HeaderAccept)
	return strings.Contains(accept, "json") && !strings.Contains(accept, "text/html")
}

// under reports whether the path is the root or below it.
func under(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }
