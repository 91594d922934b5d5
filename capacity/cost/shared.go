package cost

import (
	"math/big"
	"time"
)

// SplitBy says by what a shared cost is divided among tenants.
type SplitBy string

// The ways to divide.
const (
	Even         SplitBy = "even"         // the same for each tenant that used anything
	Proportional SplitBy = "proportional" // by what each tenant's workload costs
	Custom       SplitBy = "custom"       // by given weights, or by those that a query measures
	Nobody       SplitBy = "none"         // stays with the operator
)

// Shared is a cost that several tenants have together: an amount a month, what runs in some namespaces, or both.
type Shared struct {
	Name       string             `json:"name"`
	Monthly    Decimal            `json:"monthly"`
	Namespaces []string           `json:"namespaces,omitempty"`
	Split      SplitBy            `json:"split"`
	Weights    map[string]Decimal `json:"weights,omitempty"` // by tenant, for Custom
	Query      string             `json:"query,omitempty"`   // for Custom: PromQL with a tenant label; {{.window}} is the period's length
	Effective
}

// QueryOver returns the query for weights over a period of that length.
func (s Shared) QueryOver(period time.Duration) string { return Item{Query: s.Query}.QueryOver(period) }

// Over returns what the monthly amount comes to in [from, to): of each calendar month (UTC) the share that is covered, by
// time.
func (s Shared) Over(from, to time.Time) *big.Rat {
	if from.Before(s.From) {
		from = s.From
	}
	if !s.To.IsZero() && s.To.Before(to) {
		to = s.To
	}
	sum := new(big.Rat)
	for _, m := range months(from, to) {
		part := new(big.Rat).Quo(m.Hours(), m.month.Hours())
		sum.Add(sum, part.Mul(part, s.Monthly.Rat()))
	}
	return sum
}

type monthPart struct {
	Span
	month Span
}

// months cuts [from, to) at the ends of calendar months in UTC.
func months(from, to time.Time) []monthPart {
	var parts []monthPart
	for from = from.UTC(); from.Before(to); {
		first := time.Date(from.Year(), from.Month(), 1, 0, 0, 0, 0, time.UTC)
		month := Span{first, first.AddDate(0, 1, 0)}
		end := month.To
		if to.Before(end) {
			end = to.UTC()
		}
		parts = append(parts, monthPart{Span{from, end}, month})
		from = end
	}
	return parts
}
