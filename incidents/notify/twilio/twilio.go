// Package twilio sends incidents to telephones through Twilio's API, or one like it: short messages and calls that are
// read aloud. Its Hook takes what people answer and what became of each message. It leaves out who is paged when.
package twilio

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
)

// apiVersion is the part of the path that Twilio has kept since 2010.
const apiVersion = "/2010-04-01/Accounts/"

// ringFor is how long a telephone rings before the call counts as not answered.
const ringFor = "45"

// Notifier sends short messages (targets of the kind SMS) and calls (Voice). It is safe for concurrent use.
type Notifier struct {
	// Hook returns the public URL that takes replies and delivery reports, and "" where there is none: then messages
	// name the incident's page instead of the words to answer. Nil is no hook.
	Hook func() string

	baseDir   string
	transport http.RoundTripper
}

// New returns a notifier that reads auth tokens below baseDir where they are kept in relative files.
func New(baseDir string) *Notifier {
	return &Notifier{baseDir: baseDir, transport: notify.NewTransport()}
}

// Send implements incidents.Notifier. The receipt's ProviderID is the SID of the message or call. Nobody is called about
// an acknowledgement or a resolution: a call that still rings or waits is taken back, and that is all.
func (n *Notifier) Send(ctx context.Context, note incidents.Notification) (incidents.Receipt, error) {
	hook := ""
	if n.Hook != nil {
		hook = n.Hook()
	}
	switch target := note.Page.Target; {
	case target.SMS != nil:
		receipt, _, err := n.post(ctx, *target.SMS, "/Messages.json", messageForm(note, hook))
		return receipt, err
	case target.Voice != nil && note.Page.Action == incidents.ActionTrigger:
		receipt, _, err := n.post(ctx, *target.Voice, "/Calls.json", callForm(note, hook))
		return receipt, err
	case target.Voice != nil:
		return n.hangUp(ctx, *target.Voice, note.Thread)
	}
	return incidents.Receipt{}, fault.New(fault.Invalid, "the page is not for a telephone")
}

func messageForm(note incidents.Notification, hook string) url.Values {
	target := note.Page.Target.SMS
	form := url.Values{"To": {target.To}, "From": {target.From}, "Body": {messageText(note, hook != "")}}
	if hook != "" {
		form.Set("StatusCallback", hook)
	}
	return form
}

func callForm(note incidents.Notification, hook string) url.Values {
	target := note.Page.Target.Voice
	form := url.Values{"To": {target.To}, "From": {target.From}, "Twiml": {callScript(note, hook)}, "Timeout": {ringFor}}
	if hook != "" {
		form.Set("StatusCallback", hook)
		form["StatusCallbackEvent"] = []string{"answered", "completed"}
	}
	return form
}

var callSID = regexp.MustCompile(`^CA[0-9A-Za-z]{2,64}$`)

// What Twilio says of a call that is over, and of one that it knows no more.
const (
	codeOver    = 21220
	codeUnknown = 20404
)

// hangUp takes back a call that nobody has picked up yet. One that somebody talks to or that is over stays as it is.
func (n *Notifier) hangUp(ctx context.Context, t incidents.TwilioTarget, sid string) (incidents.Receipt, error) {
	if !callSID.MatchString(sid) {
		return incidents.Receipt{}, nil
	}
	receipt, said, err := n.post(ctx, t, "/Calls/"+sid+".json", url.Values{"Status": {"canceled"}})
	if said.Code == codeOver || said.Code == codeUnknown {
		err = nil
	}
	return receipt, err
}

// post makes one call of the API and returns what it said, also beside an error.
func (n *Notifier) post(
	ctx context.Context, t incidents.TwilioTarget, resource string, form url.Values,
) (incidents.Receipt, answer, error) {
	token, err := notify.Resolve(t.Token, n.baseDir)
	if err != nil {
		return incidents.Receipt{}, answer{}, err
	}
	address := endpoint(t) + apiVersion + url.PathEscape(t.Account) + resource
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return incidents.Receipt{}, answer{}, fault.New(fault.Invalid, "the endpoint is not a URL")
	}
	r.SetBasicAuth(t.Account, token)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	exchange := notify.NewExchange(n.transport)
	err = exchange.Do(r)
	said := notify.ReadAnswer[answer](exchange.Body)
	receipt := incidents.Receipt{StatusCode: exchange.Status}
	if err := exchange.Fault(ctx, "Twilio", notify.Scrub(said.words(), token), err); err != nil {
		return receipt, said, said.classify(err)
	}
	receipt.ProviderID = notify.Line(said.SID, 64)
	return receipt, said, nil
}

func endpoint(t incidents.TwilioTarget) string {
	if t.Endpoint == "" {
		return incidents.DefaultTwilioEndpoint
	}
	return strings.TrimRight(t.Endpoint, "/")
}

// answer is what the API says: of what it created, or of what is wrong. Status is a word in the one and a number in the
// other.
type answer struct {
	SID     string `json:"sid"`
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (a answer) words() string {
	if a.Code == 0 {
		return a.Message
	}
	return strings.TrimSpace(a.Message + " (code " + strconv.Itoa(a.Code) + ")")
}

// passing are error codes that come with a 400 and pass by themselves: too fast, the sender's queue is full.
var passing = []int{14107, 20429, 21611}

// classify makes the faults whose code says so passing ones. Everything else is as its status says, so that a number
// that does not exist (21211), has no messages (21614) or has unsubscribed (21610) is final.
func (a answer) classify(err error) error {
	var f *fault.Error
	if errors.As(err, &f) && f.Kind == fault.Invalid && slices.Contains(passing, a.Code) {
		f.Kind = fault.Limited
	}
	return err
}

// messageText says in two segments at most what is the matter and what to answer.
func messageText(note incidents.Notification, replies bool) string {
	i := note.Incident
	head, tail := "", ""
	number := strings.TrimLeft(notify.Number(i)+" ", " ")
	switch note.Page.Action {
	case incidents.ActionAcknowledge:
		head = number + "acknowledged by " + cmp.Or(notify.Line(i.AcknowledgedBy, 40), "somebody") + ": "
	case incidents.ActionResolve:
		head = number + "resolved: "
	default:
		head = number + strings.ToUpper(notify.Line(string(i.Severity), 20)) + about(i) + ": "
		tail = callToAction(note, replies)
	}
	return fit(head, cmp.Or(notify.Line(i.Title, 300), "incident"), tail)
}

// about names whom the incident concerns: " acme shop", or nothing where nobody said.
func about(i incidents.Incident) string {
	who := strings.TrimSpace(notify.Line(i.Tenant, 30) + " " + notify.Line(i.Service, 30))
	if who == "" {
		return ""
	}
	return " " + who
}

func callToAction(note incidents.Notification, replies bool) string {
	if number := note.Incident.Number; replies && number > 0 {
		return fmt.Sprintf(". Reply %da to acknowledge, %dr to resolve", number, number)
	}
	if address := notify.Link(note.IncidentURL, 100); address != "" {
		return ". " + address
	}
	return ""
}
