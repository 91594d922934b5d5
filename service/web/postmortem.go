package web

import (
	"fmt"
	"html/template"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

type postmortemView struct {
	Incident incidents.Incident
	URL      string
	Text     string
	Shown    template.HTML
	CanWrite bool // this viewer may store it
}

func (s *site) draft(c *fiber.Ctx, who access.Principal) (postmortemView, error) {
	if err := requireOperator(who, access.Viewer); err != nil {
		return postmortemView{}, err
	}
	found, err := s.Incidents.Incident(c.UserContext(), who.Scope(), c.Params("id"))
	if err != nil {
		return postmortemView{}, err
	}
	text, err := s.Insight.Postmortem(c.UserContext(), who.Scope(), found.ID)
	if err != nil {
		return postmortemView{}, err
	}
	return postmortemView{Incident: found, URL: incidentURL(found), Text: text, Shown: markdown(text, 2)}, nil
}

// postmortem shows the draft, or leads to the postmortem where one is stored.
func (s *site) postmortem(c *fiber.Ctx, who access.Principal) error {
	view, err := s.draft(c, who)
	if err != nil {
		return err
	}
	if view.CanWrite = s.Postmortems != nil && requireOperator(who, access.Responder) == nil; s.Postmortems != nil {
		stored, err := s.Postmortems.Postmortems(c.UserContext(), who, incidents.PostmortemFilter{Incident: view.Incident.ID})
		if err != nil {
			return err
		}
		if len(stored) > 0 {
			return c.Redirect(postmortemURL(stored[0]), fiber.StatusSeeOther)
		}
	}
	return s.render(c, fiber.StatusOK, page{
		Template: "postmortem", Title: fmt.Sprintf("Postmortem of #%d", view.Incident.Number), Section: "incidents", Body: view,
	})
}

// postmortemFile sends the draft as a file to keep.
func (s *site) postmortemFile(c *fiber.Ctx, who access.Principal) error {
	view, err := s.draft(c, who)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "text/markdown; charset=utf-8")
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(fiber.HeaderContentDisposition, fmt.Sprintf(`attachment; filename="postmortem-%d.md"`, view.Incident.Number))
	return c.SendString(view.Text)
}
