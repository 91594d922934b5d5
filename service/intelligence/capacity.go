package intelligence

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"time"

	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"golang.org/x/sync/errgroup"
)

// Defaults of a ForecastRequest.
const (
	DefaultHorizon = 24 * time.Hour
	DefaultStep    = 15 * time.Minute
	DefaultHistory = 14 * 24 * time.Hour
)

// mostSteps is how many points Prometheus answers for one series of a range query.
const mostSteps = 11_000

// ForecastRequest asks where a series is going. What is zero has its default.
type ForecastRequest struct {
	Query   string        // PromQL with one series as its result
	Horizon time.Duration // how far ahead
	Step    time.Duration // distance of the points
	History time.Duration // how far back to look
	Limit   *float64      // the value whose reaching is predicted; nil for none
	Level   float64       // of the prediction interval, in (0, 1); 0.9 unless set
}

// ForecastAnswer is where it is going.
type ForecastAnswer struct {
	Query    string            `json:"query"`
	At       time.Time         `json:"at"`     // when it was asked
	Labels   map[string]string `json:"labels"` // of the series
	Forecast forecast.Forecast `json:"forecast"`
	Limit    *float64          `json:"limit"`
	Reached  *Reached          `json:"reached"` // null where no limit was asked about
}

// Reached says when a limit is reached; null is not within the horizon.
type Reached struct {
	Mean     *time.Time `json:"mean"`
	Earliest *time.Time `json:"earliest"` // by the interval's side that gets there first
	Latest   *time.Time `json:"latest"`
}

// Forecast predicts the series of a query, with an interval, and when it reaches the limit. A query whose result is not
// exactly one series is a fault.Invalid that says how to make it one; so is a history that is too short.
func (s *Service) Forecast(ctx context.Context, r ForecastRequest) (ForecastAnswer, error) {
	return ask(ctx, s, Analysis, "forecast", func(ctx context.Context) (ForecastAnswer, error) {
		r.Horizon, r.Step = cmp.Or(r.Horizon, DefaultHorizon), cmp.Or(r.Step, DefaultStep)
		r.History, r.Level = cmp.Or(r.History, DefaultHistory), cmp.Or(r.Level, forecast.DefaultLevel)
		if r.Step <= 0 || r.History < r.Step || r.History/r.Step >= mostSteps {
			return ForecastAnswer{}, fault.New(fault.Invalid, "step: the history must be 1 to %d steps long", mostSteps-1)
		}
		now := s.now()
		one, err := s.oneSeries(ctx, r.Query, now.Add(-r.History), now, r.Step)
		if err != nil {
			return ForecastAnswer{}, err
		}
		f, err := forecast.SeasonalNaive(one.Points, forecast.Options{Step: r.Step, Horizon: r.Horizon, Level: r.Level, Now: now})
		if err != nil {
			return ForecastAnswer{}, err
		}
		answer := ForecastAnswer{Query: r.Query, At: now, Labels: one.Labels, Forecast: f, Limit: r.Limit}
		if r.Limit != nil {
			mean, first, last := f.Exhaustion(*r.Limit)
			answer.Reached = &Reached{Mean: timeOrNil(mean), Earliest: timeOrNil(first), Latest: timeOrNil(last)}
		}
		return answer, nil
	})
}

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

// outlook forecasts the workload's load; the zero Forecast where there is too little to go by.
func (s *Service) outlook(ctx context.Context, w autoscale.Workload, now time.Time) (forecast.Forecast, error) {
	found, err := s.Metrics.QueryRange(ctx, w.Load, now.Add(-w.History.Std()), now, w.Step())
	if err != nil || len(found) != 1 {
		return forecast.Forecast{}, err
	}
	f, err := forecast.SeasonalNaive(found[0].Points, forecast.Options{Step: w.Step(), Horizon: w.Horizon.Std(), Level: w.Level, Now: now})
	if fault.Is(err, fault.Invalid) {
		return forecast.Forecast{}, nil
	}
	return f, err
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

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}
