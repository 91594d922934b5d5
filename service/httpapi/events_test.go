package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// screen keeps what a stream wrote; it may be closed, as by a client that leaves.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
	gone bool
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return 0, http.ErrHandlerTimeout
	}
	return s.text.Write(p)
}

func (s *screen) read() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.text.Reset()
	return s.text.String()
}

// watch starts a stream for the principal in the bubble; ended receives its end.
func watch(t *testing.T, h *Hub, who access.Principal, missed bool) (s *screen, ended chan error) {
	t.Helper()
	l, err := h.listen(who)
	if err != nil {
		t.Fatal(err)
	}
	s, ended = &screen{}, make(chan error, 1)
	go func() {
		defer h.leave(l)
		ended <- h.stream(bufio.NewWriter(s), l, missed)
	}()
	synctest.Wait()
	return s, ended
}

var (
	ours   = access.Principal{ID: "user:ours", Role: access.Viewer}
	theirs = access.Principal{ID: "user:theirs", Role: access.Viewer, Tenant: "acme"}
)

func TestAListenerHearsOfWhatIsInItsScope(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHub()
		operator, ended1 := watch(t, h, ours, false)
		tenant, ended2 := watch(t, h, theirs, false)
		h.Publish("incident", "acme", "1")
		h.Publish("incident", "globex", "2")
		h.Publish("definitions", "", "")
		synctest.Wait()
		if got := operator.read(); strings.Count(got, "event: ") != 3 || !strings.Contains(got, "id: 2\nevent: incident\ndata: {\"topic\":\"incident\",\"tenant\":\"globex\",\"id\":\"2\"}\n\n") {
			t.Errorf("the operator heard %q", got)
		}
		if got := tenant.read(); strings.Count(got, "event: ") != 1 || strings.Contains(got, "globex") {
			t.Errorf("acme heard %q", got)
		}
		h.Close()
		h.Close()
		if err1, err2 := <-ended1, <-ended2; err1 != nil || err2 != nil || !strings.Contains(operator.read(), "event: bye") {
			t.Errorf("closing: %v, %v", err1, err2)
		}
		synctest.Wait()
		if h.Listeners() != 0 || len(h.counts) != 0 {
			t.Errorf("%d listeners left, %v", h.Listeners(), h.counts)
		}
	})
}

func TestAStreamBeatsAndEndsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHub()
		s, ended := watch(t, h, ours, true)
		if got := s.read(); !strings.HasPrefix(got, "retry: 2000\n\nevent: resync\n") {
			t.Errorf("a reconnecting client is told %q", got)
		}
		time.Sleep(time.Minute + time.Second)
		if got := s.read(); strings.Count(got, ": alive") != 6 {
			t.Errorf("a minute of silence: %q", got)
		}
		time.Sleep(h.lifetime)
		if err := <-ended; err != nil || !strings.HasSuffix(s.read(), "event: bye\ndata: {}\n\n") {
			t.Errorf("the end: %v", err)
		}
	})
}

func TestAClientThatLeavesIsNoticedAtTheNextBeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHub()
		s, ended := watch(t, h, ours, false)
		s.mu.Lock()
		s.gone = true
		s.mu.Unlock()
		time.Sleep(h.heartbeat + time.Second)
		synctest.Wait()
		if err := <-ended; err == nil || h.Listeners() != 0 {
			t.Errorf("%v, %d listeners", err, h.Listeners())
		}
	})
}

func TestASlowListenerIsToldToReadEverythingAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHub()
		l, err := h.listen(ours)
		if err != nil {
			t.Fatal(err)
		}
		for range pending + 10 {
			h.Publish("incident", "acme", "1") // nobody reads; this must not block
		}
		s := &screen{}
		go func() { _ = h.stream(bufio.NewWriter(s), l, false) }()
		synctest.Wait()
		if got := s.read(); strings.Count(got, "event: resync") != 1 || strings.Contains(got, "event: incident") {
			t.Errorf("heard %q", got)
		}
		h.Publish("incident", "acme", "2")
		synctest.Wait()
		if got := s.read(); !strings.Contains(got, `"id":"2"`) {
			t.Errorf("afterwards %q", got)
		}
		h.Close()
	})
}

func TestStreamsAreCapped(t *testing.T) {
	t.Parallel()
	h := NewHub()
	h.most = streamCaps{all: 5, tenant: 2, principal: 2}
	f := func(who access.Principal, ok bool) *listener {
		t.Helper()
		l, err := h.listen(who)
		if ok != (err == nil) || !ok && !fault.Is(err, fault.Limited) {
			t.Errorf("%s: %v", who.ID, err)
		}
		return l
	}
	first := f(theirs, true)
	f(access.Principal{ID: "user:other", Tenant: "acme"}, true)
	f(access.Principal{ID: "user:third", Tenant: "acme"}, false)
	f(ours, true)
	f(ours, true)
	f(ours, false)
	f(access.Principal{ID: "user:x"}, true)
	f(access.Principal{ID: "user:y"}, false)
	h.leave(first)
	h.leave(first)
	f(access.Principal{ID: "user:third", Tenant: "acme"}, true)
	h.Close()
	if _, err := h.listen(ours); !fault.Is(err, fault.Unavailable) {
		t.Errorf("after closing: %v", err)
	}
}

func TestEventsNeedAPrincipal(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	if got := ask(t, app, get, "/api/v1/events", ""); got.status != 401 {
		t.Errorf("%d %s", got.status, got.text)
	}
}

func TestEventsArriveOverTheWireAndStopWithTheHub(t *testing.T) {
	t.Parallel()
	hub := NewHub()
	app, _ := newWorld(t, func(c *Config, d *Deps) { d.Events, c.RequestTimeout = hub, 50*time.Millisecond })
	address := serve(t, app)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, get, "http://"+address+"/api/v1/events", nil)
	req.Header.Set("Cookie", "nines_session=session-viewer")
	req.Header.Set("Last-Event-ID", "17")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") || res.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%s %v", res.Status, res.Header)
	}
	lines := bufio.NewScanner(res.Body)
	await := func(want string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == want {
				return
			}
		}
		t.Fatalf("the stream ended before %q: %v", want, lines.Err())
	}
	await("event: resync")
	time.Sleep(80 * time.Millisecond) // past the request's deadline, which must not end the stream
	hub.Publish("incident", "acme", "42")
	await(`data: {"topic":"incident","tenant":"acme","id":"42"}`)
	hub.Close()
	await("event: bye")
	for lines.Scan() {
	}
	if lines.Err() != nil {
		t.Errorf("the stream broke off: %v", lines.Err())
	}
}

// TestProxiesHearEventsToo is about those that close each connection after its answer, and those that speak HTTP/1.0,
// which has no chunks: there the end of the connection is the end of the stream.
func TestProxiesHearEventsToo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version, header string
		chunks          bool
	}{{"HTTP/1.0", "", false}, {"HTTP/1.0", "Connection: keep-alive", false}, {"HTTP/1.1", "Connection: close", true}, {"HTTP/1.1", "", true}} {
		hub := NewHub()
		app, _ := newWorld(t, func(_ *Config, d *Deps) { d.Events = hub })
		conn := dialEvents(t, serve(t, app), c.version, c.header)
		waitFor(t, "the stream is open", func() bool { return hub.Listeners() == 1 })
		hub.Publish("incident", "acme", "42")
		heard, lines := "", bufio.NewReader(conn)
		for !strings.Contains(heard, `"id":"42"`) {
			line, err := lines.ReadString('\n')
			if heard += line; err != nil {
				t.Fatalf("%s %s: %v after %q", c.version, c.header, err, heard)
			}
		}
		hub.Close()
		rest, err := io.ReadAll(lines)
		heard += string(rest)
		if err != nil || !strings.Contains(heard, "event: bye\ndata: {}\n\n") || strings.Contains(heard, "Content-Length") ||
			strings.Contains(heard, "Transfer-Encoding: chunked") != c.chunks || strings.HasSuffix(heard, "\r\n0\r\n\r\n") != c.chunks {
			t.Errorf("%s %s: %v: %q", c.version, c.header, err, heard)
		}
	}
}

// TestAClientThatTakesNothingIsGivenUp fills what the network holds for a client that reads nothing.
func TestAClientThatTakesNothingIsGivenUp(t *testing.T) {
	t.Parallel()
	hub := NewHub()
	hub.heartbeat = 50 * time.Millisecond
	app, _ := newWorld(t, func(_ *Config, d *Deps) { d.Events = hub })
	conn := dialEvents(t, serve(t, app), "HTTP/1.1", "")
	waitFor(t, "the stream is open", func() bool { return hub.Listeners() == 1 })
	long := strings.Repeat("x", 64<<10)
	waitFor(t, "the client is given up", func() bool {
		hub.Publish("incident", "acme", long)
		return hub.Listeners() == 0
	})
	_ = conn.Close()
}

// dialEvents asks for events; header is one line more, or none.
func dialEvents(t *testing.T, address, version, header string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if header != "" {
		header += "\r\n"
	}
	_, err = fmt.Fprintf(conn, "GET /api/v1/events %s\r\nHost: x\r\nCookie: nines_session=session-viewer\r\n%s\r\n", version, header)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}
