package backtest

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

// Tuning is what other windows and guards would have done on the same history.
type Tuning struct {
	Wanted      float64    `json:"wantedFalsePagesPer30d"`
	Tried       int        `json:"tried"`
	HealthyDays float64    `json:"healthyDays"` // outside incidents and their slack, over all groups
	Current     Proposal   `json:"current"`
	Proposals   []Proposal `json:"proposals"` // best first: most incidents found, then soonest
	Notes       []string   `json:"notes,omitempty"`
}

// Proposal is one way to page and how it did.
type Proposal struct {
	Tiers []slo.Tier `json:"windows"`
	Guard float64    `json:"guard"` // 1 is off
	Score Score      `json:"score"` // on the history
	// Upper is the rate of false pages for thirty days that the healthy part of the history does not exclude, one-sided
	// at 95 %: three divided by the months seen where there was none.
	Upper float64 `json:"falsePagesUpperPer30d"`
	// Resampled is the rate on healthy time put together anew from ten-minute pieces of the same time of day.
	Resampled float64 `json:"falsePagesResampledPer30d"`
	YAML      string  `json:"yaml"` // for the definition's spec
}

// Candidates: the share of the period's budget that a tier may cost before it pages, its long window as a multiple of the
// usual one, and the guard.
var (
	fastShares   = []float64{0.01, 0.02, 0.03, 0.05}
	slowShares   = []float64{0.03, 0.05, 0.10}
	windowScales = []float64{0.5, 1, 2}
	guards       = []float64{1, 1e-2, 1e-3, 3e-5, 1e-6, 1e-8}
)

const (
	mostProposals = 3
	mostResampled = 40 // candidates that are tried on resampled time
)

// Tune tries other page windows and guards on the history and returns those that keep false pages at or below the wanted
// rate for thirty days, both on the history and on healthy time resampled from it. Incidents must be known, be it that
// there were none; otherwise it is fault.Invalid.
func (r *Replay) Tune(ctx context.Context, wanted float64) (Tuning, error) {
	if !r.options.Known {
		return Tuning{}, fault.New(fault.Invalid, "tuning needs the known incidents, to tell right pages from wrong ones: name them with --incidents; a file with only the header start,end,name says that there were none")
	}
	t := &tuner{replay: r, wanted: wanted, cache: map[string][]Alert{}}
	t.healthy = r.healthySlots()
	t.resampled = r.resample(t.healthy)
	out := Tuning{Wanted: wanted, HealthyDays: t.healthyDays()}
	out.Current = t.judge(r.SLO)
	t.measure(&out.Current, r.SLO)
	all, err := t.search(ctx)
	if err != nil {
		return out, err
	}
	out.Tried = len(all)
	measured := 0
	for i := range all {
		if len(out.Proposals) == mostProposals || measured == mostResampled {
			break
		}
		if all[i].Score.FalsePages > wanted || slices.ContainsFunc(out.Proposals, all[i].alike) {
			continue
		}
		measured++
		if err := ctx.Err(); err != nil {
			return out, err
		}
		if t.measure(&all[i], t.with(all[i].Tiers, all[i].Guard)); all[i].Resampled <= wanted {
			out.Proposals = append(out.Proposals, all[i])
		}
	}
	out.Notes = t.remarks(out)
	return out, nil
}

type tuner struct {
	replay    *Replay
	wanted    float64
	healthy   [][]bool // by group and slot
	resampled History
	cache     map[string][]Alert
}

// with returns the SLO with other paging; its tickets stay as they are.
func (t *tuner) with(tiers []slo.Tier, guard float64) slo.SLO {
	s := t.replay.SLO
	s.Alerting.Tiers, s.Alerting.Guard = tiers, guard
	return s
}

// alike reports whether two proposals did the same on the history, so that one is enough.
func (p Proposal) alike(other Proposal) bool {
	return p.Score.Detected == other.Score.Detected && known(p.Score.DelayMedian) == known(other.Score.DelayMedian) && known(p.Score.DelayWorst) == known(other.Score.DelayWorst)
}

// search judges every sane combination on the history, best first.
func (t *tuner) search(ctx context.Context) ([]Proposal, error) {
	var out []Proposal
	for _, tiers := range t.combinations() {
		for _, guard := range guards {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			out = append(out, t.judge(t.with(tiers, guard)))
		}
	}
	slices.SortStableFunc(out, func(a, b Proposal) int {
		return cmp.Or(cmp.Compare(b.Score.Detected, a.Score.Detected), cmp.Compare(known(a.Score.DelayMedian), known(b.Score.DelayMedian)),
			cmp.Compare(known(a.Score.DelayWorst), known(b.Score.DelayWorst)), cmp.Compare(a.Score.FalsePages, b.Score.FalsePages),
			cmp.Compare(t.distance(a), t.distance(b)))
	})
	return out, nil
}

// distance says how far a proposal is from how things are, so that of equals the least change is proposed.
func (t *tuner) distance(p Proposal) float64 {
	far := math.Abs(math.Log(p.Guard / t.replay.SLO.GuardInForce()))
	for i, now := range t.replay.SLO.Tiers() {
		if i < len(p.Tiers) {
			far += 5*math.Abs(math.Log(p.Tiers[i].Factor/now.Factor)) + 5*math.Abs(math.Log(float64(p.Tiers[i].Long)/float64(now.Long)))
		}
	}
	return far
}

func known(p *float64) float64 {
	if p == nil {
		return math.Inf(1)
	}
	return *p
}

// combinations returns the tiers to try: two for pages, and the SLO's own for tickets.
func (t *tuner) combinations() [][]slo.Tier {
	var pages, tickets []slo.Tier
	for _, tier := range t.replay.SLO.Tiers() {
		if tier.Severity == severityPage {
			pages = append(pages, tier)
		} else {
			tickets = append(tickets, tier)
		}
	}
	if len(pages) < 2 {
		return nil
	}
	least := 0.0 // a page costs more than a ticket, so it must not come of a slower burn
	for _, ticket := range tickets {
		least = max(least, ticket.Factor)
	}
	var out [][]slo.Tier
	for _, fast := range t.variants(pages[0], fastShares) {
		for _, slow := range t.variants(pages[1], slowShares) {
			if fast.Factor > slow.Factor && slow.Factor > least && fast.Long < slow.Long && fast.Short < slow.Short {
				out = append(out, append([]slo.Tier{fast, slow}, tickets...))
			}
		}
	}
	return out
}

// variants scales a tier's windows and sets what it may cost.
func (t *tuner) variants(tier slo.Tier, shares []float64) []slo.Tier {
	s := t.replay.SLO
	var out []slo.Tier
	for _, scale := range windowScales {
		short := max(time.Duration(float64(tier.Short)*scale).Round(s.Interval), 3*s.Interval)
		long := max(time.Duration(float64(tier.Long)*scale).Round(s.Interval), 2*short)
		for _, share := range shares {
			one := tier
			one.Short, one.Long = short, long
			one.Factor = math.Round(share*float64(s.Window.Length())/float64(long)*1e3) / 1e3
			if one.Factor*s.Objective.Budget() < 1 {
				out = append(out, one)
			}
		}
	}
	return out
}

// judge replays the pages on the history.
func (t *tuner) judge(s slo.SLO) Proposal {
	guard := s.GuardInForce()
	p := Proposal{Tiers: s.Tiers(), Guard: guard}
	var pages []Page
	for _, a := range merged(since(t.pages(s, t.replay.History, "history"), t.replay.options.From), severityPage) {
		pages = append(pages, t.replay.page(a))
	}
	p.Score = *t.replay.score(pages)
	p.YAML = alertingYAML(p.Tiers, guard)
	return p
}

// pages replays the page tiers; a tier that was replayed before is remembered.
func (t *tuner) pages(s slo.SLO, h History, of string) []Alert {
	var out []Alert
	for _, c := range s.Conditions() {
		if c.Severity != severityPage {
			continue
		}
		key := fmt.Sprint(of, c.Factor, c.Long, c.Short, c.Recent, c.Between, s.Alerting.Guard)
		found, cached := t.cache[key]
		if !cached {
			for i := range h.Groups {
				found = append(found, replayCondition(s, h, &h.Groups[i], c)...)
			}
			t.cache[key] = found
		}
		out = append(out, found...)
	}
	return out
}

// measure adds what the healthy time says about false pages.
func (t *tuner) measure(p *Proposal, s slo.SLO) {
	months := t.healthyDays() / 30
	if groups := float64(len(t.replay.History.Groups)); groups > 0 {
		months /= groups // rates are for all groups together
	}
	p.Upper = poissonUpper(p.Score.Pages-p.Score.True) / math.Max(months, 1e-9)
	if t.resampled.Slots > 0 {
		n := len(merged(t.pages(s, t.resampled, "resampled"), severityPage))
		p.Resampled = perMonth(n, time.Duration(t.resampled.Slots)*t.resampled.Interval)
	}
}

func (t *tuner) healthyDays() float64 {
	n := 0
	for _, g := range t.healthy {
		for _, ok := range g {
			if ok {
				n++
			}
		}
	}
	return (time.Duration(n) * t.replay.History.Interval).Hours() / 24
}

func (t *tuner) remarks(out Tuning) []string {
	incidents := len(t.replay.incidents())
	notes := []string{fmt.Sprintf("This rests on %d incidents and %.1f healthy days: a delay or a recall over so few incidents says little about the next one.", incidents, out.HealthyDays)}
	groups := math.Max(1, float64(len(t.replay.History.Groups)))
	if floor := poissonUpper(0) / math.Max(out.HealthyDays/groups/30, 1e-9); floor > t.wanted {
		notes = append(notes, fmt.Sprintf("Even without any false page, this much healthy time can't exclude up to %s of them in 30 days (95 %%); showing at most %s takes %.0f days.",
			figure(floor), figure(t.wanted), poissonUpper(0)/math.Max(t.wanted, 1e-9)*30))
	}
	if t.resampled.Slots == 0 {
		notes = append(notes, "There is too little healthy time to resample, so rates rest on the history alone.")
	} else {
		notes = append(notes, "Resampled rates join ten-minute pieces of healthy time at random: they hold for trouble shorter than that, and know nothing of slow degradations.")
	}
	if len(out.Proposals) == 0 {
		notes = append(notes, "No combination kept to the wanted rate; the objective may be tighter than the service is on healthy days.")
	}
	return notes
}

// alertingYAML writes the proposal as the definition has it.
func alertingYAML(tiers []slo.Tier, guard float64) string {
	var b strings.Builder
	b.WriteString("alerting:\n  windows:\n")
	for _, t := range tiers {
		fmt.Fprintf(&b, "  - {name: %s, severity: %s, factor: %g, long: %s, short: %s}\n", t.Name, t.Severity, t.Factor, labelDuration(t.Long), labelDuration(t.Short))
	}
	if guard >= 1 {
		b.WriteString("  guard: off\n")
	} else {
		fmt.Fprintf(&b, "  guard: %g\n", guard)
	}
	return b.String()
}
