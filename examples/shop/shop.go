package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The customers and where they are served, the usual region first.
var (
	tenants = []string{"acme", "globex", "initech"}
	homes   = map[string][]string{"acme": {"eu", "us"}, "globex": {"us", "eu"}, "initech": {"eu", "us"}}
)

// shop is the whole service.
type shop struct {
	quiet   bool
	out     io.Writer
	began   time.Time
	books   *books
	faults  *faults
	traffic *traffic
	pager   *pager
	metrics http.Handler

	mu       sync.Mutex
	replicas int
}

func newShop(o options, secret string, out io.Writer) (*shop, error) {
	s := &shop{quiet: o.quiet, out: &lockedWriter{w: out}, began: time.Now().UTC(), replicas: o.replicas}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "shop_replicas", Help: "Replicas the shop says it has."}, s.replicaCount))
	s.books, s.faults = newBooks(reg), newFaults(o.seed)
	s.traffic = newTraffic(o.rps, o.seed, reg)
	var err error
	if s.pager, err = newPager(secret, s.out); err != nil {
		return nil, err
	}
	s.metrics = promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true})
	return s, nil
}

// handler has the shop's own two endpoints, which are counted, and the switches and views around them, which are not.
func (s *shop) handler() http.Handler {
	mux := http.NewServeMux()
	for _, route := range []string{"GET /products", "POST /checkout", "GET /{tenant}/products", "POST /{tenant}/checkout"} {
		mux.HandleFunc(route, s.sell)
	}
	mux.Handle("GET /metrics", s.metrics)
	mux.HandleFunc("POST /break", s.breakIt)
	mux.HandleFunc("POST /heal", s.heal)
	mux.HandleFunc("POST /traffic", s.setTraffic)
	mux.HandleFunc("POST /replicas", s.setReplicas)
	mux.HandleFunc("GET /truth", func(w http.ResponseWriter, _ *http.Request) { show(w, s.books.truth(s.began)) })
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { show(w, s.status()) })
	mux.Handle("POST /pager", http.HandlerFunc(s.pager.receive))
	mux.HandleFunc("GET /pages", func(w http.ResponseWriter, _ *http.Request) { show(w, map[string]any{"pages": s.pager.last()}) })
	return mux
}

// sell answers a customer's request: well, or as the fault of the moment wants it.
func (s *shop) sell(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	tenant, region, problem := customer(r)
	if problem != "" {
		http.Error(w, problem, http.StatusBadRequest) // not counted: nobody knows whose it is
		return
	}
	fault := s.faults.strike(tenant, region)
	code := http.StatusOK
	if r.Method == http.MethodPost {
		code = http.StatusCreated
	}
	switch fault {
	case modeErrors:
		code = http.StatusInternalServerError
	case modeSlow:
		time.Sleep(slowness)
	}
	// The books are closed before the answer leaves, so that whoever has the answer finds it counted.
	s.books.record(event{tenant: tenant, region: region, route: routeOf(r), code: code, took: time.Since(began)})
	w.WriteHeader(code)
	fmt.Fprintln(w, http.StatusText(code))
}

// customer reads who asks, from the path or the header X-Tenant, and where, from the header X-Region.
func customer(r *http.Request) (tenant, region, problem string) {
	tenant = r.PathValue("tenant")
	if tenant == "" {
		tenant = r.Header.Get("X-Tenant")
	}
	if !slices.Contains(tenants, tenant) {
		return "", "", "say who you are by the header X-Tenant or the path, such as /acme/products; the customers are " + strings.Join(tenants, ", ")
	}
	region = r.Header.Get("X-Region")
	if region == "" {
		region = homes[tenant][0]
	}
	if !slices.Contains(homes[tenant], region) {
		return "", "", "the regions are eu and us"
	}
	return tenant, region, ""
}

func routeOf(r *http.Request) string {
	if r.Method == http.MethodPost {
		return "/checkout"
	}
	return "/products"
}

// status is what people look at first.
type status struct {
	Since    time.Time   `json:"since"`
	RPS      float64     `json:"rps"`
	Replicas int         `json:"replicas"`
	Faults   []faultView `json:"faults"`
	Pager    string      `json:"pager"`
}

func (s *shop) status() status {
	return status{Since: s.began, RPS: s.traffic.rate(), Replicas: int(s.replicaCount()), Faults: s.faults.list(), Pager: s.pager.describe()}
}

// barePercent is a per cent sign that begins no escape: people write share=25% at the end of a URL.
var barePercent = regexp.MustCompile(`%(&|$)`)

func values(r *http.Request) url.Values {
	v, _ := url.ParseQuery(barePercent.ReplaceAllString(r.URL.RawQuery, "%25$1")) // what is malformed is missing
	return v
}

func (s *shop) breakIt(w http.ResponseWriter, r *http.Request) {
	v := values(r)
	broken, err := s.faults.set(v.Get("tenant"), v.Get("region"), v.Get("mode"), v.Get("share"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.say("shop     broken: %s\n", broken)
	fmt.Fprintf(w, "broken: %s\nheal it with: curl -X POST %s/heal\n", broken, r.Host)
}

func (s *shop) heal(w http.ResponseWriter, r *http.Request) {
	healed, err := s.faults.heal(values(r).Get("tenant"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.say("shop     healed: %s\n", healed)
	fmt.Fprintf(w, "healed: %s\n", healed)
}

// setTraffic changes the rate. It answers once requests of the former rate are over, so that with 0 the counts stand
// still from the answer on.
func (s *shop) setTraffic(w http.ResponseWriter, r *http.Request) {
	rps, err := strconv.ParseFloat(values(r).Get("rps"), 64)
	if err == nil {
		err = checkRate(rps)
	}
	if err != nil {
		http.Error(w, "say how many requests a second: /traffic?rps=20, 0 for none", http.StatusBadRequest)
		return
	}
	s.traffic.set(rps)
	if err := s.traffic.settle(r.Context(), 10*time.Second); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	s.say("shop     %g requests a second\n", rps)
	fmt.Fprintf(w, "%g requests a second\n", rps)
}

func (s *shop) setReplicas(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(values(r).Get("n"))
	if err != nil || n < 0 || n > 1_000_000 {
		http.Error(w, "say how many replicas: /replicas?n=3", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.replicas = n
	s.mu.Unlock()
	fmt.Fprintf(w, "%d replicas\n", n)
}

func (s *shop) replicaCount() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return float64(s.replicas)
}

func show(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // the client has gone
}

// lockedWriter keeps lines of concurrent requests apart.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
