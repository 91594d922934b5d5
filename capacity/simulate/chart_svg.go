package simulate

import (
	"fmt"
	"html"
	"strings"
)

// Measures of the drawing in SVG units, which are CSS pixels at its own width.
const (
	svgWidth, svgHeight           = 960.0, 540.0
	svgLeft, svgRight             = 92.0, 24.0
	svgTop, svgFoot               = 84.0, 64.0
	svgInnerWidth, svgInnerHeight = svgWidth - svgLeft - svgRight, svgHeight - svgTop - svgFoot
)

// svgStyle has light and dark; each policy has a colour and a mark of its own, so that colour alone says nothing.
const svgStyle = `
.fr{font:12px system-ui,-apple-system,"Segoe UI",sans-serif;--ink:#1d2530;--soft:#5b6675;--line:#dfe4ea;--paper:#fff;--hpa:#d9480f;--keda:#7a4fb5;--predictive:#1f5fbf;--fixed:#a06a00;--oracle:#0b7a53}
@media (prefers-color-scheme:dark){.fr{--ink:#e8ecf1;--soft:#a3adba;--line:#323b47;--paper:#12171d;--hpa:#ff8a57;--keda:#b99af0;--predictive:#7db0ff;--fixed:#e0b050;--oracle:#41c795}}
.fr .paper{fill:var(--paper)}.fr text{fill:var(--soft)}.fr .title{fill:var(--ink);font-size:15px;font-weight:600}.fr .grid{stroke:var(--line);stroke-width:1}
.fr .y{text-anchor:end}.fr .x{text-anchor:middle}.fr .axis{fill:var(--ink);text-anchor:middle}.fr .name{fill:var(--ink)}.fr .target{font-size:10px}.fr .left{text-anchor:end}
.fr polyline{fill:none;stroke-width:2;stroke-linejoin:round}.fr .mark{stroke:var(--paper);stroke-width:1}
.fr .hpa{--c:var(--hpa)}.fr .keda{--c:var(--keda)}.fr .predictive{--c:var(--predictive)}.fr .fixed{--c:var(--fixed)}.fr .oracle{--c:var(--oracle)}
.fr g polyline{stroke:var(--c)}.fr g .mark{fill:var(--c)}.fr g .halo{fill:none;stroke:var(--c);stroke-width:1.5}`

// SVG returns the chart as a picture of its own, with a title and a description.
func (c Chart) SVG() string {
	d := &drawing{Chart: c, axes: c.axes()}
	d.printf(`<svg xmlns="http://www.w3.org/2000/svg" class="fr" viewBox="0 0 %g %g" width="%g" height="%g" role="img" aria-labelledby="fr-t fr-d">`, svgWidth, svgHeight, svgWidth, svgHeight)
	d.printf(`<title id="fr-t">%s</title><desc id="fr-d">%s</desc><style>%s</style>`, html.EscapeString(c.Title), html.EscapeString(c.Describe()), svgStyle)
	d.printf(`<rect class="paper" width="%g" height="%g"/>`, svgWidth, svgHeight)
	d.text("title", 16, 26, c.Title)
	d.legend()
	d.grid()
	for _, s := range c.Series {
		d.series(s)
	}
	d.printf("</svg>\n")
	return d.String()
}

type drawing struct {
	Chart
	axes axes
	strings.Builder
}

func (d *drawing) printf(format string, args ...any) { fmt.Fprintf(&d.Builder, format, args...) }

func (d *drawing) text(class string, x, y float64, text string) {
	d.printf(`<text class="%s" x="%.1f" y="%.1f">%s</text>`, class, x, y, html.EscapeString(text))
}

func (d *drawing) x(p ChartPoint) float64 { return svgLeft + svgInnerWidth*d.axes.across(p.Hours) }
func (d *drawing) y(p ChartPoint) float64 { return svgTop + svgInnerHeight*(1-d.axes.up(p.Under)) }

func (d *drawing) legend() {
	x := 20.0
	for _, s := range d.Series {
		d.printf(`<g class="%s">`, s.Class)
		d.mark(s.Class, x+6, 46, 5)
		d.printf(`</g>`)
		name := s.Name
		if len(s.Points) > 1 {
			name += ", by target"
		}
		d.text("name", x+18, 50, name)
		x += 44 + 7*float64(len(name))
	}
	d.text("", 20, 70, "Lower and further left is better. A ring is the target asked for.")
}

func (d *drawing) grid() {
	for _, u := range d.axes.decades() {
		y := d.y(ChartPoint{Under: u})
		d.printf(`<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/>`, svgLeft, svgWidth-svgRight, y, y)
		d.text("y", svgLeft-8, y+4, underLabel(u))
	}
	for _, h := range d.axes.hours(10) {
		x := d.x(ChartPoint{Hours: h})
		d.printf(`<line class="grid" x1="%.1f" x2="%.1f" y1="%g" y2="%g"/>`, x, x, svgTop, svgTop+svgInnerHeight)
		d.text("x", x, svgTop+svgInnerHeight+18, fmt.Sprintf("%g", h))
	}
	d.text("axis", svgLeft+svgInnerWidth/2, svgHeight-20, "replica-hours a day")
	d.printf(`<text class="axis" transform="translate(18 %.1f) rotate(-90)">capacity missing, mean share of demand (θU)</text>`, svgTop+svgInnerHeight/2)
}

// series draws a curve, its marks, and beside every other one its target: of ours on its lower left, where no HPA's is.
func (d *drawing) series(s Series) {
	d.printf(`<g class="%s">`, s.Class)
	if len(s.Points) > 1 {
		var line []string
		for _, p := range s.Points {
			line = append(line, fmt.Sprintf("%.1f,%.1f", d.x(p), d.y(p)))
		}
		d.printf(`<polyline points="%s"/>`, strings.Join(line, " "))
	}
	for i, p := range s.Points {
		d.printf(`<g><title>%s</title>`, html.EscapeString(fmt.Sprintf("%s %s: %.3g %% missing, %.5g replica-hours a day", s.Name, p.Label, p.Under, p.Hours)))
		d.mark(s.Class, d.x(p), d.y(p), 4)
		if p.Marked && p.Label != "" {
			d.printf(`<circle class="halo" cx="%.1f" cy="%.1f" r="9"/>`, d.x(p), d.y(p))
		}
		d.printf(`</g>`)
		switch labelled := p.Label != "" && (p.Marked || i%2 == 0); {
		case labelled && s.Class == string(KindPredictive):
			d.text("target left", d.x(p)-9, d.y(p)+13, p.Label)
		case labelled && s.Class == string(KindHPA):
			d.text("target", d.x(p)+10, d.y(p)-6, p.Label)
		}
	}
	d.printf(`</g>`)
}

// mark draws a policy's sign: a disc, a square, a diamond or a triangle.
func (d *drawing) mark(class string, x, y, r float64) {
	switch class {
	case string(KindHPA):
		d.printf(`<rect class="mark" x="%.1f" y="%.1f" width="%g" height="%g"/>`, x-r, y-r, 2*r, 2*r)
	case string(KindKEDA), string(KindFixed):
		d.printf(`<path class="mark" d="M%.1f %.1fl%g %gl%g %gl%g %gz"/>`, x, y-r*1.3, r*1.3, r*1.3, -r*1.3, r*1.3, -r*1.3, -r*1.3)
	case string(KindOracle):
		d.printf(`<path class="mark" d="M%.1f %.1fl%g %gh%gz"/>`, x, y-r*1.3, r*1.3, r*2.3, -r*2.6)
	default:
		d.printf(`<circle class="mark" cx="%.1f" cy="%.1f" r="%g"/>`, x, y, r)
	}
}
