// Package lineartest is a fake of Linear's GraphQL API: it refuses what its schema refuses, keeps the issues and fails on demand.
// It leaves out everything that we do not ask for.
package lineartest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/notifytest"
	"github.com/nines-sre/nines/incidents/track"
	"github.com/nines-sre/nines/incidents/track/tracktest"
)

// What the fake knows.
const (
	Key  = "lin_api_0kQ9vR2mT8yWc5bL7hXn"
	Team = "9cfb482a-81e3-4154-b5b9-2c805e70a02d"
)

type state struct {
	ID       string  `json:"id"`
	Name     string  `json:"name"`
	Type     string  `json:"type"`
	Position float64 `json:"position"`
}

var states = []state{
	{"s-backlog", "Backlog", "backlog", 0}, {"s-later", "Later", "unstarted", 3}, {"s-todo", "Todo", "unstarted", 1}, {"s-doing", "In Progress", "started", 2},
	{"s-done", "Done", "completed", 3}, {"s-canceled", "Canceled", "canceled", 4},
}

func stateOf(id string) state {
	return states[slices.IndexFunc(states, func(s state) bool { return s.ID == id })]
}

// Issue is one issue.
type Issue struct {
	ID, Key, Title, Description, State string
	Due                                any
}

func (i Issue) json() map[string]any {
	return map[string]any{"identifier": i.Key, "url": "https://linear.app/example/issue/" + i.Key, "title": i.Title, "dueDate": i.Due, "state": stateOf(i.State)}
}

// Server is the fake. Its methods are safe for concurrent use.
type Server struct {
	*notifytest.Server
	mu     sync.Mutex
	issues []*Issue
}

// New starts a fake that stops with the test.
func New(t testing.TB) *Server {
	s := &Server{}
	s.Server = notifytest.Start(t, s, func(status int) string {
		return fmt.Sprintf(`{"errors":[{"message":"fails with %d, %s"}]}`, status, Key)
	})
	return s
}

// Tickets implements tracktest.Vendor.
func (s *Server) Tickets() []track.Ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []track.Ticket
	for _, i := range s.issues {
		out = append(out, track.Ticket{Key: i.Key})
	}
	return out
}

// Change implements tracktest.Vendor.
func (s *Server) Change(key string, f track.Fields) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(key)
	i.Title, i.Due = f.Title, f.Due
	i.State = map[incidents.ActionState]string{incidents.ActionOpen: "s-doing", incidents.ActionDone: "s-done", incidents.ActionDropped: "s-canceled"}[f.State]
}

// Remove implements tracktest.Vendor.
func (s *Server) Remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issues = slices.DeleteFunc(s.issues, func(i *Issue) bool { return i.Key == key })
}

func (s *Server) find(key string) *Issue {
	for _, i := range s.issues {
		if i.Key == key || i.ID == key {
			return i
		}
	}
	return nil
}

var schema = map[string]tracktest.Field{
	"issue":       {Args: map[string]string{"id": "String!"}, Selected: []string{"identifier", "url", "title", "dueDate", "state", "id", "name", "type", "position"}},
	"team":        {Args: map[string]string{"id": "String!"}, Selected: []string{"name", "key", "states", "nodes", "id", "type", "position"}},
	"issueCreate": {Args: map[string]string{"input": "IssueCreateInput!"}, Selected: []string{"success", "issue", "identifier", "url", "title", "dueDate", "state", "id", "name", "type", "position"}},
	"issueUpdate": {Args: map[string]string{"id": "String!", "input": "IssueUpdateInput!"}, Selected: []string{"success"}},
}

// ServeHTTP is the API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var q struct {
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables"`
	}
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Authorization") != Key {
		s.fail(w, http.StatusBadRequest, "Authentication required, not authenticated", "AUTHENTICATION_ERROR")
		return
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		s.refuse(w, "the request is no GraphQL operation as JSON")
		return
	}
	o, err := tracktest.ReadOperation(q.Query)
	if err == nil {
		err = o.Check(schema, q.Variables)
	}
	if err != nil {
		s.refuse(w, err.Error())
		return
	}
	s.answer(w, o.Field, q.Variables)
}

func (s *Server) answer(w http.ResponseWriter, field string, v map[string]any) {
	id, _ := v["id"].(string)
	input, _ := v["input"].(map[string]any)
	switch i := s.find(id); field {
	case "team":
		if id != Team {
			s.fail(w, http.StatusOK, "Entity not found: Team", "INPUT_ERROR")
			return
		}
		s.say(w, field, map[string]any{"name": "Operations", "key": "OPS", "states": map[string]any{"nodes": states}})
	case "issueCreate":
		if words := s.create(input); words != "" {
			s.refuse(w, words)
			return
		}
		s.say(w, field, map[string]any{"success": true, "issue": s.issues[len(s.issues)-1].json()})
	default:
		if i == nil {
			s.fail(w, http.StatusOK, "Entity not found: Issue", "INPUT_ERROR")
			return
		}
		if field == "issue" {
			s.say(w, field, i.json())
			return
		}
		if words := i.set(input, "title", "dueDate", "stateId"); words != "" {
			s.refuse(w, words)
			return
		}
		s.say(w, field, map[string]any{"success": true})
	}
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func (s *Server) create(input map[string]any) string {
	id, _ := input["id"].(string)
	switch {
	case input["teamId"] != Team:
		return "Argument Validation Error: teamId must be a UUID of a team"
	case !uuid.MatchString(id):
		return "Argument Validation Error: id must be a UUID v4"
	case s.find(id) != nil:
		return "Entity already exists"
	}
	i := &Issue{ID: id, Key: fmt.Sprintf("OPS-%d", len(s.issues)+1), State: "s-backlog"}
	if words := i.set(input, "id", "teamId", "title", "description", "dueDate", "stateId"); words != "" {
		return words
	}
	if i.Title == "" {
		return "Argument Validation Error: title should not be empty"
	}
	s.issues = append(s.issues, i)
	return ""
}

func (i *Issue) set(input map[string]any, known ...string) string {
	if unknown := tracktest.Unknown(input, known...); len(unknown) > 0 {
		return "Field \"" + strings.Join(unknown, ", ") + "\" is not defined by type IssueInput."
	}
	for name, value := range input {
		text, isText := value.(string)
		switch name {
		case "title":
			if i.Title = text; !isText || text == "" || len([]rune(text)) > 255 {
				return "Argument Validation Error: title must be shorter than or equal to 255 characters"
			}
		case "description":
			i.Description = text
		case "dueDate":
			if _, err := time.Parse(time.DateOnly, text); err != nil && value != nil {
				return "Argument Validation Error: dueDate is no TimelessDate"
			}
			i.Due = value
		case "stateId":
			if i.State = text; !slices.ContainsFunc(states, func(s state) bool { return s.ID == text }) {
				return "Entity not found: WorkflowState"
			}
		}
	}
	return ""
}

func (s *Server) refuse(w http.ResponseWriter, words string) {
	s.Refuse(words)
	s.fail(w, http.StatusBadRequest, words, "GRAPHQL_VALIDATION_FAILED")
}

func (s *Server) fail(w http.ResponseWriter, status int, words, code string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]any{"message": words, "extensions": map[string]any{"code": code}}}, "data": nil})
}

func (s *Server) say(w http.ResponseWriter, field string, v any) {
	_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{field: v}})
}
