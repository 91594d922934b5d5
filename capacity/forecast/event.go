package forecast

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// Event is a time known to be special, such as a holiday or a campaign. Past ones teach nothing about ordinary days; what
// they did to the load is what a future one of the same name is taken to do.
type Event struct {
	Name   string    `json:"name"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`     // not included
	Factor float64   `json:"factor"` // what the load is multiplied by, at least 0; where 0, learned from earlier ones of the name
}

// ParseEvent reads NAME=FROM/TO or NAME=FROM/TO/FACTOR, the times in RFC 3339 or as days such as 2026-11-27, which begin at
// midnight UTC. Trouble is a fault.Invalid that says what to write.
func ParseEvent(text string) (Event, error) {
	refuse := func(why string) (Event, error) {
		return Event{}, fault.New(fault.Invalid, "%q %s; write NAME=FROM/TO or NAME=FROM/TO/FACTOR, such as sale=2026-11-27/2026-11-28/1.5", clip(text), why)
	}
	name, span, ok := strings.Cut(text, "=")
	parts := strings.Split(span, "/")
	if !ok || len(parts) < 2 || len(parts) > 3 {
		return refuse("is no event")
	}
	e := Event{Name: strings.TrimSpace(name)}
	var err error
	if e.From, err = parseTime(parts[0]); err != nil {
		return refuse("begins at no time")
	}
	if e.To, err = parseTime(parts[1]); err != nil {
		return refuse("ends at no time")
	}
	if len(parts) == 3 {
		if e.Factor, err = strconv.ParseFloat(parts[2], 64); err != nil || !(e.Factor > 0) {
			return refuse("has no factor above 0")
		}
	}
	if why := e.trouble(); why != "" {
		return refuse("cannot be: " + why)
	}
	return e, nil
}

func parseTime(text string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339, text)
}

func clip(s string) string {
	if len(s) <= 80 {
		return s
	}
	return strings.ToValidUTF8(s[:80], "") + "..."
}

func (e Event) covers(t time.Time) bool { return !t.Before(e.From) && t.Before(e.To) }

func (e Event) trouble() string {
	switch {
	case strings.TrimSpace(e.Name) == "":
		return "one has no name; the name is how earlier ones are found"
	case !e.From.Before(e.To):
		return fmt.Sprintf("%s ends at or before its begin", e.Name)
	case e.Factor < 0 || math.IsNaN(e.Factor) || math.IsInf(e.Factor, 0):
		return fmt.Sprintf("%s has the factor %v; write what the load is multiplied by, such as 1.5", e.Name, e.Factor)
	}
	return ""
}

// maskEvents masks what lies in events.
func (c *cleaned) maskEvents(events []Event) {
	left := 0
	for i := range c.series.Values {
		if at := c.at(i); !c.series.Masked[i] && slices.ContainsFunc(events, func(e Event) bool { return e.covers(at) }) {
			c.series.Masked[i] = true
			left++
		}
	}
	if left > 0 {
		c.note("%s in known events left out", count(left, "value"))
	}
}

// effects are what future events do to a forecast.
type effects struct {
	future []effect
	notes  []string
}

// effect multiplies the load, by lowest to highest in earlier events of the name.
type effect struct {
	Event
	usual, lowest, highest float64
}

func newEffects(c cleaned, o Options) effects {
	var all effects
	end := c.last.Add(time.Duration(c.trailing+o.steps()) * o.Step)
	for _, e := range o.Events {
		if !e.To.After(c.last) || e.From.After(end) {
			continue
		}
		if e.Factor > 0 {
			all.future = append(all.future, effect{e, e.Factor, e.Factor, e.Factor})
			continue
		}
		var earlier []float64
		for _, past := range o.Events {
			if past.Name == e.Name && past.From.Before(c.last) {
				if share, ok := c.did(past); ok {
					earlier = append(earlier, share)
				}
			}
		}
		if len(earlier) == 0 {
			all.notes = append(all.notes, fmt.Sprintf("no earlier %s lies in the history; it is forecast as an ordinary time", e.Name))
			continue
		}
		slices.Sort(earlier)
		lowest, highest := earlier[0], earlier[len(earlier)-1]
		usual := median(earlier)
		all.future = append(all.future, effect{e, usual, lowest, highest})
		all.notes = append(all.notes, fmt.Sprintf("%s multiplies the load by %s, as it did %s before", e.Name, amount(usual), count(len(earlier), "time")))
	}
	return all
}

// did returns what an event of the past multiplied the load by: what was seen in it, over what was filled in as usual.
func (c cleaned) did(e Event) (float64, bool) {
	seen, usual := 0.0, 0.0
	for i, y := range c.values {
		if !math.IsNaN(y) && e.covers(c.at(i)) {
			seen, usual = seen+y, usual+c.series.Values[i]
		}
	}
	return seen / usual, usual > 0 && seen >= 0
}

func (e effects) at(t time.Time) (effect, bool) {
	i := slices.IndexFunc(e.future, func(f effect) bool { return f.covers(t) })
	if i < 0 {
		return effect{}, false
	}
	return e.future[i], true
}

// share is what the load at a time is multiplied by.
func (e effects) share(t time.Time) float64 {
	if f, special := e.at(t); special {
		return f.usual
	}
	return 1
}

func (e effects) on(p Predicted) Predicted {
	f, special := e.at(p.At)
	if !special {
		return p
	}
	return Predicted{p.At, p.Mean * f.usual, min(p.Lower*f.lowest, p.Lower*f.highest), max(p.Upper*f.highest, p.Upper*f.lowest)}
}
