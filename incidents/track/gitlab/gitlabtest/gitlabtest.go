// Package gitlabtest is a fake of GitLab's REST API of issues: it refuses what GitLab refuses, keeps the issues and fails on
// demand. It leaves out pages of a list, permissions and everything else.
package gitlabtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/notifytest"
	"github.com/nines-sre/nines/incidents/track"
)

// What the fake knows.
const (
	Token   = "glpat-0kQ9vR2mT8yWc5bL7hXn"
	Project = "example/shop"
)

// Issue is one issue.
type Issue struct {
	Number  int       `json:"iid"`
	URL     string    `json:"web_url"`
	Title   string    `json:"title"`
	Body    string    `json:"description"`
	State   string    `json:"state"`
	Due     *string   `json:"due_date"`
	Labels  []string  `json:"labels"`
	Created time.Time `json:"created_at"`
}

// Server is the fake. Its methods are safe for concurrent use.
type Server struct {
	*notifytest.Server
	mu     sync.Mutex
	issues []*Issue
	next   int
}

// New starts a fake that stops with the test.
func New(t testing.TB) *Server {
	s := &Server{}
	s.Server = notifytest.Start(t, s, func(status int) string { return fmt.Sprintf(`{"message":"fails with %d, %s"}`, status, Token) })
	return s
}

// Tickets implements tracktest.Vendor.
func (s *Server) Tickets() []track.Ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []track.Ticket
	for _, i := range s.issues {
		out = append(out, track.Ticket{Key: fmt.Sprint(i.Number), URL: i.URL})
	}
	return out
}

// Change implements tracktest.Vendor.
func (s *Server) Change(key string, f track.Fields) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(key)
	i.Title, i.Due, i.State = f.Title, &f.Due, "opened"
	if f.State != incidents.ActionOpen {
		i.State = "closed"
	}
}

// Remove implements tracktest.Vendor.
func (s *Server) Remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issues = slices.DeleteFunc(s.issues, func(i *Issue) bool { return fmt.Sprint(i.Number) == key })
}

func (s *Server) find(key string) *Issue {
	for _, i := range s.issues {
		if fmt.Sprint(i.Number) == key {
			return i
		}
	}
	return nil
}

// ServeHTTP is the API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/api/v4/projects/"+strings.ReplaceAll(Project, "/", "%2F"))
	switch {
	case r.Header.Get("Private-Token") != Token:
		s.say(w, http.StatusUnauthorized, map[string]any{"message": "401 Unauthorized"})
	case !ok:
		s.say(w, http.StatusNotFound, map[string]any{"message": "404 Project Not Found"})
	case path == "" && r.Method == http.MethodGet:
		s.say(w, 200, map[string]any{"path_with_namespace": Project, "issues_access_level": "enabled", "archived": false})
	case path == "/issues" && r.Method == http.MethodGet:
		s.list(w, r)
	case path == "/issues" && r.Method == http.MethodPost:
		s.next++
		i := &Issue{Number: s.next, URL: fmt.Sprintf("https://gitlab.com/%s/-/issues/%d", Project, s.next), State: "opened", Created: time.Now()}
		if s.set(w, r, i) {
			s.issues = append(s.issues, i)
			s.say(w, http.StatusCreated, i)
		}
	default:
		i := s.find(strings.TrimPrefix(path, "/issues/"))
		switch {
		case i == nil:
			s.say(w, http.StatusNotFound, map[string]any{"message": "404 Issue Not Found"})
		case r.Method == http.MethodPut && !s.set(w, r, i):
		default:
			s.say(w, 200, i)
		}
	}
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	after, err := time.Parse(time.RFC3339, q.Get("created_after"))
	if err != nil || q.Get("in") != "description" || !slices.Contains([]string{"all", "created_by_me", "assigned_to_me"}, q.Get("scope")) {
		s.refuse(w, "created_after is invalid")
		return
	}
	found := []*Issue{}
	for _, i := range slices.Backward(s.issues) {
		if slices.Contains(i.Labels, q.Get("labels")) && i.Created.After(after) && strings.Contains(i.Body, q.Get("search")) {
			found = append(found, i)
		}
	}
	s.say(w, 200, found)
}

// set takes over what a request says of an issue, and reports whether it may be so.
func (s *Server) set(w http.ResponseWriter, r *http.Request, i *Issue) bool {
	var q struct {
		Title  *string `json:"title"`
		Body   *string `json:"description"`
		Labels *string `json:"labels"`
		Due    *string `json:"due_date"`
		Event  *string `json:"state_event"`
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		return s.refuse(w, err.Error())
	}
	if q.Title != nil {
		i.Title = *q.Title
	}
	if i.Title == "" || len([]rune(i.Title)) > 255 {
		return s.refuse(w, "title is too long (maximum is 255 characters)")
	}
	if q.Due != nil {
		if _, err := time.Parse(time.DateOnly, *q.Due); err != nil && *q.Due != "" {
			return s.refuse(w, "due_date is invalid")
		}
		if i.Due = q.Due; *q.Due == "" {
			i.Due = nil
		}
	}
	if q.Body != nil {
		if i.Body = *q.Body; strings.HasPrefix(i.Body, "/") || strings.Contains(i.Body, "\n/") {
			return s.refuse(w, "description has a quick action that nobody meant")
		}
	}
	if q.Labels != nil {
		i.Labels = strings.Split(*q.Labels, ",")
	}
	switch {
	case q.Event == nil:
	case *q.Event == "close" && r.Method == http.MethodPut:
		i.State = "closed"
	case *q.Event == "reopen" && r.Method == http.MethodPut:
		i.State = "opened"
	default:
		return s.refuse(w, "state_event does not have a valid value")
	}
	return true
}

func (s *Server) refuse(w http.ResponseWriter, words string) bool {
	s.Refuse(words)
	s.say(w, http.StatusBadRequest, map[string]any{"error": words})
	return false
}

func (s *Server) say(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
