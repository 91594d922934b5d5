package main

import (
	"bytes"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/cost/allocation"
	"github.com/nines-sre/nines/capacity/cost/plan"
)

const billing = "BilledCost,BillingCurrency,ChargeCategory\n1.00,EUR,Usage\n$2.00,EUR,Usage\n"

func TestBillingDataIsCheckedWithoutAServer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cost.csv")
	if err := os.WriteFile(path, []byte(billing), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errOut := nines(t, "cost", "validate", path)
	if code != exitInvalid || !strings.Contains(errOut, `line 3, BilledCost: "$2.00" is not a number`) || !strings.Contains(errOut, "EffectiveCost: is missing") {
		t.Errorf("exits with %d: %s", code, errOut)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(billing, "$", "", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errOut := nines(t, "cost", "validate", "--excerpt", path); code != exitOK || !strings.Contains(out, "2 rows with 3 columns are as FOCUS 1.2 asks") {
		t.Errorf("exits with %d: %s%s", code, out, errOut)
	}
	if code, _, errOut := nines(t, "cost", "validate", path+".gone"); code != exitInvalid || !strings.Contains(errOut, "read ") {
		t.Errorf("a file that is not there exits with %d: %s", code, errOut)
	}
}

func TestWrongCostCommandsAreUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"cost", "whatif"}, {"cost", "whatif", "--set", "weather=sunny"}, {"cost", "report", "--month", "November"}, {"cost", "export"},
		{"cost", "export", "--month", "2026-11", "--format", "focus-parquet"}, {"cost", "export", "--month", "2026-11", "--format", "xml"}, {"cost", "validate"},
	} {
		if code, _, errOut := nines(t, args...); code != exitUsage {
			t.Errorf("%v exits with %d: %s", args, code, errOut)
		}
	}
}

func price(text string) cost.Decimal { d, _ := cost.ParseDecimal(text); return d }

func euros(amount int64) cost.Money { return cost.Round(big.NewRat(amount, 100), "EUR") }

func TestCostTablesFitATerminal(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	in := allocation.Input{Sheet: cost.PriceSheet{Name: "cloud", Currency: "EUR", Rates: []cost.Rate{{Resource: cost.CPU, Price: price("1234.5")}}}, From: from, To: from.Add(time.Hour),
		Steps: []allocation.Step{{From: from, To: from.Add(time.Hour), Nodes: []allocation.Node{{Name: "n", CPU: 8}},
			Containers: []allocation.Container{{Node: "n", Owner: allocation.Owner{Tenant: "acme", Service: "shop"}, CPU: allocation.Need{Request: 2}}}}}}
	made := allocation.Make(in)
	change, err := plan.ParseChange("price.cpu=-10%")
	if err != nil {
		t.Fatal(err)
	}
	different, err := plan.WhatIf(in, []plan.Change{change})
	if err != nil {
		t.Fatal(err)
	}
	growth := plan.Growth{Low: price("0"), Expected: price("5"), High: price("10")}
	path, err := plan.Grow(euros(10000), euros(123456700), "EUR", 1000, growth, from, 12)
	if err != nil {
		t.Fatal(err)
	}
	mean := euros(5000000)
	for name, c := range map[string]struct {
		print func(a *cli)
		want  []string
	}{
		"showback": {func(a *cli) {
			a.printShowback(allocation.Showback{Allocation: made, By: allocation.ByTenant, Sums: made.View(allocation.ByTenant), Missing: []string{"GPU usage: not seen"},
				Units:    []allocation.UnitCost{allocation.PerUnit("acme", "shop", euros(246900), allocation.Requests{Total: 1000})},
				Coverage: []allocation.Coverage{{Source: "CPU usage", Hours: 1, Of: 2, Share: 0.5}}})
		}, []string{"2469.00", "7407.00", "9876.00", "2.469", missing, "50.0 %", "GPU usage: not seen"}},
		"what if": {func(a *cli) { a.printDifference(different) }, []string{"price.cpu=-10%", "8888.40", "-987.60"}},
		"outlook": {func(a *cli) {
			a.printOutlook(plan.Outlook{Currency: "EUR", MonthEnd: plan.MonthEnd{Month: "2026-11", Spent: euros(100), Until: from, Level: 0.9, Expected: &plan.Estimate{Mean: euros(300), Lower: euros(200), Upper: euros(400)}},
				Growth: &growth, Path: path, Fixed: euros(10000), Variable: euros(123456700)})
		}, []string{"It ends at 3.00 EUR; with 90 % between 2.00 and 4.00", "2027-11", "1796"}},
		"budgets": {func(a *cli) {
			a.printBudgets([]cost.BudgetState{cost.Budget{Name: "shop", Monthly: price("50000"), Alerts: cost.DefaultAlerts()}.Evaluate(euros(4100000), &mean, nil, nil)})
		}, []string{"82.0 %", "100.0 %", "50, 80; ahead 100", "shop is of everything"}},
		"savings": {func(a *cli) {
			a.printSavings(plan.SavingsReport{Currency: "EUR", Monthly: euros(20520), Savings: []plan.Saving{{Kind: plan.Oversized, Owner: allocation.Owner{Namespace: "shop", Service: "shop"}, Resource: cost.CPU, Have: 4, Need: 1.15, P95: 1, Hours: 48, Monthly: euros(20520)}}})
		}, []string{"up to 205.20 EUR", "shop/shop", "1.15"}},
		"anomalies": {func(a *cli) {
			a.printAnomalies(plan.AnomalyReport{Series: 3, Anomalies: []plan.Anomaly{{Part: plan.Part{Service: "shop"}, At: from, Cost: euros(40000), Expected: euros(10000), Off: euros(30000), P: 0.03, History: 33}}})
		}, []string{"1 of 3 series", "2026-11-01", "(nobody)", "300.00", "0.030 (33)"}},
	} {
		var out bytes.Buffer
		c.print(&cli{out: &out})
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: %q is not in\n%s", name, want, out.String())
			}
		}
		for _, line := range strings.Split(out.String(), "\n") {
			if n := len([]rune(line)); n > 80 {
				t.Errorf("%s: a line has %d columns: %s", name, n, line)
			}
		}
	}
}
