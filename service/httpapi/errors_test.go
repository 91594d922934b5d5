package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/internal/fault"
)

func TestEveryFaultHasItsStatus(t *testing.T) {
	t.Parallel()
	f := func(err error, status int, code, retryAfter string) {
		t.Helper()
		app, w := newWorld(t)
		w.fail = err
		got := ask(t, app, get, "/api/v1/incidents/2/timeline", "", bearer("viewer"))
		p := got.problem(t)
		if got.status != status || p.Status != status || p.Code != code || got.header.Get("Retry-After") != retryAfter {
			t.Errorf("%v: %d %q Retry-After %q", err, got.status, got.text, got.header.Get("Retry-After"))
		}
		if ct := got.header.Get("Content-Type"); ct != "application/problem+json" {
			t.Errorf("%v: Content-Type %q", err, ct)
		}
		if p.RequestID == "" || p.RequestID != got.header.Get("X-Request-Id") {
			t.Errorf("%v: request id %q, header %q", err, p.RequestID, got.header.Get("X-Request-Id"))
		}
	}
	in := func(kind fault.Kind, after time.Duration) error {
		e := fault.New(kind, "so it is")
		e.RetryAfter = after
		return e
	}
	f(in(fault.Invalid, 0), 400, "invalid", "")
	f(in(fault.Unauthorized, 0), 401, "unauthorized", "")
	f(in(fault.Forbidden, 0), 403, "forbidden", "")
	f(in(fault.NotFound, 0), 404, "not_found", "")
	f(in(fault.Conflict, 0), 409, "conflict", "")
	f(in(fault.TooLarge, 0), 413, "too_large", "")
	f(in(fault.Limited, 1500*time.Millisecond), 429, "limited", "2")
	f(in(fault.Unavailable, 0), 503, "unavailable", "5")
	f(in(fault.Timeout, 0), 504, "timeout", "")
	f(errors.New("a bug"), 500, "internal", "")
	f(fmt.Errorf("read: %w", in(fault.Conflict, 0)), 409, "conflict", "")
	f(context.DeadlineExceeded, 504, "timeout", "")
}

func TestACauseNeverReachesAClientButTheLog(t *testing.T) {
	t.Parallel()
	const secret = "password=hunter2"
	for name, err := range map[string]error{
		"plain":    errors.New(secret),
		"internal": fault.Wrap(fault.Internal, errors.New(secret), "query %s", secret),
		"wrapped":  fmt.Errorf("outer: %w", errors.New(secret)),
	} {
		app, w := newWorld(t)
		w.fail = err
		for _, path := range []string{"/api/v1/users", "/api/v1/incidents", "/api/v1/slos", "/alertmanager/api/v2/alerts"} {
			got := ask(t, app, get, path, "", bearer("admin"))
			if got.status != 500 || strings.Contains(got.text, "hunter2") {
				t.Errorf("%s %s: %d %s", name, path, got.status, got.text)
			}
		}
		if n := strings.Count(w.log.String(), `"level":"ERROR"`); n != 4 || !strings.Contains(w.log.String(), "hunter2") || !strings.Contains(w.log.String(), `"trace_id"`) {
			t.Errorf("%s: logged %d errors: %s", name, n, w.log.String())
		}
	}
}

func TestAPanicIsAnswered(t *testing.T) {
	t.Parallel()
	app, w := newWorld(t)
	app.Get("/boom", func(*fiber.Ctx) error { panic("secret state") })
	got := ask(t, app, get, "/boom", "")
	if got.status != 500 || strings.Contains(got.text, "secret") || !strings.Contains(w.log.String(), "secret state") {
		t.Errorf("%d %s\n%s", got.status, got.text, w.log.String())
	}
	if last := w.observed[len(w.observed)-1]; last != (observation{"GET", "/boom", 500, "none"}) {
		t.Errorf("observed %v", last)
	}
}

func TestWhatIsWrongIsNamedWithoutEchoingIt(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	f := func(method, target, content, location string) {
		t.Helper()
		got := ask(t, app, method, target, content, bearer("admin"))
		p := got.problem(t)
		named := false
		for _, d := range p.Errors {
			named = named || d.Location == location && d.Message != ""
		}
		if got.status != 400 || p.Code != "invalid" || !named || strings.Contains(got.text, "s3cret") {
			t.Errorf("%s %s: %d %s", method, target, got.status, got.text)
		}
	}
	f(post, "/api/v1/users", `{"email":"a@b.c","password":"s3cret","role":"viewer"}`, "body.password")
	f(post, "/api/v1/users", `{"email":"a@b.c","password":"twelve chars","role":"s3cret"}`, "body.role")
	f(post, "/api/v1/users", `{"email":"a@b.c","password":"twelve chars","role":"viewer","tenant_id":"s3cret"}`, "body.tenant_id")
	f(post, "/api/v1/users", `{"email":"a@b.c","role":"viewer"}`, "body")
	f(get, "/api/v1/incidents?limit=0", "", "query.limit")
	f(get, "/api/v1/incidents?state=asleep", "", "query.state[0]")
	f(get, "/api/v1/incidents?stat=resolved", "", "query.stat")
	f(get, "/api/v1/capacity/forecast?query=up&horizon=soon&step=1ms", "", "query.horizon")
	f(get, "/api/v1/capacity/forecast?query=up&step=1ms", "", "query.step")
	f(get, "/api/v1/capacity/forecast?query=up&limit=NaN", "", "query.limit")
	f(get, "/api/v1/capacity/forecast?query=up&level=1", "", "query.level")
	f(get, "/api/v1/capacity/forecast?query=up&zone=Mars/Olympus&cap=much&floor=x&tier=1&tier=y&event=sale", "", "query.zone")
	f(get, "/api/v1/capacity/forecast?query=up&tier=1&tier=y", "", "query.tier")
	f(get, "/api/v1/capacity/forecast?query=up&event=sale", "", "query.event")
	f(get, "/api/v1/capacity/anomalies?query=up&window=never", "", "query.window")
	f(get, "/api/v1/capacity/forecasts?id=x", "", "query.id")
	f(post, "/api/v1/definitions/apply", `{"files":[{"name":"slo.yaml","text":"bad"}]}`, "slo.yaml:3")
	for _, garbage := range []string{"{", "[]", `"x"`, strings.Repeat("[", 20_000)} {
		if got := ask(t, app, post, "/api/v1/users", garbage, bearer("admin")); got.status != 400 {
			t.Errorf("%.10s: %d %s", garbage, got.status, got.text)
		}
	}
}

func TestProblemsOfValidationAreAnAnswer(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	got := ask(t, app, post, "/api/v1/definitions/validate", `{"files":[{"name":"a.yaml","text":"bad"},{"name":"b.yaml","text":"fine"}]}`, bearer("viewer"))
	var v validation
	if err := json.Unmarshal([]byte(got.text), &v); err != nil || got.status != 200 || v.Valid || len(v.Problems) != 1 || v.Problems[0].Line != 3 {
		t.Errorf("%d %v %s", got.status, err, got.text)
	}
}

func TestWhatIsNotThereIsAnsweredInTheFormOfItsNeighbours(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t, func(c *Config, _ *Deps) {
		c.HTMLError = func(c *fiber.Ctx, status int, message string) error {
			return c.Type("html").SendString("<h1>" + message + "</h1>")
		}
	})
	f := func(method, target string, status int, want string) {
		t.Helper()
		got := ask(t, app, method, target, "", bearer("admin"))
		if got.status != status || !strings.Contains(got.text, want) || strings.Contains(got.text, "Cannot") {
			t.Errorf("%s %s: %d %s", method, target, got.status, got.text)
		}
	}
	f(get, "/api/v1/nope", 404, `"code":"not_found"`)
	f(http.MethodPut, "/api/v1/incidents/2", 405, `"title":"Method Not Allowed"`)
	f(get, "/prometheus/api/v1/admin/tsdb/delete_series", 404, `"status":"error"`)
	f(get, "/alertmanager/api/v1/alerts", 404, `"there is nothing`)
	f(get, "/nope", 404, `<h1>there is nothing`)
	if got := ask(t, app, get, "/nope", "", "Accept: application/json"); got.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("a program asked and got %s", got.header.Get("Content-Type"))
	}
}

func TestARequestThatTakesTooLongIsAnswered(t *testing.T) {
	t.Parallel()
	app, w := newWorld(t, func(c *Config, _ *Deps) {
		c.RequestTimeout, c.AnalysisTimeout = 20*time.Millisecond, 60*time.Millisecond
	})
	w.block = true
	for path, least := range map[string]time.Duration{"/api/v1/incidents": 20 * time.Millisecond, "/api/v1/intelligence/posture": 60 * time.Millisecond} {
		began := time.Now()
		got := ask(t, app, get, path, "", bearer("viewer"))
		if took := time.Since(began); got.status != 504 || got.problem(t).Code != "timeout" || took < least {
			t.Errorf("%s: %d after %s: %s", path, got.status, took, got.text)
		}
	}
}

func TestStorageAwayIsServiceUnavailable(t *testing.T) {
	t.Parallel()
	app, w := newWorld(t)
	e := fault.New(fault.Unavailable, "storage does not answer")
	e.RetryAfter = 3 * time.Second
	w.fail = e
	got := ask(t, app, post, "/alertmanager/api/v2/alerts", `[{"labels":{"alertname":"A"}}]`, bearer("responder"))
	if got.status != 503 || got.header.Get("Retry-After") != "3" {
		t.Errorf("%d %v %s", got.status, got.header, got.text)
	}
	if last := w.observed[len(w.observed)-1]; last.route != "/alertmanager/api/v2/alerts" || last.status != 503 {
		t.Errorf("observed %v; a request that authentication could not judge still counts for its route", last)
	}
}

func TestBadWiringIsNamed(t *testing.T) {
	t.Parallel()
	w := &world{}
	d := w.deps()
	d.Incidents = nil
	_, noIncidents := New(Config{PrometheusURL: "http://x"}, d)
	_, noEngine := New(Config{}, w.deps())
	_, badBase := New(Config{PrometheusURL: "http://x", BaseURL: "nines"}, w.deps())
	for want, err := range map[string]error{"Deps.Incidents": noIncidents, "PrometheusURL": noEngine, "BaseURL": badBase} {
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
