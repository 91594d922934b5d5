package forecast

import (
	"math"
	"slices"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// grid is a history on regular slots of the clock on the wall, so that eight in the morning is eight in the morning on both
// sides of a change of the clock. values[i] belongs to the slot len-1-i before that of the newest value; NaN is a gap, as is
// the hour that is skipped in spring; the hour that comes twice in autumn is averaged. The first and the last value are
// never gaps.
type grid struct {
	values   []float64
	last     time.Time // of the newest value
	step     time.Duration
	zone     *time.Location
	trailing int // whole steps between last and now in which nothing was seen
	seen     int
	negative bool // some value is below zero
}

// newGrid puts points on a grid that is anchored at the newest of them.
func newGrid(points []Point, o Options) (grid, error) {
	usable := usablePoints(points, o.Now)
	g := grid{step: o.Step, zone: o.Zone}
	if len(usable) == 0 {
		return g, nil
	}
	g.last = usable[len(usable)-1].At
	if !o.Now.IsZero() {
		g.trailing = int(o.Now.Sub(g.last) / o.Step)
	}
	n := -g.slot(usable[0].At) + 1
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

// slot returns how many slots of the clock on the wall t lies after the newest value; negative before it. To the nearest.
func (g grid) slot(t time.Time) int {
	_, now := t.In(g.zone).Zone()
	_, then := g.last.In(g.zone).Zone()
	apart := t.Sub(g.last) + time.Duration(now-then)*time.Second
	if apart < 0 {
		return -int((-apart + g.step/2) / g.step)
	}
	return int((apart + g.step/2) / g.step)
}

// slots is how many slots ahead the horizon ends, at least as many as there are steps.
func (g grid) slots(o Options) int {
	most := g.trailing + o.steps()
	for h := g.trailing + 1; h <= g.trailing+o.steps(); h++ {
		most = max(most, g.slot(g.last.Add(time.Duration(h)*g.step)))
	}
	return most
}

// fill averages the points near each grid time.
func (g *grid) fill(points []Point, n int) {
	g.values = make([]float64, n)
	count := make([]float64, n)
	for _, p := range points {
		i := min(max(n-1+g.slot(p.At), 0), n-1)
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

// at is the time of a slot of the history.
func (g grid) at(i int) time.Time {
	back := time.Duration(len(g.values)-1-i) * g.step
	t := g.last.Add(-back)
	_, now := g.last.In(g.zone).Zone()
	_, then := t.In(g.zone).Zone()
	return t.Add(time.Duration(now-then) * time.Second)
}

// floor is the least that a prediction may be.
func (g grid) floor(o Options) float64 {
	switch {
	case o.Floor != nil:
		return *o.Floor
	case g.negative:
		return math.Inf(-1)
	}
	return 0
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

// Rates returns the growth a second of a counter between neighbouring points of a grid of that step, as Make forecasts it
// where Options.Counter is set.
func Rates(points []Point, step time.Duration) []Point { return rates(points, Options{Step: step}) }

// rates returns the growth a second of a counter between neighbouring points. A value below the one before it is a reset:
// the counter began again at zero, and what it has reached since is its growth.
func rates(points []Point, o Options) []Point {
	usable := usablePoints(points, o.Now)
	out := make([]Point, 0, len(usable))
	for i := 1; i < len(usable); i++ {
		apart, grown := usable[i].At.Sub(usable[i-1].At), usable[i].Value-usable[i-1].Value
		if grown < 0 {
			grown = max(usable[i].Value, 0)
		}
		if apart > 5*o.Step { // nobody knows when in so long a gap it grew
			continue
		}
		out = append(out, Point{usable[i].At, grown / apart.Seconds()})
	}
	return out
}
