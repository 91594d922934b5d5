//go:build e2e

package e2e

import (
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// spans is an OTLP receiver that keeps what it is sent, by trace.
type spans struct {
	mu   sync.Mutex
	seen map[string][]string
}

func (s *spans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unpacked
	}
	raw, _ := io.ReadAll(body)
	var request collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(raw, &request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range request.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				id := hex.EncodeToString(span.TraceId)
				s.seen[id] = append(s.seen[id], span.Name)
			}
		}
	}
}

// whole returns nil once one trace holds a span beginning with each of the names.
func (s *spans) whole(names ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	nearest := []string{}
	for _, trace := range s.seen {
		missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
			return slices.ContainsFunc(trace, func(got string) bool { return strings.Contains(got, name) })
		})
		if len(missing) == 0 {
			return nil
		}
		if len(missing) < len(names) {
			nearest = append(nearest, fmt.Sprintf("%v lacks %v", trace, missing))
		}
	}
	return fmt.Errorf("of %d traces none is whole; nearest: %s", len(s.seen), strings.Join(nearest, "; "))
}

// The trace of one alert runs from its intake over the database to the provider, and the metrics carry it as exemplars.
func TestTheTraceOfAnAlertRunsToTheProvider(t *testing.T) {
	t.Parallel()
	receiver := &spans{seen: map[string][]string{}}
	server := httptest.NewServer(receiver)
	t.Cleanup(server.Close)
	w := startPaging(t, planeOptions{args: []string{"--otlp-endpoint", server.URL}})
	if status := w.postAlert("Traced"); status != http.StatusOK {
		t.Fatalf("the alert was answered %d", status)
	}
	w.sink.waitFor(t, 10*time.Second, "Traced")
	if page := w.sink.about("Traced")[0]; page.Header.Get("traceparent") == "" {
		t.Error("the provider is not told of the trace")
	}
	eventually(t, 20*time.Second, "one trace holds intake, statement and page", func() error {
		return receiver.whole("/alertmanager/api/v2/alerts", "INSERT", "page webhook")
	})
	var statuses struct{}
	if err := w.get("/api/v1/slos", &statuses); err != nil {
		t.Fatal(err)
	}
	if err := w.get("/prometheus/api/v1/query?query=up", &statuses); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "one trace runs from a question into the engine", func() error {
		return receiver.whole("/prometheus/", "engine GET /api/v1/query")
	})
	request, err := http.NewRequest(http.MethodGet, "http://"+w.ops+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	metrics, _ := io.ReadAll(response.Body)
	for line := range strings.Lines(string(metrics)) {
		if strings.HasPrefix(line, "http_server_request_duration_seconds_bucket") && strings.Contains(line, "/alertmanager/api/v2/alerts") && strings.Contains(line, "trace_id=") {
			return
		}
	}
	t.Error("no exemplar of the intake's request carries a trace id")
}
