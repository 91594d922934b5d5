package slo

import (
	"math"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

func explained(t *testing.T, s SLO, rate float64) Explanation {
	t.Helper()
	e, err := s.Explain(rate)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func eventsSLO(objective Objective) SLO {
	return SLO{ID: "a-b", Service: "a", Name: "b", Objective: objective, SLI: SLI{ErrorQuery: `e{job="x"}`, TotalQuery: `t{job="x"}`}}
}

// The times are long x factor x budget / share, by hand; -1 is never.
func TestTimesToPageAreThoseOfTheFormula(t *testing.T) {
	t.Parallel()
	type row struct {
		all, tenth, hundredth, twice float64 // seconds
		budget                       float64 // per cent spent when it fires
	}
	week := eventsSLO(99)
	week.Window = Window{Rolling: 7 * day}
	month := eventsSLO(99.9)
	month.Window = Window{Calendar: "month"}
	for _, c := range []struct {
		name string
		slo  SLO
		want []row
	}{
		{"99.9 % over 30 days", eventsSLO(99.9), []row{
			{51.84, 518.4, -1, -1, 2}, {129.6, 1296, 12960, -1, 5}, {259.2, 2592, 25920, -1, 10}, {259.2, 2592, 25920, 129600, 10}}},
		{"99.9 % over a calendar month", month, []row{
			{51.84, 518.4, -1, -1, 2}, {129.6, 1296, 12960, -1, 5}, {259.2, 2592, 25920, -1, 10}, {259.2, 2592, 25920, 129600, 10}}},
		{"99 % over a week, whose windows are shorter", week, []row{
			{120.96, -1, -1, -1, 2}, {302.4, 3024, -1, -1, 5}, {604.8, 6048, -1, -1, 10}, {604.8, 6048, -1, 30240, 10}}},
		{"50 %, where the fast tiers fire at 95 %", eventsSLO(50), []row{{3420, -1, -1, 3420, 0}, {20520, -1, -1, 20520, 0}, {82080, -1, -1, 82080, 0}, {129600, -1, -1, 129600, 10}}},
	} {
		c.slo.Alerting.Guard = 1 // it would delay the slow ticket tier, see below
		e := explained(t, c.slo, 10)
		for i, want := range c.want {
			for j, after := range []float64{want.all, want.tenth, want.hundredth, want.twice} {
				got := e.Tiers[i].Faults[j]
				if got.Fires != (after >= 0) || got.Fires && math.Abs(got.AfterSeconds-after) > 0.01 || got.Guarded {
					t.Errorf("%s, %s at %v %%: %+v, want %v s", c.name, e.Tiers[i].Name, got.ErrorPercent, got, after)
				}
				if want.budget > 0 && got.Fires && math.Abs(got.BudgetPercent-want.budget) > 0.01 {
					t.Errorf("%s, %s: %v %% of the budget is gone, want %v", c.name, e.Tiers[i].Name, got.BudgetPercent, want.budget)
				}
			}
		}
	}
}

func TestWhatTheObjectiveAllows(t *testing.T) {
	t.Parallel()
	week := eventsSLO(99)
	week.Window = Window{Rolling: 7 * day}
	for _, c := range []struct {
		name string
		slo  SLO
		rate float64
		want Allowance
	}{
		{"99.9 % at 10 a second", eventsSLO(99.9), 10, Allowance{43.2, 43.2, 40.32, 44.64, 25920, 25920}},
		{"99 % over a week at one a minute", week, 1.0 / 60, Allowance{100.8, 432, 403.2, 446.4, 100.8, 432}},
		{"slices, one a minute whatever the rate", SLO{ID: "a-b", Objective: 99, SLI: SLI{Value: `x`, Op: "<", Bound: 1}}, 500, Allowance{432, 432, 403.2, 446.4, 432, 432}},
	} {
		got := explained(t, c.slo, c.rate).Allowance
		for i, pair := range [][2]float64{{got.WindowMinutes, c.want.WindowMinutes}, {got.ThirtyDaysMinutes, c.want.ThirtyDaysMinutes}, {got.ShortMonthMinutes, c.want.ShortMonthMinutes},
			{got.LongMonthMinutes, c.want.LongMonthMinutes}, {got.WindowFailures, c.want.WindowFailures}, {got.ThirtyDaysFailed, c.want.ThirtyDaysFailed}} {
			if math.Abs(pair[0]-pair[1]) > 1e-5 {
				t.Errorf("%s, figure %d: %v, want %v", c.name, i, pair[0], pair[1])
			}
		}
	}
}

// By hand with the guard's formula: e ln(e/mu) - e + mu + ln(4 pi)/2 > -ln(1e-4) = 9.2103.
func TestWhatFewEventsDo(t *testing.T) {
	t.Parallel()
	unguarded := eventsSLO(99.9)
	unguarded.Alerting.Guard = 1
	for _, c := range []struct {
		name                   string
		slo                    SLO
		rate                   float64
		failures, outage, most float64
	}{
		{"60 an hour expect 0.06: two are 6.34, three 10.06", eventsSLO(99.9), 1.0 / 60, 3, 2, 0},
		{"one an hour cannot fail twice in it", eventsSLO(99.9), 1.0 / 3600, 0, 2, 0},
		{"at 99.999 % one of nine has a chance of 0.9e-4; up to 13, of 1.3e-4, pass", eventsSLO(99.999), 9.0 / 3600, 1, 1, 13},
		{"without a guard one of 69 is above 1.44 %", unguarded, 69.0 / 3600, 1, 1, 69},
		{"and 36000 need 519, above 1.44 %", unguarded, 10, 519, 1, 69},
		{"which is what they need with it", eventsSLO(99.9), 10, 519, 2, 0},
	} {
		got := explained(t, c.slo, c.rate).LowTraffic
		if got.FailuresNeeded != c.failures || got.OutageNeeds != c.outage || got.SinglePagesUpTo != c.most {
			t.Errorf("%s: %+v, want %v, %v and %v", c.name, *got, c.failures, c.outage, c.most)
		}
	}
}

func TestTheGuardDelaysWhereLittleHappens(t *testing.T) {
	t.Parallel()
	// One a minute, of which a tenth fails: the guard asks for 2.78 failures, which takes 1668 s; by whole minutes after 518.4.
	got := explained(t, eventsSLO(99.9), 1.0/60).Tiers[0].Faults[1]
	if !got.Fires || !got.Guarded || math.Abs(got.AfterSeconds-1718.4) > 0.01 {
		t.Errorf("%+v", got)
	}
}

// A tier that fires at just the allowed rate waits for the guard even in much traffic: of 2592 failures that the
// objective expects of 2592000 events in three days, 2832 are the first beyond chance that come by whole minutes.
func TestTheSlowTicketWaitsUntilItIsBeyondChance(t *testing.T) {
	t.Parallel()
	tiers := explained(t, eventsSLO(99.9), 10).Tiers
	if tiers[0].Faults[0].Guarded || tiers[1].Faults[0].Guarded || tiers[2].Faults[0].Guarded {
		t.Errorf("the guard delays what is far beyond chance: %+v", tiers)
	}
	got := tiers[3].Faults[1]
	beyond := func(e float64) bool {
		const mu = 2592
		return e*math.Log(e/mu)-e+mu+math.Log(4*math.Pi)/2 > -math.Log(DefaultGuard)
	}
	if !got.Guarded || got.AfterSeconds != 2832 || !beyond(2832) || beyond(2772) {
		t.Errorf("%+v, by the formula %v", got, beyond(2832))
	}
}

func TestPagesEndByTheLastMinutesWhereEnoughHappens(t *testing.T) {
	t.Parallel()
	// Three minutes, or the short window's five, and 130 s until it is seen: scrape, settling, evaluation.
	for rate, want := range map[float64]float64{10: 310, 1.0 / 60: 430} {
		if got := explained(t, eventsSLO(99.9), rate).Tiers[0]; got.ResetSeconds != want || got.Faults[0].WithinSeconds-got.Faults[0].AfterSeconds != 130 && rate == 10 {
			t.Errorf("at %v a second: %+v, want %v s", rate, got, want)
		}
	}
}

func TestSlicesFailAsAWhole(t *testing.T) {
	t.Parallel()
	s := eventsSLO(99)
	s.Slices.Target = 95
	first := explained(t, s, 10).Tiers[0]
	if tenth, one := first.Faults[1], first.Faults[2]; !tenth.Fires || tenth.AfterSeconds != first.Faults[0].AfterSeconds || one.Fires {
		t.Errorf("a tenth fails every slice and a hundredth none: %+v", first.Faults)
	}
}

func TestAnExplanationNamesWhatIsThere(t *testing.T) {
	t.Parallel()
	s := eventsSLO(99.9)
	s.Objectives = []Target{{Name: "week", Objective: 99, Window: Window{Rolling: 7 * day}, PageOff: true}}
	e := explained(t, s, 10)
	if !e.NoData || e.NoDataSeconds != 180 || len(e.Further) != 1 || e.Further[0].NoData || len(e.Further[0].Tiers) != 2 || e.Further[0].LowTraffic != nil {
		t.Errorf("%+v", e)
	}
	composite := SLO{ID: "a-c", Service: "a", Name: "c", Objective: 99, SLI: SLI{Parts: []Part{{"a-x", 3}, {"a-y", 1}}}}
	if parts := explained(t, composite, 10).Parts; len(parts) != 2 || parts[0].SharePercent != 75 || parts[1].SharePercent != 25 {
		t.Errorf("%+v", parts)
	}
	for _, rate := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if _, err := s.Explain(rate); !fault.Is(err, fault.Invalid) {
			t.Errorf("a rate of %v is taken: %v", rate, err)
		}
	}
	s.Interval = 15 * time.Second
	if got := explained(t, s, 10).NoDataSeconds; got != 45 {
		t.Errorf("no data after %v s, want 45", got)
	}
}
