package jira_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/track"
	"github.com/nines-sre/nines/incidents/track/jira"
	"github.com/nines-sre/nines/incidents/track/jira/jiratest"
	"github.com/nines-sre/nines/incidents/track/tracktest"
	"github.com/nines-sre/nines/internal/fault"
)

func start(t *testing.T, tweak ...func(*jira.Config)) (*jira.Tracker, *jiratest.Server) {
	t.Helper()
	t.Setenv("JIRA_TEST_TOKEN", jiratest.Token)
	s := jiratest.New(t)
	c := jira.Config{URL: s.URL + "/", User: jiratest.User, Token: incidents.Secret{Env: "JIRA_TEST_TOKEN"}, Project: jiratest.Project, Dropped: "Won't Do"}
	for _, f := range tweak {
		f(&c)
	}
	return jira.New(c, "", nil), s
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
	tracktest.TakesFailuresAsDocumented(t, tr, s.Server, jiratest.Token)
}

func TestAnIssueSaysWhatItIsAboutAndWhose(t *testing.T) {
	tr, s := start(t)
	item := track.Item{ID: "i", Fields: track.Fields{Title: "Mend it", State: incidents.ActionOpen}, Text: "After #42.\n\nSee there.", Owner: "ana@example.com"}
	made, err := tr.Create(t.Context(), item)
	if err != nil || !strings.HasSuffix(made.URL, "/browse/OPS-1") {
		t.Fatalf("%+v, %v", made, err)
	}
	i := s.Issues()[0]
	want := []string{"After #42.", "", "See there.", "Owner: ana@example.com", "", "nines-i"}
	if !slices.Equal(i.Lines, want) || i.Assignee != "5b10ac8d82e05b22cc7d4ef5" || !slices.Equal(i.Labels, []string{"nines", "nines-i"}) {
		t.Errorf("%+v; want %q", i, want)
	}
	item.ID, item.Owner = "j", "stranger@example.com"
	if _, err := tr.Create(t.Context(), item); err != nil || s.Issues()[1].Assignee != "" {
		t.Errorf("an owner whom Jira does not know: %v", err)
	}
}

func TestAWorkflowThatLeadsNowhereIsNamed(t *testing.T) {
	tr, s := start(t)
	made, err := tr.Create(t.Context(), track.Item{ID: "i", Fields: track.Fields{Title: "Mend it"}})
	if err != nil {
		t.Fatal(err)
	}
	s.Stick()
	done := incidents.ActionDone
	if err := tr.Update(t.Context(), made.Key, track.Change{State: &done}); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "OPS-1") {
		t.Errorf("%v", err)
	}
}

func TestWhatCannotBeIsToldAtTheCheck(t *testing.T) {
	for want, tweak := range map[string]func(*jira.Config){
		"No project could be found":    func(c *jira.Config) { c.Project = "NONE" },
		`no issues of type "Story"`:    func(c *jira.Config) { c.Type = "Story" },
		"JIRA_TEST_UNSET is not set":   func(c *jira.Config) { c.Token = incidents.Secret{Env: "JIRA_TEST_UNSET"} },
		"Client must be authenticated": func(c *jira.Config) { c.User = "else@example.com" },
	} {
		tr, _ := start(t, tweak)
		if _, err := tr.Check(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}
