package backtest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// terminalRows is the height of the curve in lines.
const terminalRows = 10

// gutter is the width of the names and labels on the left.
const gutter = 11

// TerminalColumns is how many columns a chart for a terminal of this width should have.
func TerminalColumns(width int, ascii bool) int {
	cells := max(min(width, 200)-gutter-1, 20)
	if ascii {
		return cells
	}
	return 2 * cells
}

// Text draws the chart for a terminal: a curve of braille dots, two a cell across and four down, and a line of blocks
// for each lane; with ascii of plain characters.
func (c Chart) Text(ascii bool) string {
	g := newGrid(c, ascii)
	g.curve()
	var b strings.Builder
	fmt.Fprintf(&b, "%s, highest over %s\n", c.Title, labelDuration(c.Window))
	labels := g.labels()
	for row, line := range g.lines() {
		fmt.Fprintf(&b, "%*s %s\n", gutter-1, labels[row], strings.TrimRight(line, " \u2800"))
	}
	fmt.Fprintf(&b, "%*s %s\n", gutter-1, "", g.ruler())
	for _, l := range c.Lanes {
		fmt.Fprintf(&b, "%*s %s\n", gutter-1, l.Name, g.lane(l))
	}
	return b.String()
}

// grid is dots; dot (0, 0) is the upper left one.
type grid struct {
	Chart
	ascii         bool
	perX, perY    int // dots of a cell
	cells         int // in a line
	width, height int // in dots
	dots          []bool
}

func newGrid(c Chart, ascii bool) *grid {
	g := &grid{Chart: c, ascii: ascii, perX: 2, perY: 4}
	if ascii {
		g.perX, g.perY = 1, 1
	}
	g.width, g.height = len(c.Burn), terminalRows*g.perY
	g.cells = (g.width + g.perX - 1) / g.perX
	g.dots = make([]bool, g.width*g.height)
	return g
}

func (g *grid) y(burn float64) int {
	return g.height - 1 - int(g.Chart.height(burn)*float64(g.height-1)+0.5)
}

// curve sets a dot for each column, joined to the one before.
func (g *grid) curve() {
	before := -1
	for x, b := range g.Burn {
		if math.IsNaN(b) {
			before = -1
			continue
		}
		y := g.y(b)
		from, to := y, y
		if before >= 0 {
			from, to = min(y, before), max(y, before)
		}
		for at := from; at <= to; at++ {
			g.dots[at*g.width+x] = true
		}
		before = y
	}
}

// brailleBits are the bits of a cell's dots, by row and column (Unicode 2800 block).
var brailleBits = [4][2]rune{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}

func (g *grid) lines() []string {
	out := make([]string, terminalRows)
	for row := range out {
		line := make([]rune, g.cells)
		for cell := range line {
			line[cell] = g.cell(row, cell)
		}
		out[row] = string(line)
	}
	return out
}

func (g *grid) cell(row, cell int) rune {
	bits := rune(0)
	for y := range g.perY {
		for x := range g.perX {
			if column := cell*g.perX + x; column < g.width && g.dots[(row*g.perY+y)*g.width+column] {
				bits |= brailleBits[y][x]
			}
		}
	}
	switch {
	case !g.ascii:
		return 0x2800 + bits
	case bits != 0:
		return '*'
	}
	return ' '
}

// labels puts the decades beside the lines they lie in.
func (g *grid) labels() []string {
	out := make([]string, terminalRows)
	for _, d := range g.decades() {
		out[g.y(d)/g.perY] = figure(d) + "x"
	}
	return out
}

// ruler is the line of dates.
func (g *grid) ruler() string {
	line := []rune(strings.Repeat(" ", g.cells))
	at, layout := g.days(max(g.cells/12, 2))
	free := 0
	for _, t := range at {
		text := []rune(t.Format(layout))
		x := int(g.share(t) * float64(g.cells-1))
		if x < free || x+len(text) > len(line) {
			continue
		}
		copy(line[x:], text)
		free = x + len(text) + 1
	}
	return strings.TrimRight(string(line), " ")
}

func (g *grid) lane(l Lane) string {
	mark, rest := '█', '·'
	if l.Class == "incident" {
		mark = '▒'
	}
	if g.ascii {
		mark, rest = '#', '.'
	}
	line := []rune(strings.Repeat(string(rest), g.cells))
	for _, s := range l.Spans {
		from, to := int(g.share(s.From)*float64(g.cells)), int(math.Ceil(g.share(s.To)*float64(g.cells)))
		for x := min(from, g.cells-1); x < max(min(to, g.cells), min(from, g.cells-1)+1); x++ {
			line[x] = mark
		}
	}
	return string(line)
}

func sortedNames(labels map[string]string) []string { return slices.Sorted(maps.Keys(labels)) }
