package teams

import (
	"fmt"
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
)

// Teams refuses messages over 28 KB. These bounds, in characters, keep below it whatever the texts are made of.
const (
	maxHeadline = 300
	maxSummary  = 1000
	maxListed   = 10
	maxLine     = 150
	maxLink     = 1500 // bytes
)

// message is what a workflow that posts cards takes.
type message struct {
	Type        string       `json:"type"`
	Summary     string       `json:"summary"`
	Attachments []attachment `json:"attachments"`
}

type attachment struct {
	ContentType string `json:"contentType"`
	Content     card   `json:"content"`
}

// card is an Adaptive Card of version 1.4, which all of Teams' clients show.
type card struct {
	Schema  string    `json:"$schema"`
	Type    string    `json:"type"`
	Version string    `json:"version"`
	Body    []element `json:"body"`
	Actions []action  `json:"actions,omitempty"`
	Teams   layout    `json:"msteams"`
}

type layout struct {
	Width string `json:"width"`
}

// element is one of Container, RichTextBlock and FactSet.
type element struct {
	Type    string    `json:"type"`
	Style   string    `json:"style,omitempty"`
	Bleed   bool      `json:"bleed,omitempty"`
	Items   []element `json:"items,omitempty"`
	Inlines []run     `json:"inlines,omitempty"`
	Facts   []fact    `json:"facts,omitempty"`
}

// run is text that is shown as it is. That is why it is used for what alerts say: a TextBlock would read it as Markdown,
// and so an alert could forge links.
type run struct {
	Type   string `json:"type"`
	Text   string `json:"text"`
	Size   string `json:"size,omitempty"`
	Weight string `json:"weight,omitempty"`
}

type fact struct {
	Title string `json:"title"`
	Value string `json:"value"`
}

type action struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

func messageOf(note incidents.Notification) message {
	headline := notify.Line(notify.Headline(note), maxHeadline)
	c := card{
		Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.4",
		Body: body(headline, note), Actions: actions(note), Teams: layout{Width: "Full"},
	}
	return message{
		Type: "message", Summary: headline,
		Attachments: []attachment{{ContentType: "application/vnd.microsoft.card.adaptive", Content: c}},
	}
}

func body(headline string, note incidents.Notification) []element {
	title := element{Type: "RichTextBlock", Inlines: []run{{Type: "TextRun", Text: headline, Size: "Large", Weight: "Bolder"}}}
	out := []element{{Type: "Container", Style: style(note), Bleed: true, Items: []element{title}}}
	for _, line := range summary(note) {
		out = append(out, element{Type: "RichTextBlock", Inlines: []run{{Type: "TextRun", Text: line}}})
	}
	facts := element{Type: "FactSet"}
	for _, f := range notify.Facts(note) {
		facts.Facts = append(facts.Facts, fact{Title: f.Name, Value: noLinks.Replace(f.Value)})
	}
	return append(out, facts)
}

// noLinks takes the brackets of links from facts, which Teams reads as Markdown.
var noLinks = strings.NewReplacer("[", "(", "]", ")")

// style is the colour behind the headline.
func style(note incidents.Notification) string {
	switch {
	case note.Page.Action == incidents.ActionResolve:
		return "good"
	case note.Page.Action == incidents.ActionAcknowledge, note.Page.Action == incidents.ActionStatus, note.Incident.Severity == incidents.Info:
		return "accent"
	case note.Incident.Severity == incidents.Critical, note.Incident.Severity == incidents.Error:
		return "attention"
	}
	return "warning"
}

// summary is what the alerts say, or which incidents the card stands for. It is over with the incident.
func summary(note incidents.Notification) []string {
	if said := notify.Statement(note, maxSummary); said != "" {
		return []string{said}
	}
	if note.Page.Action != incidents.ActionTrigger {
		return nil
	}
	if len(note.Bundle) == 0 {
		if s := notify.Line(note.Incident.Summary, maxSummary); s != "" {
			return []string{s}
		}
		return nil
	}
	var lines []string
	for n, i := range note.Bundle {
		if n == maxListed {
			return append(lines, fmt.Sprintf("and %d more", len(note.Bundle)-n))
		}
		words := notify.Headline(incidents.Notification{Incident: i, Page: incidents.Page{Action: incidents.ActionTrigger}})
		lines = append(lines, notify.Line(words, maxLine))
	}
	return lines
}

func actions(note incidents.Notification) []action {
	var out []action
	add := func(title, address string) {
		if address = notify.Link(address, maxLink); address != "" {
			out = append(out, action{Type: "Action.OpenUrl", Title: title, URL: address})
		}
	}
	add("Open incident", note.IncidentURL)
	add("Runbook", note.Incident.RunbookURL)
	return out
}
