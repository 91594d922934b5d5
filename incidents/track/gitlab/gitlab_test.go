package gitlab_test

import (
	"testing"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/track"
	"github.com/nines-sre/nines/incidents/track/gitlab"
	"github.com/nines-sre/nines/incidents/track/gitlab/gitlabtest"
	"github.com/nines-sre/nines/incidents/track/tracktest"
)

func start(t *testing.T) (*gitlab.Tracker, *gitlabtest.Server) {
	t.Helper()
	t.Setenv("GITLAB_TEST_TOKEN", gitlabtest.Token)
	s := gitlabtest.New(t)
	return gitlab.New(gitlab.Config{URL: s.URL, Project: gitlabtest.Project, Token: incidents.Secret{Env: "GITLAB_TEST_TOKEN"}}, "", nil), s
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
	tracktest.TakesFailuresAsDocumented(t, tr, s.Server, gitlabtest.Token)
}

func TestNoLineOfOursIsAQuickAction(t *testing.T) {
	tr, s := start(t)
	item := track.Item{ID: "i", Fields: track.Fields{Title: "Mend it"}, Text: "/close\nand then\n/assign @ana"}
	if _, err := tr.Create(t.Context(), item); err != nil || len(s.Refused()) > 0 {
		t.Errorf("%v, refused %q", err, s.Refused())
	}
}
