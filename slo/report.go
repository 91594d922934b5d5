package slo

import (
	"slices"
	"strings"
	"time"
)

// reportMethod stands in every report, so that the words are signed with the numbers.
const reportMethod = "Counted are events, per calendar month of the contract's zone, half-open. The figure is good/total; " +
	"the displayed figure is cut off, never rounded up. Spans without data count neither as good nor as bad and lower the " +
	"coverage. Bad minutes are the length of the ledger's buckets, of five minutes unless stated, whose own figure is below the objective."

// Report is what one tenant was given in one month, against its contract. Its JSON is canonical: the same inputs give
// the same bytes, whenever and wherever it is computed, and Digest names the inputs.
type Report struct {
	Tenant          string          `json:"tenant"`
	Name            string          `json:"name"`
	Tier            string          `json:"tier"`
	Month           Month           `json:"month"`
	Zone            string          `json:"zone"` // the IANA zone the month was taken in
	From            time.Time       `json:"from"` // half-open, UTC
	To              time.Time       `json:"to"`
	Hours           float64         `json:"hours"` // the month's true length, such as 743 where the clocks change
	Provisional     bool            `json:"provisional"`
	Why             string          `json:"why,omitempty"` // why it is provisional
	ContractVersion int             `json:"contractVersion"`
	Promises        []PromiseReport `json:"promises"`
	Method          string          `json:"method"`
	Digest          string          `json:"digest"` // "sha256:" and 64 hex digits over the inputs, see Inputs
}

// PromiseReport is one line of the contract and what became of it.
type PromiseReport struct {
	SLO        string    `json:"slo"`
	Service    string    `json:"service"`
	Name       string    `json:"name"`
	Defined    bool      `json:"defined"` // false: no such SLO is defined any more, and nothing is claimed of it
	Shared     bool      `json:"shared"`  // the SLO knows no tenants; the figure is the one all customers share
	SLOVersion int       `json:"sloVersion"`
	Versions   []int     `json:"versions"` // of the definitions in force while the month was recorded, ascending
	Objective  Objective `json:"objective"`
	Figure
	Met          *bool          `json:"met"`    // null without traffic
	Credit       float64        `json:"credit"` // per cent of the fee
	BudgetSpent  *float64       `json:"budgetSpent"`
	BadMinutes   float64        `json:"badMinutes"`
	Coverage     float64        `json:"coverage"`     // share of the elapsed month's base intervals that were seen, 0..1
	MissingHours float64        `json:"missingHours"` // what Coverage lacks, as time
	ClosedUntil  time.Time      `json:"closedUntil"`  // up to where the ledger is final, at most To; zero: nothing yet
	Regions      []RegionReport `json:"regions"`
}

// Figure is counts and what people read of them. Without traffic there is no figure: null and "", never 100.
type Figure struct {
	Counts    Counts   `json:"counts"`
	SLI       *float64 `json:"sli"`       // per cent, as computed
	Displayed string   `json:"displayed"` // cut off at two decimals, or as many as the contract has
	Precise   string   `json:"precise"`   // cut off one decimal later
}

// RegionReport is one region's part of a promise.
type RegionReport struct {
	Region string `json:"region"`
	Figure
	BadMinutes float64 `json:"badMinutes"`
}

// NewReport computes a tenant's month. slos are the definitions now in force; buckets is the ledger's content, of which
// only the promised SLOs' buckets of that month count; closedUntil is how far the ledger is final for each SLO. It is
// provisional while the month is not over at now or not fully closed; a final one does not depend on now.
//
// Where buckets holds other tenants' rows too, they tell that the SLO was measured while this tenant was idle: coverage
// is the share of base intervals seen for anybody. Nothing else is taken from them.
func NewReport(c Contract, slos []Versioned, contractVersion int, buckets []Bucket, month Month, closedUntil map[string]time.Time, now time.Time) Report {
	in := newInputs(c, slos, contractVersion, buckets, month, closedUntil)
	r := Report{
		Tenant: c.Tenant, Name: c.Name, Tier: c.Tier, Month: month, Zone: in.Zone, From: in.From, To: in.To,
		Hours: in.To.Sub(in.From).Hours(), ContractVersion: contractVersion, Method: reportMethod, Promises: []PromiseReport{},
	}
	for _, p := range c.Promises {
		r.Promises = append(r.Promises, in.promise(p, now))
	}
	r.Why = r.provisional(now)
	r.Provisional = r.Why != ""
	r.Digest = in.Digest()
	return r
}

func (r Report) provisional(now time.Time) string {
	if now.Before(r.To) {
		return "the month is not over"
	}
	var open []string
	for _, p := range r.Promises {
		if p.ClosedUntil.Before(r.To) {
			open = append(open, p.SLO)
		}
	}
	if len(open) == 0 {
		return ""
	}
	return "the ledger is not closed to the end of the month for " + strings.Join(open, ", ")
}

func (in Inputs) promise(p Promise, now time.Time) PromiseReport {
	s, version, defined := in.slo(p.SLO)
	out := PromiseReport{
		SLO: p.SLO, Service: s.Service, Name: s.Name, Defined: defined, SLOVersion: version, Objective: p.Objective,
		Shared: defined && !slices.Contains(s.GroupBy, "tenant"), Versions: []int{}, Regions: []RegionReport{},
		ClosedUntil: in.ClosedUntil[p.SLO],
	}
	tenant := in.Contract.Tenant
	if out.Shared {
		tenant = ""
	}
	var mine, all []Bucket
	for _, b := range in.Buckets {
		if b.SLO != p.SLO {
			continue
		}
		all = append(all, b)
		if b.Tenant == tenant {
			mine = append(mine, b)
			out.Versions = append(out.Versions, b.Version)
		}
	}
	slices.Sort(out.Versions)
	out.Versions = slices.Compact(out.Versions)
	out.judge(p, mine)
	out.Coverage, out.MissingHours = coverageOf(s.withDefaults(), all, in.From, earlier(in.To, now))
	if slices.Contains(s.GroupBy, "region") {
		out.Regions = regionsOf(p, mine)
	}
	return out
}

func (out *PromiseReport) judge(p Promise, mine []Bucket) {
	var counts Counts
	for _, b := range mine {
		counts = counts.Add(b.Counts)
	}
	out.Figure, out.BadMinutes = figureOf(p, counts), badMinutes(p, mine)
	if counts.Total == 0 {
		return
	}
	met, spent := !counts.below(float64(p.Objective)), 1-p.Objective.Remaining(counts)
	out.Met, out.BudgetSpent, out.Credit = &met, &spent, p.credit(counts)
}

func figureOf(p Promise, counts Counts) Figure {
	f := Figure{Counts: counts}
	if counts.Total == 0 {
		return f
	}
	sli := 100 * counts.Good / counts.Total
	f.SLI, f.Displayed, f.Precise = &sli, counts.FloorPercent(p.decimals()), counts.FloorPercent(p.decimals()+1)
	return f
}

func regionsOf(p Promise, mine []Bucket) []RegionReport {
	by := map[string][]Bucket{}
	for _, b := range mine {
		by[b.Region] = append(by[b.Region], b)
	}
	rows := make([]RegionReport, 0, len(by))
	for region, buckets := range by {
		var counts Counts
		for _, b := range buckets {
			counts = counts.Add(b.Counts)
		}
		rows = append(rows, RegionReport{Region: region, Figure: figureOf(p, counts), BadMinutes: badMinutes(p, buckets)})
	}
	slices.SortFunc(rows, func(a, b RegionReport) int { return strings.Compare(a.Region, b.Region) })
	return rows
}

// badMinutes adds up the length of the spans whose own figure is below the objective; series of one span count together.
func badMinutes(p Promise, buckets []Bucket) float64 {
	type span struct {
		start time.Time
		width time.Duration
	}
	sums := map[span]Counts{}
	for _, b := range buckets {
		at := span{b.Start.UTC(), b.Width}
		sums[at] = sums[at].Add(b.Counts)
	}
	var bad time.Duration
	for at, counts := range sums {
		if counts.below(float64(p.Objective)) {
			bad += at.width
		}
	}
	return bad.Minutes()
}

// coverageOf returns the share of base intervals in [from, until) with an increment in any series, and the hours
// without. It is 0 of nothing where the span is empty.
func coverageOf(s SLO, buckets []Bucket, from, until time.Time) (share, missingHours float64) {
	elapsed := epochFloor(until, s.Interval).Sub(from)
	if elapsed <= 0 {
		return 0, 0
	}
	perStart := map[time.Time]time.Duration{}
	for _, b := range buckets {
		if b.Expect > 0 && !b.end().After(until) {
			seen := time.Duration(float64(b.Width) * float64(min(b.Seen, b.Expect)) / float64(b.Expect))
			perStart[b.Start.UTC()] = max(perStart[b.Start.UTC()], seen)
		}
	}
	var seen time.Duration
	for _, d := range perStart {
		seen += d
	}
	share = min(1, float64(seen)/float64(elapsed))
	return share, max(0, (elapsed - seen).Hours())
}
