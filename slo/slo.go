// Package slo is the arithmetic of promises: objectives, service level indicators, windows, burn tiers, recording and
// alerting rules, error budgets and SLA figures. It leaves out where numbers are kept and who is told; values and the
// time come in as arguments.
package slo

import "time"

// Counts is a number of events: how many were good, of how many that were valid.
// 0 <= Good <= Total; both are whole numbers for event SLIs. The zero value is "no traffic".
type Counts struct {
	Good  float64 `json:"good"`
	Total float64 `json:"total"`
}

// Errors returns the events that were not good.
func (c Counts) Errors() float64 { return c.Total - c.Good }

// Add returns the sum of both.
func (c Counts) Add(other Counts) Counts {
	return Counts{Good: c.Good + other.Good, Total: c.Total + other.Total}
}

// SLO is one promise about one service, whatever file format it was read from.
type SLO struct {
	ID          string            `json:"id"` // "<service>-<name>"; the sloth_id label
	Service     string            `json:"service"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Owner       string            `json:"owner,omitempty"`
	Objective   Objective         `json:"objective"`         // per cent, strictly inside (0, 100)
	Window      Window            `json:"window"`            // over which the budget is counted
	Interval    time.Duration     `json:"interval"`          // base interval of the exact increments; one minute unless set
	Settle      time.Duration     `json:"settle"`            // how far behind now the increments look, at least one scrape's duration
	SLI         SLI               `json:"sli"`               //
	GroupBy     []string          `json:"groupBy,omitempty"` // labels that increments and the ledger keep, such as tenant and region
	BudgetBy    []string          `json:"budgetBy,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"` // user labels; they stand on sloth_slo_info and on alerts only
	Alerting    Alerting          `json:"alerting"`
	Spec        string            `json:"spec"` // the format it was read from: "nines/v1" or "prometheus/v1"
}

// SLI says how good and bad events are counted. Exactly one of the forms is set.
type SLI struct {
	// Events: PromQL for errors and for all valid events. Each is either a plain counter selector, or an expression
	// over increase(...[w]) or rate(...[w]) where w is the text "{{.window}}" (Sloth's form).
	ErrorQuery string `json:"errorQuery,omitempty"`
	TotalQuery string `json:"totalQuery,omitempty"`
	// Latency: a classic histogram's base name (without _bucket), its selector and the bound. Events slower than the
	// bound are errors. The bound must be a bucket boundary of the histogram.
	Histogram string        `json:"histogram,omitempty"`
	Selector  string        `json:"selector,omitempty"` // label matchers between braces, such as {job="shop"}
	Threshold time.Duration `json:"threshold,omitempty"`
	// Raw: an expression of the error ratio in [0, 1]; every base interval then weighs the same.
	RatioQuery string `json:"ratioQuery,omitempty"`
}

// Window is the compliance window: rolling over a length, or a calendar month.
type Window struct {
	Rolling  time.Duration `json:"rolling,omitempty"`  // 30 days unless set; zero for calendar windows
	Calendar string        `json:"calendar,omitempty"` // "month", or "" for rolling
	Zone     string        `json:"zone,omitempty"`     // IANA name for calendar windows; UTC unless set
}

// Alerting is what happens when the budget burns too fast.
type Alerting struct {
	Name        string            `json:"name"`             // the alertname label
	Policy      string            `json:"policy,omitempty"` // escalation policy; "" means the service's, else the default one
	Runbook     string            `json:"runbook,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"` // on every alert of this SLO
	Annotations map[string]string `json:"annotations,omitempty"`
	PageLabels  map[string]string `json:"pageLabels,omitempty"`   // on page tiers only
	TicketLabel map[string]string `json:"ticketLabels,omitempty"` // on ticket tiers only
	// PageAnnotations and TicketAnnotations stand on alerts of their tiers only, over Annotations.
	PageAnnotations   map[string]string `json:"pageAnnotations,omitempty"`
	TicketAnnotations map[string]string `json:"ticketAnnotations,omitempty"`
	PageOff           bool              `json:"pageOff,omitempty"`
	TicketOff         bool              `json:"ticketOff,omitempty"`
}

// Tier is one burn-rate alert: it fires while the budget burns Factor times too fast over both windows.
type Tier struct {
	Name     string        `json:"name"`     // "page-fast", "page-slow", "ticket-fast", "ticket-slow"
	Severity string        `json:"severity"` // Sloth's word: "page" or "ticket"
	Factor   float64       `json:"factor"`   // 14.4, 6, 3, 1 at a 30-day window
	Long     time.Duration `json:"long"`
	Short    time.Duration `json:"short"`
}

// Series names one ledger series: which SLO, and which labels. Tenant and Region are the values of the tenant and region
// labels ("" where the SLO has none); Group holds any further GroupBy labels as canonical JSON, "{}" for none.
type Series struct {
	SLO    string `json:"slo"`
	Tenant string `json:"tenant"`
	Region string `json:"region"`
	Group  string `json:"group"`
}

// Bucket is one closed span of the ledger: what happened in (Start, Start+Width], as sums of exact increments.
type Bucket struct {
	Series
	Start   time.Time     `json:"start"` // a multiple of Width since the epoch, UTC
	Width   time.Duration `json:"width"` // five minutes unless the installation says otherwise
	Counts                // sums over the increments seen
	Seen    int           `json:"seen"`    // base intervals with an increment
	Expect  int           `json:"expect"`  // base intervals in Width
	Version int           `json:"version"` // version of the SLO's definition in force when it was copied
}

// Status is a promise's state at a time, for one value of its BudgetBy labels.
type Status struct {
	SLO       string            `json:"slo"`
	Service   string            `json:"service"`
	Name      string            `json:"name"`
	Labels    map[string]string `json:"labels"` // the BudgetBy labels' values, such as {"tenant": "acme"}
	Objective Objective         `json:"objective"`
	From      time.Time         `json:"from"` // the window, half-open
	To        time.Time         `json:"to"`
	Counts    Counts            `json:"counts"`
	SLI       float64           `json:"sli"`       // per cent good; NaN never: 100 with no traffic, see Traffic
	Traffic   bool              `json:"traffic"`   // false: nothing was seen, SLI and Remaining say nothing
	Coverage  float64           `json:"coverage"`  // share of the window's base intervals seen, 0..1, counted from FirstSeen
	FirstSeen time.Time         `json:"firstSeen"` // the first bucket in the window
	Remaining float64           `json:"remaining"` // share of the error budget left; negative when overspent
	Burn      float64           `json:"burn"`      // current burn rate over the last hour of the ledger and live data
	// Exhausted is when the budget is gone at the current burn; zero means not within the window.
	Exhausted time.Time `json:"exhausted,omitzero"`
	Version   int       `json:"version"` // of the SLO's definition
}
