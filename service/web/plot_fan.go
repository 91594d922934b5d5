package web

import (
	"math"
	"strings"

	"github.com/nines-sre/nines/slo"
)

// fanScale returns the fan's values that the axis should hold. What is likely to be far overspent does not squash what
// is known: the axis goes no deeper for it than one whole budget below zero, or below the lowest point.
func (p plot) fanScale(low float64) []float64 {
	var values []float64
	floor := math.Min(low, 0) - 1
	for _, f := range p.Fan {
		values = append(values, math.Max(f.P10, floor), math.Max(f.P90, floor))
	}
	return values
}

// drawFan draws what is likely left ahead: an area from the 10th to the 90th percentile, the median, and a line at now.
func (p plot) drawFan(d *drawing) {
	if len(p.Fan) < 2 {
		return
	}
	var area, back, median strings.Builder
	at := func(f slo.FanPoint, v float64) string { return coord(d.xAt(f.At)) + " " + coord(d.yAt(v)) }
	for i, f := range p.Fan {
		area.WriteString(letter(i) + at(f, f.P90))
		median.WriteString(letter(i) + at(f, f.P50))
	}
	for i := len(p.Fan) - 1; i >= 0; i-- {
		back.WriteString("L" + at(p.Fan[i], p.Fan[i].P10))
	}
	d.printf(`<path class="fan" d="%s%sZ"/><path class="median" d="%s"/>`, area.String(), back.String(), median.String())
	x := d.xAt(p.Fan[0].At)
	d.line("now", x, x, d.Top, d.Height-d.Bottom)
}

// describeFan says in a sentence what the fan shows.
func (p plot) describeFan() string {
	if len(p.Fan) < 2 {
		return ""
	}
	last := p.Fan[len(p.Fan)-1]
	if p.Ahead != nil {
		return " " + p.Ahead(last)
	}
	return " By " + last.At.UTC().Format("2 Jan 15:04") + " likely " + signedShare(last.P10) + " to " + signedShare(last.P90) + " left, " +
		signedShare(last.P50) + " in the middle."
}
