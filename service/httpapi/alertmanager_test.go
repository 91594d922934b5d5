package httpapi

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
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
	if err := json.Unmarshal([]byte(got.text), &groups); err != nil || len(groups) != 2 || len(groups[1].Alerts) != 2 {
		t.Errorf("%v %s", err, got.text)
	}
}

const amSilencesPath = "/alertmanager/api/v2/silences"

func TestPostingSilencesAnswersAsAlertmanagerDoes(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	const starts, ends = `"startsAt":"2026-01-01T00:00:00Z"`, `"endsAt":"2099-01-01T00:00:00Z","createdBy":"ada"`
	f := func(what, content string, status int, headers ...string) {
		t.Helper()
		got := ask(t, app, post, amSilencesPath, content, append([]string{bearer("responder")}, headers...)...)
		if got.status != status {
			t.Errorf("%s: %d %s", what, got.status, got.text)
		}
	}
	body := func(matchers, rest string) string { return `{"matchers":` + matchers + `,` + starts + `,` + rest + `}` }
	const one = `[{"name":"a","value":"b","isRegex":false}]`
	f("good", body(one, ends+`,"comment":"x"`), 200)
	f("no comment's text", body(one, ends+`,"comment":""`), 200)
	f("no comment", body(one, ends), 422)
	f("no matchers", body(`[]`, ends+`,"comment":""`), 422)
	f("no isRegex", body(`[{"name":"a","value":"b"}]`, ends+`,"comment":""`), 422)
	f("matches the empty string", body(`[{"name":"a","value":"","isRegex":false}]`, ends+`,"comment":""`), 400)
	f("bad expression", body(`[{"name":"a","value":"[","isRegex":true}]`, ends+`,"comment":""`), 400)
	f("in the past", body(one, `"endsAt":"2026-02-01T00:00:00Z","createdBy":"ada","comment":""`), 400)
	f("ends before it begins", body(one, `"endsAt":"2025-01-01T00:00:00Z","createdBy":"ada","comment":""`), 400)
	f("unknown id", body(one, ends+`,"comment":"","id":"7b0c3ad6-6f2e-4a52-8c1f-2f3d1f0f9a11"`), 404)
	f("nothing", ` `, 422)
	f("no JSON", `{"matchers`, 400)
	f("not said to be JSON", body(one, ends+`,"comment":""`), 415, "Content-Type: text/plain")
}

func TestASilencedAlertIsSuppressedUntilTheSilenceIsDeleted(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	token := bearer("responder")
	ask(t, app, post, amAlertsPath, `[{"labels":{"alertname":"A","disk":"full"}}]`, token)
	made := ask(t, app, post, amSilencesPath, `{"matchers":[{"name":"disk","value":"f.*","isRegex":true}],"startsAt":"2026-01-01T00:00:00Z",`+
		`"endsAt":"2099-01-01T00:00:00Z","createdBy":"ada","comment":""}`, token)
	var answered struct{ SilenceID string }
	if err := json.Unmarshal([]byte(made.text), &answered); err != nil || answered.SilenceID == "" {
		t.Fatalf("%d %s", made.status, made.text)
	}
	f := func(query string, want int, state string, by ...string) {
		t.Helper()
		var found []amAlert
		got := ask(t, app, get, amAlertsPath+query, "", token)
		if err := json.Unmarshal([]byte(got.text), &found); err != nil || len(found) != want {
			t.Fatalf("%s: %s", query, got.text)
		}
		if want == 1 && (found[0].Status.State != state || !slices.Equal(found[0].Status.SilencedBy, by)) {
			t.Errorf("%s: %+v", query, found[0].Status)
		}
	}
	f("", 1, "suppressed", answered.SilenceID)
	f("?silenced=false", 0, "")
	f("?active=false", 1, "suppressed", answered.SilenceID)
	one := "/alertmanager/api/v2/silence/" + answered.SilenceID
	for range 2 {
		if got := ask(t, app, "DELETE", one, "", token); got.status != 200 || got.text != "OK" && got.text != "" {
			t.Errorf("%d %s", got.status, got.text)
		}
	}
	f("", 1, "active")
	if got := ask(t, app, get, one, "", token); got.status != 200 || !strings.Contains(got.text, `"state":"expired"`) {
		t.Errorf("%d %s", got.status, got.text)
	}
	if got := ask(t, app, get, "/alertmanager/api/v2/silence/x", "", token); got.status != 422 {
		t.Errorf("%d %s", got.status, got.text)
	}
}

func TestSilencesAreListedAsTheyConcernPeople(t *testing.T) {
	t.Parallel()
	app, w := newWorld(t)
	now := time.Now()
	at := func(hours int) time.Time { return now.Add(time.Duration(hours) * time.Hour) }
	for _, s := range []struct {
		id         string
		begin, end int
	}{{"expired", -9, -5}, {"later", 2, 3}, {"long", -1, 9}, {"short", -1, 1}, {"soon", 1, 9}, {"just", -9, -1}} {
		w.silences = append(w.silences, alerting.Silence{ID: s.id, StartsAt: at(s.begin), EndsAt: at(s.end), Matchers: []alerting.Matcher{{Name: "a", Value: s.id[:1] + ".*", IsRegex: true, IsEqual: true}}})
	}
	f := func(query, ids string) {
		t.Helper()
		var found []amSilence
		got := ask(t, app, get, amSilencesPath+query, "", bearer("viewer"))
		if err := json.Unmarshal([]byte(got.text), &found); err != nil {
			t.Fatal(got.text)
		}
		var shown []string
		for _, s := range found {
			shown = append(shown, s.ID)
		}
		if strings.Join(shown, " ") != ids {
			t.Errorf("%s: %v", query, shown)
		}
	}
	f("", "short long soon later just expired")
	f("?filter=a%3D~%22s.*%22", "short soon")
	f("?filter=a%3D%22s.*%22", "")
	f("?filter=b%3D%22x%22", "")
}

func TestAReloadIsRefusedInWords(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	if got := ask(t, app, post, "/alertmanager/-/reload", "", bearer("admin")); got.status != 501 || !strings.Contains(got.text, "nines apply") {
		t.Errorf("%d %s", got.status, got.text)
	}
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
	out, err := exec.Command(amtool, "--alertmanager.url="+url, "silence", "add", "foo", "--comment=x", "--author=y").Output()
	if id := strings.TrimSpace(string(out)); err != nil || len(id) != 36 {
		t.Fatalf("%v %s", err, out)
	}
	id := strings.TrimSpace(string(out))
	f(id, "silence", "query", "foo")
	f("3h moved", "silence", "update", "--duration=3h", "--comment=3h moved", id)
	id = newest(t, app)
	f("", "silence", "expire", id)
	f(id, "silence", "query", "--expired")
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

func FuzzReadSilence(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `{}`, `{"matchers":null}`, `{"matchers":[{}]}`, `{"matchers":[{"name":"a","value":"b","isRegex":true}],"startsAt":"2026-01-01T00:00:00Z",` +
			`"endsAt":"2099-01-01T00:00:00Z","createdBy":"a","comment":"c"}`, `{"matchers":[null]}`, `{"startsAt":1}`, `[]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := readSilence(body)
		if err != nil {
			if status := problemOf(err).Status; status != 400 && status != 422 {
				t.Fatalf("%q: %v gives %d", body, err, status)
			}
			return
		}
		if len(s.Matchers) == 0 {
			t.Fatalf("%q let through %+v", body, s)
		}
	})
}

// newest is the id of the only silence that amtool has made and that is active: changing more than its end may make a new one.
func newest(t *testing.T, app *fiber.App) string {
	t.Helper()
	var found []amSilence
	got := ask(t, app, get, amSilencesPath+"?filter=alertname%3Dfoo", "", bearer("viewer"))
	if err := json.Unmarshal([]byte(got.text), &found); err != nil || len(found) == 0 || found[0].Status.State != alerting.SilenceActive {
		t.Fatalf("%v %s", err, got.text)
	}
	return found[0].ID
}
