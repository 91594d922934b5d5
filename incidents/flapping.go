package incidents

import (
	"fmt"
	"math/bits"
	"time"
)

// How long an incident is kept open after its last alert has ended, so that an alert that comes and goes is one incident
// and wakes people once.
const (
	calmFirst    = 10 * time.Second // an alert that ended for the first time
	calmFlapping = 2 * time.Minute  // the same trouble was resolved by itself lately
	calmMost     = 10 * time.Minute
	calmDoubles  = 6 // times that the wait doubles; from then on the timeline hears of every doubling of the count alone
)

// calm returns how long to wait: twice as long each time an alert fired again meanwhile.
func (i Incident) calm(flaps int) time.Duration {
	first := calmFirst
	if flaps > 0 {
		first = calmFlapping
	}
	return min(first<<min(i.Refires, calmDoubles), calmMost)
}

// awaitCalm keeps the incident open for a while after its last alert has ended.
func (c *Change) awaitCalm(sig Signal, now time.Time) {
	i := &c.Incident
	wait := i.calm(sig.Flaps)
	at := now.Add(wait)
	i.ResolveAt = &at
	if !i.worthTelling() {
		c.Events = nil
		return
	}
	why := ""
	switch {
	case i.Refires > 0:
		why = fmt.Sprintf(" It has fired again %s, so that takes longer.", count(i.Refires, "time"))
	case sig.Flaps > 0:
		why = " The same trouble has come and gone lately, so that takes longer."
	}
	c.Events[len(c.Events)-1].Text += fmt.Sprintf(" None is firing now: it is resolved in %s unless one fires again, and until then nobody is paged anew.%s",
		span(wait), why)
}

// refire takes back that the incident is about to be resolved, and reports whether it was.
func (c *Change) refire(sig Signal, now time.Time) bool {
	i := &c.Incident
	if i.ResolveAt == nil {
		return false
	}
	i.ResolveAt, i.UpdatedAt = nil, now
	i.Refires++
	if i.Held == "" {
		c.unpause(now)
	}
	if i.worthTelling() {
		c.sayAs(automatic, now, EventFlapping, fmt.Sprintf("Firing again, for the %s: %s (%s). It stays the same incident.", ordinal(i.Refires), sig.Title, sig.Severity))
		c.Events[len(c.Events)-1].Detail = alertDetail(sig)
	}
	return true
}

// worthTelling keeps an alert that flaps for hours from filling the timeline.
func (i Incident) worthTelling() bool {
	return i.Refires <= calmDoubles || bits.OnesCount(uint(i.Refires)) == 1
}

// Calm resolves the incident when ResolveAt has come without an alert firing again; before that the Change is empty.
// paged are the targets that were triggered.
func (i Incident) Calm(paged []Target, now time.Time) Change {
	c := Change{Incident: i}
	if i.State == Resolved || i.ResolveAt == nil || i.ResolveAt.After(now) {
		return c
	}
	c.resolve(automatic, "Resolved: all of its alerts have ended.", paged, now)
	return c
}

func ordinal(n int) string {
	switch {
	case n%100 >= 11 && n%100 <= 13:
	case n%10 == 1:
		return fmt.Sprintf("%dst time", n)
	case n%10 == 2:
		return fmt.Sprintf("%dnd time", n)
	case n%10 == 3:
		return fmt.Sprintf("%drd time", n)
	}
	return fmt.Sprintf("%dth time", n)
}
