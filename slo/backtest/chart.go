package backtest

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/nines-sre/nines/slo"
)

// Chart is a replay as a picture shows it: the burn rate over time, what was known to be wrong, and when each rule set
// would have paged.
type Chart struct {
	Title    string
	From, To time.Time
	Window   time.Duration // over which the burn rate is taken
	Burn     []float64     // the highest of each column, over all groups; NaN where nothing was seen
	Marks    []float64     // burn rates at which pages fire, highest first
	Lanes    []Lane
	Zone     *time.Location
}

// Lane is one row of spans below the curve.
type Lane struct {
	Name  string
	Class string // "incident", "nines", "sloth", "pyrra"
	Spans []Span
}

// Span is a time with what it was.
type Span struct {
	From, To time.Time
	Text     string
}

// Chart draws the result's time into so many columns.
func (r *Replay) Chart(result Result, columns int) Chart {
	tiers := r.SLO.Tiers()
	c := Chart{
		Title: fmt.Sprintf("%s (%s %%): burn rate and pages", r.SLO.ID, r.SLO.Objective), From: result.From, To: result.To,
		Window: tiers[0].Long, Zone: time.UTC,
	}
	for _, t := range tiers {
		if t.Severity == severityPage {
			c.Marks = append(c.Marks, t.Factor)
		}
	}
	c.Burn = r.burn(max(columns, 1), int(c.Window/r.History.Interval))
	if r.options.Known {
		c.Lanes = append(c.Lanes, incidentLane(result.Incidents))
	}
	for _, rules := range result.Rules {
		c.Lanes = append(c.Lanes, pageLane(rules, result.To))
	}
	return c
}

// burn returns the highest burn rate over the window in each column of the time evaluated.
func (r *Replay) burn(columns, window int) []float64 {
	h := r.History
	out := make([]float64, columns)
	for i := range out {
		out[i] = math.NaN()
	}
	for i := h.First; i < h.Slots; i++ {
		column := (i - h.First) * columns / (h.Slots - h.First)
		for g := range h.Groups {
			one := &h.Groups[g]
			if one.seen[i+1] == one.seen[i] {
				continue
			}
			errors, total, _ := one.between(i+1-window, i+1)
			burn := r.SLO.Objective.BurnRate(slo.Counts{Good: total - errors, Total: total})
			if math.IsNaN(out[column]) || burn > out[column] {
				out[column] = burn
			}
		}
	}
	return out
}

func incidentLane(known []Incident) Lane {
	l := Lane{Name: "incidents", Class: "incident"}
	for _, i := range known {
		l.Spans = append(l.Spans, Span{i.Start, i.End, i.title() + ": " + stamp(i.Start) + " to " + stamp(i.End)})
	}
	return l
}

func pageLane(rules RuleResult, end time.Time) Lane {
	l := Lane{Name: rules.Name, Class: rules.Name}
	for _, p := range rules.Pages {
		to, until := p.Reset, stamp(p.Reset)
		if to.IsZero() {
			to, until = end, "the end"
		}
		text := fmt.Sprintf("%s paged (%s)%s: %s to %s", rules.Name, p.Tier, labelsText(p.Labels), stamp(p.Fired), until)
		l.Spans = append(l.Spans, Span{p.Fired, to, text})
	}
	return l
}

func labelsText(labels map[string]string) string {
	text := ""
	for _, k := range sortedNames(labels) {
		if labels[k] != "" {
			text += " " + labels[k]
		}
	}
	return text
}

func stamp(t time.Time) string { return t.UTC().Format("2 Jan 15:04") }

// Describe says in words what the picture shows, for those who don't see it.
func (c Chart) Describe() string {
	peak, at := 0.0, c.From
	gaps := 0
	for i, b := range c.Burn {
		if math.IsNaN(b) {
			gaps++
		} else if b > peak {
			peak, at = b, c.timeOf(i)
		}
	}
	text := fmt.Sprintf("From %s to %s (UTC): the burn rate over %s was highest at about %s, %s times the allowed rate.",
		stamp(c.From), stamp(c.To), labelDuration(c.Window), stamp(at), figure(peak))
	for _, l := range c.Lanes {
		text += fmt.Sprintf(" %s: %d.", l.Name, len(l.Spans))
	}
	if gaps > 0 {
		text += fmt.Sprintf(" %.0f %% of the picture has no data.", 100*float64(gaps)/float64(len(c.Burn)))
	}
	return text
}

func (c Chart) timeOf(column int) time.Time {
	return c.From.Add(time.Duration(float64(c.To.Sub(c.From)) * (float64(column) + 0.5) / float64(len(c.Burn))))
}

// share returns where in the chart's time a moment lies, 0 to 1.
func (c Chart) share(t time.Time) float64 {
	return math.Min(1, math.Max(0, float64(t.Sub(c.From))/float64(c.To.Sub(c.From))))
}

// lowestBurn is the foot of the logarithmic axis.
const lowestBurn = 0.1

// top is the decade above everything drawn.
func (c Chart) top() float64 {
	peak := 100.0
	for _, b := range c.Burn {
		if b > peak && !math.IsInf(b, 1) {
			peak = b
		}
	}
	return math.Pow(10, math.Ceil(math.Log10(peak)-1e-9))
}

// height returns where on the axis a burn rate lies, 0 at the foot and 1 at the top.
func (c Chart) height(burn float64) float64 {
	if burn <= lowestBurn {
		return 0
	}
	return math.Min(1, math.Log10(burn/lowestBurn)/math.Log10(c.top()/lowestBurn))
}

// decades returns the axis' labels from the foot to the top.
func (c Chart) decades() []float64 {
	var out []float64
	for d := lowestBurn; d <= c.top()*1.001; d *= 10 {
		out = append(out, math.Round(d*10)/10)
	}
	return out
}

// days returns moments to label: midnights, every so many days, or whole hours in shorter charts.
func (c Chart) days(most int) (at []time.Time, layout string) {
	for _, step := range []time.Duration{time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 48 * time.Hour, 5 * 24 * time.Hour, 7 * 24 * time.Hour, 14 * 24 * time.Hour, 30 * 24 * time.Hour, 90 * 24 * time.Hour} {
		if c.To.Sub(c.From) > time.Duration(most)*step {
			continue
		}
		layout = "2 Jan"
		if step < 24*time.Hour {
			layout = "2 Jan 15:04"
		}
		for t := c.From.Truncate(24 * time.Hour); !t.After(c.To); t = t.Add(step) {
			if !t.Before(c.From) {
				at = append(at, t)
			}
		}
		return at, layout
	}
	return nil, "2 Jan"
}

func figure(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", x), ".0")
	default:
		return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", x), "0"), ".")
	}
}
