// Package pushover pages telephones through Pushover's message API, or one like it. A critical page rings until somebody
// has seen it, and stops when the incident is acknowledged. Its Hook takes Pushover's word that somebody did. It leaves
// out attachments, sounds and subscriptions.
package pushover

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
)

// Bounds of a message, in characters.
const (
	maxTitle   = 250
	maxMessage = 1024
	maxURL     = 512
)

// How an emergency rings: at once, then every retry seconds, for three hours at most, which is the longest there is.
const (
	emergency = 2
	quiet     = -1
	retry     = "60"
	expire    = "10800"
)

// Notifier sends messages. It is safe for concurrent use.
type Notifier struct {
	// Hook returns the public URL that Pushover calls when somebody acknowledges an emergency there, and "" where there
	// is none. Nil is no hook.
	Hook func() string

	baseDir   string
	transport http.RoundTripper
}

// New returns a notifier that reads keys and tokens below baseDir where they are kept in relative files.
func New(baseDir string) *Notifier {
	return &Notifier{baseDir: baseDir, transport: notify.NewTransport()}
}

// Send implements incidents.Notifier. The receipt's ProviderID is Pushover's receipt of an emergency, and the id of the
// request for every other message. An acknowledgement or resolution first stops what rings and is then told quietly.
// Pushover asks not to send again what it answers with a 4xx: that is final, but for 429, which comes where the
// application has used up its month.
func (n *Notifier) Send(ctx context.Context, note incidents.Notification) (incidents.Receipt, error) {
	target := note.Page.Target.Pushover
	if target == nil {
		return incidents.Receipt{}, fault.New(fault.Invalid, "the page is not for Pushover")
	}
	user, err := notify.Resolve(target.User, n.baseDir)
	if err != nil {
		return incidents.Receipt{}, err
	}
	token, err := notify.Resolve(target.Token, n.baseDir)
	if err != nil {
		return incidents.Receipt{}, err
	}
	a := api{endpoint: endpoint(target.Endpoint), token: token, secrets: []string{token, user}, transport: n.transport}
	if note.Page.Action != incidents.ActionTrigger {
		if receipt, err := a.silence(ctx, note); err != nil {
			return receipt, err
		}
	}
	form := n.message(note)
	form.Set("user", user)
	exchange, answer, err := a.post(ctx, "/1/messages.json", form)
	receipt := incidents.Receipt{StatusCode: exchange.Status}
	if err != nil {
		return receipt, err
	}
	receipt.ProviderID = notify.Line(cmp.Or(answer.Receipt, answer.Request), 64)
	return receipt, nil
}

func endpoint(s string) string {
	if s == "" {
		return incidents.DefaultPushoverEndpoint
	}
	return strings.TrimRight(s, "/")
}

// message is what the page says, but for whom and from whom.
func (n *Notifier) message(note incidents.Notification) url.Values {
	i := note.Incident
	form := url.Values{
		"title":    {notify.Line(notify.Headline(note), maxTitle)},
		"message":  {cmp.Or(notify.Cut(text(note), maxMessage), "-")},
		"priority": {strconv.Itoa(priority(note))},
	}
	if at := i.StartedAt; note.Page.Action == incidents.ActionTrigger && !at.IsZero() {
		form.Set("timestamp", strconv.FormatInt(at.Unix(), 10))
	}
	if u := notify.Link(note.IncidentURL, maxURL); u != "" {
		form.Set("url", u)
		form.Set("url_title", "Open incident")
	}
	if priority(note) == emergency {
		form.Set("retry", retry)
		form.Set("expire", expire)
		form.Set("tags", tag(note))
		if hook := n.hook(); hook != "" {
			form.Set("callback", hook)
		}
	}
	return form
}

func (n *Notifier) hook() string {
	if n.Hook == nil {
		return ""
	}
	return n.Hook()
}

// priority is how loud the message is. What is over is told without a sound.
func priority(note incidents.Notification) int {
	if note.Page.Action != incidents.ActionTrigger {
		return quiet
	}
	switch note.Incident.Severity {
	case incidents.Critical:
		return emergency
	case incidents.Error:
		return 1
	case incidents.Info:
		return quiet
	}
	return 0
}

// text is the message as plain text; Pushover shows no mark-up unless asked to.
func text(note incidents.Notification) string {
	var lines []string
	if s := strings.TrimSpace(note.Incident.Summary); s != "" && note.Page.Action == incidents.ActionTrigger {
		lines = append(lines, notify.Cut(strings.ToValidUTF8(s, "\uFFFD"), 500))
	}
	for _, f := range notify.Facts(note) {
		lines = append(lines, f.Name+": "+f.Value)
	}
	if u := notify.Link(note.Incident.RunbookURL, 300); u != "" {
		lines = append(lines, "Runbook: "+u)
	}
	return strings.Join(lines, "\n")
}

// tag names the emergencies of an incident, so that all of them can be stopped at once.
func tag(note incidents.Notification) string {
	sum := sha256.Sum256([]byte(note.Page.DedupKey))
	return "nines-" + hex.EncodeToString(sum[:12])
}

var receiptForm = regexp.MustCompile(`^[A-Za-z0-9]{30}$`)

// api is the account's side of Pushover's API.
type api struct {
	endpoint, token string
	secrets         []string
	transport       http.RoundTripper
}

// silence stops the ringing: that of the first page by its receipt, and that of later rounds by the incident's tag. What
// does not ring any more is as good; what could not be stopped is tried again.
func (a api) silence(ctx context.Context, note incidents.Notification) (incidents.Receipt, error) {
	paths := []string{"/1/receipts/cancel_by_tag/" + tag(note) + ".json"}
	if receiptForm.MatchString(note.Thread) {
		paths = []string{"/1/receipts/" + note.Thread + "/cancel.json", paths[0]}
	}
	for _, path := range paths {
		exchange, _, err := a.post(ctx, path, url.Values{})
		if err != nil && !fault.Is(err, fault.Invalid) {
			return incidents.Receipt{StatusCode: exchange.Status}, err
		}
	}
	return incidents.Receipt{}, nil
}

// answer is what the API says: status 1 where it did what was asked for.
type answer struct {
	Status  int      `json:"status"`
	Request string   `json:"request"`
	Receipt string   `json:"receipt"`
	Errors  []string `json:"errors"`

	Acknowledged   int    `json:"acknowledged"`
	AcknowledgedAt int64  `json:"acknowledged_at"`
	AcknowledgedBy string `json:"acknowledged_by"`
	Device         string `json:"acknowledged_by_device"`
}

func (a api) post(ctx context.Context, path string, form url.Values) (*notify.Exchange, answer, error) {
	form.Set("token", a.token)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.endpoint+path, strings.NewReader(form.Encode()))
	if err != nil {
		return &notify.Exchange{}, answer{}, fault.New(fault.Invalid, "the endpoint is not a URL")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return a.do(ctx, r)
}

func (a api) do(ctx context.Context, r *http.Request) (*notify.Exchange, answer, error) {
	exchange := notify.NewExchange(a.transport)
	err := exchange.Do(r)
	said := notify.ReadAnswer[answer](exchange.Body)
	err = exchange.Fault(ctx, "Pushover", notify.Scrub(strings.Join(said.Errors, "; "), a.secrets...), err)
	var f *fault.Error
	if errors.As(err, &f) && f.Kind == fault.Limited && len(said.Errors) == 0 {
		f.Message = "Pushover answered 429: the application has sent all the messages of its month"
	}
	return exchange, said, err
}
