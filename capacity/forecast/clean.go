package forecast

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/nines-sre/nines/capacity/forecast/pool"
	"github.com/nines-sre/nines/internal/manifest"
)

// cleaned is a history ready to be forecast: what is not the workload's own course is masked and filled in.
type cleaned struct {
	grid
	series  pool.Series
	cycles  []int // in slots, those of which two were seen, the shortest first
	seasons []int // of these, those that the history shows
	notes   []string
}

// day and week in the cycles that are tested for. Arbitrary periods are not looked for: what is found by chance is worse
// than none.
var tested = []time.Duration{time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}

// Settings of the cleaning.
const (
	outageShare  = 0.05 // of what is usual at that time, below which a service that always has load is down
	rareShare    = 0.1  // of the history that outages may be; more is how the workload is
	rareUnknown  = 0.02 // the same where no two days tell what is usual at a time of day
	oddScales    = 8.0  // robust standard deviations from what is usual, from where a value is odd
	oddShare     = 0.01 // of the history that odd values may be; more is how the workload is
	oddRun       = 3    // odd values in a row that may be left out; more is an event
	youngest     = 3    // of the newest values none is odd: what begins looks like that
	shiftLeast   = 0.25 // of the level, by which a shift must move it
	shiftOthers  = 3.0  // times the largest other change of the level
	shiftWindows = 3    // days on either side that make the level
)

// clean masks and fills in what should not be learned from.
func clean(g grid, o Options) cleaned {
	c := cleaned{grid: g, series: pool.Series{Values: slices.Clone(g.values), Masked: make([]bool, len(g.values))}}
	for _, d := range tested {
		if lag := int(d / g.step); d%g.step == 0 && lag >= 4 && len(g.values) >= 2*lag {
			c.cycles = append(c.cycles, lag)
		}
	}
	for i, y := range g.values {
		c.series.Masked[i] = math.IsNaN(y)
	}
	c.maskEvents(o.Events)
	if !o.Raw {
		c.maskOutages()
		c.maskOdd()
	}
	c.fill()
	if !o.Raw {
		c.levelShift()
	}
	c.seasons = pool.Seasons(c.series, c.cycles)
	return c
}

// options for the pool.
func (c cleaned) options(o Options, steps int) pool.Options {
	long := slices.DeleteFunc(slices.Clone(c.cycles), func(m int) bool { return c.perDay() > 0 && m < c.perDay() })
	p := pool.Options{Ahead: steps, Seasons: c.seasons, Cycles: long, Naive: c.naive(), Floor: c.floor(o), Cap: ceiling(o)}
	if c.perDay() > 0 {
		p.Memory = fortnight * c.perDay()
	}
	return p
}

// fortnight is the days after which a value counts half.
const fortnight = 14

// perDay is how many slots a day has; 0 where not two days were seen.
func (c cleaned) perDay() int {
	lag := int(24 * time.Hour / c.step)
	if slices.Contains(c.cycles, lag) {
		return lag
	}
	return 0
}

// naive is the cycle to compare with: of the seasons the shortest of a day or more, else the longest; 1 where there is none.
func (c cleaned) naive() int {
	chosen := 1
	for _, m := range c.seasons {
		if chosen == 1 || chosen < c.perDay() {
			chosen = m
		}
	}
	return chosen
}

func (c *cleaned) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// usual is the median of what was seen at the same time of the neighbouring days; where there are no two days, of the
// neighbouring values. NaN where nothing was.
func (c cleaned) usual(i int) float64 {
	near := make([]float64, 0, 12)
	add := func(at int) {
		if at >= 0 && at < len(c.series.Values) && !c.series.Masked[at] {
			near = append(near, c.series.Values[at])
		}
	}
	if m := c.perDay(); m > 0 {
		for k := 1; k <= 3; k++ {
			add(i - k*m)
			add(i + k*m)
		}
	} else {
		for k := 1; k <= 6; k++ {
			add(i - k)
			add(i + k)
		}
	}
	return median(near)
}

// maskOutages masks the times at which a service that always has load has as good as none. What lasts longer than a day, or
// comes often, is no outage but how the workload is.
func (c *cleaned) maskOutages() {
	if c.negative {
		return
	}
	down := make([]bool, len(c.series.Values))
	total, low := 0, c.low()/2
	for i, y := range c.series.Values {
		if c.series.Masked[i] {
			continue
		}
		if u := c.usual(i); u > 0 && y <= outageShare*u && y < low {
			down[i] = true
			total++
		}
	}
	longest := max(3, int(24*time.Hour/c.step))
	rare := rareShare
	if c.perDay() == 0 {
		rare = rareUnknown
	}
	if float64(total) > rare*float64(c.seen) {
		return
	}
	found, lasted := 0, 0
	for _, r := range runs(down) {
		if r.to-r.from > longest {
			continue
		}
		found, lasted = found+1, lasted+r.to-r.from
		c.mask(r)
	}
	if found > 0 {
		c.note("%s, %s in all, with next to no load left out", count(found, "outage"), manifest.Duration(time.Duration(lasted)*c.step))
	}
}

// low is what one in twenty of the seen values lies below.
func (c cleaned) low() float64 {
	seen := make([]float64, 0, c.seen)
	for i, y := range c.series.Values {
		if !c.series.Masked[i] {
			seen = append(seen, y)
		}
	}
	if len(seen) == 0 {
		return math.NaN()
	}
	slices.Sort(seen)
	return seen[len(seen)/20]
}

// maskOdd masks single values far from what is usual. Where many are, or many in a row, they are the workload's own.
func (c *cleaned) maskOdd() {
	rest := make([]float64, len(c.series.Values))
	var sizes []float64
	for i, y := range c.series.Values {
		rest[i] = math.NaN()
		if !c.series.Masked[i] {
			if rest[i] = math.Abs(y - c.usual(i)); !math.IsNaN(rest[i]) {
				sizes = append(sizes, rest[i])
			}
		}
	}
	if len(sizes) == 0 {
		return
	}
	slices.Sort(sizes)
	usual := 1.4826 * sizes[len(sizes)/2]
	// A series that hardly ever changes has no scale of its own.
	bound := max(oddScales*usual, 1e-9*sizes[len(sizes)-1])
	odd, total := make([]bool, len(rest)), 0
	for i := range len(rest) - youngest {
		if rest[i] > bound && (usual > 0 || rest[i] > math.Abs(c.usual(i))) {
			odd[i] = true
			total++
		}
	}
	if float64(total) > oddShare*float64(c.seen) && total > 1 {
		return
	}
	found := 0
	for _, r := range runs(odd) {
		if r.to-r.from <= oddRun {
			found += r.to - r.from
			c.mask(r)
		}
	}
	if found > 0 {
		c.note("%s far from what is usual at that time left out", count(found, "value"))
	}
}

// run is the slots [from, to).
type run struct{ from, to int }

func runs(flags []bool) []run {
	var out []run
	for i, f := range flags {
		switch {
		case !f:
		case len(out) > 0 && out[len(out)-1].to == i:
			out[len(out)-1].to++
		default:
			out = append(out, run{i, i + 1})
		}
	}
	return out
}

func (c *cleaned) mask(r run) {
	for i := r.from; i < r.to; i++ {
		c.series.Masked[i] = true
	}
}

// fill puts values where none count: between the neighbours of a short gap a line; in a longer one what was seen a week or a
// day before and after, moved to meet the edges.
func (c *cleaned) fill() {
	y, masked := c.series.Values, c.series.Masked
	seen := slices.Clone(masked)
	for _, r := range runs(masked) {
		course := make([]float64, r.to-r.from)
		left, right := edge(y, seen, r.from-1, -1), edge(y, seen, r.to, 1)
		if math.IsNaN(left) {
			left = right
		}
		if math.IsNaN(right) {
			right = left
		}
		offLeft, offRight := left, right
		if len(course) > oddRun {
			like := func(i int) float64 { return c.like(i, seen) }
			for j := range course {
				course[j] = like(r.from + j)
			}
			if slices.ContainsFunc(course, math.IsNaN) {
				clear(course)
			} else {
				offLeft, offRight = or0(left-like(r.from-1)), or0(right-like(r.to))
			}
		}
		for j := range course {
			share := float64(j+1) / float64(len(course)+1)
			y[r.from+j] = course[j] + offLeft + share*(offRight-offLeft)
			if !c.negative {
				y[r.from+j] = max(y[r.from+j], 0)
			}
		}
	}
}

func or0(x float64) float64 {
	if math.IsNaN(x) {
		return 0
	}
	return x
}

// edge is the seen value at i or the next one in a direction.
func edge(y []float64, masked []bool, i, direction int) float64 {
	for ; i >= 0 && i < len(y); i += direction {
		if !masked[i] {
			return y[i]
		}
	}
	return math.NaN()
}

// like is the mean of what was seen whole cycles before and after a slot, of weeks where there are two, else of days.
func (c cleaned) like(i int, masked []bool) float64 {
	for k := len(c.cycles) - 1; k >= 0; k-- {
		m := c.cycles[k]
		before, after := math.NaN(), math.NaN()
		for at := i - m; at >= 0 && math.IsNaN(before); at -= m {
			if !masked[at] {
				before = c.series.Values[at]
			}
		}
		for at := i + m; at < len(masked) && math.IsNaN(after); at += m {
			if !masked[at] {
				after = c.series.Values[at]
			}
		}
		switch {
		case !math.IsNaN(before) && !math.IsNaN(after):
			return (before + after) / 2
		case !math.IsNaN(before):
			return before
		case !math.IsNaN(after):
			return after
		}
	}
	return math.NaN()
}

// levelShift brings the values from before the last abrupt and lasting change of the level to the new one, so that they still
// tell of seasons. The change must stand out from all others, for weekends change the level too.
func (c *cleaned) levelShift() {
	m := c.perDay()
	if m == 0 {
		return
	}
	w := shiftWindows * m
	y := c.series.Values
	if len(y) < 3*w {
		return
	}
	stride := max(1, m/8)
	type change struct {
		at         int
		jump, left float64
	}
	var all []change
	for t := w; t+w <= len(y); t += stride {
		left := median(slices.Clone(y[t-w : t]))
		all = append(all, change{t, median(slices.Clone(y[t:t+w])) - left, left})
	}
	var most change
	for _, x := range all {
		if math.Abs(x.jump) > math.Abs(most.jump) {
			most = x
		}
	}
	others := 0.0
	for _, x := range all {
		if x.at <= most.at-w || x.at >= most.at+w {
			others = max(others, math.Abs(x.jump))
		}
	}
	if math.Abs(most.jump) < shiftOthers*others || math.Abs(most.jump) < shiftLeast*math.Abs(most.left) || most.jump == 0 {
		return
	}
	at, abrupt := c.breakAt(most.at, m, most.jump)
	if !abrupt {
		return
	}
	before, after := median(slices.Clone(y[max(0, at-w):at])), median(slices.Clone(y[at:min(len(y), at+w)]))
	ratio := after / before
	scale := !c.negative && before > 0 && after > 0 && ratio < 10 && ratio > 0.1
	for _, values := range [][]float64{y, c.values} {
		for i := range at {
			if scale {
				values[i] *= ratio
			} else {
				values[i] += after - before
			}
		}
	}
	c.note("the level changed from %s to %s at %s and stayed; values before count as if at the new one", amount(before), amount(after), c.at(at).UTC().Format("2006-01-02 15:04"))
}

// breakAt finds where within a window the values leave those of the day before by most of the jump, from one to the next, and
// reports whether they do so abruptly.
func (c cleaned) breakAt(near, m int, jump float64) (at int, abrupt bool) {
	y := c.series.Values
	half := max(2, m/2)
	best := 0.0
	for t := max(near-m, m+half); t <= near+m && t+half <= len(y); t++ {
		var before, after []float64
		for i := range half {
			before, after = append(before, y[t-1-i]-y[t-1-i-m]), append(after, y[t+i]-y[t+i-m])
		}
		b, a := median(before), median(after)
		if gain := (a - b) / jump; gain > best && a/jump >= 0.5 && math.Abs(b) <= 0.3*math.Abs(jump) {
			best, at, abrupt = gain, t, true
		}
	}
	if !abrupt {
		return 0, false
	}
	// Medians over half a day place it only roughly; the steepest step nearby is it.
	steepest := 0.0
	for t, to := max(at-half/2, m+1), min(at+half/2, len(y)-1); t <= to; t++ {
		if step := (y[t] - y[t-m] - (y[t-1] - y[t-1-m])) / jump; step > steepest {
			steepest, at = step, t
		}
	}
	return at, true
}

// median reorders x; NaN where nothing is in it.
func median(x []float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	slices.Sort(x)
	middle := len(x) / 2
	if len(x)%2 == 1 {
		return x[middle]
	}
	return x[middle-1]/2 + x[middle]/2
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// amount writes four digits that matter.
func amount(x float64) string { return fmt.Sprintf("%.4g", x) }
