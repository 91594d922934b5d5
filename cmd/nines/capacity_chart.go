package main

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/service/httpapi"
)

// forecastChart is a series and where it is going.
type forecastChart struct {
	title         string
	from, now, to time.Time
	low, high     float64 // values at the foot and the top
	past          []chartPoint
	ahead         []httpapi.ForecastPoint
	level         float64
	step          float64   // between the lines of a grid
	marks         []float64 // values that a line is drawn at
}

func newForecastChart(title string, s httpapi.ForecastSeries, level float64, marks []float64) forecastChart {
	c := forecastChart{title: title, ahead: s.Points, level: level, low: math.Inf(1), high: math.Inf(-1)}
	hold := func(values ...float64) {
		c.low, c.high = min(c.low, slices.Min(values)), max(c.high, slices.Max(values))
	}
	seen := s.Observed
	// Of a long past no more than three times the future is drawn, so that there is something to see of the future.
	if n := len(s.Points); n > 0 && len(seen) > 0 {
		horizon := s.Points[n-1].At.Sub(seen[len(seen)-1].At)
		begin := seen[len(seen)-1].At.Add(-3 * horizon)
		i, _ := slices.BinarySearchFunc(seen, begin, func(p httpapi.ForecastSeen, at time.Time) int { return p.At.Compare(at) })
		if len(seen)-i >= 20 {
			seen = seen[i:]
		}
	}
	usual := time.Duration(math.MaxInt64)
	for i := 1; i < len(seen); i++ {
		usual = min(usual, seen[i].At.Sub(seen[i-1].At))
	}
	for i, p := range seen {
		c.past = append(c.past, chartPoint{p.At, p.Value, i == 0 || float64(p.At.Sub(seen[i-1].At)) > 1.5*float64(usual)})
		hold(p.Value)
		c.now = p.At
	}
	for _, p := range s.Points {
		hold(p.Lower, p.Upper)
		c.to = p.At
	}
	height := c.high - c.low
	for _, m := range marks { // what is far away would squash all there is to see
		if m >= c.low-height && m <= c.high+height {
			hold(m)
			c.marks = append(c.marks, m)
		}
	}
	if c.low >= 0 && c.low < 0.4*c.high {
		c.low = 0
	}
	if c.high <= c.low {
		c.high = c.low + cmp.Or(math.Abs(c.low), 1)
	}
	step := roundStep((c.high - c.low) / 4)
	c.low, c.high = math.Floor(c.low/step)*step, math.Ceil(c.high/step)*step
	c.step = step
	if len(c.past) > 0 {
		c.from = c.past[0].at
	} else if len(s.Points) > 0 {
		c.from, c.now = s.Points[0].At, s.Points[0].At
	}
	if !c.from.Before(c.to) {
		c.to = c.from.Add(time.Hour)
	}
	return c
}

// roundStep is 1, 2, 2.5 or 5 times a power of ten, at least x.
func roundStep(x float64) float64 {
	size := math.Pow(10, math.Floor(math.Log10(x)))
	for _, times := range []float64{1, 2, 2.5, 5} {
		if times*size >= x*(1-1e-9) {
			return times * size
		}
	}
	return 10 * size
}

// share is where a time lies, 0 at the left and 1 at the right.
func (c forecastChart) share(t time.Time) float64 {
	return min(1, max(0, float64(t.Sub(c.from))/float64(c.to.Sub(c.from))))
}

// height is where a value lies, 0 at the foot and 1 at the top.
func (c forecastChart) height(v float64) float64 {
	return min(1, max(0, (v-c.low)/(c.high-c.low)))
}

// at returns the prediction nearest to a time.
func (c forecastChart) at(t time.Time) httpapi.ForecastPoint {
	i, _ := slices.BinarySearchFunc(c.ahead, t, func(p httpapi.ForecastPoint, t time.Time) int { return p.At.Compare(t) })
	return c.ahead[min(i, len(c.ahead)-1)]
}

// text draws the chart in so many columns.
func (c forecastChart) text(wide int, ascii bool) string {
	s := fineStrokes
	if ascii {
		s = plainStrokes
	}
	columns := max(20, min(wide, 160)-chartMargin-1)
	cells := make([][]rune, chartRows)
	for i := range cells {
		cells[i] = []rune(strings.Repeat(" ", columns))
	}
	row := func(v float64) int { return chartRows - 1 - int(math.Round(c.height(v)*(chartRows-1))) }
	marked := map[int]float64{}
	for _, m := range c.marks {
		marked[row(m)] = m
		for x := range columns {
			cells[row(m)][x] = s.zero
		}
	}
	begin := int(c.share(c.now) * float64(columns-1))
	for x := begin; x < columns && len(c.ahead) > 0; x++ {
		p := c.at(c.from.Add(time.Duration(float64(x) / float64(columns-1) * float64(c.to.Sub(c.from)))))
		for y := row(p.Upper); y <= row(p.Lower); y++ {
			cells[y][x] = s.likely
		}
		cells[row(p.Mean)][x] = s.middle
	}
	for y := range cells {
		if cells[y][begin] == ' ' {
			cells[y][begin] = s.now
		}
	}
	c.drawPast(cells, s.past, row)
	var out strings.Builder
	for i, line := range cells {
		label := ""
		if v, is := marked[i]; is {
			label = quantity(v)
		} else if i == 0 || i == chartRows-1 || i == chartRows/2 {
			label = quantity(c.low + (c.high-c.low)*float64(chartRows-1-i)/(chartRows-1))
		}
		fmt.Fprintf(&out, "%*s %c%s\n", chartMargin-2, label, s.axis, strings.TrimRight(string(line), " "))
	}
	out.WriteString(foot(c.from, c.now, c.to, columns))
	return out.String()
}

// drawPast draws what was seen; where it moved within a column, all the way.
func (c forecastChart) drawPast(cells [][]rune, stroke rune, row func(float64) int) {
	columns := len(cells[0])
	before, at := 0, 0
	for _, p := range c.past {
		x, y := int(c.share(p.at)*float64(columns-1)), row(p.left)
		if p.gap {
			before, at = y, x
		}
		for between := at; between < x; between++ {
			cells[before][between] = stroke
		}
		for i := min(y, before); i <= max(y, before); i++ {
			cells[i][x] = stroke
		}
		before, at = y, x
	}
}

// quantity writes at most four digits that matter, with k, M or G for the rest.
func quantity(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if math.Abs(v) >= unit.size {
			if unit.name == "k" {
				return fmt.Sprintf("%.4gk", v/1e3)
			}
			return fmt.Sprintf("%.4g%s", v/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%.4g", v)
}

// svg draws the chart for a file that stands alone.
func (c forecastChart) svg() string {
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" font-family="sans-serif"><style>%s</style><rect width="100%%" height="100%%" fill="#fff"/>`, chartWidth, chartHeight, chartStyle)
	fmt.Fprintf(&out, `<title>%s</title><text class="title" x="%g" y="24">%s</text>`, html.EscapeString(c.title), chartLeft, html.EscapeString(clipTitle(c.title)))
	x := func(t time.Time) float64 { return chartLeft + chartInnerWidth*c.share(t) }
	y := func(v float64) float64 { return chartTop + chartInnerHeight*(1-c.height(v)) }
	for i := range int(math.Round((c.high-c.low)/c.step)) + 1 {
		v := c.low + c.step*float64(i)
		fmt.Fprintf(&out, `<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text x="%g" y="%.1f" text-anchor="end">%s</text>`,
			chartLeft, chartLeft+chartInnerWidth, y(v), y(v), chartLeft-8, y(v)+4, quantity(v))
	}
	for _, m := range c.marks {
		fmt.Fprintf(&out, `<line class="zero" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text x="%g" y="%.1f" text-anchor="end">%s</text>`,
			chartLeft, chartLeft+chartInnerWidth, y(m), y(m), chartLeft+chartInnerWidth-4, y(m)-5, quantity(m))
	}
	var path, fan, back, middle strings.Builder
	letter := func(b *strings.Builder, gap bool) string {
		if gap || b.Len() == 0 {
			return "M"
		}
		return "L"
	}
	for _, p := range c.past {
		fmt.Fprintf(&path, "%s%.1f %.1f", letter(&path, p.gap), x(p.at), y(p.left))
	}
	for i, p := range c.ahead {
		end := c.ahead[len(c.ahead)-1-i]
		fmt.Fprintf(&fan, "%s%.1f %.1f", letter(&fan, false), x(p.At), y(p.Upper))
		fmt.Fprintf(&back, "L%.1f %.1f", x(end.At), y(end.Lower))
		fmt.Fprintf(&middle, "%s%.1f %.1f", letter(&middle, false), x(p.At), y(p.Mean))
	}
	if len(c.ahead) > 0 {
		fmt.Fprintf(&out, `<path class="fan" d="%s%sZ"/><path class="median" d="%s"/>`, fan.String(), back.String(), middle.String())
		fmt.Fprintf(&out, `<line class="now" x1="%.1f" x2="%.1f" y1="%g" y2="%g"/><text x="%.1f" y="%g" text-anchor="middle">now</text>`,
			x(c.now), x(c.now), chartTop, chartTop+chartInnerHeight, x(c.now), chartHeight-14)
	}
	fmt.Fprintf(&out, `<path class="past" d="%s"/><text x="%g" y="%g">%s</text><text x="%g" y="%g" text-anchor="end">%s</text>`, path.String(),
		chartLeft, chartHeight-14, c.from.UTC().Format("2 Jan 15:04"), chartLeft+chartInnerWidth, chartHeight-14, c.to.UTC().Format("2 Jan 15:04 UTC"))
	fmt.Fprintf(&out, `<text x="%g" y="24" text-anchor="end">expected, and where %.3g %% should lie</text>`, chartLeft+chartInnerWidth, c.level*100)
	return out.String() + "</svg>\n"
}

// clipTitle keeps a title clear of what stands at the right.
func clipTitle(s string) string {
	if r := []rune(s); len(r) > 72 {
		return string(r[:71]) + "…"
	}
	return s
}
