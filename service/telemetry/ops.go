package telemetry

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyTime is how long checks may take together.
const readyTime = 2 * time.Second

// Check is the state of one thing we need, or that people want to see.
type Check struct {
	Name     string    `json:"name"`
	OK       bool      `json:"ok"`
	Required bool      `json:"required"` // we are not ready without it
	Detail   string    `json:"detail"`   // for people
	Since    time.Time `json:"since,omitzero"`
}

// OpsHandler serves the operators' listener, which must not be public:
//
//	/metrics      Prometheus text, OpenMetrics with exemplars, or protobuf with native histograms, as the scraper asks
//	/livez        200 while the process can answer at all
//	/readyz       JSON with every Check; 503 while a required one fails
//	/debug/pprof  profiles (not the command line, which may hold a password)
//
// ready is called for each /readyz with a context of two seconds.
func OpsHandler(reg *prometheus.Registry, ready func(ctx context.Context) []Check) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		EnableOpenMetrics: true, Registry: reg, MaxRequestsInFlight: 10,
		ErrorHandling: promhttp.ContinueOnError, // one broken collector must not hide the others
	}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { readyz(w, r, ready) })
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", http.NotFound)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

func readyz(w http.ResponseWriter, r *http.Request, ready func(ctx context.Context) []Check) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	answer := struct {
		Ready  bool    `json:"ready"`
		Checks []Check `json:"checks"`
	}{Ready: true, Checks: ready(ctx)}
	if answer.Checks == nil {
		answer.Checks = []Check{}
	}
	for _, c := range answer.Checks {
		answer.Ready = answer.Ready && (c.OK || !c.Required)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !answer.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(answer)
}
