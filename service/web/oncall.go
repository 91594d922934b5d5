package web

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// OnCall knows who is on call, and changes that.
type OnCall interface {
	Schedules() map[string]oncall.Schedule
	Overlays(ctx context.Context, scope access.Scope, names []string, from, to time.Time) (map[string]oncall.Overlay, error)
	Override(ctx context.Context, who access.Principal, v oncall.Override, over []string) (oncall.Override, error)
	EndOverride(ctx context.Context, who access.Principal, id string) error
	Swaps(ctx context.Context, scope access.Scope, schedule string, open bool) ([]oncall.Swap, error)
	ProposeSwap(ctx context.Context, who access.Principal, w oncall.Swap) (oncall.Swap, error)
	AcceptSwap(ctx context.Context, who access.Principal, id string) (oncall.Swap, error)
	DeclineSwap(ctx context.Context, who access.Principal, id string) (oncall.Swap, error)
	CancelSwap(ctx context.Context, who access.Principal, id string) (oncall.Swap, error)
	Fair(ctx context.Context, scope access.Scope, schedule string, from, to time.Time) ([]oncall.Load, error)
	// MakeLink returns the address, which is not kept.
	MakeLink(ctx context.Context, who access.Principal, l OnCallLink) (OnCallLink, string, error)
	// Links returns those that the person made; an admin sees everybody's.
	Links(ctx context.Context, who access.Principal) ([]OnCallLink, error)
	RevokeLink(ctx context.Context, who access.Principal, id string) error
}

const (
	onCallAhead = 14 * 24 * time.Hour
	gapsSoon    = 30 * 24 * time.Hour
)

func (s *site) mountOnCall(app fiber.Router) {
	app.Get("/oncall", s.signedIn(s.onCallNow))
	app.Get("/oncall/:name", s.signedIn(s.onCallCalendar))
	app.Post("/oncall/:name/overrides", s.signedIn(s.addOverride))
	app.Post("/oncall/:name/overrides/:id/end", s.signedIn(s.endOverride))
	app.Post("/oncall/:name/links", s.signedIn(s.makeScheduleLink))
	app.Post("/oncall/:name/links/:id/revoke", s.signedIn(s.revokeScheduleLink))
	app.Post("/oncall/:name/swaps", s.signedIn(s.proposeSwap))
	app.Post("/oncall/:name/swaps/:id/:answer", s.signedIn(s.answerSwap))
}

// operatorPeople keeps tenants' people away from what is the operator's.
func operatorPeople(who access.Principal) error {
	if who.Tenant != "" {
		return fault.New(fault.Forbidden, "who is on call is for the operator's people; you belong to %s", who.Tenant)
	}
	return nil
}

type onCallView struct {
	Asked bool
	Rows  []onCallRow
	Fair  []fairRow
}

// onCallRow is one schedule at this moment.
type onCallRow struct {
	Name, Description, URL string
	People                 []onCallPerson
	Handoff                string // when the next shift begins and whose it is; "" where none does
	Gaps                   []string
}

// onCallPerson is a person in a colour of their own.
type onCallPerson struct {
	Name, Short string
	Colour      string // a class
}

// onCallColours is how many colours there are for people.
const onCallColours = 8

// personOf gives the same person the same colour on every page.
func personOf(email string) onCallPerson {
	return inColour(email, colourOf(email))
}

func inColour(email string, n int) onCallPerson {
	short, _, _ := strings.Cut(email, "@")
	return onCallPerson{email, short, fmt.Sprintf("who-%d", n)}
}

func colourOf(email string) int {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(email)) // never fails
	return int(sum.Sum64() >> 32 % onCallColours)
}

// apart gives people who stand side by side colours that differ, as far as there are enough: who comes later in the
// alphabet gives way.
func apart(people []string) func(email string) onCallPerson {
	colours, taken := map[string]int{}, [onCallColours]bool{}
	for n, email := range slices.Sorted(slices.Values(people)) {
		colour := colourOf(email)
		for n < onCallColours && taken[colour] {
			colour = (colour + 1) % onCallColours
		}
		colours[email], taken[colour] = colour, true
	}
	return func(email string) onCallPerson {
		if colour, known := colours[email]; known {
			return inColour(email, colour)
		}
		return personOf(email)
	}
}

// onCallNow is who is on call over all schedules, and what that took from each person in the last 30 days.
func (s *site) onCallNow(c *fiber.Ctx, who access.Principal) error {
	if err := operatorPeople(who); err != nil {
		return err
	}
	now := s.Now().UTC()
	m := s.missing(c.UserContext())
	var view onCallView
	overlays, err := s.OnCall.Overlays(c.UserContext(), who.Scope(), nil, now, now.Add(gapsSoon))
	if err != nil && final(err) {
		return err
	}
	m.note("who is on call", err)
	if view.Asked = err == nil; view.Asked {
		schedules := s.OnCall.Schedules()
		for _, name := range slices.Sorted(maps.Keys(schedules)) {
			view.Rows = append(view.Rows, onCallRowOf(schedules[name], overlays[name], now))
		}
	}
	loads, err := s.OnCall.Fair(c.UserContext(), who.Scope(), "", now.Add(-gapsSoon), now)
	m.note("what being on call took", err)
	view.Fair = fairRows(loads)
	return s.render(c, fiber.StatusOK, page{
		Template: "oncall", Title: "On-call", Section: "oncall", Topics: "oncall definitions", Missing: m.texts(), Body: view,
	})
}

func onCallRowOf(s oncall.Schedule, o oncall.Overlay, now time.Time) onCallRow {
	row := onCallRow{Name: s.Name, Description: s.Description, URL: onCallURL(s.Name)}
	for _, p := range s.At(o, now) {
		row.People = append(row.People, personOf(p))
	}
	zone := zoneOf(s)
	if next, there := s.Next(o, now); there {
		row.Handoff = personOf(next.Person).Short + " in " + spanText(next.From.Sub(now)) + ", " + next.From.In(zone).Format("Mon 2 Jan 15:04 MST")
	}
	for i, g := range s.Gaps(o, now, now.Add(gapsSoon)) {
		if i == 3 {
			row.Gaps = append(row.Gaps, "and more")
			break
		}
		row.Gaps = append(row.Gaps, gapText(g, zone))
	}
	return row
}

func gapText(g oncall.Span, zone *time.Location) string {
	return "nobody from " + g.From.In(zone).Format("Mon 2 Jan 15:04") + " to " + g.To.In(zone).Format("Mon 2 Jan 15:04 MST")
}

func zoneOf(s oncall.Schedule) *time.Location {
	if s.Zone == nil {
		return time.UTC
	}
	return s.Zone
}

// fairRow is what being on call took from one person; the width is out of 100, of the most hours.
type fairRow struct {
	Person               onCallPerson
	Load                 oncall.Load
	Hours, Nights, Ratio string
	Width                int
}

func fairRows(loads []oncall.Load) []fairRow {
	most := 0.0
	for _, l := range loads {
		most = max(most, l.Hours)
	}
	rows := make([]fairRow, 0, len(loads))
	for _, l := range loads {
		row := fairRow{
			Person: personOf(l.Person), Load: l, Hours: fmt.Sprintf("%.0f h", l.Hours), Nights: fmt.Sprintf("%.0f h", l.NightHours),
			Ratio: fmt.Sprintf("%.2f×", l.HoursRatio),
		}
		if most > 0 {
			row.Width = int(100 * l.Hours / most)
		}
		rows = append(rows, row)
	}
	return rows
}
