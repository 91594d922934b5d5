package github_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/track"
	"github.com/nines-sre/nines/incidents/track/github"
	"github.com/nines-sre/nines/incidents/track/github/githubtest"
	"github.com/nines-sre/nines/incidents/track/tracktest"
	"github.com/nines-sre/nines/internal/fault"
)

func start(t *testing.T) (*github.Tracker, *githubtest.Server) {
	t.Helper()
	t.Setenv("GITHUB_TEST_TOKEN", githubtest.Token)
	s := githubtest.New(t)
	return github.New(config(s.URL), "", nil), s
}

func config(url string) github.Config {
	return github.Config{URL: url, Repository: githubtest.Repository, Token: incidents.Secret{Env: "GITHUB_TEST_TOKEN"}}
}

func TestItKeepsTickets(t *testing.T) {
	tr, s := start(t)
	tracktest.KeepsTickets(t, tr, s, s.Server)
}

func TestALostAnswerMakesNoSecondIssue(t *testing.T) {
	tr, s := start(t)
	tracktest.MakesOneTicket(t, tr, s, s.Server, 0)
}

func TestFailuresAreTakenAsDocumented(t *testing.T) {
	tr, s := start(t)
	tracktest.TakesFailuresAsDocumented(t, tr, s.Server, githubtest.Token)
}

// TestALimitIsWaitedFor is about the limits of an hour, which GitHub answers with 403 and a time, and other refusals with 403 alone.
func TestALimitIsWaitedFor(t *testing.T) {
	t.Setenv("GITHUB_TEST_TOKEN", githubtest.Token)
	limit := true
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if limit {
			w.Header().Set("X-RateLimit-Remaining", "0")
			w.Header().Set("X-RateLimit-Reset", "1")
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"message":"API rate limit exceeded"}`))
	}))
	defer s.Close()
	tr := github.New(config(s.URL), "", nil)
	if _, err := tr.Read(t.Context(), "1"); !fault.Is(err, fault.Limited) || track.RetryAfter(err) != time.Minute || !strings.Contains(err.Error(), "rate limit") {
		t.Errorf("%v after %s", err, track.RetryAfter(err))
	}
	limit = false
	if _, err := tr.Read(t.Context(), "1"); !fault.Is(err, fault.Forbidden) {
		t.Errorf("without a limit: %v", err)
	}
}
