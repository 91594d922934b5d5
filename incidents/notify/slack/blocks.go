package slack

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	api "github.com/slack-go/slack"
)

// Bounds of Block Kit, in characters, and ours below them.
const (
	maxHeader  = 150
	maxSection = 3000
	maxField   = 2000
	maxURL     = 3000
	maxSummary = 1000
	maxShown   = 10 // incidents of a message about several
)

// The buttons that change something, by their action_id. Their value is the incident's id.
const (
	buttonAcknowledge = "acknowledge"
	buttonResolve     = "resolve"
	buttonEscalate    = "escalate"
)

// webhookMessage is the text for notifications and old clients, and blocks for the channel.
func webhookMessage(note incidents.Notification) *api.WebhookMessage {
	unfurl := false
	return &api.WebhookMessage{
		Text: escape(notify.Headline(note)), Blocks: &api.Blocks{BlockSet: blocks(note, false)},
		UnfurlLinks: &unfurl, UnfurlMedia: &unfurl,
	}
}

// blocks tell what a person needs. Buttons that change something are for messages of an app: only an app hears of them.
func blocks(note incidents.Notification, byApp bool) []api.Block {
	header := api.NewTextBlockObject(api.PlainTextType, notify.Cut(mark(note)+" "+notify.Headline(note), maxHeader), true, false)
	out := []api.Block{api.NewHeaderBlock(header)}
	if text := summary(note); text != "" {
		out = append(out, api.NewSectionBlock(markdown(text), nil, nil))
	}
	out = append(out, api.NewSectionBlock(nil, fields(note), nil))
	var buttons []api.BlockElement
	if byApp && note.Page.Action != incidents.ActionStatus {
		buttons = changing(note)
	}
	if buttons = append(buttons, links(note)...); len(buttons) > 0 {
		out = append(out, api.NewActionBlock("actions", buttons...))
	}
	return out
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
	case incidents.ActionStatus:
		return ":speech_balloon:"
	}
	if m, ok := severityMark[note.Incident.Severity]; ok {
		return m
	}
	return ":large_yellow_circle:"
}

// summary is what the alerts say, or which incidents the message stands for. It is over with the incident.
func summary(note incidents.Notification) string {
	if said := notify.Statement(note, maxSection/2); said != "" {
		return escapeTo(said, maxSection)
	}
	if note.Page.Action != incidents.ActionTrigger {
		return ""
	}
	if len(note.Bundle) == 0 {
		return escapeTo(notify.Cut(strings.ToValidUTF8(note.Incident.Summary, "\uFFFD"), maxSummary), maxSection)
	}
	var lines []string
	for n, i := range note.Bundle {
		if n == maxShown {
			lines = append(lines, fmt.Sprintf("and %d more", len(note.Bundle)-n))
			break
		}
		words := notify.Headline(incidents.Notification{Incident: i, Page: incidents.Page{Action: incidents.ActionTrigger}})
		lines = append(lines, escapeTo(notify.Line(words, 200), maxSection/(maxShown+1)))
	}
	return strings.Join(lines, "\n")
}

func fields(note incidents.Notification) []*api.TextBlockObject {
	var out []*api.TextBlockObject
	for _, f := range notify.Facts(note) {
		out = append(out, markdown("*"+f.Name+"*\n"+escapeTo(f.Value, maxField-50)))
	}
	return out
}

// changing are the buttons that still mean something. A message about several incidents has none: which one would they be
// about?
func changing(note incidents.Notification) []api.BlockElement {
	i := note.Incident
	if i.ID == "" || i.Number <= 0 || i.State == incidents.Resolved || note.Page.Action == incidents.ActionResolve {
		return nil
	}
	var out []api.BlockElement
	add := func(id, text string, style api.Style) {
		b := api.NewButtonBlockElement(id, i.ID, api.NewTextBlockObject(api.PlainTextType, text, false, false))
		b.Style = style
		out = append(out, b)
	}
	if i.State != incidents.Acknowledged {
		add(buttonAcknowledge, "Acknowledge", api.StylePrimary)
	}
	add(buttonResolve, "Resolve", api.StyleDefault)
	add(buttonEscalate, "Escalate", api.StyleDanger)
	return out
}

// links are buttons that open a page. An address that is none is left out, because Slack would refuse the whole message.
func links(note incidents.Notification) []api.BlockElement {
	var out []api.BlockElement
	add := func(id, text, address string) {
		if address = notify.Link(address, maxURL); address == "" {
			return
		}
		b := api.NewButtonBlockElement(id, "", api.NewTextBlockObject(api.PlainTextType, text, false, false))
		b.URL = address
		out = append(out, b)
	}
	add("incident", "Open incident", note.IncidentURL)
	add("runbook", "Runbook", note.Incident.RunbookURL)
	return out
}

// markdown takes text that is escaped already, and as it is: Slack makes no links, channels or mentions of what it holds.
func markdown(escaped string) *api.TextBlockObject {
	return api.NewTextBlockObject(api.MarkdownType, escaped, false, true)
}

var escapes = map[rune]string{'&': "&amp;", '<': "&lt;", '>': "&gt;"}

// escape takes the meaning from what Slack's mrkdwn would read as a link, a mention or a channel.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// escapeTo escapes a text into at most n characters, and cuts it between its characters, never within an escape.
func escapeTo(s string, n int) string {
	escaped := escape(s)
	if utf8.RuneCountInString(escaped) <= n {
		return escaped
	}
	var b strings.Builder
	used := 0
	for _, r := range s {
		text, special := escapes[r]
		if !special {
			text = string(r)
		}
		if used += utf8.RuneCountInString(text); used > n-1 {
			break
		}
		b.WriteString(text)
	}
	return b.String() + "…"
}
