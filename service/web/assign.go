package web

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

// Assigner gives incidents to others, puts them off, and says who is called.
type Assigner interface {
	Reassign(ctx context.Context, who access.Principal, id string, to incidents.Assignment) (incidents.Incident, error)
	Snooze(ctx context.Context, who access.Principal, id string, until time.Time) (incidents.Incident, error)
	Pages(ctx context.Context, scope access.Scope, id string) ([]incidents.Page, error)
	// Policies returns the names of the policies that incidents may be given to.
	Policies() []string
}

// callRow is one page to somebody.
type callRow struct {
	Who    string // the person, or the target that the policy names
	How    string // the person's method, and where that leads
	When   time.Time
	Coming bool // not sent yet
	Word   string
	Class  string
}

var pageWords = map[incidents.PageState][2]string{
	incidents.PagePending: {"will be sent", "idle"}, incidents.PageSending: {"under way", "idle"}, incidents.PageSent: {"accepted", "good"},
	incidents.PageFailed: {"failed for good", "bad"}, incidents.PageCanceled: {"not needed any more", "idle"},
}

// mostCalls is how many of an incident's pages are shown, the newest of them.
const mostCalls = 30

// callRows shows who is called since paging began anew last, and what comes next.
func callRows(i incidents.Incident, pages []incidents.Page) []callRow {
	var rows []callRow
	for _, p := range pages {
		if p.Turn != i.Turn {
			continue
		}
		word := pageWords[p.State]
		row := callRow{Who: p.Person, How: p.Target.String(), When: p.NextAt, Word: word[0], Class: word[1], Coming: p.State == incidents.PagePending}
		switch {
		case p.Person == "":
			row.Who, row.How = p.Target.String(), ""
		case p.Method != "":
			row.How = p.Method + ": " + row.How
		}
		if row.Coming && p.Attempts > 0 {
			row.Word = "failed, will be tried again"
		}
		rows = append(rows, row)
	}
	return rows[max(0, len(rows)-mostCalls):]
}

// clockRow is something that happens to an incident by itself.
type clockRow struct {
	What string
	At   time.Time
}

// clocksOf says what comes next if nobody does anything, the next first.
func clocksOf(i incidents.Incident) []clockRow {
	var rows []clockRow
	add := func(there bool, at *time.Time, what string) {
		if there && at != nil {
			rows = append(rows, clockRow{what, *at})
		}
	}
	paging := i.State == incidents.Triggered && i.Held == "" && i.ResolveAt == nil
	add(paging && i.Step < len(i.Policy.Steps), i.NextEscalationAt, "Step "+strconv.Itoa(i.Step+1)+" is paged")
	add(paging && i.Step >= len(i.Policy.Steps), i.NextEscalationAt, lastWords(i))
	add(paging, i.FallbackAt, "The fallback is paged, unless somebody accepts a page")
	add(paging, i.RaiseAt, "Support hours begin, and with them high urgency")
	add(i.State == incidents.Acknowledged && i.Snoozed, i.ReturnAt, "The snooze ends and people are paged anew")
	add(i.State == incidents.Acknowledged && !i.Snoozed, i.ReturnAt, "The acknowledgement ends and people are paged anew")
	add(i.State != incidents.Resolved, i.ResolveAt, "It is resolved, since none of its alerts fires")
	add(i.State != incidents.Resolved, i.AutoResolveAt, "Its policy has it resolved")
	slices.SortStableFunc(rows, func(a, b clockRow) int { return a.At.Compare(b.At) })
	return rows
}

func lastWords(i incidents.Incident) string {
	if i.Policy.Repeat >= 0 && i.Loop >= i.Policy.Repeat {
		return "The policy is exhausted"
	}
	return "The next round begins"
}

func (s *site) reassign(c *fiber.Ctx, who access.Principal) error {
	if err := requireOperator(who, access.Responder); err != nil {
		return err
	}
	id := c.Params("id")
	to := incidents.Assignment{
		Policy: strings.Clone(c.FormValue("policy")),
		Users:  strings.FieldsFunc(strings.Clone(c.FormValue("users")), func(r rune) bool { return strings.ContainsRune(" ,;\t\r\n", r) }),
	}
	if len(to.Users) > 0 {
		to.Policy = ""
	}
	if turn, err := strconv.Atoi(c.FormValue("turn")); err == nil {
		to.Turn = &turn
	}
	_, err := s.Assigner.Reassign(c.UserContext(), who, id, to)
	return s.afterwards(c, backTo(c, id), "reassigned", "unassigned", err)
}

func (s *site) snooze(c *fiber.Ctx, who access.Principal) error {
	if err := requireOperator(who, access.Responder); err != nil {
		return err
	}
	id := c.Params("id")
	minutes, _ := strconv.Atoi(c.FormValue("minutes")) // what is no number is out of bounds
	_, err := s.Assigner.Snooze(c.UserContext(), who, id, s.Now().Add(time.Duration(minutes)*time.Minute))
	return s.afterwards(c, backTo(c, id), "snoozed", "unsnoozed", err)
}
