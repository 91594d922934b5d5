package service

import (
	"cmp"
	"context"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/service/postgres"
)

// room is what people do together about an incident, with the definitions that it takes.
type room struct {
	*postgres.DB
	catalog func() *definitions.Catalog
	router  func() incidents.Router
	words   incidents.Reminding
}

func (p *plane) room() room {
	return room{p.db, p.definitions.Catalog, p.router, incidents.Reminding{BaseURL: p.config.PublicURL()}}
}

// Declare opens an incident by hand. It pages who the wish names, else as an alert of its service would.
func (r room) Declare(ctx context.Context, who access.Principal, want incidents.DeclareWish) (incidents.Incident, error) {
	if err := who.Require(access.Responder); err != nil {
		return incidents.Incident{}, err
	}
	if _, ok := r.catalog().Contract(want.Tenant); want.Tenant != "" && !ok {
		return incidents.Incident{}, fault.New(fault.Invalid, "tenant: there is no tenant %q", want.Tenant)
	}
	router := r.router()
	return r.DB.Declare(ctx, who, postgres.Declaring{Declaration: want.Declaration, Fingerprints: want.Fingerprints, Matrix: r.catalog().Matrix(), Router: router,
		Policy: func(d incidents.Declaration) (incidents.Policy, error) {
			usual := router.PolicyOf(incidents.Incident{Tenant: d.Tenant, Service: d.Service, Labels: d.Labels})
			if want.Policy == "" && len(want.Users) == 0 {
				return usual, nil
			}
			return (assigner{r.DB, r.catalog}).policy(want.Assignment, incidents.Incident{Policy: usual})
		}})
}

// Rate sets an incident's level by the matrix in force.
func (r room) Rate(ctx context.Context, who access.Principal, id string, want incidents.Rating) (incidents.Incident, error) {
	i, err := r.Incident(ctx, who.Scope(), id)
	if err != nil {
		return i, err
	}
	policy := i.Policy
	if policy.Empty() {
		policy = r.router().PolicyOf(i)
	}
	return r.DB.Rate(ctx, who, id, want, r.catalog().Matrix(), policy)
}

// Cast gives a role in an incident to somebody.
func (r room) Cast(ctx context.Context, who access.Principal, id string, want incidents.Casting) (incidents.Incident, error) {
	return r.DB.Cast(ctx, who, id, want, r.words)
}

// Split makes an incident of its own out of alerts that fire in one.
func (r room) Split(ctx context.Context, who access.Principal, id string, fingerprints []string, title, reason string) (incidents.Incident, error) {
	return r.DB.Split(ctx, who, id, fingerprints, title, reason, r.router())
}

// Reopen opens a new incident where a resolved one ended; it pages as the definitions say now, else as it did before.
func (r room) Reopen(ctx context.Context, who access.Principal, id, reason string) (incidents.Incident, error) {
	router := r.router()
	return r.DB.Reopen(ctx, who, id, reason, func(i incidents.Incident) incidents.Policy {
		if p := router.PolicyOf(i); !p.Empty() {
			return p
		}
		return i.Policy
	})
}

// AddTask makes a task of an incident.
func (r room) AddTask(ctx context.Context, who access.Principal, id string, e incidents.TaskEdit) (incidents.Task, error) {
	return r.DB.AddTask(ctx, who, id, e, r.words)
}

// EditTask changes a task of an incident.
func (r room) EditTask(ctx context.Context, who access.Principal, id string, number int, e incidents.TaskEdit) (incidents.Task, error) {
	return r.DB.EditTask(ctx, who, id, number, e, r.words)
}

// Tell publishes a status update of an incident.
func (r room) Tell(ctx context.Context, who access.Principal, id string, s incidents.Statement) (incidents.StatusUpdate, error) {
	return r.DB.Tell(ctx, who, id, s, r.words, r.catalog().Audiences())
}

// Services returns the names of the services that an incident may be declared for.
func (r room) Services() []string {
	var names []string
	for _, s := range r.catalog().Services() {
		names = append(names, s.Name)
	}
	return names
}

// Level returns what the matrix in force makes of a severity and an impact.
func (r room) Level(s incidents.Severity, impact incidents.ImpactScope) incidents.Level {
	return r.catalog().Matrix().Level(s, cmp.Or(impact, incidents.ImpactUnknown))
}

// AlertsOf returns the alerts that fire in an incident.
func (r room) AlertsOf(ctx context.Context, scope access.Scope, id string) ([]alerting.Alert, error) {
	return r.Alerts(ctx, scope, postgres.AlertFilter{Active: true, Incident: id, Limit: incidents.MaxDeclared})
}
