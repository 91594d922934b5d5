package httpapi

import (
	"context"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

type promisesInput struct {
	SLO    string `query:"slo" maxLength:"200" doc:"Only this SLO's." example:"shop-availability"`
	Tenant string `query:"tenant" maxLength:"63" doc:"Only this tenant's." example:"acme"`
}

type promiseInput struct {
	ID     string `path:"id" maxLength:"200" example:"shop-availability"`
	Tenant string `query:"tenant" maxLength:"63" example:"acme"`
}

type burndownInput struct {
	ID     string `path:"id" maxLength:"200" example:"shop-availability"`
	Tenant string `query:"tenant" maxLength:"63" example:"acme"`
	Points int    `query:"points" minimum:"2" maximum:"2000" default:"120" doc:"At most this many, evenly spaced."`
}

type statuses struct {
	Statuses []slo.Status `json:"statuses"`
	Warnings []string     `json:"warnings" doc:"What the figures lack, such as the live part while the metrics engine is away; one sentence each."`
}

type burndown struct {
	SLO    string      `json:"slo"`
	Tenant string      `json:"tenant"`
	Points []BurnPoint `json:"points" doc:"The oldest first. A step that was not seen has no point."`
	// Prediction goes on where the points end.
	Prediction slo.Prediction `json:"prediction" doc:"Whether the budget lasts, from how it was burned so far: the share of simulated futures in which it is gone, quantiles of when, of what is left at the end, and in fan of what is left on the way."`
}

func (a *API) mountPromises() {
	register(a, operation{id: "list-slos", method: get, path: "/slos", tag: "SLOs", role: access.Viewer, audience: anyone, slow: true,
		summary: "How every promise stands: budget left, burn rate, predicted exhaustion"}, a.promises)
	register(a, operation{id: "get-slo", method: get, path: "/slos/{id}", tag: "SLOs", role: access.Viewer, audience: anyone, slow: true,
		summary: "How one promise stands, for each value of its budget labels"}, a.promise)
	register(a, operation{id: "get-slo-burndown", method: get, path: "/slos/{id}/burndown", tag: "SLOs", role: access.Viewer, audience: anyone,
		slow: true, summary: "How a promise's budget was spent over its window, and whether it lasts"}, a.burndown)
}

func (a *API) promises(ctx context.Context, in *promisesInput) (*body[statuses], error) {
	who := access.PrincipalOf(ctx)
	tenant, err := tenantOf(who, in.Tenant)
	if err != nil {
		return nil, err
	}
	found, lacks, err := a.deps.Intelligence.Statuses(ctx, who.Scope(), in.SLO, tenant)
	return show(statusesOf(found, lacks), err)
}

func (a *API) promise(ctx context.Context, in *promiseInput) (*body[statuses], error) {
	who := access.PrincipalOf(ctx)
	tenant, err := tenantOf(who, in.Tenant)
	if err != nil {
		return nil, err
	}
	found, lacks, err := a.deps.Intelligence.Statuses(ctx, who.Scope(), in.ID, tenant)
	if err == nil && len(found) == 0 {
		err = fault.New(fault.NotFound, "there is no SLO %q", in.ID)
	}
	return show(statusesOf(found, lacks), err)
}

func statusesOf(found []slo.Status, lacks []string) statuses {
	for i := range found {
		found[i].Labels = labelsOf(found[i].Labels)
	}
	return statuses{list(found), list(lacks)}
}

func (a *API) burndown(ctx context.Context, in *burndownInput) (*body[burndown], error) {
	who := access.PrincipalOf(ctx)
	tenant, err := tenantOf(who, in.Tenant)
	if err != nil {
		return nil, err
	}
	points, prediction, err := a.deps.Intelligence.BurnDown(ctx, who.Scope(), in.ID, tenant, in.Points)
	return show(burndown{in.ID, tenant, list(points), prediction}, err)
}
