package slack

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
	api "github.com/slack-go/slack"
)

// maxNews is the longest text of an update, in characters.
const maxNews = 2500

// threadForm is a receipt's ProviderID: the channel's id, the first message's timestamp and a mark where that message
// stands for several incidents, so that no single one's end may rewrite it.
var threadForm = regexp.MustCompile(`^([A-Z0-9]{1,40}):([0-9]{1,12}\.[0-9]{1,9})(:several)?$`)

// thread is where an incident's messages go.
type thread struct {
	channel, ts string
	several     bool
}

// threadOf reads a ProviderID; what is none is no thread.
func threadOf(providerID string) (thread, bool) {
	m := threadForm.FindStringSubmatch(providerID)
	if m == nil {
		return thread{}, false
	}
	return thread{channel: m[1], ts: m[2], several: m[3] != ""}, true
}

func (t thread) String() string {
	if t.several {
		return t.channel + ":" + t.ts + ":several"
	}
	return t.channel + ":" + t.ts
}

// post is what chat.postMessage and chat.update take.
type post struct {
	Channel     string      `json:"channel"`
	TS          string      `json:"ts,omitempty"` // of the message that is rewritten
	ThreadTS    string      `json:"thread_ts,omitempty"`
	Broadcast   bool        `json:"reply_broadcast,omitempty"`
	Text        string      `json:"text"`
	Blocks      []api.Block `json:"blocks,omitempty"`
	UnfurlLinks bool        `json:"unfurl_links"`
	UnfurlMedia bool        `json:"unfurl_media"`
}

// sendByApp posts the incident's first message, or what follows into its thread. What follows also rewrites the first
// message, so that it shows how the incident stands: before the news is told, because a retry may rewrite it again but
// should not tell twice. Only a page that calls again comes first itself, and does not wait for that.
func (n *Notifier) sendByApp(
	ctx context.Context, target *incidents.SlackTarget, note incidents.Notification,
) (incidents.Receipt, error) {
	token, err := notify.Resolve(target.Token, n.baseDir)
	if err != nil {
		return incidents.Receipt{}, err
	}
	c := client{
		endpoint: strings.TrimRight(cmp.Or(target.Endpoint, incidents.DefaultSlackEndpoint), "/"), token: token, transport: n.transport,
	}
	first, inThread := threadOf(note.Thread)
	if !inThread {
		return c.postFirst(ctx, target.Channel, note)
	}
	if note.Page.Action == incidents.ActionTrigger {
		return c.pageAgain(ctx, target.Channel, first, note)
	}
	if receipt, err := c.rewrite(ctx, first, note); err != nil {
		return receipt, err
	}
	_, receipt, err := c.call(ctx, "chat.postMessage", reply(first, note))
	return receipt, err
}

// pageAgain posts a later page into the thread, or as a new message where somebody has deleted that.
func (c client) pageAgain(
	ctx context.Context, channel string, first thread, note incidents.Notification,
) (incidents.Receipt, error) {
	said, receipt, err := c.call(ctx, "chat.postMessage", reply(first, note))
	switch {
	case noThread[said.Error]:
		return c.postFirst(ctx, channel, note)
	case err == nil:
		_, _ = c.rewrite(ctx, first, note) // the page has arrived, and the next message rewrites it again
	}
	return receipt, err
}

// noThread are the answers where a thread is gone.
var noThread = map[string]bool{"thread_not_found": true, "message_not_found": true, "cannot_reply_to_message": true}

func (c client) postFirst(ctx context.Context, channel string, note incidents.Notification) (incidents.Receipt, error) {
	if note.Page.Action == incidents.ActionUpdate {
		return incidents.Receipt{}, fault.New(fault.Invalid, "there is no thread that could be told of news")
	}
	_, receipt, err := c.call(ctx, "chat.postMessage", post{
		Channel: channel, Text: escape(notify.Headline(note)), Blocks: blocks(note, true),
	})
	if first, ok := threadOf(receipt.ProviderID); ok && len(note.Bundle) > 0 {
		first.several = true
		receipt.ProviderID = first.String()
	}
	return receipt, err
}

// rewrite lets the first message show how the incident stands. One that cannot be rewritten, such as one that somebody
// deleted, keeps nothing from being told in the thread.
func (c client) rewrite(ctx context.Context, first thread, note incidents.Notification) (incidents.Receipt, error) {
	if first.several || len(note.Bundle) > 0 {
		return incidents.Receipt{}, nil
	}
	note.Page.Action = actionOf(note.Incident.State)
	_, receipt, err := c.call(ctx, "chat.update", post{
		Channel: first.channel, TS: first.ts, Text: escape(notify.Headline(note)), Blocks: blocks(note, true),
	})
	if fault.Is(err, fault.Invalid) {
		return receipt, nil
	}
	return receipt, err
}

// actionOf is what a message about the state as it is now says.
func actionOf(s incidents.State) incidents.Action {
	switch s {
	case incidents.Acknowledged:
		return incidents.ActionAcknowledge
	case incidents.Resolved:
		return incidents.ActionResolve
	}
	return incidents.ActionTrigger
}

// reply is what is told in a thread. A page anew is shown in the channel too, because it is meant to be seen.
func reply(first thread, note incidents.Notification) post {
	p := post{Channel: first.channel, ThreadTS: first.ts, Text: escape(notify.Headline(note))}
	switch note.Page.Action {
	case incidents.ActionTrigger:
		p.Broadcast, p.Blocks = true, blocks(note, true)
	case incidents.ActionUpdate, incidents.ActionStatus:
		p.Text = escapeTo(strings.ToValidUTF8(note.Text, "\uFFFD"), maxNews)
		if strings.TrimSpace(p.Text) == "" {
			p.Text = escape(notify.Headline(note))
		}
		p.Blocks = []api.Block{api.NewSectionBlock(markdown(p.Text), nil, nil)}
	default:
		headline := escapeTo(mark(note)+" "+notify.Headline(note), maxSection)
		p.Blocks = []api.Block{api.NewSectionBlock(markdown(headline), fields(note), nil)}
	}
	return p
}

// client calls Slack's Web API.
type client struct {
	endpoint, token string
	transport       http.RoundTripper
}

// answer is Slack's. An error's answer has the status 200 as well.
type answer struct {
	OK      bool   `json:"ok"`
	Error   string `json:"error"`
	Needed  string `json:"needed"` // the scope that the token lacks
	Channel string `json:"channel"`
	TS      string `json:"ts"`
	Details struct {
		Messages []string `json:"messages"`
	} `json:"response_metadata"`
}

// call calls a method. Where Slack accepts, the receipt names the message.
func (c client) call(ctx context.Context, method string, p post) (answer, incidents.Receipt, error) {
	r, err := notify.NewPost(ctx, c.endpoint+"/"+method, "endpoint", p)
	if err != nil {
		return answer{}, incidents.Receipt{}, err
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8") // Slack warns without
	r.Header.Set("Authorization", "Bearer "+c.token)
	exchange := notify.NewExchange(c.transport)
	err = exchange.Do(r)
	var said answer
	readable := json.Unmarshal(exchange.Body, &said) == nil
	receipt := incidents.Receipt{StatusCode: exchange.Status}
	switch {
	case readable && said.OK && exchange.Status/100 == 2:
		receipt.ProviderID = notify.Line(thread{channel: said.Channel, ts: said.TS}.String(), 100)
		return said, receipt, nil
	case readable && said.Error != "" && exchange.Status/100 == 2:
		return said, receipt, said.fault(c.token, exchange)
	case exchange.Status/100 == 2:
		return said, receipt, fault.New(fault.Unavailable, "Slack did not answer with JSON; something in between may have")
	}
	return said, receipt, exchange.Fault(ctx, "Slack", notify.Scrub(said.Error, c.token), err)
}
