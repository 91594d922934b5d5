// Package prom is the client of a Prometheus HTTP API, the built-in engine's or anybody's: queries, raw samples and the
// increments that the ledger copies. It leaves out what the numbers mean and keeps nothing; every call is one question.
package prom

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const (
	// MaxResponse is the largest answer that is read, in bytes; a larger one is fault.TooLarge.
	MaxResponse = 64 << 20

	defaultTimeout = 35 * time.Second // a little more than an engine gives a query
	maxText        = 4 << 10          // of answers that are only text
)

// Options is what can be set about a Client.
type Options struct {
	Token     string            // bearer token; "" sends none
	Transport http.RoundTripper // nil uses http.DefaultTransport
	Timeout   time.Duration     // of one request; 0 means 35 s
}

// Client asks one Prometheus API. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	token string
	http  *http.Client
}

// New returns a client of the API below base, such as http://127.0.0.1:9992 or https://mimir.example/prometheus; a
// trailing /api/v1 is taken off. The error is fault.Invalid.
func New(base string, o Options) (*Client, error) {
	u, err := url.Parse(strings.TrimSuffix(strings.TrimRight(base, "/"), "/api/v1"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fault.Wrap(fault.Invalid, err, "the Prometheus URL is not an http:// or https:// URL")
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	return &Client{base: u, token: o.Token, http: &http.Client{Transport: o.Transport, Timeout: o.Timeout}}, nil
}

// Ready returns nil once queries are answered, and fault.Unavailable before. Where there is no /-/ready, a query decides.
func (c *Client) Ready(ctx context.Context) error {
	err := c.text(ctx, http.MethodGet, "/-/ready")
	if fault.Is(err, fault.NotFound) {
		_, err = c.Query(ctx, "1", time.Now())
	}
	return err
}

// Reload makes the engine read its configuration and rules again. fault.Invalid carries the engine's reason; it keeps
// what it had of whatever it could not use.
func (c *Client) Reload(ctx context.Context) error { return c.text(ctx, http.MethodPost, "/-/reload") }

// text asks for an answer of which only the status counts.
func (c *Client) text(ctx context.Context, method, path string) error {
	return c.traced(ctx, path, func(ctx context.Context) error {
		resp, err := c.send(ctx, method, path, nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxText))
		if err != nil {
			return transportError(err)
		}
		return statusError(resp, "", strings.TrimSpace(string(body)))
	})
}

// ask posts a form and decodes the answer.
func (c *Client) ask(ctx context.Context, path string, form url.Values) (answer answer, err error) {
	err = c.traced(ctx, path, func(ctx context.Context) error {
		resp, err := c.send(ctx, http.MethodPost, path, form)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		answer, err = decode(resp.Body)
		if err == nil && answer.Status == "success" && resp.StatusCode == http.StatusOK {
			return nil
		}
		if resp.StatusCode == http.StatusOK && err == nil {
			return fault.New(fault.Unavailable, "the metrics engine answered without success: %s", answer.Error)
		}
		if refused := statusError(resp, answer.ErrorType, answer.Error); refused != nil {
			return refused
		}
		return err
	})
	return answer, err
}

func (c *Client) send(ctx context.Context, method, path string, form url.Values) (*http.Response, error) {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base.JoinPath(path).String(), body)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "ask the metrics engine")
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("Accept", "application/json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	otel.GetTextMapPropagator().Inject(ctx, propagation.HeaderCarrier(req.Header))
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, transportError(err)
	}
	return resp, nil
}

// traced runs one call under a span.
func (c *Client) traced(ctx context.Context, path string, call func(context.Context) error) error {
	ctx, span := otel.Tracer("github.com/nines-sre/nines/service/prom").Start(ctx, "prometheus "+path, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("server.address", c.base.Host), attribute.String("url.path", path)))
	defer span.End()
	err := call(ctx)
	if err != nil {
		span.SetStatus(codes.Error, fault.KindOf(err).String())
		span.RecordError(err)
	}
	return err
}

// transportError sorts trouble on the way: time that ran out, a caller who left (left as it is), or an engine that is
// away.
func transportError(err error) error {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fault.Wrap(fault.Timeout, err, "the metrics engine did not answer in time")
	}
	return fault.Wrap(fault.Unavailable, err, "the metrics engine does not answer")
}

// statusError sorts an answer that is not a success by its HTTP status and the API's errorType, and returns nil for one
// that is.
func statusError(resp *http.Response, kind, message string) error {
	if resp.StatusCode < 300 {
		return nil
	}
	if message == "" {
		message = resp.Status
	}
	switch {
	case kind == "timeout" || resp.StatusCode == http.StatusGatewayTimeout:
		return fault.New(fault.Timeout, "the query took too long: %s", message)
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return fault.New(fault.Unavailable, "the metrics engine refuses our credentials: %s", message)
	case resp.StatusCode == http.StatusNotFound && kind == "":
		return fault.New(fault.NotFound, "there is no Prometheus API at this URL")
	case resp.StatusCode == http.StatusTooManyRequests:
		e := fault.New(fault.Limited, "the metrics engine takes no more requests for now: %s", message)
		e.RetryAfter = retryAfter(resp)
		return e
	case resp.StatusCode >= 400 && resp.StatusCode < 500:
		return fault.New(fault.Invalid, "the metrics engine refuses: %s", message)
	}
	e := fault.New(fault.Unavailable, "the metrics engine is in trouble: %s", message)
	e.RetryAfter = retryAfter(resp)
	return e
}

func retryAfter(resp *http.Response) time.Duration {
	seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil || seconds < 0 || seconds > 3600 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
