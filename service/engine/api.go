package engine

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/grafana/regexp"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/util/notifications"
	apiv1 "github.com/prometheus/prometheus/web/api/v1"
)

const (
	queryTimeout    = 30 * time.Second
	queryMaxSamples = 20_000_000
	queriesAtOnce   = 8

	readSamples    = 50_000_000 // of one remote read
	readsAtOnce    = 4
	readFrameBytes = 1 << 20
	apiPrefix      = "/api/v1"
)

// handler returns everything the engine answers once it is ready.
func (e *engine) handler() (http.Handler, error) {
	external, err := url.Parse(e.config.ExternalURL)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the engine's external URL is not a URL")
	}
	began := time.Now()
	promQL := newPromQL(e.metrics.registry, "api", queryTimeout, queryMaxSamples, newTurns(queriesAtOnce), e.config.library("promql"))
	api := apiv1.NewAPI(
		promQL, e.store, e.store, e.store,
		func(context.Context) apiv1.ScrapePoolsRetriever { return e.scraper.scrapes },
		func(context.Context) apiv1.TargetRetriever { return e.scraper.scrapes },
		func(context.Context) apiv1.AlertmanagerRetriever { return receivers{e.config.AlertsURL} },
		e.reloads.current,
		e.flags(),
		apiv1.GlobalURLOptions{ListenAddress: e.reloads.self, Host: external.Host, Scheme: external.Scheme},
		func(f http.HandlerFunc) http.HandlerFunc { return f }, // the front lets nobody through before
		e.store, e.config.tsdbDir(),
		false, // no admin API: samples are deleted by retention only
		e.config.library("api"),
		func(context.Context) apiv1.RulesRetriever { return e.rules },
		readSamples, readsAtOnce, readFrameBytes,
		false,                       // not an agent
		regexp.MustCompile(`^\b\B`), // matches no origin: browsers have no business here
		func() (apiv1.RuntimeInfo, error) { return e.runtimeInfo(began), nil },
		&apiv1.PrometheusVersion{Version: "nines", GoVersion: runtime.Version()},
		func() []notifications.Notification { return nil },
		func() (<-chan notifications.Notification, func(), bool) { return nil, nil, false },
		e.metrics.gatherer(), e.metrics.registry,
		nil,
		true, config.RemoteWriteProtoMsgs{config.RemoteWriteProtoMsgV1, config.RemoteWriteProtoMsgV2},
		false, false, false, // no OTLP
		false,
	)
	routes := route.New()
	api.Register(routes)
	mux := http.NewServeMux()
	mux.Handle(apiPrefix+"/", traced(http.StripPrefix(apiPrefix, e.guard(routes))))
	mux.Handle("GET /metrics", promhttp.HandlerFor(e.metrics.gatherer(), promhttp.HandlerOpts{EnableOpenMetrics: true}))
	mux.HandleFunc("GET /-/ready", e.answerReady)
	mux.HandleFunc("POST /-/reload", e.answerReload)
	return mux, nil
}

func (e *engine) answerReady(w http.ResponseWriter, _ *http.Request) {
	if e.disk.low.Load() {
		writeText(w, http.StatusOK, "ready, but the disk is nearly full: no samples are taken until there is room")
		return
	}
	writeText(w, http.StatusOK, "ready")
}

func (e *engine) answerReload(w http.ResponseWriter, _ *http.Request) {
	err := e.reload()
	switch {
	case err == nil:
		writeText(w, http.StatusOK, "reloaded")
	case fault.Is(err, fault.Internal):
		writeText(w, http.StatusInternalServerError, "the reload failed; the engine's log has the cause")
	default:
		writeText(w, http.StatusUnprocessableEntity, err.Error())
	}
}

// flags is what the API shows as command line flags, under Prometheus's names where it has them.
func (e *engine) flags() map[string]string {
	c := e.config
	return map[string]string{
		"config.file": c.ConfigFile, "storage.tsdb.path": c.tsdbDir(), "web.listen-address": c.Listen,
		"storage.tsdb.retention.time": model.Duration(c.Retention).String(), "query.timeout": queryTimeout.String(),
		"query.max-samples": strconv.Itoa(queryMaxSamples), "query.max-concurrency": strconv.Itoa(queriesAtOnce),
		"web.external-url": c.ExternalURL, "web.enable-remote-write-receiver": "true", "rules": c.RuleDir,
		"min-free": strconv.FormatInt(c.MinFree, 10), "memory": strconv.FormatInt(c.MemoryLimit, 10),
	}
}

func (e *engine) runtimeInfo(began time.Time) apiv1.RuntimeInfo {
	ok, at := e.reloads.outcome()
	folder, _ := os.Getwd() // only shown
	host, _ := os.Hostname()
	return apiv1.RuntimeInfo{
		StartTime: began.UTC(), CWD: folder, Hostname: host, ServerTime: time.Now().UTC(),
		ReloadConfigSuccess: ok, LastConfigTime: at.UTC(), GoroutineCount: runtime.NumGoroutine(),
		GOMAXPROCS: runtime.GOMAXPROCS(0), GOMEMLIMIT: e.config.MemoryLimit, GOGC: os.Getenv("GOGC"), GODEBUG: os.Getenv("GODEBUG"),
		StorageRetention: model.Duration(e.config.Retention).String(),
	}
}

// receivers answers where alerts go.
type receivers struct{ base string }

// Alertmanagers returns the one receiver there can be.
func (r receivers) Alertmanagers() []*url.URL {
	u, err := url.Parse(r.base)
	if r.base == "" || err != nil {
		return nil
	}
	return []*url.URL{u.JoinPath("/api/v2/alerts")}
}

// DroppedAlertmanagers returns none: nothing relabels them.
func (r receivers) DroppedAlertmanagers() []*url.URL { return nil }

// turns lets a number of queries run at once; the others wait within their time.
type turns struct{ free chan struct{} }

func newTurns(n int) turns { return turns{free: make(chan struct{}, n)} }

// GetMaxConcurrent returns how many queries run at once.
func (t turns) GetMaxConcurrent() int { return cap(t.free) }

// Insert waits for a turn.
func (t turns) Insert(ctx context.Context, _ string) (int, error) {
	select {
	case t.free <- struct{}{}:
		return 0, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Delete gives the turn back.
func (t turns) Delete(int) { <-t.free }

// Close has nothing to close.
func (t turns) Close() error { return nil }
