package web

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// Room is what people do together about an incident.
type Room interface {
	Declare(ctx context.Context, who access.Principal, want incidents.DeclareWish) (incidents.Incident, error)
	Rate(ctx context.Context, who access.Principal, id string, want incidents.Rating) (incidents.Incident, error)
	Cast(ctx context.Context, who access.Principal, id string, want incidents.Casting) (incidents.Incident, error)
	Merge(ctx context.Context, who access.Principal, id, into, reason string) (incidents.Incident, error)
	Split(ctx context.Context, who access.Principal, id string, fingerprints []string, title, reason string) (incidents.Incident, error)
	Reopen(ctx context.Context, who access.Principal, id, reason string) (incidents.Incident, error)
	Related(ctx context.Context, scope access.Scope, id string) ([]incidents.Related, error)
	AlertsOf(ctx context.Context, scope access.Scope, id string) ([]alerting.Alert, error)
	Tasks(ctx context.Context, scope access.Scope, id string) ([]incidents.Task, error)
	AddTask(ctx context.Context, who access.Principal, id string, e incidents.TaskEdit) (incidents.Task, error)
	EditTask(ctx context.Context, who access.Principal, id string, number int, e incidents.TaskEdit) (incidents.Task, error)
	Updates(ctx context.Context, scope access.Scope, id string) ([]incidents.StatusUpdate, error)
	Tell(ctx context.Context, who access.Principal, id string, s incidents.Statement) (incidents.StatusUpdate, error)
	Subscribers(ctx context.Context, who access.Principal, id string) ([]incidents.Subscriber, error)
	Subscribe(ctx context.Context, who access.Principal, want incidents.Subscriber) (incidents.Subscriber, error)
	Unsubscribe(ctx context.Context, who access.Principal, id string) error
	// Leave ends the subscription whose id stands in a letter, whoever asks.
	Leave(ctx context.Context, id string) (address string, err error)
	Services() []string
}

// roomView is the part of an incident's page where people work together.
type roomView struct {
	URL       string
	State     incidents.State
	Operator  bool
	Act       bool // this viewer may change something
	Open      bool
	Level     string // "SEV2", or "" for what is not rated
	Levels    []string
	Impact    incidents.ImpactScope
	Impacts   []incidents.ImpactScope
	RatedBy   string
	Roles     []roleRow
	Tasks     []taskRow
	Done      int // tasks that are not open
	Updates   []incidents.StatusUpdate
	Phases    []incidents.Phase
	Phase     incidents.Phase // that the next update most likely is of
	UpdateDue *time.Time
	Late      bool
	Related   []relatedRow
	Alerts    []alertChoice // that fire in it and can be split off
	Following string        // id of the viewer's subscription, "" for none
	Followers int
	Now       time.Time
	Asked     bool
}

type roleRow struct {
	Role   incidents.Role
	About  string
	Holder string
	Mine   bool
}

type taskRow struct {
	incidents.Task
	Late bool
}

type relatedRow struct {
	incidents.Related
	Words, URL string
}

type alertChoice struct{ Fingerprint, Words string }

var roleWords = map[incidents.Role]string{
	incidents.Commander: "decides", incidents.Scribe: "writes down what happens", incidents.Communications: "tells everybody else",
	incidents.Liaison: "speaks with customers and vendors",
}

var relationWords = map[incidents.Relation]string{
	incidents.RelationMergedInto: "goes on as", incidents.RelationMerged: "merged into this:", incidents.RelationFollows: "goes on where this ended:",
	incidents.RelationReopened: "opened again as", incidents.RelationSplitFrom: "split from", incidents.RelationSplit: "split off:",
}

// fillRoom asks for what people do about the incident; each part may be missing on its own.
func (s *site) fillRoom(ctx context.Context, who access.Principal, i incidents.Incident, m *missing) *roomView {
	v := viewerOf(who)
	now := s.Now().UTC()
	view := roomView{URL: incidentURL(i), State: i.State, Operator: v.Operator, Act: v.CanRespond, Open: i.State != incidents.Resolved, Level: i.Level.String(),
		Impact: cmp.Or(i.Impact, incidents.ImpactUnknown), Impacts: incidents.ImpactScopes(), RatedBy: i.RatedBy, UpdateDue: i.UpdateDue,
		Late: i.UpdateDue != nil && now.After(*i.UpdateDue), Now: now}
	for l := incidents.Level(1); l <= incidents.MaxLevel; l++ {
		view.Levels = append(view.Levels, l.String())
	}
	for _, role := range incidents.Roles() {
		holder := i.Roles[role]
		view.Roles = append(view.Roles, roleRow{role, roleWords[role], holder, holder != "" && strings.EqualFold(holder, who.Name)})
	}
	view.Phases, view.Phase = phasesOf(i)
	var related []incidents.Related
	var tasks []incidents.Task
	var alerts []alerting.Alert
	var followers []incidents.Subscriber
	var askedUpdates, askedRelated, askedTasks, askedAlerts, askedFollowers error
	var wait sync.WaitGroup
	wait.Go(func() { view.Updates, askedUpdates = s.Room.Updates(ctx, who.Scope(), i.ID) })
	wait.Go(func() { related, askedRelated = s.Room.Related(ctx, who.Scope(), i.ID) })
	wait.Go(func() { followers, askedFollowers = s.Room.Subscribers(ctx, who, i.ID) })
	if v.Operator {
		wait.Go(func() { tasks, askedTasks = s.Room.Tasks(ctx, who.Scope(), i.ID) })
	}
	if view.Act && view.Open {
		wait.Go(func() { alerts, askedAlerts = s.Room.AlertsOf(ctx, who.Scope(), i.ID) })
	}
	wait.Wait()
	m.note("status updates", askedUpdates)
	m.note("related incidents", askedRelated)
	m.note("tasks", cmp.Or(askedTasks, askedAlerts))
	m.note("subscriptions", askedFollowers)
	view.Asked = cmp.Or(askedUpdates, askedTasks) == nil
	view.follow(followers, who)
	view.setTasks(tasks, now)
	view.setRelated(related)
	view.setAlerts(alerts)
	if !v.Operator {
		for n := range view.Updates {
			view.Updates[n].Name = ""
		}
	}
	return &view
}

// phasesOf returns which phases an update may tell, and which it most likely does.
func phasesOf(i incidents.Incident) ([]incidents.Phase, incidents.Phase) {
	if i.State == incidents.Resolved {
		return []incidents.Phase{incidents.Over}, incidents.Over
	}
	return incidents.Phases()[:3], cmp.Or(i.Phase, incidents.Investigating)
}

func (v *roomView) follow(all []incidents.Subscriber, who access.Principal) {
	v.Followers = len(all)
	for _, s := range all {
		if strings.EqualFold(s.Address, who.Name) && s.Tenant == who.Tenant {
			v.Following = s.ID
		}
	}
}

// setTasks shows open tasks first, and of the others how many there are.
func (v *roomView) setTasks(tasks []incidents.Task, now time.Time) {
	for _, t := range tasks {
		if t.State != incidents.TaskOpen {
			v.Done++
		}
		v.Tasks = append(v.Tasks, taskRow{t, t.State == incidents.TaskOpen && t.DueAt != nil && now.After(*t.DueAt)})
	}
	slices.SortStableFunc(v.Tasks, func(a, b taskRow) int { return cmp.Compare(closed(a.Task), closed(b.Task)) })
}

func closed(t incidents.Task) int {
	if t.State == incidents.TaskOpen {
		return 0
	}
	return 1
}

func (v *roomView) setRelated(all []incidents.Related) {
	for _, r := range all {
		v.Related = append(v.Related, relatedRow{r, relationWords[r.Relation], incidentURL(incidents.Incident{ID: r.ID})})
	}
}

// setAlerts offers alerts to be split off, where there is more than one.
func (v *roomView) setAlerts(alerts []alerting.Alert) {
	if len(alerts) < 2 {
		return
	}
	for _, a := range alerts {
		v.Alerts = append(v.Alerts, alertChoice{a.Fingerprint, alertWords(a)})
	}
}

// alertWords names an alert by its name and the labels that set it apart.
func alertWords(a alerting.Alert) string {
	words := []string{a.Labels["alertname"]}
	for _, l := range labelsOf(a.Labels) {
		if l.Name != "alertname" && l.Name != "severity" && !strings.HasPrefix(l.Name, "sloth_") && len(words) < 6 {
			words = append(words, l.Name+"="+l.Value)
		}
	}
	return strings.Join(words, " ")
}

func (s *site) mountRoom(app fiber.Router) {
	app.Get("/incidents/declare", s.signedIn(s.declareForm))
	app.Post("/incidents/declare", s.signedIn(s.declare))
	app.Get("/subscriptions", s.signedIn(s.subscriptions))
	app.Post("/subscriptions", s.signedIn(s.subscribe))
	app.Post("/subscriptions/:id/end", s.signedIn(s.unsubscribe))
	app.Get("/unsubscribe/:id", s.leaveForm)
	app.Post("/unsubscribe/:id", s.leave)
}

func (s *site) mountRoomOf(app fiber.Router) {
	app.Post("/incidents/:id/rate", s.responding(s.rate))
	app.Post("/incidents/:id/roles", s.responding(s.cast))
	app.Post("/incidents/:id/tasks", s.responding(s.addTask))
	app.Post("/incidents/:id/tasks/:number", s.responding(s.editTask))
	app.Post("/incidents/:id/updates", s.responding(s.tell))
	app.Post("/incidents/:id/merge", s.responding(s.merge))
	app.Post("/incidents/:id/split", s.responding(s.split))
	app.Post("/incidents/:id/reopen", s.responding(s.reopen))
	app.Post("/incidents/:id/follow", s.signedIn(s.followOne))
}

// responding lets those of the operator's people through who may act.
func (s *site) responding(do func(*fiber.Ctx, access.Principal, string) error) fiber.Handler {
	return s.signedIn(func(c *fiber.Ctx, who access.Principal) error {
		if err := requireOperator(who, access.Responder); err != nil {
			return err
		}
		return do(c, who, strings.Clone(c.Params("id")))
	})
}

// form returns a field of a form as it was typed, without space around it.
func form(c *fiber.Ctx, name string) string {
	return strings.TrimSpace(strings.Clone(c.FormValue(name)))
}

func (s *site) rate(c *fiber.Ctx, who access.Principal, id string) error {
	level, _ := incidents.ParseLevel(form(c, "level")) // "" is what the matrix says
	_, err := s.Room.Rate(c.UserContext(), who, id, incidents.Rating{Level: level, Impact: incidents.ImpactScope(form(c, "impact")), Reason: form(c, "reason")})
	return s.afterwards(c, backTo(c, id)+"#room", "rated", "unrated", err)
}

func (s *site) cast(c *fiber.Ctx, who access.Principal, id string) error {
	want := incidents.Casting{Role: incidents.Role(form(c, "role")), Person: form(c, "user"), From: form(c, "from")}
	if form(c, "take") != "" {
		want.Person = who.Name
	}
	_, err := s.Room.Cast(c.UserContext(), who, id, want)
	return s.afterwards(c, backTo(c, id)+"#room", "cast", "uncast", err)
}

func (s *site) addTask(c *fiber.Ctx, who access.Principal, id string) error {
	text, owner := form(c, "text"), form(c, "owner")
	if form(c, "mine") != "" {
		owner = who.Name
	}
	e := incidents.TaskEdit{Text: &text, Owner: &owner}
	if minutes, err := strconv.Atoi(form(c, "minutes")); err == nil && minutes > 0 {
		due := s.Now().Add(time.Duration(minutes) * time.Minute)
		e.DueAt = &due
	}
	_, err := s.Room.AddTask(c.UserContext(), who, id, e)
	return s.afterwards(c, backTo(c, id)+"#tasks", "task-added", "task-wrong", err)
}

func (s *site) editTask(c *fiber.Ctx, who access.Principal, id string) error {
	number, err := strconv.Atoi(c.Params("number"))
	if err != nil {
		return fault.New(fault.NotFound, "there is no such task")
	}
	var e incidents.TaskEdit
	if state := incidents.TaskState(form(c, "state")); state != "" {
		e.State = &state
	}
	if form(c, "take") != "" {
		owner := who.Name
		e.Owner = &owner
	}
	if revision, err := strconv.Atoi(form(c, "revision")); err == nil {
		e.Revision = &revision
	}
	_, err = s.Room.EditTask(c.UserContext(), who, id, number, e)
	return s.afterwards(c, backTo(c, id)+"#tasks", "task-changed", "task-wrong", err)
}

func (s *site) tell(c *fiber.Ctx, who access.Principal, id string) error {
	minutes, _ := strconv.Atoi(form(c, "next")) // "" promises none
	st := incidents.Statement{Phase: incidents.Phase(form(c, "phase")), Text: form(c, "text"), Public: form(c, "public") != "",
		NextIn: time.Duration(minutes) * time.Minute}
	_, err := s.Room.Tell(c.UserContext(), who, id, st)
	return s.afterwards(c, backTo(c, id)+"#updates", "told", "untold", err)
}

func (s *site) merge(c *fiber.Ctx, who access.Principal, id string) error {
	into := strings.TrimPrefix(form(c, "into"), "#")
	i, err := s.Room.Merge(c.UserContext(), who, id, into, form(c, "reason"))
	if err != nil {
		if fault.Is(err, fault.NotFound) {
			err = fault.New(fault.Invalid, "into: there is no such incident")
		}
		return s.afterwards(c, backTo(c, id), "merged", "unmerged", err)
	}
	return s.afterwards(c, incidentURL(i), "merged", "unmerged", nil)
}

func (s *site) split(c *fiber.Ctx, who access.Principal, id string) error {
	var fingerprints []string
	for _, f := range c.Request().PostArgs().PeekMulti("alert") {
		fingerprints = append(fingerprints, string(f))
	}
	i, err := s.Room.Split(c.UserContext(), who, id, fingerprints, form(c, "title"), form(c, "reason"))
	back := backTo(c, id)
	if err == nil {
		back = incidentURL(i)
	}
	return s.afterwards(c, back, "split", "unsplit", err)
}

func (s *site) reopen(c *fiber.Ctx, who access.Principal, id string) error {
	i, err := s.Room.Reopen(c.UserContext(), who, id, form(c, "reason"))
	back := backTo(c, id)
	if err == nil {
		back = incidentURL(i)
	}
	return s.afterwards(c, back, "reopened", "empty", err)
}

func (s *site) followOne(c *fiber.Ctx, who access.Principal) error {
	id := strings.Clone(c.Params("id"))
	if subscription := form(c, "end"); subscription != "" {
		err := s.Room.Unsubscribe(c.UserContext(), who, subscription)
		return s.afterwards(c, backTo(c, id)+"#updates", "unfollowed", "unfollowed", err)
	}
	_, err := s.Room.Subscribe(c.UserContext(), who, incidents.Subscriber{Incident: id})
	return s.afterwards(c, backTo(c, id)+"#updates", "followed", "unsubscribable", err)
}
