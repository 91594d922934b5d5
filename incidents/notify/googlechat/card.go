package googlechat

import (
	"cmp"
	"fmt"
	"html"
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
)

// Google Chat refuses messages over 32,000 bytes. These bounds, in characters, keep below it whatever the texts are made
// of: a character of HTML may need five.
const (
	maxHeadline = 300
	maxSummary  = 1000
	maxListed   = 10
	maxLine     = 150
	maxFact     = 200
	maxLink     = 1500 // bytes
)

// message is what a webhook takes. Text is what phones show; the card has no part in that.
type message struct {
	Text   string   `json:"text"`
	Cards  []cardV2 `json:"cardsV2,omitempty"`
	Thread *thread  `json:"thread,omitempty"`
}

type thread struct {
	Key string `json:"threadKey"`
}

type cardV2 struct {
	ID   string `json:"cardId"`
	Card card   `json:"card"`
}

type card struct {
	Sections []section `json:"sections"`
}

type section struct {
	Widgets []widget `json:"widgets"`
}

// widget is one of its fields.
type widget struct {
	Paragraph *paragraph  `json:"textParagraph,omitempty"`
	Decorated *decorated  `json:"decoratedText,omitempty"`
	Buttons   *buttonList `json:"buttonList,omitempty"`
}

type paragraph struct {
	Text string `json:"text"`
}

type decorated struct {
	TopLabel string `json:"topLabel"`
	Text     string `json:"text"`
	Wrap     bool   `json:"wrapText"`
}

type buttonList struct {
	Buttons []button `json:"buttons"`
}

type button struct {
	Text    string  `json:"text"`
	OnClick onClick `json:"onClick"`
}

type onClick struct {
	Open openLink `json:"openLink"`
}

type openLink struct {
	URL string `json:"url"`
}

func messageOf(note incidents.Notification) message {
	m := message{Text: mark(note) + " " + noMentions.Replace(headline(note))}
	if note.Page.Action != incidents.ActionUpdate {
		m.Cards = []cardV2{{ID: "incident", Card: card{Sections: []section{{Widgets: widgets(note)}}}}}
	}
	if key := threadKey(note); key != "" {
		m.Thread = &thread{Key: key}
	}
	return m
}

func headline(note incidents.Notification) string {
	if note.Page.Action == incidents.ActionUpdate && strings.TrimSpace(note.Text) != "" {
		return notify.Cut(strings.ToValidUTF8(note.Text, "\uFFFD"), maxSummary)
	}
	return notify.Line(notify.Headline(note), maxHeadline)
}

// noMentions takes the meaning from "<users/all>" and "<https://...|words>", for which a text has no escape.
var noMentions = strings.NewReplacer("<", "‹", ">", "›")

var severityMark = map[incidents.Severity]string{
	incidents.Critical: "🔴", incidents.Error: "🟠", incidents.Warning: "🟡", incidents.Info: "🔵",
}

// mark leads the headline with what a glance at a phone takes in.
func mark(note incidents.Notification) string {
	switch note.Page.Action {
	case incidents.ActionAcknowledge:
		return "👀"
	case incidents.ActionResolve:
		return "✅"
	case incidents.ActionUpdate, incidents.ActionStatus:
		return "💬"
	}
	if m, ok := severityMark[note.Incident.Severity]; ok {
		return m
	}
	return "🟡"
}

func widgets(note incidents.Notification) []widget {
	var out []widget
	if text := summary(note); text != "" {
		out = append(out, widget{Paragraph: &paragraph{Text: text}})
	}
	for _, f := range notify.Facts(note) {
		text := html.EscapeString(notify.Cut(cmp.Or(f.Value, "–"), maxFact)) // a widget without a text is refused
		out = append(out, widget{Decorated: &decorated{TopLabel: f.Name, Text: text, Wrap: true}})
	}
	if buttons := buttons(note); len(buttons) > 0 {
		out = append(out, widget{Buttons: &buttonList{Buttons: buttons}})
	}
	return out
}

// summary is what the alerts say, or which incidents the card stands for, as HTML. It is over with the incident.
func summary(note incidents.Notification) string {
	if said := notify.Statement(note, maxSummary); said != "" {
		return html.EscapeString(said)
	}
	if note.Page.Action != incidents.ActionTrigger {
		return ""
	}
	if len(note.Bundle) == 0 {
		return html.EscapeString(notify.Line(note.Incident.Summary, maxSummary))
	}
	var lines []string
	for n, i := range note.Bundle {
		if n == maxListed {
			lines = append(lines, fmt.Sprintf("and %d more", len(note.Bundle)-n))
			break
		}
		words := notify.Headline(incidents.Notification{Incident: i, Page: incidents.Page{Action: incidents.ActionTrigger}})
		lines = append(lines, html.EscapeString(notify.Line(words, maxLine)))
	}
	return strings.Join(lines, "<br>")
}

func buttons(note incidents.Notification) []button {
	var out []button
	add := func(text, address string) {
		if address = notify.Link(address, maxLink); address != "" {
			out = append(out, button{Text: text, OnClick: onClick{Open: openLink{URL: address}}})
		}
	}
	add("Open incident", note.IncidentURL)
	add("Runbook", note.Incident.RunbookURL)
	return out
}
