// Package notifytest has what the fakes of paging providers share: a server that fails on demand, and the table of
// failures that every provider must take as documented. It leaves out what a provider's API looks like.
package notifytest

import (
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
	Status     int           // answer this status
	RetryAfter time.Duration // sent along with the status, in whole seconds
	Hang       bool          // do not answer until the client gives up
	Reset      bool          // cut the connection without an answer
	Lose       bool          // do what was asked for, then cut the connection without an answer
	Slow       bool          // do what was asked for, then never come to the end of the answer
	Pass       bool          // do not fail
}

// Server is the HTTP side of a fake: requests go through the failures that were asked for and then to the vendor. Its
// methods are safe for concurrent use.
type Server struct {
	URL string

	vendor  http.Handler
	explain func(status int) string

	mu       sync.Mutex
	failures []Failure
	always   *Failure
	refused  []string
	requests int
	http     *httptest.Server
	closing  chan struct{}
}

// Start starts a server that stops with the test. explain words a failure's body as the vendor does.
func Start(t testing.TB, vendor http.Handler, explain func(status int) string) *Server {
	s := &Server{vendor: vendor, explain: explain, closing: make(chan struct{})}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.http.URL
	t.Cleanup(func() {
		close(s.closing)
		s.http.Close()
	})
	return s
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

// Requests returns how many requests came in, whatever became of them.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Refuse notes why a request was refused for its form.
func (s *Server) Refuse(problems ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = append(s.refused, problems...)
}

// Refused returns why requests were refused for their form. A test of a sender wants none.
func (s *Server) Refused() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refused)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	f := s.next()
	switch {
	case f == nil, f.Pass:
		s.vendor.ServeHTTP(w, r)
	case f.Hang:
		_, _ = io.Copy(io.Discard, r.Body) // a server notices that a client has gone only once it has read the request
		s.wait(r)
	case f.Reset:
		panic(http.ErrAbortHandler)
	case f.Lose:
		s.vendor.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case f.Slow:
		s.drip(w, r)
	default:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds())))
		}
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, s.explain(f.Status))
	}
}

func (s *Server) next() *Failure {
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

// drip answers with all but the last byte of what the vendor says.
func (s *Server) drip(w http.ResponseWriter, r *http.Request) {
	whole := httptest.NewRecorder()
	s.vendor.ServeHTTP(whole, r)
	body := whole.Body.Bytes()
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(whole.Code)
	_, _ = w.Write(body)
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	s.wait(r)
}

func (s *Server) wait(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-s.closing:
	}
}
