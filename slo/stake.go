package slo

import (
	"cmp"
	"slices"
	"time"
)

// Stake is what an incident costs the one who made the promise, as it stood at a time.
type Stake struct {
	At          time.Time       `json:"asOf"`        // when it was computed; it is not computed anew for each reader
	BudgetSpent *float64        `json:"budgetSpent"` // share of the window's whole error budget; nil is unknown
	Tenants     []string        `json:"tenants"`     // that had failed requests, the hardest hit first
	Credits     []CreditAtStake `json:"credits"`     // of those of them whose contract grants any for this promise
	More        int             `json:"more"`        // contracts of tenants hit that were not computed
}

// CreditAtStake is what a contract grants for one promise in the month so far.
type CreditAtStake struct {
	Tenant   string      `json:"tenant"`
	Month    Month       `json:"month"`
	SLO      string      `json:"slo"`
	Promised Objective   `json:"promised"` // per cent
	Measured string      `json:"measured"` // per cent, as the report shows it; "" is unknown
	Credit   float64     `json:"credit"`   // per cent of the fee that is owed as it stands
	Next     *CreditTier `json:"next"`     // the next step down the ladder; nil at its end
}

// CreditAtStake reads what a promise grants from a tenant's report of the month.
func (p Promise) CreditAtStake(tenant string, report Report, month Month) CreditAtStake {
	out := CreditAtStake{Tenant: tenant, Month: month, SLO: p.SLO, Promised: p.Objective}
	n := slices.IndexFunc(report.Promises, func(r PromiseReport) bool { return r.SLO == p.SLO })
	if n < 0 {
		return out
	}
	out.Measured, out.Credit = report.Promises[n].Displayed, report.Promises[n].Credit
	ladder := slices.SortedFunc(slices.Values(p.Credits), func(a, b CreditTier) int { return cmp.Compare(b.Below, a.Below) })
	for _, step := range ladder {
		if step.Credit > out.Credit {
			out.Next = &step
			break
		}
	}
	return out
}

// MonthAt returns the month of a time on the clock of a zone; an unknown one is UTC.
func MonthAt(t time.Time, zone string) Month {
	location, err := time.LoadLocation(zone)
	if err != nil {
		location = time.UTC
	}
	t = t.In(location)
	return Month{Year: t.Year(), Month: t.Month()}
}
