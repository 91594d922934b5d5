package cost

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"slices"
	"time"
)

// NoTenant is shown in the place of a tenant for usage that nobody owns.
const NoTenant = "(no tenant)"

// Usage is how much of an item a tenant used in the period; Tenant is "" where nobody owns it.
type Usage struct {
	Tenant   string
	Item     string // name of an item of the price sheet
	Quantity float64
}

// Report says who used what for how much in [From, To). Rows, tenants and items each add up to Total exactly.
type Report struct {
	Sheet    string    `json:"sheet"`
	Currency string    `json:"currency"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Rows     []Row     `json:"rows"`    // by tenant and item, in order
	Tenants  []Sum     `json:"tenants"` // by tenant, the dearest first
	Items    []Sum     `json:"items"`   // by item, the dearest first
	Total    Money     `json:"total"`
	Skipped  []string  `json:"skipped,omitempty"` // usage that could not be priced, one sentence each
}

// Row is one tenant's use of one item.
type Row struct {
	Tenant   string  `json:"tenant"` // or NoTenant
	Item     string  `json:"item"`
	Quantity float64 `json:"quantity"`
	Unit     string  `json:"unit"`
	Cost     Money   `json:"cost"`
	Share    float64 `json:"share"` // of the total before rounding, 0..1; 0 where nothing costs anything
}

// Sum is what one tenant or one item comes to.
type Sum struct {
	Name  string  `json:"name"`
	Cost  Money   `json:"cost"`
	Share float64 `json:"share"`
}

// priced is a row before its cost is rounded.
type priced struct {
	Row
	exact *big.Rat // in the currency's smallest unit
}

// NewReport prices the usage. All arithmetic is exact; only at the end the total is rounded half to even, and the rows
// are rounded so that they add up to it: all down, and then those with the largest fractions up by one, until it is
// reached. So no row is off by a whole cent. Usage of the same tenant and item is added up. Usage that is negative, not
// a number or of an item not in the sheet is skipped and told.
func NewReport(sheet PriceSheet, usage []Usage, from, to time.Time) Report {
	r := Report{Sheet: sheet.Name, Currency: sheet.Currency, From: from.UTC(), To: to.UTC(), Rows: []Row{}}
	rows, skipped := price(sheet, usage)
	r.Skipped = skipped
	r.Rows, r.Total = settle(rows, digitsOf(sheet.Currency))
	r.Tenants = sums(rows, r.Rows, func(row Row) string { return row.Tenant })
	r.Items = sums(rows, r.Rows, func(row Row) string { return row.Item })
	return r
}

// price adds up quantities and multiplies them by the prices, in order of tenant and item.
func price(sheet PriceSheet, usage []Usage) ([]priced, []string) {
	items := map[string]Item{}
	for _, item := range sheet.Items {
		items[item.Name] = item
	}
	type key struct{ tenant, item string }
	quantities := map[key]*big.Rat{}
	var skipped []string
	for _, u := range usage {
		u.Tenant = cmp.Or(u.Tenant, NoTenant)
		if _, known := items[u.Item]; !known {
			skipped = append(skipped, fmt.Sprintf("usage of %q by %s: the price sheet has no such item", clip(u.Item), clip(u.Tenant)))
			continue
		}
		if math.IsNaN(u.Quantity) || math.IsInf(u.Quantity, 0) || u.Quantity < 0 {
			skipped = append(skipped, fmt.Sprintf("usage of %s by %s: %v is not an amount", u.Item, clip(u.Tenant), u.Quantity))
			continue
		}
		k := key{u.Tenant, u.Item}
		if quantities[k] == nil {
			quantities[k] = new(big.Rat)
		}
		quantities[k].Add(quantities[k], new(big.Rat).SetFloat64(u.Quantity))
	}
	scale := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digitsOf(sheet.Currency))), nil))
	rows := make([]priced, 0, len(quantities))
	for k, quantity := range quantities {
		item := items[k.item]
		exact := new(big.Rat).Mul(quantity, item.Price.Rat())
		if item.Per.Sign() > 0 {
			exact.Quo(exact, item.Per.Rat())
		}
		shown, _ := quantity.Float64()
		rows = append(rows, priced{Row{Tenant: k.tenant, Item: k.item, Quantity: shown, Unit: item.Unit}, exact.Mul(exact, scale)})
	}
	slices.SortFunc(rows, func(a, b priced) int { return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Item, b.Item)) })
	return rows, skipped
}

// settle rounds the total, and the rows so that they add up to it (the method of the largest remainder).
func settle(rows []priced, digits int) ([]Row, Money) {
	exact := total(rows)
	whole := halfEven(exact)
	amounts, out := make([]*big.Rat, len(rows)), make([]Row, len(rows))
	for i, row := range rows {
		amounts[i] = row.exact
	}
	for i, minor := range largestRemainder(amounts, whole) {
		out[i] = rows[i].Row
		out[i].Cost = Money{minor, digits}
		out[i].Share = share(rows[i].exact, exact)
	}
	return out, Money{whole, digits}
}

// sums adds up the rounded rows by name; shares are of the exact ones.
func sums(exact []priced, rows []Row, name func(Row) string) []Sum {
	out := []Sum{}
	at := map[string]int{}
	of := map[string]*big.Rat{}
	for i, row := range rows {
		n := name(row)
		if _, known := at[n]; !known {
			at[n], of[n] = len(out), new(big.Rat)
			out = append(out, Sum{Name: n})
		}
		out[at[n]].Cost = out[at[n]].Cost.Add(row.Cost)
		of[n].Add(of[n], exact[i].exact)
	}
	all := total(exact)
	for i := range out {
		out[i].Share = share(of[out[i].Name], all)
	}
	slices.SortFunc(out, func(a, b Sum) int { return cmp.Or(b.Cost.Minor().Cmp(a.Cost.Minor()), cmp.Compare(a.Name, b.Name)) })
	return out
}

func total(rows []priced) *big.Rat {
	sum := new(big.Rat)
	for _, row := range rows {
		sum.Add(sum, row.exact)
	}
	return sum
}

func share(part, whole *big.Rat) float64 {
	if whole.Sign() == 0 {
		return 0
	}
	f, _ := new(big.Rat).Quo(part, whole).Float64()
	return f
}

// Only returns the report as one tenant may see it: its own rows, which then are the whole. Its amounts are those of the
// full report.
func (r Report) Only(tenant string) Report {
	out := Report{Sheet: r.Sheet, Currency: r.Currency, From: r.From, To: r.To, Rows: []Row{}, Tenants: []Sum{}, Items: []Sum{}}
	out.Total = Money{digits: digitsOf(r.Currency)}
	for _, row := range r.Rows {
		if row.Tenant == tenant && tenant != NoTenant {
			out.Rows = append(out.Rows, row)
			out.Total = out.Total.Add(row.Cost)
		}
	}
	for i := range out.Rows {
		out.Rows[i].Share = ratio(out.Rows[i].Cost, out.Total)
		out.Items = append(out.Items, Sum{out.Rows[i].Item, out.Rows[i].Cost, out.Rows[i].Share})
	}
	if len(out.Rows) > 0 {
		out.Tenants = append(out.Tenants, Sum{tenant, out.Total, ratio(out.Total, out.Total)})
	}
	return out
}

func ratio(part, whole Money) float64 {
	return share(new(big.Rat).SetInt(part.Minor()), new(big.Rat).SetInt(whole.Minor()))
}
