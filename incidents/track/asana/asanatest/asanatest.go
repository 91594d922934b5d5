// Package asanatest is a fake of Asana's REST API of tasks: it refuses what Asana refuses, keeps the tasks, has pages of one task
// and fails on demand. It leaves out permissions and everything else.
package asanatest

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
	"github.com/nines-sre/nines/incidents/track/tracktest"
)

// What the fake knows.
const (
	Token   = "2/1201234567890123/1209876543210987:0kQ9vR2mT8yWc5bL7hXn"
	Project = "1204619611402340"
)

// Task is one task.
type Task struct {
	ID        string `json:"gid"`
	Name      string `json:"name"`
	Notes     string `json:"notes"`
	Completed bool   `json:"completed"`
	Due       any    `json:"due_on"`
	URL       string `json:"permalink_url"`
	modified  time.Time
}

// Server is the fake. Its methods are safe for concurrent use.
type Server struct {
	*notifytest.Server
	mu    sync.Mutex
	tasks []*Task
}

// New starts a fake that stops with the test.
func New(t testing.TB) *Server {
	s := &Server{}
	s.Server = notifytest.Start(t, s, func(status int) string {
		return fmt.Sprintf(`{"errors":[{"message":"fails with %d, %s"}]}`, status, Token)
	})
	return s
}

// Clutter puts tasks of others into the project.
func (s *Server) Clutter(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.tasks = append(s.tasks, s.task())
	}
}

func (s *Server) task() *Task {
	id := fmt.Sprint(1205000000000000 + len(s.tasks))
	return &Task{ID: id, URL: "https://app.asana.com/0/" + Project + "/" + id, modified: time.Now()}
}

// Tickets implements tracktest.Vendor.
func (s *Server) Tickets() []track.Ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []track.Ticket
	for _, k := range s.tasks {
		out = append(out, track.Ticket{Key: k.ID})
	}
	return out
}

// Change implements tracktest.Vendor.
func (s *Server) Change(key string, f track.Fields) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.find(key)
	k.Name, k.Due, k.Completed = f.Title, f.Due, f.State != incidents.ActionOpen
}

// Remove implements tracktest.Vendor.
func (s *Server) Remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks = slices.DeleteFunc(s.tasks, func(k *Task) bool { return k.ID == key })
}

func (s *Server) find(key string) *Task {
	for _, k := range s.tasks {
		if k.ID == key {
			return k
		}
	}
	return nil
}

// ServeHTTP is the API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := r.Method + " " + r.URL.Path
	switch {
	case r.Header.Get("Authorization") != "Bearer "+Token:
		s.fail(w, http.StatusUnauthorized, "Not Authorized")
	case at == "GET /projects/"+Project:
		s.say(w, 200, map[string]any{"data": map[string]any{"gid": Project, "name": "Operations", "archived": false}})
	case at == "GET /tasks":
		s.list(w, r)
	case at == "POST /tasks":
		k := s.task()
		if s.set(w, r, k, "name", "notes", "projects", "due_on") {
			s.tasks = append(s.tasks, k)
			s.say(w, http.StatusCreated, map[string]any{"data": k})
		}
	default:
		k := s.find(strings.TrimPrefix(r.URL.Path, "/tasks/"))
		switch {
		case k == nil:
			s.fail(w, http.StatusNotFound, "task: Unknown object: "+r.URL.Path)
		case r.Method == http.MethodPut && !s.set(w, r, k, "name", "due_on", "completed"):
		default:
			s.say(w, 200, map[string]any{"data": k})
		}
	}
}

// list has one task a page, so that whoever asks has to turn it.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	since, err := time.Parse(time.RFC3339, q.Get("modified_since"))
	limit, badLimit := strconv.Atoi(q.Get("limit"))
	if err != nil || badLimit != nil || limit < 1 || limit > 100 || q.Get("project") != Project {
		s.refuse(w, "modified_since: Not a recognized time")
		return
	}
	at, _ := strconv.Atoi(strings.TrimPrefix(q.Get("offset"), "eyJ")) // "" is the beginning
	found := []*Task{}
	for _, k := range s.tasks {
		if !k.modified.Before(since) {
			found = append(found, k)
		}
	}
	page := map[string]any{"data": []any{}, "next_page": nil}
	if at < len(found) {
		page["data"] = found[at : at+1]
	}
	if at+1 < len(found) {
		page["next_page"] = map[string]any{"offset": fmt.Sprint("eyJ", at+1)}
	}
	s.say(w, 200, page)
}

// set takes over what a request says of a task, and reports whether it may be so.
func (s *Server) set(w http.ResponseWriter, r *http.Request, k *Task, known ...string) bool {
	var q struct {
		Data map[string]any `json:"data"`
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil || q.Data == nil || r.Header.Get("Content-Type") != "application/json" {
		return s.refuse(w, "The request could not be parsed: the fields belong into data")
	}
	if unknown := tracktest.Unknown(q.Data, known...); len(unknown) > 0 {
		return s.refuse(w, "Unrecognized field: "+strings.Join(unknown, ", "))
	}
	for name, value := range q.Data {
		text, isText := value.(string)
		switch name {
		case "name":
			if k.Name = text; !isText || len([]rune(text)) > 1024 {
				return s.refuse(w, "name: Value is not a string or too long")
			}
		case "notes":
			k.Notes = text
		case "projects":
			if all, _ := value.([]any); len(all) != 1 || all[0] != Project {
				return s.refuse(w, "projects: Not a Long")
			}
		case "due_on":
			if _, err := time.Parse(time.DateOnly, text); err != nil && value != nil {
				return s.refuse(w, "due_on: Invalid date")
			}
			k.Due = value
		case "completed":
			done, isBool := value.(bool)
			if k.Completed = done; !isBool {
				return s.refuse(w, "completed: Not a boolean")
			}
		}
	}
	k.modified = time.Now()
	return true
}

func (s *Server) refuse(w http.ResponseWriter, words string) bool {
	s.Refuse(words)
	s.fail(w, http.StatusBadRequest, words)
	return false
}

func (s *Server) fail(w http.ResponseWriter, status int, words string) {
	s.say(w, status, map[string]any{"errors": []any{map[string]any{"message": words, "help": "https://developers.asana.com/docs/errors"}}})
}

func (s *Server) say(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
