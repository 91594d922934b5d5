package service

import (
	"context"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/service/postgres"
)

// assigner gives incidents to policies in force, or to people, and puts them off.
type assigner struct {
	db      *postgres.DB
	catalog func() *definitions.Catalog
}

func (p *plane) assigner() assigner { return assigner{p.db, p.definitions.Catalog} }

// Reassign gives an incident to a policy in force or to people, one of the two.
func (a assigner) Reassign(ctx context.Context, who access.Principal, id string, to incidents.Assignment) (incidents.Incident, error) {
	if err := who.Require(access.Responder); err != nil {
		return incidents.Incident{}, err
	}
	i, err := a.db.Incident(ctx, who.Scope(), id)
	if err != nil {
		return i, err
	}
	p, err := a.policy(to, i)
	if err != nil {
		return i, err
	}
	return a.db.Reassign(ctx, who, i.ID, p, to.Turn)
}

func (a assigner) policy(to incidents.Assignment, i incidents.Incident) (incidents.Policy, error) {
	switch {
	case (to.Policy == "") == (len(to.Users) == 0):
		return incidents.Policy{}, fault.New(fault.Invalid, "policy, users: write one of the two, the name of an escalation policy or e-mail addresses of people")
	case to.Policy == "":
		users, err := incidents.CheckUsers(to.Users)
		return i.Policy.ToPeople(users), err
	}
	p, ok := a.catalog().Policy(to.Policy)
	if !ok {
		return p, fault.New(fault.Invalid, "policy: there is no escalation policy %q", to.Policy)
	}
	p.Support = i.Policy.Support
	return p, nil
}

// Snooze acknowledges an incident until a time.
func (a assigner) Snooze(ctx context.Context, who access.Principal, id string, until time.Time) (incidents.Incident, error) {
	return a.db.Snooze(ctx, who, id, until)
}

// Pages returns the pages that call people about an incident, in the order in which they are due.
func (a assigner) Pages(ctx context.Context, scope access.Scope, id string) ([]incidents.Page, error) {
	return a.db.Pages(ctx, scope, id)
}

// Policies returns the names of the policies that incidents may be given to.
func (a assigner) Policies() []string {
	var names []string
	for _, p := range a.catalog().Policies() {
		names = append(names, p.Name)
	}
	return names
}
