package slo

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// reportMethod stands in every report, so that the words are signed with the numbers.
const reportMethod = "Counted are events, per calendar month of the contract's zone, half-open. The figure is good/total; " +
	"the displayed figure is cut off, never rounded up. Spans without data count neither as good nor as bad and lower the " +
	"coverage. Bad minutes are the length of the ledger's buckets, of five minutes unless stated, whose own figure is below the objective."

// correctedMethod is added where corrections or a gap policy had a say.
const correctedMethod = " Corrections hold for whole buckets within their stated spans: what is excluded counts neither as good nor as bad nor as missing, " +
	"and where errors count as good the number of events stays. Intervals that a gap policy counts are worth the mean of those seen, all good or all bad. " +
	"The figure as measured stands beside."

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
	// What follows is set only where corrections or a gap policy changed the figure, or the contract refused to.
	ExcludedMinutes float64            `json:"excludedMinutes,omitempty"` // left out: neither good nor bad nor missing
	Gap             string             `json:"gap,omitempty"`             // the policy by which Imputed counts: "good" or "bad"
	Imputed         int                `json:"imputed,omitempty"`         // base intervals without data that count
	ImputedCounts   *Counts            `json:"imputedCounts,omitempty"`   // as what; they are part of Counts
	Measured        *Uncorrected       `json:"measured,omitempty"`        // the same promise without corrections and gap policy
	Corrections     []CorrectionReport `json:"corrections,omitempty"`     // in order of their spans
}

// Uncorrected is a promise as it was measured.
type Uncorrected struct {
	Figure
	Met        *bool   `json:"met"`
	Credit     float64 `json:"credit"`
	BadMinutes float64 `json:"badMinutes"`
}

// CorrectionReport is one correction in a report: who made it, why, and what it changed.
type CorrectionReport struct {
	ID          string            `json:"id"`
	Kind        string            `json:"kind"`
	Mode        string            `json:"mode"`
	Labels      map[string]string `json:"labels,omitempty"`
	Reason      string            `json:"reason"`
	Author      string            `json:"author"`
	Created     time.Time         `json:"created"`
	Retroactive bool              `json:"retroactive"` // made after its span had begun
	From        time.Time         `json:"from"`        // the whole buckets of the month that it holds for
	To          time.Time         `json:"to"`
	Counts      bool              `json:"counts"`        // false: the contract does not let it
	Why         string            `json:"why,omitempty"` // why not, or why not all of it
	Minutes     float64           `json:"minutes"`       // of recorded buckets that it changed
	Excluded    Counts            `json:"excluded"`      // events left out
	Forgiven    float64           `json:"forgiven"`      // errors counted as good
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
//
// Of the corrections those that are in force and about this tenant's promises are applied as far as the contract lets
// them; each promise lists them beside the figure that was measured.
func NewReport(c Contract, slos []Versioned, contractVersion int, buckets []Bucket, month Month, closedUntil map[string]time.Time, now time.Time, corrections ...Correction) Report {
	in := newInputs(c, slos, contractVersion, buckets, month, closedUntil, corrections)
	r := Report{
		Tenant: c.Tenant, Name: c.Name, Tier: c.Tier, Month: month, Zone: in.Zone, From: in.From, To: in.To,
		Hours: in.To.Sub(in.From).Hours(), ContractVersion: contractVersion, Method: reportMethod, Promises: []PromiseReport{},
	}
	for _, p := range c.Promises {
		line := in.promise(p, now)
		if line.Measured != nil || len(line.Corrections) > 0 {
			r.Method = reportMethod + correctedMethod
		}
		r.Promises = append(r.Promises, line)
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
	in.account(&out, p, s.withDefaults(), tenant, mine, all, now)
	return out
}

// account computes the line's figures from the tenant's buckets; all are everybody's.
func (in Inputs) account(out *PromiseReport, p Promise, s SLO, tenant string, mine, all []Bucket, now time.Time) {
	corrections, told := in.allowed(s, widest(all))
	counted, effect := Correct(mine, corrections)
	excluded := spansOf(ModeExclude, seriesIn(mine, s, tenant), corrections, widest(all))
	until := earlier(in.To, now)
	out.Coverage, out.MissingHours = coverageOf(s, all, in.From, until, excluded)
	imputed := in.imputed(s, counted, all, excluded, spansOf(ModeGood, seriesIn(mine, s, tenant), corrections, widest(all)), earlier(until, out.ClosedUntil))
	out.judge(p, counted, imputed)
	if slices.Contains(s.GroupBy, "region") {
		out.Regions = regionsOf(p, counted)
	}
	out.ExcludedMinutes = lengthIn(excluded, in.From, until).Minutes()
	for _, b := range imputed {
		out.Imputed += b.Expect
	}
	if out.Imputed > 0 {
		sum := sumOf(imputed)
		out.Gap, out.ImputedCounts = s.Gap, &sum
	}
	for _, one := range effect.By {
		i := slices.IndexFunc(told, func(c CorrectionReport) bool { return c.ID == one.ID })
		told[i].Minutes, told[i].Excluded, told[i].Forgiven = one.Minutes, one.Excluded, one.Forgiven
	}
	out.Corrections = told
	if len(told) > 0 || out.Imputed > 0 {
		var raw PromiseReport
		raw.judge(p, mine, nil)
		out.Measured = &Uncorrected{Figure: raw.Figure, Met: raw.Met, Credit: raw.Credit, BadMinutes: raw.BadMinutes}
	}
}

// imputed returns what the gap policy counts for the spans in which nobody was measured, up to where the ledger is final.
func (in Inputs) imputed(s SLO, counted, all []Bucket, excluded, good []span, until time.Time) []Bucket {
	if s.Gap != GapGood && s.Gap != GapBad {
		return nil
	}
	slots := slotsOf(all, until, excluded)
	seen := 0
	for _, one := range slots {
		seen += one.seen
	}
	if seen == 0 {
		return nil
	}
	gaps := slices.DeleteFunc(gapsOf(slots, in.From, until, s.Interval, widest(all)), func(g gap) bool { return holds(excluded, g.from, g.to) })
	return impute(s.Gap, gaps, sumOf(counted).Total/float64(seen), good)
}

// slotsOf lines up what was seen in any series outside of excluded spans, in order of time; until, unless zero, leaves out
// buckets that end later.
func slotsOf(buckets []Bucket, until time.Time, excluded []span) []slot {
	var out []slot
	place := make(map[int64]int, len(buckets))
	for _, b := range buckets {
		if !until.IsZero() && b.end().After(until) || len(excluded) > 0 && holds(excluded, b.Start, b.end()) {
			continue
		}
		at := b.Start.UnixNano()
		i, again := place[at]
		if !again {
			i = len(out)
			place[at] = i
			out = append(out, slot{span: span{b.Start, b.end()}, expect: b.Expect})
		}
		out[i].seen = max(out[i].seen, b.Seen)
	}
	slices.SortFunc(out, func(a, b slot) int { return a.from.Compare(b.from) })
	return out
}

// seriesIn returns the series of the buckets; without any, the one that the tenant's would be.
func seriesIn(buckets []Bucket, s SLO, tenant string) []Series {
	found := map[Series]bool{}
	for _, b := range buckets {
		found[b.Series] = true
	}
	if len(found) == 0 {
		return []Series{{SLO: s.ID, Tenant: tenant, Group: "{}"}}
	}
	return slices.Collect(maps.Keys(found))
}

// widest returns the width of the buckets, five minutes where there are none.
func widest(buckets []Bucket) time.Duration {
	var width time.Duration
	for _, b := range buckets {
		width = max(width, b.Width)
	}
	if width == 0 {
		return bucketWidth
	}
	return width
}

func sumOf(buckets []Bucket) Counts {
	var sum Counts
	for _, b := range buckets {
		sum = sum.Add(b.Counts)
	}
	return sum
}

func (out *PromiseReport) judge(p Promise, counted, imputed []Bucket) {
	counts := sumOf(counted).Add(sumOf(imputed))
	out.Figure, out.BadMinutes = figureOf(p, counts), badMinutes(p, counted)
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
// without. Excluded spans are left out of both. It is 0 of nothing where the span is empty.
func coverageOf(s SLO, buckets []Bucket, from, until time.Time, excluded []span) (share, missingHours float64) {
	elapsed := epochFloor(until, s.Interval).Sub(from) - lengthIn(excluded, from, until)
	if elapsed <= 0 {
		return 0, 0
	}
	var seen time.Duration
	for _, one := range slotsOf(buckets, until, excluded) {
		if one.expect > 0 {
			seen += time.Duration(float64(one.to.Sub(one.from)) * float64(min(one.seen, one.expect)) / float64(one.expect))
		}
	}
	share = min(1, float64(seen)/float64(elapsed))
	return share, max(0, (elapsed - seen).Hours())
}
