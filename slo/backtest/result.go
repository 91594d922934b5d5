package backtest

import (
	"fmt"
	"slices"
	"time"

	"github.com/nines-sre/nines/slo"
)

// Result is what a replay found.
type Result struct {
	SLO       string        `json:"slo"`
	Objective slo.Objective `json:"objective"`
	From      time.Time     `json:"from"` // evaluated is (From, To]
	To        time.Time     `json:"to"`
	Interval  float64       `json:"intervalSeconds"`
	Origin    string        `json:"origin"`   // what the counts were taken from
	Coverage  float64       `json:"coverage"` // share of the intervals in which something was seen, over all groups
	Groups    []GroupResult `json:"groups"`
	Incidents []Incident    `json:"incidents,omitempty"` // those that lie in the time evaluated
	Rules     []RuleResult  `json:"rules"`               // ours first
	Notes     []string      `json:"notes,omitempty"`
}

// GroupResult is one budget over the time evaluated.
type GroupResult struct {
	Labels   map[string]string `json:"labels,omitempty"`
	Total    float64           `json:"total"`
	Errors   float64           `json:"errors"`
	Spent    float64           `json:"spent"` // share of the period's budget that went in this time; 1 is all of it
	Coverage float64           `json:"coverage"`
}

// RuleResult is what one rule set would have done.
type RuleResult struct {
	Name    string  `json:"name"`
	Pages   []Page  `json:"pages"`
	Tickets []Page  `json:"tickets"`
	Alerts  []Alert `json:"alerts"` // each by itself, as pages and tickets are made of them
	Score   *Score  `json:"score,omitempty"`
	// PagesPerMonth is all pages, right or wrong, scaled to thirty days.
	PagesPerMonth float64 `json:"pagesPer30d"`
}

// Page is one page, or ticket, from the first alert of its severity that fires until none does.
type Page struct {
	Alert
	Incident string `json:"incident,omitempty"` // the known incident it belongs to, by name or start
	// Delay is from the incident's start to the page, and ResetAfter from its end to the page's reset, in seconds.
	Delay      *float64 `json:"delaySeconds,omitempty"`
	ResetAfter *float64 `json:"resetAfterSeconds,omitempty"`
	// Spent is the share of the period's budget that had gone when it fired: since the incident's start, or where there
	// is none in the hour before. SpentInAll is that of the page's end.
	Spent      float64 `json:"spentAtDetection"`
	SpentInAll float64 `json:"spentInAll"`
}

// Score judges a rule set's pages by the known incidents.
type Score struct {
	Pages       int      `json:"pages"`
	True        int      `json:"truePages"`
	Incidents   int      `json:"incidents"`
	Detected    int      `json:"detected"`
	Precision   float64  `json:"precision"` // true pages by pages; 1 where there is none
	Recall      float64  `json:"recall"`    // detected incidents by incidents; 1 where there is none
	FalsePages  float64  `json:"falsePagesPer30d"`
	DelayMedian *float64 `json:"delayMedianSeconds,omitempty"`
	DelayWorst  *float64 `json:"delayWorstSeconds,omitempty"`
	ResetMedian *float64 `json:"resetMedianSeconds,omitempty"`
	Missed      []string `json:"missed,omitempty"` // incidents without a page
}

func (r *Replay) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// Result judges the replay with the SLO's own alerting, and peers' where they can be shown.
func (r *Replay) Result() Result {
	out := Result{
		SLO: r.SLO.ID, Objective: r.SLO.Objective, From: r.options.From, To: r.options.To, Interval: r.SLO.Interval.Seconds(),
		Origin: r.origin, Notes: slices.Clone(r.notes), Incidents: r.incidents(),
	}
	seen, slots := 0.0, 0.0
	for i := range r.History.Groups {
		g := &r.History.Groups[i]
		errors, total, _ := g.between(r.History.First, r.History.Slots)
		one := GroupResult{Labels: g.Labels, Total: total, Errors: errors, Coverage: r.History.coverage(g)}
		one.Spent = r.spent(g, r.options.From, r.options.To)
		out.Groups = append(out.Groups, one)
		seen, slots = seen+one.Coverage, slots+1
	}
	if slots > 0 {
		out.Coverage = seen / slots
	}
	out.Rules = append(out.Rules, r.judge(Nines, r.oursAll(r.SLO)))
	if r.peers != nil {
		for _, p := range []peerRules{slothRules(r.SLO, r.options.PeerEval), pyrraRules(r.SLO)} {
			out.Rules = append(out.Rules, r.judge(p.name, r.peerAll(p)))
		}
	}
	out.Notes = append(out.Notes, r.remarks()...)
	return out
}

// remarks say what the figures leave out.
func (r *Replay) remarks() []string {
	var out []string
	if len(r.History.Groups) == 0 {
		out = append(out, "Nothing was counted in this time, so nothing could page. Check the queries, and that the server keeps this much history.")
	}
	if !r.options.Known {
		out = append(out, "No known incidents were given, so pages can't be called right or wrong: precision, recall and delays are left out (--incidents FILE).")
	}
	if n := len(r.options.Incidents) - len(r.incidents()); n > 0 {
		out = append(out, fmt.Sprintf("%d of the %d incidents lie outside the time evaluated and are left out.", n, len(r.options.Incidents)))
	}
	if r.SLO.Alerting.PageOff {
		out = append(out, "Paging is off for this SLO.")
	}
	return out
}

func (r *Replay) oursAll(s slo.SLO) []Alert {
	var out []Alert
	for i := range r.History.Groups {
		out = append(out, ours(s, r.History, &r.History.Groups[i])...)
	}
	return since(out, r.options.From)
}

func (r *Replay) peerAll(p peerRules) []Alert {
	var out []Alert
	for _, of := range r.peers.groups() {
		out = append(out, p.replay(r.peers, of, r.options.From.Add(-p.longest()/4), r.options.To)...)
	}
	return since(out, r.options.From)
}
