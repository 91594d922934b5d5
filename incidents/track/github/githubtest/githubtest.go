// Package githubtest is a fake of GitHub's REST API of issues: it refuses what GitHub refuses, keeps the issues and fails on
// demand. It leaves out pages of a list beyond the first, permissions and everything else.
package githubtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
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
	Token      = "github_pat_11ABCDEFG0kQ9vR2mT8yWc"
	Repository = "example/shop"
)

// Issue is one issue.
type Issue struct {
	Number  int       `json:"number"`
	URL     string    `json:"html_url"`
	Title   string    `json:"title"`
	Body    string    `json:"body"`
	State   string    `json:"state"`
	Reason  *string   `json:"state_reason"`
	Updated time.Time `json:"updated_at"`
	labels  []string
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
	i.Title, i.State, i.Reason = f.Title, "open", nil
	if f.State != incidents.ActionOpen {
		reason := map[incidents.ActionState]string{incidents.ActionDone: "completed", incidents.ActionDropped: "not_planned"}[f.State]
		i.State, i.Reason = "closed", &reason
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
	path, ok := strings.CutPrefix(r.URL.Path, "/repos/"+Repository)
	switch {
	case r.Header.Get("Authorization") != "Bearer "+Token:
		s.say(w, http.StatusUnauthorized, map[string]any{"message": "Bad credentials"})
	case !ok:
		s.say(w, http.StatusNotFound, map[string]any{"message": "Not Found"})
	case r.Header.Get("X-GitHub-Api-Version") != "2022-11-28" || r.Header.Get("Accept") != "application/vnd.github+json":
		s.refuse(w, "", "the headers name no version of the API")
	case path == "" && r.Method == http.MethodGet:
		s.say(w, 200, map[string]any{"full_name": Repository, "has_issues": true, "archived": false})
	case path == "/issues" && r.Method == http.MethodGet:
		s.list(w, r)
	case path == "/issues" && r.Method == http.MethodPost:
		s.next++
		i := &Issue{Number: s.next, URL: fmt.Sprintf("https://github.com/%s/issues/%d", Repository, s.next), State: "open", Updated: time.Now()}
		if s.set(w, r, i) {
			s.issues = append(s.issues, i)
			s.say(w, http.StatusCreated, i)
		}
	default:
		s.one(w, r, strings.TrimPrefix(path, "/issues/"))
	}
}

func (s *Server) one(w http.ResponseWriter, r *http.Request, key string) {
	i := s.find(key)
	switch {
	case i == nil:
		s.say(w, http.StatusNotFound, map[string]any{"message": "Not Found"})
	case r.Method == http.MethodPatch && !s.set(w, r, i):
	default:
		s.say(w, 200, i)
	}
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	since, err := time.Parse(time.RFC3339, q.Get("since"))
	most, badNumber := strconv.Atoi(q.Get("per_page"))
	if err != nil || badNumber != nil || most > 100 || !slices.Contains([]string{"open", "closed", "all"}, q.Get("state")) {
		s.refuse(w, "since", "invalid")
		return
	}
	found := []*Issue{}
	for _, i := range slices.Backward(s.issues) {
		if slices.Contains(i.labels, q.Get("labels")) && !i.Updated.Before(since) && len(found) < most {
			found = append(found, i)
		}
	}
	s.say(w, 200, found)
}

// set takes over what a request says of an issue, and reports whether it may be so.
func (s *Server) set(w http.ResponseWriter, r *http.Request, i *Issue) bool {
	var q struct {
		Title  *string  `json:"title"`
		Body   *string  `json:"body"`
		Labels []string `json:"labels"`
		State  *string  `json:"state"`
		Reason *string  `json:"state_reason"`
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		return s.refuse(w, "", "Problems parsing JSON: "+err.Error())
	}
	switch {
	case q.Title != nil && (*q.Title == "" || len([]rune(*q.Title)) > 256), q.Title == nil && i.Title == "":
		return s.refuse(w, "title", "missing_field")
	case q.State != nil && r.Method == http.MethodPost, q.State != nil && *q.State != "open" && *q.State != "closed":
		return s.refuse(w, "state", "invalid")
	case q.Reason != nil && !slices.Contains([]string{"completed", "not_planned", "duplicate", "reopened"}, *q.Reason):
		return s.refuse(w, "state_reason", "invalid")
	}
	if q.Title != nil {
		i.Title = *q.Title
	}
	if q.Body != nil {
		i.Body = *q.Body
	}
	if q.Labels != nil {
		i.labels = q.Labels
	}
	if q.State != nil {
		i.State, i.Reason = *q.State, q.Reason
	}
	i.Updated = time.Now()
	return true
}

func (s *Server) refuse(w http.ResponseWriter, field, code string) bool {
	s.Refuse(field + ": " + code)
	s.say(w, http.StatusUnprocessableEntity, map[string]any{"message": "Validation Failed", "errors": []any{map[string]any{"resource": "Issue", "field": field, "code": code}}})
	return false
}

func (s *Server) say(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
