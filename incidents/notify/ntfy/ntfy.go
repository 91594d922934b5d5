// Package ntfy publishes incidents to a topic of an ntfy server, whose subscribers get them as push messages. It leaves
// out answering: a subscriber's buttons open pages, because whoever knows a topic's name can read what a button would do.
package ntfy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
)

// Bounds of a message: a server makes an attachment of a text over 4,096 bytes, where it takes attachments, and phones
// get no more than the first 4,000 bytes of a push message. Ours stay far below, title, links and marks included.
const (
	maxTitle   = 250  // characters
	maxMessage = 2000 // bytes
	maxLink    = 500  // bytes
)

// Notifier publishes messages. It is safe for concurrent use.
type Notifier struct {
	baseDir   string
	transport http.RoundTripper
}

// New returns a notifier that reads access tokens below baseDir where they are kept in relative files.
func New(baseDir string) *Notifier {
	return &Notifier{baseDir: baseDir, transport: notify.NewTransport()}
}

// Send implements incidents.Notifier. Each page of an incident rings anew; its acknowledgement and its resolution
// quietly take the place of the first page, on servers and clients that know sequences (2.16 and later), and are new
// messages on others. The receipt's ProviderID is the sequence's id, or the message's on older servers.
func (n *Notifier) Send(ctx context.Context, note incidents.Notification) (incidents.Receipt, error) {
	target := note.Page.Target.Ntfy
	if target == nil {
		return incidents.Receipt{}, fault.New(fault.Invalid, "the page is not for ntfy")
	}
	server, topic, err := split(target.URL)
	if err != nil {
		return incidents.Receipt{}, err
	}
	token := ""
	if target.Token != (incidents.Secret{}) {
		if token, err = notify.Resolve(target.Token, n.baseDir); err != nil {
			return incidents.Receipt{}, err
		}
	}
	r, err := notify.NewPost(ctx, server, "the topic's address", messageOf(topic, note))
	if err != nil {
		return incidents.Receipt{}, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	exchange := notify.NewExchange(n.transport)
	err = exchange.Do(r)
	said := notify.ReadAnswer[answer](exchange.Body)
	receipt := incidents.Receipt{StatusCode: exchange.Status}
	// Where a topic needs no token its name is the secret.
	if err := exchange.Fault(ctx, "ntfy", notify.Scrub(said.words(), token, topic), err); err != nil {
		return receipt, err
	}
	receipt.ProviderID = notify.Line(said.id(), 64)
	return receipt, nil
}

// topicForm is what servers take as a topic.
var topicForm = regexp.MustCompile(`^[-_A-Za-z0-9]{1,64}$`)

// split takes a topic's address apart. The server may lie below a path.
func split(address string) (server, topic string, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return "", "", fault.New(fault.Invalid, "the topic's address is not a URL such as https://ntfy.sh/shop-oncall")
	}
	path := strings.TrimRight(u.Path, "/")
	at := strings.LastIndexByte(path, '/')
	if at < 0 || !topicForm.MatchString(path[at+1:]) {
		return "", "", fault.New(fault.Invalid,
			"the URL names no topic; write one of up to 64 letters, digits, - and _ after the server")
	}
	base := url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host, Path: path[:at] + "/"}
	return base.String(), path[at+1:], nil
}

// message is what is published, as a server takes it in JSON.
type message struct {
	Topic      string   `json:"topic"`
	Title      string   `json:"title"`
	Message    string   `json:"message"`
	Priority   int      `json:"priority"`
	Tags       []string `json:"tags"`
	Click      string   `json:"click,omitempty"`
	Actions    []action `json:"actions,omitempty"`
	SequenceID string   `json:"sequence_id,omitempty"`
}

// action is a button. View opens an address.
type action struct {
	Action string `json:"action"`
	Label  string `json:"label"`
	URL    string `json:"url"`
}

func messageOf(topic string, note incidents.Notification) message {
	m := message{
		Topic: topic, Title: notify.Line(notify.Headline(note), maxTitle), Message: text(note), Priority: priority(note),
		Tags: tags(note), Click: notify.Link(note.IncidentURL, maxLink), SequenceID: sequence(note),
	}
	view := func(label, address string) {
		if address = notify.Link(address, maxLink); address != "" {
			m.Actions = append(m.Actions, action{Action: "view", Label: label, URL: address})
		}
	}
	view("Open incident", note.IncidentURL)
	view("Runbook", note.Incident.RunbookURL)
	return m
}

// priority is from 5, which rings through a phone's silence, to 2, which makes no sound. What is over makes none either.
func priority(note incidents.Notification) int {
	if note.Page.Action != incidents.ActionTrigger {
		return 2
	}
	switch note.Incident.Severity {
	case incidents.Critical:
		return 5
	case incidents.Error:
		return 4
	case incidents.Info:
		return 2
	}
	return 3
}

var severityMark = map[incidents.Severity]string{
	incidents.Critical: "rotating_light", incidents.Error: "orange_circle", incidents.Warning: "warning",
	incidents.Info: "information_source",
}

// tags begin with the mark that clients show as a picture before the title.
func tags(note incidents.Notification) []string {
	i := note.Incident
	mark := severityMark[i.Severity]
	switch note.Page.Action {
	case incidents.ActionAcknowledge:
		mark = "eyes"
	case incidents.ActionResolve:
		mark = "white_check_mark"
	}
	var out []string
	for _, tag := range []string{mark, i.Tenant, i.Service} {
		if tag = strings.ReplaceAll(notify.Line(tag, 40), ",", " "); tag != "" {
			out = append(out, tag)
		}
	}
	return out
}

func text(note incidents.Notification) string {
	var lines []string
	if s := strings.TrimSpace(note.Incident.Summary); s != "" && note.Page.Action == incidents.ActionTrigger {
		lines = append(lines, notify.Cut(strings.ToValidUTF8(s, "\uFFFD"), 500))
	}
	for _, f := range notify.Facts(note) {
		lines = append(lines, f.Name+": "+f.Value)
	}
	return cutBytes(strings.Join(lines, "\n"), maxMessage)
}

// cutBytes cuts a text to at most n bytes, at the edge of a character.
func cutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-len("…")], "") + "…"
}

// sequenceForm is the id of a page's sequence.
var sequenceForm = regexp.MustCompile(`^nines-[0-9a-f]{24}$`)

// sequence is the id of the notification that the message is shown in. A page has its own, the same at every retry, so
// that a page sent twice is shown once; clients don't ring for a message that only takes another's place, therefore not
// even two pages of an incident share one. What comes after belongs to the first page.
func sequence(note incidents.Notification) string {
	p := note.Page
	switch {
	case p.Action == incidents.ActionTrigger && note.Incident.Number <= 0:
		return "" // it stands for several incidents, and no single one's end may take its place
	case p.Action == incidents.ActionTrigger:
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%d\n%d\n%d", p.DedupKey, p.Step, p.Loop, p.Turn, p.Number))
		return "nines-" + hex.EncodeToString(sum[:12])
	case sequenceForm.MatchString(note.Thread):
		return note.Thread
	}
	return ""
}

// answer is the published message, or an error with its code.
type answer struct {
	ID         string `json:"id"`
	SequenceID string `json:"sequence_id"`
	Code       int    `json:"code"`
	Error      string `json:"error"`
}

func (a answer) words() string {
	if a.Code == 0 {
		return a.Error
	}
	return strings.TrimSpace(a.Error + " (code " + strconv.Itoa(a.Code) + ")")
}

func (a answer) id() string {
	if a.SequenceID != "" {
		return a.SequenceID
	}
	return a.ID
}
