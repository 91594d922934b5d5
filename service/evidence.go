package service

import (
	"context"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/service/postgres"
)

// evidence says how incidents went and what may help with one: storage's answers, with the teams that definitions name.
type evidence struct {
	*postgres.DB
	catalog func() *definitions.Catalog
	*stakes
}

func (p *plane) evidence(s *stakes) evidence { return evidence{p.db, p.definitions.Catalog, s} }

// Figures returns how incidents went, with the owner of each service as its team.
func (e evidence) Figures(ctx context.Context, scope access.Scope, f incidents.FiguresFilter) ([]incidents.Figures, error) {
	f.Teams = map[string]string{}
	for _, s := range e.catalog().Services() {
		f.Teams[s.Name] = s.Owner
	}
	return e.DB.Figures(ctx, scope, f)
}

// SearchIncidents returns the incidents that match. A team is the services that it owns; one that owns none has no
// incident.
func (e evidence) SearchIncidents(ctx context.Context, scope access.Scope, s incidents.Search) ([]incidents.Incident, error) {
	if s.Team == "" {
		return e.DB.SearchIncidents(ctx, scope, s)
	}
	var owned []string
	for _, service := range e.catalog().Services() {
		if service.Owner == s.Team && (len(s.Services) == 0 || s.Services[0] == service.Name) {
			owned = append(owned, service.Name)
		}
	}
	if len(owned) == 0 {
		return nil, nil
	}
	s.Services = owned
	return e.DB.SearchIncidents(ctx, scope, s)
}
