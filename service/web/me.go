package web

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// Reach keeps how people choose to be called; here each person's own.
type Reach interface {
	Ways(ctx context.Context, who access.Principal) (Ways, error)
	// AddWay keeps a way and sends its code. Where the code could not be sent that is a fault.Unavailable, and the way is kept.
	AddWay(ctx context.Context, who access.Principal, w Way) error
	SendCode(ctx context.Context, who access.Principal, id string) error
	Verify(ctx context.Context, who access.Principal, id, code string) error
	RemoveWay(ctx context.Context, who access.Principal, id string) error
	SetRules(ctx context.Context, who access.Principal, rules []incidents.Rule) error
	SetQuiet(ctx context.Context, who access.Principal, zone string, quiet []incidents.Quiet) error
}

// Way is one way to reach a person.
type Way struct {
	ID, Name, Way, Channel, Address string
	VerifiedAt                      *time.Time // nil: not used until its code is told
}

// Ways is how a person is reached.
type Ways struct {
	Email, Zone string
	Quiet       []incidents.Quiet
	Ways        []Way
	Rules       []incidents.Rule
	Offered     map[string][]string // the ways that are set up, with their channels
}

type meView struct {
	Ways
	Asked    bool
	Rules    []ruleRow
	Quiet    []quietRow
	Choices  []wayChoice
	Verified []Way
	Shifts   []meShift
	Swaps    []swapRow
	Links    linkList
	CanAct   bool
	OnCall   bool // there are schedules to be seen
	Days     []weekdayChoice
}

// wayChoice is a way that can be added; Value is the way and its channel.
type wayChoice struct{ Value, Text string }

type weekdayChoice struct {
	Value int
	Text  string
}

type ruleRow struct {
	Text, Key string
}

type quietRow struct {
	Text, Key string
}

type meShift struct {
	Schedule, URL, When string
	Now                 bool
}

func (s *site) mountMe(app fiber.Router) {
	app.Get("/me", s.signedIn(s.me))
	app.Post("/me/ways", s.mine(s.addWay))
	app.Post("/me/ways/:id/code", s.mine(s.sendCode))
	app.Post("/me/ways/:id/verify", s.mine(s.verifyWay))
	app.Post("/me/ways/:id/remove", s.mine(s.removeWay))
	app.Post("/me/rules", s.mine(s.addRule))
	app.Post("/me/rules/remove", s.mine(s.removeRule))
	app.Post("/me/quiet", s.mine(s.addQuiet))
	app.Post("/me/quiet/remove", s.mine(s.removeQuiet))
	app.Post("/me/zone", s.mine(s.setZone))
	if s.OnCall != nil {
		app.Post("/me/links", s.signedIn(s.makeOwnLink))
		app.Post("/me/links/:id/revoke", s.signedIn(s.revokeOwnLink))
	}
}

// mine answers a form of the page about oneself.
func (s *site) mine(do func(c *fiber.Ctx, who access.Principal) (word string, err error)) fiber.Handler {
	return s.signedIn(func(c *fiber.Ctx, who access.Principal) error {
		if err := requireOperator(who, access.Responder); err != nil {
			return err
		}
		word, err := do(c, who)
		if err != nil {
			return told(err)
		}
		s.setFlash(c, word)
		return c.Redirect("/me", fiber.StatusSeeOther)
	})
}

// me is how the viewer is called, when they are on call, and the addresses that they have made.
func (s *site) me(c *fiber.Ctx, who access.Principal) error {
	if err := requireOperator(who, access.Viewer); err != nil {
		return err
	}
	ctx := c.UserContext()
	m := s.missing(ctx)
	view := meView{CanAct: viewerOf(who).CanRespond, Days: weekdays()}
	if view.CanAct {
		found, err := s.Reach.Ways(ctx, who)
		if err != nil && final(err) {
			return err
		}
		m.note("how you are called", err)
		view.fill(found, err == nil)
	}
	if s.OnCall != nil {
		view.OnCall = true
		view.fillOnCall(ctx, s, who, m)
	}
	return s.render(c, fiber.StatusOK, page{Template: "me", Title: "You", Section: "me", Topics: "oncall", Missing: m.texts(), Body: view})
}

func weekdays() []weekdayChoice {
	var out []weekdayChoice
	for n := range 7 {
		day := time.Weekday((n + 1) % 7) // from Monday
		out = append(out, weekdayChoice{int(day), day.String()[:3]})
	}
	return out
}

func (v *meView) fill(w Ways, asked bool) {
	v.Ways, v.Asked = w, asked
	names := map[string]string{}
	for _, way := range w.Ways {
		names[way.ID] = way.Name
		if way.VerifiedAt != nil {
			v.Verified = append(v.Verified, way)
		}
	}
	for _, r := range w.Rules {
		text := "at once"
		if r.Delay > 0 {
			text = "after " + spanText(r.Delay)
		}
		v.Rules = append(v.Rules, ruleRow{string(r.Urgency) + " urgency, " + text + ": " + names[r.Method], ruleKey(r)})
	}
	for _, q := range w.Quiet {
		v.Quiet = append(v.Quiet, quietRow{quietText(q), quietKey(q)})
	}
	for _, way := range slices.Sorted(maps.Keys(w.Offered)) {
		if len(w.Offered[way]) < 2 {
			v.Choices = append(v.Choices, wayChoice{way, way})
			continue
		}
		for _, channel := range w.Offered[way] {
			v.Choices = append(v.Choices, wayChoice{way + " " + channel, way + ", from " + channel})
		}
	}
}

// fillOnCall adds what concerns the viewer alone, of all schedules.
func (v *meView) fillOnCall(ctx context.Context, s *site, who access.Principal, m *missing) {
	now, own := s.Now().UTC(), strings.ToLower(who.Name)
	overlays, err := s.OnCall.Overlays(ctx, who.Scope(), nil, now, now.Add(gapsSoon))
	m.note("when you are on call", err)
	type dated struct {
		meShift
		from time.Time
	}
	var shifts []dated
	schedules := s.OnCall.Schedules()
	for name, schedule := range schedules {
		if err != nil {
			break
		}
		for _, shift := range schedule.Shifts(overlays[name], now, now.Add(gapsSoon)) {
			if shift.Person == own {
				row := meShift{name, onCallURL(name), spanOf(shift.From, shift.To, zoneOf(schedule)), !shift.From.After(now)}
				shifts = append(shifts, dated{row, shift.From})
			}
		}
	}
	slices.SortFunc(shifts, func(a, b dated) int {
		if order := a.from.Compare(b.from); order != 0 {
			return order
		}
		return strings.Compare(a.Schedule, b.Schedule)
	})
	for _, shift := range shifts {
		v.Shifts = append(v.Shifts, shift.meShift)
	}
	swaps, err := s.OnCall.Swaps(ctx, who.Scope(), "", true)
	m.note("swaps", err)
	for _, w := range swaps {
		if row := swapRowOf(w, zoneOf(schedules[w.Schedule]), own, v.CanAct); row.CanAnswer {
			v.Swaps = append(v.Swaps, row)
		}
	}
	links, err := s.OnCall.Links(ctx, who)
	m.note("the addresses that you have made", err)
	v.Links = linksUnder("/me/links", links, func(l OnCallLink) bool { return l.MadeBy == who.Name })
}

// URL is the page of the swap's schedule.
func (w swapRow) URL() string { return onCallURL(w.Schedule) }

func (s *site) addWay(c *fiber.Ctx, who access.Principal) (string, error) {
	way, channel, _ := strings.Cut(form(c, "way"), " ")
	err := s.Reach.AddWay(c.UserContext(), who, Way{Name: form(c, "name"), Way: way, Channel: channel, Address: form(c, "address")})
	if fault.Is(err, fault.Unavailable) {
		return "code-unsent", nil // the way is kept, and the page offers another code
	}
	return "code-sent", err
}

func (s *site) sendCode(c *fiber.Ctx, who access.Principal) (string, error) {
	err := s.Reach.SendCode(c.UserContext(), who, strings.Clone(c.Params("id")))
	if fault.Is(err, fault.Unavailable) {
		return "code-unsent", nil
	}
	return "code-sent", err
}

func (s *site) verifyWay(c *fiber.Ctx, who access.Principal) (string, error) {
	return "verified", s.Reach.Verify(c.UserContext(), who, strings.Clone(c.Params("id")), strings.ReplaceAll(form(c, "code"), " ", ""))
}

func (s *site) removeWay(c *fiber.Ctx, who access.Principal) (string, error) {
	return "saved", s.Reach.RemoveWay(c.UserContext(), who, strings.Clone(c.Params("id")))
}

func (s *site) addRule(c *fiber.Ctx, who access.Principal) (string, error) {
	minutes, err := strconv.ParseFloat(form(c, "minutes"), 64)
	if err != nil || !(minutes >= 0 && minutes <= incidents.MaxRuleDelay.Minutes()) {
		return "", fault.New(fault.Invalid, "minutes: write a number from 0 to %.0f", incidents.MaxRuleDelay.Minutes())
	}
	w, err := s.Reach.Ways(c.UserContext(), who)
	if err != nil {
		return "", err
	}
	rule := incidents.Rule{Urgency: incidents.Urgency(form(c, "urgency")), Delay: time.Duration(minutes * float64(time.Minute)).Round(time.Second), Method: form(c, "way")}
	return "saved", s.Reach.SetRules(c.UserContext(), who, append(w.Rules, rule))
}

func (s *site) removeRule(c *fiber.Ctx, who access.Principal) (string, error) {
	w, err := s.Reach.Ways(c.UserContext(), who)
	if err != nil {
		return "", err
	}
	key := form(c, "rule")
	return "saved", s.Reach.SetRules(c.UserContext(), who, slices.DeleteFunc(w.Rules, func(r incidents.Rule) bool { return ruleKey(r) == key }))
}

func (s *site) addQuiet(c *fiber.Ctx, who access.Principal) (string, error) {
	quiet := incidents.Quiet{}
	for field, into := range map[string]*time.Duration{"from": &quiet.From, "to": &quiet.To} {
		t, err := time.Parse("15:04", form(c, field))
		if err != nil {
			return "", fault.New(fault.Invalid, "%s: write a time of day such as 22:00", field)
		}
		*into = time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
	}
	for _, day := range weekdays() {
		if form(c, "day"+strconv.Itoa(day.Value)) != "" {
			quiet.Days = append(quiet.Days, time.Weekday(day.Value))
		}
	}
	slices.Sort(quiet.Days)
	return s.changeQuiet(c, who, func(w *Ways) { w.Quiet = append(w.Quiet, quiet) })
}

func (s *site) removeQuiet(c *fiber.Ctx, who access.Principal) (string, error) {
	key := form(c, "quiet")
	return s.changeQuiet(c, who, func(w *Ways) {
		w.Quiet = slices.DeleteFunc(w.Quiet, func(q incidents.Quiet) bool { return quietKey(q) == key })
	})
}

func (s *site) setZone(c *fiber.Ctx, who access.Principal) (string, error) {
	zone := form(c, "zone")
	if zone == "" {
		return "", fault.New(fault.Invalid, "zone: write one such as Europe/Berlin")
	}
	return s.changeQuiet(c, who, func(w *Ways) { w.Zone = zone })
}

func (s *site) changeQuiet(c *fiber.Ctx, who access.Principal, change func(*Ways)) (string, error) {
	w, err := s.Reach.Ways(c.UserContext(), who)
	if err != nil {
		return "", err
	}
	change(&w)
	return "saved", s.Reach.SetQuiet(c.UserContext(), who, w.Zone, w.Quiet)
}

// ruleKey names a rule in a form, so that of two changes at once neither takes away another rule than was meant.
func ruleKey(r incidents.Rule) string {
	return string(r.Urgency) + " " + r.Delay.String() + " " + r.Method
}

func quietKey(q incidents.Quiet) string { return quietText(q) }

func quietText(q incidents.Quiet) string {
	text := clock(q.From) + " to " + clock(q.To)
	if q.To <= q.From {
		text += " of the next day"
	}
	var days []string
	for _, d := range q.Days {
		days = append(days, d.String()[:3])
	}
	if len(days) == 0 {
		return text + ", every day"
	}
	return text + ", " + strings.Join(days, " ")
}

func clock(d time.Duration) string {
	return time.Time{}.Add(d).Format("15:04")
}
