package httpapi

import (
	"context"
	"time"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

// Budgets says where error budgets went.
type Budgets interface {
	// BudgetSplit splits what was spent in the window now in force by "incident" or "tenant"; tenant "" is everybody in scope.
	BudgetSplit(ctx context.Context, scope access.Scope, sloID, tenant, by string) (BudgetSplit, error)
}

// BudgetSplit is where a promise's error budget went. The parts add up to the whole.
type BudgetSplit struct {
	SLO       string        `json:"slo"`
	By        string        `json:"by"`
	Tenant    string        `json:"tenant"`
	Objective slo.Objective `json:"objective"`
	From      time.Time     `json:"from"`
	To        time.Time     `json:"to"`
	Errors    float64       `json:"errors"`
	Total     float64       `json:"total"`
	Allowed   float64       `json:"allowed" doc:"Errors that the objective allows in the traffic so far."`
	Spent     float64       `json:"spent" doc:"Share of the budget that is gone: errors over allowed."`
	Parts     []BudgetPart  `json:"parts" doc:"The largest first; what is no incident last."`
	Missing   []string      `json:"missing" doc:"What the figures lack, one sentence each."`
}

// BudgetPart is one incident's or tenant's part.
type BudgetPart struct {
	Kind     string     `json:"kind" enum:"incident,tenant,unmeasured,rest"`
	Name     string     `json:"name" doc:"#number of the incident, or the tenant."`
	Errors   float64    `json:"errors" doc:"Counted in this part alone; where two incidents overlap, in the earlier one."`
	Total    float64    `json:"total"`
	Share    float64    `json:"share" doc:"Of the whole budget."`
	OfSpent  float64    `json:"ofSpent" doc:"Of what was spent."`
	Incident string     `json:"incident,omitempty" doc:"Id."`
	Title    string     `json:"title,omitempty"`
	From     *time.Time `json:"from,omitempty" doc:"Where the trouble began; an alert comes later."`
	To       *time.Time `json:"to,omitempty"`
}

type budgetInput struct {
	ID     string `path:"id" maxLength:"200" example:"shop-availability"`
	By     string `query:"by" enum:"incident,tenant" default:"incident"`
	Tenant string `query:"tenant" maxLength:"63" example:"acme"`
}

func (a *API) mountBudgets() {
	register(a, operation{id: "get-slo-budget", method: get, path: "/slos/{id}/budget", tag: "SLOs", role: access.Viewer, audience: anyone, slow: true,
		summary: "Where a promise's spent budget went, by incident or by tenant"}, a.budget)
}

func (a *API) budget(ctx context.Context, in *budgetInput) (*body[BudgetSplit], error) {
	who := access.PrincipalOf(ctx)
	tenant, err := tenantOf(who, in.Tenant)
	if err != nil {
		return nil, err
	}
	split, err := a.deps.Budgets.BudgetSplit(ctx, who.Scope(), in.ID, tenant, in.By)
	split.Parts, split.Missing = list(split.Parts), list(split.Missing)
	return show(split, err)
}
