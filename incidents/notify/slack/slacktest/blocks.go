package slacktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"unicode/utf8"
)

// Block is one of Block Kit's, as far as we use them.
type Block struct {
	Type     string    `json:"type"`
	BlockID  string    `json:"block_id"`
	Text     *Text     `json:"text"`
	Fields   []Text    `json:"fields"`
	Elements []Element `json:"elements"`
}

// Text is a text object.
type Text struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Emoji    *bool  `json:"emoji"`
	Verbatim bool   `json:"verbatim"`
}

// Element is a button.
type Element struct {
	Type     string `json:"type"`
	ActionID string `json:"action_id"`
	Text     Text   `json:"text"`
	URL      string `json:"url"`
	Value    string `json:"value"`
	Style    string `json:"style"`
}

// Buttons returns the action ids of the message's buttons.
func (m Message) Buttons() []string {
	var ids []string
	for _, b := range m.Blocks {
		for _, e := range b.Elements {
			ids = append(ids, e.ActionID)
		}
	}
	return ids
}

// call is what chat.postMessage and chat.update take.
type call struct {
	Channel     string  `json:"channel"`
	TS          string  `json:"ts"`
	ThreadTS    string  `json:"thread_ts"`
	Broadcast   bool    `json:"reply_broadcast"`
	Text        string  `json:"text"`
	Blocks      []Block `json:"blocks"`
	UnfurlLinks bool    `json:"unfurl_links"`
	UnfurlMedia bool    `json:"unfurl_media"`
}

func readCall(body []byte) (call, error) {
	var c call
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	err := dec.Decode(&c)
	return c, err
}

// mention is what would call people or forge a link.
var mention = regexp.MustCompile(`<[!@#hms]`)

// problems are those that the reference of Block Kit names, and what no alert may do.
func (c call) problems() []string {
	var found []string
	bad := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if c.Text == "" || utf8.RuneCountInString(c.Text) > maxText || mention.MatchString(c.Text) {
		bad("text is missing, too long or calls somebody: %.100q", c.Text)
	}
	if len(c.Blocks) > maxBlocks {
		bad("there are %d blocks; no more than %d are allowed", len(c.Blocks), maxBlocks)
	}
	if c.Broadcast && c.ThreadTS == "" {
		bad("reply_broadcast is for replies in a thread")
	}
	ids := map[string]bool{}
	for _, b := range c.Blocks {
		found = append(found, b.problems()...)
		if b.BlockID != "" && ids[b.BlockID] {
			bad("block_id %s is there twice", b.BlockID)
		}
		ids[b.BlockID] = true
	}
	return found
}

func (b Block) problems() []string {
	switch b.Type {
	case "header":
		if b.Text == nil || b.Text.Type != "plain_text" {
			return []string{"a header needs a plain_text"}
		}
		return b.Text.problems("header", 150)
	case "section":
		return b.sectionProblems()
	case "actions":
		return b.actionProblems()
	}
	return []string{"unsupported type: " + b.Type}
}

func (b Block) sectionProblems() []string {
	var found []string
	if b.Text == nil && len(b.Fields) == 0 || len(b.Fields) > 10 {
		found = append(found, fmt.Sprintf("a section needs a text or 1 to 10 fields, not %d", len(b.Fields)))
	}
	if b.Text != nil {
		found = append(found, b.Text.problems("section", 3000)...)
	}
	for _, f := range b.Fields {
		found = append(found, f.problems("field", 2000)...)
	}
	return found
}

func (b Block) actionProblems() []string {
	var found []string
	if len(b.Elements) == 0 || len(b.Elements) > 25 {
		found = append(found, fmt.Sprintf("actions need 1 to 25 elements, not %d", len(b.Elements)))
	}
	ids := map[string]bool{}
	for _, e := range b.Elements {
		found = append(found, e.Text.problems("button", 75)...)
		u, err := url.Parse(e.URL)
		switch {
		case e.Type != "button" || e.Text.Type != "plain_text":
			found = append(found, "an element is no button with a plain_text")
		case e.ActionID == "" || len(e.ActionID) > 255 || ids[e.ActionID]:
			found = append(found, "action_id is missing, too long or there twice: "+e.ActionID)
		case len(e.Value) > 2000 || len(e.URL) > 3000:
			found = append(found, "value is over 2000 or url over 3000 characters")
		case e.URL != "" && (err != nil || u.Host == ""):
			found = append(found, "url is none: "+e.URL)
		case !slices.Contains([]string{"", "primary", "danger"}, e.Style):
			found = append(found, "style is none: "+e.Style)
		}
		ids[e.ActionID] = true
	}
	return found
}

func (t Text) problems(where string, most int) []string {
	n := utf8.RuneCountInString(t.Text)
	switch {
	case n == 0 || n > most:
		return []string{fmt.Sprintf("a %s has %d characters; it takes 1 to %d", where, n, most)}
	case t.Type == "mrkdwn" && mention.MatchString(t.Text):
		return []string{"a text calls somebody or forges a link: " + t.Text}
	case t.Type == "mrkdwn" && t.Emoji != nil:
		return []string{"emoji is for plain_text"}
	case t.Type != "mrkdwn" && t.Type != "plain_text":
		return []string{"a text is none of mrkdwn and plain_text: " + t.Type}
	}
	return nil
}
