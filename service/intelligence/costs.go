package intelligence

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/cost/allocation"
	"github.com/nines-sre/nines/capacity/cost/focus"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
	"golang.org/x/sync/errgroup"
)

// Showback allocates the cost of [from, to), cut to whole hours before now where a price sheet has rates. A tenant sees its
// own rows. No price sheet is a fault.NotFound.
func (s *Service) Showback(ctx context.Context, scope access.Scope, from, to time.Time, by allocation.By) (allocation.Showback, error) {
	return ask(ctx, s, Analysis, "showback", func(ctx context.Context) (allocation.Showback, error) {
		spent, err := s.spent(ctx, from, to)
		if err != nil {
			return allocation.Showback{}, err
		}
		out := allocation.Showback{Allocation: allocation.Make(spent.input), By: cmp.Or(by, allocation.ByTenant), Coverage: spent.coverage, Missing: spent.missing}
		if !scope.IsOperator() {
			out.Allocation = out.Only(scope.TenantName())
		}
		out.Sums = out.View(out.By)
		if out.Units, err = s.unitCosts(ctx, scope, out.Allocation); err != nil {
			return allocation.Showback{}, err
		}
		return out, nil
	})
}

// ExportCost writes a month's allocation as billing data by FOCUS.
func (s *Service) ExportCost(ctx context.Context, from, to time.Time, issuer string) (focus.Table, error) {
	return ask(ctx, s, Analysis, "cost-export", func(ctx context.Context) (focus.Table, error) {
		spent, err := s.spent(ctx, from, to)
		if err != nil {
			return focus.Table{}, err
		}
		listed := spent.input
		listed.Sheet = listed.Sheet.ListOnly()
		return focus.FromAllocation(allocation.Make(spent.input), allocation.Make(listed), cmp.Or(issuer, spent.input.Sheet.Name)), nil
	})
}

// spent is all that an allocation of a period is made of.
type spent struct {
	input    allocation.Input
	coverage []allocation.Coverage
	missing  []string
}

func (s *Service) spent(ctx context.Context, from, to time.Time) (spent, error) {
	sheet, err := cost.Combine(s.Definitions().PriceSheets())
	if err != nil {
		return spent{}, err
	}
	from, to = from.UTC(), earliest(to.UTC(), s.now())
	if len(sheet.Rates) > 0 {
		to = from.Add(to.Sub(from) / fleetStep * fleetStep)
	}
	if !from.Before(to) {
		return spent{}, fault.New(fault.Invalid, "from: must lie before the end and before now, by an hour at least")
	}
	out := spent{input: allocation.Input{Sheet: sheet, From: from, To: to, Weights: map[string]map[string]float64{}}, coverage: []allocation.Coverage{}, missing: []string{}}
	if len(sheet.Rates) > 0 {
		f, err := s.fleetIn(ctx, from, to)
		if err != nil {
			return spent{}, err
		}
		out.input.Steps, out.coverage = f.steps, f.coverage
	}
	for _, c := range out.coverage {
		if c.Hours < c.Of {
			out.missing = append(out.missing, fmt.Sprintf("%s: seen in %d of %d hours; what was not seen is not in the figures", c.Source, c.Hours, c.Of))
		}
	}
	if out.input.Items, err = s.usage(ctx, sheet, from, to); err != nil {
		return spent{}, err
	}
	if err := s.weigh(ctx, out.input); err != nil {
		return spent{}, err
	}
	credits, lacks, err := s.credits(ctx, sheet, from, to)
	out.input.Credits, out.missing = credits, append(out.missing, lacks...)
	return out, err
}

// weigh asks the queries that divide shared costs.
func (s *Service) weigh(ctx context.Context, in allocation.Input) error {
	for _, shared := range slices.Concat(in.Sheet.Shared, in.Sheet.Overhead) {
		if shared.Query == "" {
			continue
		}
		found, err := s.Metrics.Query(ctx, shared.QueryOver(in.To.Sub(in.From)), in.To)
		if err != nil {
			return fmt.Errorf("weights of %s: %w", shared.Name, err)
		}
		weights := map[string]float64{}
		for _, sample := range found {
			weights[sample.Labels["tenant"]] += sample.Value
		}
		in.Weights[shared.Name] = weights
	}
	return nil
}

// credits are what is owed for promises missed in the calendar months that end in the period: a share of the fee that the
// price sheet names. Months still running owe nothing yet.
func (s *Service) credits(ctx context.Context, sheet cost.PriceSheet, from, to time.Time) ([]allocation.Credit, []string, error) {
	var out []allocation.Credit
	var lacks []string
	definitions := s.Definitions()
	for tenant, fee := range sheet.Fees {
		contract, version, ok := definitions.Contract(tenant)
		if !ok {
			lacks = append(lacks, "there is a fee of "+tenant+", and no contract: whether it is owed credits is not known")
			continue
		}
		for _, month := range monthsEnding(contract.Zone, from, to) {
			begin, end := month.Bounds(contract.Zone)
			buckets, closed, err := s.promised(ctx, contract, begin, end)
			if err != nil {
				return nil, nil, err
			}
			corrections, err := s.correctionsIn(ctx, begin, end)
			if err != nil {
				return nil, nil, err
			}
			report := slo.NewReport(contract, definitions.SLOs(), version, buckets, month, closed, s.now(), corrections...)
			for _, p := range report.Promises {
				if p.Credit > 0 {
					owed := new(big.Rat).Mul(perCent(p.Credit), fee.Rat())
					out = append(out, allocation.Credit{Tenant: tenant, Service: p.Service, Amount: cost.Round(owed, sheet.Currency).Rat()})
				}
			}
		}
	}
	slices.Sort(lacks)
	return out, lacks, nil
}

// perCent reads a percentage by its shortest decimal, so that 10.1 is 0.101 and not what a float makes of it.
func perCent(x float64) *big.Rat {
	r, ok := new(big.Rat).SetString(strconv.FormatFloat(x, 'f', -1, 64))
	if !ok {
		return new(big.Rat)
	}
	return r.Quo(r, big.NewRat(100, 1))
}

// monthsEnding lists the contract's months whose end lies in (from, to].
func monthsEnding(zone string, from, to time.Time) []slo.Month {
	var out []slo.Month
	for at := from.AddDate(0, -1, 0); !at.After(to.AddDate(0, 1, 0)); at = at.AddDate(0, 0, 20) {
		month, err := slo.ParseMonth(at.Format("2006-01"))
		if err != nil || slices.Contains(out, month) {
			continue
		}
		if _, end := month.Bounds(zone); end.After(from) && !end.After(to) {
			out = append(out, month)
		}
	}
	return out
}

// unitCosts divides what each tenant's use of each service cost by its requests, as the ledger counted them. Of several
// promises of a service the one with the most requests counts, since they count the same ones.
func (s *Service) unitCosts(ctx context.Context, scope access.Scope, a allocation.Allocation) ([]allocation.UnitCost, error) {
	type key struct{ tenant, service string }
	counted := map[key]map[string]allocation.Requests{}
	definitions := s.Definitions()
	slos := definitions.SLOs()
	found := make([][]slo.Bucket, len(slos))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce / 2)
	for n, v := range slos {
		group.Go(func() (err error) {
			found[n], err = s.Ledger.Buckets(ctx, scope, v.SLO.ID, "", a.From, a.To)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	for n, v := range slos {
		for _, b := range found[n] {
			if !scope.Allows(b.Tenant) || b.SLO != v.SLO.ID {
				continue
			}
			k := key{b.Tenant, v.SLO.Service}
			if counted[k] == nil {
				counted[k] = map[string]allocation.Requests{}
			}
			r := counted[k][b.SLO]
			counted[k][b.SLO] = allocation.Requests{Total: r.Total + b.Counts.Total, Good: r.Good + b.Counts.Good}
		}
	}
	amounts := map[key]cost.Money{}
	for _, row := range a.Rows {
		if row.Service != "" && row.Category == allocation.Workload {
			k := key{row.Tenant, row.Service}
			amounts[k] = amounts[k].Add(row.Cost)
		}
	}
	out := []allocation.UnitCost{}
	for k, amount := range amounts {
		var most allocation.Requests
		for _, r := range counted[k] {
			if r.Total > most.Total || r.Total == most.Total && r.Good < most.Good {
				most = r
			}
		}
		out = append(out, allocation.PerUnit(k.tenant, k.service, amount, most))
	}
	slices.SortFunc(out, func(x, y allocation.UnitCost) int {
		return cmp.Or(cmp.Compare(x.Tenant, y.Tenant), cmp.Compare(x.Service, y.Service))
	})
	return out, nil
}
