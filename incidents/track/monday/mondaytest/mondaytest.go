// Package mondaytest is a fake of monday.com's GraphQL API of one board: it refuses what its schema refuses, keeps the items and
// fails on demand. It leaves out pages of items, groups and everything that we do not ask for.
package mondaytest

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
	"github.com/nines-sre/nines/incidents/track/tracktest"
)

// What the fake knows.
const (
	Token = "eyJhbGciOiJIUzI1NiJ9.0kQ9vR2mT8yWc5bL7hXn"
	Board = "1234567890"
)

// columns of the board, by id.
var columns = map[string]string{"text_key": "text", "status": "status", "date4": "date", "long_text": "long_text"}

var labels = []string{"Working on it", "Done", "Stuck", "Dropped", ""}

// Item is one item.
type Item struct {
	ID, Name, State string
	Values          map[string]string
}

func (i Item) json() map[string]any {
	values := []any{}
	for id := range columns {
		values = append(values, map[string]any{"id": id, "text": i.Values[id]})
	}
	return map[string]any{"id": i.ID, "name": i.Name, "url": "https://example.monday.com/boards/" + Board + "/pulses/" + i.ID, "state": i.State, "column_values": values}
}

// Server is the fake. Its methods are safe for concurrent use.
type Server struct {
	*notifytest.Server
	mu    sync.Mutex
	items []*Item
}

// New starts a fake that stops with the test.
func New(t testing.TB) *Server {
	s := &Server{}
	s.Server = notifytest.Start(t, s, func(status int) string {
		return fmt.Sprintf(`{"errors":[{"message":"fails with %d, %s"}]}`, status, Token)
	})
	return s
}

// Tickets implements tracktest.Vendor.
func (s *Server) Tickets() []track.Ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []track.Ticket
	for _, i := range s.items {
		out = append(out, track.Ticket{Key: i.ID})
	}
	return out
}

// Change implements tracktest.Vendor.
func (s *Server) Change(key string, f track.Fields) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(key)
	i.Name, i.Values["date4"] = f.Title, f.Due+" 09:00"
	i.Values["status"] = map[incidents.ActionState]string{incidents.ActionOpen: "Stuck", incidents.ActionDone: "Done", incidents.ActionDropped: "Dropped"}[f.State]
}

// Remove implements tracktest.Vendor: it puts the item into the bin.
func (s *Server) Remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.find(key).State = "deleted"
}

func (s *Server) find(key string) *Item {
	for _, i := range s.items {
		if i.ID == key {
			return i
		}
	}
	return nil
}

var item = []string{"id", "name", "url", "state", "column_values", "text"}

var schema = map[string]tracktest.Field{
	"items":                         {Args: map[string]string{"ids": "[ID!]"}, Selected: item},
	"boards":                        {Args: map[string]string{"ids": "[ID!]"}, Selected: []string{"name", "columns", "id", "type"}},
	"items_page_by_column_values":   {Args: map[string]string{"board_id": "ID!", "columns": "[ItemsPageByColumnValuesQuery!]"}, Selected: append([]string{"items", "cursor"}, item...)},
	"create_item":                   {Args: map[string]string{"board_id": "ID!", "item_name": "String!", "column_values": "JSON"}, Selected: item},
	"change_multiple_column_values": {Args: map[string]string{"board_id": "ID!", "item_id": "ID!", "column_values": "JSON!"}, Selected: item},
}

// ServeHTTP is the API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Authorization") != Token {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"errors":["Not Authenticated"]}`))
		return
	}
	var q struct {
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables"`
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.Header.Get("API-Version") == "" {
		s.refuse(w, "the request is no GraphQL operation as JSON of a version")
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
	args := map[string]any{}
	for arg, variable := range o.Args {
		args[arg] = q.Variables[variable]
	}
	if board, named := args["board_id"]; named && board != Board {
		s.fail(w, "The board does not exist", "ResourceNotFoundException")
		return
	}
	s.answer(w, o.Field, args)
}

func (s *Server) answer(w http.ResponseWriter, field string, args map[string]any) {
	switch field {
	case "boards":
		found := []any{}
		if ids, _ := args["ids"].([]any); len(ids) == 1 && ids[0] == Board {
			all := []any{}
			for id, kind := range columns {
				all = append(all, map[string]any{"id": id, "type": kind})
			}
			found = append(found, map[string]any{"name": "Operations", "columns": all})
		}
		s.say(w, field, found)
	case "items":
		found := []any{}
		ids, _ := args["ids"].([]any)
		for _, i := range s.items {
			if slices.Contains(ids, any(i.ID)) {
				found = append(found, i.json())
			}
		}
		s.say(w, field, found)
	case "items_page_by_column_values":
		s.say(w, field, map[string]any{"cursor": nil, "items": s.search(args["columns"])})
	case "create_item":
		name, _ := args["item_name"].(string)
		i := &Item{ID: fmt.Sprint(9000000000 + len(s.items)), Name: name, State: "active", Values: map[string]string{}}
		if words := i.set(args["column_values"]); words != "" || name == "" || len([]rune(name)) > 255 {
			s.refuse(w, "invalid item_name or column value: "+words)
			return
		}
		s.items = append(s.items, i)
		s.say(w, field, i.json())
	default:
		id, _ := args["item_id"].(string)
		i := s.find(id)
		if i == nil || i.State != "active" {
			s.fail(w, "The item does not exist", "InvalidItemIdException")
			return
		}
		if words := i.set(args["column_values"]); words != "" {
			s.refuse(w, "invalid column value: "+words)
			return
		}
		s.say(w, field, map[string]any{"id": i.ID})
	}
}

func (s *Server) search(columns any) []any {
	found := []any{}
	rules, _ := columns.([]any)
	for _, i := range s.items {
		fits := len(rules) > 0
		for _, r := range rules {
			rule, _ := r.(map[string]any)
			id, _ := rule["column_id"].(string)
			values, _ := rule["column_values"].([]any)
			fits = fits && slices.Contains(values, any(i.Values[id]))
		}
		if fits {
			found = append(found, i.json())
		}
	}
	return found
}

// set takes values of columns: a JSON text, as the API wants it.
func (i *Item) set(values any) string {
	text, ok := values.(string)
	var all map[string]any
	if !ok || json.Unmarshal([]byte(text), &all) != nil {
		return "column_values is no text of JSON"
	}
	for id, value := range all {
		object, _ := value.(map[string]any)
		switch kind := columns[id]; {
		case id == "name":
			if i.Name, ok = value.(string); !ok || i.Name == "" || len([]rune(i.Name)) > 255 {
				return "name"
			}
		case kind == "text":
			if i.Values[id], ok = value.(string); !ok {
				return id
			}
		case kind == "status":
			if i.Values[id], ok = object["label"].(string); !ok || !slices.Contains(labels, i.Values[id]) {
				return "This status label doesn't exist, possible statuses are: " + strings.Join(labels, ", ")
			}
		case kind == "date" && value == nil:
			i.Values[id] = ""
		case kind == "date":
			day, _ := object["date"].(string)
			if _, err := time.Parse(time.DateOnly, day); err != nil {
				return "invalid date " + day
			}
			i.Values[id] = day
		case kind == "long_text":
			if i.Values[id], ok = object["text"].(string); !ok {
				return id
			}
		default:
			return "there is no column " + id
		}
	}
	return ""
}

func (s *Server) refuse(w http.ResponseWriter, words string) {
	s.Refuse(words)
	s.fail(w, words, "InvalidArgumentException")
}

// fail answers 200, as the API does for errors of an operation.
func (s *Server) fail(w http.ResponseWriter, words, code string) {
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]any{"message": words, "extensions": map[string]any{"code": code}}}, "account_id": 1})
}

func (s *Server) say(w http.ResponseWriter, field string, v any) {
	_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{field: v}, "account_id": 1})
}
