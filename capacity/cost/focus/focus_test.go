package focus_test

import (
	"bytes"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/cost/allocation"
	"github.com/nines-sre/nines/capacity/cost/focus"
	"pgregory.net/rapid"
)

// right is a file without problems; tests change a cell of it.
const right = `BilledCost,BillingAccountId,BillingAccountName,BillingCurrency,BillingPeriodEnd,BillingPeriodStart,ChargeCategory,ChargeClass,ChargeDescription,ChargePeriodEnd,ChargePeriodStart,CommitmentDiscountId,CommitmentDiscountStatus,ConsumedQuantity,ConsumedUnit,ContractedCost,ContractedUnitPrice,EffectiveCost,InvoiceIssuerName,ListCost,ListUnitPrice,PricingCategory,PricingQuantity,PricingUnit,ProviderName,PublisherName,RegionId,RegionName,ServiceCategory,ServiceName,Tags,x_Namespace
9.00,1,Main,EUR,2026-12-01T00:00:00Z,2026-11-01T00:00:00Z,Usage,,vm,2026-11-02T00:00:00Z,2026-11-01T00:00:00Z,,,10,Hours,9.00,0.9,9.00,Cloud,10.00,1,Standard,10,Hours,Cloud,Cloud,eu,Europe,Compute,VM,"{""team"":""shop""}",shop
0.00,1,Main,EUR,2026-12-01T00:00:00Z,2026-11-01T00:00:00Z,Usage,,vm,2026-11-02T00:00:00Z,2026-11-01T00:00:00Z,cud-1,Unused,,,9.00,0.9,9.00,Cloud,1e1,1,Committed,10,Hours,Cloud,Cloud,,,Compute,VM,,
1.90,1,,EUR,2026-12-01T00:00:00Z,2026-11-01T00:00:00Z,Tax,,VAT,2026-12-01T00:00:00Z,2026-11-01T00:00:00Z,,,,,1.90,,1.90,Cloud,1.90,,,,,Cloud,Cloud,,,Other,Tax,,
`

func read(t testing.TB, text string) focus.Table {
	t.Helper()
	table, err := focus.Read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func set(table focus.Table, row int, column, value string) {
	for i, name := range table.Columns {
		if name == column {
			table.Rows[row][i] = focus.Value(value)
			return
		}
	}
	panic(column)
}

func TestARightFileHasNoProblem(t *testing.T) {
	t.Parallel()
	if problems, n := read(t, right).Validate(focus.Options{}); n != 0 {
		t.Errorf("%d problems: %v", n, problems)
	}
}

func TestEveryProblemIsToldWithItsRowAndColumn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		row                 int
		column, value, want string
	}{
		{0, "BilledCost", "", "line 2, BilledCost: is null"},
		{0, "BilledCost", "$9.00", `line 2, BilledCost: "$9.00" is not a number`},
		{0, "EffectiveCost", "1,000.00", `line 2, EffectiveCost: "1,000.00" is not a number`},
		{0, "EffectiveCost", "NaN", `line 2, EffectiveCost: "NaN" is not a number`},
		{0, "BillingCurrency", "Euro", "line 2, BillingCurrency:"},
		{0, "BillingPeriodStart", "11/1/26", `line 2, BillingPeriodStart: "11/1/26" is not a time`},
		{0, "BillingPeriodStart", "2026-11-01T01:00:00+01:00", "line 2, BillingPeriodStart:"},
		{0, "ChargePeriodEnd", "2026-11-01T00:00:00Z", "line 2, ChargePeriodEnd: is not after ChargePeriodStart; the end is not part"},
		{0, "ChargeCategory", "Used", `line 2, ChargeCategory: "Used" is not allowed; write one of: Usage, Purchase, Tax`},
		{0, "ChargeClass", "None", "line 2, ChargeClass:"},
		{0, "ServiceCategory", "Database", `line 2, ServiceCategory: "Database" is not allowed`},
		{0, "ListCost", "12.00", "line 2, ListCost: is 12.00, and ListUnitPrice times PricingQuantity is 10"},
		{0, "ContractedCost", "9.02", "line 2, ContractedCost: is 9.02"},
		{0, "PricingQuantity", "", "line 2, PricingQuantity: is null; a charge for usage"},
		{0, "PricingUnit", "", "line 2, PricingUnit:"},
		{0, "PricingCategory", "Committed", "line 2, PricingCategory: is Committed, and CommitmentDiscountId is null"},
		{0, "ConsumedUnit", "", "line 2, ConsumedUnit: and ConsumedQuantity are both null or neither"},
		{0, "RegionId", "", "line 2, RegionName: must be null where RegionId is"},
		{0, "Tags", `{"a":{"b":1}}`, `line 2, Tags: the value of "a" is nested`},
		{0, "Tags", `["a"]`, "line 2, Tags:"},
		{0, "CommitmentDiscountStatus", "Used", "line 2, CommitmentDiscountStatus: must be null where CommitmentDiscountId is"},
		{1, "CommitmentDiscountStatus", "", "line 3, CommitmentDiscountStatus: is null; usage of a commitment"},
		{1, "BilledCost", "9.00", "line 3, BilledCost: is 9.00; usage that a commitment covers"},
		{2, "PricingCategory", "Standard", "line 4, PricingCategory: must be null for a tax"},
		{2, "ListUnitPrice", "1", "line 4, ListUnitPrice: must be null for a tax"},
	} {
		table := read(t, right)
		set(table, c.row, c.column, c.value)
		problems, _ := table.Validate(focus.Options{})
		found := false
		for _, p := range problems {
			found = found || strings.HasPrefix(p.String(), c.want)
		}
		if !found {
			t.Errorf("%s = %q: nothing says %q, only %v", c.column, c.value, c.want, problems)
		}
	}
}

func TestACorrectionMayHaveCostsThatAreNoProduct(t *testing.T) {
	t.Parallel()
	table := read(t, right)
	set(table, 0, "ListCost", "-3")
	set(table, 0, "ChargeClass", "Correction")
	if problems, n := table.Validate(focus.Options{}); n != 0 {
		t.Errorf("%v", problems)
	}
}

func TestColumnsAreCheckedByName(t *testing.T) {
	t.Parallel()
	problems, n := read(t, "BilledCost,x_Own,SkuPriceid,Mine\n1,1,1,1\n").Validate(focus.Options{})
	var text []string
	for _, p := range problems {
		text = append(text, p.String())
	}
	all := strings.Join(text, "\n")
	for _, want := range []string{"BillingAccountId: is missing", "SkuPriceid: is not a column of version 1.2; did you mean SkuPriceId?", "Mine: is not a column"} {
		if !strings.Contains(all, want) {
			t.Errorf("nothing says %q in\n%s", want, all)
		}
	}
	if few, same := read(t, "BilledCost,x_Own,SkuPriceid,Mine\n1,1,1,1\n").Validate(focus.Options{Most: 2}); len(few) != 2 || same != n {
		t.Errorf("%d problems of %d shown", len(few), same)
	}
}

func TestWhatIsNoCSVIsRefusedWithItsLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "empty", "a,b\n1\n": "line 2 has 1 cells", "a,a\n": "column a is there twice", "a,\n": "column 2 has no name", "a\n\"b": "no CSV",
	} {
		if _, err := focus.Read([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	table := read(t, "\ufeffBilledCost,Tags\nnull,\n")
	if table.Columns[0] != "BilledCost" || !table.At(0, "BilledCost").Null || !table.At(0, "Tags").Null || !table.At(0, "SkuId").Null {
		t.Errorf("got %+v", table)
	}
}

var sameTable = cmpopts.IgnoreUnexported(focus.Table{})

func TestATableSurvivesBothFormats(t *testing.T) {
	t.Parallel()
	table := read(t, right)
	var text, binary bytes.Buffer
	if err := table.WriteCSV(&text); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(table, read(t, text.String()), sameTable); diff != "" {
		t.Errorf("CSV: %s", diff)
	}
	if err := table.WriteParquet(&binary); err != nil {
		t.Fatal(err)
	}
	again := read(t, binary.String())
	if problems, n := again.Validate(focus.Options{Excerpt: true}); n != 0 {
		t.Errorf("Parquet: %v", problems)
	}
	for i := range table.Rows {
		for _, name := range table.Columns {
			a, b := table.At(i, name), again.At(i, name)
			x, ok1 := new(big.Rat).SetString(a.Text)
			y, ok2 := new(big.Rat).SetString(b.Text)
			if a != b && !(ok1 && ok2 && x.Cmp(y) == 0) {
				t.Errorf("row %d, %s: %+v became %+v", i, name, a, b)
			}
		}
	}
}

func TestNumbersStayExactInParquet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.StringMatching(`-?[0-9]{1,20}(\.[0-9]{1,12})?`).Draw(t, "number")
		table := focus.Table{Columns: []string{"BilledCost"}, Rows: [][]focus.Cell{{focus.Value(number)}, {focus.Null}}}
		var file bytes.Buffer
		if err := table.WriteParquet(&file); err != nil {
			t.Fatal(err)
		}
		again, err := focus.Read(file.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		want, _ := new(big.Rat).SetString(number)
		got, ok := new(big.Rat).SetString(again.At(0, "BilledCost").Text)
		if !ok || got.Cmp(want) != 0 || !again.At(1, "BilledCost").Null {
			t.Fatalf("%s became %v", number, again.Rows)
		}
	})
}

func TestWhatParquetCannotHoldIsRefused(t *testing.T) {
	t.Parallel()
	for column, value := range map[string]string{"BilledCost": "0.0000000000001", "ListCost": "abc", "ChargePeriodEnd": "tomorrow"} {
		table := focus.Table{Columns: []string{column}, Rows: [][]focus.Cell{{focus.Value(value)}}}
		if err := table.WriteParquet(&bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "row 1, "+column) {
			t.Errorf("%s %s: %v", column, value, err)
		}
	}
}

func dec(text string) cost.Decimal {
	d, ok := cost.ParseDecimal(text)
	if !ok {
		panic(text)
	}
	return d
}

// month allocates a small fleet over a November, with everything that an allocation may hold.
func month(t testing.TB) (effective, list allocation.Allocation) {
	t.Helper()
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	sheet := cost.PriceSheet{Name: "cloud", Currency: "EUR", Rates: []cost.Rate{
		{Resource: cost.CPU, Price: dec("0.031611")}, {Resource: cost.RAM, Price: dec("0.004237")}, {Resource: cost.Egress, Class: cost.Internet, Price: dec("0.12")},
		{Resource: cost.CPU, Price: dec("0.02"), Negotiated: true},
	}, Shared: []cost.Shared{{Name: "support", Monthly: dec("100"), Split: cost.Even}}, Overhead: []cost.Shared{{Name: "plane", Monthly: dec("73"), Split: cost.Nobody}},
		Commitments: []cost.Commitment{{Name: "cud", Resource: cost.CPU, Quantity: dec("9"), Hourly: dec("0.1"), Effective: cost.Effective{From: from, To: from.AddDate(1, 0, 0)}}}}
	in := allocation.Input{Sheet: sheet, From: from, To: from.AddDate(0, 1, 0), Credits: []allocation.Credit{{Tenant: "acme", Service: "shop", Amount: big.NewRat(5, 2)}}}
	for at := in.From; at.Before(in.To); at = at.Add(24 * time.Hour) {
		in.Steps = append(in.Steps, allocation.Step{From: at, To: at.Add(24 * time.Hour),
			Nodes: []allocation.Node{{Name: "n", CPU: 8, RAM: 32, Place: cost.Place{Provider: "gcp", Region: "eu", InstanceType: "n2"}}},
			Containers: []allocation.Container{{Node: "n", Owner: allocation.Owner{Tenant: "acme", Team: "core", Service: "shop", Namespace: "shop"}, CPU: allocation.Need{Request: 2.3}},
				{Node: "n", Owner: allocation.Owner{Tenant: "globex"}, RAM: allocation.Need{Usage: 7.77}}},
			Meters: []allocation.Meter{{Owner: allocation.Owner{Tenant: "acme"}, Resource: cost.Egress, Class: cost.Internet, Quantity: 1.5}},
		})
	}
	listed := in
	listed.Sheet = sheet.ListOnly()
	return allocation.Make(in), allocation.Make(listed)
}

func TestWhatWeExportValidatesAndAddsUpToTheOrigin(t *testing.T) {
	t.Parallel()
	effective, list := month(t)
	table := focus.FromAllocation(effective, list, "Shop Operations")
	if problems, n := table.Validate(focus.Options{}); n != 0 {
		t.Fatalf("%d problems: %v", n, problems)
	}
	for _, column := range []string{"BilledCost", "EffectiveCost", "ContractedCost"} {
		sum := new(big.Rat)
		for i := range table.Rows {
			one, _ := new(big.Rat).SetString(table.At(i, column).Text)
			sum.Add(sum, one)
		}
		if sum.Cmp(effective.Total.Rat()) != 0 {
			t.Errorf("%s adds up to %s, the total is %s", column, sum.FloatString(4), effective.Total)
		}
	}
	var file bytes.Buffer
	if err := table.WriteParquet(&file); err != nil {
		t.Fatal(err)
	}
	again, err := focus.Read(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if problems, n := again.Validate(focus.Options{}); n > 0 { // Parquet orders columns by name, and x_ comes after capitals
		t.Errorf("Parquet: %v", problems)
	}
	var idle, shared, credit bool
	for i := range table.Rows {
		idle = idle || table.At(i, "x_AllocationType").Text == "idle"
		shared = shared || table.At(i, "x_SharedFrom").Text == "support" && table.At(i, "SubAccountId").Text == "acme"
		credit = credit || table.At(i, "ChargeCategory").Text == "Adjustment" && table.At(i, "EffectiveCost").Text == "2.50"
	}
	if !idle || !shared || !credit {
		t.Errorf("idle %v, shared %v, credit %v", idle, shared, credit)
	}
	if table.At(1, "ListCost").Text == table.At(1, "EffectiveCost").Text && table.At(0, "ListCost").Text == table.At(0, "EffectiveCost").Text {
		t.Error("the list cost does not show the negotiated price")
	}
}

// slips are what the specification's own examples do other than it says: days and money as a spreadsheet shows them, and a
// few single cells.
var slips = regexp.MustCompile(`"[0-9]+/[0-9]+/[0-9]+" is not a time|"2023-02-01T30:00:00Z" is not a time|"-?\$|"0.00 " is not a number|"Database" is not allowed|` +
	`^SkuPriceid: is not a column|saas_spend_agreements_b[12].csv: line 2, Service(Category|Name): is null|ServiceSubcategory: is null|` +
	`with_1_resource.csv: line 4, ListCost: is 3.00, and ListUnitPrice times PricingQuantity is 0.999|zero_.*: line 4, ConsumedQuantity: must be null for the unused part`)

// TestTheSpecificationsExamples reads the worked examples of the specification, which show only some columns.
func TestTheSpecificationsExamples(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("NINES_DATA")
	if dir == "" {
		t.Skip("NINES_DATA is not set: it names the folder with public data, in which focus/*.csv are the specification's examples")
	}
	paths, _ := filepath.Glob(filepath.Join(dir, "focus", "*.csv"))
	if len(paths) == 0 {
		t.Skip("there is no focus/*.csv in $NINES_DATA")
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		table, err := focus.Read(content)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(path), err)
			continue
		}
		name := filepath.Base(path)
		problems, n := table.Validate(focus.Options{Excerpt: true})
		for _, p := range problems {
			if !slips.MatchString(p.String()) && !slips.MatchString(name+": "+p.String()) {
				t.Errorf("%s: %s", name, p)
			}
		}
		if strings.HasPrefix(name, "commitment_discount_usage_") && n > 0 {
			t.Errorf("%s has %d problems and should have none", name, n)
		}
	}
}

func FuzzReadCSV(f *testing.F) {
	f.Add([]byte(right))
	f.Add([]byte("BilledCost,Tags\n1e99,{}\n\"\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		table, err := focus.Read(content)
		if err != nil {
			return
		}
		table.Validate(focus.Options{Most: 10})
		var out bytes.Buffer
		if err := table.WriteCSV(&out); err != nil {
			t.Fatal(err)
		}
		if len(table.Columns) == 1 {
			return // a row with one null cell is an empty line, which CSV readers pass over
		}
		again, err := focus.ReadCSV(&out)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if len(again.Rows) != len(table.Rows) {
			t.Fatalf("%d rows became %d", len(table.Rows), len(again.Rows))
		}
	})
}

func FuzzReadParquet(f *testing.F) {
	var file bytes.Buffer
	effective, list := month(f)
	if err := focus.FromAllocation(effective, list, "x").WriteParquet(&file); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add([]byte("PAR1PAR1"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) > 1<<16 {
			return
		}
		table, err := focus.ReadParquet(content)
		if err == nil {
			table.Validate(focus.Options{Excerpt: true, Most: 10})
		}
	})
}
