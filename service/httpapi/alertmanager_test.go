package httpapi

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"context"

	"github.com/nines-sre/nines/alerting"
)

func traceID(ctx context.Context) string { return trace.SpanContextFromContext(ctx).TraceID().String() }

const amAlertsPath = "/alertmanager/api/v2/alerts"

func TestPostingAlertsAnswersAsAlertmanagerDoes(t *testing.T) {
	t.Parallel()
	f := func(what, content, contentType string, status int, stored ...string) {
		t.Helper()
		app, w := newWorld(t)
		got := ask(t, app, post, amAlertsPath, content, bearer("responder"), "Content-Type: "+contentType)
		if got.status != status {
			t.Errorf("%s: %d %s", what, got.status, got.text)
		}
		var names []string
		for _, a := range w.received {
			names = append(names, a.Labels["alertname"])
		}
		if strings.Join(names, ",") != strings.Join(stored, ",") {
			t.Errorf("%s: stored %v", what, names)
		}
	}
	const js = "application/json"
	f("nothing to tell", `[]`, js, 200)
	f("one alert", `[{"labels":{"alertname":"A","severity":"warning"}}]`, js, 200, "A")
	f("with charset", `[{"labels":{"alertname":"A"}}]`, "application/json; charset=utf-8", 200, "A")
	f("unknown fields are ignored", `[{"labels":{"alertname":"A"},"extra":1}]`, js, 200, "A")
	f("not JSON by name", `[]`, "text/plain", 415)
	f("no type", `[]`, "x", 415)
	f("no labels", `[{"annotations":{"x":"y"}}]`, js, 422)
	f("one without labels refuses all", `[{"labels":{"alertname":"A"}},{}]`, js, 422)
	f("null alert", `[null]`, js, 422)
	f("empty labels", `[{"labels":{}}]`, js, 400)
	f("only empty-valued labels", `[{"labels":{"a":""}}]`, js, 400)
	f("bad name beside a good one", `[{"labels":{"bad-name":"x"}},{"labels":{"alertname":"good"}}]`, js, 400, "good")
	f("end before start", `[{"labels":{"alertname":"A"},"startsAt":"2026-11-02T00:00:00Z","endsAt":"2026-11-01T00:00:00Z"}]`, js, 400)
	f("bad time", `[{"labels":{"alertname":"A"},"startsAt":"yesterday"}]`, js, 400)
	f("label that is no string", `[{"labels":{"alertname":1}}]`, js, 400)
	f("garbage", `{"labels`, js, 400)
	f("an object", `{"labels":{"alertname":"A"}}`, js, 400)
	f("empty body", ` `, js, 422)
}

func TestAnAlertBelongsToWhoeverMaySpeakForTheTenant(t *testing.T) {
	t.Parallel()
	f := func(token, labels, tenant string) {
		t.Helper()
		app, w := newWorld(t)
		got := ask(t, app, post, amAlertsPath, `[{"labels":`+labels+`}]`, bearer(token))
		if got.status != 200 || len(w.received) != 1 {
			t.Fatalf("%d %s", got.status, got.text)
		}
		a := w.received[0]
		if a.Tenant != tenant || a.Labels["tenant"] != "" && a.Labels["tenant"] != tenant || a.Fingerprint != alerting.Fingerprint(a.Labels) {
			t.Errorf("%s posting %s: tenant %q, labels %v, fingerprint %s", token, labels, a.Tenant, a.Labels, a.Fingerprint)
		}
	}
	f("responder", `{"alertname":"A"}`, "")
	f("responder", `{"alertname":"A","tenant":"acme"}`, "acme")
	f("responder@acme", `{"alertname":"A"}`, "acme")
	f("responder@acme", `{"alertname":"A","tenant":"acme"}`, "acme")
	f("responder@acme", `{"alertname":"A","tenant":"globex"}`, "acme")
}

func TestReadingAlerts(t *testing.T) {
	t.Parallel()
	app, w := newWorld(t)
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for _, a := range []alerting.Alert{
		{Labels: map[string]string{"alertname": "A", "severity": "critical"}, StartsAt: now, EndsAt: now},
		{Labels: map[string]string{"alertname": "B", "severity": "info"}, Tenant: "acme"},
		{Labels: map[string]string{"alertname": "B", "severity": "none"}, Tenant: "globex"},
	} {
		a.Fingerprint = alerting.Fingerprint(a.Labels)
		w.stored = append(w.stored, a)
	}
	f := func(token, query string, status int, names string) {
		t.Helper()
		got := ask(t, app, get, amAlertsPath+query, "", bearer(token))
		var alerts []amAlert
		if got.status == 200 {
			if err := json.Unmarshal([]byte(got.text), &alerts); err != nil {
				t.Fatal(err)
			}
		}
		var found []string
		for _, a := range alerts {
			found = append(found, a.Labels["alertname"]+a.Labels["severity"])
			if a.Status.State != "active" || a.Receivers[0].Name != "nines" || a.Annotations == nil {
				t.Errorf("%+v", a)
			}
		}
		if got.status != status || strings.Join(found, " ") != names {
			t.Errorf("%s %s: %d %v %s", token, query, got.status, found, got.text)
		}
	}
	all := "Bnone Acritical Binfo" // by fingerprint
	f("viewer", "", 200, all)
	f("viewer@acme", "", 200, "Binfo")
	f("viewer", "?filter=severity%3D%22critical%22", 200, "Acritical")
	f("viewer", "?filter=alertname%3DB&filter=severity%21%3D%22info%22", 200, "Bnone")
	f("viewer", "?filter=alert+name", 400, "")
	f("viewer", "?receiver=%5B", 400, "")
	f("viewer", "?receiver=nin.*", 200, all)
	f("viewer", "?receiver=nin", 200, "")
	f("viewer", "?active=false", 200, "")
	f("viewer", "?active=maybe", 400, "")
	f("viewer", "?silenced=false&inhibited=false&unprocessed=false", 200, all)

	got := ask(t, app, get, "/alertmanager/api/v2/alerts/groups", "", bearer("viewer"))
	var groups []amGroup
	if err := json.Unmarshal([]byte(got.text), &groups); err != nil || len(groups) != 2 || len(groups[0].Alerts) != 2 {
		t.Errorf("%v %s", err, got.text)
	}
}

func TestSilencesAreNotPretended(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	f := func(method, path string, status int) {
		t.Helper()
		if got := ask(t, app, method, "/alertmanager/api/v2"+path, "{}", bearer("responder")); got.status != status {
			t.Errorf("%s %s: %d %s", method, path, got.status, got.text)
		}
	}
	f(get, "/silences", 200)
	f(post, "/silences", 501)
	f(get, "/silence/7b0c3ad6-6f2e-4a52-8c1f-2f3d1f0f9a11", 404)
	f("DELETE", "/silence/7b0c3ad6-6f2e-4a52-8c1f-2f3d1f0f9a11", 404)
}

func TestAmtoolWorksAgainstUs(t *testing.T) {
	t.Parallel()
	amtool, err := exec.LookPath("amtool")
	if err != nil {
		t.Skip("amtool is not installed; make setup installs it")
	}
	app, w := newWorld(t)
	url := fmt.Sprintf("http://amtool:responder@%s/alertmanager", serve(t, app))
	f := func(want string, args ...string) {
		t.Helper()
		out, err := exec.Command(amtool, append([]string{"--alertmanager.url=" + url}, args...)...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("amtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	f("", "alert", "add", "foo", "severity=critical", "--annotation=summary=it burns")
	if len(w.received) != 1 || w.received[0].Labels["alertname"] != "foo" || w.received[0].Annotations["summary"] != "it burns" {
		t.Fatalf("received %+v", w.received)
	}
	f("foo", "alert", "query", "foo")
	f("foo", "alert", "query", "severity=critical", "-o", "json")
	f("it burns", "alert", "query", "-o", "extended")
	f("Status:  disabled", "cluster", "show")
	f("receiver: nines", "config", "show")
	f("nines", "config", "routes", "show")
	f("nines", "config", "routes", "test", "alertname=foo")
	f("", "silence", "query")
	out, err := exec.Command(amtool, "--alertmanager.url="+url, "silence", "add", "foo", "--comment=x", "--author=y").CombinedOutput()
	if err == nil {
		t.Errorf("amtool believes in a silence that does not exist: %s", out)
	}
}

func FuzzReadPosted(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `[]`, `[null]`, `[{}]`, `[{"labels":{}}]`, `[{"labels":{"a":"b"},"startsAt":"2026-11-01T00:00:00Z"}]`,
		`[{"labels":{"a":null}}]`, `{"labels":{}}`, `[{"labels":{"a":1}}]`, `[{"labels":{"\u0000":"x"}}]`, "[{\"labels\":{\"a\":\"\xff\"}}]",
		`[{"labels":{"a":"b"},"endsAt":"0001-01-01T00:00:00.000Z","generatorURL":"javascript:alert(1)"}]`, strings.Repeat("[", 12_000),
	} {
		f.Add([]byte(seed))
	}
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body []byte) {
		posted, err := readPosted(body)
		if err != nil {
			if status := problemOf(err).Status; status != 400 && status != 422 {
				t.Fatalf("%q: %v gives %d", body, err, status)
			}
			return
		}
		valid, _ := alerting.Parse(posted, now, time.Minute)
		for _, a := range valid {
			if len(a.Labels) == 0 || a.EndsAt.Before(a.StartsAt) {
				t.Fatalf("%q let through %+v", body, a)
			}
		}
	})
}
