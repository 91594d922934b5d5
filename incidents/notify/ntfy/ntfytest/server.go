// Package ntfytest is a fake of an ntfy server: it refuses what a server refuses, shows notifications as clients do and
// fails on demand. It leaves out subscriptions and attachments.
package ntfytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/nines-sre/nines/incidents/notify/notifytest"
)

// Token may publish to every topic.
const Token = "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2"

// Message is what a client publishes.
type Message struct {
	Topic      string   `json:"topic"`
	Title      string   `json:"title"`
	Message    string   `json:"message"`
	Priority   int      `json:"priority"`
	Tags       []string `json:"tags"`
	Click      string   `json:"click"`
	Actions    []Action `json:"actions"`
	SequenceID string   `json:"sequence_id"`
}

// Action is a button.
type Action struct {
	Action string `json:"action"`
	Label  string `json:"label"`
	URL    string `json:"url"`
}

// Server is the fake. Its methods are safe for concurrent use.
type Server struct {
	*notifytest.Server
	Old bool // a server before 2.16, which knows no sequences

	mu       sync.Mutex
	messages []Message
	shown    []Message
}

// New starts a fake that stops with the test.
func New(t testing.TB) *Server {
	s := &Server{}
	s.Server = notifytest.Start(t, s, func(status int) string {
		return fmt.Sprintf(`{"code":%d01,"http":%d,"error":"told to answer %d","link":"https://ntfy.sh/docs/"}`, status, status, status)
	})
	return s
}

// Messages returns the accepted messages, in order.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Shown returns the notifications on a subscriber's screen: messages of a sequence take the place of those before.
func (s *Server) Shown() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.shown)
}

const maxBody = 2 * 4096 // JSON may be twice as long as a message

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var m Message
	problem := ""
	if err == nil {
		problem = m.read(body)
	}
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/":
		refuse(w, http.StatusNotFound, 40401, "page not found")
	case r.Header.Get("Authorization") != "Bearer "+Token:
		refuse(w, http.StatusForbidden, 40301, "forbidden")
	case err != nil:
		s.Refuse("the body is too long")
		refuse(w, http.StatusRequestEntityTooLarge, 41301, "body is too large")
	case problem != "":
		s.Refuse(problem)
		refuse(w, http.StatusBadRequest, 40024, problem)
	default:
		s.publish(w, m)
	}
}

var (
	topics    = regexp.MustCompile(`^[-_A-Za-z0-9]{1,64}$`)
	sequences = topics
)

func (m *Message) read(body []byte) (problem string) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(m); err != nil {
		return "invalid request: " + err.Error()
	}
	switch {
	case !topics.MatchString(m.Topic):
		return "invalid request: topic invalid"
	case m.Priority < 1 || m.Priority > 5:
		return "invalid request: priority invalid"
	case len(m.Message) > 4096:
		return "the message would become an attachment"
	case m.SequenceID != "" && !sequences.MatchString(m.SequenceID):
		return "invalid request: sequence ID invalid"
	case m.Click != "" && !absolute(m.Click):
		return "invalid request: click is not a URL"
	case len(m.Actions) > 3:
		return "invalid request: actions invalid; only 3 actions allowed"
	}
	for _, a := range m.Actions {
		if a.Action != "view" || a.Label == "" || !absolute(a.URL) {
			return "invalid request: actions invalid"
		}
	}
	return ""
}

func (s *Server) publish(w http.ResponseWriter, m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Old {
		m.SequenceID = ""
	}
	s.messages = append(s.messages, m)
	i := slices.IndexFunc(s.shown, func(o Message) bool { return m.SequenceID != "" && o.SequenceID == m.SequenceID })
	if i >= 0 {
		s.shown[i] = m
	} else {
		s.shown = append(s.shown, m)
	}
	answer := map[string]any{
		"id": fmt.Sprintf("hwQ2YpKd%04d", len(s.messages)), "time": 1761700000, "event": "message", "topic": m.Topic,
		"message": m.Message,
	}
	if m.SequenceID != "" {
		answer["sequence_id"] = m.SequenceID
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

func refuse(w http.ResponseWriter, status, code int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"code": code, "http": status, "error": text, "link": "https://ntfy.sh/docs/"})
}

func absolute(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.IsAbs() && u.Host != ""
}
