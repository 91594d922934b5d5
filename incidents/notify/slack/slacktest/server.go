// Package slacktest is a fake of Slack's Web API: it refuses what Slack refuses, keeps channels with their threads and
// fails on demand. Request signs what Slack would send to us. It leaves out incoming webhooks and all that is not about
// messages.
package slacktest

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/nines-sre/nines/incidents/notify/notifytest"
)

// What the fake knows: an app's token that may post, the channel that it may post to by its name and id, and a channel
// that nobody has invited it to.
const (
	Token       = "xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzqqgy"
	Channel     = "#incidents"
	ChannelID   = "C0123456789"
	OtherID     = "C0OTHER0001"
	ArchivedID  = "C0ARCHIVED1"
	maxText     = 40_000
	maxBlocks   = 50
	maxRequest  = 1 << 20
	firstSecond = 1761700000
)

// Message is one of the channel's, as it is shown now.
type Message struct {
	TS        string
	ThreadTS  string // of the first message of its thread, "" for one that is in none
	Broadcast bool
	Text      string
	Blocks    []Block
	Edits     int
}

// Server is the fake. Its methods are safe for concurrent use.
type Server struct {
	*notifytest.Server

	mu       sync.Mutex
	messages []Message
	posted   int
	errors   []string
	said     []string
}

// New starts a fake that stops with the test.
func New(t testing.TB) *Server {
	s := &Server{}
	s.Server = notifytest.Start(t, s, func(status int) string {
		return fmt.Sprintf(`{"ok":false,"error":"told_to_answer_%d"}`, status)
	})
	return s
}

// Messages returns what the channel shows, in order.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Delete takes a message away, as people can.
func (s *Server) Delete(ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = slices.DeleteFunc(s.messages, func(m Message) bool { return m.TS == ts })
}

// Answer makes the next calls end with these error codes, one each; "" lets a call through. The status is 200, as
// Slack's is.
func (s *Server) Answer(codes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errors = append(s.errors, codes...)
}

// Said returns the ephemeral texts that were sent to response URLs.
func (s *Server) Said() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.said)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if responsePath.MatchString(r.URL.Path) {
		s.respond(w, body)
		return
	}
	answer, code := map[string]any{}, ""
	switch kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); {
	case err != nil:
		code = "request_too_large"
	case len(s.errors) > 0 && s.errors[0] != "":
		code, s.errors = s.errors[0], s.errors[1:]
	case r.Method != http.MethodPost || kind != "application/json":
		code = "invalid_post_type"
	case r.Header.Get("Authorization") == "":
		code = "not_authed"
	case r.Header.Get("Authorization") != "Bearer "+Token:
		code = "invalid_auth"
	default:
		s.errors = s.errors[min(1, len(s.errors)):]
		answer, code = s.method(r.URL.Path, body)
	}
	if answer == nil {
		answer = map[string]any{}
	}
	if answer["ok"] = code == ""; code != "" {
		answer["error"] = code
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *Server) method(path string, body []byte) (map[string]any, string) {
	call, err := readCall(body)
	if err != nil {
		s.Refuse(err.Error())
		return nil, "invalid_json"
	}
	if problems := call.problems(); len(problems) > 0 {
		s.Refuse(problems...)
		return map[string]any{"response_metadata": map[string]any{"messages": problems}}, "invalid_blocks"
	}
	switch path {
	case "/chat.postMessage":
		return s.post(call)
	case "/chat.update":
		return s.update(call)
	}
	return nil, "unknown_method"
}

func (s *Server) post(c call) (map[string]any, string) {
	switch {
	case c.Channel == OtherID:
		return nil, "not_in_channel"
	case c.Channel == ArchivedID:
		return nil, "is_archived"
	case c.Channel != Channel && c.Channel != ChannelID:
		return nil, "channel_not_found"
	case c.ThreadTS != "" && s.find(c.ThreadTS) < 0:
		return nil, "thread_not_found"
	case c.ThreadTS != "" && s.messages[s.find(c.ThreadTS)].ThreadTS != "":
		s.Refuse("thread_ts is a reply's; it has to be the first message's")
		return nil, "cannot_reply_to_message"
	}
	s.posted++
	ts := fmt.Sprintf("%d.%06d", firstSecond+s.posted, 100+s.posted)
	s.messages = append(s.messages, Message{
		TS: ts, ThreadTS: c.ThreadTS, Broadcast: c.Broadcast, Text: c.Text, Blocks: c.Blocks,
	})
	return map[string]any{"channel": ChannelID, "ts": ts, "message": map[string]any{"ts": ts, "text": c.Text}}, ""
}

// update rewrites a message. It takes a channel's id only.
func (s *Server) update(c call) (map[string]any, string) {
	at := s.find(c.TS)
	switch {
	case c.Channel != ChannelID:
		return nil, "channel_not_found"
	case at < 0:
		return nil, "message_not_found"
	}
	m := &s.messages[at]
	m.Text, m.Blocks = c.Text, c.Blocks
	m.Edits++
	return map[string]any{"channel": ChannelID, "ts": c.TS, "text": c.Text}, ""
}

func (s *Server) find(ts string) int {
	return slices.IndexFunc(s.messages, func(m Message) bool { return m.TS == ts })
}

// responsePath is that of https://hooks.slack.com/actions/T.../B.../..., which tells the one who pressed a button.
var responsePath = regexp.MustCompile(`^/(actions|commands)/`)

func (s *Server) respond(w http.ResponseWriter, body []byte) {
	var m struct {
		Type    string `json:"response_type"`
		Replace *bool  `json:"replace_original"`
		Text    string `json:"text"`
	}
	if err := json.Unmarshal(body, &m); err != nil || m.Type != "ephemeral" || m.Text == "" || m.Replace == nil || *m.Replace {
		s.Refuse("the response is not an ephemeral text beside the message: " + string(body))
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.said = append(s.said, m.Text)
	_, _ = io.WriteString(w, "ok")
}
