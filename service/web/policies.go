package web

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// Contacts shows whom policies page, and finds out whether pages arrive there. It is the operator's own.
type Contacts interface {
	Policies(ctx context.Context, who access.Principal) ([]incidents.Policy, error)
	// LastTests returns the last test of each target that had one, by Target.Key.
	LastTests(ctx context.Context, who access.Principal, targets []incidents.Target) (map[string]incidents.ContactTest, error)
	// TestPolicy sends a test page to the targets at the spot. A target or person that has had too many is a
	// fault.Limited; that a page did not arrive is no error.
	TestPolicy(ctx context.Context, who access.Principal, policy string, at incidents.Spot) ([]incidents.ContactTest, error)
}

type policyListView struct {
	Rows  []policyRow
	Asked bool
}

// policyRow is one policy among all.
type policyRow struct {
	Name, URL   string
	Steps       int
	Targets     int
	Word, Class string // how the last tests went, together
}

type policyView struct {
	Name, URL string
	Rounds    string
	CanTest   bool
	Steps     []policyStep
}

// targetsView is some of a policy's targets, with what the part that shows them needs.
type targetsView struct {
	URL     string
	CanTest bool
	Targets []targetView
}

// Only returns the targets for the part that shows them.
func (v policyView) Only(targets []targetView) targetsView {
	return targetsView{v.URL, v.CanTest, targets}
}

// policyStep is one step, in words.
type policyStep struct {
	Number   int
	When     string
	Targets  []targetView
	Fallback []targetView
	After    string // when the fallback is paged
	Note     string // whom of the targets are paged, and who has to acknowledge; "" as usual
}

// targetView is a target with its last test.
type targetView struct {
	Name, Provider string
	Step, Index    int
	Fallback       bool
	ID             string // unique on the page
	Tested         bool
	Test           incidents.ContactTest
	Word, Class    string
	Now            time.Time
}

func policyURL(name string) string { return "/policies/" + url.PathEscape(name) }

func (s *site) policyList(c *fiber.Ctx, who access.Principal) error {
	policies, err := s.Contacts.Policies(c.UserContext(), who)
	if err != nil && final(err) {
		return err
	}
	m := s.missing(c.UserContext())
	m.note("policies", err)
	view := policyListView{Asked: err == nil}
	var everybody []incidents.Target
	for _, p := range policies {
		everybody = append(everybody, p.Everybody()...)
	}
	tests := s.lastTests(c.UserContext(), who, everybody, m)
	for _, p := range policies {
		targets := p.Everybody()
		row := policyRow{Name: p.Name, URL: policyURL(p.Name), Steps: len(p.Steps), Targets: len(targets)}
		row.Word, row.Class = testedWords(targets, tests)
		view.Rows = append(view.Rows, row)
	}
	return s.render(c, fiber.StatusOK, page{
		Template: "policies", Title: "Escalation policies", Section: "incidents", Topics: "contact definitions", Missing: m.texts(), Body: view,
	})
}

// lastTests returns none, with a note, where the tests cannot be read: whom a policy pages is worth showing without.
func (s *site) lastTests(
	ctx context.Context, who access.Principal, targets []incidents.Target, m *missing,
) map[string]incidents.ContactTest {
	tests, err := s.Contacts.LastTests(ctx, who, targets)
	m.note("tests", err)
	return tests
}

// testedWords sum up the last tests of a policy's targets, the worst first.
func testedWords(targets []incidents.Target, tests map[string]incidents.ContactTest) (word, class string) {
	tested, failed := 0, 0
	for _, t := range targets {
		if test, ok := tests[t.Key()]; ok {
			tested++
			if !test.OK() {
				failed++
			}
		}
	}
	switch {
	case failed > 0:
		return plural(failed, "test failed", "tests failed"), "hot"
	case tested == len(targets):
		return "all accepted", "calm"
	case tested > 0:
		return plural(len(targets)-tested, "target never tested", "targets never tested"), "idle"
	}
	return "never tested", "idle"
}

func (s *site) policy(c *fiber.Ctx, who access.Principal) error {
	policies, err := s.Contacts.Policies(c.UserContext(), who)
	if err != nil {
		return err
	}
	name := strings.Clone(c.Params("name"))
	for _, p := range policies {
		if p.Name != name {
			continue
		}
		m := s.missing(c.UserContext())
		tests := s.lastTests(c.UserContext(), who, p.Everybody(), m)
		view := policyViewOf(p, tests, s.Now().UTC())
		view.CanTest = requireOperator(who, access.Responder) == nil
		return s.render(c, fiber.StatusOK, page{
			Template: "policy", Title: p.Name, Section: "incidents", Topics: "contact definitions", Missing: m.texts(), Body: view,
		})
	}
	return fault.New(fault.NotFound, "there is no escalation policy %q", name)
}

func policyViewOf(p incidents.Policy, tests map[string]incidents.ContactTest, now time.Time) policyView {
	view := policyView{Name: p.Name, URL: policyURL(p.Name), Rounds: roundsText(p)}
	for n, s := range p.Steps {
		step := policyStep{Number: n + 1, When: whenText(n, s.Delay), Note: stepNote(s)}
		of := func(targets []incidents.Target, fallback bool) (views []targetView) {
			for i, t := range targets {
				views = append(views, targetViewOf(t, incidents.Spot{Step: n + 1, Fallback: fallback, Index: i + 1}, tests, now))
			}
			return views
		}
		step.Targets = of(s.Targets, false)
		if s.Fallback != nil {
			step.After, step.Fallback = spanText(s.Fallback.After), of(s.Fallback.Targets, true)
		}
		view.Steps = append(view.Steps, step)
	}
	return view
}

func targetViewOf(t incidents.Target, at incidents.Spot, tests map[string]incidents.ContactTest, now time.Time) targetView {
	v := targetView{Name: t.String(), Provider: t.Provider(), Step: at.Step, Index: at.Index, Fallback: at.Fallback, Now: now}
	v.ID = "target-" + strconv.Itoa(at.Step) + "-" + strconv.Itoa(at.Index)
	if at.Fallback {
		v.ID += "-fallback"
	}
	v.Test, v.Tested = tests[t.Key()]
	switch {
	case !v.Tested:
		v.Word, v.Class = "never tested", "idle"
	case v.Test.OK():
		v.Word, v.Class = "accepted", "calm"
	default:
		v.Word, v.Class = "failed", "hot"
	}
	return v
}

func stepNote(s incidents.Step) string {
	switch {
	case s.Strategy == incidents.RoundRobin:
		return "One of these is paged, the next one for the next incident."
	case s.Everyone:
		return "Each of these people is called until they have acknowledged."
	}
	return ""
}

func whenText(before int, delay time.Duration) string {
	switch {
	case delay <= 0 && before == 0:
		return "at once"
	case delay <= 0:
		return "together with step " + strconv.Itoa(before)
	case before == 0:
		return spanText(delay) + " after the incident opened"
	}
	return spanText(delay) + " after step " + strconv.Itoa(before)
}

func roundsText(p incidents.Policy) string {
	text := repeatText(p)
	if p.AcknowledgeTimeout > 0 {
		text += " An acknowledgement counts for " + spanText(p.AcknowledgeTimeout) + "."
	}
	if p.AutoResolve > 0 {
		text += " What is open for " + spanText(p.AutoResolve) + " is resolved."
	}
	return text
}

func repeatText(p incidents.Policy) string {
	pause := ""
	if p.RepeatAfter > 0 {
		pause = ", " + spanText(p.RepeatAfter) + " after the last step"
	}
	switch {
	case p.Repeat < 0:
		return "It begins again until somebody acknowledges" + pause + "."
	case p.Repeat > 0:
		return "It begins again up to " + plural(p.Repeat, "time", "times") + pause + "."
	}
	return "It is gone through once."
}

// testContact sends one test and leads back to the target, where the result stands.
func (s *site) testContact(c *fiber.Ctx, who access.Principal) error {
	if err := requireOperator(who, access.Responder); err != nil {
		return err
	}
	step, wrongStep := strconv.Atoi(c.FormValue("step"))
	index, wrongIndex := strconv.Atoi(c.FormValue("index"))
	if wrongStep != nil || wrongIndex != nil || step < 1 || index < 1 {
		return fault.New(fault.Invalid, "step and index: are numbers from 1")
	}
	name := strings.Clone(c.Params("name"))
	tests, err := s.Contacts.TestPolicy(c.UserContext(), who, name, incidents.Spot{Step: step, Index: index, Fallback: c.FormValue("fallback") != ""})
	switch {
	case fault.Is(err, fault.Limited):
		s.setFlash(c, "test-early")
	case err != nil:
		return err
	case len(tests) == 1 && tests[0].OK() && tests[0].Leftover() != "":
		s.setFlash(c, "tested-open")
	case len(tests) == 1 && tests[0].OK():
		s.setFlash(c, "tested")
	default:
		s.setFlash(c, "test-failed")
	}
	return c.Redirect(policyURL(name), fiber.StatusSeeOther)
}
