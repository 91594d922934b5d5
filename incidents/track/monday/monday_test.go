package monday_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/track"
	"github.com/nines-sre/nines/incidents/track/monday"
	"github.com/nines-sre/nines/incidents/track/monday/mondaytest"
	"github.com/nines-sre/nines/incidents/track/tracktest"
	"github.com/nines-sre/nines/internal/fault"
)

func config(url string) monday.Config {
	return monday.Config{URL: url, Board: mondaytest.Board, Token: incidents.Secret{Env: "MONDAY_TEST_TOKEN"}, Marker: "text_key", Status: "status", Date: "date4",
		Notes: "long_text", Open: "Working on it", Done: "Done", Dropped: "Dropped"}
}

func start(t *testing.T, tweak ...func(*monday.Config)) (*monday.Tracker, *mondaytest.Server) {
	t.Helper()
	t.Setenv("MONDAY_TEST_TOKEN", mondaytest.Token)
	s := mondaytest.New(t)
	c := config(s.URL)
	for _, f := range tweak {
		f(&c)
	}
	return monday.New(c, "", nil), s
}

func TestItKeepsTickets(t *testing.T) {
	tr, s := start(t)
	tracktest.KeepsTickets(t, tr, s, s.Server)
}

func TestALostAnswerMakesNoSecondItem(t *testing.T) {
	tr, s := start(t)
	tracktest.MakesOneTicket(t, tr, s, s.Server, 0)
}

func TestFailuresAreTakenAsDocumented(t *testing.T) {
	tr, s := start(t)
	tracktest.TakesFailuresAsDocumented(t, tr, s.Server, mondaytest.Token)
}

func TestAnExhaustedBudgetIsWaitedFor(t *testing.T) {
	t.Setenv("MONDAY_TEST_TOKEN", mondaytest.Token)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"errors":[{"message":"Complexity budget exhausted","extensions":{"code":"COMPLEXITY_BUDGET_EXHAUSTED","retry_in_seconds":15}}]}`))
	}))
	defer s.Close()
	if _, err := monday.New(config(s.URL), "", nil).Read(t.Context(), "1"); !fault.Is(err, fault.Limited) || track.RetryAfter(err) != 15*time.Second {
		t.Errorf("%v after %s", err, track.RetryAfter(err))
	}
}

func TestABoardWithoutAColumnIsToldAtTheCheck(t *testing.T) {
	for want, tweak := range map[string]func(*monday.Config){
		`no column "date" of the type date`: func(c *monday.Config) { c.Date = "date" },
		"has no board 1":                    func(c *monday.Config) { c.Board = "1" },
	} {
		tr, _ := start(t, tweak)
		if _, err := tr.Check(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}
