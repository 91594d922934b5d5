// Package slack posts incidents to a Slack channel through an incoming webhook. It leaves out Slack's Web API, so a
// message cannot be changed later and buttons are links.
package slack

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
	api "github.com/slack-go/slack"
)

// Bounds of Block Kit, in characters.
const (
	maxHeader  = 150
	maxSection = 3000
	maxField   = 2000
	maxURL     = 3000
)

// Notifier posts messages. It is safe for concurrent use.
type Notifier struct {
	baseDir   string
	transport http.RoundTripper
}

// New returns a notifier that reads webhook addresses below baseDir where they are kept in relative files.
func New(baseDir string) *Notifier {
	return &Notifier{baseDir: baseDir, transport: notify.NewTransport()}
}

// Send implements incidents.Notifier. A 4xx such as 404 no_service or 410 channel_is_archived is final; 429, 5xx and no
// answer are tried again.
func (n *Notifier) Send(ctx context.Context, note incidents.Notification) (incidents.Receipt, error) {
	target := note.Page.Target.Slack
	if target == nil {
		return incidents.Receipt{}, fault.New(fault.Invalid, "the page is not for Slack")
	}
	address, err := notify.Resolve(target.URL, n.baseDir)
	if err != nil {
		return incidents.Receipt{}, err
	}
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return incidents.Receipt{}, fault.New(fault.Invalid, "the secret %s is not the address of a Slack webhook", target.URL)
	}
	exchange := notify.NewExchange(n.transport)
	err = api.PostWebhookCustomHTTPContext(ctx, address, exchange.Client(), message(note))
	receipt := incidents.Receipt{StatusCode: exchange.Status}
	return receipt, exchange.Fault(ctx, "Slack", notify.Scrub(string(exchange.Body), address, u.Path), err)
}

// message is the text for notifications and old clients, and blocks for the channel.
func message(note incidents.Notification) *api.WebhookMessage {
	headline := notify.Headline(note)
	blocks := []api.Block{api.NewHeaderBlock(api.NewTextBlockObject(api.PlainTextType, notify.Cut(mark(note)+" "+headline, maxHeader), true, false))}
	if s := note.Incident.Summary; s != "" && note.Page.Action == incidents.ActionTrigger {
		blocks = append(blocks, api.NewSectionBlock(markdown(notify.Cut(s, 1000), maxSection), nil, nil))
	}
	blocks = append(blocks, api.NewSectionBlock(nil, fields(note), nil))
	if buttons := buttons(note); len(buttons) > 0 {
		blocks = append(blocks, api.NewActionBlock("links", buttons...))
	}
	unfurl := false
	return &api.WebhookMessage{
		Text: escape(headline), Blocks: &api.Blocks{BlockSet: blocks}, UnfurlLinks: &unfurl, UnfurlMedia: &unfurl,
	}
}

var severityMark = map[incidents.Severity]string{
	incidents.Critical: ":red_circle:", incidents.Error: ":large_orange_circle:",
	incidents.Warning: ":large_yellow_circle:", incidents.Info: ":large_blue_circle:",
}

// mark leads the headline with what a glance at a phone takes in.
func mark(note incidents.Notification) string {
	switch note.Page.Action {
	case incidents.ActionAcknowledge:
		return ":eyes:"
	case incidents.ActionResolve:
		return ":white_check_mark:"
	}
	if m, ok := severityMark[note.Incident.Severity]; ok {
		return m
	}
	return ":large_yellow_circle:"
}

func fields(note incidents.Notification) []*api.TextBlockObject {
	var out []*api.TextBlockObject
	for _, f := range notify.Facts(note) {
		out = append(out, api.NewTextBlockObject(api.MarkdownType, notify.Cut("*"+f.Name+"*\n"+escape(f.Value), maxField), false, false))
	}
	return out
}

func buttons(note incidents.Notification) []api.BlockElement {
	var out []api.BlockElement
	add := func(id, text, address string, style api.Style) {
		if address == "" || len(address) > maxURL {
			return
		}
		b := api.NewButtonBlockElement(id, "", api.NewTextBlockObject(api.PlainTextType, text, false, false))
		b.URL, b.Style = address, style
		out = append(out, b)
	}
	style := api.StyleDefault
	if note.Page.Action == incidents.ActionTrigger {
		style = api.StylePrimary
	}
	add("incident", "Open incident", note.IncidentURL, style)
	add("runbook", "Runbook", note.Incident.RunbookURL, api.StyleDefault)
	return out
}

func markdown(s string, most int) *api.TextBlockObject {
	return api.NewTextBlockObject(api.MarkdownType, notify.Cut(escape(s), most), false, false)
}

// escape takes the meaning from what Slack's mrkdwn would read as a link, a mention or a channel.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
