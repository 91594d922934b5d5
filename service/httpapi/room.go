package httpapi

import (
	"context"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

// Room is what people do together about an incident.
type Room interface {
	// Declare opens an incident by hand and pages; for errors see incidents.Declaration.Check.
	Declare(ctx context.Context, who access.Principal, want incidents.DeclareWish) (incidents.Incident, error)
	// Rate sets an incident's level, and pages where that is worse than what was paged for.
	Rate(ctx context.Context, who access.Principal, id string, want incidents.Rating) (incidents.Incident, error)
	// Cast gives a role to somebody; one that somebody else took meanwhile is a fault.Conflict that names them.
	Cast(ctx context.Context, who access.Principal, id string, want incidents.Casting) (incidents.Incident, error)
	// Merge makes an incident part of another, which it returns.
	Merge(ctx context.Context, who access.Principal, id, into, reason string) (incidents.Incident, error)
	// Split makes an incident of its own out of alerts that fire in one, and returns the new one.
	Split(ctx context.Context, who access.Principal, id string, fingerprints []string, title, reason string) (incidents.Incident, error)
	// Reopen opens a new incident where a resolved one ended, and returns it.
	Reopen(ctx context.Context, who access.Principal, id, reason string) (incidents.Incident, error)
	// Related returns the incidents that hang together with one, by number.
	Related(ctx context.Context, scope access.Scope, id string) ([]incidents.Related, error)
	// AlertsOf returns the alerts that fire in an incident.
	AlertsOf(ctx context.Context, scope access.Scope, id string) ([]alerting.Alert, error)

	Tasks(ctx context.Context, scope access.Scope, id string) ([]incidents.Task, error)
	AddTask(ctx context.Context, who access.Principal, id string, e incidents.TaskEdit) (incidents.Task, error)
	// EditTask changes a task; one that was changed since the revision that the edit names is a fault.Conflict.
	EditTask(ctx context.Context, who access.Principal, id string, number int, e incidents.TaskEdit) (incidents.Task, error)

	// Updates returns the status updates, the newest first; a tenant's people see those that are public.
	Updates(ctx context.Context, scope access.Scope, id string) ([]incidents.StatusUpdate, error)
	Tell(ctx context.Context, who access.Principal, id string, s incidents.Statement) (incidents.StatusUpdate, error)

	// Subscribers returns who is told of status updates, of one incident or, for "", the standing ones.
	Subscribers(ctx context.Context, who access.Principal, id string) ([]incidents.Subscriber, error)
	Subscribe(ctx context.Context, who access.Principal, want incidents.Subscriber) (incidents.Subscriber, error)
	Unsubscribe(ctx context.Context, who access.Principal, id string) error
}

type declareInput struct {
	Body struct {
		Title      string                `json:"title,omitempty" maxLength:"300" doc:"What is wrong, in a line. May be left out where alerts are named." example:"Checkout fails for card payments"`
		Summary    string                `json:"summary,omitempty" maxLength:"16000"`
		Tenant     string                `json:"tenant,omitempty" maxLength:"63" doc:"Whom it affects; leave it out where it is several, or the operator's own."`
		Service    string                `json:"service,omitempty" maxLength:"200" example:"shop"`
		Severity   incidents.Severity    `json:"severity,omitempty" enum:"critical,error,warning,info" doc:"Who is called for it; leave it out for what the level says."`
		Level      int                   `json:"level,omitempty" minimum:"1" maximum:"5" doc:"1 to 5 for SEV1 to SEV5; leave it out for what the matrix says."`
		Impact     incidents.ImpactScope `json:"impact,omitempty" enum:"everyone,many,one,internal,unknown" doc:"Who notices it."`
		Labels     map[string]string     `json:"labels,omitempty"`
		RunbookURL string                `json:"runbookUrl,omitempty" maxLength:"2000"`
		Commander  string                `json:"commander,omitempty" maxLength:"254" doc:"E-mail address of who takes that role at once."`
		Policy     string                `json:"policy,omitempty" maxLength:"200" doc:"Who is called; leave policy and users out for whom the service's alerts call."`
		Users      []string              `json:"users,omitempty" maxItems:"10"`
		Alerts     []string              `json:"alerts,omitempty" maxItems:"500" doc:"Fingerprints of alerts that fire and that it stands for. Those of an open incident are split from it instead."`
	}
}

type rateInput struct {
	ID   string `path:"id" maxLength:"64" doc:"The UUID or the number." example:"42"`
	Body struct {
		Level  int                   `json:"level,omitempty" minimum:"1" maximum:"5" doc:"1 to 5 for SEV1 to SEV5; leave it out for what the matrix says."`
		Impact incidents.ImpactScope `json:"impact,omitempty" enum:"everyone,many,one,internal,unknown" doc:"Who notices it; leave it out to keep it."`
		Reason string                `json:"reason,omitempty" maxLength:"4000"`
	}
}

type castInput struct {
	ID   string `path:"id" maxLength:"64" doc:"The UUID or the number." example:"42"`
	Body struct {
		Role incidents.Role `json:"role" enum:"commander,scribe,communications,liaison"`
		User string         `json:"user,omitempty" maxLength:"254" doc:"E-mail address of who has it from now on; leave it out for nobody." example:"ada@example.com"`
		From string         `json:"from,omitempty" maxLength:"254" doc:"Who has it as you have seen it; leave it out for nobody. Where somebody else has it by now, that is a conflict that names them."`
	}
}

type mergeInput struct {
	ID   string `path:"id" maxLength:"64" doc:"The UUID or the number of the one that ends." example:"42"`
	Body struct {
		Into   string `json:"into" minLength:"1" maxLength:"64" doc:"The UUID or the number of the one that goes on." example:"41"`
		Reason string `json:"reason,omitempty" maxLength:"4000"`
	}
}

type splitInput struct {
	ID   string `path:"id" maxLength:"64" doc:"The UUID or the number." example:"42"`
	Body struct {
		Alerts []string `json:"alerts" minItems:"1" maxItems:"500" doc:"Fingerprints of alerts that fire in it; at least one has to stay."`
		Title  string   `json:"title,omitempty" maxLength:"300" doc:"Of the new incident; its first alert's where it is left out."`
		Reason string   `json:"reason,omitempty" maxLength:"4000"`
	}
}

type reopenInput struct {
	ID   string `path:"id" maxLength:"64" doc:"The UUID or the number." example:"42"`
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"4000" example:"errors are back since the cache was cleared"`
	}
}

type relatedList struct {
	Related []incidents.Related `json:"related" doc:"By number."`
}

type taskList struct {
	Tasks []incidents.Task `json:"tasks" doc:"By number."`
}

type newTaskInput struct {
	ID   string `path:"id" maxLength:"64" doc:"The UUID or the number." example:"42"`
	Body struct {
		Text  string     `json:"text" minLength:"1" maxLength:"500" example:"fail over to the standby"`
		Owner string     `json:"owner,omitempty" maxLength:"254" doc:"E-mail address; leave it out for nobody yet."`
		DueAt *time.Time `json:"dueAt,omitempty"`
	}
}

type taskInput struct {
	ID     string `path:"id" maxLength:"64" doc:"The UUID or the number." example:"42"`
	Number int    `path:"number" minimum:"1" doc:"The task's number within the incident."`
	Body   struct {
		Text     *string              `json:"text,omitempty" minLength:"1" maxLength:"500"`
		Owner    *string              `json:"owner,omitempty" maxLength:"254" doc:"E-mail address; empty for nobody."`
		DueAt    *time.Time           `json:"dueAt,omitempty" doc:"0001-01-01T00:00:00Z takes it away."`
		State    *incidents.TaskState `json:"state,omitempty" enum:"open,done,dropped"`
		Revision *int                 `json:"revision,omitempty" minimum:"1" doc:"The task's as you have seen it. Where it was changed meanwhile that is a conflict."`
	}
}

type updateList struct {
	Updates []incidents.StatusUpdate `json:"updates" doc:"The newest first."`
}

type tellInput struct {
	ID   string `path:"id" maxLength:"64" doc:"The UUID or the number." example:"42"`
	Body struct {
		Phase       incidents.Phase `json:"phase" enum:"investigating,identified,monitoring,resolved" doc:"How far it is; resolved only once it is."`
		Text        string          `json:"text" minLength:"1" maxLength:"16000" example:"Card payments fail. We are rolling back release 118."`
		Public      bool            `json:"public,omitempty" doc:"Customers may read it."`
		NextMinutes int             `json:"nextMinutes,omitempty" minimum:"1" maximum:"10080" doc:"In how many minutes the next one is promised; who speaks for the incident is reminded."`
	}
}

type subscribersInput struct {
	Incident string `query:"incident" maxLength:"64" doc:"The UUID or number of an incident; leave it out for those who are told of all."`
}

type newSubscriberInput struct {
	Body struct {
		Address    string `json:"address,omitempty" maxLength:"254" doc:"E-mail address; yours unless set. Responders of the operator may subscribe others."`
		Incident   string `json:"incident,omitempty" maxLength:"64" doc:"The UUID or number of the only incident it is about."`
		Service    string `json:"service,omitempty" maxLength:"200" doc:"The only service it is about."`
		Level      int    `json:"level,omitempty" minimum:"1" maximum:"5" doc:"The mildest level it is about, such as 2 for SEV1 and SEV2; leave it out for all."`
		PublicOnly bool   `json:"publicOnly,omitempty" doc:"Hears only what customers may read; always so for a tenant's people."`
	}
}

type subscriberList struct {
	Subscribers []incidents.Subscriber `json:"subscribers"`
}

type subscriberInput struct {
	ID string `path:"id" maxLength:"64" doc:"The subscription's UUID."`
}

type unsubscribed struct {
	Unsubscribed bool `json:"unsubscribed"`
}

func (a *API) mountRoom() {
	const tag = "Incidents"
	register(a, operation{id: "declare-incident", method: post, path: "/incidents", tag: tag, role: access.Responder, audience: operatorOnly, status: created,
		summary: "Open an incident by hand, maybe for alerts that fire already",
		about:   "It pages as an alert of its severity would. It is resolved by people alone, also when its alerts end."}, a.declare)
	register(a, operation{id: "rate-incident", method: post, path: "/incidents/{id}/rate", tag: tag, role: access.Responder, audience: operatorOnly,
		summary: "Say how much an incident matters, SEV1 to SEV5, or who notices it",
		about:   "A level that pages worse than the severity raises it and calls people; a milder one calls nobody back."}, a.rate)
	register(a, operation{id: "cast-role", method: post, path: "/incidents/{id}/roles", tag: tag, role: access.Responder, audience: operatorOnly,
		summary: "Give a role in an incident to somebody, or leave it to nobody"}, a.cast)
	register(a, operation{id: "merge-incident", method: post, path: "/incidents/{id}/merge", tag: tag, role: access.Responder, audience: operatorOnly,
		summary: "Make an incident part of another",
		about:   "Its alerts and open tasks move there, as do further alerts of its group while that one is open. The answer is the one that goes on."}, a.merge)
	register(a, operation{id: "split-incident", method: post, path: "/incidents/{id}/split", tag: tag, role: access.Responder, audience: operatorOnly, status: created,
		summary: "Make an incident of its own out of alerts of one",
		about:   "Where somebody has acknowledged, who splits has the new one; otherwise it pages anew. The answer is the new one."}, a.split)
	register(a, operation{id: "reopen-incident", method: post, path: "/incidents/{id}/reopen", tag: tag, role: access.Responder, audience: operatorOnly, status: created,
		summary: "Open a new incident where a resolved one ended", about: "It pages, and alerts of the first that still fire come along. The answer is the new one."}, a.reopen)
	register(a, operation{id: "list-related-incidents", method: get, path: "/incidents/{id}/related", tag: tag, role: access.Viewer, audience: anyone,
		summary: "Read which incidents were merged into, split from or reopened as another"}, a.related)
	register(a, operation{id: "list-incident-alerts", method: get, path: "/incidents/{id}/alerts", tag: tag, role: access.Viewer, audience: anyone,
		summary: "Read which alerts fire in an incident"}, a.alertsOf)
	register(a, operation{id: "list-incident-tasks", method: get, path: "/incidents/{id}/tasks", tag: tag, role: access.Viewer, audience: operatorOnly,
		summary: "Read what is to be done while an incident lasts"}, a.tasks)
	register(a, operation{id: "add-incident-task", method: post, path: "/incidents/{id}/tasks", tag: tag, role: access.Responder, audience: operatorOnly, status: created,
		summary: "Add a task to an incident"}, a.addTask)
	register(a, operation{id: "change-incident-task", method: post, path: "/incidents/{id}/tasks/{number}", tag: tag, role: access.Responder, audience: operatorOnly,
		summary: "Change a task: who does it, until when, and whether it is done"}, a.editTask)
	register(a, operation{id: "list-incident-updates", method: get, path: "/incidents/{id}/updates", tag: tag, role: access.Viewer, audience: anyone,
		summary: "Read the status updates of an incident", about: "A tenant's people see those that are public."}, a.updates)
	register(a, operation{id: "tell-incident-update", method: post, path: "/incidents/{id}/updates", tag: tag, role: access.Responder, audience: operatorOnly, status: created,
		summary: "Publish a status update", about: "It goes to the timeline, to the threads of those who were paged, and by e-mail to subscribers."}, a.tell)
	a.mountSubscribers()
}

func (a *API) mountSubscribers() {
	const tag = "Subscribers"
	register(a, operation{id: "list-subscribers", method: get, path: "/subscribers", tag: tag, role: access.Viewer, audience: anyone,
		summary: "Read who is told of status updates", about: "Who may not act, and a tenant's people, see their own subscriptions."}, a.subscribers)
	register(a, operation{id: "subscribe", method: post, path: "/subscribers", tag: tag, role: access.Viewer, audience: anyone, status: created,
		summary: "Be told of status updates by e-mail", about: "Subscribing again changes what of. A tenant's people hear what is public about their own tenant's incidents."}, a.subscribe)
	register(a, operation{id: "unsubscribe", method: post, path: "/subscribers/{id}/end", tag: tag, role: access.Viewer, audience: anyone,
		summary: "End a subscription"}, a.unsubscribe)
}

func (a *API) declare(ctx context.Context, in *declareInput) (*body[incident], error) {
	b := in.Body
	opened, err := a.deps.Room.Declare(ctx, access.PrincipalOf(ctx), incidents.DeclareWish{
		Declaration: incidents.Declaration{Title: b.Title, Summary: b.Summary, Tenant: b.Tenant, Service: b.Service, Severity: b.Severity,
			Impact: b.Impact, Level: incidents.Level(b.Level), Labels: b.Labels, Runbook: b.RunbookURL, Commander: b.Commander},
		Assignment:   incidents.Assignment{Policy: b.Policy, Users: b.Users},
		Fingerprints: b.Alerts,
	})
	return show(a.shown(ctx, opened), err)
}

func (a *API) rate(ctx context.Context, in *rateInput) (*body[incident], error) {
	return a.change(ctx, in.ID, func(who access.Principal, id string) (incidents.Incident, error) {
		return a.deps.Room.Rate(ctx, who, id, incidents.Rating{Level: incidents.Level(in.Body.Level), Impact: in.Body.Impact, Reason: in.Body.Reason})
	})
}

func (a *API) cast(ctx context.Context, in *castInput) (*body[incident], error) {
	return a.change(ctx, in.ID, func(who access.Principal, id string) (incidents.Incident, error) {
		return a.deps.Room.Cast(ctx, who, id, incidents.Casting{Role: in.Body.Role, Person: in.Body.User, From: in.Body.From})
	})
}

func (a *API) merge(ctx context.Context, in *mergeInput) (*body[incident], error) {
	return a.change(ctx, in.ID, func(who access.Principal, id string) (incidents.Incident, error) {
		return a.deps.Room.Merge(ctx, who, id, in.Body.Into, in.Body.Reason)
	})
}

func (a *API) split(ctx context.Context, in *splitInput) (*body[incident], error) {
	return a.change(ctx, in.ID, func(who access.Principal, id string) (incidents.Incident, error) {
		return a.deps.Room.Split(ctx, who, id, in.Body.Alerts, in.Body.Title, in.Body.Reason)
	})
}

func (a *API) reopen(ctx context.Context, in *reopenInput) (*body[incident], error) {
	return a.change(ctx, in.ID, func(who access.Principal, id string) (incidents.Incident, error) {
		return a.deps.Room.Reopen(ctx, who, id, in.Body.Reason)
	})
}

func (a *API) related(ctx context.Context, in *incidentInput) (*body[relatedList], error) {
	found, err := a.deps.Room.Related(ctx, access.PrincipalOf(ctx).Scope(), in.ID)
	return show(relatedList{list(found)}, err)
}

func (a *API) alertsOf(ctx context.Context, in *incidentInput) (*body[alertList], error) {
	who := access.PrincipalOf(ctx)
	i, err := a.find(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	found, err := a.deps.Room.AlertsOf(ctx, who.Scope(), i.ID)
	return show(alertList{list(found)}, err)
}

func (a *API) tasks(ctx context.Context, in *incidentInput) (*body[taskList], error) {
	found, err := a.deps.Room.Tasks(ctx, access.PrincipalOf(ctx).Scope(), in.ID)
	return show(taskList{list(found)}, err)
}

func (a *API) addTask(ctx context.Context, in *newTaskInput) (*body[incidents.Task], error) {
	e := incidents.TaskEdit{Text: &in.Body.Text, Owner: &in.Body.Owner, DueAt: in.Body.DueAt}
	return show(a.deps.Room.AddTask(ctx, access.PrincipalOf(ctx), in.ID, e))
}

func (a *API) editTask(ctx context.Context, in *taskInput) (*body[incidents.Task], error) {
	b := in.Body
	e := incidents.TaskEdit{Text: b.Text, Owner: b.Owner, DueAt: b.DueAt, State: b.State, Revision: b.Revision}
	return show(a.deps.Room.EditTask(ctx, access.PrincipalOf(ctx), in.ID, in.Number, e))
}

func (a *API) updates(ctx context.Context, in *incidentInput) (*body[updateList], error) {
	who := access.PrincipalOf(ctx)
	found, err := a.deps.Room.Updates(ctx, who.Scope(), in.ID)
	if who.Tenant != "" {
		for n := range found {
			found[n].Actor, found[n].Name = "operator", "operator"
		}
	}
	return show(updateList{list(found)}, err)
}

func (a *API) tell(ctx context.Context, in *tellInput) (*body[incidents.StatusUpdate], error) {
	b := in.Body
	s := incidents.Statement{Phase: b.Phase, Text: b.Text, Public: b.Public, NextIn: time.Duration(b.NextMinutes) * time.Minute}
	return show(a.deps.Room.Tell(ctx, access.PrincipalOf(ctx), in.ID, s))
}

func (a *API) subscribers(ctx context.Context, in *subscribersInput) (*body[subscriberList], error) {
	found, err := a.deps.Room.Subscribers(ctx, access.PrincipalOf(ctx), in.Incident)
	return show(subscriberList{list(found)}, err)
}

func (a *API) subscribe(ctx context.Context, in *newSubscriberInput) (*body[incidents.Subscriber], error) {
	b := in.Body
	return show(a.deps.Room.Subscribe(ctx, access.PrincipalOf(ctx), incidents.Subscriber{
		Address: b.Address, Incident: b.Incident, Service: b.Service, Level: incidents.Level(b.Level), PublicOnly: b.PublicOnly}))
}

func (a *API) unsubscribe(ctx context.Context, in *subscriberInput) (*body[unsubscribed], error) {
	return show(unsubscribed{true}, a.deps.Room.Unsubscribe(ctx, access.PrincipalOf(ctx), in.ID))
}
