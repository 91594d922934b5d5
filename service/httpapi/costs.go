package httpapi

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/big"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/cost/allocation"
	"github.com/nines-sre/nines/capacity/cost/plan"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// longestFleet is the longest span of which it is asked hour by hour what ran.
const longestFleet = 62 * 24 * time.Hour

type showbackInput struct {
	From   time.Time `query:"from" required:"true" doc:"RFC 3339." example:"2026-11-01T00:00:00Z"`
	To     time.Time `query:"to" required:"true" doc:"RFC 3339; the end is not included. At most 62 days." example:"2026-12-01T00:00:00Z"`
	Tenant string    `query:"tenant" maxLength:"63" doc:"Only this tenant's rows."`
	By     string    `query:"by" enum:"tenant,team,service,namespace,region,resource" default:"tenant" doc:"What the sums are by."`
}

type costExportInput struct {
	Month  string `path:"month" maxLength:"7" doc:"Calendar month in UTC." example:"2026-11"`
	Format string `query:"format" enum:"focus-csv,focus-parquet" default:"focus-csv"`
	Issuer string `query:"issuer" maxLength:"120" doc:"Who asks for the money; the price sheet's name unless given." example:"Shop Operations"`
}

type outlookInput struct {
	Growth string `query:"growth" maxLength:"20" doc:"Growth of users, per cent a month; none: only the month's end." example:"5"`
	Low    string `query:"low" maxLength:"20" doc:"The same at the least; half of growth unless given." example:"2"`
	High   string `query:"high" maxLength:"20" doc:"The same at the most; one and a half times growth unless given." example:"8"`
	Users  int64  `query:"users" minimum:"0" maximum:"1000000000000" doc:"Users now." example:"1000"`
	Months int    `query:"months" minimum:"1" maximum:"36" default:"12" doc:"How far ahead."`
}

type whatIfInput struct {
	Body struct {
		From time.Time `json:"from" example:"2026-11-01T00:00:00Z"`
		To   time.Time `json:"to" example:"2026-11-08T00:00:00Z"`
		Set  []string  `json:"set" minItems:"1" maxItems:"50" doc:"Changes, such as price.cpu=-10%, region.OLD=NEW, replicas.SERVICE=x2, growth=20% or commitment.cpu=40@0.02." example:"[\"price.cpu=-10%\"]"`
	}
}

type costDaysInput struct {
	Days  int     `query:"days" minimum:"2" maximum:"62" default:"35" doc:"How far back to look."`
	Level float64 `query:"level" exclusiveMinimum:"0.5" exclusiveMaximum:"1" default:"0.95" doc:"Share of usual days."`
}

type costSavingsInput struct {
	Days int `query:"days" minimum:"1" maximum:"62" default:"7" doc:"How far back to look."`
}

type costBudgets struct {
	Budgets []cost.BudgetState `json:"budgets"`
}

func (a *API) mountCosts() {
	const tag = "Capacity"
	register(a, operation{id: "get-cost-allocation", method: get, path: "/cost/allocation", tag: tag, role: access.Viewer, audience: operatorOnly, slow: true,
		summary: "What a span cost, whose it is, and what a request cost",
		about:   "The larger of request and usage counts for each container and hour; idle, shared and overhead are apart. Everything adds up to the total to the cent."}, a.showback)
	register(a, operation{id: "export-cost", method: get, path: "/cost/export/{month}", tag: tag, role: access.Viewer, audience: operatorOnly, slow: true,
		summary: "A month's costs as billing data by FOCUS 1.2", produces: "application/octet-stream"}, a.exportCost)
	register(a, operation{id: "get-cost-outlook", method: get, path: "/cost/outlook", tag: tag, role: access.Viewer, audience: operatorOnly, slow: true,
		summary: "Where the month ends, and what user growth costs"}, a.costOutlook)
	register(a, operation{id: "list-cost-budgets", method: get, path: "/cost/budgets", tag: tag, role: access.Viewer, audience: operatorOnly, slow: true,
		summary: "How each cost budget stands"}, a.costBudgets)
	register(a, operation{id: "list-cost-anomalies", method: get, path: "/cost/anomalies", tag: tag, role: access.Viewer, audience: operatorOnly, slow: true,
		summary: "Days that stand out, by service and tenant"}, a.costAnomalies)
	register(a, operation{id: "list-cost-savings", method: get, path: "/cost/savings", tag: tag, role: access.Viewer, audience: operatorOnly, slow: true,
		summary: "Requests far above use, and nodes that nobody asks for, with the evidence"}, a.costSavings)
	register(a, operation{id: "cost-what-if", method: post, path: "/cost/whatif", tag: tag, role: access.Viewer, audience: operatorOnly, slow: true,
		summary: "Replay a span with other prices, places, replicas, growth or commitments", about: "Changes nothing."}, a.costWhatIf)
	a.mayBeNull("PlanMonthEnd", "expected")
	for _, property := range []string{"expected", "lower", "upper"} {
		a.mayBeNull("CostBudgetState", property)
	}
	a.mayBeNull("AllocationUnitCost", "perRequest")
	a.mayBeNull("AllocationUnitCost", "perGood")
	a.mayBeNull("PlanOutlook", "growth")
}

func fleetSpan(from, to time.Time) error {
	if span := to.Sub(from); span <= 0 || span > longestFleet {
		return fault.New(fault.Invalid, "to: must lie after from, at most %d days", int(longestFleet.Hours()/24))
	}
	return nil
}

func (a *API) showback(ctx context.Context, in *showbackInput) (*body[allocation.Showback], error) {
	if err := fleetSpan(in.From, in.To); err != nil {
		return nil, err
	}
	scope := access.PrincipalOf(ctx).Scope()
	if in.Tenant != "" {
		scope = access.Tenant(in.Tenant)
	}
	s, err := a.deps.Intelligence.Showback(ctx, scope, in.From.UTC(), in.To.UTC(), allocation.By(in.By))
	s.Rows, s.Skipped, s.Sums, s.Units = list(s.Rows), list(s.Skipped), list(s.Sums), list(s.Units)
	s.Coverage, s.Missing = list(s.Coverage), list(s.Missing)
	return show(s, err)
}

func (a *API) exportCost(ctx context.Context, in *costExportInput) (*huma.StreamResponse, error) {
	from, err := time.Parse("2006-01", in.Month)
	if err != nil {
		return nil, fault.New(fault.Invalid, "month: %q is not a month such as 2026-11", in.Month)
	}
	table, err := a.deps.Intelligence.ExportCost(ctx, from, from.AddDate(0, 1, 0), in.Issuer)
	if err != nil {
		return nil, err
	}
	var content bytes.Buffer
	write, mediaType, ending := table.WriteCSV, "text/csv; charset=utf-8", "csv"
	if in.Format == "focus-parquet" {
		write, mediaType, ending = table.WriteParquet, "application/vnd.apache.parquet", "parquet"
	}
	if err := write(&content); err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(h huma.Context) {
		h.SetHeader("Content-Type", mediaType)
		h.SetHeader("Content-Disposition", fmt.Sprintf("attachment; filename=\"cost-%s.%s\"", from.Format("2006-01"), ending))
		_, err := io.Copy(h.BodyWriter(), &content)
		exchangeOf(ctx).failed(err)
	}}, nil
}

func (a *API) costOutlook(ctx context.Context, in *outlookInput) (*body[plan.Outlook], error) {
	growth, err := in.growth()
	if err != nil {
		return nil, err
	}
	o, err := a.deps.Intelligence.CostOutlook(ctx, plan.OutlookRequest{Growth: growth, Users: in.Users, Months: in.Months})
	o.Path, o.Missing = list(o.Path), list(o.Missing)
	return show(o, err)
}

// growth reads the growth asked about; nil where there is none.
func (in outlookInput) growth() (*plan.Growth, error) {
	if in.Growth == "" {
		return nil, nil
	}
	expected, ok := cost.ParseDecimal(in.Growth)
	g := plan.Growth{Expected: expected, Low: expected, High: expected}
	if half, fine := scaled(expected, 1); ok && fine && in.Low == "" {
		g.Low = half
	}
	if more, fine := scaled(expected, 3); ok && fine && in.High == "" {
		g.High = more
	}
	if expected.Sign() < 0 {
		g.Low, g.High = g.High, g.Low
	}
	for text, into := range map[*string]*cost.Decimal{&in.Low: &g.Low, &in.High: &g.High} {
		if *text != "" {
			given, fine := cost.ParseDecimal(*text)
			*into, ok = given, ok && fine
		}
	}
	if !ok {
		return nil, fault.New(fault.Invalid, "growth: write per cent a month as decimals, such as growth=5, low=2 and high=8")
	}
	return &g, nil
}

// scaled returns so many halves of a decimal.
func scaled(d cost.Decimal, halves int64) (cost.Decimal, bool) {
	return cost.ParseDecimal(new(big.Rat).Mul(d.Rat(), big.NewRat(halves, 2)).FloatString(9))
}

func (a *API) costBudgets(ctx context.Context, _ *none) (*body[costBudgets], error) {
	found, err := a.deps.Intelligence.CostBudgets(ctx)
	for i := range found {
		found[i].Alerts, found[i].Budget.Alerts = list(found[i].Alerts), list(found[i].Budget.Alerts)
	}
	return show(costBudgets{list(found)}, err)
}

func (a *API) costAnomalies(ctx context.Context, in *costDaysInput) (*body[plan.AnomalyReport], error) {
	found, err := a.deps.Intelligence.CostAnomalies(ctx, in.Days, in.Level)
	found.Anomalies, found.Missing = list(found.Anomalies), list(found.Missing)
	return show(found, err)
}

func (a *API) costSavings(ctx context.Context, in *costSavingsInput) (*body[plan.SavingsReport], error) {
	found, err := a.deps.Intelligence.CostSavings(ctx, in.Days)
	found.Savings, found.Coverage = list(found.Savings), list(found.Coverage)
	return show(found, err)
}

func (a *API) costWhatIf(ctx context.Context, in *whatIfInput) (*body[plan.Difference], error) {
	if err := fleetSpan(in.Body.From, in.Body.To); err != nil {
		return nil, err
	}
	d, err := a.deps.Intelligence.CostWhatIf(ctx, in.Body.From.UTC(), in.Body.To.UTC(), in.Body.Set)
	d.Changes, d.Rows = list(d.Changes), list(d.Rows)
	for _, one := range []*allocation.Allocation{&d.Before, &d.After} {
		one.Rows, one.Skipped = list(one.Rows), list(one.Skipped)
	}
	return show(d, err)
}
