package simulate

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Chart is a study as a picture shows it: missing capacity against replica-hours, a curve for each frontier and a mark
// for each policy at the plan's target.
type Chart struct {
	Title  string
	Series []Series
}

// Series is one policy: a curve over its targets, or a single point.
type Series struct {
	Name   string
	Class  string // the kind of policy, which decides colour and mark
	Points []ChartPoint
}

// ChartPoint is one replay.
type ChartPoint struct {
	Hours  float64 // replica-hours a day
	Under  float64 // θU, %
	Label  string  // the target; empty where there is none
	Marked bool    // at the plan's target
}

// Chart draws the frontiers, and the policies without one as points.
func (s Study) Chart(title string) Chart {
	c := Chart{Title: title}
	for _, o := range s.Outcomes {
		series := Series{Name: o.Policy, Class: strings.SplitN(o.Policy, ":", 2)[0]}
		frontier := s.Frontiers[o.Policy]
		for i, f := range frontier {
			marked := o.Target != nil && math.Abs(f.Target-*o.Target) < 1e-9
			if !marked && f.Under <= lowestUnder && i+1 < len(frontier) && frontier[i+1].Under <= lowestUnder {
				continue // a dearer way to miss nothing would only stretch the picture
			}
			series.Points = append(series.Points, ChartPoint{f.ReplicaHoursPD, f.Under, perCent(f.Target), marked})
		}
		if len(frontier) == 0 {
			p := ChartPoint{Hours: o.ReplicaHoursPD, Under: o.Under, Marked: true}
			if o.Target != nil {
				p.Label = perCent(*o.Target)
			}
			series.Points = append(series.Points, p)
		}
		c.Series = append(c.Series, series)
	}
	return c
}

// lowestUnder is the foot of the logarithmic axis in %; less, and nothing, is drawn on it.
const lowestUnder = 0.001

// bounds are the ends of both axes.
func (c Chart) bounds() (least, most, top float64) {
	least, most, top = math.Inf(1), 0, 1
	for _, s := range c.Series {
		for _, p := range s.Points {
			least, most = min(least, p.Hours), max(most, p.Hours)
			for top < p.Under {
				top *= 10
			}
		}
	}
	if most <= least {
		least, most = 0.9*least, 1.1*most+1
	}
	room := (most - least) / 30
	return max(0, least-room), most + room, top
}

// axes maps values to shares of the picture: 0 at the left and at the foot.
type axes struct{ least, most, top float64 }

func (c Chart) axes() axes {
	least, most, top := c.bounds()
	return axes{least, most, top}
}

func (a axes) across(hours float64) float64 { return (hours - a.least) / (a.most - a.least) }

func (a axes) up(under float64) float64 {
	if under <= lowestUnder {
		return 0
	}
	return min(1, math.Log(under/lowestUnder)/math.Log(a.top/lowestUnder))
}

// decades are the labels of the upright axis.
func (a axes) decades() []float64 {
	var out []float64
	for d := lowestUnder; d <= a.top*1.001; d *= 10 {
		out = append(out, d)
	}
	return out
}

// hours are about so many round labels of the level axis.
func (a axes) hours(most int) []float64 {
	step := math.Pow(10, math.Floor(math.Log10((a.most-a.least)/float64(most))))
	for _, times := range []float64{1, 2, 5, 10} {
		if (a.most-a.least)/(step*times) <= float64(most) {
			step *= times
			break
		}
	}
	var out []float64
	for h := math.Ceil(a.least/step) * step; h <= a.most; h += step {
		out = append(out, h)
	}
	return out
}

// underLabel writes a decade; the foot stands for all below it.
func underLabel(d float64) string {
	if d <= lowestUnder {
		return fmt.Sprintf("≤%g %%", lowestUnder)
	}
	return fmt.Sprintf("%.3g %%", d)
}

// Describe says in words what the picture shows, for those who don't see it.
func (c Chart) Describe() string {
	var out []string
	for _, s := range c.Series {
		i := slices.IndexFunc(s.Points, func(p ChartPoint) bool { return p.Marked })
		if i < 0 {
			continue
		}
		p := s.Points[i]
		text := fmt.Sprintf("%s: %.2g %% missing with %.4g replica-hours a day", s.Name, p.Under, p.Hours)
		if p.Label != "" {
			text += " at a target of " + p.Label
		}
		out = append(out, text)
	}
	return "Missing capacity against replica-hours a day; lower and further left is better. " + strings.Join(out, "; ") + "."
}
