// Package trace reads a recorded series, such as a service's load, from CSV, and says what it holds and what it lacks. It
// leaves out where the file comes from and what is done about its gaps: nothing is made up here.
package trace

import (
	"fmt"
	"slices"
	"time"

	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/internal/manifest"
)

// Trace is a series as recorded.
type Trace struct {
	Points    []forecast.Point // by time, each time once; every value is finite
	Step      time.Duration    // median distance of two points; 0 with less than two
	Gaps      []Gap            // by time
	Missing   int              // rows that have a time and no value
	Repeated  int              // rows left out because a later row has the same time
	Unordered bool             // rows were not in order of time, and were put in order
}

// Gap is a distance of two points that is longer than one and a half steps.
type Gap struct {
	From time.Time // of the last point before it
	To   time.Time // of the first point after it
}

// newTrace puts points in order, the later of two rows with one time counting.
func newTrace(points []forecast.Point, missing int) Trace {
	t := Trace{Points: points, Missing: missing}
	byTime := func(a, b forecast.Point) int { return a.At.Compare(b.At) }
	if !slices.IsSortedFunc(points, byTime) {
		t.Unordered = true
		slices.SortStableFunc(points, byTime)
	}
	kept := points[:0]
	for i, p := range points {
		if i+1 < len(points) && points[i+1].At.Equal(p.At) {
			t.Repeated++
			continue
		}
		kept = append(kept, p)
	}
	t.Points = kept
	t.Step = medianStep(kept)
	for i := 1; i < len(kept); i++ {
		if distance := kept[i].At.Sub(kept[i-1].At); distance > t.Step+t.Step/2 {
			t.Gaps = append(t.Gaps, Gap{From: kept[i-1].At, To: kept[i].At})
		}
	}
	return t
}

func medianStep(points []forecast.Point) time.Duration {
	if len(points) < 2 {
		return 0
	}
	steps := make([]time.Duration, 0, len(points)-1)
	for i := 1; i < len(points); i++ {
		steps = append(steps, points[i].At.Sub(points[i-1].At))
	}
	slices.Sort(steps)
	return steps[len(steps)/2]
}

// Length is the time from the first point to one step after the last.
func (t Trace) Length() time.Duration {
	if len(t.Points) == 0 {
		return 0
	}
	return t.Points[len(t.Points)-1].At.Sub(t.Points[0].At) + t.Step
}

// Unseen is the time within Length for which there is no value: each gap without the step that the point before it
// stands for.
func (t Trace) Unseen() time.Duration {
	var sum time.Duration
	for _, g := range t.Gaps {
		sum += g.To.Sub(g.From) - t.Step
	}
	return sum
}

// mostGaps is how many gaps are named; the rest are counted.
const mostGaps = 3

// Notes says in sentences what was put right or is missing; empty where there is nothing to say.
func (t Trace) Notes() []string {
	var out []string
	if t.Unordered {
		out = append(out, "The rows were not in order of time and were put in order.")
	}
	if t.Repeated > 0 {
		out = append(out, fmt.Sprintf("%d rows had the time of a later row and were left out.", t.Repeated))
	}
	if t.Missing > 0 {
		out = append(out, fmt.Sprintf("%d rows have no value.", t.Missing))
	}
	if len(t.Gaps) > 0 {
		out = append(out, t.gapNote())
	}
	return out
}

func (t Trace) gapNote() string {
	text := fmt.Sprintf("%d gaps, %s of %s without a value: ", len(t.Gaps), manifest.Duration(t.Unseen().Round(time.Second)), manifest.Duration(t.Length().Round(time.Second)))
	longest := slices.Clone(t.Gaps)
	slices.SortStableFunc(longest, func(a, b Gap) int { return int(b.To.Sub(b.From) - a.To.Sub(a.From)) })
	for i, g := range longest[:min(len(longest), mostGaps)] {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%s after %s", manifest.Duration((g.To.Sub(g.From) - t.Step).Round(time.Second)), g.From.UTC().Format(time.RFC3339))
	}
	if len(longest) > mostGaps {
		text += " and shorter ones"
	}
	return text + "."
}

// Between returns the part from a time up to another, that one excluded; a zero time is no bound. Gaps and Step are those
// of the part; what Missing, Repeated and Unordered count is the whole file.
func (t Trace) Between(from, to time.Time) Trace {
	var points []forecast.Point
	for _, p := range t.Points {
		if (from.IsZero() || !p.At.Before(from)) && (to.IsZero() || p.At.Before(to)) {
			points = append(points, p)
		}
	}
	part := newTrace(points, t.Missing)
	part.Repeated, part.Unordered = t.Repeated, t.Unordered
	return part
}
