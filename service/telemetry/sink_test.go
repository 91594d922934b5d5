package telemetry

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki-client-go/loki"
)

// store is a lineSender that a test can make hang.
type store struct {
	mu    sync.Mutex
	got   []string
	hang  chan struct{} // Send waits for it where it is not nil
	ended bool
}

func (s *store) Send(_ time.Time, line string) {
	if s.hang != nil {
		<-s.hang
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, line)
}
func (s *store) Lost() float64   { return 0 }
func (s *store) Trouble() string { return "it hangs" }
func (s *store) Stop()           { s.mu.Lock(); s.ended = true; s.mu.Unlock() }

func TestAHangingStoreNeverDelaysALineAndDropsAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var local bytes.Buffer
		st := &store{hang: make(chan struct{})}
		s := newSink("loki", st, slog.New(slog.NewTextHandler(&local, nil)))
		synctest.Wait()
		began := time.Now()
		const over = 100
		for range sinkLines + 1 + over { // one is with the sender
			if _, err := s.Write([]byte("line")); err != nil {
				t.Fatal(err)
			}
			if len(s.lines) == 1 {
				synctest.Wait() // let the first reach the sender
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("writing waited %v for the store", took)
		}
		if got := s.lost(); got != over {
			t.Errorf("dropped %v lines, want %d", got, over)
		}
		time.Sleep(reportEvery + time.Second)
		synctest.Wait()
		if got := local.String(); !strings.Contains(got, "lines=100") || !strings.Contains(got, "it hangs") {
			t.Errorf("the drop was not told: %q", got)
		}
		told := local.Len()
		time.Sleep(10 * reportEvery)
		synctest.Wait()
		if local.Len() != told {
			t.Errorf("told again without a new drop: %q", local.String()[told:])
		}
		close(st.hang)
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
		if len(st.got) != sinkLines+1 || !st.ended {
			t.Errorf("store got %d lines, ended %v", len(st.got), st.ended)
		}
	})
}

func TestClosingGivesUpAtItsDeadlineAndEndsLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &store{hang: make(chan struct{})}
		s := newSink("loki", st, slog.New(slog.DiscardHandler))
		for range 10 {
			_, _ = s.Write([]byte("x"))
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		began := time.Now()
		if err := s.Close(ctx); err == nil {
			t.Error("closing a hanging sink must say that lines were lost")
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("closing took %v", took)
		}
		close(st.hang)
		synctest.Wait() // the bubble ends only when no goroutine is left
		if len(st.got) != 1 || s.lost() != 9 {
			t.Errorf("store got %d lines, %v dropped; want the one under way and 9", len(st.got), s.lost())
		}
		if _, err := s.Write([]byte("late")); err != nil || s.lost() != 10 {
			t.Errorf("a line after the end: %v, %v dropped", err, s.lost())
		}
	})
}

func TestTheQueueIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	st := &store{hang: make(chan struct{})}
	s := newSink("loki", st, slog.New(slog.DiscardHandler))
	big := bytes.Repeat([]byte("x"), 1<<20)
	for range 100 {
		_, _ = s.Write(big)
	}
	if held := s.held.Load(); held > sinkBytes {
		t.Errorf("holds %d bytes", held)
	}
	if s.lost() < 90 {
		t.Errorf("dropped only %v of 100 MB", s.lost())
	}
	close(st.hang)
	_ = s.Close(context.Background())
}

func TestLokiGetsTheLines(t *testing.T) {
	t.Parallel()
	bodies := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		plain, err := snappy.Decode(nil, raw)
		if err != nil || r.URL.Path != "/loki/api/v1/push" {
			t.Errorf("push to %s: %v", r.URL.Path, err)
		}
		w.WriteHeader(http.StatusNoContent)
		bodies <- string(plain)
	}))
	defer server.Close()
	sender, err := newLoki(server.URL, "nines")
	if err != nil {
		t.Fatal(err)
	}
	s := newSink("loki", sender, slog.New(slog.DiscardHandler))
	slog.New(withTrace(jsonHandler(s, slog.LevelInfo))).InfoContext(inSpan(), "hello loki")
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	body := <-bodies
	for _, want := range []string{`service_name="nines"`, "hello loki", testSpan.TraceID().String()} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in %q", want, body)
		}
	}
	if s.lost() != 0 {
		t.Errorf("%v lines counted as lost", s.lost())
	}
}

func TestALokiThatHangsOrRefusesNeverSlowsALogCall(t *testing.T) {
	t.Parallel()
	for name, hangs := range map[string]bool{"hangs": true, "refuses": false} {
		release := make(chan struct{})
		answer := func(w http.ResponseWriter, _ *http.Request) {
			if hangs {
				<-release
			}
			http.Error(w, "too old", http.StatusBadRequest)
		}
		server := httptest.NewServer(http.HandlerFunc(answer))
		config, err := loki.NewDefaultConfig(server.URL + "/loki/api/v1/push")
		if err != nil {
			t.Fatal(err)
		}
		config.BatchWait, config.Timeout = 10*time.Millisecond, 300*time.Millisecond
		config.BackoffConfig.MaxRetries, config.BackoffConfig.MinBackoff, config.BackoffConfig.MaxBackoff = 1, time.Millisecond, time.Millisecond
		sender, err := startLoki(config, "nines")
		if err != nil {
			t.Fatal(err)
		}
		s := newSink("loki", sender, slog.New(slog.DiscardHandler))
		log := slog.New(jsonHandler(s, slog.LevelInfo))
		began := time.Now()
		for range 20000 {
			log.Info("busy")
		}
		if took := time.Since(began); took > 10*time.Second { // a store that blocked would take 20000 requests' time
			t.Errorf("%s: 20000 lines took %v", name, took)
		}
		if err := s.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := s.lost(); got != 20000 {
			t.Errorf("%s: %v of 20000 lines counted as dropped", name, got)
		}
		if sender.Trouble() == "" {
			t.Errorf("%s: no reason is kept", name)
		}
		close(release)
		server.Close()
	}
}

func TestACollectorThatIsAwayIsToldOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var local bytes.Buffer
		h := &seldom{log: slog.New(slog.NewTextHandler(&local, nil))}
		for range 25 { // two minutes of an export every five seconds
			h.Handle(io.ErrUnexpectedEOF)
			time.Sleep(5 * time.Second)
		}
		if n := strings.Count(local.String(), "traces were not sent"); n != 3 {
			t.Errorf("told %d times in two minutes:\n%s", n, local.String())
		}
	})
}
