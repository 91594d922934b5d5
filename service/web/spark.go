package web

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"
)

// spark is a word-sized plot without axes: the budget over the last day in a table row.
func spark(title, class string, points []plotPoint, from, to time.Time) template.HTML {
	k := canvas{Width: 132, Height: 34, Left: 2, Right: 4, Top: 4, Bottom: 4}
	d := &drawing{canvas: k, from: from, to: to, y: sparkScale(points)}
	d.printf(`<svg class="spark %s" viewBox="0 0 132 34" role="img" aria-label="%s">`, attr(class), attr(title))
	d.printf(`<line class="base" x1="2" x2="128" y1="30" y2="30"/>`)
	all := runs(points)
	for _, run := range all {
		drawSparkRun(d, run)
	}
	if len(all) > 0 {
		run := all[len(all)-1]
		end := run[len(run)-1]
		d.printf(`<circle class="end" cx="%s" cy="%s" r="2.6"/>`, coord(d.xAt(end.At)), coord(d.yAt(end.Value)))
	}
	d.printf(`</svg>`)
	return template.HTML(d.String()) // #nosec: every text above is escaped
}

func drawSparkRun(d *drawing, run []plotPoint) {
	if len(run) == 1 {
		return // the dot at the end, or too little to see
	}
	var path strings.Builder
	for i, point := range run {
		path.WriteString(letter(i) + coord(d.xAt(point.At)) + " " + coord(d.yAt(point.Value)))
	}
	d.printf(`<path class="area" d="%sL%s 30L%s 30Z"/>`, path.String(), coord(d.xAt(run[len(run)-1].At)), coord(d.xAt(run[0].At)))
	d.printf(`<path class="line" d="%s"/>`, path.String())
}

// sparkScale shows the change of a day, but never blows up less than a tenth of the budget to full height.
func sparkScale(points []plotPoint) scale {
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range points {
		if finite(p.Value) {
			low, high = math.Min(low, p.Value), math.Max(high, p.Value)
		}
	}
	if low > high {
		return scale{Low: 0, High: 1, Step: 1}
	}
	pad := math.Max(0, 0.1-(high-low)) + (high-low)*0.05
	return scale{Low: low - pad, High: high + pad*0.25, Step: 1}
}

// meter is a bar filled to a share of 0..1, for a budget that is left. Overspent is a full bar of its own class.
func meter(share float64, class string) template.HTML {
	if !finite(share) {
		return template.HTML(`<svg class="meter unknown" aria-hidden="true"><rect class="track" width="100%" height="100%" rx="4"/></svg>`)
	}
	width := math.Min(1, math.Max(0, share))
	if share < 0 {
		width, class = 1, "spent"
	}
	return template.HTML(fmt.Sprintf(`<svg class="meter %s" aria-hidden="true"><rect class="track" width="100%%" height="100%%" rx="4"/>`+
		`<rect class="fill" width="%.1f%%" height="100%%" rx="4"/></svg>`, attr(class), width*100)) // #nosec: class is ours
}
