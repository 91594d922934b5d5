package linear_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/track"
	"github.com/nines-sre/nines/incidents/track/linear"
	"github.com/nines-sre/nines/incidents/track/linear/lineartest"
	"github.com/nines-sre/nines/incidents/track/tracktest"
	"github.com/nines-sre/nines/internal/fault"
)

func start(t *testing.T, tweak ...func(*linear.Config)) (*linear.Tracker, *lineartest.Server) {
	t.Helper()
	t.Setenv("LINEAR_TEST_KEY", lineartest.Key)
	s := lineartest.New(t)
	c := linear.Config{URL: s.URL, Team: lineartest.Team, Key: incidents.Secret{Env: "LINEAR_TEST_KEY"}}
	for _, f := range tweak {
		f(&c)
	}
	return linear.New(c, "", nil), s
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
	tracktest.TakesFailuresAsDocumented(t, tr, s.Server, lineartest.Key)
}

func TestALimitIsAnsweredWith400AndACode(t *testing.T) {
	t.Setenv("LINEAR_TEST_KEY", lineartest.Key)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"errors":[{"message":"Rate limit exceeded","extensions":{"code":"RATELIMITED"}}]}`))
	}))
	defer s.Close()
	tr := linear.New(linear.Config{URL: s.URL, Team: lineartest.Team, Key: incidents.Secret{Env: "LINEAR_TEST_KEY"}}, "", nil)
	if _, err := tr.Read(t.Context(), "OPS-1"); !fault.Is(err, fault.Limited) || track.RetryAfter(err) != time.Minute {
		t.Errorf("%v after %s", err, track.RetryAfter(err))
	}
}

func TestAStateThatTheTeamHasNotIsNamed(t *testing.T) {
	tr, _ := start(t, func(c *linear.Config) { c.Done = "Shipped" })
	item := track.Item{ID: "6b2f8c1e-54d7-4a59-8f0a-0c1d2e3f4a5b", Fields: track.Fields{Title: "Mend it"}}
	made, err := tr.Create(t.Context(), item)
	if err != nil {
		t.Fatal(err)
	}
	done := incidents.ActionDone
	if err := tr.Update(t.Context(), made.Key, track.Change{State: &done}); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), `no state "Shipped"`) {
		t.Errorf("%v", err)
	}
	tr, _ = start(t, func(c *linear.Config) { c.Team = "00000000-81e3-4154-b5b9-2c805e70a02d" })
	if _, err := tr.Check(t.Context()); !fault.Is(err, fault.NotFound) {
		t.Errorf("a team that is not there: %v", err)
	}
}
