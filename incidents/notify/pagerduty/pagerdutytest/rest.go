package pagerdutytest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// REST is a fake of PagerDuty's REST API, as far as lists are concerned: it takes a token, lists pages of at most 100,
// refuses what lies beyond 10,000 and says when it has had enough.
type REST struct {
	URL string

	mu       sync.Mutex
	token    string
	lists    map[string][]any // by the collection's name
	limited  int              // requests that are refused with 429 before any is answered
	broken   int              // and with 500
	requests []string
}

// NewREST starts a fake that stops with the test. lists are the objects by their collection, such as "users".
func NewREST(t testing.TB, token string, lists map[string][]any) *REST {
	s := &REST{token: token, lists: lists}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Limit makes the next requests be refused with 429, and those after them with 500.
func (s *REST) Limit(limited, broken int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limited, s.broken = limited, broken
}

// Requests returns the paths and queries of every request.
func (s *REST) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ServeHTTP implements http.Handler.
func (s *REST) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.URL.RequestURI())
	switch {
	case s.limited > 0:
		s.limited--
		w.Header().Set("ratelimit-reset", "7")
		refuse(w, http.StatusTooManyRequests, 2020, "Rate Limit Exceeded")
	case s.broken > 0:
		s.broken--
		refuse(w, http.StatusInternalServerError, 2000, "Internal Error")
	case r.Header.Get("Authorization") != "Token token="+s.token:
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method != http.MethodGet:
		refuse(w, http.StatusForbidden, 2010, "Access Denied")
	default:
		s.get(w, r)
	}
}

func refuse(w http.ResponseWriter, status, code int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": code, "message": message}})
}

func (s *REST) get(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	all, known := s.lists[parts[0]]
	switch {
	case len(parts) == 2 && known:
		for _, v := range all {
			if v.(map[string]any)["id"] == parts[1] {
				_ = json.NewEncoder(w).Encode(map[string]any{strings.TrimSuffix(parts[0], "s"): v})
				return
			}
		}
		refuse(w, http.StatusNotFound, 2100, "Not Found")
	case len(parts) != 1:
		refuse(w, http.StatusNotFound, 2100, "Not Found")
	default:
		s.list(w, r, parts[0], s.selected(parts[0], r))
	}
}

// selected narrows incidents by their state and by when they were made; other lists are whole. Schedules are listed
// without their layers.
func (s *REST) selected(name string, r *http.Request) []any {
	q := r.URL.Query()
	var out []any
	for _, v := range s.lists[name] {
		o := v.(map[string]any)
		if name == "schedules" {
			o = map[string]any{"id": o["id"], "name": o["name"], "type": o["type"]}
		}
		made, err := time.Parse(time.RFC3339, text(o["created_at"]))
		if states := q["statuses[]"]; len(states) > 0 && !slices.Contains(states, text(o["status"])) {
			continue
		}
		if name == "incidents" && q.Get("date_range") != "all" && err == nil {
			since, _ := time.Parse(time.RFC3339, q.Get("since"))
			until, _ := time.Parse(time.RFC3339, q.Get("until"))
			if made.Before(since) || !made.Before(until) {
				continue
			}
		}
		out = append(out, o)
	}
	return out
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func (s *REST) list(w http.ResponseWriter, r *http.Request, name string, all []any) {
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil {
		limit = 25
	}
	offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
	if limit > 100 || limit+offset > 10_000 {
		refuse(w, http.StatusBadRequest, 2001, "Invalid Input Provided")
		return
	}
	from := min(offset, len(all))
	to := min(from+limit, len(all))
	page := append([]any{}, all[from:to]...)
	_ = json.NewEncoder(w).Encode(map[string]any{name: page, "limit": limit, "offset": offset, "more": to < len(all), "total": nil})
}
