package web

import (
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// actionRow is one action item, in words.
type actionRow struct {
	incidents.ActionItem
	Word, Class string
	Day         string // of its due time, "" where it has none
	Link        string // to the tracker
	Act         bool
	Back        string // where its forms lead to
}

func actionRowOf(a incidents.ActionItem, now time.Time, act bool) actionRow {
	row := actionRow{ActionItem: a, Word: string(a.State), Class: "calm", Act: act, Link: a.TrackerURL, Back: "/action-items"}
	if a.DueAt != nil {
		row.Day = a.DueAt.UTC().Format("2 Jan 2006")
	}
	switch {
	case a.Overdue(now):
		row.Word, row.Class = "overdue", "hot"
	case a.State == incidents.ActionOpen:
		row.Class = "warm"
	case a.State == incidents.ActionDropped:
		row.Class = "idle"
	}
	return row
}

type actionListView struct {
	Owner, Service, State string
	Choices               []actionChoice
	Rows                  []actionRow
	Asked                 bool
}

type actionChoice struct {
	Word, URL string
	On        bool
}

func (s *site) actionList(c *fiber.Ctx, who access.Principal) error {
	if err := requireOperator(who, access.Viewer); err != nil {
		return err
	}
	view := actionListView{Owner: strings.Clone(c.Query("owner")), Service: strings.Clone(c.Query("service")), State: strings.Clone(c.Query("state", "open"))}
	for _, choice := range [][2]string{{"open", "Open"}, {"overdue", "Overdue"}, {"done", "Done"}, {"dropped", "Dropped"}, {"all", "All"}} {
		query := url.Values{"state": {choice[0]}}
		for name, value := range map[string]string{"owner": view.Owner, "service": view.Service} {
			if value != "" {
				query.Set(name, value)
			}
		}
		view.Choices = append(view.Choices, actionChoice{choice[1], "/action-items?" + query.Encode(), view.State == choice[0]})
	}
	f := incidents.ActionFilter{Owner: strings.ToLower(view.Owner), Service: view.Service, Overdue: view.State == "overdue", Limit: 500}
	if view.State != "all" && !f.Overdue {
		f.State = incidents.ActionState(view.State)
	}
	m, now := s.missing(c.UserContext()), s.Now().UTC()
	found, err := s.Postmortems.ActionItems(c.UserContext(), who, f)
	if err != nil && final(err) {
		return err
	}
	m.note("action items", err)
	view.Asked = err == nil
	for _, a := range found {
		view.Rows = append(view.Rows, actionRowOf(a, now, requireOperator(who, access.Responder) == nil))
	}
	return s.render(c, fiber.StatusOK, page{Template: "action-items", Title: "Action items", Section: "postmortems", Missing: m.texts(), Body: view})
}

// dueDay reads a form's day: the end of it, in UTC.
func dueDay(text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return nil, fault.New(fault.Invalid, "due: %q is not a day; write it as 2026-12-01", text)
	}
	end := day.Add(24*time.Hour - time.Second)
	return &end, nil
}

func (s *site) addAction(c *fiber.Ctx, who access.Principal) error {
	due, err := dueDay(c.FormValue("due"))
	if err != nil {
		return err
	}
	title, owner, kind := strings.Clone(c.FormValue("title")), strings.Clone(c.FormValue("owner")), incidents.ActionKind(strings.Clone(c.FormValue("kind")))
	id := strings.Clone(c.Params("id"))
	if _, err := s.Postmortems.AddActionItem(c.UserContext(), who, id, incidents.ActionEdit{Title: &title, Owner: &owner, Kind: &kind, DueAt: due}); err != nil {
		return told(err)
	}
	s.setFlash(c, "item-added")
	return c.Redirect("/postmortems/"+id+"#items", fiber.StatusSeeOther)
}

// changeAction closes an item, opens it again, or gives it another day.
func (s *site) changeAction(c *fiber.Ctx, who access.Principal) error {
	e := incidents.ActionEdit{}
	if state := incidents.ActionState(strings.Clone(c.FormValue("state"))); state != "" {
		e.State = &state
	}
	if reason := strings.Clone(c.FormValue("reason")); reason != "" {
		e.Reason = &reason
	}
	due, err := dueDay(c.FormValue("due"))
	if err != nil {
		return err
	}
	e.DueAt = due
	if _, err := s.Postmortems.ChangeActionItem(c.UserContext(), who, c.Params("id"), e); err != nil {
		return told(err)
	}
	s.setFlash(c, "item-changed")
	back := strings.Clone(c.FormValue("back"))
	if !strings.HasPrefix(back, "/postmortems/") {
		back = "/action-items"
	}
	return c.Redirect(back, fiber.StatusSeeOther)
}
