package backtest

import (
	"cmp"
	"slices"
	"time"
)

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
