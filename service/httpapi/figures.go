package httpapi

import (
	"context"
	"strconv"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// Evidence says how incidents went, and what may help with one. Every answer keeps to the scope.
type Evidence interface {
	// Figures fills in the teams of services; the rest of the filter is as asked.
	Figures(ctx context.Context, scope access.Scope, f incidents.FiguresFilter) ([]incidents.Figures, error)
	SearchIncidents(ctx context.Context, scope access.Scope, s incidents.Search) ([]incidents.Incident, error)
	Similar(ctx context.Context, scope access.Scope, id string) ([]incidents.Similar, error)
	Suspects(ctx context.Context, scope access.Scope, id string) ([]incidents.Suspect, error)

	Exhibits
}

type figuresInput struct {
	By      incidents.Grouping `query:"by" enum:"service,team,tenant" doc:"None is all together."`
	From    time.Time          `query:"from" doc:"RFC 3339; incidents opened at or after it. 30 days before the end unless given."`
	To      time.Time          `query:"to" doc:"RFC 3339; incidents opened before it. Now unless given."`
	Service string             `query:"service" maxLength:"200"`
	Zone    string             `query:"zone" maxLength:"60" doc:"IANA zone whose nights count; UTC unless given." example:"Europe/Berlin"`
}

// FiguresAnswer is figures with the period that they are said over.
type FiguresAnswer struct {
	From   time.Time           `json:"from"`
	To     time.Time           `json:"to"`
	Zone   string              `json:"zone"`
	Groups []incidents.Figures `json:"groups" doc:"Those that had an incident; durations are in seconds, shift is in pages; null where there is none to say them over."`
}

// usualPeriod is what figures are said over unless somebody asks otherwise.
const usualPeriod = 30 * 24 * time.Hour

type searchInput struct {
	Query    string    `query:"q" maxLength:"400" doc:"Words of titles, summaries, labels and notes; all must be there. \"Quoted words\" stand together, -word is left out."`
	State    []string  `query:"state" enum:"triggered,acknowledged,resolved"`
	Severity []string  `query:"severity" enum:"critical,error,warning,info"`
	Service  string    `query:"service" maxLength:"200"`
	Team     string    `query:"team" maxLength:"200" doc:"Owner of the service in its definition."`
	Tenant   string    `query:"tenant" maxLength:"200"`
	From     time.Time `query:"from" doc:"RFC 3339; opened at or after it."`
	To       time.Time `query:"to" doc:"RFC 3339; opened before it."`
	Limit    int       `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor   int64     `query:"cursor" minimum:"0" doc:"nextCursor of the page before."`
}

type similarIncident struct {
	Incident incident `json:"incident"`
	Score    float64  `json:"score" doc:"0 to 1: half labels, a third words, the rest recency."`
	Shared   []string `json:"shared" doc:"Labels that both have."`
	Reason   string   `json:"reason" doc:"What the timeline says of its resolution, for the operator."`
	Notes    []string `json:"notes" doc:"Its last notes, the newest first, for the operator."`
}

type similarList struct {
	Similar []similarIncident `json:"similar" doc:"The most alike first."`
}

type suspectShown struct {
	Change  int64     `json:"change" doc:"Its number."`
	Service string    `json:"service"`
	Ref     string    `json:"ref"`
	Kind    string    `json:"kind"`
	Author  string    `json:"author"`
	BeganAt time.Time `json:"beganAt"`
	Score   float64   `json:"score" doc:"0 to 1: how much speaks for it, which is no probability."`
	Reasons []string  `json:"reasons"`
}

type suspectList struct {
	Suspects []suspectShown `json:"suspects" doc:"The most suspicious first."`
}

func (a *API) mountFigures() {
	a.mountExhibits()
	const tag = "Incidents"
	register(a, operation{id: "get-figures", method: get, path: "/figures", tag: tag, role: access.Viewer, audience: operatorOnly,
		summary: "Say how incidents went: MTTA, MTTR, MTBF, time to engage, pages a shift, noise",
		about:   "All of it is computed from the timeline when asked; docs/figures.md has the definitions."}, a.figures)
	register(a, operation{id: "search-incidents", method: get, path: "/incidents/search", tag: tag, role: access.Viewer, audience: anyone,
		summary: "Search incidents by words and filters, the newest first"}, a.searchIncidents)
	register(a, operation{id: "list-similar-incidents", method: get, path: "/incidents/{id}/similar", tag: tag, role: access.Viewer, audience: anyone,
		summary: "List past incidents like this one, with what mended them"}, a.similar)
	register(a, operation{id: "list-incident-suspects", method: get, path: "/incidents/{id}/suspects", tag: tag, role: access.Viewer,
		audience: operatorOnly, summary: "Rank the changes near its start, with reasons"}, a.suspects)
}

func (a *API) figures(ctx context.Context, in *figuresInput) (*body[FiguresAnswer], error) {
	zone, err := time.LoadLocation(in.Zone)
	if err != nil || in.Zone == "Local" {
		return nil, fault.New(fault.Invalid, "zone: %q is no IANA time zone; write one such as Europe/Berlin", in.Zone)
	}
	f := incidents.FiguresFilter{From: in.From, To: in.To, By: in.By, Service: in.Service, Zone: zone}
	if f.To.IsZero() {
		f.To = a.deps.Now()
	}
	if f.From.IsZero() {
		f.From = f.To.Add(-usualPeriod)
	}
	if !f.From.Before(f.To) {
		return nil, fault.New(fault.Invalid, "from: is not before to; choose a period that has a length")
	}
	found, err := a.deps.Evidence.Figures(ctx, access.PrincipalOf(ctx).Scope(), f)
	return show(FiguresAnswer{From: f.From.UTC(), To: f.To.UTC(), Zone: zone.String(), Groups: list(found)}, err)
}

func (a *API) searchIncidents(ctx context.Context, in *searchInput) (*body[incidentPage], error) {
	if in.Tenant != "" && !access.PrincipalOf(ctx).Scope().Allows(in.Tenant) {
		return nil, fault.New(fault.NotFound, "there is no tenant %q", in.Tenant)
	}
	s := incidents.Search{Query: in.Query, Team: in.Team, Tenant: in.Tenant, From: in.From, To: in.To, Limit: in.Limit, Before: in.Cursor}
	for _, state := range in.State {
		s.States = append(s.States, incidents.State(state))
	}
	for _, severity := range in.Severity {
		s.Severities = append(s.Severities, incidents.Severity(severity))
	}
	if in.Service != "" {
		s.Services = []string{in.Service}
	}
	found, err := a.deps.Evidence.SearchIncidents(ctx, access.PrincipalOf(ctx).Scope(), s)
	page := incidentPage{Incidents: []incident{}}
	for _, i := range found {
		page.Incidents = append(page.Incidents, a.shown(ctx, i))
	}
	if n := len(found); n > 0 && n == in.Limit {
		page.NextCursor = strconv.FormatInt(found[n-1].Number, 10)
	}
	return show(page, err)
}

func (a *API) similar(ctx context.Context, in *incidentInput) (*body[similarList], error) {
	who := access.PrincipalOf(ctx)
	this, err := a.find(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	found, err := a.deps.Evidence.Similar(ctx, who.Scope(), this.ID)
	out := similarList{Similar: []similarIncident{}}
	for _, s := range found {
		out.Similar = append(out.Similar, similarIncident{Incident: a.shown(ctx, s.Incident), Score: s.Score, Shared: list(s.Shared), Reason: s.Reason, Notes: list(s.Notes)})
	}
	return show(out, err)
}

func (a *API) suspects(ctx context.Context, in *incidentInput) (*body[suspectList], error) {
	who := access.PrincipalOf(ctx)
	this, err := a.find(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	found, err := a.deps.Evidence.Suspects(ctx, who.Scope(), this.ID)
	out := suspectList{Suspects: []suspectShown{}}
	for _, s := range found {
		out.Suspects = append(out.Suspects, suspectShown{Change: s.Number, Service: s.Service, Ref: s.Ref, Kind: s.Kind, Author: s.Author,
			BeganAt: s.BeganAt.UTC(), Score: s.Score, Reasons: s.Reasons})
	}
	return show(out, err)
}
