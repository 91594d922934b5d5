// Package signalstest has servers that answer as Loki and Tempo document it, and refuse what they refuse.
package signalstest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Line is a line that the fake Loki has.
type Line struct {
	At   time.Time
	Text string
}

// Loki is a fake of its query API. Its fields are set before it serves.
type Loki struct {
	Tenant string // that must be asked for, "" where authentication is off
	Lines  []Line
	Status int // answered instead of lines; 0 answers

	mu    sync.Mutex
	asked []string // queries
}

// Asked returns the queries so far.
func (l *Loki) Asked() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.asked)
}

// ServeHTTP implements http.Handler.
func (l *Loki) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	l.mu.Lock()
	l.asked = append(l.asked, query.Get("query"))
	l.mu.Unlock()
	switch {
	case r.Method != http.MethodGet || r.URL.Path != "/loki/api/v1/query_range":
		http.NotFound(w, r)
		return
	case l.Status != 0:
		http.Error(w, http.StatusText(l.Status), l.Status)
		return
	case l.Tenant != "" && r.Header.Get("X-Scope-OrgID") == "":
		http.Error(w, "no org id", http.StatusUnauthorized)
		return
	}
	from, to, err := span(query, "query", "start", "end", "limit", "direction")
	if direction := query.Get("direction"); err == nil && direction != "" && direction != "forward" && direction != "backward" {
		err = fmt.Errorf("invalid direction '%s'", direction)
	}
	if q := query.Get("query"); err == nil && (!strings.HasPrefix(q, "{") || !strings.Contains(q, "=")) {
		err = fmt.Errorf("parse error at line 1, col 1: syntax error: unexpected IDENTIFIER")
	}
	limit, limitErr := strconv.Atoi(query.Get("limit"))
	if err == nil && (limitErr != nil || limit < 1 || limit > 5000) {
		err = fmt.Errorf("limit must be a positive value up to 5000")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	l.answer(w, from, to, limit, r.Header.Get("X-Scope-OrgID"))
}

// answer writes one stream a line, so that the client has to put them in order.
func (l *Loki) answer(w http.ResponseWriter, from, to int64, limit int, tenant string) {
	type stream struct {
		Stream map[string]string `json:"stream"`
		Values [][2]string       `json:"values"`
	}
	result := []stream{}
	for n, line := range l.Lines {
		at := line.At.UnixNano()
		if at >= from && at < to && tenant == l.Tenant && len(result) < limit {
			result = append(result, stream{map[string]string{"pod": strconv.Itoa(n)}, [][2]string{{strconv.FormatInt(at, 10), line.Text}}})
		}
	}
	write(w, map[string]any{"status": "success", "data": map[string]any{"resultType": "streams", "result": result, "stats": map[string]any{}}})
}

// Trace is a trace that the fake Tempo has.
type Trace struct {
	ID      string    `json:"traceID"`
	Service string    `json:"rootServiceName"`
	Name    string    `json:"rootTraceName"`
	Start   string    `json:"startTimeUnixNano"`
	TookMS  int64     `json:"durationMs"`
	At      time.Time `json:"-"`
}

// Tempo is a fake of its search API.
type Tempo struct {
	Tenant string
	Traces []Trace
	Status int
}

// ServeHTTP implements http.Handler.
func (t *Tempo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	from, to, err := span(query, "q", "start", "end", "limit")
	if q := strings.TrimSpace(query.Get("q")); err == nil && (!strings.HasPrefix(q, "{") || !strings.HasSuffix(q, "}")) {
		err = fmt.Errorf("invalid TraceQL query: parse error at line 1, col 1")
	}
	if err == nil && (from > 1e11 || to > 1e11) {
		err = fmt.Errorf("invalid start: seconds since the epoch are wanted")
	}
	switch {
	case r.Method != http.MethodGet || r.URL.Path != "/api/search":
		http.NotFound(w, r)
	case t.Status != 0:
		http.Error(w, http.StatusText(t.Status), t.Status)
	case t.Tenant != "" && r.Header.Get("X-Scope-OrgID") != t.Tenant:
		http.Error(w, "no org id", http.StatusUnauthorized)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		found := []Trace{}
		limit, _ := strconv.Atoi(query.Get("limit"))
		for _, trace := range t.Traces {
			if at := trace.At.Unix(); at >= from && at <= to && len(found) < limit {
				trace.Start = strconv.FormatInt(trace.At.UnixNano(), 10)
				found = append(found, trace)
			}
		}
		write(w, map[string]any{"traces": found, "metrics": map[string]any{"inspectedTraces": len(t.Traces)}})
	}
}

// span reads start and end, and refuses parameters that the API does not know.
func span(query url.Values, known ...string) (from, to int64, err error) {
	for name := range query {
		if !slices.Contains(known, name) {
			return 0, 0, fmt.Errorf("unknown parameter %s", name)
		}
	}
	if from, err = strconv.ParseInt(query.Get("start"), 10, 64); err != nil {
		return 0, 0, fmt.Errorf("invalid start")
	}
	if to, err = strconv.ParseInt(query.Get("end"), 10, 64); err != nil || to < from {
		return 0, 0, fmt.Errorf("end timestamp must not be before or equal to start time")
	}
	return from, to, nil
}

func write(w http.ResponseWriter, answer any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}
