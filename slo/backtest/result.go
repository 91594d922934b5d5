package backtest

import (
	"cmp"
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
	// FalsePages is the pages outside incidents, for thirty days; all pages where no incidents are known.
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

// incidents returns the known ones that overlap the time evaluated.
func (r *Replay) incidents() []Incident {
	out := slices.DeleteFunc(slices.Clone(r.options.Incidents), func(i Incident) bool {
		return !i.End.After(r.options.From) || !i.Start.Before(r.options.To)
	})
	slices.SortFunc(out, func(a, b Incident) int { return a.Start.Compare(b.Start) })
	return out
}

func (i Incident) title() string { return cmp.Or(i.Name, i.Start.UTC().Format("2006-01-02 15:04")) }

// overlaps reports whether a page belongs to the incident: whether some of it lies in [start, end + slack].
func (i Incident) overlaps(a Alert, slack time.Duration) bool {
	return !a.Fired.After(i.End.Add(slack)) && (a.Reset.IsZero() || !a.Reset.Before(i.Start))
}

func (r *Replay) judge(name string, alerts []Alert) RuleResult {
	slices.SortStableFunc(alerts, func(a, b Alert) int { return a.Fired.Compare(b.Fired) })
	out := RuleResult{Name: name, Alerts: alerts, Pages: []Page{}, Tickets: []Page{}}
	for _, a := range merged(alerts, severityPage) {
		out.Pages = append(out.Pages, r.page(a))
	}
	for _, a := range merged(alerts, severityTicket) {
		out.Tickets = append(out.Tickets, r.page(a))
	}
	out.PagesPerMonth = perMonth(len(out.Pages), r.options.To.Sub(r.options.From))
	if r.options.Known {
		out.Score = r.score(out.Pages)
	}
	return out
}

func (r *Replay) page(a Alert) Page {
	p := Page{Alert: a}
	end := a.Reset
	if end.IsZero() {
		end = r.options.To
	}
	from := a.Fired.Add(-r.SLO.Tiers()[0].Long)
	for _, i := range r.incidents() {
		if i.overlaps(a, r.options.Slack) {
			p.Incident, from = i.title(), i.Start
			p.Delay = seconds(max(a.Fired.Sub(i.Start), 0))
			if !a.Reset.IsZero() && a.Reset.After(i.End) {
				p.ResetAfter = seconds(a.Reset.Sub(i.End))
			}
			break
		}
	}
	if g := r.group(a.Labels); g != nil {
		p.Spent, p.SpentInAll = r.spent(g, from, a.Fired), r.spent(g, from, end)
	}
	return p
}

func seconds(d time.Duration) *float64 { s := d.Seconds(); return &s }

func (r *Replay) group(labels map[string]string) *Group {
	for i := range r.History.Groups {
		if keyOf(r.History.Groups[i].Labels) == keyOf(labels) {
			return &r.History.Groups[i]
		}
	}
	return nil
}

// spent returns the share of the period's error budget that went from one time to another. The period's budget is that of as
// much traffic as was seen in the time evaluated, carried on over the whole window.
func (r *Replay) spent(g *Group, from, to time.Time) float64 {
	_, total, seen := g.between(r.History.First, r.History.Slots)
	if total == 0 {
		return 0
	}
	budget := r.SLO.Objective.Budget() * total / seen * float64(r.SLO.Window.Length()/r.SLO.Interval)
	return (r.History.errorsUntil(g, to) - r.History.errorsUntil(g, from)) / budget
}

func (r *Replay) score(pages []Page) *Score {
	incidents := r.incidents()
	s := &Score{Pages: len(pages), Incidents: len(incidents), Precision: 1, Recall: 1}
	for _, p := range pages {
		if p.Incident != "" {
			s.True++
		}
	}
	var delays, resets []float64
	for _, i := range incidents {
		first, last := -1, -1
		for n, p := range pages {
			if i.overlaps(p.Alert, r.options.Slack) {
				if first < 0 {
					first = n
				}
				last = n
			}
		}
		if first < 0 {
			s.Missed = append(s.Missed, i.title())
			continue
		}
		s.Detected++
		delays = append(delays, max(pages[first].Fired.Sub(i.Start), 0).Seconds())
		if reset := pages[last].Reset; reset.After(i.End) {
			resets = append(resets, reset.Sub(i.End).Seconds())
		}
	}
	if s.Pages > 0 {
		s.Precision = float64(s.True) / float64(s.Pages)
	}
	if s.Incidents > 0 {
		s.Recall = float64(s.Detected) / float64(s.Incidents)
	}
	s.FalsePages = perMonth(s.Pages-s.True, r.options.To.Sub(r.options.From))
	s.DelayMedian, s.DelayWorst = middle(delays)
	s.ResetMedian, _ = middle(resets)
	return s
}

// middle returns the median (the upper one of two) and the largest; nil where there are none.
func middle(all []float64) (median, worst *float64) {
	if len(all) == 0 {
		return nil, nil
	}
	slices.Sort(all)
	m, w := all[len(all)/2], all[len(all)-1]
	return &m, &w
}
