package httpapi

import (
	"context"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// Assigner gives incidents to others, puts them off, and says who is called.
type Assigner interface {
	// Reassign gives an incident to a policy in force or to people, and pages anew. For errors see incidents.Incident.Reassign;
	// a policy that is not there, and people beside a policy, are a fault.Invalid.
	Reassign(ctx context.Context, who access.Principal, id string, to incidents.Assignment) (incidents.Incident, error)
	// Snooze acknowledges an incident until a time, and then pages anew.
	Snooze(ctx context.Context, who access.Principal, id string, until time.Time) (incidents.Incident, error)
	// Pages returns the pages that call people, in the order in which they are due.
	Pages(ctx context.Context, scope access.Scope, id string) ([]incidents.Page, error)
}

type reassignInput struct {
	ID   string `path:"id" maxLength:"64" doc:"The UUID or the number." example:"42"`
	Body struct {
		Policy string   `json:"policy,omitempty" maxLength:"200" doc:"Name of an escalation policy; leave it out to name people." example:"database"`
		Users  []string `json:"users,omitempty" maxItems:"10" doc:"E-mail addresses of people; leave it out to name a policy."`
		Turn   *int     `json:"turn,omitempty" minimum:"0" doc:"The incident's turn as you have seen it. Where somebody has assigned it meanwhile, that is a conflict that names them."`
	}
}

type snoozeInput struct {
	ID   string `path:"id" maxLength:"64" doc:"The UUID or the number." example:"42"`
	Body struct {
		Until   *time.Time `json:"until,omitempty" doc:"When people are paged anew, one minute to seven days from now."`
		Minutes int        `json:"minutes,omitempty" minimum:"1" maximum:"10080" doc:"Instead of until: in how many minutes." example:"60"`
	}
}

// pageShown is a page that calls somebody, as shown.
type pageShown struct {
	ID       int64               `json:"id"`
	State    incidents.PageState `json:"state" enum:"pending,sending,sent,failed,canceled"`
	DueAt    time.Time           `json:"dueAt" doc:"When it is or was to be sent; of one that is tried again, when."`
	Person   string              `json:"person" doc:"E-mail address of whom it calls; empty where the policy names the target itself."`
	Method   string              `json:"method" doc:"Which of the person's contact methods, by its name."`
	Provider string              `json:"provider" example:"sms"`
	Target   string              `json:"target" doc:"The target for people." example:"SMS to +4915112345678"`
	Number   int                 `json:"number" doc:"Which of the person's notices; 0 where the policy names the target itself."`
	Step     int                 `json:"step"`
	Loop     int                 `json:"loop" doc:"The round, from 0."`
	Turn     int                 `json:"turn" doc:"How often paging had begun anew."`
	Fallback bool                `json:"fallback"`
	Attempts int                 `json:"attempts"`
}

type pageList struct {
	Pages []pageShown `json:"pages" doc:"In the order in which they are or were due."`
}

func (a *API) mountAssignments() {
	const tag = "Incidents"
	register(a, operation{id: "reassign-incident", method: post, path: "/incidents/{id}/reassign", tag: tag, role: access.Responder,
		audience: operatorOnly, summary: "Give an incident to another policy, or to people",
		about: "Pages the first step anew and drops pages that were not sent yet. It takes back an acknowledgement."}, a.reassign)
	register(a, operation{id: "snooze-incident", method: post, path: "/incidents/{id}/snooze", tag: tag, role: access.Responder,
		audience: operatorOnly, summary: "Acknowledge an incident until a time", about: "People are paged anew then, unless it is resolved."}, a.snooze)
	register(a, operation{id: "list-incident-pages", method: get, path: "/incidents/{id}/pages", tag: tag, role: access.Viewer,
		audience: operatorOnly, summary: "Read who is called about it, by which method, and when"}, a.pagesOf)
}

func (a *API) reassign(ctx context.Context, in *reassignInput) (*body[incident], error) {
	return a.change(ctx, in.ID, func(who access.Principal, id string) (incidents.Incident, error) {
		return a.deps.Assigner.Reassign(ctx, who, id, incidents.Assignment{Policy: in.Body.Policy, Users: in.Body.Users, Turn: in.Body.Turn})
	})
}

func (a *API) snooze(ctx context.Context, in *snoozeInput) (*body[incident], error) {
	if (in.Body.Until == nil) == (in.Body.Minutes == 0) {
		return nil, fault.New(fault.Invalid, "until, minutes: write one of the two")
	}
	until := time.Now().Add(time.Duration(in.Body.Minutes) * time.Minute)
	if in.Body.Until != nil {
		until = *in.Body.Until
	}
	return a.change(ctx, in.ID, func(who access.Principal, id string) (incidents.Incident, error) {
		return a.deps.Assigner.Snooze(ctx, who, id, until)
	})
}

func (a *API) pagesOf(ctx context.Context, in *incidentInput) (*body[pageList], error) {
	who := access.PrincipalOf(ctx)
	found, err := a.find(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	pages, err := a.deps.Assigner.Pages(ctx, who.Scope(), found.ID)
	shown := make([]pageShown, 0, len(pages))
	for _, p := range pages {
		shown = append(shown, pageShown{
			ID: p.ID, State: p.State, DueAt: p.NextAt, Person: p.Person, Method: p.Method, Provider: p.Target.Provider(), Target: p.Target.String(),
			Number: p.Number, Step: p.Step, Loop: p.Loop, Turn: p.Turn, Fallback: p.Fallback, Attempts: p.Attempts,
		})
	}
	return show(pageList{shown}, err)
}
