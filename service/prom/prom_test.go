package prom_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/prom"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

// answering returns a client of a server that answers everything alike, and the forms that it was asked with.
func answering(t *testing.T, answer func(form url.Values) (int, string)) (*prom.Client, *[]url.Values) {
	t.Helper()
	var asked []url.Values
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Errorf("form: %v", err)
		}
		asked = append(asked, r.Form)
		status, body := answer(r.Form)
		if status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "3")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	c, err := prom.New(srv.URL, prom.Options{Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return c, &asked
}

func always(status int, body string) func(url.Values) (int, string) {
	return func(url.Values) (int, string) { return status, body }
}

func success(kind, result string) string {
	return fmt.Sprintf(`{"status":"success","data":{"resultType":%q,"result":%s}}`, kind, result)
}

func TestQueryReadsVectorsAndScalars(t *testing.T) {
	t.Parallel()
	c, asked := answering(t, func(f url.Values) (int, string) {
		if f.Get("query") == "1" {
			return 200, success("scalar", `[1793620800.5,"1"]`)
		}
		return 200, success("vector", `[{"metric":{"tenant":"acme"},"value":[1793620800.123,"0.25"]},{"metric":{},"histogram":[1793620800,{}]}]`)
	})
	got, err := c.Query(t.Context(), "up", noon)
	want := []prom.Sample{{Labels: map[string]string{"tenant": "acme"}, Value: 0.25, At: time.UnixMilli(1793620800123).UTC()}}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("vector: %v, %s", err, cmp.Diff(want, got))
	}
	if at := (*asked)[0].Get("time"); at != fmt.Sprintf("%d.000", noon.Unix()) {
		t.Errorf("asked for the time %s", at)
	}
	got, err = c.Query(t.Context(), "1", noon)
	want = []prom.Sample{{Labels: map[string]string{}, Value: 1, At: time.UnixMilli(1793620800500).UTC()}}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("scalar: %v, %s", err, cmp.Diff(want, got))
	}
}

func TestTroubleHasAKind(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		want   fault.Kind
		says   string
	}{
		"a mistake in the query":         {400, `{"status":"error","errorType":"bad_data","error":"1:5: parse error"}`, fault.Invalid, "1:5: parse error"},
		"a query over its sample limit":  {422, `{"status":"error","errorType":"execution","error":"too many samples"}`, fault.Invalid, "too many samples"},
		"a query over its time":          {503, `{"status":"error","errorType":"timeout","error":"query timed out"}`, fault.Timeout, "timed out"},
		"an engine that is starting":     {503, `{"status":"error","errorType":"unavailable","error":"reading back"}`, fault.Unavailable, "reading back"},
		"a proxy without an engine":      {502, `<html>Bad Gateway</html>`, fault.Unavailable, "502"},
		"a wrong token":                  {401, `{"status":"error","errorType":"unauthorized","error":"a bearer token is needed"}`, fault.Unavailable, "credentials"},
		"another web server":             {404, `not here`, fault.NotFound, "no Prometheus API"},
		"too many requests":              {429, `{}`, fault.Limited, "429"},
		"an answer that breaks off":      {200, `{"status":"success","data":{"resultType":"vector","result":[{"met`, fault.Unavailable, "cannot be read"},
		"a success without a result":     {200, `{"status":"success"}`, fault.Invalid, "vector"},
		"an error with the wrong status": {200, `{"status":"error","errorType":"bad_data","error":"oh"}`, fault.Unavailable, "oh"},
		"a sample that is no pair":       {200, success("vector", `[{"metric":{},"value":[1]}]`), fault.Unavailable, "cannot be read"},
		"a string":                       {200, success("string", `[1,"a"]`), fault.Invalid, "string"},
	} {
		client, _ := answering(t, always(c.status, c.body))
		_, err := client.Query(t.Context(), "up", noon)
		if !fault.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: want %v saying %q, got %v: %v", name, c.want, c.says, fault.KindOf(err), err)
		}
	}
}

func TestAnEngineThatIsAwayIsUnavailableAndASlowOneTimesOut(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the client leaves
		<-r.Context().Done()
	}))
	slow, _ := prom.New(srv.URL, prom.Options{Timeout: 30 * time.Millisecond})
	if _, err := slow.Query(t.Context(), "up", noon); !fault.Is(err, fault.Timeout) {
		t.Errorf("slow: %v", err)
	}
	patient, _ := prom.New(srv.URL, prom.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := patient.Query(ctx, "up", noon); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who left: %v", err)
	}
	srv.Close()
	if err := slow.Ready(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("away: %v", err)
	}
}

func TestRetryAfterIsPassedOn(t *testing.T) {
	t.Parallel()
	c, _ := answering(t, always(503, `{"status":"error","errorType":"unavailable","error":"x"}`))
	_, err := c.Query(t.Context(), "up", noon)
	if got := fault.Public(err).RetryAfter; got != 3*time.Second {
		t.Errorf("want 3s, got %v", got)
	}
}

func TestAnAnswerOverTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	filler := strings.Repeat(" ", 1<<20)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 66 {
			if _, err := io.WriteString(w, filler); err != nil {
				return
			}
		}
	}))
	defer srv.Close()
	c, _ := prom.New(srv.URL, prom.Options{})
	if _, err := c.Query(t.Context(), "up", noon); !fault.Is(err, fault.TooLarge) {
		t.Errorf("want too_large, got %v", err)
	}
}

// TestSamplesAreHalfOpen answers as an engine whose ranges are closed at both ends, and as one that leaves the start out.
func TestSamplesAreHalfOpen(t *testing.T) {
	t.Parallel()
	stored := []time.Time{noon.Add(-time.Minute), noon, noon.Add(time.Millisecond), noon.Add(time.Minute), noon.Add(time.Minute + time.Millisecond)}
	for name, includesStart := range map[string]bool{"closed": true, "left-open": false} {
		c, _ := answering(t, func(f url.Values) (int, string) {
			var ms int64
			if _, err := fmt.Sscanf(f.Get("query"), "x[%dms]", &ms); err != nil {
				t.Errorf("query %q: %v", f.Get("query"), err)
			}
			var end float64
			_, _ = fmt.Sscan(f.Get("time"), &end)
			last := int64(end*1000 + 0.5)
			var points []string
			for _, at := range stored {
				if m := at.UnixMilli(); m <= last && (m > last-ms || includesStart && m == last-ms) {
					points = append(points, fmt.Sprintf(`[%d.%03d,"1"]`, m/1000, m%1000))
				}
			}
			return 200, success("matrix", `[{"metric":{"a":"b"},"values":[`+strings.Join(points, ",")+`]}]`)
		})
		got, err := c.Samples(t.Context(), "x", noon, noon.Add(time.Minute))
		want := []prom.Series{{Labels: map[string]string{"a": "b"}, Points: []prom.Point{{At: stored[2], Value: 1}, {At: stored[3], Value: 1}}}}
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %v %s", name, err, cmp.Diff(want, got))
		}
		if got, err := c.Samples(t.Context(), "x", noon, noon); err != nil || len(got) != 0 {
			t.Errorf("%s, nothing asked: %v, %v", name, got, err)
		}
	}
}

func TestLongRangesAreAskedForInPartsThatMeet(t *testing.T) {
	t.Parallel()
	var covered time.Duration
	c, asked := answering(t, func(f url.Values) (int, string) {
		var ms int64
		_, _ = fmt.Sscanf(f.Get("query"), "x[%dms]", &ms)
		covered += time.Duration(ms-1) * time.Millisecond
		return 200, success("matrix", fmt.Sprintf(`[{"metric":{"a":"b"},"values":[[%s,"1"]]}]`, f.Get("time")))
	})
	got, err := c.Samples(t.Context(), "x", noon, noon.Add(20*time.Hour))
	if err != nil || len(*asked) != 4 || covered != 20*time.Hour {
		t.Fatalf("%d questions covering %v: %v", len(*asked), covered, err)
	}
	if len(got) != 1 || len(got[0].Points) != 4 || !got[0].Points[0].At.Equal(noon.Add(6*time.Hour)) {
		t.Errorf("one series of 4 points in order, got %v", got)
	}
}

func TestAPartialAnswerIsNotTakenForAWholeOne(t *testing.T) {
	t.Parallel()
	c, _ := answering(t, always(200, `{"status":"success","warnings":["store gateway 3 did not answer"],"data":{"resultType":"matrix","result":[]}}`))
	if _, err := c.Samples(t.Context(), "x", noon, noon.Add(time.Hour)); !fault.Is(err, fault.Unavailable) {
		t.Errorf("want unavailable, got %v", err)
	}
}

func TestNewRefusesWhatIsNoURL(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "prometheus:9090", "ftp://x", "http://", "http://a b", "/api/v1"} {
		if _, err := prom.New(base, prom.Options{}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", base, err)
		}
	}
}

func TestThePathOfTheBaseIsKept(t *testing.T) {
	t.Parallel()
	var path, auth string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, auth = r.URL.Path, r.Header.Get("Authorization")
		_, _ = io.WriteString(w, success("vector", "[]"))
	}))
	defer srv.Close()
	for _, suffix := range []string{"/prometheus", "/prometheus/", "/prometheus/api/v1/"} {
		c, err := prom.New(srv.URL+suffix, prom.Options{Token: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Query(t.Context(), "up", noon); err != nil || path != "/prometheus/api/v1/query" || auth != "Bearer secret" {
			t.Errorf("%s: asked %s with %q: %v", suffix, path, auth, err)
		}
	}
}

func TestTheCallersTraceGoesAlong(t *testing.T) { // not parallel: the tracer provider belongs to the process
	before, propagator := otel.GetTracerProvider(), otel.GetTextMapPropagator()
	t.Cleanup(func() { otel.SetTracerProvider(before); otel.SetTextMapPropagator(propagator) })
	spans := tracetest.NewSpanRecorder()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	otel.SetTextMapPropagator(propagation.TraceContext{})
	var header string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header.Get("Traceparent")
		_, _ = io.WriteString(w, success("vector", "[]"))
	}))
	defer srv.Close()
	c, _ := prom.New(srv.URL, prom.Options{})
	ctx, parent := otel.Tracer("test").Start(t.Context(), "caller")
	if _, err := c.Query(ctx, "up", noon); err != nil {
		t.Fatal(err)
	}
	ended := spans.Ended()
	if len(ended) != 1 || ended[0].Parent().SpanID() != parent.SpanContext().SpanID() {
		t.Fatalf("want one span below the caller's, got %d", len(ended))
	}
	own := ended[0].SpanContext()
	if want := "00-" + own.TraceID().String() + "-" + own.SpanID().String() + "-01"; header != want {
		t.Errorf("want traceparent %s, got %q", want, header)
	}
}
