package simulate

import (
	"fmt"
	"math"
	"time"

	"github.com/nines-sre/nines/capacity/trace"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// Between says what the load is between two recorded points.
type Between string

// Between two points the load is that of the earlier one, or on a straight line from one to the other.
const (
	Hold Between = "hold"
	Line Between = "line"
)

// heldSteps is how far a gap is bridged in the same way, in steps of the trace. Beyond it nothing is known: no policy sees
// a load and nothing is scored.
const heldSteps = 3

// maxTicks keeps one replay in memory and within seconds: at 15 s it is more than nine years.
const maxTicks = 20_000_000

// Load is the load at every tick of a replay.
type Load struct {
	Begin   time.Time
	Tick    time.Duration
	Step    time.Duration // of the trace it was made from
	Bridged time.Duration // in short gaps, where the load is an assumption
	Unseen  time.Duration // in longer gaps
	at      []float64     // NaN where it is not known
}

// NewLoad makes the load of a replay from a trace. Trouble is a fault.Invalid: fewer than two points, a negative one, or a
// trace too long for its tick.
func NewLoad(t trace.Trace, tick time.Duration, between Between) (Load, error) {
	if tick <= 0 {
		return Load{}, fault.New(fault.Invalid, "the tick of a replay must be positive, such as 15s")
	}
	if len(t.Points) < 2 {
		return Load{}, fault.New(fault.Invalid, "a trace of %d points cannot be replayed; it needs two or more", len(t.Points))
	}
	for _, p := range t.Points {
		if p.Value < 0 {
			return Load{}, fault.New(fault.Invalid, "the load at %s is %g; a load is never negative", p.At.UTC().Format(time.RFC3339), p.Value)
		}
	}
	ticks := int64(t.Length() / tick)
	if ticks > maxTicks {
		return Load{}, fault.New(fault.Invalid, "%s at ticks of %s are too many; replay a part, or write a longer tick", manifest.Duration(t.Length().Round(time.Second)), manifest.Duration(tick))
	}
	l := Load{Begin: t.Points[0].At, Tick: tick, Step: t.Step, at: make([]float64, ticks)}
	l.fill(t, between)
	return l, nil
}

func (l *Load) fill(t trace.Trace, between Between) {
	i := 0
	for n := range l.at {
		now := l.Time(n)
		for i+1 < len(t.Points) && !t.Points[i+1].At.After(now) {
			i++
		}
		l.at[n] = l.value(t, i, now, between)
	}
}

// value is the load at a time at or after point i and before the next.
func (l *Load) value(t trace.Trace, i int, now time.Time, between Between) float64 {
	p, since := t.Points[i], now.Sub(t.Points[i].At)
	if since >= t.Step+t.Step/2 {
		if i+1 == len(t.Points) || t.Points[i+1].At.Sub(p.At) > heldSteps*t.Step+t.Step/2 {
			l.Unseen += l.Tick
			return math.NaN()
		}
		l.Bridged += l.Tick
	}
	if between != Line || i+1 == len(t.Points) {
		return p.Value
	}
	next := t.Points[i+1]
	whole := next.At.Sub(p.At)
	if whole > heldSteps*t.Step+t.Step/2 {
		return p.Value
	}
	return p.Value + (next.Value-p.Value)*float64(since)/float64(whole)
}

// Ticks is how many there are.
func (l Load) Ticks() int { return len(l.at) }

// Time is when a tick is.
func (l Load) Time(tick int) time.Time { return l.Begin.Add(time.Duration(tick) * l.Tick) }

// Length is how long the load is.
func (l Load) Length() time.Duration { return time.Duration(len(l.at)) * l.Tick }

// Until returns the load up to a time.
func (l Load) Until(end time.Time) Load {
	n := int(end.Sub(l.Begin) / l.Tick)
	l.at = l.at[:max(0, min(n, len(l.at)))]
	return l
}

// Quantile is the smallest load that a share of the ticks does not exceed; 0 where nothing was seen.
func (l Load) Quantile(share float64) float64 {
	var seen []float64
	for _, v := range l.at {
		if !math.IsNaN(v) {
			seen = append(seen, v)
		}
	}
	return quantile(seen, share)
}

// Notes says in sentences what of the load is an assumption or unknown.
func (l Load) Notes() []string {
	var out []string
	if l.Bridged > 0 {
		out = append(out, fmt.Sprintf("In short gaps, %s in all, the load is taken from the points beside them.", manifest.Duration(l.Bridged)))
	}
	if l.Unseen > 0 {
		out = append(out, fmt.Sprintf("For %s the load is unknown: no policy sees one, and nothing is scored.", manifest.Duration(l.Unseen)))
	}
	return out
}
