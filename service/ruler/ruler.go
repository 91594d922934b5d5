// Package ruler keeps the rule groups of one namespace of a Mimir or Cortex ruler as they are wanted: what is missing or
// differs is pushed, what is no longer wanted is deleted. It makes no rules and reads no definitions.
package ruler

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// The APIs that are known.
const (
	Mimir  = "mimir"
	Cortex = "cortex"
)

// paths are where the rule namespaces are, below the ruler's URL.
var paths = map[string]string{Mimir: "/prometheus/config/v1/rules", Cortex: "/api/v1/rules"}

const requestTimeout = 30 * time.Second

// Options say which namespace of which ruler, and as whom.
type Options struct {
	URL            string // of the ruler or its gateway, such as https://mimir.example
	API            string // Mimir or Cortex; "" is Mimir
	Namespace      string
	Tenant         string            // sent as X-Scope-OrgID; "" sends none
	User, Password string            // basic auth, over one in URL
	Token          string            // bearer token, over basic auth
	Transport      http.RoundTripper // nil uses http.DefaultTransport
}

// Client speaks to one namespace. It is safe for concurrent use.
type Client struct {
	base    string // of the namespaces
	shown   string // the ruler's host, for messages
	options Options
	http    *http.Client
}

// New returns a client. The error is fault.Invalid and names the option that is wrong; it asks nothing of the ruler.
func New(o Options) (*Client, error) {
	if o.API == "" {
		o.API = Mimir
	}
	path, known := paths[o.API]
	u, err := url.Parse(strings.TrimRight(o.URL, "/"))
	switch {
	case !known:
		return nil, fault.New(fault.Invalid, "%q is not a ruler API; write %s or %s", o.API, Mimir, Cortex)
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, fault.New(fault.Invalid, "the ruler's URL is not an http:// or https:// URL") // its text may hold a password
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fault.New(fault.Invalid, "the ruler's URL has a query or fragment; write only what comes before %s", path)
	case o.Namespace == "" || o.Namespace == "." || o.Namespace == "..":
		return nil, fault.New(fault.Invalid, "%q is not a rule namespace; write a name such as nines", o.Namespace)
	case strings.ContainsFunc(o.Tenant+o.Token, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return nil, fault.New(fault.Invalid, "the tenant or token has a line break or another control character in it")
	}
	if o.User == "" && o.Password == "" && u.User != nil {
		o.User = u.User.Username()
		o.Password, _ = u.User.Password()
	}
	u.User = nil
	if o.API == Mimir {
		path = strings.TrimPrefix(path, suffixOf(u.Path, "/prometheus"))
	}
	return &Client{
		base: u.String() + path, shown: u.Host, options: o,
		http: &http.Client{Transport: o.Transport, Timeout: requestTimeout, CheckRedirect: stay},
	}, nil
}

// suffixOf returns the suffix where the text ends with it: a Mimir URL may be that of its Prometheus API already.
func suffixOf(text, suffix string) string {
	if strings.HasSuffix(text, suffix) {
		return suffix
	}
	return ""
}

// stay keeps to the URL: following a redirect would make a GET of a push.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (c *Client) namespace() string { return c.base + "/" + url.PathEscape(c.options.Namespace) }

// address returns the URL of a group. A path cannot hold a segment of dots alone.
func (c *Client) address(group string) (string, error) {
	if group == "" || group == "." || group == ".." {
		return "", fault.New(fault.Invalid, "a rule group named %q has no URL", group)
	}
	return c.namespace() + "/" + url.PathEscape(group), nil
}

// secretless takes out of a text what must not be seen.
func (c *Client) secretless(text string) string {
	for _, secret := range []string{c.options.Password, c.options.Token} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}

// status makes an error of an answer that is no success; text is its body.
func (c *Client) status(resp *http.Response, text string) *fault.Error {
	text = strings.Join(strings.Fields(c.secretless(text)), " ")
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") + "..."
	}
	answer := resp.Status
	if answer == "" {
		answer = fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	if text != "" {
		answer += ": " + text
	}
	switch code := resp.StatusCode; {
	case code >= 300 && code < 400:
		return fault.New(fault.Invalid, "the ruler redirects to another URL (%s); name the URL that it answers at", answer)
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fault.New(fault.Forbidden, "the ruler refuses the credentials (%s); set NINES_RULER_TOKEN, or NINES_RULER_USER and NINES_RULER_PASSWORD, and check the tenant", answer)
	case code == http.StatusNotFound:
		return fault.New(fault.NotFound, "the ruler knows no such URL (%s); is the ruler's API on, and is it %s?", answer, c.options.API)
	case code == http.StatusTooManyRequests:
		return fault.New(fault.Limited, "the ruler takes no more requests for now (%s)", answer)
	case code >= 400 && code < 500:
		return fault.New(fault.Invalid, "the ruler refuses (%s)", answer)
	}
	return fault.New(fault.Unavailable, "the ruler is in trouble (%s)", answer)
}
