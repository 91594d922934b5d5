package plan_test

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/cost/allocation"
	"github.com/nines-sre/nines/capacity/cost/plan"
	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/internal/fault"
	"pgregory.net/rapid"
)

var november = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func dec(text string) cost.Decimal {
	d, ok := cost.ParseDecimal(text)
	if !ok {
		panic(text)
	}
	return d
}

func euros(text string) cost.Money {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic(text)
	}
	return cost.Round(r, "EUR")
}

// days makes days of those amounts, the first at from; a negative amount is a day that was not seen.
func days(from time.Time, amounts ...float64) []plan.Day {
	var out []plan.Day
	for i, a := range amounts {
		d := plan.Day{At: from.AddDate(0, 0, i), Seen: 1}
		if a < 0 {
			d.Seen, a = 0.2, 0
		}
		d.Cost = euros(fmt.Sprint(a))
		out = append(out, d)
	}
	return out
}

func flat(mean, lower, upper float64) plan.Predict {
	return func(_ []forecast.Point, now time.Time, n int, _ float64) ([]forecast.Predicted, error) {
		var out []forecast.Predicted
		for i := range n {
			out = append(out, forecast.Predicted{At: now.AddDate(0, 0, i+1), Mean: mean, Lower: lower, Upper: upper})
		}
		return out, nil
	}
}

func TestAMonthEndsWithWhatWasSpentAndWhatIsExpectedOfTheRest(t *testing.T) {
	t.Parallel()
	history := days(november.AddDate(0, 0, -2), 100, 100, 10, 20, 30) // two days of October, three of November
	m := plan.AtMonthEnd(history, "EUR", november.AddDate(0, 0, 3), 0.9, flat(10, -5, 12))
	if m.Month != "2026-11" || m.Spent.String() != "60.00" || m.Expected == nil || m.History != 5 {
		t.Fatalf("got %+v", m)
	}
	if got := fmt.Sprint(m.Expected.Mean, m.Expected.Lower, m.Expected.Upper); got != "330.00 60.00 384.00" { // 27 days to go; no day earns money
		t.Errorf("got %s", got)
	}
}

func TestDaysThatWereNotSeenAreNotForecastFrom(t *testing.T) {
	t.Parallel()
	var asked []forecast.Point
	predict := func(points []forecast.Point, now time.Time, n int, level float64) ([]forecast.Predicted, error) {
		asked = points
		if want := november.AddDate(0, 0, 3); !now.Equal(want) || n != 26 {
			t.Errorf("asked for %d days from %v", n, now)
		}
		return flat(1, 1, 1)(points, now, n, level)
	}
	// The last day was hardly seen: the forecast starts a day earlier and its first day is left out.
	m := plan.AtMonthEnd(days(november, 1, 1, 1, 1, -1), "EUR", november.AddDate(0, 0, 5), 0.9, predict)
	if len(asked) != 4 || m.Expected.Mean.String() != "29.00" { // 4, nothing for the day not seen, 25 to go
		t.Errorf("%d points, expected %s", len(asked), m.Expected.Mean)
	}
}

func TestWithoutEnoughDaysThereIsNoEstimateAndItIsSaidWhy(t *testing.T) {
	t.Parallel()
	m := plan.AtMonthEnd(days(november, 5, -1), "EUR", november.AddDate(0, 0, 2), 0.9, flat(1, 1, 1))
	if m.Expected != nil || m.Why == "" || m.Spent.String() != "5.00" {
		t.Errorf("got %+v", m)
	}
	refuse := func([]forecast.Point, time.Time, int, float64) ([]forecast.Predicted, error) {
		return nil, fault.Wrap(fault.Invalid, errors.New("x"), "too little history")
	}
	if m := plan.AtMonthEnd(days(november, 1, 1, 1), "EUR", november.AddDate(0, 0, 3), 0.9, refuse); m.Expected != nil || m.Why != "too little history" {
		t.Errorf("got %+v", m)
	}
}

func TestTheSeasonalForecastOfAFlatMonthIsFlat(t *testing.T) {
	t.Parallel()
	m := plan.AtMonthEnd(days(november.AddDate(0, 0, -28), append(repeat(28, 7), repeat(10, 7)...)...), "EUR", november.AddDate(0, 0, 10), 0.9, plan.Seasonal)
	if m.Expected == nil || m.Expected.Mean.String() != "210.00" {
		t.Errorf("got %+v: %s", m.Expected, m.Why)
	}
}

func repeat(n int, x float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = x
	}
	return out
}

func TestGrowthIsPlainArithmetic(t *testing.T) {
	t.Parallel()
	g := plan.Growth{Low: dec("0"), Expected: dec("10"), High: dec("20")}
	path, err := plan.Grow(euros("100"), euros("1000"), "EUR", 500, g, november, 12)
	if err != nil || len(path) != 12 {
		t.Fatal(err)
	}
	first, third := path[0], path[2]
	if got := fmt.Sprint(first.Month, " ", first.Lower, " ", first.Mean, " ", first.Upper, " ", *first.Users); got != "2026-12 1100.00 1200.00 1300.00 550" {
		t.Errorf("the first month is %s", got)
	}
	if got := fmt.Sprint(third.Month, " ", third.Lower, " ", third.Mean, " ", third.Upper, " ", *third.Users); got != "2027-02 1100.00 1431.00 1828.00 666" {
		t.Errorf("the third month is %s", got) // 1.1³ and 1.2³; 665.5 users round to the even 666
	}
	for _, bad := range []plan.Growth{{Low: dec("5"), Expected: dec("1"), High: dec("9")}, {Low: dec("-101"), Expected: dec("1"), High: dec("9")}, {High: dec("1001")}} {
		if _, err := plan.Grow(euros("1"), euros("1"), "EUR", 0, bad, november, 12); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := plan.Grow(euros("1"), euros("1"), "EUR", 0, g, november, 37); !fault.Is(err, fault.Invalid) {
		t.Errorf("37 months: %v", err)
	}
}

func TestADayThatStandsOutIsAnAnomalyAndChanceIsRare(t *testing.T) {
	t.Parallel()
	part := plan.Part{Service: "shop", Tenant: "acme"}
	amounts := make([]float64, 60)
	for i := range amounts {
		amounts[i] = 100 + 40*float64(i%7/5) + float64(i*7919%11) // weekends are dearer
	}
	amounts[55] = 250
	found := plan.Anomalies(part, days(november, amounts...), "EUR", 0.97, euros("1"))
	if len(found) != 1 || !found[0].At.Equal(november.AddDate(0, 0, 55)) || found[0].Off.Sign() <= 0 || found[0].P > 0.03 || found[0].Tenant != "acme" {
		t.Errorf("got %+v", found)
	}
	if few := plan.Anomalies(part, days(november, append(repeat(10, 5), 500)...), "EUR", 0.95, euros("1")); len(few) != 0 {
		t.Errorf("ten days tell nothing, but %+v", few)
	}
	cheap := make([]float64, 60)
	for i := range cheap {
		cheap[i] = amounts[i] / 1000
	}
	if small := plan.Anomalies(part, days(november, cheap...), "EUR", 0.97, euros("1")); len(small) != 0 {
		t.Errorf("cents are told: %+v", small)
	}
}

func TestDaysThatCanBeExchangedAreAnomaliesAsOftenAsTheLevelSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(50, 150), 200, 200).Draw(t, "days")
		found := plan.Anomalies(plan.Part{}, days(november, values...), "EUR", 0.95, euros("0.01"))
		if len(found) > 45 { // 10 of 193 are expected
			t.Fatalf("%d of 200 days stand out", len(found))
		}
		for _, a := range found {
			if a.P > 0.05+1e-9 || !a.Cost.Sub(a.Expected).Equal(a.Off) {
				t.Fatalf("got %+v", a)
			}
		}
	})
}

var (
	place  = cost.Place{Provider: "gcp", Region: "eu", InstanceType: "n2"}
	prices = cost.PriceSheet{Name: "cloud", Currency: "EUR", Rates: []cost.Rate{
		{Resource: cost.CPU, Price: dec("0.10")}, {Resource: cost.RAM, Price: dec("0.01")},
		{Resource: cost.CPU, Price: dec("0.20"), Place: cost.Place{Region: "us"}},
	}}
)

func steps(hours int, fill func(i int, s *allocation.Step)) []allocation.Step {
	var out []allocation.Step
	for i := range hours {
		s := allocation.Step{From: november.Add(time.Duration(i) * time.Hour), To: november.Add(time.Duration(i+1) * time.Hour)}
		fill(i, &s)
		out = append(out, s)
	}
	return out
}

func shopFleet(nodes int) []allocation.Step {
	return steps(48, func(i int, s *allocation.Step) {
		for n := range nodes {
			s.Nodes = append(s.Nodes, allocation.Node{Name: fmt.Sprint("n", n), CPU: 8, RAM: 32, Place: place})
		}
		usage := 1.0
		if i%20 == 19 {
			usage = 2 // one hour in twenty, which is just within the P95
		}
		s.Containers = []allocation.Container{
			{Node: "n0", Owner: allocation.Owner{Tenant: "acme", Service: "shop", Namespace: "shop"}, CPU: allocation.Need{Request: 4, Usage: usage}, RAM: allocation.Need{Request: 8, Usage: 7.9}},
			{Node: "n0", Owner: allocation.Owner{Tenant: "globex", Service: "api", Namespace: "api"}, CPU: allocation.Need{Request: 1, Usage: 0.95}},
		}
	})
}

func TestSavingsHaveTheirEvidence(t *testing.T) {
	t.Parallel()
	found := plan.Savings(prices, shopFleet(3), plan.SavingOptions{Least: euros("1")})
	var got []string
	for _, s := range found {
		got = append(got, fmt.Sprintf("%s %s %s have %.2f need %.2f p95 %.2f over %d h saves %s", s.Kind, s.Service, s.Resource, s.Have, s.Need, s.P95, s.Hours, s.Monthly))
	}
	want := []string{
		// Of three nodes the CPU is asked for to 5 of 24; one node would do at 85 %. Two nodes of 8 vCPUs and 32 GiB: 2·(0.8+0.32)·720.
		"idle  node have 3.00 need 1.00 p95 0.21 over 48 h saves 1612.80",
		"oversized shop cpu have 4.00 need 1.15 p95 1.00 over 48 h saves 205.20",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if few := plan.Savings(prices, shopFleet(3)[:10], plan.SavingOptions{}); len(few) != 0 {
		t.Errorf("ten hours are no evidence, but %+v", few)
	}
}

func input() allocation.Input {
	return allocation.Input{Sheet: prices, From: november, To: november.Add(48 * time.Hour), Steps: shopFleet(1)}
}

func TestWhatIfReplaysThePeriod(t *testing.T) {
	t.Parallel()
	total := allocation.Make(input()).Total // 48 · (0.8 + 0.32) = 53.76
	for _, c := range []struct{ change, want string }{
		{"price.cpu=-50%", "34.56"}, {"price.cpu=0.2", "92.16"}, {"region=us", "92.16"}, {"region.eu=us", "92.16"}, {"region.us=eu", "53.76"},
		{"growth=100%", "107.52"}, {"growth=x0.5", "26.88"}, {"replicas.shop=x2", "107.52"}, // RAM doubles, and with it the nodes
		{"replicas.api=x6", "107.52"}, // 5 vCPUs become 10
		{"commitment.cpu=4@0.01", "36.48"},
	} {
		change, err := plan.ParseChange(c.change)
		if err != nil {
			t.Fatal(err)
		}
		in := input()
		d, err := plan.WhatIf(in, []plan.Change{change})
		if err != nil || d.After.Total.String() != c.want || !d.Before.Total.Equal(total) {
			t.Errorf("%s: %s before %s, want %s (%v)", c.change, d.After.Total, d.Before.Total, c.want, err)
		}
		if diff := cmp.Diff(input().Steps, in.Steps); diff != "" {
			t.Errorf("%s changed the input: %s", c.change, diff)
		}
		last := d.Rows[len(d.Rows)-1]
		if last.Name != "total" || !last.Change.Equal(d.After.Total.Sub(d.Before.Total)) {
			t.Errorf("%s: the last row is %+v", c.change, last)
		}
	}
}

func TestWhatIsNoChangeIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "price=1", "price.cpu", "price.cpu=cheap", "price.cpu=-101%", "growth.x=1%", "growth=20", "growth=x1001", "replicas.shop=3",
		"region=", "commitment.cpu=40", "commitment.storage=1@1", "commitment.cpu=0@1", "weather=sunny"} {
		if _, err := plan.ParseChange(text); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"price.gpu=1", "replicas.nobody=x2"} {
		c, err := plan.ParseChange(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := plan.WhatIf(input(), []plan.Change{c}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestNoChangeChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{"price.cpu=0%", "growth=x1", "replicas.shop=+0%", "region.moon=us"}).Draw(t, "change")
		c, err := plan.ParseChange(text)
		if err != nil {
			t.Fatal(err)
		}
		d, err := plan.WhatIf(input(), []plan.Change{c, c})
		if err != nil || !d.Before.Total.Equal(d.After.Total) {
			t.Fatalf("%s: %v to %v, %v", text, d.Before.Total, d.After.Total, err)
		}
	})
}

func FuzzParseChange(f *testing.F) {
	for _, seed := range []string{"price.cpu=-10%", "region.a=b", "replicas.shop=x2", "growth=20%", "commitment.cpu=40@0.02"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := plan.ParseChange(text)
		if err != nil {
			return
		}
		if d, err := plan.WhatIf(input(), []plan.Change{c}); err == nil && d.After.Total.Sign() < 0 {
			t.Errorf("%q: it costs %s", text, d.After.Total)
		}
	})
}
