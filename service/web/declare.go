package web

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// declareView is the form that declares an incident, as it was filled in last.
type declareView struct {
	Wish     incidents.DeclareWish
	Users    string
	Level    string
	Levels   []levelChoice
	Impacts  []incidents.ImpactScope
	Services []string
	Policies []string
	Tenants  []string
	Take     bool
	Problem  string // what is wrong with it, "" for nothing
}

type levelChoice struct{ Level, Words string }

// levelWords say whom each level calls.
var levelWords = []levelChoice{
	{"SEV1", "everyone or many are hit: calls people at once"}, {"SEV2", "one customer is hit hard: calls people at once"},
	{"SEV3", "works badly: calls people"}, {"SEV4", "a nuisance: wakes nobody"}, {"SEV5", "worth writing down: wakes nobody"},
}

func (s *site) declareForm(c *fiber.Ctx, who access.Principal) error {
	if err := requireOperator(who, access.Responder); err != nil {
		return err
	}
	view := s.declareViewOf(incidents.DeclareWish{Fingerprints: lines(c.Query("alerts"))})
	view.Take = true
	return s.renderDeclare(c, fiber.StatusOK, view)
}

func lines(text string) []string {
	return strings.FieldsFunc(strings.Clone(text), func(r rune) bool { return strings.ContainsRune(" ,;\t\r\n", r) })
}

func (s *site) declareViewOf(w incidents.DeclareWish) declareView {
	view := declareView{Wish: w, Users: strings.Join(w.Users, ", "), Level: w.Level.String(), Levels: levelWords, Impacts: incidents.ImpactScopes(),
		Services: s.Room.Services()}
	if s.Assigner != nil {
		view.Policies = s.Assigner.Policies()
	}
	for _, contract := range s.Definitions.Contracts() {
		view.Tenants = append(view.Tenants, contract.Tenant)
	}
	return view
}

func (s *site) renderDeclare(c *fiber.Ctx, status int, view declareView) error {
	return s.render(c, status, page{Template: "declare", Title: "Declare an incident", Section: "incidents", Body: view})
}

func (s *site) declare(c *fiber.Ctx, who access.Principal) error {
	if err := requireOperator(who, access.Responder); err != nil {
		return err
	}
	level, _ := incidents.ParseLevel(form(c, "level")) // "" is refused where no alert says how bad it is
	w := incidents.DeclareWish{
		Declaration: incidents.Declaration{Title: form(c, "title"), Summary: form(c, "summary"), Tenant: form(c, "tenant"), Service: form(c, "service"),
			Level: level, Impact: incidents.ImpactScope(form(c, "impact"))},
		Assignment:   incidents.Assignment{Policy: form(c, "policy"), Users: lines(c.FormValue("users"))},
		Fingerprints: lines(c.FormValue("alerts")),
	}
	if form(c, "take") != "" {
		w.Commander = who.Name
	}
	i, err := s.Room.Declare(c.UserContext(), who, w)
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.Conflict) {
		view := s.declareViewOf(w)
		view.Problem, view.Take = fault.Public(err).Message, w.Commander != ""
		return s.renderDeclare(c, fiber.StatusUnprocessableEntity, view)
	}
	return s.after(c, incidentURL(i), "declared", err)
}

// subscriptionsView is who is told of status updates: the viewer, and for those who may act everybody.
type subscriptionsView struct {
	Rows     []subscriptionRow
	Levels   []levelChoice
	Services []string
	Others   bool // the viewer may subscribe others
	Own      string
	Asked    bool
}

type subscriptionRow struct {
	incidents.Subscriber
	What string
	Own  bool
}

func (s *site) subscriptions(c *fiber.Ctx, who access.Principal) error {
	m := s.missing(c.UserContext())
	found, err := s.Room.Subscribers(c.UserContext(), who, "")
	if err != nil && final(err) {
		return err
	}
	m.note("subscriptions", err)
	view := subscriptionsView{Levels: levelWords, Others: viewerOf(who).CanRespond, Own: who.Name, Asked: err == nil}
	if viewerOf(who).Operator {
		view.Services = s.Room.Services()
	}
	for _, one := range found {
		view.Rows = append(view.Rows, subscriptionRow{one, subscriptionWords(one), strings.EqualFold(one.Address, who.Name)})
	}
	return s.render(c, fiber.StatusOK, page{Template: "subscriptions", Title: "Status updates by e-mail", Section: "incidents", Missing: m.texts(), Body: view})
}

func subscriptionWords(s incidents.Subscriber) string {
	what := "every incident"
	switch {
	case s.Level == 1:
		what = "SEV1"
	case s.Level > 0:
		what = "SEV1 to " + s.Level.String()
	}
	if s.Service != "" {
		what += " of " + s.Service
	}
	if s.PublicOnly {
		what += ", what is public"
	}
	return what
}

func (s *site) subscribe(c *fiber.Ctx, who access.Principal) error {
	level, _ := incidents.ParseLevel(form(c, "level")) // "" is all
	_, err := s.Room.Subscribe(c.UserContext(), who, incidents.Subscriber{Address: form(c, "address"), Service: form(c, "service"), Level: level,
		PublicOnly: form(c, "public") != ""})
	return s.afterwards(c, "/subscriptions", "followed", "unsubscribable", err)
}

func (s *site) unsubscribe(c *fiber.Ctx, who access.Principal) error {
	err := s.Room.Unsubscribe(c.UserContext(), who, strings.Clone(c.Params("id")))
	return s.afterwards(c, "/subscriptions", "unfollowed", "unfollowed", err)
}

// leaveView is the page that a letter's last link leads to; it needs nobody signed in.
type leaveView struct {
	ID      string
	Address string // whose subscription has just ended
	Gone    bool
}

// leaveForm asks before anything ends, because mail scanners follow links.
func (s *site) leaveForm(c *fiber.Ctx) error {
	return s.render(c, fiber.StatusOK, page{Template: "unsubscribe", Title: "No more status updates", Body: leaveView{ID: strings.Clone(c.Params("id"))}})
}

func (s *site) leave(c *fiber.Ctx) error {
	view := leaveView{ID: strings.Clone(c.Params("id"))}
	address, err := s.Room.Leave(c.UserContext(), view.ID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	view.Address, view.Gone = address, err != nil
	return s.render(c, fiber.StatusOK, page{Template: "unsubscribe", Title: "No more status updates", Body: view})
}
