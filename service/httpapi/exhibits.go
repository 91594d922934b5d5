package httpapi

import (
	"context"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

// Exhibits reads the evidence that was kept with incidents. Every answer keeps to the scope.
type Exhibits interface {
	// Exhibits returns a fault.NotFound for an incident that is not in scope.
	Exhibits(ctx context.Context, scope access.Scope, id string) ([]incidents.Exhibit, error)
	PendingExhibits(ctx context.Context, scope access.Scope, id string) ([]incidents.PendingExhibit, error)
	// Stake returns what an incident costs, as of at most a minute ago. It is the operator's alone.
	Stake(ctx context.Context, i incidents.Incident) (slo.Stake, error)
}

// sparkWidth is how many characters a sparkline has.
const sparkWidth = 30

// Exhibit is a piece of kept evidence as the API shows it.
type Exhibit struct {
	Moment    string                   `json:"moment" enum:"opened,resolved"`
	Kind      string                   `json:"kind" enum:"slo,logs,exemplars,traces"`
	Subject   string                   `json:"subject,omitempty" doc:"The SLO's ID."`
	From      time.Time                `json:"from"`
	To        time.Time                `json:"to"`
	KeptAt    time.Time                `json:"keptAt"`
	Outcome   string                   `json:"outcome" enum:"kept,empty,unreachable,refused,not configured"`
	Says      string                   `json:"says" doc:"What was seen over what time, and what is missing, in sentences."`
	Missing   string                   `json:"missing,omitempty"`
	Asked     string                   `json:"asked,omitempty" doc:"The query."`
	Seen      int                      `json:"seen" doc:"Steps, lines or traces that are kept."`
	More      bool                     `json:"more" doc:"There was more than is kept."`
	Private   bool                     `json:"private" doc:"For the operator alone."`
	Budget    *float64                 `json:"budget" doc:"Share of the error budget left at the moment; null is unknown."`
	Sparkline string                   `json:"sparkline,omitempty" doc:"The budget over the span in a word; a space was not seen."`
	Points    []incidents.SLOPoint     `json:"points,omitempty"`
	Lines     []incidents.LogLine      `json:"lines,omitempty" doc:"The oldest first, without what looks like a secret."`
	Traces    []incidents.ExhibitTrace `json:"traces,omitempty"`
}

// PendingExhibit is evidence that is still to be gathered.
type PendingExhibit struct {
	Moment string    `json:"moment" enum:"opened,resolved"`
	Kind   string    `json:"kind" enum:"slo,logs,exemplars,traces"`
	Tries  int       `json:"tries"`
	NextAt time.Time `json:"nextAt"`
}

// ExhibitList is what is kept with an incident, and what is to come.
type ExhibitList struct {
	Evidence []Exhibit        `json:"evidence" doc:"In the order in which it was kept. It is never changed."`
	Pending  []PendingExhibit `json:"pending" doc:"Still to be gathered."`
}

func (a *API) mountExhibits() {
	register(a, operation{id: "get-incident-evidence", method: get, path: "/incidents/{id}/evidence", tag: "Incidents", role: access.Viewer,
		audience: anyone, summary: "Read what was kept with it when it opened and was resolved",
		about: "Promises' series and budgets, log lines, traces. A source that did not answer or is not configured has a piece that says so."},
		a.incidentEvidence)
	register(a, operation{id: "get-incident-stake", method: get, path: "/incidents/{id}/stake", tag: "Incidents", role: access.Viewer,
		audience: operatorOnly, slow: true, summary: "Say what it costs so far: budget spent, tenants hit, credits at stake",
		about: "It is computed at most once a minute; asOf says when."}, a.stake)
}

func (a *API) stake(ctx context.Context, in *incidentInput) (*body[slo.Stake], error) {
	this, err := a.find(ctx, access.PrincipalOf(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	return show(a.deps.Evidence.Stake(ctx, this))
}

func (a *API) incidentEvidence(ctx context.Context, in *incidentInput) (*body[ExhibitList], error) {
	who := access.PrincipalOf(ctx)
	this, err := a.find(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	kept, err := a.deps.Evidence.Exhibits(ctx, who.Scope(), this.ID)
	if err != nil {
		return nil, err
	}
	pending, err := a.deps.Evidence.PendingExhibits(ctx, who.Scope(), this.ID)
	out := ExhibitList{Evidence: []Exhibit{}, Pending: []PendingExhibit{}}
	for _, e := range kept {
		out.Evidence = append(out.Evidence, shownExhibit(e))
	}
	for _, p := range pending {
		out.Pending = append(out.Pending, PendingExhibit{Moment: string(p.Moment), Kind: string(p.Kind), Tries: p.Tries,
			NextAt: p.NextAt.UTC()})
	}
	return show(out, err)
}

func shownExhibit(e incidents.Exhibit) Exhibit {
	return Exhibit{Moment: string(e.Moment), Kind: string(e.Kind), Subject: e.Subject,
		From: e.From.UTC(), To: e.To.UTC(), KeptAt: e.KeptAt.UTC(),
		Outcome: string(e.Outcome), Says: e.Says(), Missing: e.Missing, Asked: e.Asked, Seen: e.Seen, More: e.More, Private: e.Private,
		Budget: e.Content.Budget, Sparkline: incidents.Sparkline(e.Content.Points, e.From, e.To, sparkWidth),
		Points: e.Content.Points, Lines: e.Content.Lines, Traces: e.Content.Traces}
}
