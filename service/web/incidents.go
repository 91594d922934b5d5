package web

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

var openStates = []incidents.State{incidents.Triggered, incidents.Acknowledged}

// incidentRow is one incident as a line of a list.
type incidentRow struct {
	incidents.Incident
	URL    string
	Lasted string // how long it took, or how long it has been open
	Who    string // who is on it, in words
	Spent  string // of the error budget, "" where unknown
	Act    bool   // this viewer may acknowledge it from the list
	From   string // where the list is, for the way back
	Now    time.Time
}

func incidentURL(i incidents.Incident) string { return "/incidents/" + url.PathEscape(i.ID) }

func incidentRows(list []incidents.Incident, now time.Time, v viewer, from string) []incidentRow {
	rows := make([]incidentRow, 0, len(list))
	for _, i := range list {
		row := rowOf(i, now, v)
		row.Act, row.From = v.CanRespond && from != "" && i.State == incidents.Triggered, from
		rows = append(rows, row)
	}
	return rows
}

func rowOf(i incidents.Incident, now time.Time, v viewer) incidentRow {
	i = forAudience(i, v)
	return incidentRow{
		Incident: i, URL: incidentURL(i), Lasted: spanText(endOf(i, now).Sub(i.OpenedAt)), Who: whoIsOnIt(i, v),
		Spent: spentText(i.BudgetSpent), Now: now,
	}
}

// endOf is when the incident was resolved, or now while it is open.
func endOf(i incidents.Incident, now time.Time) time.Time {
	if i.ResolvedAt != nil {
		return *i.ResolvedAt
	}
	return now
}

// Open reports whether there is still something to do.
func (r incidentRow) Open() bool { return r.State != incidents.Resolved }

// whoIsOnIt says in words who has taken it, or that nobody has.
func whoIsOnIt(i incidents.Incident, v viewer) string {
	if !v.Operator {
		if i.State == incidents.Acknowledged {
			return "being worked on"
		}
		return ""
	}
	switch i.State {
	case incidents.Resolved:
		if i.ResolvedBy == "" || i.ResolvedBy == "Nines" {
			return "ended by itself"
		}
		return "resolved by " + i.ResolvedBy
	case incidents.Acknowledged:
		if i.AcknowledgedBy != "" {
			return i.AcknowledgedBy + " is on it"
		}
		return "somebody is on it"
	}
	if !i.Severity.Pages() {
		return "nobody is woken for this"
	}
	return "nobody is on it yet"
}

func spentText(share *float64) string {
	if share == nil || !finite(*share) {
		return ""
	}
	return shareText(max(*share, 0))
}

type incidentListView struct {
	Rows   []incidentRow
	Filter []choice
	Newest string // back to the first page, "" on it
	Older  string // the next page, "" on the last
	Asked  bool
	State  string

	Figures  bool // whether there is a page of figures to lead to
	Room     bool // and one of subscriptions
	Declare  bool // this viewer may open one by hand
	Policies bool // whether there is a page of escalation policies to lead to
}

// listSize is how many incidents stand on one page.
const listSize = 40

var stateFilters = []struct {
	name, label string
	states      []incidents.State
}{
	{"open", "Open", openStates},
	{"triggered", "Triggered", []incidents.State{incidents.Triggered}},
	{"acknowledged", "Acknowledged", []incidents.State{incidents.Acknowledged}},
	{"resolved", "Resolved", []incidents.State{incidents.Resolved}},
	{"all", "All", nil},
}

func (s *site) incidentList(c *fiber.Ctx, who access.Principal) error {
	state := strings.Clone(c.Query("state", "all"))
	filter := incidents.Filter{Limit: listSize + 1, SLO: strings.Clone(c.Query("slo")), Service: strings.Clone(c.Query("service"))}
	filter.Before, _ = strconv.ParseInt(c.Query("before"), 10, 64)
	filter.Before = max(filter.Before, 0)
	view := incidentListView{Asked: true, State: "all", Policies: s.Contacts != nil && requireOperator(who, access.Viewer) == nil}
	view.Room, view.Declare = s.Room != nil, s.Room != nil && viewerOf(who).CanRespond
	view.Figures = s.Evidence != nil && requireOperator(who, access.Viewer) == nil
	for _, f := range stateFilters {
		if f.name == state {
			view.State, filter.States = f.name, f.states
		}
	}
	for _, f := range stateFilters {
		view.Filter = append(view.Filter, choice{Label: f.label, URL: listURL(f.name, filter, 0), Current: f.name == view.State})
	}
	m := s.missing(c.UserContext())
	list, err := s.Incidents.Incidents(c.UserContext(), who.Scope(), filter)
	if err != nil && final(err) {
		return err
	}
	m.note("incidents", err)
	view.Asked = err == nil
	if filter.Before > 0 {
		view.Newest = listURL(view.State, filter, 0)
	}
	if len(list) > listSize {
		list = list[:listSize]
		view.Older = listURL(view.State, filter, list[listSize-1].Number)
	}
	view.Rows = incidentRows(list, s.Now().UTC(), viewerOf(who), "incidents")
	return s.render(c, fiber.StatusOK, page{
		Template: "incidents", Title: "Incidents", Section: "incidents", Topics: "incident", Missing: m.texts(), Body: view,
	})
}

func listURL(state string, f incidents.Filter, before int64) string {
	q := url.Values{}
	if state != "all" {
		q.Set("state", state)
	}
	if f.SLO != "" {
		q.Set("slo", f.SLO)
	}
	if f.Service != "" {
		q.Set("service", f.Service)
	}
	if before > 0 {
		q.Set("before", strconv.FormatInt(before, 10))
	}
	if len(q) == 0 {
		return "/incidents"
	}
	return "/incidents?" + q.Encode()
}
