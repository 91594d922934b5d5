package simulate

import (
	"fmt"
	"strings"
)

const (
	textRows   = 16
	textGutter = 11 // of the labels on the left
)

// signs of the policies, in a terminal and with plain characters.
var (
	fineSigns  = map[string]rune{"hpa": '□', "keda": '◇', "predictive": '●', "fixed": '◆', "oracle": '▲'}
	plainSigns = map[string]rune{"hpa": 'h', "keda": 'k', "predictive": 'p', "fixed": 'f', "oracle": 'o'}
)

// Text draws the chart for a terminal of so many columns; with ascii of plain characters.
func (c Chart) Text(columns int, ascii bool) string {
	signs, upright, level, joint := fineSigns, '│', '─', '·'
	if ascii {
		signs, upright, level, joint = plainSigns, '|', '-', '.'
	}
	a := c.axes()
	wide := max(30, min(columns, 140)-textGutter-2)
	cells := make([][]rune, textRows)
	for i := range cells {
		cells[i] = []rune(strings.Repeat(" ", wide))
	}
	column := func(p ChartPoint) int { return int(a.across(p.Hours) * float64(wide-1)) }
	row := func(p ChartPoint) int { return textRows - 1 - int(a.up(p.Under)*(textRows-1)+0.5) }
	for _, s := range c.Series {
		for i := 1; i < len(s.Points); i++ {
			join(cells, column(s.Points[i-1]), row(s.Points[i-1]), column(s.Points[i]), row(s.Points[i]), joint)
		}
	}
	for _, s := range c.Series {
		for _, p := range s.Points {
			cells[row(p)][column(p)] = signs[s.Class]
		}
	}
	labels := make([]string, textRows)
	for _, d := range a.decades() {
		labels[row(ChartPoint{Under: d})] = underLabel(d)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s\ncapacity missing (θU) against replica-hours a day; lower and further left is better\n", c.Title)
	for i, line := range cells {
		fmt.Fprintf(&out, "%*s %c%s\n", textGutter-1, labels[i], upright, strings.TrimRight(string(line), " "))
	}
	fmt.Fprintf(&out, "%*s %s\n", textGutter-1, "", strings.Repeat(string(level), wide+1))
	out.WriteString(c.foot(a, wide))
	out.WriteString(strings.Repeat(" ", textGutter+1))
	for i, s := range c.Series {
		if i > 0 {
			out.WriteString("   ")
		}
		fmt.Fprintf(&out, "%c %s", signs[s.Class], s.Name)
	}
	out.WriteString("\n")
	return out.String()
}

// join draws a thin line between two cells, without what is drawn there already.
func join(cells [][]rune, x1, y1, x2, y2 int, with rune) {
	steps := max(x2-x1, x1-x2, y2-y1, y1-y2)
	for i := range steps {
		x, y := x1+(x2-x1)*i/steps, y1+(y2-y1)*i/steps
		if cells[y][x] == ' ' {
			cells[y][x] = with
		}
	}
}

// foot is the line of replica-hours.
func (c Chart) foot(a axes, wide int) string {
	line := []rune(strings.Repeat(" ", textGutter+1+wide))
	free := 0
	for _, h := range a.hours(max(2, wide/10)) {
		text := fmt.Sprintf("%g", h)
		x := textGutter + 1 + int(a.across(h)*float64(wide-1)) - len(text)/2
		if x < free || x+len(text) > len(line) {
			continue
		}
		copy(line[x:], []rune(text))
		free = x + len(text) + 1
	}
	return strings.TrimRight(string(line), " ") + "\n"
}
