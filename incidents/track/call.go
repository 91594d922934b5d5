package track

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
)

// Bounds of one call of a tracker.
const (
	callTime  = 15 * time.Second
	maxAnswer = 4 << 20
)

// Client calls a tracker's JSON API. It is safe for concurrent use.
type Client struct {
	Name      string // of the vendor, for people
	Transport http.RoundTripper
	// Words finds what the vendor says is wrong in an answer's body.
	Words func(body []byte) string
}

// Request is one call.
type Request struct {
	Method  string
	URL     string
	Header  map[string]string
	Body    any      // sent as JSON; nil is none
	Secrets []string // that no error may hold
}

// Answer is what came back, with a 2xx status.
type Answer struct {
	Status int
	Body   []byte
	Header http.Header
}

// Do makes a call and reads its JSON answer into v, unless that is nil. A status other than 2xx is a fault: 401 and 403 are
// Forbidden, 404 and 410 NotFound, 429 Limited with its Retry-After, 408, 425 and 5xx Unavailable, and all others Invalid.
func (c Client) Do(ctx context.Context, q Request, v any) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	r, err := newRequest(ctx, q)
	if err != nil {
		return Answer{}, err
	}
	client := http.Client{Transport: c.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		return Answer{}, notify.Unreachable(ctx, c.Name, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	a := Answer{Status: resp.StatusCode, Body: body, Header: resp.Header}
	switch {
	case resp.StatusCode/100 != 2:
		return a, c.refused(a, q.Secrets)
	case err != nil:
		return a, notify.Unreachable(ctx, c.Name, err)
	case v == nil || len(body) == 0 && resp.StatusCode == http.StatusNoContent:
		return a, nil
	case json.Unmarshal(body, v) != nil:
		return a, fault.New(fault.Unavailable, "%s did not answer with JSON; something in between may have", c.Name)
	}
	return a, nil
}

func newRequest(ctx context.Context, q Request) (*http.Request, error) {
	var body io.Reader
	if q.Body != nil {
		text, err := json.Marshal(q.Body)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, "the ticket cannot be written")
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, q.Method, q.URL, body)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the tracker's address is not a URL")
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "Nines")
	if q.Body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range q.Header {
		r.Header.Set(name, value)
	}
	return r, nil
}

// refused words a status that is no success.
func (c Client) refused(a Answer, secrets []string) error {
	said := ""
	if c.Words != nil {
		said = notify.Scrub(c.Words(a.Body), secrets...)
	}
	if said != "" {
		said = ": " + said
	}
	f := fault.New(fault.Invalid, "%s answered %d%s", c.Name, a.Status, said)
	f.RetryAfter = notify.RetryAfter(a.Header.Get("Retry-After"), time.Now())
	switch s := a.Status; {
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		f.Kind = fault.Forbidden
	case s == http.StatusNotFound, s == http.StatusGone:
		f.Kind = fault.NotFound
	case s == http.StatusTooManyRequests:
		f.Kind = fault.Limited
	case s == http.StatusRequestTimeout, s == http.StatusTooEarly, s >= 500:
		f.Kind = fault.Unavailable
	case s/100 == 3:
		f.Message = c.Name + " answered with a redirect, which is not followed; correct the address"
	}
	return f
}

// Transient reports whether a call is worth trying again by itself.
func Transient(err error) bool {
	switch fault.KindOf(err) {
	case fault.Limited, fault.Unavailable, fault.Timeout, fault.Internal:
		return true
	}
	return false
}

// RetryAfter is how long the tracker asks to be left alone; 0 where it does not.
func RetryAfter(err error) time.Duration {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.RetryAfter
	}
	return 0
}
