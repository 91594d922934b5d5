package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

const policiesAnswer = `{"policies":[{"name":"other","steps":[]},{"name":"shop","steps":[
	{"targets":[{"id":"a","name":"SMS to +491511"},{"id":"b","name":"Slack #ops"}],"fallback":{"targets":[{"id":"c","name":"e-mail to lead@example.com"}]}},
	{"targets":[{"id":"a","name":"SMS to +491511"},{"id":"d","name":"PagerDuty (env KEY)"}]}]}]}`

// contactPlane takes tests, refuses those to Slack, and is in the way of the first of all.
func contactPlane(t *testing.T) (asked *[]string) {
	t.Helper()
	asked = &[]string{}
	var early atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, policiesAnswer)
			return
		}
		raw, _ := io.ReadAll(r.Body)
		if !early.Swap(true) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, `{"detail":"this was tested less than 10s ago"}`)
			return
		}
		*asked = append(*asked, string(raw))
		test := map[string]any{"provider": "sms", "target": fmt.Sprint("target ", len(*asked)), "outcome": "sent", "status": 201, "latencyMs": 12.4}
		if strings.Contains(string(raw), `"index":2`) && strings.Contains(string(raw), `"step":1`) {
			test["outcome"], test["status"], test["error"] = "failed", 403, "Slack answered 403: invalid_token"
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"tests": []any{test}})
	}))
	t.Cleanup(server.Close)
	t.Setenv("NINES_TOKEN", "x")
	t.Setenv("NINES_SERVER", server.URL)
	return asked
}

func TestEachTargetOfAPolicyIsTestedOnceAndAFailureIsTheExitCode(t *testing.T) {
	asked := contactPlane(t)
	code, out, errOut := nines(t, "contact", "test", "shop")
	want := []string{`{"policy":"shop","step":1,"index":1}`, `{"policy":"shop","step":1,"index":2}`, `{"policy":"shop","step":1,"fallback":true,"index":1}`,
		`{"policy":"shop","step":2,"index":2}`}
	if code != exitFailed || strings.Join(*asked, "\n") != strings.Join(want, "\n") {
		t.Errorf("%d: asked\n%s", code, strings.Join(*asked, "\n"))
	}
	for _, words := range []string{"1 fallback", "target 1", "201", "12 ms", "failed", "invalid_token"} {
		if !strings.Contains(out, words) {
			t.Errorf("no %q in\n%s", words, out)
		}
	}
	if !strings.Contains(errOut, "1 of 4 targets did not take the test") {
		t.Errorf("stderr: %s", errOut)
	}
}

func TestOneStepThatArrivesIsAllRight(t *testing.T) {
	asked := contactPlane(t)
	code, out, errOut := nines(t, "contact", "test", "shop", "--step", "2", "--json")
	var answer struct{ Tests []contactTest }
	if err := json.Unmarshal([]byte(out), &answer); err != nil || code != exitOK || len(*asked) != 2 {
		t.Fatalf("%d %v %s%s", code, err, out, errOut)
	}
	if test := answer.Tests[1]; test.Policy != "shop" || test.Step != 2 || test.Status != 201 || test.Outcome != "sent" {
		t.Errorf("%+v", test)
	}
}

const unapplied = `apiVersion: nines/v1
kind: EscalationPolicy
metadata: {name: fresh}
spec:
  steps:
    - targets: [{ntfy: {url: https://ntfy.example/x}}, {slack: {url: {env: SLACK_URL}}}]
      fallback: {targets: [{email: {to: [lead@example.com]}}]}
`

func TestAPolicyThatIsNotAppliedIsTestedFromItsFile(t *testing.T) {
	asked := contactPlane(t)
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte(unapplied), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := nines(t, "contact", "test", "-f", file)
	want := []string{`{"target":{"ntfy":{"url":"https://ntfy.example/x"}}}`, `{"target":{"slack":{"url":{"env":"SLACK_URL"}}}}`,
		`{"target":{"email":{"to":["lead@example.com"]}}}`}
	if code != exitOK || strings.Join(*asked, "\n") != strings.Join(want, "\n") {
		t.Errorf("%d %s%s: asked\n%s", code, out, errOut, strings.Join(*asked, "\n"))
	}
	if err := os.WriteFile(file, []byte(strings.Replace(unapplied, "lead@example.com", "lead", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := nines(t, "contact", "test", "-f", file); code != exitInvalid || !strings.Contains(errOut, "is not a mail address") || len(*asked) != 3 {
		t.Errorf("a policy with a mistake: %d %s", code, errOut)
	}
}

func TestWhatCannotBeTestedSaysWhatToDo(t *testing.T) {
	contactPlane(t)
	f := func(code int, want string, words ...string) {
		t.Helper()
		got, _, errOut := nines(t, append([]string{"contact", "test"}, words...)...)
		if got != code || !strings.Contains(errOut, want) {
			t.Errorf("%v: %d %s", words, got, errOut)
		}
	}
	f(exitUsage, "name a policy")
	f(exitUsage, "count from 1", "shop", "--step", "-1")
	f(exitFailed, `no escalation policy "shopp"; applied are: other, shop`, "shopp")
	f(exitInvalid, "there is no step 3", "shop", "--step", "3")
}
