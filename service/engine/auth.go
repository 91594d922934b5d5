package engine

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Limits of the HTTP server. Reading covers a large remote write over a slow line; writing covers the longest query.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 60 * time.Second
	writeTimeout  = queryTimeout + 60*time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	drainTime     = 2 * time.Second
)

// front is what clients meet first: health for everybody, and everything else behind the token and once the engine is
// ready.
type front struct {
	token  string
	behind atomic.Pointer[http.Handler]
	server *http.Server
}

func newFront(token string) *front { return &front{token: token} }

// serve answers on the listener until the returned function is called.
func (f *front) serve(l net.Listener, log *slog.Logger) (stop func()) {
	f.server = &http.Server{
		Handler: f, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := f.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the metrics API stopped", "error", err)
		}
	}()
	return func() {
		_ = f.server.Close() // what was to be said has been said by drain
		<-done
	}
}

// open lets clients through to the engine.
func (f *front) open(h http.Handler) { f.behind.Store(&h) }

// drain stops taking requests and waits a moment for those under way.
func (f *front) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	f.behind.Store(nil)
	if f.server.Shutdown(ctx) != nil {
		_ = f.server.Close() // ends the requests that are left
	}
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	behind := f.behind.Load()
	switch {
	case r.URL.Path == "/-/healthy":
		writeText(w, http.StatusOK, "alive")
	case r.URL.Path != "/-/ready" && !f.admits(r):
		w.Header().Set("WWW-Authenticate", `Bearer realm="nines engine"`)
		writeProblem(w, http.StatusUnauthorized, "unauthorized", "a bearer token is needed")
	case behind == nil:
		w.Header().Set("Retry-After", "1")
		writeProblem(w, http.StatusServiceUnavailable, "unavailable", errNotReady.Error())
	default:
		(*behind).ServeHTTP(w, r)
	}
}

func (f *front) admits(r *http.Request) bool {
	if f.token == "" {
		return true
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "bearer") && subtle.ConstantTimeCompare([]byte(given), []byte(f.token)) == 1
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // the client is gone if this fails
}

// writeProblem answers in the form of the Prometheus API.
func writeProblem(w http.ResponseWriter, status int, kind, message string) {
	body, _ := json.Marshal(map[string]string{"status": "error", "errorType": kind, "error": message}) // strings; cannot fail
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client is gone if this fails
}
