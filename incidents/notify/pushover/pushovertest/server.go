// Package pushovertest is a fake of Pushover's message and receipt API: it refuses what the documented schema refuses,
// rings until an emergency is acknowledged or canceled, and fails on demand.
package pushovertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/incidents/notify/notifytest"
	"github.com/nines-sre/nines/internal/hook"
)

// The application's token, and the key of the user it writes to.
const (
	Token = "azGDORePK8gMaC0QOYAMyEEuzJnyUi"
	User  = "uQiRzpo4DXghDmr9QzzfQu27cmVRsG"
)

// Message is a message that was accepted.
type Message struct {
	Title, Text, URL, Callback string
	Priority                   int
	Tags                       []string
	Receipt                    string // of an emergency
	Canceled                   bool
	AcknowledgedAt             time.Time
}

// Rings reports whether the message is an emergency that nobody has stopped yet.
func (m Message) Rings() bool { return m.Receipt != "" && !m.Canceled && m.AcknowledgedAt.IsZero() }

// Server is the fake. Its methods are safe for concurrent use.
type Server struct {
	*notifytest.Server

	mu       sync.Mutex
	messages []*Message
	requests int
}

// New starts a fake that stops with the test.
func New(t testing.TB) *Server {
	s := &Server{}
	s.Server = notifytest.Start(t, s, func(status int) string {
		return fmt.Sprintf(`{"errors":["told to answer %d"],"status":0,"request":"e460545a-9d2d-4ab0-bb4e-9e8a6b3b0a10"}`, status)
	})
	return s
}

// Messages returns the accepted messages, in order.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Message
	for _, m := range s.messages {
		out = append(out, *m)
	}
	return out
}

// Acknowledge is what the user does on a telephone: it stops an emergency and returns what Pushover then posts to the
// message's callback.
func (s *Server) Acknowledge(receipt string, at time.Time) hook.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.find(receipt)
	m.AcknowledgedAt = at
	return Callback(m.Callback, receipt, at)
}

// Callback is a call as Pushover makes it, and as anybody can make it, because it is not signed.
func Callback(address, receipt string, at time.Time) hook.Request {
	form := url.Values{
		"receipt": {receipt}, "acknowledged": {"1"}, "acknowledged_at": {strconv.FormatInt(at.Unix(), 10)},
		"acknowledged_by": {User}, "acknowledged_by_device": {"phone"},
	}
	return hook.Request{
		Method: http.MethodPost, URL: address, Body: []byte(form.Encode()), At: at,
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
	}
}

// find needs the lock.
func (s *Server) find(receipt string) *Message {
	i := slices.IndexFunc(s.messages, func(m *Message) bool { return receipt != "" && m.Receipt == receipt })
	if i < 0 {
		return nil
	}
	return s.messages[i]
}

var paths = regexp.MustCompile(`^/1/(?:(messages)\.json|receipts/cancel_by_tag/([^/]+)\.json|` +
	`receipts/([^/]+)/cancel\.json|receipts/([^/]+)\.json)$`)

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := paths.FindStringSubmatch(r.URL.Path)
	if path == nil {
		s.answer(w, http.StatusNotFound, "not found")
		return
	}
	if err := r.ParseForm(); err != nil {
		s.answer(w, http.StatusBadRequest, "the body is not a form")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.Form.Get("token") != Token:
		s.answer(w, http.StatusBadRequest, "application token is invalid, see https://pushover.net/api")
	case path[4] != "" && r.Method == http.MethodGet:
		s.status(w, path[4])
	case r.Method != http.MethodPost:
		s.answer(w, http.StatusMethodNotAllowed, "method not allowed")
	case path[1] != "":
		s.create(w, r.PostForm)
	case path[2] != "":
		s.cancel(w, func(m *Message) bool { return slices.Contains(m.Tags, path[2]) }, true)
	default:
		s.cancel(w, func(m *Message) bool { return m.Receipt == path[3] }, false)
	}
}

var known = []string{
	"token", "user", "message", "title", "priority", "retry", "expire", "tags", "callback", "url", "url_title", "timestamp",
}

func check(form url.Values) []string {
	var problems []string
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for name, most := range map[string]int{"message": 1024, "title": 250, "url": 512, "url_title": 100} {
		if text := form.Get(name); utf8.RuneCountInString(text) > most || !utf8.ValidString(text) {
			bad("%s is longer than %d characters, or not UTF-8", name, most)
		}
	}
	for name := range form {
		if !slices.Contains(known, name) {
			bad("unknown parameter %s", name)
		}
	}
	if strings.TrimSpace(form.Get("message")) == "" {
		bad("message cannot be blank")
	}
	number := func(name string) int {
		n, err := strconv.Atoi(form.Get(name))
		if err != nil {
			bad("%s is not a number", name)
		}
		return n
	}
	priority := number("priority")
	if priority < -2 || priority > 2 {
		bad("priority is invalid, can only be one of -2, -1, 0, 1, or 2")
	}
	if priority == 2 && (number("retry") < 30 || number("expire") > 10800 || number("expire") < 1) {
		bad("retry must be at least 30 and expire at most 10800 seconds with priority=2")
	}
	return problems
}

// create needs the lock.
func (s *Server) create(w http.ResponseWriter, form url.Values) {
	if form.Get("user") != User {
		s.answer(w, http.StatusBadRequest, "user identifier is not a valid user, group, or subscribed user key")
		return
	}
	if problems := check(form); len(problems) > 0 {
		s.Refuse(problems...)
		s.answer(w, http.StatusBadRequest, problems...)
		return
	}
	m := &Message{Title: form.Get("title"), Text: form.Get("message"), URL: form.Get("url"), Callback: form.Get("callback")}
	m.Priority, _ = strconv.Atoi(form.Get("priority"))
	if m.Priority == 2 {
		m.Receipt, m.Tags = fmt.Sprintf("r%029d", len(s.messages)+1), strings.Split(form.Get("tags"), ",")
	}
	s.messages = append(s.messages, m)
	more := map[string]any{}
	if m.Receipt != "" {
		more["receipt"] = m.Receipt
	}
	s.write(w, http.StatusOK, more)
}

// cancel needs the lock.
func (s *Server) cancel(w http.ResponseWriter, which func(*Message) bool, byTag bool) {
	canceled := 0
	for _, m := range s.messages {
		if which(m) && m.Rings() {
			m.Canceled = true
			canceled++
		}
	}
	if canceled == 0 && !byTag {
		s.answer(w, http.StatusNotFound, "receipt not found; may be invalid or expired")
		return
	}
	s.write(w, http.StatusOK, map[string]any{"canceled": canceled})
}

// status needs the lock.
func (s *Server) status(w http.ResponseWriter, receipt string) {
	m := s.find(receipt)
	if m == nil {
		s.answer(w, http.StatusNotFound, "receipt not found; may be invalid or expired")
		return
	}
	more := map[string]any{
		"acknowledged": 0, "acknowledged_at": 0, "acknowledged_by": "", "acknowledged_by_device": "", "expired": 0,
	}
	if !m.AcknowledgedAt.IsZero() {
		more["acknowledged"], more["acknowledged_at"] = 1, m.AcknowledgedAt.Unix()
		more["acknowledged_by"], more["acknowledged_by_device"] = User, "phone"
	}
	s.write(w, http.StatusOK, more)
}

func (s *Server) answer(w http.ResponseWriter, status int, problems ...string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": 0, "errors": problems, "request": "e460545a-9d2d-4ab0-bb4e-9e8a6b3b0a10"})
}

// write needs the lock.
func (s *Server) write(w http.ResponseWriter, status int, more map[string]any) {
	s.requests++
	more["status"], more["request"] = 1, fmt.Sprintf("647d2300-702c-4b38-8b2f-%012d", s.requests)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(more)
}
