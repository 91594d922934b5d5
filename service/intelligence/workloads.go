package intelligence

import (
	"context"
	"math"
	"time"

	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/internal/fault"
	"golang.org/x/sync/errgroup"
)

// WorkloadOutlook is how a workload's load goes, where it is going, and what that asks for.
type WorkloadOutlook struct {
	Workload autoscale.Workload
	At       time.Time
	Load     []forecast.Point  // of the time shown, on the grid of the forecast
	Replicas []forecast.Point  // beside it
	Forecast forecast.Forecast // over at least a day; the zero Forecast where there is too little history
	Held     *Held             // how the last forecasts came out; nil where none has been judged
	Decision autoscale.Decision
}

// shownAhead is how far a workload's page looks, where its horizon is shorter.
const shownAhead = 24 * time.Hour

// WorkloadOutlook answers how a workload goes. Nothing is recorded.
func (s *Service) WorkloadOutlook(ctx context.Context, workload string) (WorkloadOutlook, error) {
	return ask(ctx, s, Analysis, "workload", func(ctx context.Context) (WorkloadOutlook, error) {
		w, ok := s.Definitions().Workload(workload)
		if !ok {
			return WorkloadOutlook{}, fault.New(fault.NotFound, "there is no workload %q", workload)
		}
		out := WorkloadOutlook{Workload: w, At: s.now()}
		load, current := math.NaN(), -1
		group, asking := errgroup.WithContext(ctx)
		group.Go(func() (err error) {
			found, err := s.Metrics.QueryRange(asking, w.Load, out.At.Add(-w.History.Std()), out.At, w.Step())
			if err == nil && len(found) == 1 {
				out.Load = found[0].Points
			}
			return err
		})
		group.Go(func() error {
			found, err := s.Metrics.QueryRange(asking, w.Replicas, out.At.Add(-w.History.Std()), out.At, w.Step())
			if err == nil && len(found) == 1 {
				out.Replicas = found[0].Points
			}
			return err
		})
		group.Go(func() (err error) {
			load, err = s.number(asking, "load", w.RecentLoad(), out.At)
			return err
		})
		group.Go(func() error {
			n, err := s.number(asking, "replicas", w.Replicas, out.At)
			if n >= 0 && n <= math.MaxInt32 {
				current = int(math.Round(n))
			}
			return err
		})
		if err := group.Wait(); err != nil {
			return WorkloadOutlook{}, err
		}
		past := s.judged(ctx, w.Load, w.Step())
		out.Held = heldBefore(past)
		f, err := s.looking(w, out.Load, forecast.Held(past), out.At)
		if err != nil {
			return WorkloadOutlook{}, err
		}
		out.Forecast = f
		out.Decision = autoscale.Recommend(w, current, f, load, out.At)
		return out, nil
	})
}

// looking forecasts as far ahead as is shown, and where the history is too short for that, as far as is decided about.
func (s *Service) looking(w autoscale.Workload, load []forecast.Point, held []float64, now time.Time) (forecast.Forecast, error) {
	for _, ahead := range []time.Duration{max(shownAhead, w.Horizon.Std()), w.Horizon.Std()} {
		f, err := forecast.Make(load, forecast.Options{Step: w.Step(), Horizon: ahead, Level: forecast.Adapt(w.Level, held), Now: now})
		if err == nil {
			f.Level = w.Level
			return f, nil
		}
		if !fault.Is(err, fault.Invalid) {
			return forecast.Forecast{}, err
		}
	}
	return forecast.Forecast{}, nil
}
