// Package opsgenietest is a fake of Opsgenie's alert API: it refuses what the documented schema refuses, deduplicates by
// alias as Opsgenie does and fails on demand. It leaves out who is called.
package opsgenietest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/nines-sre/nines/incidents/notify/notifytest"
)

// Key is the integration's API key.
const Key = "eb243592-faa2-4ba2-a551-1afdf565c889"

// Request is what a sender writes: an alert, or a remark on one.
type Request struct {
	Message     string            `json:"message"`
	Alias       string            `json:"alias"`
	Description string            `json:"description"`
	Priority    string            `json:"priority"`
	Tags        []string          `json:"tags"`
	Details     map[string]string `json:"details"`
	Entity      string            `json:"entity"`
	Source      string            `json:"source"`
	User        string            `json:"user"`
	Note        string            `json:"note"`
}

// Alert is one alert as Opsgenie would show it.
type Alert struct {
	Request
	Status       string // "open" or "closed"
	Acknowledged bool
	Count        int // how often it was triggered while it was open
	By           string
}

// Server is the fake. Its methods are safe for concurrent use.
type Server struct {
	*notifytest.Server

	mu       sync.Mutex
	alerts   []*Alert
	requests int
}

// New starts a fake that stops with the test.
func New(t testing.TB) *Server {
	s := &Server{}
	s.Server = notifytest.Start(t, s, func(status int) string {
		return fmt.Sprintf(`{"message":"told to answer %d","took":0.001,"requestId":"8743a1b2-11da-480e-8493-744660987bef"}`, status)
	})
	return s
}

// Alerts returns every alert so far, in order of opening.
func (s *Server) Alerts() []Alert {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Alert
	for _, a := range s.alerts {
		out = append(out, *a)
	}
	return out
}

var actions = regexp.MustCompile(`(?s)^/v2/alerts/(.+)/(acknowledge|close)$`)

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	action := actions.FindStringSubmatch(r.URL.Path)
	var request Request
	switch {
	case r.Header.Get("Authorization") != "GenieKey "+Key:
		answer(w, http.StatusUnauthorized, map[string]any{"message": "Could not authenticate"})
		return
	case r.Method != http.MethodPost || (r.URL.Path != "/v2/alerts" && action == nil):
		answer(w, http.StatusNotFound, map[string]any{"message": "Could not find the resource"})
		return
	case r.Header.Get("Content-Type") != "application/json":
		s.Refuse("the body is not JSON")
		answer(w, http.StatusUnsupportedMediaType, map[string]any{"message": "Unsupported media type"})
		return
	case err != nil || decode(body, &request) != nil:
		s.Refuse(fmt.Sprintf("the body cannot be read: %s", body))
		answer(w, http.StatusBadRequest, map[string]any{"message": "Could not parse JSON"})
		return
	}
	problems := request.check(action != nil)
	if action != nil && r.URL.Query().Get("identifierType") != "alias" {
		problems["identifierType"] = "must be alias, because that is what the path names"
	}
	if len(problems) > 0 {
		for field, text := range problems {
			s.Refuse(field + " " + text)
		}
		answer(w, http.StatusUnprocessableEntity, map[string]any{
			"message": "Request body is not processable. Please check the errors.", "errors": problems,
		})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if action == nil {
		s.create(request)
	} else {
		s.act(action[1], action[2], request)
	}
	s.requests++
	answer(w, http.StatusAccepted, map[string]any{
		"result": "Request will be processed", "took": 0.302, "requestId": fmt.Sprintf("43a29c5c-3dbf-4fa4-9c26-%012d", s.requests),
	})
}

func decode(body []byte, r *Request) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	return dec.Decode(r)
}

func (r Request) check(remark bool) map[string]string {
	problems := map[string]string{}
	most := func(field, text string, n int) {
		if utf8.RuneCountInString(text) > n {
			problems[field] = fmt.Sprintf("cannot be longer than %d characters", n)
		}
	}
	most("message", r.Message, 130)
	most("alias", r.Alias, 512)
	most("description", r.Description, 15_000)
	most("entity", r.Entity, 512)
	most("source", r.Source, 100)
	most("user", r.User, 100)
	most("note", r.Note, 25_000)
	total := ""
	for name, value := range r.Details {
		total += name + value
	}
	most("details", total, 8000)
	if len(r.Tags) > 20 {
		problems["tags"] = "cannot be more than 20"
	}
	for _, tag := range r.Tags {
		most("tags", tag, 50)
	}
	if !remark && r.Message == "" {
		problems["message"] = "Message can not be empty."
	}
	if !remark && !slices.Contains([]string{"P1", "P2", "P3", "P4", "P5"}, r.Priority) {
		problems["priority"] = "should be one of [ P1, P2, P3, P4, P5 ]"
	}
	return problems
}

// open needs the lock.
func (s *Server) open(alias string) *Alert {
	for _, a := range s.alerts {
		if a.Alias == alias && a.Status == "open" {
			return a
		}
	}
	return nil
}

// create needs the lock.
func (s *Server) create(r Request) {
	if a := s.open(r.Alias); a != nil {
		a.Count++
		return
	}
	s.alerts = append(s.alerts, &Alert{Request: r, Status: "open", Count: 1})
}

// act needs the lock. What names no open alert is accepted too, and nothing comes of it.
func (s *Server) act(alias, action string, r Request) {
	a := s.open(alias)
	if a == nil {
		return
	}
	a.By = r.User
	if action == "close" {
		a.Status = "closed"
		return
	}
	a.Acknowledged = true
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
