package allocation_test

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/cost/allocation"
	"pgregory.net/rapid"
)

var (
	from = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	gcp  = cost.Place{Provider: "gcp", Region: "eu"}
)

func dec(text string) cost.Decimal {
	d, ok := cost.ParseDecimal(text)
	if !ok {
		panic(text)
	}
	return d
}

func rate(r cost.Resource, price string, place cost.Place) cost.Rate {
	return cost.Rate{Resource: r, Price: dec(price), Per: dec("1"), Place: place}
}

// hours makes so many hourly steps, each of which fill completes.
func hours(n int, fill func(hour int, s *allocation.Step)) []allocation.Step {
	var out []allocation.Step
	for i := range n {
		s := allocation.Step{From: from.Add(time.Duration(i) * time.Hour), To: from.Add(time.Duration(i+1) * time.Hour)}
		fill(i, &s)
		out = append(out, s)
	}
	return out
}

func lines(a allocation.Allocation) []string {
	var out []string
	for _, r := range a.Rows {
		out = append(out, strings.Join(strings.Fields(fmt.Sprint(r.Category, " ", r.Tenant, " ", r.Service, " ", r.Resource, " ", r.From, " ", r.Cost)), " "))
	}
	return out
}

func TestANodesPriceIsSplitAsTheSpecificationSays(t *testing.T) {
	t.Parallel()
	got := allocation.SplitNode(big.NewRat(35, 1), [3]*big.Rat{big.NewRat(30, 1), big.NewRat(30, 1), big.NewRat(10, 1)})
	for i, want := range []int64{15, 15, 5} {
		if got[i].Cmp(big.NewRat(want, 1)) != 0 {
			t.Errorf("part %d is %v, want %d", i, got[i], want)
		}
	}
}

func TestEachContainerIsBilledForTheLargerOfRequestAndUsage(t *testing.T) {
	t.Parallel()
	sheet := cost.PriceSheet{Currency: "USD", Rates: []cost.Rate{rate(cost.CPU, "1", cost.Place{}), rate(cost.RAM, "0.5", cost.Place{})}}
	a := allocation.Make(allocation.Input{Sheet: sheet, From: from, To: from.Add(2 * time.Hour), Steps: hours(2, func(hour int, s *allocation.Step) {
		s.Nodes = []allocation.Node{{Name: "n", CPU: 8, RAM: 16}}
		s.Containers = []allocation.Container{
			// In the first hour it uses more than it asked for, in the second less: 3 and 2 vCPU-hours, not max(4, 4).
			{Node: "n", Owner: allocation.Owner{Tenant: "acme", Service: "shop"}, CPU: allocation.Need{Request: 2, Usage: 3 - 2*float64(hour)}, RAM: allocation.Need{Request: 4, Usage: math.NaN()}},
			{Node: "n", Owner: allocation.Owner{Tenant: "globex", Service: "shop"}, CPU: allocation.Need{Usage: 1}},
		}
	})})
	want := []string{"workload acme shop cpu 5.00", "workload acme shop ram 4.00", "workload globex shop cpu 2.00", "idle cpu 9.00", "idle ram 12.00"}
	if diff := cmp.Diff(want, lines(a)); diff != "" || a.Total.String() != "32.00" || a.Idle.String() != "21.00" {
		t.Errorf("total %s, idle %s\n%s", a.Total, a.Idle, diff)
	}
}

func TestANodeThatIsOvercommittedHasNoIdleCostAndIsPaidOnce(t *testing.T) {
	t.Parallel()
	sheet := cost.PriceSheet{Currency: "USD", Rates: []cost.Rate{rate(cost.CPU, "1", cost.Place{})}}
	a := allocation.Make(allocation.Input{Sheet: sheet, From: from, To: from.Add(time.Hour), Steps: hours(1, func(_ int, s *allocation.Step) {
		s.Nodes = []allocation.Node{{Name: "n", CPU: 9}, {Name: "n", CPU: 9}} // seen by two exporters
		for _, tenant := range []string{"a", "b"} {
			s.Containers = append(s.Containers, allocation.Container{Node: "n", Owner: allocation.Owner{Tenant: tenant}, CPU: allocation.Need{Usage: 10}})
		}
	})})
	if diff := cmp.Diff([]string{"workload a cpu 4.50", "workload b cpu 4.50"}, lines(a)); diff != "" {
		t.Error(diff)
	}
}

func TestAPriceThatChangesWithinAnHourIsPaidPiecewise(t *testing.T) {
	t.Parallel()
	old, young := rate(cost.CPU, "1", cost.Place{}), rate(cost.CPU, "3", cost.Place{})
	old.To, young.From = from.Add(15*time.Minute), from.Add(15*time.Minute)
	storage := rate(cost.Storage, "4", cost.Place{})
	storage.To = from.Add(30 * time.Minute)
	free := rate(cost.Storage, "0", cost.Place{})
	free.From = storage.To
	a := allocation.Make(allocation.Input{Sheet: cost.PriceSheet{Currency: "USD", Rates: []cost.Rate{old, young, storage, free}},
		From: from, To: from.Add(time.Hour), Steps: hours(1, func(_ int, s *allocation.Step) {
			s.Nodes = []allocation.Node{{Name: "n", CPU: 4}}
			s.Containers = []allocation.Container{{Node: "n", Owner: allocation.Owner{Tenant: "a"}, CPU: allocation.Need{Request: 2}}}
			s.Meters = []allocation.Meter{{Owner: allocation.Owner{Tenant: "a"}, Resource: cost.Storage, Quantity: 10}}
		})})
	want := []string{"workload a cpu 5.00", "workload a storage 20.00", "idle cpu 5.00"} // 2 at 1/4·1 + 3/4·3
	if diff := cmp.Diff(want, lines(a)); diff != "" {
		t.Error(diff)
	}
}

func TestSharedCostsAreDividedAsTheSheetSays(t *testing.T) {
	t.Parallel()
	sheet := cost.PriceSheet{Currency: "USD", Rates: []cost.Rate{rate(cost.CPU, "1", cost.Place{})}, Shared: []cost.Shared{
		{Name: "even", Monthly: dec("720"), Split: cost.Even}, // a dollar an hour in November
		{Name: "custom", Monthly: dec("720"), Split: cost.Custom, Weights: map[string]cost.Decimal{"a": dec("1"), "sleeper": dec("3")}},
		{Name: "platform", Namespaces: []string{"kube-system"}, Split: cost.Proportional},
		{Name: "measured", Monthly: dec("720"), Split: cost.Custom, Query: "x"},
	}, Overhead: []cost.Shared{{Name: "control-plane", Monthly: dec("360"), Split: cost.Nobody}}}
	in := allocation.Input{Sheet: sheet, From: from, To: from.Add(time.Hour), Weights: map[string]map[string]float64{"measured": {"b": 5}},
		Credits: []allocation.Credit{{Tenant: "a", Service: "shop", Amount: big.NewRat(5, 2)}},
		Steps: hours(1, func(_ int, s *allocation.Step) {
			s.Nodes = []allocation.Node{{Name: "n", CPU: 10}}
			for tenant, cpu := range map[string]float64{"a": 3, "b": 1, "": 2} {
				s.Containers = append(s.Containers, allocation.Container{Node: "n", Owner: allocation.Owner{Tenant: tenant}, CPU: allocation.Need{Request: cpu}})
			}
			s.Containers = append(s.Containers, allocation.Container{Node: "n", Owner: allocation.Owner{Namespace: "kube-system"}, CPU: allocation.Need{Request: 2}})
		})}
	a := allocation.Make(in)
	want := []string{
		"workload cpu 2.00", "workload a cpu 3.00", "workload b cpu 1.00", "idle cpu 2.00",
		"shared a amount custom 0.25", "shared a amount even 0.50", "shared a cpu platform 1.50",
		"shared b amount even 0.50", "shared b amount measured 1.00", "shared b cpu platform 0.50", "shared sleeper amount custom 0.75",
		"overhead amount control-plane 0.50", "overhead a shop sla-credit 2.50",
	}
	if diff := cmp.Diff(want, lines(a)); diff != "" {
		t.Error(diff)
	}
	in.Sheet.Idle = cost.Proportional
	shared := allocation.Make(in)
	if diff := cmp.Diff(a.Total.String(), shared.Total.String()); diff != "" || shared.Idle.String() != "2.00" {
		t.Errorf("idle cost that is shared: %s, total %s", shared.Idle, diff)
	}
	for _, s := range shared.View(allocation.ByTenant) {
		if want := map[string]string{"a": "1.50", "b": "0.50", "": "0.00", "sleeper": "0.00"}[s.Name]; s.Idle.String() != want {
			t.Errorf("%q gets %s of the idle cost, want %s", s.Name, s.Idle, want)
		}
	}
}

func TestACommitmentIsPaidWholeAndUsedFirst(t *testing.T) {
	t.Parallel()
	term := cost.Effective{From: from, To: from.Add(100 * time.Hour)}
	sheet := cost.PriceSheet{Currency: "USD", Rates: []cost.Rate{rate(cost.CPU, "1", cost.Place{})}, Commitments: []cost.Commitment{
		{Name: "half-price", Resource: cost.CPU, Quantity: dec("6"), Upfront: dec("200"), Hourly: dec("1"), Effective: term}, // 3 an hour for 6
	}}
	run := func(cpu float64) allocation.Allocation {
		return allocation.Make(allocation.Input{Sheet: sheet, From: from, To: from.Add(time.Hour), Steps: hours(1, func(_ int, s *allocation.Step) {
			s.Nodes = []allocation.Node{{Name: "n", CPU: cpu}}
			s.Containers = []allocation.Container{{Node: "n", Owner: allocation.Owner{Tenant: "a"}, CPU: allocation.Need{Request: cpu}}}
		})})
	}
	for cpu, want := range map[float64][]string{
		8: {"workload a cpu 5.00"}, // 6 at 0.50 and 2 at 1
		6: {"workload a cpu 3.00"},
		4: {"workload a cpu 2.00", "idle cpu half-price 1.00"}, // two of six are paid for and not there
	} {
		if diff := cmp.Diff(want, lines(run(cpu))); diff != "" {
			t.Errorf("%v vCPUs: %s", cpu, diff)
		}
	}
}

func TestWhatHasNoPriceIsToldAndNotCounted(t *testing.T) {
	t.Parallel()
	a := allocation.Make(allocation.Input{Sheet: cost.PriceSheet{Currency: "USD", Rates: []cost.Rate{rate(cost.CPU, "1", cost.Place{})}}, From: from, To: from.Add(time.Hour),
		Items: []cost.Usage{{Tenant: "a", Item: "nonsense", Quantity: 1}},
		Steps: hours(1, func(_ int, s *allocation.Step) {
			s.Nodes = []allocation.Node{{Name: "n", CPU: 1, RAM: 4, Place: gcp}}
			s.Containers = []allocation.Container{{Node: "gone", Owner: allocation.Owner{Tenant: "a"}, CPU: allocation.Need{Request: 2}, GPU: allocation.Need{Request: 1}}}
			s.Meters = []allocation.Meter{{Resource: cost.Egress, Class: cost.Internet, Quantity: 5}}
		})})
	if diff := cmp.Diff([]string{"workload a cpu 2.00", "idle cpu 1.00"}, lines(a)); diff != "" {
		t.Error(diff)
	}
	all := strings.Join(a.Skipped, "\n")
	for _, want := range []string{"ram of nodes in gcp, eu is not priced", "gpu of containers whose node was not seen is not priced", "cpu of containers whose node was not seen is priced by the default rate", "egress internet", "nonsense"} {
		if !strings.Contains(all, want) {
			t.Errorf("nothing says %q in\n%s", want, all)
		}
	}
}

func TestUnitCostsAreExact(t *testing.T) {
	t.Parallel()
	u := allocation.PerUnit("a", "shop", cost.Round(big.NewRat(1, 1), "USD"), allocation.Requests{Total: 3000, Good: 0})
	if u.PerRequest.String() != "0.000333333" || u.PerGood != nil {
		t.Errorf("got %v and %v", u.PerRequest, u.PerGood)
	}
}

// fleet draws a random fleet with random prices, commitments and shared costs.
func fleet(t *rapid.T) allocation.Input {
	price := rapid.Custom(func(t *rapid.T) cost.Decimal { return dec(rapid.StringMatching(`[0-9]\.[0-9]{1,6}`).Draw(t, "price")) })
	number := rapid.OneOf(rapid.Float64Range(0, 64), rapid.Float64Range(0, 64), rapid.Just(0.0), rapid.Just(math.NaN()))
	tenant, region := rapid.SampledFrom([]string{"", "acme", "globex", "initech"}), rapid.SampledFrom([]string{"eu", "us"})
	kind := rapid.SampledFrom([]string{"small", "large"})
	sheet := cost.PriceSheet{Currency: rapid.SampledFrom([]string{"USD", "JPY", "KWD"}).Draw(t, "currency"), Idle: rapid.SampledFrom([]cost.SplitBy{"", cost.Proportional}).Draw(t, "idle")}
	for _, r := range []cost.Resource{cost.CPU, cost.RAM, cost.GPU, cost.Storage} {
		sheet.Rates = append(sheet.Rates, cost.Rate{Resource: r, Price: price.Draw(t, "default")},
			cost.Rate{Resource: r, Price: price.Draw(t, "regional"), Place: cost.Place{Region: "eu"}, Effective: cost.Effective{From: from.Add(90 * time.Minute)}})
	}
	sheet.Rates = append(sheet.Rates, cost.Rate{Resource: cost.Node, Price: price.Draw(t, "node"), Place: cost.Place{InstanceType: "large"}})
	sheet.Discounts = []cost.Discount{{Percent: dec(fmt.Sprint(rapid.IntRange(0, 100).Draw(t, "discount"))), Provider: "gcp"}}
	for i := range rapid.IntRange(0, 2).Draw(t, "commitments") {
		sheet.Commitments = append(sheet.Commitments, cost.Commitment{Name: fmt.Sprint("c", i), Resource: rapid.SampledFrom([]cost.Resource{cost.CPU, cost.Node}).Draw(t, "of"),
			Quantity: dec(fmt.Sprint(rapid.IntRange(1, 60).Draw(t, "quantity"))), Hourly: price.Draw(t, "hourly"), Upfront: price.Draw(t, "upfront"), Effective: cost.Effective{From: from, To: from.Add(70 * time.Hour)}})
	}
	sheet.Shared = []cost.Shared{{Name: "even", Monthly: dec("99.99"), Split: cost.Even}, {Name: "platform", Namespaces: []string{"system"}, Split: cost.Proportional, Monthly: dec("10")}}
	sheet.Overhead = []cost.Shared{{Name: "plane", Monthly: dec("73"), Split: rapid.SampledFrom([]cost.SplitBy{cost.Nobody, cost.Proportional}).Draw(t, "overhead")}}
	var nodes []allocation.Node
	for i := range rapid.IntRange(0, 4).Draw(t, "nodes") {
		nodes = append(nodes, allocation.Node{Name: fmt.Sprint("n", i), CPU: number.Draw(t, "cpu"), RAM: number.Draw(t, "ram"), GPU: number.Draw(t, "gpu"),
			Place: cost.Place{Provider: rapid.SampledFrom([]string{"gcp", "aws"}).Draw(t, "provider"), Region: region.Draw(t, "region"), InstanceType: kind.Draw(t, "type")}})
	}
	n := rapid.IntRange(1, 3).Draw(t, "hours")
	return allocation.Input{Sheet: sheet, From: from, To: from.Add(time.Duration(n) * time.Hour), Steps: hours(n, func(_ int, s *allocation.Step) {
		s.Nodes = append([]allocation.Node{}, nodes...)
		for range rapid.IntRange(0, 8).Draw(t, "containers") {
			s.Containers = append(s.Containers, allocation.Container{Node: fmt.Sprint("n", rapid.IntRange(0, 4).Draw(t, "on")),
				Owner: allocation.Owner{Tenant: tenant.Draw(t, "tenant"), Namespace: rapid.SampledFrom([]string{"", "system", "shop"}).Draw(t, "namespace")},
				CPU:   allocation.Need{Request: number.Draw(t, "request"), Usage: number.Draw(t, "usage")}, RAM: allocation.Need{Usage: number.Draw(t, "ram")}})
		}
		s.Meters = append(s.Meters, allocation.Meter{Owner: allocation.Owner{Tenant: tenant.Draw(t, "tenant")}, Resource: cost.Storage, Quantity: number.Draw(t, "storage")})
	})}
}

func TestWorkloadIdleSharedAndOverheadAreTheTotalToTheCent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := fleet(t)
		a := allocation.Make(in)
		rows, views := cost.Money{}, cost.Money{}
		for _, r := range a.Rows {
			if r.Cost.Sign() < 0 {
				t.Fatalf("a row costs %s", r.Cost)
			}
			rows = rows.Add(r.Cost)
		}
		for _, by := range []allocation.By{allocation.ByTenant, allocation.ByTeam, allocation.ByService, allocation.ByNamespace, allocation.ByRegion, allocation.ByResource} {
			views = cost.Money{}
			for _, s := range a.View(by) {
				if !s.Workload.Add(s.Idle).Add(s.Shared).Add(s.Overhead).Equal(s.Total) {
					t.Fatalf("%s %q: the categories are not its total", by, s.Name)
				}
				views = views.Add(s.Total)
			}
			if !views.Equal(a.Total) {
				t.Fatalf("by %s it is %s, in all %s", by, views, a.Total)
			}
		}
		if sum := a.Workload.Add(a.Idle).Add(a.Shared).Add(a.Overhead); !sum.Equal(a.Total) || !rows.Equal(a.Total) {
			t.Fatalf("categories %s, rows %s, total %s", sum, rows, a.Total)
		}
		// The assets' prices, worked out without any shares, are the same total.
		off := new(big.Rat).Sub(assets(in), a.Total.Rat())
		digits := map[string]int64{"USD": 100, "JPY": 1, "KWD": 1000}[in.Sheet.Currency]
		if off.Abs(off).Cmp(big.NewRat(6, 10*digits)) > 0 {
			t.Fatalf("the assets cost %s, the rows %s", assets(in).FloatString(9), a.Total)
		}
	})
}

// assets is what the fleet costs, by the prices of what is paid for and not by who uses it. Commitments are checked by
// tests of their own: here they are taken out first, and so they are of the input.
func assets(in allocation.Input) *big.Rat {
	if len(in.Sheet.Commitments) > 0 {
		return allocation.Make(in).Total.Rat()
	}
	sum, known := new(big.Rat), func(step allocation.Step, name string) bool {
		for _, n := range step.Nodes {
			if n.Name == name {
				return true
			}
		}
		return false
	}
	price := func(r cost.Resource, units float64, place cost.Place, step allocation.Step) *big.Rat {
		if !(units > 0) {
			return new(big.Rat)
		}
		p, err := in.Sheet.PriceOf(new(big.Rat).SetFloat64(units), r, "", place, step.From, step.To)
		if err != nil {
			return new(big.Rat)
		}
		return p
	}
	for _, s := range in.Steps {
		for _, n := range s.Nodes {
			if n.InstanceType == "large" {
				sum.Add(sum, price(cost.Node, 1, n.Place, s))
				continue
			}
			sum.Add(sum, price(cost.CPU, n.CPU, n.Place, s))
			sum.Add(sum, price(cost.RAM, n.RAM, n.Place, s))
			sum.Add(sum, price(cost.GPU, n.GPU, n.Place, s))
		}
		for _, c := range s.Containers {
			if !known(s, c.Node) {
				sum.Add(sum, price(cost.CPU, c.CPU.Billed(), cost.Place{}, s))
				sum.Add(sum, price(cost.RAM, c.RAM.Billed(), cost.Place{}, s))
			}
		}
		for _, m := range s.Meters {
			sum.Add(sum, price(m.Resource, m.Quantity, m.Place, s))
		}
	}
	for _, list := range [][]cost.Shared{in.Sheet.Shared, in.Sheet.Overhead} {
		for _, s := range list {
			sum.Add(sum, s.Over(in.From, in.To))
		}
	}
	return sum
}

func TestTheOrderOfWhatRanDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := fleet(t)
		want := allocation.Make(in)
		mixed := in
		mixed.Steps = rapid.Permutation(in.Steps).Draw(t, "steps")
		for i := range mixed.Steps {
			mixed.Steps[i].Nodes = rapid.Permutation(mixed.Steps[i].Nodes).Draw(t, "nodes")
			mixed.Steps[i].Containers = rapid.Permutation(mixed.Steps[i].Containers).Draw(t, "containers")
		}
		if diff := cmp.Diff(lines(want), lines(allocation.Make(mixed))); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestSharingConservesTheSum(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := fleet(t)
		kept := allocation.Make(in)
		for i := range in.Sheet.Shared {
			in.Sheet.Shared[i].Split = cost.Nobody
		}
		in.Sheet.Idle = ""
		alone := allocation.Make(in)
		for what, sums := range map[string][2]cost.Money{"shared": {kept.Shared, alone.Shared}, "idle": {kept.Idle, alone.Idle}, "workload": {kept.Workload, alone.Workload}, "total": {kept.Total, alone.Total}} {
			// Categories are sums of rounded rows, so each may differ by as many smallest units as it has rows; the total may not.
			off := sums[0].Sub(sums[1]).Minor()
			if most := int64(len(kept.Rows) + len(alone.Rows)); what == "total" && off.Sign() != 0 || off.CmpAbs(big.NewInt(most)) > 0 {
				t.Fatalf("%s is %s when shared and %s when not", what, sums[0], sums[1])
			}
		}
	})
}

func TestATenantSeesItsOwnCostsAndNothingOfOthers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := allocation.Make(fleet(t))
		mine := a.Only("acme")
		for _, r := range mine.Rows {
			if r.Tenant != "acme" || r.Provider != "" {
				t.Fatalf("acme sees %+v", r)
			}
		}
		for _, s := range a.View(allocation.ByTenant) {
			if s.Name == "acme" && !s.Total.Equal(mine.Total) {
				t.Fatalf("acme sees %s of its %s", mine.Total, s.Total)
			}
		}
	})
}
