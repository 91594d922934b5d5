package web

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/runbooks"
)

// Runbooks shows runbooks and runs their steps. It is the operator's own.
type Runbooks interface {
	Pages() []runbooks.Page
	// RunbookOf returns the runbook of an incident; false where it has none.
	RunbookOf(i incidents.Incident) (runbooks.Page, bool)
	// RunStep runs a step, or asks for the approval that it needs.
	RunStep(ctx context.Context, who access.Principal, runbook, step, incident string) (runbooks.Run, error)
	Runs(ctx context.Context, who access.Principal, incident, runbook string, limit int) ([]runbooks.Run, error)
	Approve(ctx context.Context, who access.Principal, id string) (runbooks.Run, error)
	Deny(ctx context.Context, who access.Principal, id, reason string) (runbooks.Run, error)
}

// stepsView is the part of an incident's page that runs its runbook.
type stepsView struct {
	URL     string // of the incident
	Runbook runbooks.Page
	Link    string
	Steps   []stepButton
	Runs    []runRow
	Act     bool
	Asked   bool
	Now     time.Time
}

type stepButton struct {
	runbooks.Step
	Verb string // what the button says
}

type runRow struct {
	runbooks.Run
	Title, Class, Who string
	Waits             bool // for an approval
	Own               bool // the viewer has asked for it
}

var runClasses = map[runbooks.Outcome]string{
	runbooks.OK: "good", runbooks.Failed: "bad", runbooks.Running: "warm", runbooks.Waiting: "warm", runbooks.Denied: "idle", runbooks.Expired: "idle",
}

// mostRuns is how many runs an incident's page shows, the newest.
const mostRuns = 20

// fillSteps asks for the incident's runbook and what its steps found; nil where it has no step.
func (s *site) fillSteps(ctx context.Context, who access.Principal, i incidents.Incident, m *missing) *stepsView {
	v := viewerOf(who)
	page, found := s.Runbooks.RunbookOf(i)
	view := stepsView{URL: incidentURL(i), Runbook: page, Link: "/runbooks/" + url.PathEscape(page.Name), Act: v.CanRespond, Now: s.Now().UTC()}
	runs, err := s.Runbooks.Runs(ctx, who, i.ID, "", mostRuns)
	m.note("runs of runbooks", err)
	view.Asked = err == nil
	for _, step := range page.Steps {
		b := stepButton{step, "Run"}
		switch {
		case step.Changes && step.Alone:
			b.Verb = "Confirm and run"
		case step.Changes:
			b.Verb = "Ask for approval"
		}
		view.Steps = append(view.Steps, b)
	}
	for _, r := range runs {
		row := runRow{Run: r, Title: r.Step, Class: runClasses[r.Outcome], Who: r.ByName, Own: r.By == who.ID,
			Waits: r.Outcome == runbooks.Waiting && r.ExpiresAt != nil && r.ExpiresAt.After(view.Now)}
		if step, ok := page.Step(r.Step); ok && r.Runbook == page.Name {
			row.Title = step.Title
		}
		if strings.HasPrefix(r.By, "system:") {
			row.Who = "by itself"
		}
		view.Runs = append(view.Runs, row)
	}
	if !found && len(view.Runs) == 0 && view.Asked || len(view.Steps)+len(view.Runs) == 0 && view.Asked {
		return nil
	}
	return &view
}

func (s *site) mountRunbooks(app fiber.Router) {
	app.Get("/runbooks", s.signedIn(s.runbookList))
	app.Post("/incidents/:id/steps", s.responding(s.runStep))
	app.Post("/incidents/:id/runs/:run/approve", s.responding(s.approveRun))
	app.Post("/incidents/:id/runs/:run/deny", s.responding(s.denyRun))
}

func (s *site) runStep(c *fiber.Ctx, who access.Principal, id string) error {
	run, err := s.Runbooks.RunStep(c.UserContext(), who, form(c, "runbook"), form(c, "step"), id)
	word := map[runbooks.Outcome]string{runbooks.OK: "ran", runbooks.Failed: "ran-badly", runbooks.Waiting: "asked"}[run.Outcome]
	return s.afterwards(c, backTo(c, id)+"#steps", word, "not-run", denied(err))
}

func (s *site) approveRun(c *fiber.Ctx, who access.Principal, id string) error {
	run, err := s.Runbooks.Approve(c.UserContext(), who, strings.Clone(c.Params("run")))
	word := "ran"
	if run.Outcome == runbooks.Failed {
		word = "ran-badly"
	}
	return s.afterwards(c, backTo(c, id)+"#steps", word, "not-run", denied(err))
}

func (s *site) denyRun(c *fiber.Ctx, who access.Principal, id string) error {
	_, err := s.Runbooks.Deny(c.UserContext(), who, strings.Clone(c.Params("run")), form(c, "reason"))
	return s.afterwards(c, backTo(c, id)+"#steps", "denied", "not-run", denied(err))
}

// denied shows what may not be run on the page where that was wished, and not as a page of its own.
func denied(err error) error {
	if fault.Is(err, fault.Forbidden) {
		return fault.New(fault.Invalid, "%s", fault.Public(err).Message)
	}
	return err
}

// runbookListView is every runbook in force.
type runbookListView struct{ Rows []runbookRow }

type runbookRow struct {
	runbooks.Page
	URL   string
	Steps int
	Last  *runbooks.Run
}

func (s *site) runbookList(c *fiber.Ctx, who access.Principal) error {
	if err := requireOperator(who, access.Viewer); err != nil {
		return err
	}
	m := s.missing(c.UserContext())
	runs, err := s.Runbooks.Runs(c.UserContext(), who, "", "", 500)
	m.note("runs", err)
	last := map[string]*runbooks.Run{}
	for n, r := range runs {
		if last[r.Runbook] == nil {
			last[r.Runbook] = &runs[n]
		}
	}
	var view runbookListView
	for _, p := range s.Runbooks.Pages() {
		view.Rows = append(view.Rows, runbookRow{Page: p, URL: "/runbooks/" + url.PathEscape(p.Name), Steps: len(p.Steps), Last: last[p.Name]})
	}
	return s.render(c, fiber.StatusOK, page{Template: "runbooks", Title: "Runbooks", Section: "runbooks", Missing: m.texts(), Body: view})
}
