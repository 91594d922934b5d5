package web

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

// Capacity says how workloads go and what was decided about them. It is the operator's.
type Capacity interface {
	// Workloads returns the names of all workloads, in order.
	Workloads() []string
	// Outlook returns how a workload's load goes and where it is going. An unknown name is a fault.NotFound.
	Outlook(ctx context.Context, workload string) (WorkloadOutlook, error)
	// Decisions returns what was decided about a workload's replicas, the newest first.
	Decisions(ctx context.Context, scope access.Scope, workload string, limit int) ([]autoscale.Decision, error)
}

// WorkloadOutlook is a workload, its past and its forecast.
type WorkloadOutlook struct {
	Workload autoscale.Workload
	At       time.Time
	Load     []forecast.Point
	Replicas []forecast.Point
	Forecast forecast.Forecast // zero where there is too little history
	Held     *ForecastHeld     // nil where no forecast has been judged
	Decision autoscale.Decision
}

// ForecastHeld is how the last forecasts came out.
type ForecastHeld struct {
	Forecasts int
	Within    float64
	Ratio     *float64
}

type capacityView struct {
	Workloads []workloadRow
	More      int // workloads that are not shown
}

type workloadRow struct {
	Name, Service  string
	Load, Expected string // now, and the most within the horizon
	Horizon        string
	Current        string
	Desired        string
	Class          string // of the state: "good", "warm", "bad" or ""
	State          string
	Trouble        string // why nothing is known
}

// mostWorkloads bounds the page: each is a question to the metrics engine.
const mostWorkloads = 40

func (s *site) mountCapacity(app fiber.Router) {
	app.Get("/capacity", s.signedIn(s.capacity))
	app.Get("/capacity/:workload", s.signedIn(s.workload))
}

func (s *site) capacity(c *fiber.Ctx, who access.Principal) error {
	if err := requireOperator(who, access.Viewer); err != nil {
		return err
	}
	names := s.Capacity.Workloads()
	view := capacityView{}
	if len(names) > mostWorkloads {
		view.More, names = len(names)-mostWorkloads, names[:mostWorkloads]
	}
	ctx := c.UserContext()
	m := s.missing(ctx)
	for _, name := range names {
		o, err := s.Capacity.Outlook(ctx, name)
		if err != nil {
			m.note("the load of "+name, err)
			view.Workloads = append(view.Workloads, workloadRow{Name: name, Class: "", State: "not known", Load: missingMark, Expected: missingMark, Current: missingMark, Desired: missingMark})
			continue
		}
		view.Workloads = append(view.Workloads, workloadRowOf(o))
	}
	return s.render(c, fiber.StatusOK, page{Template: "capacity", Title: "Capacity", Section: "capacity", Missing: m.texts(), Body: view})
}

const missingMark = "–"

func workloadRowOf(o WorkloadOutlook) workloadRow {
	w, d := o.Workload, o.Decision
	r := workloadRow{Name: w.Name, Service: w.Service, Load: missingMark, Expected: missingMark, Horizon: w.Horizon.String(),
		Current: missingMark, Desired: strconv.Itoa(d.Desired)}
	if n := len(o.Load); n > 0 && finite(o.Load[n-1].Value) {
		r.Load = amountText(o.Load[n-1].Value) + " " + w.Unit
	}
	if p, ok := peakWithin(o.Forecast, w.Horizon.Std()); ok {
		r.Expected = amountText(p.Mean) + " to " + amountText(p.Upper)
	}
	if d.Current >= 0 {
		r.Current = strconv.Itoa(d.Current)
	}
	switch {
	case d.Current < 0 || r.Load == missingMark:
		r.Class, r.State, r.Desired = "", "not known", missingMark
	case d.Desired > d.Current:
		r.Class, r.State = "warm", "too few"
	case d.Desired < d.Current:
		r.Class, r.State = "good", "could do with fewer"
	default:
		r.Class, r.State = "good", "enough"
	}
	if d.Current >= 0 && d.Desired >= w.Max && d.Current >= w.Max {
		r.Class, r.State = "bad", "at its max"
	}
	return r
}

// peakWithin is the highest point of the forecast within a span.
func peakWithin(f forecast.Forecast, span time.Duration) (forecast.Predicted, bool) {
	near := f
	near.Points = slices.DeleteFunc(slices.Clone(f.Points), func(p forecast.Predicted) bool { return p.At.After(f.At.Add(span)) })
	return near.Peak()
}

type workloadView struct {
	Name, Service string
	Plots         []plot
	Reason        string
	Facts         [][2]string
	Notes         []string
	Models        []modelRow
	Decisions     []decisionRow
	Query         string
}

type modelRow struct{ Name, Weight string }

type decisionRow struct {
	At      time.Time
	Action  string
	Between string
	Reason  string
}

func (s *site) workload(c *fiber.Ctx, who access.Principal) error {
	if err := requireOperator(who, access.Viewer); err != nil {
		return err
	}
	ctx, name := c.UserContext(), strings.Clone(c.Params("workload"))
	m := s.missing(ctx)
	view := workloadView{Name: name}
	o, err := s.Capacity.Outlook(ctx, name)
	if err != nil && final(err) {
		return err
	}
	m.note("load and forecast", err)
	if err == nil {
		view.fill(o)
	}
	made, err := s.Capacity.Decisions(ctx, who.Scope(), name, 20)
	m.note("earlier recommendations", err)
	for _, d := range made {
		between := fmt.Sprintf("%d → %d", d.Current, d.Desired)
		if d.Current < 0 {
			between = "unknown"
		}
		view.Decisions = append(view.Decisions, decisionRow{d.At, string(d.Action), between, d.Reason})
	}
	return s.render(c, fiber.StatusOK, page{Template: "workload", Title: name, Section: "capacity", Missing: m.texts(), Body: view})
}

func (v *workloadView) fill(o WorkloadOutlook) {
	w, f := o.Workload, o.Forecast
	v.Service, v.Query, v.Reason, v.Notes = w.Service, w.Load, o.Decision.Reason, f.Notes
	v.Plots = []plot{loadPlot(o), replicasPlot(o)}
	fact := func(name, text string) { v.Facts = append(v.Facts, [2]string{name, text}) }
	fact("Replicas", fmt.Sprintf("%d to %d, each takes %s %s", w.Min, w.Max, amountText(w.PerReplica), w.Unit))
	if len(f.Points) == 0 {
		fact("Forecast", "none yet: too little history")
		return
	}
	season := "none found"
	if f.Season > 0 {
		season = f.Season.String()
	}
	fact("Season", season)
	fact("History", fmt.Sprintf("%d values, %.3g %% of the time seen", f.History, 100*f.Coverage))
	if f.Past.Naive > 0 {
		fact("In this history", fmt.Sprintf("off by %s on average, %.2f of what repeating the last cycle would have been", amountText(f.Past.Error), f.Past.Error/f.Past.Naive))
	}
	switch h := o.Held; {
	case h == nil:
		fact("How forecasts came out", "none has been judged yet")
	default:
		text := fmt.Sprintf("%.3g %% of what came lay within, %.3g %% should (last %d)", 100*h.Within, 100*f.Level, h.Forecasts)
		if h.Ratio != nil {
			text += fmt.Sprintf("; error %.2f of repeating the last cycle", *h.Ratio)
		}
		fact("How forecasts came out", text)
	}
	for _, share := range f.Models[:min(6, len(f.Models))] {
		v.Models = append(v.Models, modelRow{share.Model, fmt.Sprintf("%.3g %%", 100*share.Weight)})
	}
}

// shownPast is how much of the past a workload's plots show, at most.
const shownPast = 3 * 24 * time.Hour

func past(points []forecast.Point, step time.Duration, now time.Time) []plotPoint {
	var out []plotPoint
	for _, p := range points {
		if now.Sub(p.At) <= shownPast {
			out = append(out, plotPoint{At: p.At, Step: step, Value: p.Value})
		}
	}
	return thinnedPoints(out)
}

// thinnedPoints keeps at most some 400 points, the highest of each few, for a page is read on a phone.
func thinnedPoints(points []plotPoint) []plotPoint {
	const most = 400
	every := (len(points) + most - 1) / most
	if every <= 1 {
		return points
	}
	var out []plotPoint
	for i := 0; i < len(points); i += every {
		top := points[i]
		for _, p := range points[i:min(i+every, len(points))] {
			if p.Value > top.Value || !finite(top.Value) {
				top.Value = p.Value
			}
		}
		top.Step *= time.Duration(every)
		out = append(out, top)
	}
	return out
}

func loadPlot(o WorkloadOutlook) plot {
	w, zero := o.Workload, 0.0
	p := plot{Name: "load", Title: "Load, and where it is going", Class: "traffic", From: o.At.Add(-shownPast), To: o.At, Low: &zero,
		Points: past(o.Load, w.Step(), o.At), Format: func(v float64) string { return amountText(v) + " " + w.Unit }, Axis: amountText,
		Nothing: "No load has been seen."}
	if len(p.Points) > 0 && p.Points[0].At.After(p.From) {
		p.From = p.Points[0].At
	}
	for _, f := range thinnedAhead(o.Forecast.Points) {
		p.Fan = append(p.Fan, slo.FanPoint{At: f.At, ShareQuantiles: slo.ShareQuantiles{P10: f.Lower, P50: f.Mean, P90: f.Upper}})
		p.To = f.At
	}
	p.Ahead = func(last slo.FanPoint) string {
		return fmt.Sprintf("By %s %s is expected, within %s to %s.", last.At.UTC().Format("2 Jan 15:04"), amountText(last.P50), amountText(last.P10), amountText(last.P90))
	}
	if d := o.Decision; d.Current > 0 && w.PerReplica > 0 {
		p.Marks = append(p.Marks, mark{Value: float64(d.Current) * w.PerReplica, Label: plural(d.Current, "replica takes", "replicas take") + " this", Class: "limit"})
	}
	return p
}

func thinnedAhead(points []forecast.Predicted) []forecast.Predicted {
	every := max(1, (len(points)+199)/200)
	var out []forecast.Predicted
	for i := 0; i < len(points); i += every {
		out = append(out, points[i])
	}
	return out
}

func replicasPlot(o WorkloadOutlook) plot {
	zero, top := 0.0, float64(o.Workload.Min+1)
	p := plot{Name: "replicas", Title: "Replicas", Class: "budget", From: o.At.Add(-shownPast), To: o.At, Low: &zero, High: &top,
		Points: past(o.Replicas, o.Workload.Step(), o.At), Format: amountText, Nothing: "No number of replicas has been seen."}
	if len(p.Points) > 0 && p.Points[0].At.After(p.From) {
		p.From = p.Points[0].At
	}
	p.Marks = []mark{{Value: float64(o.Workload.Max), Label: "max " + strconv.Itoa(o.Workload.Max), Class: "limit"}}
	return p
}

// amountText writes three digits that matter, with k, M or G.
func amountText(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if math.Abs(v) >= unit.size {
			return fmt.Sprintf("%.3g%s%s", v/unit.size, thin, unit.name)
		}
	}
	return cmp.Or(strings.TrimPrefix(fmt.Sprintf("%.3g", v), "-0"), "0")
}
