// Package pagerdutytest is a fake of PagerDuty's Events API v2 for tests: it refuses what the documented schema refuses,
// deduplicates as PagerDuty does and fails on demand. It leaves out everything behind the API, such as who is called.
package pagerdutytest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Failure is what the server does with a request instead of answering it.
type Failure struct {
	Status     int           // answer this status; 0 means accept after all, once the rest has happened
	RetryAfter time.Duration // sent along with the status, in whole seconds
	Hang       bool          // do not answer until the client gives up
	Reset      bool          // cut the connection without an answer
	After      time.Duration // wait before answering
}

// Alert is one alert as PagerDuty would show it.
type Alert struct {
	RoutingKey string
	DedupKey   string
	State      string   // "triggered", "acknowledged" or "resolved"
	Severity   string   // as last triggered
	Summary    string   // as last triggered
	Pages      int      // how often somebody was paged: once, and never for a trigger of an open alert
	Log        []string // the actions that reached it, in order
}

// Server is the fake. Its methods are safe for concurrent use.
type Server struct {
	URL string // the endpoint to configure, without /v2/enqueue

	mu       sync.Mutex
	events   []Event
	refused  []string
	changes  []Change
	alerts   []*Alert
	failures []Failure
	always   *Failure
	requests int
	http     *httptest.Server
	closing  chan struct{}
}

// New starts a fake that stops with the test.
func New(t testing.TB) *Server {
	s := Start()
	t.Cleanup(s.Close)
	return s
}

// Start starts a fake; Close stops it.
func Start() *Server {
	s := &Server{closing: make(chan struct{})}
	s.http = httptest.NewServer(s)
	s.URL = s.http.URL
	return s
}

// Close stops the fake and ends every hanging request.
func (s *Server) Close() {
	s.mu.Lock()
	select {
	case <-s.closing:
	default:
		close(s.closing)
	}
	s.mu.Unlock()
	s.http.Close()
}

// Fail makes the next requests fail, one failure each, in order.
func (s *Server) Fail(failures ...Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, failures...)
}

// FailAlways makes every request fail until it is called with nil. Failures of Fail go first.
func (s *Server) FailAlways(f *Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always = f
}

// Events returns the accepted events, in order.
func (s *Server) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Alerts returns every alert so far, in order of opening.
func (s *Server) Alerts() []Alert {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Alert, len(s.alerts))
	for i, a := range s.alerts {
		out[i] = *a
		out[i].Log = slices.Clone(a.Log)
	}
	return out
}

// Refused returns why events were refused for their form. A test of a sender wants none.
func (s *Server) Refused() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refused)
}

// Requests returns how many requests came in, whatever became of them.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if f := s.nextFailure(); f != nil && s.fail(w, r, *f) {
		return
	}
	if err != nil {
		answer(w, http.StatusRequestEntityTooLarge, reply{Status: "request too large", Message: "Event is larger than 512 KB"})
		return
	}
	if r.Method == http.MethodPost && r.URL.Path == "/v2/change/enqueue" {
		s.change(w, body)
		return
	}
	if r.Method != http.MethodPost || r.URL.Path != "/v2/enqueue" {
		answer(w, http.StatusNotFound, reply{Status: "not found", Message: r.Method + " " + r.URL.Path})
		return
	}
	var event Event
	problems := check(body, &event)
	if len(problems) > 0 {
		s.refuse(problems)
		answer(w, http.StatusBadRequest, reply{Status: "invalid event", Message: "Event object is invalid", Errors: problems})
		return
	}
	key := s.accept(event)
	answer(w, http.StatusAccepted, reply{Status: "success", Message: "Event processed", DedupKey: key})
}

// nextFailure counts the request and returns what is to go wrong with it, nil for nothing.
func (s *Server) nextFailure() *Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if len(s.failures) > 0 {
		f := s.failures[0]
		s.failures = s.failures[1:]
		return &f
	}
	return s.always
}

// fail reports whether it has dealt with the request.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, f Failure) bool {
	wait := f.After
	if f.Hang {
		wait = 24 * time.Hour
	}
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return true
		case <-s.closing:
			return true
		}
	}
	if f.Reset {
		panic(http.ErrAbortHandler)
	}
	if f.Status == 0 {
		return false
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds())))
	}
	answer(w, f.Status, reply{Status: "failure", Message: fmt.Sprintf("told to answer %d", f.Status)})
	return true
}

func (s *Server) refuse(problems []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = append(s.refused, problems...)
}

// accept applies an event: a trigger opens an alert or adds to the open one with its key, acknowledge and resolve
// change the open one and are dropped where there is none. Keys belong to a routing key. A trigger without a key has
// one of its own.
func (s *Server) accept(e Event) (key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.DedupKey == "" {
		e.DedupKey = fmt.Sprintf("%032x", len(s.events)+1)
	}
	s.events = append(s.events, e)
	open := s.open(e)
	if open == nil {
		if e.EventAction != "trigger" {
			return e.DedupKey
		}
		open = &Alert{RoutingKey: e.RoutingKey, DedupKey: e.DedupKey, State: "triggered", Pages: 1}
		s.alerts = append(s.alerts, open)
	}
	open.Log = append(open.Log, e.EventAction)
	switch e.EventAction {
	case "trigger":
		open.Severity, open.Summary = e.Payload.Severity, e.Payload.Summary
	case "acknowledge":
		open.State = "acknowledged"
	case "resolve":
		open.State = "resolved"
	}
	return e.DedupKey
}

func (s *Server) open(e Event) *Alert {
	for _, a := range s.alerts {
		if a.RoutingKey == e.RoutingKey && a.DedupKey == e.DedupKey && a.State != "resolved" {
			return a
		}
	}
	return nil
}

type reply struct {
	Status   string   `json:"status"`
	Message  string   `json:"message,omitempty"`
	DedupKey string   `json:"dedup_key,omitempty"`
	Errors   []string `json:"errors,omitempty"`
}

func answer(w http.ResponseWriter, status int, r reply) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(r)
}
