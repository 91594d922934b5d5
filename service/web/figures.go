package web

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

// Evidence says how incidents went, and what may help with one.
type Evidence interface {
	// Figures returns how the incidents that opened within the period went, by group; groups without one are left out.
	Figures(ctx context.Context, scope access.Scope, f incidents.FiguresFilter) ([]incidents.Figures, error)
	// Similar returns resolved incidents like the one of the ID, the most alike first. A tenant sees no notes and reasons.
	Similar(ctx context.Context, scope access.Scope, id string) ([]incidents.Similar, error)
	// Suspects ranks the changes near the start of an incident; a tenant sees none.
	Suspects(ctx context.Context, scope access.Scope, id string) ([]incidents.Suspect, error)
	// Exhibits returns what was kept with an incident; a tenant sees nothing that is private to the operator.
	Exhibits(ctx context.Context, scope access.Scope, id string) ([]incidents.Exhibit, error)
	// Stake returns what an incident costs, as of at most a minute ago. Only the operator is shown it.
	Stake(ctx context.Context, i incidents.Incident) (slo.Stake, error)
	PendingExhibits(ctx context.Context, scope access.Scope, id string) ([]incidents.PendingExhibit, error)
}

type figuresView struct {
	By       incidents.Grouping
	Days     int
	Service  string
	Services []string // that have figures in the period, to choose from
	Periods  []int    // days, to choose from
	From, To time.Time
	Groups   []figuresGroup
	More     int    // groups that are not shown
	Plots    []plot // over all groups together
	Asked    bool
}

// figuresGroup is one group in words, the one with the most incidents first.
type figuresGroup struct {
	incidents.Figures
	Name  string
	Lasts []figureRow // and last, the pages of a shift
}

// figureRow is one duration with how many incidents it is said over, or the pages of a shift.
type figureRow struct {
	Short, Name       string
	Median, P90, Mean string
	Over              int
}

// figurePeriods are the days that figures can be said over, with how many bars each is plotted in.
var figurePeriods = []struct{ days, bars int }{{7, 7}, {30, 10}, {90, 15}, {365, 12}}

// mostGroups bounds the page.
const mostGroups = 60

func (s *site) figures(c *fiber.Ctx, who access.Principal) error {
	if err := requireOperator(who, access.Viewer); err != nil {
		return err
	}
	view, bars := askedFigures(c)
	view.To = s.Now().UTC()
	view.From = view.To.AddDate(0, 0, -view.Days)
	f := incidents.FiguresFilter{From: view.From, To: view.To, By: view.By, Service: view.Service}
	ctx, scope := c.UserContext(), who.Scope()
	m := s.missing(ctx)
	groups, err := s.Evidence.Figures(ctx, scope, f)
	if err != nil && final(err) {
		return err
	}
	m.note("figures", err)
	view.Asked = err == nil
	view.setGroups(groups)
	if view.Asked && len(groups) > 0 {
		services, err := s.Evidence.Figures(ctx, scope, incidents.FiguresFilter{From: view.From, To: view.To, By: incidents.ByService})
		m.note("the choice of services", err)
		view.setServices(services)
		trend, err := s.figuresOverTime(ctx, scope, f, bars)
		m.note("figures over time", err)
		if err == nil {
			view.Plots = figurePlots(trend, f)
		}
	}
	return s.render(c, fiber.StatusOK, page{
		Template: "figures", Title: "Figures", Section: "incidents", Missing: m.texts(), Body: view,
	})
}

// askedFigures reads the form; what is not one of its choices is its first choice.
func askedFigures(c *fiber.Ctx) (figuresView, int) {
	view, bars := figuresView{By: incidents.ByService, Days: 30, Service: strings.Clone(c.Query("service"))}, 10
	switch by := incidents.Grouping(strings.Clone(c.Query("by"))); by {
	case incidents.ByTeam, incidents.ByTenant:
		view.By = by
	}
	asked := c.QueryInt("days")
	for _, p := range figurePeriods {
		view.Periods = append(view.Periods, p.days)
		if p.days == asked {
			view.Days, bars = p.days, p.bars
		}
	}
	return view, bars
}

func (v *figuresView) setGroups(groups []incidents.Figures) {
	slices.SortStableFunc(groups, func(a, b incidents.Figures) int { return cmp.Compare(b.Incidents, a.Incidents) })
	if len(groups) > mostGroups {
		groups, v.More = groups[:mostGroups], len(groups)-mostGroups
	}
	without := map[incidents.Grouping]string{
		incidents.ByService: "Without a service", incidents.ByTeam: "Without a team", incidents.ByTenant: "All tenants",
	}
	for _, g := range groups {
		v.Groups = append(v.Groups, figuresGroup{Figures: g, Name: cmp.Or(g.Key, without[v.By]), Lasts: []figureRow{
			figureOf("MTTA", "to acknowledge", g.Acknowledge), figureOf("MTTR", "to resolve", g.Resolve),
			figureOf("MTTE", "to engage", g.Engage), figureOf("MTBF", "between failures", g.Between), shiftOf(g.Shift),
		}})
	}
}

func (v *figuresView) setServices(groups []incidents.Figures) {
	for _, g := range groups {
		if g.Key != "" {
			v.Services = append(v.Services, g.Key)
		}
	}
	if v.Service != "" && !slices.Contains(v.Services, v.Service) {
		v.Services = append(v.Services, v.Service)
	}
}

func figureOf(short, name string, s incidents.Spread) figureRow {
	return figureRow{Short: short, Name: name, Median: secondsText(s.Median), P90: secondsText(s.P90), Mean: secondsText(s.Mean), Over: s.Over}
}

// shiftOf is how many pages a shift got.
func shiftOf(s incidents.Spread) figureRow {
	text := func(pages *float64) string {
		if pages == nil {
			return unknown
		}
		return strings.TrimSuffix(fmt.Sprintf("%.1f", *pages), ".0")
	}
	return figureRow{Short: "Pages", Name: "a shift", Median: text(s.Median), P90: text(s.P90), Mean: text(s.Mean), Over: s.Over}
}

// secondsText writes a number of seconds for people; what is not known is not said to be none.
func secondsText(seconds *float64) string {
	if seconds == nil || !finite(*seconds) {
		return unknown
	}
	return spanText(time.Duration(*seconds * float64(time.Second)))
}

// figuresOverTime asks for the figures of each part of the period, with all groups together. A part without an incident
// has the zero Figures.
func (s *site) figuresOverTime(ctx context.Context, scope access.Scope, f incidents.FiguresFilter, parts int) ([]incidents.Figures, error) {
	out := make([]incidents.Figures, parts)
	step := f.To.Sub(f.From) / time.Duration(parts)
	for n := range out {
		part := incidents.FiguresFilter{From: f.From.Add(time.Duration(n) * step), To: f.From.Add(time.Duration(n+1) * step), Service: f.Service}
		if n == parts-1 {
			part.To = f.To
		}
		found, err := s.Evidence.Figures(ctx, scope, part)
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			out[n] = found[0]
		}
	}
	return out, nil
}

// figurePlots draws what changes from week to week. Medians are plotted, because one long incident moves a mean.
func figurePlots(trend []incidents.Figures, f incidents.FiguresFilter) []plot {
	zero := 0.0
	step := f.To.Sub(f.From) / time.Duration(len(trend))
	draw := func(name, title, class, nothing string, value func(incidents.Figures) float64) plot {
		p := plot{Name: name, Title: title, From: f.From, To: f.To, Class: class, Bars: true, Low: &zero, Format: countText, Nothing: nothing}
		for n, g := range trend {
			p.Points = append(p.Points, plotPoint{At: f.From.Add(time.Duration(n+1) * step), Step: step, Value: value(g)})
		}
		return p
	}
	last := func(name, title, nothing string, of func(incidents.Figures) incidents.Spread) plot {
		return inOneUnit(draw(name, title, "burn", nothing, func(g incidents.Figures) float64 {
			if median := of(g).Median; median != nil {
				return *median
			}
			return math.NaN()
		}))
	}
	return []plot{
		draw("opened", "Incidents opened", "traffic", "No incident opened.", func(g incidents.Figures) float64 { return float64(g.Incidents) }),
		last("acknowledge", "Median time to acknowledge", "None was acknowledged.", func(g incidents.Figures) incidents.Spread { return g.Acknowledge }),
		last("resolve", "Median time to resolve", "None is resolved.", func(g incidents.Figures) incidents.Spread { return g.Resolve }),
		draw("paged", "Pages sent", "errors", "No page was sent.", func(g incidents.Figures) float64 { return float64(g.Pages) }),
	}
}

// inOneUnit turns a plot of seconds into one of minutes, hours or days, so that the labels of its axis are short.
func inOneUnit(p plot) plot {
	unit, name := 1.0, "s"
	for _, point := range p.Points {
		for _, u := range []struct {
			seconds float64
			name    string
		}{{60, "min"}, {3600, "h"}, {86_400, "d"}} {
			if point.Value >= 2*u.seconds && u.seconds > unit {
				unit, name = u.seconds, u.name
			}
		}
	}
	for n := range p.Points {
		p.Points[n].Value /= unit
	}
	p.Format = func(v float64) string { return trimmed(v, 2) + thin + name }
	return p
}
