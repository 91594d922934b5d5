package backtest

import (
	"fmt"
	"html"
	"math"
	"strings"
	"time"
)

// Measures of the drawing in SVG units, which are CSS pixels at its own width.
const (
	svgWidth, svgLeft, svgRight = 960.0, 84.0, 20.0
	svgTop, svgCurve            = 64.0, 240.0
	svgLane, svgLaneGap         = 18.0, 8.0
	svgColumns                  = 856 // one a pixel of the curve
)

// SVGColumns is how many columns a chart for SVG should have.
const SVGColumns = svgColumns

// svgStyle has light and dark; each rule set has a colour and a place of its own, so that colour alone says nothing.
const svgStyle = `
.bt{font:12px system-ui,-apple-system,"Segoe UI",sans-serif;--ink:#1d2530;--soft:#5b6675;--line:#dfe4ea;--paper:#fff;--burn:#1f5fbf;--incident:#d9480f;--nines:#0b7a53;--sloth:#7a4fb5;--pyrra:#a06a00}
@media (prefers-color-scheme:dark){.bt{--ink:#e8ecf1;--soft:#a3adba;--line:#323b47;--paper:#12171d;--burn:#7db0ff;--incident:#ff8a57;--nines:#41c795;--sloth:#b99af0;--pyrra:#e0b050}}
.bt .paper{fill:var(--paper)}.bt text{fill:var(--soft)}.bt .title{fill:var(--ink);font-size:15px;font-weight:600}
.bt .grid{stroke:var(--line);stroke-width:1}.bt .mark{stroke:var(--soft);stroke-width:1;stroke-dasharray:4 4}
.bt .burn{fill:none;stroke:var(--burn);stroke-width:1.5;stroke-linejoin:round}.bt .area{fill:var(--burn);opacity:.12}
.bt .y{text-anchor:end}.bt .x{text-anchor:middle}.bt .band{fill:var(--incident);opacity:.14}.bt .track{fill:var(--line);opacity:.45}
.bt .incident{fill:var(--incident)}.bt .nines{fill:var(--nines)}.bt .sloth{fill:var(--sloth)}.bt .pyrra{fill:var(--pyrra)}
.bt .name{text-anchor:end;fill:var(--ink)}`

// SVG returns the chart as a picture of its own, with a title and a description.
func (c Chart) SVG() string {
	d := &svg{Chart: c}
	height := svgTop + svgCurve + 34 + float64(len(c.Lanes))*(svgLane+svgLaneGap) + 12
	d.printf(`<svg xmlns="http://www.w3.org/2000/svg" class="bt" viewBox="0 0 %g %g" width="%g" height="%g" role="img" aria-labelledby="bt-t bt-d">`, svgWidth, height, svgWidth, height)
	d.printf(`<title id="bt-t">%s</title><desc id="bt-d">%s</desc><style>%s</style>`, html.EscapeString(c.Title), html.EscapeString(c.Describe()), svgStyle)
	d.printf(`<rect class="paper" width="%g" height="%g"/>`, svgWidth, height)
	d.text("title", 16, 26, c.Title)
	d.text("", 16, 44, fmt.Sprintf("Burn rate over %s, highest of each %s; 1× spends the budget in just its window. Times in UTC.",
		labelDuration(c.Window), rough(c.To.Sub(c.From)/time.Duration(max(len(c.Burn), 1)))))
	d.bands()
	d.axes()
	d.curve()
	d.lanes()
	d.printf("</svg>\n")
	return d.String()
}

// rough names a duration in its largest whole unit.
func rough(d time.Duration) string {
	switch {
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.0f hours", d.Hours())
	case d >= 2*time.Minute:
		return fmt.Sprintf("%.0f minutes", d.Minutes())
	default:
		return "minute"
	}
}

type svg struct {
	Chart
	strings.Builder
}

func (d *svg) printf(format string, args ...any) { fmt.Fprintf(&d.Builder, format, args...) }

func (d *svg) text(class string, x, y float64, text string) {
	d.printf(`<text class="%s" x="%.1f" y="%.1f">%s</text>`, class, x, y, html.EscapeString(text))
}

func (d *svg) x(t time.Time) float64  { return svgLeft + (svgWidth-svgLeft-svgRight)*d.share(t) }
func (d *svg) y(burn float64) float64 { return svgTop + svgCurve*(1-d.height(burn)) }
func (d *svg) line(class string, y float64) {
	d.printf(`<line class="%s" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/>`, class, svgLeft, svgWidth-svgRight, y, y)
}

// bands are the known incidents behind the curve.
func (d *svg) bands() {
	for _, l := range d.Lanes {
		if l.Class != "incident" {
			continue
		}
		for _, s := range l.Spans {
			x := d.x(s.From)
			d.printf(`<rect class="band" x="%.1f" y="%g" width="%.1f" height="%g"/>`, x, svgTop, math.Max(d.x(s.To)-x, 2), svgCurve)
		}
	}
}

func (d *svg) axes() {
	for _, v := range d.decades() {
		d.line("grid", d.y(v))
		d.text("y", svgLeft-8, d.y(v)+4, figure(v)+"×")
	}
	for _, m := range d.Marks {
		d.line("mark", d.y(m))
		d.printf(`<text x="%g" y="%.1f">%s× pages</text>`, svgLeft+6, d.y(m)-4, figure(m))
	}
	at, layout := d.days(14)
	for _, t := range at {
		x := d.x(t)
		d.printf(`<line class="grid" x1="%.1f" x2="%.1f" y1="%g" y2="%g"/>`, x, x, svgTop+svgCurve, svgTop+svgCurve+5)
		if x < svgWidth-svgRight-16 {
			d.text("x", math.Max(x, svgLeft+14), svgTop+svgCurve+19, t.Format(layout))
		}
	}
}

// curve draws the burn rate, broken at gaps.
func (d *svg) curve() {
	foot := svgTop + svgCurve
	step := (svgWidth - svgLeft - svgRight) / float64(max(len(d.Burn), 1))
	var path strings.Builder
	first := 0.0
	flush := func(last float64) {
		if path.Len() > 0 {
			d.printf(`<path class="area" d="%sL%.1f %gL%.1f %gZ"/><path class="burn" d="%s"/>`, path.String(), last, foot, first, foot, path.String())
			path.Reset()
		}
	}
	x := svgLeft
	for _, b := range d.Burn {
		x += step
		if math.IsNaN(b) {
			flush(x - step)
			continue
		}
		if path.Len() == 0 {
			first = x - step
			fmt.Fprintf(&path, "M%.1f %.1f", first, d.y(b))
		}
		fmt.Fprintf(&path, "L%.1f %.1f", x, d.y(b))
	}
	flush(x)
}

// lanes draws when each rule set paged: a bar as long as the page, with a triangle at its beginning.
func (d *svg) lanes() {
	y := svgTop + svgCurve + 34
	for _, l := range d.Lanes {
		d.text("name", svgLeft-8, y+svgLane-5, l.Name)
		d.printf(`<rect class="track" x="%g" y="%.1f" width="%g" height="%g" rx="3"/>`, svgLeft, y, svgWidth-svgLeft-svgRight, svgLane)
		for _, s := range l.Spans {
			x := d.x(s.From)
			width := math.Max(d.x(s.To)-x, 2)
			d.printf(`<g class="%s"><title>%s</title><rect x="%.1f" y="%.1f" width="%.1f" height="%g"/>`, html.EscapeString(l.Class), html.EscapeString(s.Text), x, y+4, width, svgLane-4)
			if l.Class != "incident" {
				d.printf(`<path d="M%.1f %.1fl-4 -6h8z"/>`, x, y+5)
			}
			d.printf(`</g>`)
		}
		y += svgLane + svgLaneGap
	}
}
