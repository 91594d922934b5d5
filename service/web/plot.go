package web

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
	"time"

	"github.com/nines-sre/nines/slo"
)

// plot is one value over time, laid out as SVG. Colours are classes, so that the style sheet decides about light and
// dark; nothing in it is an inline style.
type plot struct {
	Name    string // unique on the page; ids are made from it
	Title   string
	From    time.Time
	To      time.Time
	Points  []plotPoint // ordered by time
	Class   string      // of the line and area: "budget", "burn", "errors", "traffic"
	Bars    bool        // amounts in steps instead of a line
	Low     *float64    // the axis reaches at least down to here
	High    *float64    // the axis reaches at least up to here
	Marks   []mark
	Bands   []band                    // spans that are shaded
	Events  []plotEvent               // upright lines at times
	Fan     []slo.FanPoint            // what is likely ahead
	Ahead   func(slo.FanPoint) string // says in a sentence what is likely at the fan's end; of a budget where nil
	Format  func(float64) string      // of values that are pointed at
	Axis    func(float64) string      // of the axis; Format where nil
	Nothing string                    // what to say where there is no point at all
}

// plotPoint is a value at the end of a step. NaN is a gap.
type plotPoint struct {
	At    time.Time
	Step  time.Duration
	Value float64
}

// mark is a horizontal line that a value is compared with. It never stretches the axis by more than a third.
type mark struct {
	Value float64
	Label string
	Class string
}

// band is a span of time that the values leave out or treat differently.
type band struct {
	From, To time.Time
	Label    string
}

// canvas is the plot's size and margins in SVG units, which are CSS pixels at the width it is made for.
type canvas struct{ Width, Height, Left, Right, Top, Bottom float64 }

var (
	wideCanvas   = canvas{Width: 620, Height: 216, Left: 52, Right: 12, Top: 12, Bottom: 26}
	narrowCanvas = canvas{Width: 336, Height: 190, Left: 46, Right: 8, Top: 12, Bottom: 26}
)

// Wide and Narrow return the plot for a column and for a phone; the style sheet shows one of them.
func (p plot) Wide() template.HTML   { return p.svg("w", wideCanvas) }
func (p plot) Narrow() template.HTML { return p.svg("n", narrowCanvas) }

// Empty reports whether there is nothing to draw.
func (p plot) Empty() bool {
	for _, point := range p.Points {
		if finite(point.Value) {
			return false
		}
	}
	return true
}

func (p plot) svg(variant string, k canvas) template.HTML {
	y := p.scale()
	d := &drawing{canvas: k, from: p.From, to: p.To, y: y}
	id := p.Name + "-" + variant
	d.printf(`<svg class="plot %s" viewBox="0 0 %s %s" role="img" aria-labelledby="%s-t %s-d"`,
		attr(p.Class), coord(k.Width), coord(k.Height), attr(id), attr(id))
	d.printf(` data-plot="" data-points="%s" data-top="%s" data-bottom="%s">`, p.hover(d), coord(k.Top), coord(k.Height-k.Bottom))
	d.printf(`<title id="%s-t">%s</title><desc id="%s-d">%s</desc>`, attr(id), attr(p.Title), attr(id), attr(p.Describe()))
	p.drawBands(d)
	p.drawAxes(d)
	p.drawFan(d)
	if p.Bars {
		p.drawBars(d)
	} else {
		p.drawLine(d)
	}
	if !p.Empty() {
		p.drawMarks(d)
		p.drawEvents(d)
	} else {
		x, y := d.Left+d.innerWidth()/2, d.Top+d.innerHeight()/2
		d.printf(`<text class="nothing" x="%s" y="%s">%s</text>`, coord(x), coord(y), attr(p.Nothing))
	}
	d.printf(`</svg>`)
	return template.HTML(d.String()) // #nosec: every text above is escaped
}

// scale covers the values, the wanted ends, and the marks that lie near them.
func (p plot) scale() scale {
	low, high := math.Inf(1), math.Inf(-1)
	take := func(v float64) {
		if finite(v) {
			low, high = math.Min(low, v), math.Max(high, v)
		}
	}
	for _, point := range p.Points {
		take(point.Value)
	}
	for _, end := range []*float64{p.Low, p.High} {
		if end != nil {
			take(*end)
		}
	}
	for _, v := range p.fanScale(low) {
		take(v)
	}
	for _, m := range p.Marks {
		if m.Value >= low && m.Value <= high+(high-low)/3 {
			take(m.Value)
		}
	}
	return newScale(low, high, 4)
}

func (p plot) drawAxes(d *drawing) {
	format := p.Axis
	if format == nil {
		format = p.Format
	}
	values := d.y.ticks(format)
	if p.Empty() { // an axis of nothing would be made up
		values = values[:1]
		values[0].Label = ""
	}
	for _, t := range values {
		y := d.Top + d.innerHeight()*(1-t.At)
		d.line("grid", d.Left, d.Width-d.Right, y, y)
		d.printf(`<text class="label y" x="%s" y="%s">%s</text>`, coord(d.Left-8), coord(y+4), attr(t.Label))
	}
	for _, t := range timeTicks(d.from, d.to, int(d.innerWidth()/64)) {
		x := d.Left + d.innerWidth()*t.At
		class := "label x"
		if t.Major {
			class += " major"
		}
		at := x
		if edge := d.Width - 2; x+22 > edge { // the label would stick out
			class, at = class+" last", edge
		}
		d.line("tick", x, x, d.Height-d.Bottom, d.Height-d.Bottom+4)
		d.printf(`<text class="%s" x="%s" y="%s">%s</text>`, class, coord(at), coord(d.Height-d.Bottom+17), attr(t.Label))
	}
}

// runs cuts the points at every gap: a value that is not a number, or a distance longer than the step.
func runs(points []plotPoint) [][]plotPoint {
	var cut [][]plotPoint
	var run []plotPoint
	for i, point := range points {
		gap := !finite(point.Value)
		if i > 0 && point.Step > 0 && point.At.Sub(points[i-1].At) > point.Step*3/2 {
			gap = true
		}
		if gap && len(run) > 0 {
			cut, run = append(cut, run), nil
		}
		if finite(point.Value) {
			run = append(run, point)
		}
	}
	if len(run) > 0 {
		cut = append(cut, run)
	}
	return cut
}

func (p plot) drawLine(d *drawing) {
	base := coord(d.yAt(math.Max(0, d.y.Low)))
	for _, run := range runs(p.Points) {
		if len(run) == 1 {
			d.printf(`<circle class="dot" cx="%s" cy="%s" r="2.5"/>`, coord(d.xAt(run[0].At)), coord(d.yAt(run[0].Value)))
			continue
		}
		var path strings.Builder
		for i, point := range run {
			path.WriteString(letter(i) + coord(d.xAt(point.At)) + " " + coord(d.yAt(point.Value)))
		}
		first, last := coord(d.xAt(run[0].At)), coord(d.xAt(run[len(run)-1].At))
		d.printf(`<path class="area" d="%sL%s %sL%s %sZ"/>`, path.String(), last, base, first, base)
		d.printf(`<path class="line" d="%s"/>`, path.String())
	}
}

func (p plot) drawBands(d *drawing) {
	for _, b := range p.Bands {
		start, end := d.xAt(b.From), d.xAt(b.To)
		d.printf(`<rect class="band" x="%s" y="%s" width="%s" height="%s"><title>%s</title></rect>`, coord(start), coord(d.Top),
			coord(math.Max(end-start, 1)), coord(d.innerHeight()), attr(b.Label))
	}
}

func (p plot) drawBars(d *drawing) {
	base := d.yAt(math.Max(0, d.y.Low))
	span := d.to.Sub(d.from)
	for _, point := range p.Points {
		if !finite(point.Value) || span <= 0 {
			continue
		}
		end := d.xAt(point.At)
		start := math.Max(d.Left, end-d.innerWidth()*float64(point.Step)/float64(span))
		width := math.Max(end-start-0.6, 0.8)
		top := d.yAt(point.Value)
		if point.Value > 0 && base-top < 1 {
			top = base - 1
		}
		height := math.Max(base-top, 0)
		d.printf(`<rect class="bar" x="%s" y="%s" width="%s" height="%s"/>`, coord(start), coord(top), coord(width), coord(height))
	}
}

func (p plot) drawMarks(d *drawing) {
	for _, m := range p.Marks {
		if m.Value <= d.y.Low || m.Value > d.y.High { // at the foot it would only repeat the axis
			continue
		}
		y := d.yAt(m.Value)
		d.line("mark "+m.Class, d.Left, d.Width-d.Right, y, y)
		above := y - 4
		if above < d.Top+8 {
			above = y + 13
		}
		d.printf(`<text class="marklabel %s" x="%s" y="%s">%s</text>`, attr(m.Class), coord(d.Left+4), coord(above), attr(m.Label))
	}
}

// Describe says in a sentence what the picture shows, for those who don't see it.
func (p plot) Describe() string {
	if p.Empty() {
		return p.Nothing
	}
	var low, high, last plotPoint
	low.Value, high.Value = math.Inf(1), math.Inf(-1)
	for _, point := range p.Points {
		if !finite(point.Value) {
			continue
		}
		last = point
		if point.Value < low.Value {
			low = point
		}
		if point.Value > high.Value {
			high = point
		}
	}
	when := func(at time.Time) string { return at.UTC().Format("2 Jan 15:04") }
	text := fmt.Sprintf("Last %s at %s; lowest %s at %s, highest %s at %s (UTC).", p.Format(last.Value), when(last.At),
		p.Format(low.Value), when(low.At), p.Format(high.Value), when(high.At))
	if gaps := len(runs(p.Points)) - 1; gaps > 0 {
		text += " " + plural(gaps, "gap", "gaps") + " without data."
	}
	return text + p.describeFan()
}

// hover lists the points for app.js: "x y time value", separated by semicolons; the fields by bars.
func (p plot) hover(d *drawing) string {
	var b strings.Builder
	layout := "15:04"
	if p.To.Sub(p.From) > 24*time.Hour {
		layout = "2 Jan 15:04"
	}
	for _, point := range p.Points {
		if !finite(point.Value) {
			continue
		}
		at := point.At.UTC().Format(layout)
		fmt.Fprintf(&b, "%s|%s|%s|%s;", coord(d.xAt(point.At)), coord(d.yAt(point.Value)), at, p.Format(point.Value))
	}
	return attr(b.String())
}

// drawing is a plot being written.
type drawing struct {
	canvas
	strings.Builder
	from, to time.Time
	y        scale
}

func (d *drawing) printf(format string, args ...any) { fmt.Fprintf(&d.Builder, format, args...) }
func (d *drawing) line(class string, x1, x2, y1, y2 float64) {
	d.printf(`<line class="%s" x1="%s" x2="%s" y1="%s" y2="%s"/>`, attr(class), coord(x1), coord(x2), coord(y1), coord(y2))
}

func (d *drawing) innerWidth() float64  { return d.Width - d.Left - d.Right }
func (d *drawing) innerHeight() float64 { return d.Height - d.Top - d.Bottom }

func (d *drawing) xAt(t time.Time) float64 {
	span := d.to.Sub(d.from)
	if span <= 0 {
		return d.Left
	}
	share := float64(t.Sub(d.from)) / float64(span)
	return d.Left + d.innerWidth()*math.Min(1, math.Max(0, share))
}

func (d *drawing) yAt(v float64) float64 { return d.Top + d.innerHeight()*(1-d.y.at(v)) }

func letter(i int) string {
	if i == 0 {
		return "M"
	}
	return "L"
}

func coord(x float64) string {
	s := fmt.Sprintf("%.1f", x)
	return strings.TrimSuffix(s, ".0")
}

func attr(s string) string { return html.EscapeString(s) }
