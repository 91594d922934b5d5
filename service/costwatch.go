package service

import (
	"context"
	"fmt"
	"time"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	jobCosts   = "watch-cost-budgets"
	costsEvery = time.Minute
	costsStale = 15 * time.Minute // a look at weeks of usage is long, and a budget is spent in days
)

// costWatch shows how cost budgets stand as metrics, of which the rule CostBudgetReached makes alerts. Every replica looks for
// itself, so that no figure of one that looked long ago stands beside those of the others.
type costWatch struct {
	budgets  func() []cost.Budget
	ask      func(context.Context) ([]cost.BudgetState, error)
	spent    *prometheus.GaugeVec
	expected *prometheus.GaugeVec
	reached  *prometheus.GaugeVec
	due      time.Time
}

func newCostWatch(registry prometheus.Registerer, budgets func() []cost.Budget, ask func(context.Context) ([]cost.BudgetState, error)) *costWatch {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, append([]string{"budget"}, labels...))
	}
	w := &costWatch{budgets: budgets, ask: ask,
		spent:    gauge("nines_cost_budget_spent_ratio", "What was spent of the month's cost budget; 1 is all of it."),
		expected: gauge("nines_cost_budget_expected_ratio", "What the month is expected to spend of its cost budget; absent where there is too little to forecast from."),
		reached:  gauge("nines_cost_budget_reached", "1 while the alert of a cost budget is reached, else 0; at is in per cent, of is actual or forecast.", "at", "of"),
	}
	registry.MustRegister(w.spent, w.expected, w.reached)
	return w
}

// look asks how the budgets stand where the last answer is old. An answer that does not come leaves the metrics away: a figure
// that stands still would look like one that was measured.
func (w *costWatch) look(ctx context.Context, now time.Time) error {
	if now.Before(w.due) {
		return nil
	}
	if len(w.budgets()) == 0 {
		w.show(nil)
		return nil
	}
	states, err := w.ask(ctx)
	if err != nil {
		w.show(nil)
		if fault.Is(err, fault.NotFound) {
			return nil // budgets without a price sheet yet
		}
		return fmt.Errorf("ask how cost budgets stand: %w", err)
	}
	w.due = now.Add(costsStale)
	w.show(states)
	return nil
}

func (w *costWatch) show(states []cost.BudgetState) {
	for _, v := range []*prometheus.GaugeVec{w.spent, w.expected, w.reached} {
		v.Reset()
	}
	for _, s := range states {
		w.spent.WithLabelValues(s.Budget.Name).Set(s.Share)
		if s.Ahead != nil {
			w.expected.WithLabelValues(s.Budget.Name).Set(*s.Ahead)
		}
		for _, a := range s.Alerts {
			reached := 0.0
			if a.Reached {
				reached = 1
			}
			w.reached.WithLabelValues(s.Budget.Name, a.At.String(), a.Of).Set(reached)
		}
	}
}

// watchCosts is the watch as periodic work.
func (p *plane) watchCosts() func(context.Context) error {
	w := newCostWatch(p.telemetry.Registry, func() []cost.Budget { return p.definitions.Catalog().CostBudgets() }, p.intelligence.CostBudgets)
	return func(ctx context.Context) error { return w.look(ctx, time.Now().UTC()) }
}
