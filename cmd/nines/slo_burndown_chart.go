package main

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/slo"
)

const (
	chartRows   = 14
	chartMargin = 9   // columns of the axis
	svgPoints   = 400 // of the past
)

// burnChart is a budget over time: what was left, then what is likely left.
type burnChart struct {
	from, now, to time.Time
	low, high     float64 // shares at the foot and the top
	past          []chartPoint
	fan           []slo.FanPoint
}

type chartPoint struct {
	at   time.Time
	left float64
	gap  bool // before it nothing was seen
}

func (b burndownBody) chart() burnChart {
	c := burnChart{from: b.Points[0].At, now: b.Prediction.At, low: 0, high: 1, fan: b.Prediction.Fan}
	var steps []time.Duration
	for i := 1; i < len(b.Points); i++ {
		steps = append(steps, b.Points[i].At.Sub(b.Points[i-1].At))
	}
	slices.Sort(steps)
	for i, p := range b.Points {
		gap := i == 0 || float64(p.At.Sub(b.Points[i-1].At)) > 1.5*float64(steps[len(steps)/2])
		c.past = append(c.past, chartPoint{p.At, p.Remaining, gap})
		c.low, c.high = math.Min(c.low, p.Remaining), math.Max(c.high, p.Remaining)
		c.to = p.At
	}
	floor := c.low - 1 // what is likely far overspent must not squash what is known
	for _, f := range c.fan {
		c.low, c.to = math.Min(c.low, math.Max(f.P10, floor)), f.At
	}
	if !c.from.Before(c.to) {
		c.from = c.to.Add(-time.Hour)
	}
	return c
}

// share is where a time lies, 0 at the left and 1 at the right.
func (c burnChart) share(t time.Time) float64 {
	return math.Min(1, math.Max(0, float64(t.Sub(c.from))/float64(c.to.Sub(c.from))))
}

// height is where a share of the budget lies, 0 at the foot and 1 at the top.
func (c burnChart) height(left float64) float64 {
	return math.Min(1, math.Max(0, (left-c.low)/(c.high-c.low)))
}

// at returns the fan at a time between its points.
func (c burnChart) at(t time.Time) slo.ShareQuantiles {
	for i := 1; i < len(c.fan); i++ {
		a, b := c.fan[i-1], c.fan[i]
		if t.After(b.At) && i < len(c.fan)-1 {
			continue
		}
		x := math.Min(1, math.Max(0, float64(t.Sub(a.At))/float64(b.At.Sub(a.At))))
		mix := func(a, b float64) float64 { return a + x*(b-a) }
		return slo.ShareQuantiles{P10: mix(a.P10, b.P10), P50: mix(a.P50, b.P50), P90: mix(a.P90, b.P90)}
	}
	return slo.ShareQuantiles{}
}

// strokes are the characters of a drawing.
type strokes struct{ past, likely, middle, now, zero, axis rune }

var (
	fineStrokes  = strokes{'█', '░', '╌', '│', '─', '┤'}
	plainStrokes = strokes{'#', '.', '-', '|', '=', '|'}
)

// text draws the chart in so many columns.
func (c burnChart) text(wide int, ascii bool) string {
	s := fineStrokes
	if ascii {
		s = plainStrokes
	}
	columns := max(20, min(wide, 160)-chartMargin-1)
	cells := make([][]rune, chartRows)
	for i := range cells {
		cells[i] = []rune(strings.Repeat(" ", columns))
	}
	row := func(left float64) int { return chartRows - 1 - int(math.Round(c.height(left)*(chartRows-1))) }
	for x := range columns {
		cells[row(0)][x] = s.zero
	}
	c.drawLikely(cells, s, row)
	c.drawPast(cells, s, row)
	var out strings.Builder
	for i, line := range cells {
		left := c.low + (c.high-c.low)*float64(chartRows-1-i)/(chartRows-1)
		label := ""
		if i == row(0) {
			left = 0
		}
		if i == 0 || i == chartRows-1 || i == row(0) || i == row(0.5) && row(0)-row(0.5) > 2 {
			if i == row(0.5) && i != 0 && i != row(0) && i != chartRows-1 {
				left = 0.5
			}
			label = signed(left)
		}
		fmt.Fprintf(&out, "%*s %c%s\n", chartMargin-2, label, s.axis, strings.TrimRight(string(line), " "))
	}
	now := c.now
	if len(c.fan) == 0 {
		now = c.to
	}
	out.WriteString(foot(c.from, now, c.to, columns))
	return out.String()
}

// drawLikely fills each column of the future from the 10th to the 90th percentile.
func (c burnChart) drawLikely(cells [][]rune, s strokes, row func(float64) int) {
	if len(c.fan) == 0 {
		return
	}
	columns := len(cells[0])
	begin := int(c.share(c.now) * float64(columns-1))
	for x := begin; x < columns; x++ {
		q := c.at(c.timeOf(x, columns))
		for y := row(q.P90); y <= row(q.P10); y++ {
			cells[y][x] = s.likely
		}
		cells[row(q.P50)][x] = s.middle
	}
	for y := range cells {
		if cells[y][begin] == ' ' {
			cells[y][begin] = s.now
		}
	}
}

// drawPast draws what was left; where it fell within a column, down to where it fell.
func (c burnChart) drawPast(cells [][]rune, s strokes, row func(float64) int) {
	columns := len(cells[0])
	var before, at int
	for _, p := range c.past {
		x, y := int(c.share(p.at)*float64(columns-1)), row(p.left)
		if p.gap {
			before, at = y, x
		}
		for between := at; between < x; between++ {
			cells[before][between] = s.past
		}
		for i := min(y, before); i <= max(y, before); i++ {
			cells[i][x] = s.past
		}
		before, at = y, x
	}
}

func (c burnChart) timeOf(x, columns int) time.Time {
	return c.from.Add(time.Duration(float64(x) / float64(columns-1) * float64(c.to.Sub(c.from))))
}

// foot labels the beginning, now and the end of a chart over so many columns.
func foot(from, now, to time.Time, columns int) string {
	layout := "2 Jan"
	if to.Sub(from) < 4*24*time.Hour {
		layout = "2 Jan 15:04"
	}
	line := []rune(strings.Repeat(" ", chartMargin+columns))
	put := func(x int, text string) {
		x = max(0, min(x, len(line)-len(text)))
		for i, r := range text {
			line[x+i] = r
		}
	}
	put(chartMargin, from.UTC().Format(layout))
	put(len(line), to.UTC().Format(layout))
	share := float64(now.Sub(from)) / float64(to.Sub(from))
	if x := int(share * float64(columns-1)); x > 14 && x < columns-14 {
		put(chartMargin+x-1, "now")
	}
	return strings.TrimRight(string(line), " ") + "\n"
}

const (
	chartWidth, chartHeight           = 960.0, 360.0
	chartLeft, chartTop               = 64.0, 40.0
	chartInnerWidth, chartInnerHeight = chartWidth - chartLeft - 16, chartHeight - chartTop - 36
	chartStyle                        = `text{font:12px sans-serif;fill:#444}.title{font-size:15px;fill:#111}.grid{stroke:#ddd}.zero{stroke:#b3261e;stroke-dasharray:4 4}.past{fill:none;stroke:#1f4fbf;stroke-width:2}.fan{fill:#1f4fbf;opacity:.18}.median{fill:none;stroke:#1f4fbf;stroke-width:1.5;stroke-dasharray:5 4}.now{stroke:#777}`
)

// svg draws the chart for a file that stands alone.
func (b burndownBody) svg() string {
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" font-family="sans-serif"><style>%s</style><rect width="100%%" height="100%%" fill="#fff"/>`, chartWidth, chartHeight, chartStyle)
	title := b.SLO + " error budget left"
	if b.Tenant != "" {
		title = b.SLO + " for " + b.Tenant + ": error budget left"
	}
	fmt.Fprintf(&out, `<title>%s</title><text class="title" x="%g" y="24">%s</text>`, html.EscapeString(title), chartLeft, html.EscapeString(title))
	if len(b.Points) > 0 {
		b.chart().drawSVG(&out)
	}
	return out.String() + "</svg>\n"
}

func (c burnChart) drawSVG(out *strings.Builder) {
	x := func(t time.Time) float64 { return chartLeft + chartInnerWidth*c.share(t) }
	y := func(left float64) float64 { return chartTop + chartInnerHeight*(1-c.height(left)) }
	for _, left := range []float64{c.low, 0, 0.5, c.high} {
		class := "grid"
		if left == 0 {
			class = "zero"
		}
		fmt.Fprintf(out, `<line class="%s" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text x="%g" y="%.1f" text-anchor="end">%s</text>`,
			class, chartLeft, chartLeft+chartInnerWidth, y(left), y(left), chartLeft-8, y(left)+4, signed(left))
	}
	var path, fan, back, median strings.Builder
	letter := func(b *strings.Builder, gap bool) string {
		if gap || b.Len() == 0 {
			return "M"
		}
		return "L"
	}
	for _, p := range c.past {
		fmt.Fprintf(&path, "%s%.1f %.1f", letter(&path, p.gap), x(p.at), y(p.left))
	}
	for i, f := range c.fan {
		end := c.fan[len(c.fan)-1-i]
		fmt.Fprintf(&fan, "%s%.1f %.1f", letter(&fan, false), x(f.At), y(f.P90))
		fmt.Fprintf(&back, "L%.1f %.1f", x(end.At), y(end.P10))
		fmt.Fprintf(&median, "%s%.1f %.1f", letter(&median, false), x(f.At), y(f.P50))
	}
	if len(c.fan) > 0 {
		fmt.Fprintf(out, `<path class="fan" d="%s%sZ"/><path class="median" d="%s"/>`, fan.String(), back.String(), median.String())
		fmt.Fprintf(out, `<line class="now" x1="%.1f" x2="%.1f" y1="%g" y2="%g"/><text x="%.1f" y="%g" text-anchor="middle">now</text>`,
			x(c.now), x(c.now), chartTop, chartTop+chartInnerHeight, x(c.now), chartHeight-14)
	}
	fmt.Fprintf(out, `<path class="past" d="%s"/><text x="%g" y="%g">%s</text><text x="%g" y="%g" text-anchor="end">%s</text>`, path.String(),
		chartLeft, chartHeight-14, c.from.UTC().Format("2 Jan 15:04"), chartLeft+chartInnerWidth, chartHeight-14, c.to.UTC().Format("2 Jan 15:04 UTC"))
}
