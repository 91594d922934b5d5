package asana_test

import (
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/track"
	"github.com/nines-sre/nines/incidents/track/asana"
	"github.com/nines-sre/nines/incidents/track/asana/asanatest"
	"github.com/nines-sre/nines/incidents/track/tracktest"
	"github.com/nines-sre/nines/internal/fault"
)

func start(t *testing.T) (*asana.Tracker, *asanatest.Server) {
	t.Helper()
	t.Setenv("ASANA_TEST_TOKEN", asanatest.Token)
	s := asanatest.New(t)
	return asana.New(asana.Config{URL: s.URL, Project: asanatest.Project, Token: incidents.Secret{Env: "ASANA_TEST_TOKEN"}}, "", nil), s
}

func TestItKeepsTickets(t *testing.T) {
	tr, s := start(t)
	s.Clutter(3)
	tracktest.KeepsTickets(t, tr, s, s.Server)
}

func TestALostAnswerMakesNoSecondTask(t *testing.T) {
	tr, s := start(t)
	tracktest.MakesOneTicket(t, tr, s, s.Server, 0)
}

func TestFailuresAreTakenAsDocumented(t *testing.T) {
	tr, s := start(t)
	tracktest.TakesFailuresAsDocumented(t, tr, s.Server, asanatest.Token)
}

// TestWhatCannotBeLookedThroughMakesNoSecondTask is about a project with more changed tasks than a search looks at: whether one of
// them is ours is not known, so that none is made.
func TestWhatCannotBeLookedThroughMakesNoSecondTask(t *testing.T) {
	tr, s := start(t)
	s.Clutter(30)
	_, ok, err := tr.Find(t.Context(), track.Item{ID: "i", CreatedAt: time.Now().Add(-time.Minute)})
	if ok || !fault.Is(err, fault.Conflict) {
		t.Errorf("%t, %v", ok, err)
	}
}
