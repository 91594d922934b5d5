package forecast

import (
	"math"
	"slices"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// grid is a history on regular times. values[i] belongs to the time last - (len-1-i) steps; NaN is a gap. The first and
// the last value are never gaps.
type grid struct {
	values   []float64
	last     time.Time
	step     time.Duration
	trailing int // whole steps between last and now in which nothing was seen
	seen     int
	negative bool // some value is below zero
}

// newGrid puts points on a grid that is anchored at the newest of them.
func newGrid(points []Point, o Options) (grid, error) {
	usable := usablePoints(points, o.Now)
	if len(usable) == 0 {
		return grid{step: o.Step}, nil
	}
	g := grid{last: usable[len(usable)-1].At, step: o.Step}
	if !o.Now.IsZero() {
		g.trailing = int(o.Now.Sub(g.last) / o.Step)
	}
	n := g.before(usable[0].At) + 1
	if n+g.trailing > MaxHistory {
		return g, fault.New(fault.Invalid, "the history spans %d steps of %s; the most is %d: write a longer step or a shorter history", n+g.trailing, manifest.Duration(o.Step), MaxHistory)
	}
	g.fill(usable, n)
	return g, nil
}

// usablePoints returns the finite points up to now in order of time, the last of those with the same time.
func usablePoints(points []Point, now time.Time) []Point {
	usable := make([]Point, 0, len(points))
	for _, p := range points {
		if !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0) && (now.IsZero() || !p.At.After(now)) {
			usable = append(usable, p)
		}
	}
	slices.SortStableFunc(usable, func(a, b Point) int { return a.At.Compare(b.At) })
	kept := usable[:0]
	for i, p := range usable {
		if i+1 < len(usable) && usable[i+1].At.Equal(p.At) {
			continue
		}
		kept = append(kept, p)
	}
	return kept
}

// before returns how many steps t lies before the newest point, to the nearest.
func (g grid) before(t time.Time) int { return int((g.last.Sub(t) + g.step/2) / g.step) }

// fill averages the points near each grid time.
func (g *grid) fill(points []Point, n int) {
	g.values = make([]float64, n)
	count := make([]float64, n)
	for _, p := range points {
		i := n - 1 - g.before(p.At)
		count[i]++
		g.values[i] += (p.Value - g.values[i]) / count[i]
		g.negative = g.negative || p.Value < 0
	}
	for i, c := range count {
		if c == 0 {
			g.values[i] = math.NaN()
			continue
		}
		g.seen++
	}
}

func (g grid) coverage() float64 {
	return float64(g.seen) / float64(len(g.values)+g.trailing)
}

// minSeen is how many grid points a forecast needs at least: fewer give no idea of its error.
const minSeen = 20

// enough refuses a history shorter than the horizon and some earlier forecasts to learn the error from.
func (g grid) enough(o Options) error {
	need := max(minSeen, o.steps()+minSeen/2) + g.trailing
	long := func(steps int) manifest.Duration { return manifest.Duration(time.Duration(steps) * o.Step) }
	switch {
	case len(g.values) < need:
		return fault.New(fault.Invalid, "too little history for a forecast of %s: it needs %s (%d values %s apart) and there are %s (%d values)",
			manifest.Duration(o.Horizon), long(need), need, manifest.Duration(o.Step), long(len(g.values)), len(g.values))
	case g.seen < minSeen:
		return fault.New(fault.Invalid, "too many gaps for a forecast: of %d values %s apart only %d were seen, and at least %d are needed",
			len(g.values), manifest.Duration(o.Step), g.seen, minSeen)
	}
	return nil
}
