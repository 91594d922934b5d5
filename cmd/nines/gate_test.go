package main

import (
	"context"
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
	"time"

	"github.com/nines-sre/nines/service/httpapi"
	"github.com/nines-sre/nines/slo"
)

// gateServer answers the gate by the change's name: allow, approve, freeze, or a status code. Looks at a change find it
// approved from the second on.
type gateServer struct {
	*httptest.Server
	asks, looks atomic.Int64
	approved    atomic.Bool
	body        atomic.Value // of the last post
}

func newGateServer(t *testing.T) *gateServer {
	s := &gateServer{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/gate", func(w http.ResponseWriter, r *http.Request) {
		s.asks.Add(1)
		raw, _ := io.ReadAll(r.Body)
		s.body.Store(string(raw))
		var in struct {
			Change string
			DryRun bool
		}
		_ = json.Unmarshal(raw, &in)
		var status int
		if _, err := fmt.Sscan(in.Change, &status); err == nil {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"title":"x","detail":"it is %d"}`, status)
			return
		}
		_ = json.NewEncoder(w).Encode(s.answer(slo.Action(in.Change), in.DryRun))
	})
	mux.HandleFunc("GET /api/v1/changes/{id}", func(w http.ResponseWriter, r *http.Request) {
		switch s.looks.Add(1) {
		case 1:
			http.Error(w, "restarting", http.StatusBadGateway)
			return
		case 3:
			s.approved.Store(true)
		}
		_ = json.NewEncoder(w).Encode(s.answer(slo.Approve, false).Change)
	})
	alter := func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		s.body.Store(r.URL.Path + " " + string(raw))
		s.approved.Store(true)
		_ = json.NewEncoder(w).Encode(s.answer(slo.Approve, false).Change)
	}
	mux.HandleFunc("POST /api/v1/changes/{id}/approve", alter)
	mux.HandleFunc("POST /api/v1/changes/{id}/finish", alter)
	mux.HandleFunc("GET /api/v1/changes", func(w http.ResponseWriter, r *http.Request) {
		s.body.Store(r.URL.RawQuery)
		_ = json.NewEncoder(w).Encode(changesBody{Changes: []httpapi.Change{s.answer(slo.Freeze, false).Change}, NextCursor: "7"})
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	t.Setenv("NINES_TOKEN", "x")
	t.Setenv("NINES_SERVER", s.URL)
	t.Setenv("GITHUB_STEP_SUMMARY", "")
	t.Setenv("GITHUB_ACTOR", "ada")
	return s
}

func (s *gateServer) answer(action slo.Action, dryRun bool) httpapi.GateAnswer {
	v := slo.Verdict{Action: action, Headline: "A deploy of shop needs a look.", Policies: []string{"default"}, Budgets: []slo.GateBudget{{SLO: "shop-availability", Known: true, Remaining: 0.8, Coverage: 1, Events: 1000}}}
	c := slo.Change{ID: "u-7", Number: 7, Service: "shop", Kind: "deploy", Ref: "r<118>", Author: "ada", Verdict: v}
	if action != slo.Allow {
		c.Verdict.Reasons = []slo.GateReason{{Action: action, Policy: "default", Rule: "below: 0.25", SLO: "shop-availability", Labels: map[string]string{"tenant": "acme"},
			Figure: "12 % left", Bound: "25 %", Text: "shop-availability for acme has 12 % left of its error budget; the bound is 25 %.", Words: "ask team-shop"}}
	}
	if s.approved.Load() {
		now := time.Now()
		c.ApprovedAt, c.ApprovedFor, c.ApprovedByName = &now, slo.Approve, "bo"
	}
	return httpapi.GateAnswer{Allowed: c.Standing() == slo.Allow, Action: c.Standing(), Headline: v.Headline, Change: httpapi.Change{Change: c, Standing: c.Standing()}, DryRun: dryRun}
}

func TestEveryVerdictHasItsExitCode(t *testing.T) {
	newGateServer(t)
	f := func(code int, want string, words ...string) {
		t.Helper()
		got, out, errOut := nines(t, append([]string{"gate"}, words...)...)
		if got != code || !strings.Contains(out+errOut, want) {
			t.Errorf("nines gate %v exits with %d: %s%s", words, got, out, errOut)
		}
		if strings.Contains(out+errOut, "\x1b") {
			t.Errorf("nines gate %v colours what is no terminal", words)
		}
	}
	ask := func(change string, more ...string) []string {
		return append([]string{"--service", "shop", "--change", change}, more...)
	}
	f(exitOK, "ALLOWED: ", ask("allow")...)
	f(exitOK, "nines changes finish 7 succeeded", ask("allow")...)
	f(exitRefused, "REFUSED: ", ask("freeze")...)
	f(exitRefused, "12 % left", ask("freeze")...)
	f(exitApproval, "nines changes approve 7", ask("approve")...)
	f(exitApproval, "nothing was recorded", ask("approve", "--dry-run", "--wait-approval", "1h")...)
	f(exitFailed, "it is 503", ask("503")...)
	f(exitOK, "UNCHECKED", ask("503", "--on-error", "allow")...)
	f(exitOK, "UNCHECKED", ask("500", "--on-error", "allow")...)
	f(exitOK, "UNCHECKED", append(ask("allow", "--on-error", "allow"), "--server", "http://127.0.0.1:1")...)
	f(exitFailed, "does not answer", append(ask("allow"), "--server", "http://127.0.0.1:1")...)
	f(exitRefused, "REFUSED", ask("freeze", "--on-error", "allow")...)
	f(exitFailed, "it is 401", ask("401", "--on-error", "allow")...)
	f(exitFailed, "it is 404", ask("404", "--on-error", "allow")...)
	f(exitInvalid, "it is 400", ask("400", "--on-error", "allow")...)
	f(exitUsage, "--change is missing", "--service", "shop")
	f(exitUsage, "--on-error", ask("allow", "--on-error", "perhaps")...)
	f(exitUsage, "unknown flag", ask("allow", "--colour")...)
}

func TestTheGateTellsItsExitCodes(t *testing.T) {
	_, out, _ := nines(t, "gate", "-h")
	for _, want := range []string{"0  it may go", "4  refused", "5  a second person", "1  the gate could not be asked", "2  the command line"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestTheGateIsToldWhatThePipelineKnows(t *testing.T) {
	s := newGateServer(t)
	nines(t, "gate", "--service", "shop", "--change", "allow", "--kind", "rollback", "--description", "back to 117", "--environment", "eu")
	want := `{"author":"ada","change":"allow","description":"back to 117","dryRun":false,"environment":"eu","kind":"rollback","service":"shop"}`
	if got := s.body.Load(); got != want {
		t.Errorf("sent %s", got)
	}
}

func TestTheVerdictIsJSONForMachinesWhateverTheExitCode(t *testing.T) {
	newGateServer(t)
	for change, want := range map[string]bool{"allow": true, "freeze": false, "approve": false} {
		_, out, _ := nines(t, "gate", "--service", "shop", "--change", change, "--json")
		var answer httpapi.GateAnswer
		if err := json.Unmarshal([]byte(out), &answer); err != nil || answer.Allowed != want || answer.Action != slo.Action(change) || answer.Change.Number != 7 {
			t.Errorf("%s: %v %s", change, err, out)
		}
	}
	var answer struct {
		Allowed bool
		Error   string
	}
	_, out, errOut := nines(t, "gate", "--service", "shop", "--change", "503", "--json", "--on-error", "allow")
	if err := json.Unmarshal([]byte(out), &answer); err != nil || !answer.Allowed || answer.Error == "" || !strings.Contains(errOut, "UNCHECKED") {
		t.Errorf("%v %s%s", err, out, errOut)
	}
}

func TestTheVerdictIsWrittenToTheJobsSummary(t *testing.T) {
	newGateServer(t)
	path := filepath.Join(t.TempDir(), "summary.md")
	t.Setenv("GITHUB_STEP_SUMMARY", path)
	nines(t, "gate", "--service", "shop", "--change", "approve")
	nines(t, "gate", "--service", "shop", "--change", "503", "--on-error", "allow")
	raw, _ := os.ReadFile(path)
	for _, want := range []string{"### Nines gate: needs approval", "| approve | shop-availability | acme | 12 % left | 25 % | default |", `r\<118\> by ada, change 7`, "`nines changes approve 7`", "### Nines gate: unchecked"} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("no %q in\n%s", want, raw)
		}
	}
	t.Setenv("GITHUB_STEP_SUMMARY", t.TempDir()) // a folder
	if code, _, errOut := nines(t, "gate", "--service", "shop", "--change", "allow"); code != exitOK || !strings.Contains(errOut, "summary was not written") {
		t.Errorf("exits with %d: %s", code, errOut)
	}
}

func TestWaitingForAnApprovalLooksAgainAndThenAsksAgain(t *testing.T) {
	s := newGateServer(t)
	api := &client{base: s.URL + "/api/v1", http: s.Client()}
	f := gateFlags{service: "shop", change: "approve", wait: time.Minute}
	progress := 0
	answer, err := waitApproval(t.Context(), api, f, s.answer(slo.Approve, false), time.Millisecond, func(time.Duration) { progress++ })
	if err != nil || !answer.Allowed || s.looks.Load() != 3 || s.asks.Load() != 1 || progress != 3 {
		t.Errorf("%v, %+v after %d looks and %d questions", err, answer, s.looks.Load(), s.asks.Load())
	}
}

func TestWaitingEndsWithItsTimeOrWithThePipeline(t *testing.T) {
	s := newGateServer(t)
	s.looks.Store(10) // never approved
	api := &client{base: s.URL + "/api/v1", http: s.Client()}
	answer, err := waitApproval(t.Context(), api, gateFlags{wait: 5 * time.Millisecond}, s.answer(slo.Approve, false), time.Millisecond, func(time.Duration) {})
	if err != nil || answer.Allowed || answer.Action != slo.Approve {
		t.Errorf("%v, %+v", err, answer)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := waitApproval(ctx, api, gateFlags{wait: time.Hour}, s.answer(slo.Approve, false), time.Hour, func(time.Duration) {}); err == nil {
		t.Error("it waits on though the pipeline was called off")
	}
}

func TestChangesAreShownApprovedAndFinished(t *testing.T) {
	s := newGateServer(t)
	s.looks.Store(10)
	f := func(want, sent string, words ...string) {
		t.Helper()
		code, out, errOut := nines(t, append([]string{"changes"}, words...)...)
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("nines changes %v exits with %d: %s%s", words, code, out, errOut)
		}
		if got, _ := s.body.Load().(string); sent != "" && got != sent {
			t.Errorf("nines changes %v sends %s", words, got)
		}
	}
	f("frozen", "cursor=9&limit=3&service=shop", "list", "--service", "shop", "--limit", "3", "--cursor", "9")
	f("More: --cursor 7", "", "list")
	f("No incident followed.", "", "show", "7")
	f("Change 7 is approved", `/api/v1/changes/7/approve {"reason":"canary"}`, "approve", "#7", "-m", "canary")
	f("Change 7 is", `/api/v1/changes/7/finish {"outcome":"succeeded"}`, "finish", "7", "succeeded")
	if code, _, _ := nines(t, "changes", "finish", "7"); code != exitUsage {
		t.Errorf("without an outcome it exits with %d", code)
	}
}
