package httpapi

import (
	"context"
	"time"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

type slaInput struct {
	Tenant string `query:"tenant" maxLength:"63" doc:"Whose contract. A tenant's people may leave it out." example:"acme"`
	Month  string `query:"month" required:"true" maxLength:"7" doc:"Calendar month in the contract's time zone." example:"2026-11"`
}

type costInput struct {
	From   time.Time `query:"from" required:"true" doc:"RFC 3339." example:"2026-11-01T00:00:00Z"`
	To     time.Time `query:"to" required:"true" doc:"RFC 3339; the end is not included." example:"2026-12-01T00:00:00Z"`
	Tenant string    `query:"tenant" maxLength:"63" doc:"Only this tenant's lines."`
}

// longestCost is the longest span of one cost report.
const longestCost = 400 * 24 * time.Hour

func (a *API) mountReports() {
	register(a, operation{id: "get-sla-report", method: get, path: "/reports/sla", tag: "Reports", role: access.Viewer, audience: anyone, slow: true,
		summary: "What a tenant was promised and given in a month",
		about:   "Figures come from the ledger of closed buckets and are cut off, never rounded up. The same month gives the same bytes."}, a.slaReport)
	register(a, operation{id: "get-posture", method: get, path: "/intelligence/posture", tag: "Intelligence", role: access.Viewer, audience: anyone,
		slow: true, summary: "Which promises are at risk now, why, and who is on it"}, a.posture)
	register(a, operation{id: "get-cost-report", method: get, path: "/cost/report", tag: "Capacity", role: access.Viewer, audience: operatorOnly,
		slow: true, summary: "What each tenant's usage cost in a span"}, a.costReport)
}

func (a *API) slaReport(ctx context.Context, in *slaInput) (*body[slo.Report], error) {
	who := access.PrincipalOf(ctx)
	tenant, err := tenantOf(who, in.Tenant)
	if err != nil {
		return nil, err
	}
	month, err := slo.ParseMonth(in.Month)
	switch {
	case err != nil:
		return nil, err
	case tenant == "":
		return nil, fault.New(fault.Invalid, "tenant: name whose report, such as tenant=acme")
	}
	return show(a.deps.Intelligence.SLAReport(ctx, who.Scope(), tenant, month))
}

func (a *API) posture(ctx context.Context, _ *none) (*body[Posture], error) {
	p, err := a.deps.Intelligence.Posture(ctx, access.PrincipalOf(ctx).Scope())
	p.AtRisk, p.Missing = list(p.AtRisk), list(p.Missing)
	for i := range p.AtRisk {
		p.AtRisk[i].Incidents, p.AtRisk[i].Labels = list(p.AtRisk[i].Incidents), labelsOf(p.AtRisk[i].Labels)
	}
	return show(p, err)
}

func (a *API) costReport(ctx context.Context, in *costInput) (*body[cost.Report], error) {
	if span := in.To.Sub(in.From); span <= 0 || span > longestCost {
		return nil, fault.New(fault.Invalid, "to: must lie after from, at most %d days", int(longestCost.Hours()/24))
	}
	scope := access.PrincipalOf(ctx).Scope()
	if in.Tenant != "" {
		scope = access.Tenant(in.Tenant)
	}
	return show(a.deps.Intelligence.Cost(ctx, scope, in.From.UTC(), in.To.UTC()))
}
