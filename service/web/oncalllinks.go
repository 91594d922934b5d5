package web

import (
	"html"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// OnCallLink is an address that shows one calendar or badge to whoever knows it.
type OnCallLink struct {
	ID, Kind, Schedule, Person, MadeBy string // Kind is "calendar" or "badge"
	MadeAt                             time.Time
}

type linkRow struct {
	OnCallLink
	What string
}

// linkList is the links with a button to revoke each, at the address Base/ID/revoke.
type linkList struct {
	Links []linkRow
	Base  string
}

func linksUnder(base string, links []OnCallLink, of func(OnCallLink) bool) linkList {
	var rows []linkRow
	for _, l := range links {
		if of(l) {
			what := "Badge of " + l.Schedule
			switch {
			case l.Kind == "calendar" && l.Person != "":
				what = "Calendar of " + personOf(l.Person).Short
			case l.Kind == "calendar":
				what = "Calendar of " + l.Schedule
			}
			rows = append(rows, linkRow{l, what})
		}
	}
	return linkList{rows, base}
}

// linkView shows an address this once.
type linkView struct {
	Name, Back, Kind    string
	URL, Markdown, HTML string
}

func (s *site) makeScheduleLink(c *fiber.Ctx, who access.Principal) error {
	schedule, err := s.scheduleOf(c, who)
	if err != nil {
		return err
	}
	return s.showLink(c, who, OnCallLink{Kind: form(c, "kind"), Schedule: schedule.Name}, schedule.Name, onCallURL(schedule.Name))
}

func (s *site) makeOwnLink(c *fiber.Ctx, who access.Principal) error {
	if err := operatorPeople(who); err != nil {
		return err
	}
	return s.showLink(c, who, OnCallLink{Kind: "calendar", Person: strings.ToLower(who.Name)}, "your shifts", "/me")
}

// showLink answers with the address itself, because it is not kept and so cannot be shown by another page.
func (s *site) showLink(c *fiber.Ctx, who access.Principal, wish OnCallLink, name, back string) error {
	made, url, err := s.OnCall.MakeLink(c.UserContext(), who, wish)
	if err != nil {
		return told(err)
	}
	view := linkView{Name: name, Back: back, Kind: made.Kind, URL: url}
	if made.Kind == "badge" {
		page := s.BaseURL + onCallURL(made.Schedule)
		view.Markdown = "[![on call for " + made.Schedule + "](" + url + ")](" + page + ")"
		view.HTML = `<a href="` + html.EscapeString(page) + `"><img alt="on call for ` + html.EscapeString(made.Schedule) + `" src="` + html.EscapeString(url) + `"></a>`
	}
	return s.render(c, fiber.StatusOK, page{Template: "oncall-link", Title: "An address for " + name, Section: "oncall", Body: view})
}

func (s *site) revokeScheduleLink(c *fiber.Ctx, who access.Principal) error {
	schedule, err := s.scheduleOf(c, who)
	if err != nil {
		return err
	}
	return s.revokeLink(c, who, onCallURL(schedule.Name))
}

func (s *site) revokeOwnLink(c *fiber.Ctx, who access.Principal) error {
	return s.revokeLink(c, who, "/me")
}

func (s *site) revokeLink(c *fiber.Ctx, who access.Principal, back string) error {
	if err := operatorPeople(who); err != nil {
		return err
	}
	err := s.OnCall.RevokeLink(c.UserContext(), who, strings.Clone(c.Params("id")))
	if err != nil && !fault.Is(err, fault.NotFound) { // what is gone is what was wished
		return err
	}
	s.setFlash(c, "revoked")
	return c.Redirect(back, fiber.StatusSeeOther)
}
