package web

import (
	"math"
	"slices"
	"time"

	"github.com/nines-sre/nines/slo"
)

// valuesOf takes one value of every point.
func valuesOf(points []Point, value func(Point) float64) []plotPoint {
	values := make([]plotPoint, 0, len(points))
	for _, p := range points {
		values = append(values, plotPoint{At: p.At, Step: p.Step, Value: value(p)})
	}
	return values
}

// withSteps fills in how long the steps are where the source doesn't say: the distance that most points have.
func withSteps(points []Point) []Point {
	var distances []time.Duration
	for i := 1; i < len(points); i++ {
		distances = append(distances, points[i].At.Sub(points[i-1].At))
	}
	if len(distances) == 0 {
		return points
	}
	slices.Sort(distances)
	filled := slices.Clone(points)
	for i := range filled {
		if filled[i].Step <= 0 {
			filled[i].Step = distances[len(distances)/2]
		}
	}
	return filled
}

// plotsOf lays out the four pictures of a promise: what is left, how fast it goes, why, and out of how much.
func plotsOf(points []Point, objective slo.Objective, s slo.SLO, span Span) []plot {
	points = withSteps(points)
	zero, full := 0.0, 1.0
	base := plot{From: span.From, To: span.To, Low: &zero, Nothing: "Nothing was seen in this span."}
	budget, burn, ratio, traffic := base, base, base, base

	budget.Name, budget.Title, budget.Class = "budget", "Error budget left", "budget"
	budget.Points = valuesOf(points, func(p Point) float64 { return p.Remaining })
	budget.High, budget.Format, budget.Axis = &full, budgetText, axisPercent
	budget.Marks = []mark{{Value: 0, Class: "limit"}}

	burn.Name, burn.Title, burn.Class = "burn", "Burn rate", "burn"
	burn.Points = valuesOf(points, func(p Point) float64 { return p.Burn })
	burn.Format, burn.Axis, burn.Marks = burnText, axisBurn, burnMarks(s)
	atLeast := 1.5
	burn.High = &atLeast

	ratio.Name, ratio.Title, ratio.Class = "errors", "Error ratio", "errors"
	ratio.Points = valuesOf(points, errorRatio)
	ratio.Format, ratio.Axis = ratioText, ratioText
	if objective.Valid() {
		allowed := objective.Budget()
		twice := 1.5 * allowed
		ratio.High = &twice
		ratio.Marks = []mark{{Value: allowed, Label: "allowed " + ratioText(allowed), Class: "allowed"}}
	}

	traffic.Name, traffic.Title, traffic.Class, traffic.Bars = "traffic", "Traffic, per minute", "traffic", true
	traffic.Points = valuesOf(points, perMinute)
	traffic.Format, traffic.Axis = rateText, axisCount
	return []plot{budget, burn, ratio, traffic}
}

// burnMarks are the speed that just spends the budget and the two at which somebody is paged.
func burnMarks(s slo.SLO) []mark {
	marks := []mark{{Value: 1, Label: "1× spends it exactly", Class: "allowed"}}
	if !s.Objective.Valid() {
		return marks
	}
	for _, t := range s.Tiers() {
		if t.Severity == "page" {
			marks = append(marks, mark{Value: t.Factor, Label: axisBurn(t.Factor) + " pages", Class: "limit"})
		}
	}
	return marks
}

func errorRatio(p Point) float64 {
	if p.Total <= 0 {
		return nan
	}
	return p.Errors / p.Total
}

func perMinute(p Point) float64 {
	if p.Step <= 0 {
		return nan
	}
	return p.Total / p.Step.Minutes()
}

// ratioText writes an error ratio with as many digits as small ratios need.
func ratioText(ratio float64) string {
	percent := ratio * 100
	switch {
	case !finite(percent):
		return unknown
	case percent == 0:
		return "0" + thin + "%"
	case percent < 0.0001:
		return "<" + thin + "0.0001" + thin + "%"
	}
	return trimmed(percent, 4) + thin + "%"
}

// trimmed writes x with the decimals that say something: at most so many, and about three significant digits.
func trimmed(x float64, most int) string {
	decimals := 0
	for scale := x; scale < 100 && scale > -100 && decimals < most; scale *= 10 {
		decimals++
	}
	s := number(x, decimals)
	for decimals > 0 && s[len(s)-1] == '0' {
		s = s[:len(s)-1]
	}
	if decimals > 0 && s[len(s)-1] == '.' {
		s = s[:len(s)-1]
	}
	return s
}

func rateText(x float64) string {
	if finite(x) && x > 0 && x < 10 {
		return trimmed(x, 2) + "/min"
	}
	return countText(x) + "/min"
}

func axisPercent(x float64) string {
	if p := x * 100; math.Abs(p) >= 10_000 { // a young promise that fails has spent its little budget many times over
		return trimmed(p/1000, 1) + "k" + thin + "%"
	}
	return trimmed(x*100, 1) + thin + "%"
}
func axisBurn(x float64) string { return trimmed(x, 2) + "×" }

func axisCount(x float64) string {
	switch {
	case x >= 1e9:
		return trimmed(x/1e9, 1) + thin + "G"
	case x >= 1e6:
		return trimmed(x/1e6, 1) + thin + "M"
	case x >= 1e4:
		return trimmed(x/1e3, 1) + thin + "k"
	}
	return trimmed(x, 2)
}
