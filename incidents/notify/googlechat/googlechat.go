// Package googlechat posts incidents to a space of Google Chat, through its webhook, as cards, one thread an incident. It
// leaves out buttons that change something: a webhook hears of none, so that cards lead to the incident's page.
package googlechat

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
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
	address, err := notify.Resolve(target.URL, n.baseDir)
	if err != nil {
		return incidents.Receipt{}, err
	}
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return incidents.Receipt{}, fault.New(fault.Invalid, "the secret %s is not the address of a Google Chat webhook", target.URL)
	}
	r, err := newRequest(ctx, u, messageOf(note))
	if err != nil {
		return incidents.Receipt{}, err
	}
	exchange := notify.NewExchange(n.transport)
	err = exchange.Do(r)
	said := readAnswer(exchange.Body)
	receipt := incidents.Receipt{StatusCode: exchange.Status}
	query := u.Query()
	detail := notify.Scrub(said.words(), address, u.Path, query.Get("key"), query.Get("token"))
	if err := exchange.Fault(ctx, "Google Chat", detail, err); err != nil {
		return receipt, err
	}
	receipt.ProviderID = notify.Line(said.Name, 200)
	return receipt, nil
}

func newRequest(ctx context.Context, u *url.URL, m message) (*http.Request, error) {
	var body bytes.Buffer
	write := json.NewEncoder(&body)
	write.SetEscapeHTML(false) // a message has a bound
	if err := write.Encode(m); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the card cannot be written")
	}
	to := *u
	query := to.Query()
	query.Set("messageReplyOption", replyOption)
	to.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), &body)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the address of the Google Chat webhook is not a URL")
	}
	r.Header.Set("Content-Type", "application/json; charset=UTF-8")
	return r, nil
}

// answer is the message that was posted, or an error as Google's APIs have it.
type answer struct {
	Name  string `json:"name"`
	Error struct {
		Status  string `json:"status"`
		Message string `json:"message"`
	} `json:"error"`
}

// readAnswer returns what can be read, which is nothing where something in between has answered.
func readAnswer(body []byte) answer {
	var a answer
	if json.Unmarshal(body, &a) != nil {
		return answer{}
	}
	return a
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
