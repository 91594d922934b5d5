package service

import (
	"context"
	"math/big"
	"testing"
	"time"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestCostBudgetsAreShownWhileTheyAreKnown(t *testing.T) {
	t.Parallel()
	amount, _ := cost.ParseDecimal("1000")
	budget := cost.Budget{Name: "shop", Monthly: amount, Alerts: cost.DefaultAlerts()}
	budgets, asked := []cost.Budget{budget}, 0
	var failure error
	w := newCostWatch(prometheus.NewRegistry(), func() []cost.Budget { return budgets }, func(context.Context) ([]cost.BudgetState, error) {
		asked++
		expected := cost.Round(big.NewRat(1100, 1), "EUR")
		return []cost.BudgetState{budget.Evaluate(cost.Round(big.NewRat(600, 1), "EUR"), &expected, nil, nil)}, failure
	})
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	if err := w.look(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at, of string
		want   float64
	}{{"50", cost.Actual, 1}, {"80", cost.Actual, 0}, {"100", cost.Actual, 0}, {"100", cost.Forecast, 1}} {
		if got := testutil.ToFloat64(w.reached.WithLabelValues("shop", c.at, c.of)); got != c.want {
			t.Errorf("%s %% %s is %v, want %v", c.at, c.of, got, c.want)
		}
	}
	if spent, ahead := testutil.ToFloat64(w.spent.WithLabelValues("shop")), testutil.ToFloat64(w.expected.WithLabelValues("shop")); spent != 0.6 || ahead != 1.1 {
		t.Errorf("spent %v, expected %v", spent, ahead)
	}
	if err := w.look(t.Context(), now.Add(time.Minute)); err != nil || asked != 1 {
		t.Errorf("a minute later it was asked %d times, %v", asked, err)
	}
	failure = fault.New(fault.Unavailable, "the engine is away")
	if err := w.look(t.Context(), now.Add(costsStale)); !fault.Is(err, fault.Unavailable) || testutil.CollectAndCount(w.spent) != 0 {
		t.Errorf("a figure stands still while the engine is away: %v", err)
	}
	failure = fault.New(fault.NotFound, "no price sheet")
	if err := w.look(t.Context(), now.Add(costsStale)); err != nil {
		t.Errorf("without a price sheet: %v", err)
	}
	failure = nil
	if err := w.look(t.Context(), now.Add(costsStale)); err != nil || testutil.CollectAndCount(w.reached) != 4 {
		t.Errorf("it is back: %v", err)
	}
	budgets = nil
	if err := w.look(t.Context(), now.Add(2*costsStale)); err != nil || testutil.CollectAndCount(w.reached) != 0 {
		t.Errorf("a budget that was taken away is still shown: %v", err)
	}
}
