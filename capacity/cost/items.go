package cost

import "math/big"

// PricedItem is what a tenant's use of an item comes to, before rounding.
type PricedItem struct {
	Tenant   string // "" where nobody owns it
	Item     string
	Unit     string
	Quantity float64
	Amount   *big.Rat // in whole units of the currency
}

// PriceItems prices the usage of items exactly, in order of tenant and item. What cannot be priced is skipped and told, one
// sentence each.
func (s PriceSheet) PriceItems(usage []Usage) ([]PricedItem, []string) {
	rows, skipped := price(s, usage)
	scale := new(big.Rat).SetInt(scaleOf(digitsOf(s.Currency)))
	out := make([]PricedItem, 0, len(rows))
	for _, r := range rows {
		tenant := r.Tenant
		if tenant == NoTenant {
			tenant = ""
		}
		out = append(out, PricedItem{tenant, r.Item, r.Unit, r.Quantity, new(big.Rat).Quo(r.exact, scale)})
	}
	return out, skipped
}
