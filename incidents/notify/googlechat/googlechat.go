// Package googlechat posts incidents to a space of Google Chat, through its webhook, as cards, one thread an incident. It
// leaves out buttons that change something: a webhook hears of none, so that cards lead to the incident's page.
package googlechat

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
)

// replyOption puts messages of one key into one thread. Where that is not possible, as in a space without threads, they
// are posted all the same.
const replyOption = "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"

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

// Send implements incidents.Notifier. The receipt's ProviderID is the message's name, "spaces/AAA/messages/BBB.BBB".
func (n *Notifier) Send(ctx context.Context, note incidents.Notification) (incidents.Receipt, error) {
	target := note.Page.Target.GoogleChat
	if target == nil {
		return incidents.Receipt{}, fault.New(fault.Invalid, "the page is not for Google Chat")
	}
	u, err := notify.Address(target.URL, n.baseDir, "Google Chat")
	if err != nil {
		return incidents.Receipt{}, err
	}
	r, err := notify.NewPost(ctx, inThread(*u), "the address of the Google Chat webhook", messageOf(note))
	if err != nil {
		return incidents.Receipt{}, err
	}
	exchange := notify.NewExchange(n.transport)
	err = exchange.Do(r)
	said := notify.ReadAnswer[answer](exchange.Body)
	receipt := incidents.Receipt{StatusCode: exchange.Status}
	query := u.Query()
	detail := notify.Scrub(said.words(), u.String(), u.Path, query.Get("key"), query.Get("token"))
	if err := exchange.Fault(ctx, "Google Chat", detail, err); err != nil {
		return receipt, err
	}
	receipt.ProviderID = notify.Line(said.Name, 200)
	return receipt, nil
}

// inThread is the address that answers in the thread that a message names.
func inThread(u url.URL) string {
	query := u.Query()
	query.Set("messageReplyOption", replyOption)
	u.RawQuery = query.Encode()
	return u.String()
}

// answer is the message that was posted, or an error as Google's APIs have it.
type answer struct {
	Name  string `json:"name"`
	Error struct {
		Status  string `json:"status"`
		Message string `json:"message"`
	} `json:"error"`
}

func (a answer) words() string {
	return strings.Trim(strings.Join([]string{a.Error.Status, a.Error.Message}, ": "), ": ")
}

// threadKey names the incident's thread. Each incident has its own, the same for all that is told of it; a message about
// several is in none of theirs.
func threadKey(note incidents.Notification) string {
	if id := cmp.Or(note.Incident.ID, note.Page.Incident); id != "" && len(note.Bundle) == 0 {
		return "nines-" + notify.Line(id, 100)
	}
	return ""
}
