package slack

import (
	"regexp"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
)

// maxNote is the longest text that becomes a note, in characters. Slack's own messages may be four times as long.
const maxNote = 10_000

// event is a call of the Events API, as far as we read it.
type event struct {
	Type      string  `json:"type"` // "url_verification" or "event_callback"
	Challenge string  `json:"challenge"`
	EventID   string  `json:"event_id"` // the same at every retry
	Event     message `json:"event"`
}

// message is one that somebody wrote in a channel that the app is in.
type message struct {
	Type     string `json:"type"`
	Subtype  string `json:"subtype"`
	Channel  string `json:"channel"`
	User     string `json:"user"`
	BotID    string `json:"bot_id"`
	Text     string `json:"text"`
	TS       string `json:"ts"`
	ThreadTS string `json:"thread_ts"`
}

// written are the subtypes of what people write. All others tell of edits, arrivals and the like.
var written = map[string]bool{"": true, "thread_broadcast": true, "file_share": true, "me_message": true}

// reply is the note that a message in a thread is. What an app writes, our own messages among it, is none, lest notes make
// notes.
func (e event) reply(at time.Time) (incidents.Reply, bool) {
	m := e.Event
	first := thread{channel: m.Channel, ts: m.ThreadTS}
	_, isThread := threadOf(first.String())
	by, text := notify.Line(m.User, 40), strings.TrimSpace(plain(m.Text))
	if e.Type != "event_callback" || m.Type != "message" || !written[m.Subtype] || m.BotID != "" || by == "" ||
		!isThread || m.ThreadTS == m.TS || text == "" {
		return incidents.Reply{}, false
	}
	return incidents.Reply{
		ID: notify.Line(e.EventID, 200), Provider: Provider, Action: incidents.ReplyNote, ProviderID: first.String(),
		By: person(by), Text: notify.Cut(text, maxNote), At: at,
	}, true
}

// marked is what Slack puts between < and >: a mention or a link, with the words for it after a |.
var marked = regexp.MustCompile(`<([^<>|]*)(?:\|([^<>]*))?>`)

// plain turns Slack's mrkdwn into text: mentions and links as people see them, escapes undone.
func plain(mrkdwn string) string {
	text := marked.ReplaceAllStringFunc(strings.ToValidUTF8(mrkdwn, "\uFFFD"), func(s string) string {
		m := marked.FindStringSubmatch(s)
		target, words := m[1], m[2]
		switch {
		case strings.HasPrefix(target, "@"), strings.HasPrefix(target, "#"):
			if words != "" {
				return target[:1] + strings.TrimLeft(words, "@#")
			}
			return target
		case strings.HasPrefix(target, "!"):
			if words != "" {
				return words
			}
			return "@" + target[1:]
		case words != "" && words != target:
			return words + " (" + target + ")"
		}
		return target
	})
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text)
}
