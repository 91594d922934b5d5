package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/service/httpapi"
)

// alertServer answers as the control plane does, and remembers what it was asked.
func alertServer(t *testing.T) (asked *[]string) {
	t.Helper()
	asked = &[]string{}
	now := time.Now()
	held := &alerting.Verdict{SilencedBy: []string{"6d8f"}, InhibitedBy: []string{}, MutedBy: []string{"patches"}}
	al := alerting.Alert{Fingerprint: "25c2cdb12d31dc50", Tenant: "acme", Labels: map[string]string{"alertname": "DiskFull", "disk": "a\x1b[31m"},
		StartsAt: now.Add(-time.Hour), EndsAt: now.Add(time.Hour), Verdict: held}
	s := silence{Silence: alerting.Silence{ID: "6d8f", Matchers: []alerting.Matcher{{Name: "a", Value: "b", IsEqual: true}}, EndsAt: now.Add(time.Hour), Comment: "new disks"},
		State: alerting.SilenceActive}
	answers := map[string]any{
		"GET /api/v1/alerts":                          alertsBody{[]alerting.Alert{al}},
		"GET /api/v1/alerts/history":                  alertEventsBody{Events: []alerting.Event{{Kind: alerting.EventSuppressed, At: now, Labels: al.Labels, Verdict: held}}, NextCursor: "7"},
		"GET /api/v1/alerts/25c2cdb12d31dc50/history": alertEventsBody{Events: []alerting.Event{{Kind: alerting.EventFired, At: now}}},
		"GET /api/v1/alerts/ffffffffffffffff/history": alertEventsBody{},
		"GET /api/v1/silences":                        silencesBody{[]silence{s}},
		"GET /api/v1/silences/6d8f":                   s,
		"POST /api/v1/silences":                       s,
		"POST /api/v1/silences/6d8f/expire":           s,
		"POST /api/v1/silences/preview":               alertsBody{},
		"GET /api/v1/heartbeats":                      heartbeatsBody{[]heartbeatRow{{Name: "backup", Interval: 3600, LastAt: &now, Overdue: true}, {Name: "new"}}},
		"POST /api/v1/heartbeats/backup/ping":         map[string]any{"name": "backup", "lastAt": now},
		"POST /api/v1/alerts/explain": explained{Alert: al, Explanation: httpapi.Explanation{Held: true, Paging: []string{"pages policy default"}, Findings: []alerting.Finding{
			{Step: alerting.StepSilence, Name: "6d8f", Applies: true, Text: "silenced until noon"}, {Step: alerting.StepRoute, Name: "shop", Text: "does not match"},
			{Step: alerting.StepVerdict, Applies: true, Text: "held by silence 6d8f"}}}},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked = append(*asked, r.Method+" "+r.URL.RequestURI()+" "+string(body))
		answer, known := answers[r.Method+" "+r.URL.Path]
		if !known {
			w.WriteHeader(http.StatusNotFound)
			answer = map[string]string{"detail": "there is nothing at this address"}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	t.Setenv("NINES_SERVER", server.URL)
	t.Setenv("NINES_TOKEN", "x")
	return asked
}

func TestAlertCommandsAskAndShow(t *testing.T) {
	asked := alertServer(t)
	f := func(line string, code int, wantAsked string, wants ...string) {
		t.Helper()
		*asked = nil
		got, out, errOut := nines(t, strings.Split(line, " ")...)
		if got != code || !strings.Contains(strings.Join(*asked, "\n"), wantAsked) {
			t.Errorf("nines %s exits with %d, asks %q: %s%s", line, got, *asked, out, errOut)
		}
		for _, want := range wants {
			if !strings.Contains(out+errOut, want) {
				t.Errorf("nines %s does not say %q:\n%s%s", line, want, out, errOut)
			}
		}
		if strings.Contains(out, "\x1b") && !strings.Contains(line, "--json") {
			t.Errorf("nines %s sends control characters of labels to the terminal", line)
		}
	}
	f("alert list service=shop --state suppressed", exitOK, "/alerts?filter=service%3Dshop&state=suppressed", "25c2cdb12d31dc50", "silenced", "acme", "DiskFull", "disk=a")
	f("alerts list --json", exitOK, "/alerts", `"silencedBy"`)
	f("alert show 25c2cdb12d31dc50", exitOK, "/alerts/25c2cdb12d31dc50/history", "silence 6d8f, maintenance window patches", "fired")
	f("alert show ffffffffffffffff", exitFailed, "/alerts/ffff", "there is no alert")
	f("alert show", exitUsage, "")
	f("alert history --filter a=b --kind fired,ended --limit 5", exitOK, "filter=a%3Db&kind=fired%2Cended&limit=5", "suppressed", "silence 6d8f", "--cursor 7")
	f("alert explain DiskFull disk=a --annotation nines_policy=p", exitOK, `{"labels":{"alertname":"DiskFull","disk":"a"},"annotations":{"nines_policy":"p"}}`,
		"silenced until noon", "held by silence 6d8f", "Once nothing holds it", "pages policy default", "1 that do not apply")
	f("alert explain --fingerprint 25c2cdb12d31dc50 -v", exitOK, `{"fingerprint":"25c2cdb12d31dc50"}`, "no, does not match")
	f("alert explain", exitUsage, "")
	f("alert explain a=b --fingerprint x", exitUsage, "")
	f("alert explain a=b a=c", exitUsage, "")
	f("alert explain -", exitInvalid, "", "standard input")
	f("silence add a=b --for 2h --comment x", exitOK, `{"matchers":["a=b"],"duration":"2h","comment":"x"}`, "6d8f", "active")
	f("silence add a=b --until 2026-11-24T00:00:00Z", exitOK, `"endsAt":"2026-11-24T00:00:00Z"`)
	f("silence add a=b --for soon", exitInvalid, "", "--for")
	f("silence add a=b --until soon", exitInvalid, "", "--until")
	f("silence add", exitUsage, "")
	f("silence list --expired", exitOK, "expired=true", "6d8f", `a="b"`, "new disks", "left")
	f("silence show 6d8f", exitOK, "/silences/6d8f", "new disks")
	f("silence expire 6d8f", exitOK, "/silences/6d8f/expire", "6d8f")
	f("silence expire nobody", exitFailed, "/silences/nobody/expire", "nothing at this address")
	f("silence preview a=~b.*", exitOK, `{"matchers":["a=~b.*"]}`, "no alert")
	f("heartbeat list", exitOK, "/heartbeats", "overdue", "never pinged", "1h00m")
	f("heartbeat ping backup", exitOK, "/heartbeats/backup/ping", "backup was heard")
}
