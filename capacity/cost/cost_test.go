package cost

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"pgregory.net/rapid"
)

var (
	from = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	to   = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
)

func decimal(t testing.TB, text string) Decimal {
	t.Helper()
	d, ok := ParseDecimal(text)
	if !ok {
		t.Fatalf("%q is no decimal", text)
	}
	return d
}

func sheet(t testing.TB) PriceSheet {
	return PriceSheet{Name: "shop", Currency: "EUR", Items: []Item{
		{Name: "requests", Per: decimal(t, "1000000"), Unit: "requests", Price: decimal(t, "0.40")},
		{Name: "storage", Per: decimal(t, "1"), Unit: "GB", Price: decimal(t, "0.015")},
	}}
}

func TestWhoUsedWhatForHowMuch(t *testing.T) {
	t.Parallel()
	r := NewReport(sheet(t), []Usage{
		{"globex", "requests", 2_500_000}, {"acme", "requests", 10_000_000}, {"acme", "storage", 100}, {"", "storage", 1},
		{"acme", "requests", 2_500_000},
	}, from, to)
	var got []string
	for _, row := range r.Rows {
		got = append(got, fmt.Sprintf("%s %s %v %s %s %.3f", row.Tenant, row.Item, row.Quantity, row.Unit, row.Cost, row.Share))
	}
	want := []string{
		"(no tenant) storage 1 GB 0.02 0.002", // 1.5 cents: the total of 751.5 goes up to the even 752
		"acme requests 1.25e+07 requests 5.00 0.665",
		"acme storage 100 GB 1.50 0.200",
		"globex requests 2.5e+06 requests 1.00 0.133",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if r.Total.String() != "7.52" || r.Tenants[0].Name != "acme" || r.Tenants[0].Cost.String() != "6.50" || r.Items[0].Name != "requests" {
		t.Errorf("total %s, tenants %v, items %v", r.Total, r.Tenants, r.Items)
	}
}

func TestRoundingGoesHalfToEven(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0.5": "0", "1.5": "2", "2.5": "2", "3.5": "4", "2.4999999": "2", "2.5000001": "3", "0": "0", "7": "7", "-0.5": "0", "-1.5": "-2", "-2.5": "-2",
	} {
		r, _ := new(big.Rat).SetString(text)
		if got := halfEven(r).String(); got != want {
			t.Errorf("%s rounds to %s, want %s", text, got, want)
		}
	}
}

func TestWhatCannotBePricedIsToldAndNotCounted(t *testing.T) {
	t.Parallel()
	r := NewReport(sheet(t), []Usage{{"acme", "requests", math.NaN()}, {"acme", "requests", -1}, {"acme", "bandwidth", 5}, {"acme", "requests", math.Inf(1)}}, from, to)
	if len(r.Skipped) != 4 || len(r.Rows) != 0 || r.Total.String() != "0.00" {
		t.Errorf("got %+v", r)
	}
}

func TestThreeThirdsAreAWhole(t *testing.T) {
	t.Parallel()
	third := PriceSheet{Currency: "EUR", Items: []Item{{Name: "x", Per: decimal(t, "3"), Price: decimal(t, "1")}}}
	r := NewReport(third, []Usage{{"a", "x", 1}, {"b", "x", 1}, {"c", "x", 1}}, from, to)
	if got := fmt.Sprint(r.Rows[0].Cost, r.Rows[1].Cost, r.Rows[2].Cost, r.Total); got != "0.34 0.33 0.33 1.00" {
		t.Errorf("three thirds are %s", got)
	}
}

func TestMoneyHasItsCurrencysDigits(t *testing.T) {
	t.Parallel()
	for currency, want := range map[string]string{"EUR": "1234.57", "JPY": "1235", "KWD": "1234.567"} {
		s := PriceSheet{Currency: currency, Items: []Item{{Name: "x", Per: decimal(t, "1"), Price: decimal(t, "1234.567")}}}
		if r := NewReport(s, []Usage{{"a", "x", 1}}, from, to); r.Total.String() != want {
			t.Errorf("%s: %s, want %s", currency, r.Total, want)
		}
	}
}

func TestRowsTenantsAndItemsAddUpToTheTotal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := PriceSheet{Currency: rapid.SampledFrom([]string{"EUR", "JPY", "KWD"}).Draw(t, "currency")}
		price := rapid.StringMatching(`[0-9]{1,6}\.[0-9]{1,9}`)
		for i := range rapid.IntRange(1, 4).Draw(t, "items") {
			one, _ := ParseDecimal(price.Draw(t, "price"))
			per, _ := ParseDecimal(fmt.Sprint(rapid.IntRange(1, 1_000_000).Draw(t, "per")))
			s.Items = append(s.Items, Item{Name: fmt.Sprint("item", i), Price: one, Per: per})
		}
		var usage []Usage
		for range rapid.IntRange(0, 30).Draw(t, "usages") {
			usage = append(usage, Usage{
				rapid.SampledFrom([]string{"", "acme", "globex", "initech"}).Draw(t, "tenant"),
				s.Items[rapid.IntRange(0, len(s.Items)-1).Draw(t, "item")].Name, rapid.Float64Range(0, 1e9).Draw(t, "quantity"),
			})
		}
		r := NewReport(s, usage, from, to)
		exact := total(mustPrice(s, usage))
		if r.Total.Minor().Cmp(halfEven(exact)) != 0 {
			t.Fatalf("the total %s is not the exact one, %s, rounded", r.Total, exact.FloatString(6))
		}
		checkSum(t, r)
		for i, row := range r.Rows {
			off := new(big.Rat).Sub(mustPrice(s, usage)[i].exact, new(big.Rat).SetInt(row.Cost.Minor()))
			if off.Abs(off).Cmp(big.NewRat(1, 1)) >= 0 {
				t.Fatalf("%s %s is off by %s of the smallest unit", row.Tenant, row.Item, off.FloatString(3))
			}
		}
	})
}

func mustPrice(s PriceSheet, usage []Usage) []priced { rows, _ := price(s, usage); return rows }

func checkSum(t *rapid.T, r Report) {
	rows, tenants, items, shares := Money{}, Money{}, Money{}, 0.0
	for _, row := range r.Rows {
		rows, shares = rows.Add(row.Cost), shares+row.Share
	}
	for _, s := range r.Tenants {
		tenants = tenants.Add(s.Cost)
	}
	for _, s := range r.Items {
		items = items.Add(s.Cost)
	}
	if !rows.Equal(r.Total) || !tenants.Equal(r.Total) || !items.Equal(r.Total) {
		t.Fatalf("rows %s, tenants %s, items %s, total %s", rows, tenants, items, r.Total)
	}
	if len(r.Rows) > 0 && shares != 0 && math.Abs(shares-1) > 1e-9 {
		t.Fatalf("the shares add up to %v", shares)
	}
	mine := Money{}
	for _, tenant := range []string{"acme", "globex", "initech"} {
		mine = mine.Add(r.Only(tenant).Total)
	}
	if mine.Minor().Cmp(r.Total.Minor()) > 0 {
		t.Fatalf("what the tenants see adds up to %s of %s", mine, r.Total)
	}
}

func TestATenantSeesItsOwnRowsAndNothingOfOthers(t *testing.T) {
	t.Parallel()
	r := NewReport(sheet(t), []Usage{{"acme", "requests", 5e6}, {"globex", "requests", 9e6}, {"", "storage", 1}, {"globex", "nonsense", 1}}, from, to)
	raw, err := json.Marshal(r.Only("acme"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), "globex") || strings.Contains(string(raw), NoTenant) || r.Only("acme").Total.String() != "2.00" || r.Only("acme").Rows[0].Share != 1 {
		t.Errorf("acme sees %s", raw)
	}
	if len(r.Only(NoTenant).Rows)+len(r.Only("").Rows) != 0 {
		t.Error("nobody owns what nobody owns")
	}
}

func TestAReportSurvivesJSON(t *testing.T) {
	t.Parallel()
	r := NewReport(sheet(t), []Usage{{"acme", "requests", 5e6}, {"acme", "storage", 3}}, from, to)
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var again Report
	if err := json.Unmarshal(raw, &again); err != nil {
		t.Fatal(err)
	}
	second, _ := json.Marshal(again)
	if string(raw) != string(second) || !strings.Contains(string(raw), `"total":"2.04"`) { // 4.5 cents: half to even
		t.Errorf("first  %s\nsecond %s", raw, second)
	}
}

func TestSeveralSheetsMakeOneReport(t *testing.T) {
	t.Parallel()
	a, b := sheet(t), sheet(t)
	b.Name = "other"
	both, err := Combine([]PriceSheet{a, b})
	if err != nil || len(both.Items) != 4 || both.Items[0].Name != "shop/requests" || both.Items[3].Name != "other/storage" || a.Items[0].Name != "requests" {
		t.Errorf("got %+v, %v", both, err)
	}
	b.Currency = "USD"
	if _, err := Combine([]PriceSheet{a, b}); !fault.Is(err, fault.Invalid) {
		t.Errorf("euros and dollars were added up: %v", err)
	}
	if _, err := Combine(nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("no sheet: %v", err)
	}
}

const definition = `apiVersion: nines/v1
kind: PriceSheet
metadata: {name: shop}
spec:
  currency: EUR
  items:
  - name: requests
    query: sum by (tenant) (increase(http_requests_total{job="shop"}[{{ .window }}]))
    per: 1000000
    unit: requests
    price: 0.40
  - {name: storage, query: 'avg_over_time(bytes[{{.window}}])', price: "12"}
`

func read(t testing.TB, text string) (PriceSheet, manifest.Problems) {
	t.Helper()
	docs, problems := manifest.Read(manifest.File{Name: "p.yaml", Text: text})
	if len(problems) > 0 || len(docs) != 1 {
		t.Fatalf("%d documents, %v", len(docs), problems)
	}
	return ReadPriceSheet(docs[0])
}

func TestAPriceSheetIsReadAsWritten(t *testing.T) {
	t.Parallel()
	s, problems := read(t, definition)
	if len(problems) > 0 || s.Name != "shop" || s.Currency != "EUR" || len(s.Items) != 2 {
		t.Fatalf("got %+v, %v", s, problems)
	}
	if i := s.Items[0]; i.Price.Rat().Cmp(big.NewRat(2, 5)) != 0 || i.Per.String() != "1000000" || i.Unit != "requests" {
		t.Errorf("the first item is %+v", i)
	}
	if got := s.Items[0].QueryOver(36 * time.Hour); got != `sum by (tenant) (increase(http_requests_total{job="shop"}[1d12h]))` {
		t.Errorf("over a day and a half it asks %s", got)
	}
	if i := s.Items[1]; i.Per.String() != "1" || i.Price.String() != "12" {
		t.Errorf("the second item is %+v", i)
	}
}

func TestEveryProblemOfAPriceSheetIsToldAtOnce(t *testing.T) {
	t.Parallel()
	_, problems := read(t, `apiVersion: nines/v1
kind: PriceSheet
metadata: {name: shop}
spec:
  currency: Euro
  items:
  - name: Requests!
    query: sum(increase(x[{{.window}}])
    per: 0
    price: -1
  - name: storage
    query: x
    price: 1e9
  - name: storage
    query: x[{{.window}}]
  - name: last
    price: 3
    prize: 4
`)
	want := []string{
		`p.yaml:5: spec.currency: "Euro" is not a currency code`,
		`p.yaml:7: spec.items.0.name: "Requests!" must be lower-case`,
		"p.yaml:8: spec.items.0.query: is not PromQL: unclosed left parenthesis",
		"p.yaml:9: spec.items.0.per: 0 is not positive",
		"p.yaml:10: spec.items.0.price: -1 is negative",
		"p.yaml:12: spec.items.1.query: does not use {{.window}}",
		`p.yaml:13: "1e9" is not a decimal number; write digits`,
		`p.yaml:14: spec.items.2.name: "storage" is already the name of items.1`,
		"p.yaml:14: spec.items.2.price: is missing",
		"p.yaml:15: spec.items.2.query: is a range vector",
		"p.yaml:16: spec.items.3.query: is missing",
		"p.yaml:18: spec.items.3.prize: is not a known field; did you mean price?",
	}
	got := problems.Sorted()
	var text []string
	for _, p := range got {
		text = append(text, p.String())
	}
	for _, w := range want {
		found := false
		for _, g := range text {
			found = found || strings.HasPrefix(g, w)
		}
		if !found {
			t.Errorf("nothing says %q", w)
		}
	}
	if len(got) > len(want)+1 { // a price that cannot be read is also missing
		t.Errorf("%d problems:\n%s", len(got), strings.Join(text, "\n"))
	}
}

func FuzzReadPriceSheet(f *testing.F) {
	f.Add(definition)
	f.Add("apiVersion: nines/v1\nkind: PriceSheet\nmetadata: {name: x}\nspec: {currency: EUR, items: [{name: a, price: 0x10, per: 1e400, query: '{{.window}}'}]}\n")
	f.Add("apiVersion: nines/v1\nkind: PriceSheet\nmetadata: {name: x}\nspec: {currency: JPY, items: [{name: a, price: 999999999999999999.999999999999999999, query: 'x[{{.window}}:1m] == 1'}]}\n")
	f.Fuzz(func(t *testing.T, text string) {
		docs, _ := manifest.Read(manifest.File{Name: "f", Text: text})
		for _, d := range docs {
			s, problems := ReadPriceSheet(d)
			if len(problems) > 0 {
				continue
			}
			r := NewReport(s, []Usage{{"a", s.Items[0].Name, 1.5}, {"b", s.Items[0].Name, 1e15}}, from, to)
			if !r.Rows[0].Cost.Add(r.Rows[1].Cost).Equal(r.Total) {
				t.Errorf("%s and %s do not add up to %s", r.Rows[0].Cost, r.Rows[1].Cost, r.Total)
			}
		}
	})
}

func FuzzParseDecimal(f *testing.F) {
	for _, seed := range []string{"0.40", "-1", "1e9", "0x1p4", ".5", "5.", "1_000", "999999999999999999.999999999999999999", " 1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, ok := ParseDecimal(text)
		if !ok {
			return
		}
		again, ok := ParseDecimal(d.String())
		if !ok || again.Rat().Cmp(d.Rat()) != 0 {
			t.Errorf("%q is written %q, which reads as another number", text, d)
		}
	})
}
