package publish_test

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/cost/allocation"
	"github.com/nines-sre/nines/capacity/cost/publish"
)

func showback(t testing.TB, service string) allocation.Showback {
	t.Helper()
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	price, _ := cost.ParseDecimal("0.5")
	a := allocation.Make(allocation.Input{Sheet: cost.PriceSheet{Name: "cloud", Currency: "EUR", Rates: []cost.Rate{{Resource: cost.CPU, Price: price}}},
		From: from, To: from.Add(time.Hour), Steps: []allocation.Step{{From: from, To: from.Add(time.Hour), Nodes: []allocation.Node{{Name: "n", CPU: 8}},
			Containers: []allocation.Container{{Node: "n", Owner: allocation.Owner{Tenant: "acme", Service: service}, CPU: allocation.Need{Request: 2}}}}}})
	return allocation.Showback{Allocation: a, By: allocation.ByTenant, Sums: a.View(allocation.ByTenant), Missing: []string{"GPU usage was not seen"},
		Units:    []allocation.UnitCost{allocation.PerUnit("acme", service, cost.Round(big.NewRat(1, 1), "EUR"), allocation.Requests{Total: 4000})},
		Coverage: []allocation.Coverage{{Source: "CPU usage", Hours: 1, Of: 2, Share: 0.5}}}
}

func TestBothFormatsShowAmountsCoverageAndWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := showback(t, "shop")
	page, err := publish.HTML(s, "November")
	if err != nil {
		t.Fatal(err)
	}
	for format, text := range map[string]string{"Markdown": publish.Markdown(s, "November"), "HTML": page} {
		for _, want := range []string{"November", "4.00", "3.00", "acme", "1.00", "0.2500", "GPU usage was not seen", "1 of 2", "50.0 %", "2 vCPU-Hours", "(nobody)"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not show %q:\n%s", format, want, text)
			}
		}
	}
}

func TestNamesOfOthersAreTextAndNoMarkup(t *testing.T) {
	t.Parallel()
	s := showback(t, "<script>|`x`\n# y")
	page, err := publish.HTML(s, "a")
	if err != nil || strings.Contains(page, "<script>") {
		t.Errorf("%v: %s", err, page)
	}
	text := publish.Markdown(s, "a")
	if strings.Contains(text, "<script>") || strings.Contains(text, "\n# y") || !strings.Contains(text, `\|`) {
		t.Errorf("%s", text)
	}
}
