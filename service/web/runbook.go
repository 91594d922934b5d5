package web

import (
	"html/template"
	"regexp"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

type runbookView struct {
	Name string
	Text template.HTML
}

var (
	runbookName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,100}$`)
	firstTitle  = regexp.MustCompile(`(?m)^#\s+(.+?)\s*$`)
)

func (s *site) runbook(c *fiber.Ctx, who access.Principal) error {
	if err := requireOperator(who, access.Viewer); err != nil {
		return err
	}
	name := strings.TrimSuffix(c.Params("name"), ".md")
	if !runbookName.MatchString(name) {
		return fault.New(fault.NotFound, "there is no runbook of that name")
	}
	text, ok := s.Runbook(name)
	if !ok {
		return fault.New(fault.NotFound, "there is no runbook %q", name)
	}
	title := name
	if m := firstTitle.FindStringSubmatch(text); m != nil {
		title = m[1]
	}
	return s.render(c, fiber.StatusOK, page{
		Template: "runbook", Title: title, Section: "runbooks", Body: runbookView{Name: name, Text: markdown(text, 1)},
	})
}
