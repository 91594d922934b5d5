package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// engineStub answers like Prometheus and remembers the last question.
type engineStub struct {
	mu   sync.Mutex // a question that is given up is still being answered when the next one comes
	last *http.Request
}

func (e *engineStub) asked() *http.Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last
}

func (e *engineStub) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = nil
}

func (e *engineStub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	e.mu.Lock()
	e.last = r
	e.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Set-Cookie", "engine=1")
	switch r.Form.Get("query") {
	case "bad(":
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"status":"error","errorType":"bad_data","error":"parse error"}`)
	case "slow":
		select {
		case <-r.Context().Done():
		case <-time.After(5 * time.Second):
		}
	case "huge":
		_, _ = io.WriteString(w, `"`+strings.Repeat("x", 4096)+`"`)
	case "page":
		_, _ = io.WriteString(w, `<html>`)
	case "moved":
		http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
	default:
		_, _ = io.WriteString(w, `{"status":"success","data":[]}`)
	}
}

func withEngine(t *testing.T, tweak ...func(*Config, *Deps)) (func(method, target, content string, headers ...string) answer, *engineStub) {
	t.Helper()
	stub := &engineStub{}
	server := httptest.NewServer(stub)
	t.Cleanup(server.Close)
	set := func(c *Config, _ *Deps) {
		c.PrometheusURL, c.PrometheusToken, c.ProxyLimit, c.AnalysisTimeout = server.URL+"/prefix/", "engine-token", 1024, 2*time.Second
	}
	app, _ := newWorld(t, append([]func(*Config, *Deps){set}, tweak...)...)
	return func(method, target, content string, headers ...string) answer {
		return ask(t, app, method, target, content, append([]string{bearer("viewer"), "Content-Type: application/x-www-form-urlencoded"}, headers...)...)
	}, stub
}

func TestQueriesArePassedOn(t *testing.T) {
	t.Parallel()
	askEngine, stub := withEngine(t)
	f := func(method, target, content, path string, want url.Values) {
		t.Helper()
		got := askEngine(method, "/prometheus"+target, content, "X-Scope-OrgID: acme", "Cookie: nines_session=s")
		if got.status != 200 || got.text != `{"status":"success","data":[]}` || got.header.Get("Set-Cookie") != "" {
			t.Errorf("%s %s: %d %s %v", method, target, got.status, got.text, got.header)
		}
		if stub.asked().Method != method || stub.asked().URL.Path != "/prefix"+path || stub.asked().Header.Get("Authorization") != "Bearer engine-token" {
			t.Errorf("%s %s: engine was asked %s %s", method, target, stub.asked().Method, stub.asked().URL)
		}
		if stub.asked().Header.Get("X-Scope-OrgID")+stub.asked().Header.Get("Cookie") != "" {
			t.Errorf("%s %s: headers passed on: %v", method, target, stub.asked().Header)
		}
		for name := range want {
			if strings.Join(stub.asked().Form[name], "|") != strings.Join(want[name], "|") {
				t.Errorf("%s %s: %s was %v", method, target, name, stub.asked().Form[name])
			}
		}
	}
	f(get, "/api/v1/query?query=up%7Bjob%3D%22shop%22%7D&time=1", "", "/api/v1/query", url.Values{"query": {`up{job="shop"}`}, "time": {"1"}})
	f(post, "/api/v1/query_range", "query=up&start=1&end=2&step=15", "/api/v1/query_range", url.Values{"query": {"up"}, "step": {"15"}})
	f(post, "/api/v1/series?match[]=a", "match[]=b", "/api/v1/series", url.Values{"match[]": {"a", "b"}})
	f(get, "/api/v1/label/job/values?match[]=up", "", "/api/v1/label/job/values", url.Values{"match[]": {"up"}})
	f(get, "/api/v1/query?query=up&timeout=1", "", "/api/v1/query", url.Values{"timeout": {"1"}})
	for _, path := range []string{"labels", "metadata", "rules", "alerts", "targets", "status/buildinfo", "query_exemplars?query=x"} {
		f(get, "/api/v1/"+path, "", "/api/v1/"+strings.TrimSuffix(path, "?query=x"), nil)
	}
	if limit := stub.asked().Form.Get("timeout"); limit == "" {
		t.Error("the engine is not told when to stop")
	}
}

func TestQueriesThatCannotBeAnsweredSayWhy(t *testing.T) {
	t.Parallel()
	askEngine, stub := withEngine(t, func(c *Config, _ *Deps) { c.AnalysisTimeout = 300 * time.Millisecond })
	f := func(what, method, target, content string, status int, kind string) {
		t.Helper()
		got := askEngine(method, "/prometheus"+target, content)
		var said struct{ Status, ErrorType, Error string }
		err := json.Unmarshal([]byte(got.text), &said)
		if got.status != status || err != nil || said.Status != "error" || said.ErrorType != kind || said.Error == "" {
			t.Errorf("%s: %d %s", what, got.status, got.text)
		}
	}
	parens := strings.Repeat("(", 5000)
	f("the engine's own refusal", get, "/api/v1/query?query=bad(", "", 400, "bad_data")
	f("too slow", get, "/api/v1/query?query=slow", "", 504, "timeout")
	f("too large", get, "/api/v1/query?query=huge", "", 422, "execution")
	f("not JSON", get, "/api/v1/query?query=page", "", 503, "unavailable")
	f("a redirect", get, "/api/v1/query?query=moved", "", 503, "unavailable")
	stub.forget()
	f("deep nesting", get, "/api/v1/query?query="+parens, "", 400, "bad_data")
	f("deep nesting in a form", post, "/api/v1/query", "query=1&query="+parens, 400, "bad_data")
	f("a deep selector", post, "/api/v1/series", "match[]=up&match[]="+parens, 400, "bad_data")
	f("a long expression", post, "/api/v1/query_range", "query=1"+strings.Repeat("%2B1", 20_000), 400, "bad_data")
	f("a bad escape", get, "/api/v1/query?query=%zz", "", 400, "bad_data")
	f("no such endpoint", get, "/api/v1/write", "", 404, "not_found")
	f("a changing endpoint", post, "/api/v1/admin/tsdb/delete_series", "", 404, "not_found")
	if stub.asked() != nil {
		t.Errorf("the engine was asked %s", stub.asked().URL)
	}
	app, _ := newWorld(t)
	if got := ask(t, app, get, "/prometheus/api/v1/query?query=up", "", bearer("viewer")); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("engine away: %d %s", got.status, got.text)
	}
	if got := ask(t, app, post, "/prometheus/api/v1/query", `{"query":"up"}`, bearer("viewer")); got.status != 415 {
		t.Errorf("a JSON body: %d %s", got.status, got.text)
	}
}

func TestTheEngineIsToldTheShorterTimeout(t *testing.T) {
	t.Parallel()
	f := func(asked string, ours time.Duration, want string) {
		t.Helper()
		if got := shorter(asked, ours); got != want {
			t.Errorf("%q within %s: %s", asked, ours, got)
		}
	}
	f("", 30*time.Second, "30.000")
	f("10", 30*time.Second, "10")
	f("10s", 30*time.Second, "10s")
	f("2m", 30*time.Second, "30.000")
	f("-1", 30*time.Second, "30.000")
	f("NaN", 30*time.Second, "30.000")
	f("1", -time.Second, "0.001")
}

func TestAQuestionAfterItsDeadlineIsATimeout(t *testing.T) {
	t.Parallel()
	e, err := newEngine(Config{PrometheusURL: "http://127.0.0.1:1", ProxyLimit: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if _, _, err := e.ask(ctx, get, "/api/v1/query", url.Values{}); problemOf(err).Status != 504 {
		t.Errorf("%v", err)
	}
}
