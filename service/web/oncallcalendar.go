package web

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

func onCallURL(name string) string { return "/oncall/" + url.PathEscape(name) }

type calendarView struct {
	Name, Description, Zone, URL string
	View                         string // "week" or "month"
	From                         time.Time
	Earlier, Later, Today        string // addresses
	Days                         []calendarDay
	Layers                       []calendarLayer
	Overrides                    []overrideRow
	Swaps                        []swapRow
	Links                        linkList
	CanAct, CanEdit              bool
	Me                           string
	Begin, End                   string // what the forms begin with
	Gaps                         []string
}

// calendarDay is one day by the clock of the schedule's zone, which may last 23 or 25 hours.
type calendarDay struct {
	Date   time.Time
	Today  bool
	Hours  int
	Bars   []calendarBar
	Hollow bool // at some time nobody is on call
}

// calendarBar is a part of a day; X and Width are out of 1000 of the day as long as it is.
type calendarBar struct {
	Person   onCallPerson
	Gap      bool
	When     string
	X, Width int
	Changed  bool // by an override or temporary schedule
}

type calendarLayer struct {
	Name   string
	Shifts []string
}

type overrideRow struct {
	ID, What, When, By, Reason string
	CanEnd                     bool
}

type swapRow struct {
	oncall.Swap
	What              string
	CanAnswer, CanEnd bool
}

// onCallCalendar shows a week or a month of one schedule.
func (s *site) onCallCalendar(c *fiber.Ctx, who access.Principal) error {
	schedule, err := s.scheduleOf(c, who)
	if err != nil {
		return err
	}
	zone := zoneOf(schedule)
	now := s.Now().In(zone)
	view := calendarView{
		Name: schedule.Name, Description: schedule.Description, Zone: zone.String(), URL: onCallURL(schedule.Name), View: "week", Me: who.Name,
		CanAct: who.Require(access.Responder) == nil, CanEdit: who.Require(access.Editor) == nil,
		Begin: now.Format("2006-01-02T15:04"), End: now.Add(4 * time.Hour).Format("2006-01-02T15:04"),
	}
	if c.Query("view") == "month" {
		view.View = "month"
	}
	at := now
	if asked, err := time.ParseInLocation(time.DateOnly, c.Query("from"), zone); err == nil {
		at = asked
	}
	from, to := view.period(at)
	m := s.missing(c.UserContext())
	overlays, err := s.OnCall.Overlays(c.UserContext(), who.Scope(), []string{schedule.Name}, from, to)
	m.note("what differs from the plan", err)
	o := overlays[schedule.Name]
	view.fill(schedule, o, from, to, now)
	for _, v := range o.Overrides {
		if v.To.After(now) {
			view.Overrides = append(view.Overrides, view.overrideRow(v, zone))
		}
	}
	swaps, err := s.OnCall.Swaps(c.UserContext(), who.Scope(), schedule.Name, true)
	m.note("swaps", err)
	for _, w := range swaps {
		view.Swaps = append(view.Swaps, swapRowOf(w, zone, view.Me, view.CanAct))
	}
	links, err := s.OnCall.Links(c.UserContext(), who)
	m.note("the addresses that you have made", err)
	view.Links = linksUnder(view.URL+"/links", links, func(l OnCallLink) bool { return l.Schedule == schedule.Name })
	return s.render(c, fiber.StatusOK, page{
		Template: "oncall-calendar", Title: schedule.Name + ", on-call", Section: "oncall", Topics: "oncall definitions", Missing: m.texts(), Body: view,
	})
}

func (s *site) scheduleOf(c *fiber.Ctx, who access.Principal) (oncall.Schedule, error) {
	if err := operatorPeople(who); err != nil {
		return oncall.Schedule{}, err
	}
	name, err := url.PathUnescape(c.Params("name"))
	schedule, defined := s.OnCall.Schedules()[strings.Clone(name)]
	if err != nil || !defined {
		return schedule, fault.New(fault.NotFound, "there is no such schedule")
	}
	return schedule, nil
}

// period is the week from Monday or the month that at lies in, and sets the addresses beside it.
func (v *calendarView) period(at time.Time) (from, to time.Time) {
	midnight := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, at.Location())
	var before time.Time
	if v.View == "month" {
		from = midnight.AddDate(0, 0, 1-at.Day())
		to, before = from.AddDate(0, 1, 0), from.AddDate(0, -1, 0)
	} else {
		from = midnight.AddDate(0, 0, -int(at.Weekday()+6)%7)
		to, before = from.AddDate(0, 0, 7), from.AddDate(0, 0, -7)
	}
	link := func(t time.Time) string { return v.URL + "?view=" + v.View + "&from=" + t.Format(time.DateOnly) }
	v.From, v.Earlier, v.Later, v.Today = from, link(before), link(to), v.URL+"?view="+v.View
	return from, to
}

// fill lays out each day of the period and what each layer says alone.
func (v *calendarView) fill(s oncall.Schedule, o oncall.Overlay, from, to, now time.Time) {
	shifts, gaps := s.Shifts(o, from, to), s.Gaps(o, from, to)
	people := apart(s.People())
	for day := from; day.Before(to); day = day.AddDate(0, 0, 1) {
		next := day.AddDate(0, 0, 1)
		d := calendarDay{
			Date: day, Today: !now.Before(day) && now.Before(next), Hours: int(next.Sub(day).Round(time.Hour).Hours()),
		}
		for _, shift := range shifts {
			d.add(calendarBar{Person: people(shift.Person), Changed: shift.Override != "" || shift.Temporary != ""}, shift.From, shift.To, next)
		}
		for _, g := range gaps {
			d.add(calendarBar{Gap: true}, g.From, g.To, next)
		}
		v.Days = append(v.Days, d)
	}
	for _, g := range gaps {
		if g.To.After(now) && len(v.Gaps) < 5 {
			v.Gaps = append(v.Gaps, gapText(g, from.Location()))
		}
	}
	for _, l := range s.Layers {
		alone := oncall.Schedule{Zone: s.Zone, Layers: []oncall.Layer{l}}
		row := calendarLayer{Name: l.Name}
		for _, shift := range alone.Shifts(oncall.Overlay{}, from, to) {
			if len(row.Shifts) < 62 {
				row.Shifts = append(row.Shifts, personOf(shift.Person).Short+" "+spanOf(shift.From, shift.To, from.Location()))
			}
		}
		v.Layers = append(v.Layers, row)
	}
}

// add puts the part of [from, to) that lies within the day onto it.
func (d *calendarDay) add(bar calendarBar, from, to, next time.Time) {
	if from.Before(d.Date) {
		from = d.Date
	}
	if to.After(next) {
		to = next
	}
	if !from.Before(to) {
		return
	}
	whole := next.Sub(d.Date)
	bar.X, bar.Width = int(1000*from.Sub(d.Date)/whole), max(1, int(1000*to.Sub(from)/whole))
	zone := d.Date.Location()
	bar.When = from.In(zone).Format("15:04") + "–" + to.In(zone).Format("15:04")
	if from.Equal(d.Date) && to.Equal(next) {
		bar.When = "all day"
	}
	d.Hollow = d.Hollow || bar.Gap
	d.Bars = append(d.Bars, bar)
}

func spanOf(from, to time.Time, zone *time.Location) string {
	return from.In(zone).Format("Mon 2 Jan 15:04") + " – " + to.In(zone).Format("Mon 2 Jan 15:04 MST")
}

func (v *calendarView) overrideRow(o oncall.Override, zone *time.Location) overrideRow {
	what := personOf(o.Add).Short + " is on call"
	switch {
	case o.Add == "":
		what = personOf(o.Remove).Short + " is off call"
	case o.Remove != "" && o.Remove != o.Add:
		what += " in place of " + personOf(o.Remove).Short
	}
	return overrideRow{
		ID: o.ID, What: what, When: spanOf(o.From, o.To, zone), By: o.By, Reason: o.Reason,
		CanEnd: v.CanEdit || v.CanAct && (o.By == v.Me || o.Add == v.Me || o.Remove == v.Me),
	}
}

func swapRowOf(w oncall.Swap, zone *time.Location, viewer string, act bool) swapRow {
	row := swapRow{Swap: w, What: personOf(w.Asker).Short + " gives " + spanOf(w.Give.From, w.Give.To, zone)}
	if w.Take != nil {
		row.What += " for " + spanOf(w.Take.From, w.Take.To, zone)
	}
	row.CanAnswer = act && w.Asker != viewer && (w.Taker == "" || w.Taker == viewer)
	row.CanEnd = act && w.Asker == viewer
	return row
}

// formSpan reads the times of a form, by the clock of the schedule's zone.
func formSpan(c *fiber.Ctx, zone *time.Location) (span oncall.Span, err error) {
	for field, at := range map[string]*time.Time{"from": &span.From, "to": &span.To} {
		t, ok := oncall.ParseMoment(strings.Replace(c.FormValue(field), "T", " ", 1), zone)
		if !ok {
			return span, fault.New(fault.Invalid, "%s: write a time such as 2026-11-23 18:00", field)
		}
		*at = t
	}
	return span, nil
}

func (s *site) addOverride(c *fiber.Ctx, who access.Principal) error {
	schedule, err := s.scheduleOf(c, who)
	if err != nil {
		return err
	}
	span, err := formSpan(c, zoneOf(schedule))
	if err != nil {
		return err
	}
	_, err = s.OnCall.Override(c.UserContext(), who, oncall.Override{
		Schedule: schedule.Name, From: span.From, To: span.To, Add: strings.Clone(c.FormValue("add")),
		Remove: strings.Clone(c.FormValue("remove")), Reason: strings.TrimSpace(c.FormValue("reason")),
	}, nil)
	return s.answeredOnCall(c, schedule, "overridden", err)
}

func (s *site) answeredOnCall(c *fiber.Ctx, schedule oncall.Schedule, word string, err error) error {
	if err != nil {
		return told(err)
	}
	s.setFlash(c, word)
	return c.Redirect(onCallURL(schedule.Name), fiber.StatusSeeOther)
}

func (s *site) endOverride(c *fiber.Ctx, who access.Principal) error {
	schedule, err := s.scheduleOf(c, who)
	if err != nil {
		return err
	}
	return s.answeredOnCall(c, schedule, "overridden", s.OnCall.EndOverride(c.UserContext(), who, strings.Clone(c.Params("id"))))
}

func (s *site) proposeSwap(c *fiber.Ctx, who access.Principal) error {
	schedule, err := s.scheduleOf(c, who)
	if err != nil {
		return err
	}
	span, err := formSpan(c, zoneOf(schedule))
	if err != nil {
		return err
	}
	_, err = s.OnCall.ProposeSwap(c.UserContext(), who, oncall.Swap{
		Schedule: schedule.Name, Taker: strings.Clone(c.FormValue("taker")), Give: span, Reason: strings.TrimSpace(c.FormValue("reason")),
	})
	return s.answeredOnCall(c, schedule, "proposed", err)
}

func (s *site) answerSwap(c *fiber.Ctx, who access.Principal) error {
	schedule, err := s.scheduleOf(c, who)
	if err != nil {
		return err
	}
	answers := map[string]func(context.Context, access.Principal, string) (oncall.Swap, error){
		"accept": s.OnCall.AcceptSwap, "decline": s.OnCall.DeclineSwap, "cancel": s.OnCall.CancelSwap,
	}
	answer, known := answers[c.Params("answer")]
	if !known {
		return fault.New(fault.NotFound, "a swap is accepted, declined or cancelled")
	}
	_, err = answer(c.UserContext(), who, strings.Clone(c.Params("id")))
	return s.answeredOnCall(c, schedule, "swapped", err)
}
