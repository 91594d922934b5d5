package incidents

import (
	"cmp"
	"slices"
	"time"
)

// Impact is what an incident cost the people who use the service, as the ledger counted it. The zero Impact says that
// nothing is known.
type Impact struct {
	From   time.Time `json:"from"` // the span counted: from the incident's start
	To     time.Time `json:"to"`   // to its resolution, or to now while it is open
	Counts []Harm    `json:"counts,omitempty"`
	// BadMinutes is how many minutes the service was below its objective. It counts whole ledger buckets.
	BadMinutes *float64 `json:"badMinutes"` // nil is unknown
	// BudgetShare is the share of the window's whole error budget that was spent in the span: 0.2 is a fifth, more than
	// 1 is more than all of it.
	BudgetShare *float64 `json:"budgetShare"` // nil is unknown
	// Coverage is the share of the span that the ledger has seen, 0 to 1. Below 1 the real impact may be larger.
	Coverage float64 `json:"coverage"`
	// Complete says that the ledger has closed the whole span; until then numbers may still rise.
	Complete bool `json:"complete"`
	// Objective is the promise in per cent, for the reader; 0 is unknown.
	Objective float64 `json:"objective,omitempty"`
	// Version is the version of the SLO's definition that the numbers were counted under; 0 is unknown.
	Version int `json:"version,omitempty"`
	// Unknown says in words what could not be counted and why, one sentence each.
	Unknown []string `json:"unknown,omitempty"`
}

// Harm counts one tenant's requests in one region. Errors <= Total; both are whole numbers for event SLIs.
type Harm struct {
	Tenant string  `json:"tenant"` // "" where the SLO has no tenants
	Region string  `json:"region"` // "" where the SLO has no regions
	Errors float64 `json:"errors"`
	Total  float64 `json:"total"`
}

// Known reports whether the ledger saw any of the span.
func (i Impact) Known() bool { return i.Coverage > 0 || len(i.Counts) > 0 }

// Errors returns the failed requests of all tenants and regions.
func (i Impact) Errors() float64 {
	var sum float64
	for _, h := range i.Counts {
		sum += h.Errors
	}
	return sum
}

// Total returns the requests of all tenants and regions.
func (i Impact) Total() float64 {
	var sum float64
	for _, h := range i.Counts {
		sum += h.Total
	}
	return sum
}

// Hit returns the tenants that had failed requests, the hardest hit first.
func (i Impact) Hit() []string {
	errors := map[string]float64{}
	for _, h := range i.Counts {
		if h.Tenant != "" && h.Errors > 0 {
			errors[h.Tenant] += h.Errors
		}
	}
	var hit []string
	for tenant := range errors {
		hit = append(hit, tenant)
	}
	slices.SortFunc(hit, func(a, b string) int { return cmp.Or(cmp.Compare(errors[b], errors[a]), cmp.Compare(a, b)) })
	return hit
}
