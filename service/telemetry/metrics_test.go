package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/nines-sre/nines/incidents"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func scrape(t *testing.T, reg *prometheus.Registry, accept string) string {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/metrics", nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	OpsHandler(reg, nil).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("GET /metrics: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

const openMetrics = "application/openmetrics-text;version=1.0.0"

func TestRequestsAreMeasuredWithExemplars(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	m := NewHTTPMetrics(reg)
	m.Expect("GET", "/api/v1/incidents", "gold", 200, 500)
	m.Observe(inSpan(), "GET", "/api/v1/incidents", 200, "gold", 30*time.Millisecond)
	m.Observe(context.Background(), "BREW", "", 999, "", time.Second)
	got := scrape(t, reg, openMetrics)
	for _, want := range []string{
		`http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",http_route="/api/v1/incidents",tenant_tier="gold",le="0.05"} 1 # {`,
		`trace_id="4b0102030405060708090a0b0c0d0e0f"`, `span_id="a101020304050607"`,
		`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="500",http_route="/api/v1/incidents",tenant_tier="gold"} 0`,
		`http_server_request_duration_seconds_count{http_request_method="_OTHER",http_response_status_code="other",http_route="unmatched",tenant_tier="none"} 1`,
		"# EOF",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("missing %s\nin\n%s", want, got)
		}
	}
	if proto := scrape(t, reg, "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"); !strings.Contains(proto, "http_server_request_duration_seconds") || strings.Contains(proto, "# HELP") {
		t.Errorf("protobuf was asked for; got %.80q", proto)
	}
	families, _ := reg.Gather()
	if h := families[0].GetMetric()[0].GetHistogram(); h.Schema == nil {
		t.Error("the histogram is not native as well")
	}
}

// A Fiber handler's strings live in a buffer that the next request overwrites.
func TestLabelsOutliveTheCallersBuffer(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	m := NewHTTPMetrics(reg)
	buffer := []byte("GET/route-a")
	alias := func(from, to int) string { return unsafeString(buffer[from:to]) }
	m.Observe(context.Background(), alias(0, 3), alias(3, 11), 200, "none", time.Millisecond)
	copy(buffer, "PUT/route-b")
	got := scrape(t, reg, "")
	if !strings.Contains(got, `http_request_method="GET"`) || !strings.Contains(got, `http_route="/route-a"`) || strings.Contains(got, "route-b") {
		t.Errorf("labels changed with the buffer:\n%s", got)
	}
}

func TestPagesAreCountedFromTheStart(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	m := NewPageMetrics(reg)
	if n := testutil.CollectAndCount(m.pages); n != len(pageProviders)*len(pageActions)*len(pageOutcomes) {
		t.Errorf("%d series before the first page, want %d", n, len(pageProviders)*len(pageActions)*len(pageOutcomes))
	}
	m.Attempted("pagerduty", incidents.ActionTrigger, "retry", time.Second, 2*time.Second)
	m.Attempted("pagerduty", incidents.ActionTrigger, "sent", time.Second, 20*time.Second)
	m.Attempted("pagerduty", incidents.ActionTrigger, "canceled", 0, time.Hour)
	m.Attempted("", incidents.ActionTrigger, "failed", 0, time.Hour)
	got := scrape(t, reg, "")
	for _, want := range []string{
		`nines_pages_total{action="trigger",outcome="sent",provider="pagerduty"} 1`,
		`nines_pages_total{action="trigger",outcome="failed",provider="unknown"} 1`,
		`nines_pages_total{action="resolve",outcome="failed",provider="slack"} 0`,
		`nines_page_send_seconds_count{action="trigger",provider="pagerduty"} 2`,
		`nines_page_delay_seconds_sum{action="trigger",provider="pagerduty"} 20`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("missing %s", want)
		}
	}
}

func TestWorkIsCounted(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	jobs, questions, children := NewJobMetrics(reg), NewIntelligenceMetrics(reg), NewChildMetrics(reg)
	jobs.Expect("copy the ledger")
	jobs.Observe("escalate", nil, time.Second)
	jobs.Observe("escalate", errors.New("no"), time.Second)
	jobs.Observe("escalate", context.Canceled, time.Second)
	questions.Observe(context.Background(), KindQuery, "ok", 5*time.Second)
	questions.Observe(context.Background(), KindAnalysis, "timeout", 30*time.Second)
	children.Observe("engine", true, 0)
	children.Observe("engine", false, 2)
	children.Observe("engine", true, 2)
	got := scrape(t, reg, "")
	for _, want := range []string{
		`nines_jobs_total{job="copy the ledger",outcome="error"} 0`,
		`nines_jobs_total{job="escalate",outcome="ok"} 1`,
		`nines_jobs_total{job="escalate",outcome="error"} 1`,
		`nines_jobs_total{job="escalate",outcome="canceled"} 1`,
		`nines_intelligence_duration_seconds_bucket{kind="query",outcome="ok",le="5"} 1`,
		`nines_intelligence_duration_seconds_bucket{kind="query",outcome="ok",le="2.5"} 0`,
		`nines_intelligence_duration_seconds_bucket{kind="analysis",outcome="timeout",le="30"} 1`,
		`nines_intelligence_duration_seconds_count{kind="analysis",outcome="error"} 0`,
		`nines_child_up{child="engine"} 1`,
		`nines_child_restarts_total{child="engine"} 2`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("missing %s", want)
		}
	}
}

func TestReadinessNeedsOnlyWhatIsRequired(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		checks []Check
		want   int
	}{
		"nothing to check":     {nil, 200},
		"all well":             {[]Check{{Name: "postgres", OK: true, Required: true}}, 200},
		"a spare part is away": {[]Check{{Name: "engine", Detail: "starting"}, {Name: "postgres", OK: true, Required: true}}, 200},
		"a needed one is away": {[]Check{{Name: "engine", OK: true}, {Name: "postgres", Required: true, Detail: "no answer"}}, 503},
	} {
		w := httptest.NewRecorder()
		h := OpsHandler(prometheus.NewRegistry(), func(ctx context.Context) []Check {
			if _, limited := ctx.Deadline(); !limited {
				t.Error("checks have no deadline")
			}
			return c.checks
		})
		h.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		var got struct {
			Ready  bool
			Checks []Check
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if w.Code != c.want || got.Ready != (c.want == 200) || len(got.Checks) != len(c.checks) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestTheOpsListenerShowsProfilesButNotTheCommandLine(t *testing.T) {
	t.Parallel()
	h := OpsHandler(prometheus.NewRegistry(), nil)
	for path, want := range map[string]int{
		"/livez": 200, "/debug/pprof/": 200, "/debug/pprof/heap?debug=1": 200, "/debug/pprof/cmdline": 404, "/": 404,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if _, _ = io.Copy(io.Discard, w.Body); w.Code != want {
			t.Errorf("GET %s: %d, want %d", path, w.Code, want)
		}
	}
}

// One collector that fails must not hide the others.
func TestABrokenCollectorHidesNothingElse(t *testing.T) {
	t.Parallel()
	reg := newRegistry("1")
	reg.MustRegister(brokenCollector{prometheus.NewDesc("broken", "Always fails.", nil, nil)})
	if got := scrape(t, reg, ""); !strings.Contains(got, `nines_build_info`) {
		t.Errorf("got %s", got)
	}
}

type brokenCollector struct{ desc *prometheus.Desc }

func (b brokenCollector) Describe(ch chan<- *prometheus.Desc) { ch <- b.desc }
func (b brokenCollector) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.NewInvalidMetric(b.desc, errors.New("database is away"))
}

func unsafeString(b []byte) string { return unsafe.String(&b[0], len(b)) }
