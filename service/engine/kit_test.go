package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nines-sre/nines/service/prom"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// childConfig in the environment makes the test binary an engine, so that a test can kill one.
const childConfig = "NINES_TEST_ENGINE"

func TestMain(m *testing.M) {
	text := os.Getenv(childConfig)
	if text == "" {
		os.Exit(m.Run())
	}
	var c Config
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		panic(err)
	}
	c.Log = slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	err := Run(ctx, c, func(addr string) { fmt.Println(addr) })
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// running is an engine in this process.
type running struct {
	t      *testing.T
	base   string
	token  string
	log    *lockedBuffer
	client *prom.Client
	cancel context.CancelFunc
	ended  chan error
}

// startEngine runs an engine on a free port until the test ends.
func startEngine(t *testing.T, c Config) *running {
	t.Helper()
	r, err := tryEngine(t, c)
	if err != nil {
		t.Fatalf("the engine did not start: %v\n%s", err, r.log)
	}
	return r
}

func tryEngine(t *testing.T, c Config) (*running, error) {
	t.Helper()
	if c.DataDir == "" {
		c.DataDir = t.TempDir()
	}
	c.Listen = "127.0.0.1:0"
	r := &running{t: t, token: c.Token, log: &lockedBuffer{}, ended: make(chan error, 1)}
	c.Log = slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	ready := make(chan string, 1)
	go func() { r.ended <- Run(ctx, c, func(addr string) { ready <- addr }) }()
	t.Cleanup(func() { r.stop() })
	select {
	case addr := <-ready:
		r.base = "http://" + addr
	case err := <-r.ended:
		r.ended <- err
		return r, err
	}
	var err error
	r.client, err = prom.New(r.base, prom.Options{Token: c.Token})
	return r, err
}

// stop ends the engine, checks that it is quick about it, and may be called again.
func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	select {
	case err := <-r.ended:
		r.ended <- err
	case <-time.After(10 * time.Second):
		r.t.Errorf("the engine did not end within 10 s\n%s", r.log)
	}
}

// get asks with the engine's token and returns status and body.
func (r *running) get(path string) (int, string) {
	return r.request(http.MethodGet, path, nil, r.token)
}

func (r *running) request(method, path string, body io.Reader, token string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequest(method, r.base+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// value returns the single value of an instant query now; ok is false where there is none.
func (r *running) value(expr string) (v float64, ok bool) {
	r.t.Helper()
	got, err := r.client.Query(r.t.Context(), expr, time.Now())
	if err != nil {
		r.t.Fatalf("%s: %v", expr, err)
	}
	if len(got) != 1 {
		return 0, false
	}
	return got[0].Value, true
}

// own returns the value of a metric as the engine exposes it.
func (r *running) own(metric string) string {
	r.t.Helper()
	_, text := r.get("/metrics")
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, metric+" "); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// eventually waits for a condition; half a minute is far more than any should take.
func (r *running) eventually(what string, holds func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			r.t.Fatalf("never: %s\n%s", what, r.log)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// shop is a real HTTP target.
type shop struct {
	requests *prometheus.CounterVec
	latency  prometheus.Histogram
	addr     string
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "shop_requests_total", Help: "Requests."}, []string{"tenant", "code"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "shop_latency_seconds", Help: "Latency.",
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100}),
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.requests, s.latency, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	srv := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	t.Cleanup(srv.Close)
	s.addr = strings.TrimPrefix(srv.URL, "http://")
	return s
}

// scraping writes a configuration that scrapes the targets every 200 ms and returns its path.
func scraping(t *testing.T, job string, targets ...string) string {
	t.Helper()
	return write(t, t.TempDir(), "prometheus.yml", fmt.Sprintf(`
global:
  scrape_interval: 200ms
  evaluation_interval: 200ms
scrape_configs:
  - job_name: %s
    static_configs: [{targets: ["%s"]}]
`, job, strings.Join(targets, `", "`)))
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// sink receives alerts as an Alertmanager would.
type sink struct {
	url    string
	mu     sync.Mutex
	status int
	posts  []post
}

type post struct {
	alert  postedAlert
	header http.Header
}

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{status: http.StatusOK}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var alerts []postedAlert
		if err := json.NewDecoder(r.Body).Decode(&alerts); err != nil || r.URL.Path != "/alertmanager/api/v2/alerts" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		w.WriteHeader(s.status)
		if s.status != http.StatusOK {
			return
		}
		for _, a := range alerts {
			s.posts = append(s.posts, post{a, r.Header})
		}
	}))
	t.Cleanup(srv.Close)
	s.url = srv.URL + "/alertmanager"
	return s
}

func (s *sink) answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// last returns the newest post of an alert.
func (s *sink) last(name string) (found post, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.posts {
		if p.alert.Labels["alertname"] == name {
			found, ok = p, true
		}
	}
	return found, ok
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
