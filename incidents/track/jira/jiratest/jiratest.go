// Package jiratest is a fake of Jira Cloud's REST API version 3, as far as we use it: it refuses what Jira refuses, keeps the
// issues and fails on demand. It leaves out permissions, screens and everything about boards.
package jiratest

import (
	"encoding/json"
	"fmt"
	"io"
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
)

// What the site knows.
const (
	User    = "nines@example.com"
	Token   = "ATATT3xFfGF0kQ9vR2mT8yWc5bL7hXnEoAjUd2fGs"
	Project = "OPS"
)

// Issue is one issue.
type Issue struct {
	Key, Summary, Due, Status, Assignee string
	Labels                              []string
	Lines                               []string // of the description
}

// Server is the fake. Its methods are safe for concurrent use.
type Server struct {
	*notifytest.Server
	mu     sync.Mutex
	issues []Issue
	next   int
	stuck  bool
}

// New starts a site that stops with the test.
func New(t testing.TB) *Server {
	s := &Server{}
	s.Server = notifytest.Start(t, s, func(status int) string {
		return fmt.Sprintf(`{"errorMessages":["fails with %d, Basic %s"],"errors":{}}`, status, Token)
	})
	return s
}

// Issues returns the issues in the order in which they were made.
func (s *Server) Issues() []Issue {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.issues)
}

// Move sets an issue's status, as somebody does in Jira.
func (s *Server) Move(key, status string) {
	s.with(key, func(i *Issue) { i.Status = status })
}

// Stick makes the workflow lead nowhere.
func (s *Server) Stick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stuck = true
}

// Tickets implements tracktest.Vendor.
func (s *Server) Tickets() []track.Ticket {
	var out []track.Ticket
	for _, i := range s.Issues() {
		out = append(out, track.Ticket{Key: i.Key, Fields: track.Fields{Title: i.Summary, Due: i.Due}})
	}
	return out
}

// Change implements tracktest.Vendor.
func (s *Server) Change(key string, f track.Fields) {
	s.with(key, func(i *Issue) {
		i.Summary, i.Due = f.Title, f.Due
		i.Status = map[incidents.ActionState]string{incidents.ActionDone: "Done", incidents.ActionDropped: "Won't Do", incidents.ActionOpen: "To Do"}[f.State]
	})
}

// Remove implements tracktest.Vendor.
func (s *Server) Remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issues = slices.DeleteFunc(s.issues, func(i Issue) bool { return i.Key == key })
}

func (s *Server) with(key string, do func(*Issue)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range s.issues {
		if s.issues[n].Key == key {
			do(&s.issues[n])
			return true
		}
	}
	return false
}

type status struct{ id, name, category string }

var workflow = []status{{"11", "To Do", "new"}, {"21", "In Progress", "indeterminate"}, {"31", "Done", "done"}, {"41", "Won't Do", "done"}}

func statusNamed(name string) status {
	return workflow[slices.IndexFunc(workflow, func(s status) bool { return s.name == name })]
}

func (st status) json() map[string]any {
	return map[string]any{"id": st.id, "name": st.name, "statusCategory": map[string]any{"id": 2, "key": st.category}}
}

// problem is a refusal: a field's, or a general one where that is "".
type problem struct {
	status       int
	field, words string
}

func bad(field, words string, args ...any) *problem {
	return &problem{http.StatusBadRequest, field, fmt.Sprintf(words, args...)}
}

var gone = &problem{http.StatusNotFound, "", "Issue does not exist or you do not have permission to see it."}

// ServeHTTP is the API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, token, ok := r.BasicAuth()
	var answer any
	code, p := http.StatusOK, &problem{http.StatusUnauthorized, "", "Client must be authenticated to access this resource."}
	if ok && user == User && token == Token {
		code, answer, p = s.route(r)
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	if p == nil {
		w.WriteHeader(code)
		if answer != nil {
			_ = json.NewEncoder(w).Encode(answer)
		}
		return
	}
	if p.status == http.StatusBadRequest {
		s.Refuse(p.field + ": " + p.words)
	}
	said := map[string]any{"errorMessages": []string{}, "errors": map[string]string{}}
	if said["errors"] = map[string]string{p.field: p.words}; p.field == "" {
		said["errorMessages"], said["errors"] = []string{p.words}, map[string]string{}
	}
	w.WriteHeader(p.status)
	_ = json.NewEncoder(w).Encode(said)
}

func (s *Server) route(r *http.Request) (int, any, *problem) {
	path, ok := strings.CutPrefix(r.URL.Path, "/rest/api/3/")
	body, _ := io.ReadAll(r.Body) // a body that is cut off is not JSON
	parts := strings.Split(path, "/")
	switch at := r.Method + " " + parts[0]; {
	case !ok:
		return 0, nil, &problem{http.StatusNotFound, "", "null for uri: " + r.URL.Path}
	case (r.Method == http.MethodPost || r.Method == http.MethodPut) && r.Header.Get("Content-Type") != "application/json":
		return 0, nil, &problem{http.StatusUnsupportedMediaType, "", "Unsupported Media Type"}
	case at == "GET project" && len(parts) == 2:
		if parts[1] != Project {
			return 0, nil, &problem{http.StatusNotFound, "", "No project could be found with key '" + parts[1] + "'."}
		}
		return 200, map[string]any{"key": Project, "name": "Operations", "issueTypes": []any{map[string]any{"name": "Task"}, map[string]any{"name": "Bug"}}}, nil
	case at == "GET user" && path == "user/search":
		return 200, people(r.URL.Query().Get("query")), nil
	case at == "POST search" && path == "search/jql":
		return s.search(body)
	case at == "POST issue" && len(parts) == 1:
		return s.create(body)
	case parts[0] == "issue" && len(parts) == 2:
		return s.issue(r, parts[1], body)
	case parts[0] == "issue" && len(parts) == 3 && parts[2] == "transitions":
		return s.transitions(r.Method, parts[1], body)
	}
	return 0, nil, &problem{http.StatusNotFound, "", "null for uri: " + r.URL.Path}
}

func people(query string) any {
	if query == "ana@example.com" {
		return []any{map[string]any{"accountId": "5b10ac8d82e05b22cc7d4ef5", "emailAddress": query}}
	}
	return []any{}
}

var jqlForm = regexp.MustCompile(`^project = "([A-Z]+)" AND labels = "([^"\\ ]+)" ORDER BY created ASC$`)

func (s *Server) search(body []byte) (int, any, *problem) {
	var q struct {
		JQL    string   `json:"jql"`
		Fields []string `json:"fields"`
		Most   int      `json:"maxResults"`
	}
	if err := strict(body, &q); err != nil {
		return 0, nil, err
	}
	m := jqlForm.FindStringSubmatch(q.JQL)
	if m == nil || m[1] != Project {
		return 0, nil, bad("", "Error in the JQL Query: %s", q.JQL)
	}
	found := []any{}
	for _, i := range s.Issues() {
		if slices.Contains(i.Labels, m[2]) && len(found) < q.Most {
			found = append(found, i.json(q.Fields))
		}
	}
	return 200, map[string]any{"issues": found, "isLast": true}, nil
}

// json shows the fields that are asked for: without any there are none.
func (i Issue) json(fields []string) any {
	all := map[string]any{"summary": i.Summary, "status": statusNamed(i.Status).json(), "duedate": nil, "labels": i.Labels}
	if i.Due != "" {
		all["duedate"] = i.Due
	}
	shown := map[string]any{}
	for _, f := range fields {
		shown[f] = all[f]
	}
	return map[string]any{"id": "1" + strings.TrimPrefix(i.Key, Project+"-"), "key": i.Key, "fields": shown}
}

func strict(body []byte, v any) *problem {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return bad("", "Invalid request payload. Refer to the REST API documentation and try again. (%v)", err)
	}
	return nil
}

func (s *Server) create(body []byte) (int, any, *problem) {
	var q struct {
		Fields map[string]json.RawMessage `json:"fields"`
	}
	if p := strict(body, &q); p != nil {
		return 0, nil, p
	}
	i := Issue{Status: "To Do"}
	for _, field := range []string{"project", "issuetype", "summary"} {
		if q.Fields[field] == nil {
			return 0, nil, bad(field, "%s is required", field)
		}
	}
	if p := i.set(q.Fields, true); p != nil {
		return 0, nil, p
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	i.Key = fmt.Sprintf("%s-%d", Project, s.next)
	s.issues = append(s.issues, i)
	return http.StatusCreated, map[string]any{"id": fmt.Sprint(10000 + s.next), "key": i.Key, "self": s.URL + "/rest/api/3/issue/" + i.Key}, nil
}

func (s *Server) issue(r *http.Request, key string, body []byte) (int, any, *problem) {
	switch r.Method {
	case http.MethodGet:
		for _, i := range s.Issues() {
			if i.Key == key {
				return 200, i.json(strings.Split(r.URL.Query().Get("fields"), ",")), nil
			}
		}
	case http.MethodPut:
		var q struct {
			Fields map[string]json.RawMessage `json:"fields"`
		}
		if p := strict(body, &q); p != nil {
			return 0, nil, p
		}
		var p *problem
		if s.with(key, func(i *Issue) { p = i.set(q.Fields, false) }) {
			return http.StatusNoContent, nil, p
		}
	}
	return 0, nil, gone
}

func (s *Server) transitions(method, key string, body []byte) (int, any, *problem) {
	ways := []any{}
	s.mu.Lock()
	for _, st := range workflow {
		if !s.stuck {
			ways = append(ways, map[string]any{"id": st.id, "name": "to " + st.name, "to": st.json()})
		}
	}
	s.mu.Unlock()
	if method == http.MethodGet {
		return 200, map[string]any{"expand": "transitions", "transitions": ways}, nil
	}
	var q struct {
		Transition struct {
			ID string `json:"id"`
		} `json:"transition"`
	}
	if p := strict(body, &q); p != nil {
		return 0, nil, p
	}
	at := slices.IndexFunc(workflow, func(st status) bool { return st.id == q.Transition.ID })
	if at < 0 || len(ways) == 0 {
		return 0, nil, bad("", "Transition id '%s' is not valid for this issue.", q.Transition.ID)
	}
	if !s.with(key, func(i *Issue) { i.Status = workflow[at].name }) {
		return 0, nil, gone
	}
	return http.StatusNoContent, nil, nil
}

// set takes over fields as a create or edit screen does.
func (i *Issue) set(fields map[string]json.RawMessage, creates bool) *problem {
	for name, raw := range fields {
		var p *problem
		switch name {
		case "summary":
			p = i.setSummary(raw)
		case "duedate":
			p = i.setDue(raw)
		case "labels":
			p = i.setLabels(raw)
		case "description":
			p = i.setDescription(raw)
		case "project", "issuetype", "assignee":
			if !creates {
				return bad(name, "Field '%s' cannot be set. It is not on the appropriate screen, or unknown.", name)
			}
			p = i.setReference(name, raw)
		default:
			p = bad(name, "Field '%s' cannot be set. It is not on the appropriate screen, or unknown.", name)
		}
		if p != nil {
			return p
		}
	}
	return nil
}

func (i *Issue) setSummary(raw json.RawMessage) *problem {
	switch {
	case json.Unmarshal(raw, &i.Summary) != nil:
		return bad("summary", "Operation value must be a string")
	case i.Summary == "":
		return bad("summary", "You must specify a summary of the issue.")
	case strings.ContainsAny(i.Summary, "\r\n"):
		return bad("summary", "The summary is invalid because it contains newline characters.")
	case len([]rune(i.Summary)) > 255:
		return bad("summary", "Summary must be less than 255 characters.")
	}
	return nil
}

func (i *Issue) setDue(raw json.RawMessage) *problem {
	i.Due = ""
	if string(raw) == "null" {
		return nil
	}
	if json.Unmarshal(raw, &i.Due) != nil {
		return bad("duedate", "Operation value must be a string")
	}
	if _, err := time.Parse(time.DateOnly, i.Due); err != nil {
		return bad("duedate", "Error parsing date string: %s", i.Due)
	}
	return nil
}

func (i *Issue) setLabels(raw json.RawMessage) *problem {
	if json.Unmarshal(raw, &i.Labels) != nil {
		return bad("labels", "Operation value must be an array")
	}
	for _, l := range i.Labels {
		if strings.ContainsRune(l, ' ') {
			return bad("labels", "The label '%s' contains spaces which is invalid.", l)
		}
	}
	return nil
}

func (i *Issue) setReference(name string, raw json.RawMessage) *problem {
	var ref map[string]string
	if json.Unmarshal(raw, &ref) != nil || len(ref) != 1 {
		return bad(name, "data was not an object")
	}
	switch {
	case name == "project" && ref["key"] != Project:
		return bad("project", "valid project is required")
	case name == "issuetype" && ref["name"] != "Task" && ref["name"] != "Bug":
		return bad("issuetype", "Specify a valid issue type")
	case name == "assignee":
		if i.Assignee = ref["accountId"]; i.Assignee != "5b10ac8d82e05b22cc7d4ef5" {
			return bad("assignee", "User '%s' cannot be assigned issues.", i.Assignee)
		}
	}
	return nil
}

type node struct {
	Type    string `json:"type"`
	Version int    `json:"version"`
	Text    string `json:"text"`
	Content []node `json:"content"`
}

// setDescription takes a document of paragraphs of texts; Jira refuses a plain text and a text that is empty.
func (i *Issue) setDescription(raw json.RawMessage) *problem {
	var doc node
	if json.Unmarshal(raw, &doc) != nil || doc.Type != "doc" || doc.Version != 1 {
		return bad("description", "Operation value must be an Atlassian Document (see the Atlassian Document Format)")
	}
	for _, p := range doc.Content {
		line := ""
		for _, text := range p.Content {
			if text.Type != "text" || text.Text == "" {
				return bad("description", "INVALID_INPUT")
			}
			line += text.Text
		}
		if p.Type != "paragraph" {
			return bad("description", "INVALID_INPUT")
		}
		i.Lines = append(i.Lines, line)
	}
	return nil
}
