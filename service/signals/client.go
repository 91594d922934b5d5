// Package signals asks for what other systems saw of an incident: lines of Loki and traces of Tempo. It only reads, and it
// knows nothing of incidents.
package signals

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

const (
	// MaxResponse is the largest answer that is read, in bytes; a larger one is a fault.TooLarge.
	MaxResponse = 8 << 20

	timeout = 10 * time.Second
	maxText = 300 // of a refusal, bytes
)

// Options is what can be set about a client.
type Options struct {
	Tenant string // X-Scope-OrgID; "" sends none
	Token  string // bearer token; "" sends none
}

// client asks one HTTP API.
type client struct {
	name    string // for people
	base    *url.URL
	options Options
	http    *http.Client
}

// newClient returns a client of the API below base. The error is a fault.Invalid.
func newClient(name, base string, o Options) (client, error) {
	u, err := url.Parse(strings.TrimRight(base, "/"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return client{}, fault.New(fault.Invalid, "the URL of %s is not an http:// or https:// URL", name)
	}
	return client{name: name, base: u, options: o, http: &http.Client{Timeout: timeout}}, nil
}

// get asks and decodes the answer. What may be different at another try is a fault.Unavailable, Timeout or Limited;
// what the other side refuses is a fault.Invalid with its reason.
func (c client) get(ctx context.Context, path string, query url.Values, into any) error {
	u := c.base.JoinPath(path)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "ask %s", c.name)
	}
	req.Header.Set("Accept", "application/json")
	if c.options.Tenant != "" {
		req.Header.Set("X-Scope-OrgID", c.options.Tenant)
	}
	if c.options.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.options.Token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.away(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return c.refused(resp)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxResponse+1))
	switch {
	case err != nil:
		return c.away(err)
	case len(body) > MaxResponse:
		return fault.New(fault.TooLarge, "the answer of %s is larger than %d MiB", c.name, MaxResponse>>20)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fault.Wrap(fault.Unavailable, err, "%s answered what is not its API's JSON", c.name)
	}
	return nil
}

func (c client) away(err error) error {
	var slow interface{ Timeout() bool }
	if errors.As(err, &slow) && slow.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return fault.Wrap(fault.Timeout, err, "%s did not answer in time", c.name)
	}
	return fault.Wrap(fault.Unavailable, err, "%s does not answer", c.name)
}

// refused sorts an answer by its status.
func (c client) refused(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxText)) // only for people
	reason := strings.ToValidUTF8(strings.TrimSpace(string(text)), "")
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		return fault.New(fault.Limited, "%s takes no more requests for now", c.name)
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return fault.New(fault.Forbidden, "%s refuses our credentials or the tenant", c.name)
	case resp.StatusCode == http.StatusNotFound:
		return fault.New(fault.NotFound, "there is no API of %s at this URL", c.name)
	case resp.StatusCode >= 400 && resp.StatusCode < 500:
		return fault.New(fault.Invalid, "%s refuses the query: %s", c.name, reason)
	}
	return fault.New(fault.Unavailable, "%s answered %s", c.name, resp.Status)
}
