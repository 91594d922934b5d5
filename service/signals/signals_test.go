package signals_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/signals"
	"github.com/nines-sre/nines/service/signals/signalstest"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func TestLokiGivesTheLinesOfTheTenantInOrder(t *testing.T) {
	t.Parallel()
	fake := &signalstest.Loki{Tenant: "acme"}
	for n := range 5 {
		fake.Lines = append(fake.Lines, signalstest.Line{At: start.Add(time.Duration(n) * time.Second), Text: fmt.Sprint("line ", n)})
	}
	loki, err := signals.NewLoki(serve(t, fake)+"/", signals.Options{Tenant: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	lines, err := loki.Lines(t.Context(), `{service_name="shop"}`, start, start.Add(3*time.Second), 10)
	if err != nil || len(lines) != 3 || lines[0].Text != "line 2" || !lines[2].At.Equal(start) {
		t.Errorf("%+v, %v", lines, err)
	}
	if _, err := loki.Lines(t.Context(), "rate", start, start.Add(time.Second), 10); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "syntax error") {
		t.Errorf("a bad query: %v", err)
	}
	nobody, _ := signals.NewLoki(serve(t, fake), signals.Options{})
	if _, err := nobody.Lines(t.Context(), `{a="b"}`, start, start.Add(time.Second), 10); !fault.Is(err, fault.Forbidden) {
		t.Errorf("without a tenant: %v", err)
	}
}

func TestTempoGivesTracesOfTheSpan(t *testing.T) {
	t.Parallel()
	fake := &signalstest.Tempo{Traces: []signalstest.Trace{{ID: "4bf92f3577b34da6", Service: "shop", Name: "POST /pay", TookMS: 1200, At: start}}}
	tempo, err := signals.NewTempo(serve(t, fake), signals.Options{})
	if err != nil {
		t.Fatal(err)
	}
	traces, err := tempo.Search(t.Context(), `{ status = error }`, start.Add(-time.Minute), start.Add(time.Millisecond), 5)
	want := signals.Trace{ID: "4bf92f3577b34da6", Service: "shop", Name: "POST /pay", At: start, Took: 1200 * time.Millisecond}
	if err != nil || len(traces) != 1 || traces[0] != want {
		t.Errorf("%+v, %v", traces, err)
	}
	if _, err := tempo.Search(t.Context(), "status = error", start, start, 5); !fault.Is(err, fault.Invalid) {
		t.Errorf("a bad query: %v", err)
	}
}

func TestTroubleHasAKind(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]fault.Kind{500: fault.Unavailable, 503: fault.Unavailable, 429: fault.Limited, 401: fault.Forbidden, 400: fault.Invalid} {
		loki, _ := signals.NewLoki(serve(t, &signalstest.Loki{Status: status}), signals.Options{})
		if _, err := loki.Lines(t.Context(), `{a="b"}`, start, start.Add(time.Second), 1); !fault.Is(err, want) {
			t.Errorf("%d: %v", status, err)
		}
	}
	away, _ := signals.NewLoki("http://127.0.0.1:1", signals.Options{})
	if _, err := away.Lines(t.Context(), `{a="b"}`, start, start.Add(time.Second), 1); !fault.Is(err, fault.Unavailable) {
		t.Errorf("away: %v", err)
	}
	if _, err := signals.NewTempo("tempo:3200", signals.Options{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("no URL: %v", err)
	}
}

func FuzzLokiAnswer(f *testing.F) {
	f.Add(`{"status":"success","data":{"resultType":"streams","result":[{"stream":{},"values":[["1","x",{"a":"b"}]]}]}}`)
	f.Add(`{"data":{"resultType":"streams","result":[{"values":[[1,2]]}]}}`)
	f.Fuzz(func(t *testing.T, answer string) {
		url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }))
		loki, _ := signals.NewLoki(url, signals.Options{})
		lines, err := loki.Lines(t.Context(), "{}", start, start, 3)
		if err == nil && !json.Valid([]byte(answer)) || len(lines) > 3 {
			t.Errorf("%q gives %v, %v", answer, lines, err)
		}
	})
}
