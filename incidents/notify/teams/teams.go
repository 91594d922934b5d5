// Package teams posts incidents to a channel of Microsoft Teams, through the webhook of a workflow, as Adaptive Cards. It
// leaves out threads and buttons that change something: a webhook has neither, so that cards lead to the incident's page.
package teams

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
)

// Notifier posts cards. It is safe for concurrent use.
type Notifier struct {
	baseDir   string
	transport http.RoundTripper
}

// New returns a notifier that reads webhook addresses below baseDir where they are kept in relative files.
func New(baseDir string) *Notifier {
	return &Notifier{baseDir: baseDir, transport: notify.NewTransport()}
}

var _ incidents.Notifier = (*Notifier)(nil)

// Send implements incidents.Notifier. A workflow answers 202 as soon as it was started: whether the card was posted shows
// in the workflow's run history alone, so that there is no ProviderID.
func (n *Notifier) Send(ctx context.Context, note incidents.Notification) (incidents.Receipt, error) {
	target := note.Page.Target.Teams
	switch {
	case target == nil:
		return incidents.Receipt{}, fault.New(fault.Invalid, "the page is not for Microsoft Teams")
	case note.Page.Action == incidents.ActionUpdate:
		return incidents.Receipt{}, fault.New(fault.Invalid, "a Teams webhook has no thread that could be told of news")
	}
	u, err := notify.Address(target.URL, n.baseDir, "Teams")
	if err != nil {
		return incidents.Receipt{}, err
	}
	r, err := notify.NewPost(ctx, u.String(), "the address of the Teams webhook", messageOf(note))
	if err != nil {
		return incidents.Receipt{}, err
	}
	exchange := notify.NewExchange(n.transport)
	err = exchange.Do(r)
	receipt := incidents.Receipt{StatusCode: exchange.Status}
	if err := exchange.Fault(ctx, "Teams", words(exchange.Body, u), err); err != nil {
		return receipt, err
	}
	return receipt, hidden(exchange)
}

// words are what a workflow says is wrong: an error with its code, or a text. The address's signature is a secret.
func words(body []byte, u *url.URL) string {
	var said struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	text := string(body)
	if json.Unmarshal(body, &said) == nil && said.Error.Code != "" {
		text = said.Error.Code + ": " + said.Error.Message
	}
	return notify.Scrub(text, u.String(), u.RequestURI(), u.Query().Get("sig"), u.Path)
}

// hidden finds the failure within an answer of 200: the webhooks of connectors, which workflows take the place of, tell
// in a text what Teams answered them.
func hidden(exchange *notify.Exchange) error {
	_, status, failed := strings.Cut(string(exchange.Body), "Microsoft Teams endpoint returned HTTP error ")
	if !failed || exchange.Status != http.StatusOK {
		return nil
	}
	status = status[:min(len(status), 3)]
	f := fault.New(fault.Invalid, "Teams did not post the card: its answer was %s", notify.Line(status, 3))
	f.RetryAfter = exchange.RetryAfter
	switch {
	case status == "429":
		f.Kind = fault.Limited
	case strings.HasPrefix(status, "5"), status == "408":
		f.Kind = fault.Unavailable
	}
	return f
}
