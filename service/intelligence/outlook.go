package intelligence

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/cost/allocation"
	"github.com/nines-sre/nines/capacity/cost/plan"
	"github.com/nines-sre/nines/internal/fault"
	"golang.org/x/sync/errgroup"
)

const (
	costDay     = 24 * time.Hour
	costHistory = 35 // days that a month's end is forecast from
	costLevel   = 0.9
)

// daily is what each day cost, oldest first; the last may be today, of which only some hours are over.
type daily struct {
	sheet   cost.PriceSheet
	days    []costDayOf
	until   time.Time // midnight at which today began
	missing []string
}

type costDayOf struct {
	at    time.Time
	seen  float64
	costs allocation.Allocation
}

// daily allocates each day from the given midnight (UTC) until now.
func (s *Service) daily(ctx context.Context, from time.Time) (daily, error) {
	sheet, err := cost.Combine(s.Definitions().PriceSheets())
	if err != nil {
		return daily{}, err
	}
	now := s.now()
	out := daily{sheet: sheet, until: now.Truncate(costDay)}
	hours := map[time.Time][]allocation.Step{}
	seen := map[time.Time]float64{}
	if len(sheet.Rates) > 0 {
		f, err := s.fleetIn(ctx, from, now.Truncate(fleetStep))
		if err != nil {
			return daily{}, err
		}
		for _, step := range f.steps {
			at := step.From.Truncate(costDay)
			hours[at] = append(hours[at], step)
			if len(step.Nodes) > 0 {
				seen[at] += 1.0 / 24
			}
		}
	}
	items, err := s.dailyUsage(ctx, sheet, from, now)
	if err != nil {
		return daily{}, err
	}
	for at := from; at.Before(now); at = at.Add(costDay) {
		if len(sheet.Rates) == 0 && len(items[at]) > 0 {
			seen[at] = 1
		}
		end := earliest(at.Add(costDay), now)
		in := allocation.Input{Sheet: sheet, From: at, To: end, Steps: hours[at], Items: items[at]}
		out.days = append(out.days, costDayOf{at, min(1, seen[at]+1e-9), allocation.Make(in)})
	}
	for _, shared := range slices.Concat(sheet.Shared, sheet.Overhead) {
		if shared.Query != "" {
			out.missing = append(out.missing, shared.Name+" is divided by a query, which is not asked day by day; its cost is nobody's here")
		}
	}
	missed := 0
	for _, d := range out.days {
		if d.seen < 0.95 && d.at.Before(out.until) {
			missed++
		}
	}
	if missed > 0 {
		out.missing = append(out.missing, fmt.Sprintf("%d of %d days were not seen whole; nothing is forecast from them", missed, len(out.days)))
	}
	return out, nil
}

// dailyUsage asks each item's query at the end of each day, and now for today.
func (s *Service) dailyUsage(ctx context.Context, sheet cost.PriceSheet, from, now time.Time) (map[time.Time][]cost.Usage, error) {
	today := now.Truncate(costDay)
	past, rest := make([][]Series, len(sheet.Items)), make([][]Sample, len(sheet.Items))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for n, item := range sheet.Items {
		group.Go(func() (err error) {
			if first := from.Add(costDay); !first.After(today) {
				if past[n], err = s.Metrics.QueryRange(ctx, item.QueryOver(costDay), first, today, costDay); err != nil {
					return fmt.Errorf("usage of %s: %w", item.Name, err)
				}
			}
			if part := now.Sub(today).Truncate(time.Minute); part > 0 {
				if rest[n], err = s.Metrics.Query(ctx, item.QueryOver(part), now); err != nil {
					return fmt.Errorf("usage of %s: %w", item.Name, err)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	out := map[time.Time][]cost.Usage{}
	for n, item := range sheet.Items {
		for _, series := range past[n] {
			for _, p := range series.Points {
				at := p.At.UTC().Add(-costDay)
				out[at] = append(out[at], cost.Usage{Tenant: series.Labels["tenant"], Item: item.Name, Quantity: p.Value})
			}
		}
		for _, sample := range rest[n] {
			out[today] = append(out[today], cost.Usage{Tenant: sample.Labels["tenant"], Item: item.Name, Quantity: sample.Value})
		}
	}
	return out, nil
}

// series adds up what counts of each whole day.
func (d daily) series(counts func(allocation.Row) bool) []plan.Day {
	var out []plan.Day
	for _, day := range d.days {
		if day.at.Before(d.until) {
			out = append(out, plan.Day{At: day.at, Cost: sumOf(day.costs, counts), Seen: day.seen})
		}
	}
	return out
}

// today adds up what counts of the hours of today.
func (d daily) today(counts func(allocation.Row) bool) cost.Money {
	sum := cost.Round(new(big.Rat), d.sheet.Currency)
	for _, day := range d.days {
		if !day.at.Before(d.until) {
			sum = sum.Add(sumOf(day.costs, counts))
		}
	}
	return sum
}

func sumOf(a allocation.Allocation, counts func(allocation.Row) bool) cost.Money {
	sum := cost.Round(new(big.Rat), a.Currency)
	for _, r := range a.Rows {
		if counts(r) {
			sum = sum.Add(r.Cost)
		}
	}
	return sum
}

func every(allocation.Row) bool { return true }

// CostOutlook forecasts the month's end from the past weeks' days, and the months after it from user growth.
func (s *Service) CostOutlook(ctx context.Context, r plan.OutlookRequest) (plan.Outlook, error) {
	return ask(ctx, s, Analysis, "cost-outlook", func(ctx context.Context) (plan.Outlook, error) {
		d, err := s.daily(ctx, s.costsFrom(costHistory))
		if err != nil {
			return plan.Outlook{}, err
		}
		days := d.series(every)
		out := plan.Outlook{Currency: d.sheet.Currency, MonthEnd: plan.AtMonthEnd(days, d.sheet.Currency, d.until, costLevel, plan.Seasonal), Today: d.today(every),
			Growth: r.Growth, Path: []plan.Ahead{}, Missing: append([]string{}, d.missing...)}
		out.Fixed, out.Variable, out.Days = d.monthly()
		if r.Growth != nil {
			if out.Days == 0 {
				return plan.Outlook{}, fault.New(fault.Invalid, "no whole day was measured yet; growth needs one to start from")
			}
			if out.Path, err = plan.Grow(out.Fixed, out.Variable, d.sheet.Currency, r.Users, *r.Growth, s.now(), r.Months); err != nil {
				return plan.Outlook{}, err
			}
		}
		return out, nil
	})
}

// costsFrom is the midnight so many days ago, or the month's first where that is earlier.
func (s *Service) costsFrom(days int) time.Time {
	now := s.now()
	first := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	return earliest(first, now.Truncate(costDay).AddDate(0, 0, -days))
}

// monthly is what 30 days like the last whole ones cost.
func (d daily) monthly() (fixed, variable cost.Money, days int) {
	var sums [2]cost.Money
	for i := len(d.days) - 1; i >= 0 && days < 30; i-- {
		day := d.days[i]
		if day.seen < 0.95 || !day.at.Before(d.until) {
			continue
		}
		days++
		grows := func(r allocation.Row) bool { return r.Resource != allocation.Amount && r.Resource != allocation.Owed }
		sums[0] = sums[0].Add(sumOf(day.costs, func(r allocation.Row) bool { return !grows(r) }))
		sums[1] = sums[1].Add(sumOf(day.costs, grows))
	}
	scale := big.NewRat(30, int64(max(1, days)))
	of := func(m cost.Money) cost.Money { return cost.Round(new(big.Rat).Mul(m.Rat(), scale), d.sheet.Currency) }
	return of(sums[0]), of(sums[1]), days
}

// CostBudgets says how each cost budget stands, in order of names.
func (s *Service) CostBudgets(ctx context.Context) ([]cost.BudgetState, error) {
	return ask(ctx, s, Analysis, "cost-budgets", func(ctx context.Context) ([]cost.BudgetState, error) {
		out := []cost.BudgetState{}
		budgets := s.Definitions().CostBudgets()
		if len(budgets) == 0 {
			return out, nil
		}
		d, err := s.daily(ctx, s.costsFrom(costHistory))
		if err != nil {
			return nil, err
		}
		for _, b := range budgets {
			if b.Currency != "" && b.Currency != d.sheet.Currency {
				return nil, fault.New(fault.Invalid, "the budget %s is in %s and the price sheets in %s; amounts in different currencies cannot be compared", b.Name, b.Currency, d.sheet.Currency)
			}
			counts := func(r allocation.Row) bool {
				return b.Scope.Covers(cost.Scope{Tenant: r.Tenant, Team: r.Team, Service: r.Service, Namespace: r.Namespace, Region: r.Region})
			}
			end, today := plan.AtMonthEnd(d.series(counts), d.sheet.Currency, d.until, costLevel, plan.Seasonal), d.today(counts)
			var mean, low, high *cost.Money
			if end.Expected != nil {
				mean, low, high = &end.Expected.Mean, &end.Expected.Lower, &end.Expected.Upper
			}
			out = append(out, b.Evaluate(end.Spent.Add(today), mean, low, high))
		}
		return out, nil
	})
}

// CostAnomalies looks at so many days; level is the share of usual days, and days off by less than a whole unit of the
// currency are left out.
func (s *Service) CostAnomalies(ctx context.Context, days int, level float64) (plan.AnomalyReport, error) {
	return ask(ctx, s, Analysis, "cost-anomalies", func(ctx context.Context) (plan.AnomalyReport, error) {
		d, err := s.daily(ctx, s.now().Truncate(costDay).AddDate(0, 0, -days))
		if err != nil {
			return plan.AnomalyReport{}, err
		}
		parts := map[plan.Part]bool{}
		for _, day := range d.days {
			for _, r := range day.costs.Rows {
				parts[partOf(r)] = true
			}
		}
		out := plan.AnomalyReport{From: d.days[0].at, To: d.until, Level: level, Series: len(parts), Anomalies: []plan.Anomaly{}, Missing: append([]string{}, d.missing...)}
		least := cost.Round(big.NewRat(1, 1), d.sheet.Currency)
		for part := range parts {
			series := d.series(func(r allocation.Row) bool { return partOf(r) == part })
			out.Anomalies = append(out.Anomalies, plan.Anomalies(part, series, d.sheet.Currency, level, least)...)
		}
		plan.SortAnomalies(out.Anomalies)
		return out, nil
	})
}

// partOf is whose daily series a row belongs to; what has no service is told apart by its resource.
func partOf(r allocation.Row) plan.Part {
	return plan.Part{Service: cmp.Or(r.Service, string(r.Category)+" "+string(r.Resource)), Tenant: r.Tenant}
}

// CostSavings looks at so many days for requests far above use and nodes that nobody asks for.
func (s *Service) CostSavings(ctx context.Context, days int) (plan.SavingsReport, error) {
	return ask(ctx, s, Analysis, "cost-savings", func(ctx context.Context) (plan.SavingsReport, error) {
		sheet, err := cost.Combine(s.Definitions().PriceSheets())
		if err != nil {
			return plan.SavingsReport{}, err
		}
		if len(sheet.Rates) == 0 {
			return plan.SavingsReport{}, fault.New(fault.Invalid, "the price sheets have no rates; what could be smaller is priced by them")
		}
		to := s.now().Truncate(fleetStep)
		f, err := s.fleetIn(ctx, to.AddDate(0, 0, -days), to)
		if err != nil {
			return plan.SavingsReport{}, err
		}
		out := plan.SavingsReport{From: to.AddDate(0, 0, -days), To: to, Currency: sheet.Currency, Coverage: f.coverage, Monthly: cost.Round(new(big.Rat), sheet.Currency),
			Savings: plan.Savings(sheet, f.steps, plan.SavingOptions{Least: cost.Round(big.NewRat(1, 1), sheet.Currency)})}
		for _, saving := range out.Savings {
			out.Monthly = out.Monthly.Add(saving.Monthly)
		}
		return out, nil
	})
}

// CostWhatIf replays [from, to) with changes.
func (s *Service) CostWhatIf(ctx context.Context, from, to time.Time, set []string) (plan.Difference, error) {
	return ask(ctx, s, Analysis, "cost-what-if", func(ctx context.Context) (plan.Difference, error) {
		if len(set) == 0 {
			return plan.Difference{}, fault.New(fault.Invalid, "set: name at least one change, such as price.cpu=-10%%")
		}
		var changes []plan.Change
		for _, text := range set {
			c, err := plan.ParseChange(text)
			if err != nil {
				return plan.Difference{}, err
			}
			changes = append(changes, c)
		}
		spent, err := s.spent(ctx, from, to)
		if err != nil {
			return plan.Difference{}, err
		}
		d, err := plan.WhatIf(spent.input, changes)
		d.Changes = slices.Clone(set)
		return d, err
	})
}
