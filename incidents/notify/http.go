package notify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// maxAnswer bounds what is read of a provider's answer.
const maxAnswer = 64 << 10

// NewTransport returns the transport that a provider's sends share: bounded connections, no waiting for ever.
func NewTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 16
	t.ResponseHeaderTimeout = 8 * time.Second
	t.TLSHandshakeTimeout = 5 * time.Second
	return t
}

// Exchange is one call of a provider: an HTTP client for it that follows no redirect and reads no more than 64 KB of
// the answer, and afterwards what the provider answered. It is for one request.
type Exchange struct {
	Status     int           // 0 where there was no answer
	RetryAfter time.Duration // as the provider asked, 0 where it did not
	Body       []byte        // the first 64 KB

	transport http.RoundTripper
}

// NewExchange returns an exchange over the transport; nil means http.DefaultTransport.
func NewExchange(transport http.RoundTripper) *Exchange {
	if transport == nil {
		transport = http.DefaultTransport
	}
	return &Exchange{transport: transport}
}

// Client returns the exchange's HTTP client.
func (x *Exchange) Client() *http.Client {
	return &http.Client{
		Transport:     x,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Do makes the call and returns why there was no whole answer; what there was is in the exchange.
func (x *Exchange) Do(r *http.Request) error {
	resp, err := x.Client().Do(r)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// RoundTrip implements http.RoundTripper: it notes the answer and hands on a bounded copy of its body.
func (x *Exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := x.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	x.Status = resp.StatusCode
	x.RetryAfter = RetryAfter(resp.Header.Get("Retry-After"), time.Now())
	x.Body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(x.Body))
	return resp, nil
}

// Fault classifies how the call ended: nil for a 2xx status, whatever became of its body, a fault that is tried again for no
// answer, 408, 425, 429 and 5xx, and a final fault.Invalid for every other status. name is the provider's name for
// people; detail, which may be empty, is what it said. The cause err is looked at, never kept: it may hold an address
// with a secret in it.
func (x *Exchange) Fault(ctx context.Context, name, detail string, err error) error {
	switch {
	case x.Status >= 200 && x.Status < 300:
		return nil
	case x.Status == 0:
		return Unreachable(ctx, name, err)
	}
	if detail != "" {
		detail = ": " + detail
	}
	f := fault.New(fault.Invalid, "%s answered %d%s", name, x.Status, detail)
	f.RetryAfter = x.RetryAfter
	switch {
	case x.Status == http.StatusTooManyRequests:
		f.Kind = fault.Limited
	case x.Status == http.StatusRequestTimeout, x.Status == http.StatusTooEarly, x.Status >= 500:
		f.Kind = fault.Unavailable
	case x.Status >= 300 && x.Status < 400:
		f.Message = name + " answered with a redirect, which is not followed; correct the address"
	}
	return f
}

// Unreachable says why there was no answer, in words that hold no address: a fault.Timeout where time ran out, else a
// fault.Unavailable.
func Unreachable(ctx context.Context, name string, err error) *fault.Error {
	var netErr net.Error
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &netErr) && netErr.Timeout()) {
		return fault.New(fault.Timeout, "%s did not answer in time", name)
	}
	return fault.New(fault.Unavailable, "%s cannot be reached: %s", name, netReason(err))
}

// netReason names the common reasons; of any other only that there was one.
func netReason(err error) string {
	text := ""
	if err != nil {
		text = err.Error() // libraries flatten errors into text, so the text is searched, not shown
	}
	for _, known := range []string{
		"connection refused", "connection reset", "no such host", "network is unreachable", "no route to host",
		"certificate", "tls: ", "broken pipe", "EOF", "server misbehaving",
	} {
		if strings.Contains(text, known) {
			return strings.TrimSuffix(strings.Replace(known, "EOF", "connection closed early", 1), ": ")
		}
	}
	return "connection failed"
}

// RetryAfter reads the header of that name: seconds, at most a day, or an HTTP date. It is 0 where there is neither.
func RetryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(strings.TrimSpace(value)); err == nil {
		return time.Duration(min(max(seconds, 0), 24*3600)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// Scrub takes the secrets out of a text that somebody else wrote, and cuts it to a line of 300 bytes.
func Scrub(text string, secrets ...string) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "[secret]")
		}
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	return Cut(text, 300)
}
