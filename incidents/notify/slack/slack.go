// Package slack posts incidents to Slack: with an app's token as messages with buttons, one thread an incident, or through
// an incoming webhook as single messages. Its Hook takes what people do there: buttons, the slash command and what they
// write in a thread. It leaves out installing the app in a workspace.
package slack

import (
	"context"
	"net/http"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
	api "github.com/slack-go/slack"
)

// Provider is the name of Slack in replies and attempts.
const Provider = "slack"

// Notifier posts messages. It is safe for concurrent use.
type Notifier struct {
	baseDir   string
	transport http.RoundTripper
}

// New returns a notifier that reads tokens and webhook addresses below baseDir where they are kept in relative files.
func New(baseDir string) *Notifier {
	return &Notifier{baseDir: baseDir, transport: notify.NewTransport()}
}

var _ incidents.Notifier = (*Notifier)(nil)

// Send implements incidents.Notifier. Of a webhook a 4xx such as 404 no_service or 410 channel_is_archived is final, and
// news is not sent, because a webhook knows no threads. Of an app Slack's error code decides, whatever the status; the
// receipt's ProviderID is channel and timestamp of the message, "C0123456789:1730602800.000100".
func (n *Notifier) Send(ctx context.Context, note incidents.Notification) (incidents.Receipt, error) {
	target := note.Page.Target.Slack
	switch {
	case target == nil:
		return incidents.Receipt{}, fault.New(fault.Invalid, "the page is not for Slack")
	case target.Channel != "":
		return n.sendByApp(ctx, target, note)
	case note.Page.Action == incidents.ActionUpdate:
		return incidents.Receipt{}, fault.New(fault.Invalid, "a Slack webhook has no thread that could be told of news")
	}
	return n.sendByWebhook(ctx, target, note)
}

func (n *Notifier) sendByWebhook(
	ctx context.Context, target *incidents.SlackTarget, note incidents.Notification,
) (incidents.Receipt, error) {
	u, err := notify.Address(target.URL, n.baseDir, "Slack")
	if err != nil {
		return incidents.Receipt{}, err
	}
	address := u.String()
	exchange := notify.NewExchange(n.transport)
	err = api.PostWebhookCustomHTTPContext(ctx, address, exchange.Client(), webhookMessage(note))
	receipt := incidents.Receipt{StatusCode: exchange.Status}
	return receipt, exchange.Fault(ctx, "Slack", notify.Scrub(string(exchange.Body), address, u.Path), err)
}
