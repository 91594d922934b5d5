package incidents

import (
	"fmt"
	"math/bits"
	"strings"
	"time"
)

// A storm is when one service has so many troubles at once that they are one: a service opens at most MaxOpened
// incidents within StormWindow, and what comes beyond that joins a single incident.
const (
	MaxOpened   = 50
	StormWindow = 10 * time.Minute
)

// FlapWindow is how long ago an incident that its alerts resolved still counts as the same trouble coming and going.
const FlapWindow = 30 * time.Minute

// AutoResolved is ResolvedBy of incidents whose alerts have all ended.
func AutoResolved() string { return automatic.Name }

const stormPrefix = "storm/"

// StormKey is the group key of a service's storm.
func StormKey(service string) string { return fit(stormPrefix + service) }

// Storm reports whether the incident stands for a service's storm.
func (i Incident) Storm() bool { return strings.HasPrefix(i.GroupKey, stormPrefix) }

// InStorm is the signal as part of its service's storm.
func (s Signal) InStorm() Signal {
	s.Title = clip(fmt.Sprintf("Alert storm: %s", oneLine(s.Title)), maxTitle)
	s.GroupKey, s.SLO, s.BudgetSpent = StormKey(s.Service), "", nil
	s.Summary = fmt.Sprintf("Alerts of %s have opened %d incidents within %s. Further troubles of it are gathered here, so that nobody is paged for each.",
		stormOf(s.Service), MaxOpened, span(StormWindow))
	return s
}

func stormOf(service string) string {
	if service == "" {
		return "no service"
	}
	return service
}

// Gather tells an incident that stands for a storm that so many alerts joined it just now. Its timeline hears of that
// each time their number has doubled, so that a hundred thousand are a few entries. What is no storm, or has nothing new,
// is unchanged.
func (i Incident) Gather(came int, now time.Time) Change {
	c := Change{Incident: i}
	if !i.Storm() || i.State == Resolved || came <= 0 {
		return c
	}
	all := i.Gathered + came
	c.Incident.Gathered, c.Incident.UpdatedAt = all, now
	c.Incident.Title = clip(fmt.Sprintf("Alert storm of %s: %s", stormOf(i.Service), count(all, "further alert")), maxTitle)
	if bits.Len(uint(all)) > bits.Len(uint(i.Gathered)) {
		c.say(now, EventAlertJoined, "%s joined the storm so far.", count(all, "alert"))
	}
	return c
}
