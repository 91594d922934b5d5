package intelligence

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"golang.org/x/sync/errgroup"
)

func (s *Service) oneSeries(ctx context.Context, query string, from, to time.Time, step time.Duration) (Series, error) {
	found, err := s.Metrics.QueryRange(ctx, query, from, to, step)
	if err != nil {
		return Series{}, err
	}
	switch len(found) {
	case 0:
		return Series{}, fault.New(fault.Invalid, "the query has no data in the history asked for; check it with the same span in Grafana or promtool")
	case 1:
		return found[0], nil
	}
	return Series{}, fault.New(fault.Invalid, "the query gives %d series, and a forecast is of one; aggregate them, such as sum(%s), or add label matchers", len(found), clip(query))
}

// Recommend says how many replicas a workload should have, and records that with its reason. Nothing is scaled. A
// history too short for a forecast is no error: the decision then rests on the load alone.
func (s *Service) Recommend(ctx context.Context, workload string) (autoscale.Decision, error) {
	return ask(ctx, s, Analysis, "recommend", func(ctx context.Context) (autoscale.Decision, error) {
		w, ok := s.Definitions().Workload(workload)
		if !ok {
			return autoscale.Decision{}, fault.New(fault.NotFound, "there is no workload %q", workload)
		}
		now := s.now()
		load, err := s.number(ctx, "load", w.RecentLoad(), now)
		if err != nil {
			return autoscale.Decision{}, err
		}
		replicas, err := s.number(ctx, "replicas", w.Replicas, now)
		if err != nil {
			return autoscale.Decision{}, err
		}
		f, err := s.outlook(ctx, w, now)
		if err != nil {
			return autoscale.Decision{}, err
		}
		current := -1
		if replicas >= 0 && replicas <= math.MaxInt32 {
			current = int(math.Round(replicas))
		}
		d := autoscale.Recommend(w, current, f, load, now)
		if err := s.Decisions.RecordDecision(ctx, d); err != nil {
			return autoscale.Decision{}, fmt.Errorf("record the recommendation: %w", err)
		}
		return d, nil
	})
}

// outlook forecasts the workload's load; the zero Forecast where there is too little to go by. Once in half of its horizon the
// forecast is kept, to be judged.
func (s *Service) outlook(ctx context.Context, w autoscale.Workload, now time.Time) (forecast.Forecast, error) {
	found, err := s.Metrics.QueryRange(ctx, w.Load, now.Add(-w.History.Std()), now, w.Step())
	if err != nil || len(found) != 1 {
		return forecast.Forecast{}, err
	}
	past := s.judged(ctx, w.Load, w.Step())
	adapted := forecast.Adapt(w.Level, forecast.Held(past))
	f, err := forecast.Make(found[0].Points, forecast.Options{Step: w.Step(), Horizon: w.Horizon.Std(), Level: adapted, Now: now})
	if fault.Is(err, fault.Invalid) {
		return forecast.Forecast{}, nil
	}
	if err != nil {
		return f, err
	}
	f.Level = w.Level
	if s.turn(w.Name, now, w.Horizon.Std()/2) {
		k := forecast.NewKept(f, now)
		k.By, k.Subject, k.Query, k.Labels = "workload:"+w.Name, w.Name, w.Load, found[0].Labels
		k.Inputs = forecast.Inputs{Step: manifest.Duration(w.Step()), Horizon: w.Horizon, History: w.History, Level: w.Level, Adapted: adapted}
		s.keep(ctx, k)
	}
	return f, nil
}

// turn reports whether it is time to keep a workload's forecast again, and if so begins the next span.
func (s *Service) turn(workload string, now time.Time, every time.Duration) bool {
	s.keptMu.Lock()
	defer s.keptMu.Unlock()
	if last, known := s.kept[workload]; known && now.Sub(last) < every {
		return false
	}
	s.kept[workload] = now
	return true
}

// number asks for a single number; NaN where there is none.
func (s *Service) number(ctx context.Context, what, query string, at time.Time) (float64, error) {
	found, err := s.Metrics.Query(ctx, query, at)
	if err != nil {
		return 0, fmt.Errorf("ask for the %s: %w", what, err)
	}
	switch len(found) {
	case 0:
		return math.NaN(), nil
	case 1:
		return found[0].Value, nil
	}
	return 0, fault.New(fault.Invalid, "the %s query gives %d series; it must give one, such as sum(...)", what, len(found))
}

// Cost returns what each tenant's usage cost in [from, to), by all price sheets together. A span that reaches beyond now
// ends now. A tenant sees its own rows, with the amounts they have in the full report. No price sheet is a
// fault.NotFound.
func (s *Service) Cost(ctx context.Context, scope access.Scope, from, to time.Time) (cost.Report, error) {
	return ask(ctx, s, Analysis, "cost", func(ctx context.Context) (cost.Report, error) {
		from, to := from.UTC(), earliest(to.UTC(), s.now())
		if !from.Before(to) {
			return cost.Report{}, fault.New(fault.Invalid, "from: must lie before the end and before now")
		}
		sheet, err := cost.Combine(s.Definitions().PriceSheets())
		if err != nil {
			return cost.Report{}, err
		}
		usage, err := s.usage(ctx, sheet, from, to)
		if err != nil {
			return cost.Report{}, err
		}
		report := cost.NewReport(sheet, usage, from, to)
		if !scope.IsOperator() {
			report = report.Only(scope.TenantName())
		}
		return report, nil
	})
}

// usage asks each item's query at the end of the period.
func (s *Service) usage(ctx context.Context, sheet cost.PriceSheet, from, to time.Time) ([]cost.Usage, error) {
	found := make([][]Sample, len(sheet.Items))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for n, item := range sheet.Items {
		group.Go(func() (err error) {
			if found[n], err = s.Metrics.Query(ctx, item.QueryOver(to.Sub(from)), to); err != nil {
				return fmt.Errorf("usage of %s: %w", item.Name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var usage []cost.Usage
	for n, item := range sheet.Items {
		for _, sample := range found[n] {
			usage = append(usage, cost.Usage{Tenant: sample.Labels["tenant"], Item: item.Name, Quantity: sample.Value})
		}
	}
	return usage, nil
}

func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}
