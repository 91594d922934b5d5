package backtest

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/slo"
)

// History is what was counted, interval by interval: slot i ends at Begin + (i+1) x Interval.
type History struct {
	Begin    time.Time
	Interval time.Duration
	Slots    int
	First    int // the first slot that is evaluated; those before it only fill the windows
	Groups   []Group
}

// Group is the counts of one value of the SLO's BudgetBy labels, as running sums: at index i is the sum of slots < i.
type Group struct {
	Labels map[string]string
	errors []float64
	total  []float64
	seen   []float64 // slots that were seen
}

// slotTime returns the end of a slot, which is when it is evaluated.
func (h History) slotTime(i int) time.Time {
	return h.Begin.Add(time.Duration(i+1) * h.Interval)
}

// slotOf returns the slot in which a time lies: the first that does not end before it.
func (h History) slotOf(at time.Time) int {
	d := at.Sub(h.Begin)
	return int((d+h.Interval-1)/h.Interval) - 1
}

// between returns what was counted in slots [from, to) and how many of them were seen.
func (g *Group) between(from, to int) (errors, total, seen float64) {
	last := len(g.total) - 1
	to = min(max(to, 0), last)
	from = min(max(from, 0), to)
	return g.errors[to] - g.errors[from], g.total[to] - g.total[from], g.seen[to] - g.seen[from]
}

// errorsUntil returns the errors from the history's begin up to a time, evenly spread inside a slot.
func (h History) errorsUntil(g *Group, at time.Time) float64 {
	slots := math.Max(0, math.Min(float64(at.Sub(h.Begin))/float64(h.Interval), float64(h.Slots)))
	whole := int(slots)
	if whole == h.Slots {
		return g.errors[whole]
	}
	return g.errors[whole] + (slots-float64(whole))*(g.errors[whole+1]-g.errors[whole])
}

// coverage returns the share of evaluated slots in which the group, once it had been seen, was seen.
func (h History) coverage(g *Group) float64 {
	from := h.First
	for from < h.Slots && g.seen[from+1] == 0 {
		from++
	}
	if from >= h.Slots {
		return 0
	}
	return (g.seen[h.Slots] - g.seen[from]) / float64(h.Slots-from)
}

// builder collects counts that come in any order.
type builder struct {
	history History
	groups  map[string]*cells
}

type cells struct {
	labels        map[string]string
	errors, total []float64 // NaN where nothing was seen
}

func newBuilder(s slo.SLO, from, to time.Time, lead time.Duration) *builder {
	begin := from.Add(-lead).Truncate(s.Interval)
	h := History{Begin: begin, Interval: s.Interval, Slots: int(to.Sub(begin) / s.Interval), First: int(from.Sub(begin) / s.Interval)}
	return &builder{history: h, groups: map[string]*cells{}}
}

func (b *builder) cells(labels map[string]string) *cells {
	key := keyOf(labels)
	if c, ok := b.groups[key]; ok {
		return c
	}
	c := &cells{labels: labels, errors: make([]float64, b.history.Slots), total: make([]float64, b.history.Slots)}
	for i := range c.total {
		c.total[i] = math.NaN()
	}
	b.groups[key] = c
	return c
}

// addTotal and addErrors count events at the time of an evaluation. What lies outside the history, or is no number, is
// left out.
func (b *builder) addTotal(labels map[string]string, at time.Time, n float64) {
	i := b.history.slotOf(at)
	if i < 0 || i >= b.history.Slots || math.IsNaN(n) {
		return
	}
	c := b.cells(labels)
	if math.IsNaN(c.total[i]) {
		c.total[i] = 0
	}
	c.total[i] += n
}

func (b *builder) addErrors(labels map[string]string, at time.Time, n float64) {
	i := b.history.slotOf(at)
	if i < 0 || i >= b.history.Slots || math.IsNaN(n) {
		return
	}
	b.cells(labels).errors[i] += n
}

// finish sums up. Errors in a slot without a total were recorded nowhere, so they are left out, as the rules do.
func (b *builder) finish() History {
	h := b.history
	for _, c := range b.groups {
		g := Group{Labels: c.labels, errors: make([]float64, h.Slots+1), total: make([]float64, h.Slots+1), seen: make([]float64, h.Slots+1)}
		for i, n := range c.total {
			e, s := c.errors[i], 1.0
			if math.IsNaN(n) {
				n, e, s = 0, 0, 0
			}
			g.errors[i+1], g.total[i+1], g.seen[i+1] = g.errors[i]+e, g.total[i]+n, g.seen[i]+s
		}
		h.Groups = append(h.Groups, g)
	}
	slices.SortFunc(h.Groups, func(a, b Group) int { return strings.Compare(keyOf(a.Labels), keyOf(b.Labels)) })
	return h
}

// missing returns the share of slots in which no group was seen.
func (b *builder) missing() float64 {
	seen := make([]bool, b.history.Slots)
	for _, c := range b.groups {
		for i, n := range c.total {
			seen[i] = seen[i] || !math.IsNaN(n)
		}
	}
	n := 0
	for _, s := range seen[b.history.First:] {
		if !s {
			n++
		}
	}
	return float64(n) / float64(len(seen)-b.history.First)
}

// fillFrom takes over the slots that only the other has seen.
func (b *builder) fillFrom(other *builder) (filled int) {
	for _, theirs := range other.groups {
		mine := b.cells(theirs.labels)
		for i, n := range theirs.total {
			if math.IsNaN(mine.total[i]) && !math.IsNaN(n) {
				mine.total[i], mine.errors[i] = n, theirs.errors[i]
				filled++
			}
		}
	}
	return filled
}

// keyOf returns the labels as text that is the same for the same labels.
func keyOf(labels map[string]string) string {
	text, _ := json.Marshal(labels) // a map of strings; its keys come out sorted
	return string(text)
}

// pick returns the values of some labels; a missing one is "".
func pick(labels map[string]string, names []string) map[string]string {
	out := make(map[string]string, len(names))
	for _, n := range names {
		out[n] = labels[n]
	}
	return out
}
