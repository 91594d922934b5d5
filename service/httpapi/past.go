package httpapi

import (
	"context"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

// PastIncidents takes over what other tools have had.
type PastIncidents interface {
	// TakeOver keeps all of them or none, as resolved incidents that page nobody, and returns how many are new.
	TakeOver(ctx context.Context, who access.Principal, tenant string, past []incidents.Past) (int, error)
}

type pastWish struct {
	Tenant    string           `json:"tenant,omitempty" maxLength:"200" doc:"Whose incidents they were; none is the operator's own."`
	Incidents []incidents.Past `json:"incidents" maxItems:"500" doc:"What is over; a source and its id are taken over once."`
}

type pastInput struct{ Body pastWish }

type takenOver struct {
	Taken int `json:"taken" doc:"How many are new."`
	Known int `json:"known" doc:"How many had been taken over before, and stay as they are."`
}

func (a *API) mountPast() {
	register(a, operation{id: "take-over-incidents", method: post, path: "/incidents/past", tag: "Incidents", role: access.Editor,
		audience: operatorOnly, summary: "Take over incidents that another tool has had",
		about: "All of them or none. They count in figures and searches, keep their times and page nobody. Numbers are given in the order of arrival."},
		a.takeOver)
}

func (a *API) takeOver(ctx context.Context, in *pastInput) (*body[takenOver], error) {
	taken, err := a.deps.Past.TakeOver(ctx, access.PrincipalOf(ctx), in.Body.Tenant, in.Body.Incidents)
	return show(takenOver{Taken: taken, Known: len(in.Body.Incidents) - taken}, err)
}
