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
	Objective   Objective         `json:"objective"`            // per cent, strictly inside (0, 100)
	Window      Window            `json:"window"`               // over which the budget is counted
	Objectives  []Target          `json:"objectives,omitempty"` // further objectives on the same SLI; All makes an SLO of each
	Of          string            `json:"of,omitempty"`         // id of the SLO whose increments this one shares; set by All
	Interval    time.Duration     `json:"interval"`             // base interval of the exact increments; one minute unless set
	Settle      time.Duration     `json:"settle"`               // how far behind now the increments look, at least one scrape's duration
	SLI         SLI               `json:"sli"`                  //
	Slices      Slices            `json:"slices,omitzero"`      // how intervals are judged; zero counts events
	GroupBy     []string          `json:"groupBy,omitempty"`    // labels that increments and the ledger keep, such as tenant and region
	BudgetBy    []string          `json:"budgetBy,omitempty"`
	MaxGroups   int               `json:"maxGroups,omitempty"` // bound on the values of GroupBy; 500 unless set
	Counters    string            `json:"counters,omitempty"`  // whose life the counters share: CountersProcess (also ""), CountersExporter
	Gap         string            `json:"gap,omitempty"`       // how unmeasured time counts: GapIgnore (also ""), GapGood, GapBad
	Labels      map[string]string `json:"labels,omitempty"`    // user labels; they stand on sloth_slo_info and on alerts only
	Alerting    Alerting          `json:"alerting"`
	Spec        string            `json:"spec"` // the format it was read from: "nines/v1", "prometheus/v1", "openslo/v1", ...
	Parsed      *Parsed           `json:"-"`    // left by the readers; nil is fine
}

// Target is a further objective on an SLI that is already counted: the same increments, another bound or window.
type Target struct {
	Name      string    `json:"name"` // its SLO's id is "<service>-<slo>-<name>"
	Objective Objective `json:"objective"`
	Window    Window    `json:"window"`
	PageOff   bool      `json:"pageOff,omitempty"`
	TicketOff bool      `json:"ticketOff,omitempty"`
}

// All returns the SLO itself and one more for each of its further objectives, which share its increments.
func (s SLO) All() []SLO {
	out := []SLO{s}
	for _, t := range s.Objectives {
		more := s
		more.ID, more.Name, more.Of = s.ID+"-"+t.Name, s.Name+"-"+t.Name, s.ID
		more.Objective, more.Window, more.Objectives = t.Objective, t.Window, nil
		more.Alerting.Name, more.Alerting.Tiers = "", nil
		more.Alerting.PageOff, more.Alerting.TicketOff = t.PageOff, t.TicketOff
		out = append(out, more.withDefaults())
	}
	return out
}

// Whose life counters share. Those of an instrumented process begin at zero with it, so what a new process shows has
// happened since. Those that an exporter tells of something else, such as a database, outlive the exporter: a first sample
// is only a baseline, however young the exporter is.
const (
	CountersProcess  = "process"
	CountersExporter = "exporter"
)

// What unmeasured time counts as. GapIgnore leaves it out of the figure; GapGood and GapBad count each missing base
// interval as the window's mean interval, all good or all bad.
const (
	GapIgnore = "ignore"
	GapGood   = "good"
	GapBad    = "bad"
)

// Slices says how base intervals are judged. The zero value counts events. With Target each interval that has events
// is one slice: good where at least Target per cent of its events were (OpenSLO's Timeslices). With Ratio each
// interval is one slice too, good by the share of its good events (OpenSLO's RatioTimeslices).
type Slices struct {
	Target float64 `json:"target,omitempty"`
	Ratio  bool    `json:"ratio,omitempty"`
}

// SLI says how good and bad events are counted. Exactly one of the forms is set.
type SLI struct {
	// Events: PromQL for errors, or for good events, and for all valid events. Each is either a plain counter selector,
	// or an expression over increase(...[w]) or rate(...[w]) where w is the text "{{.window}}" (Sloth's form).
	ErrorQuery string `json:"errorQuery,omitempty"`
	GoodQuery  string `json:"goodQuery,omitempty"`
	TotalQuery string `json:"totalQuery,omitempty"`
	// Latency: a histogram's base name (without _bucket), its selector and the bound. Events slower than the bound are
	// errors. The bound must be a bucket boundary of the histogram: of a classic one, or with Native of a native one,
	// where every power of two of a second is a boundary. Buckets, where known, are the classic histogram's boundaries.
	Histogram string          `json:"histogram,omitempty"`
	Selector  string          `json:"selector,omitempty"` // label matchers between braces, such as {job="shop"}
	Threshold time.Duration   `json:"threshold,omitempty"`
	Native    bool            `json:"native,omitempty"`
	Buckets   []time.Duration `json:"buckets,omitempty"`
	// Raw: an expression of the error ratio in [0, 1]; every base interval then weighs the same.
	RatioQuery string `json:"ratioQuery,omitempty"`
	// Gauge: a selector of series that are 1 while good and 0 while bad; every sample is one event.
	Gauge string `json:"gauge,omitempty"`
	// Value: an expression that is good while it compares with Bound by Op; every base interval with a value is one event.
	Value string  `json:"value,omitempty"`
	Op    string  `json:"op,omitempty"` // "<", "<=", ">", ">="
	Bound float64 `json:"bound,omitempty"`
	// Composite: other SLOs by weight. Each base interval weighs the same and is bad by the weighted mean of the parts'
	// error ratios; parts without traffic in it are left out.
	Parts []Part `json:"parts,omitempty"`
}

// empty reports whether no form is set.
func (s SLI) empty() bool {
	return s.ErrorQuery == "" && s.GoodQuery == "" && s.TotalQuery == "" && s.Histogram == "" && s.RatioQuery == "" && s.Gauge == "" && s.Value == "" && len(s.Parts) == 0
}

// Part is one SLO of a composite.
type Part struct {
	SLO    string  `json:"slo" yaml:"slo"`       // its id
	Weight float64 `json:"weight" yaml:"weight"` // above zero; weights are relative
}

// Window is the compliance window: rolling over a length, or a calendar period.
type Window struct {
	Rolling  time.Duration `json:"rolling,omitempty"`  // 30 days unless set; zero for calendar windows
	Calendar string        `json:"calendar,omitempty"` // "day", "week" (from Monday), "month", "quarter", "year", or "" for rolling
	Zone     string        `json:"zone,omitempty"`     // IANA name for calendar windows; UTC unless set
	// Start is a wall-clock time in Zone, "2026-01-15T00:00:00", at which one of the periods begins; "" is the calendar's own.
	Start string `json:"start,omitempty"`
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
	NoDataOff         bool              `json:"noDataOff,omitempty"` // no page where the targets are lost
	// Tiers, where set, stand in for the four usual ones, fastest first.
	Tiers []Tier `json:"tiers,omitempty"`
	// Guard is the probability below which chance alone no longer explains the errors of a tier's long window, so that
	// it may fire; DefaultGuard unless set, and 1 asks for nothing.
	Guard float64 `json:"guard,omitempty"`
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
	Seen    int           `json:"seen"`             // base intervals with an increment
	Healed  int           `json:"healed,omitempty"` // of them those that no rule recorded, recounted from the raw series
	Expect  int           `json:"expect"`           // base intervals in Width
	Version int           `json:"version"`          // version of the SLO's definition in force when it was copied
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
	// Prediction says from the history whether the budget lasts, without its fan; nil where none was made, as in StatusOf.
	Prediction *Prediction `json:"prediction,omitempty"`
	Version    int         `json:"version"` // of the SLO's definition
	// Adjusted is what corrections and the gap policy made of what was measured; zero where they changed nothing.
	Adjusted Adjusted `json:"adjusted,omitzero"`
}
