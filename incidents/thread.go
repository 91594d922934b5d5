package incidents

import (
	"slices"
	"strings"
	"time"
)

// KeepsThread reports whether the target's channel keeps an incident's messages together, so that news can be told there
// without calling anybody anew.
func (t Target) KeepsThread() bool {
	return (t.Slack != nil && t.Slack.Channel != "") || t.GoogleChat != nil
}

// news are the kinds of timeline entries that a thread hears of. An acknowledgement and a resolution have pages of their
// own, which go into the thread too.
var news = map[EventKind]bool{
	EventSeverity: true, EventNote: true, EventEscalated: true, EventExhausted: true, EventNobody: true,
	EventHeld: true, EventReleased: true, EventUnreachable: true, EventReached: true, EventReassigned: true,
	EventReturned: true, EventUrgency: true, EventAudited: true,
	EventRated: true, EventRole: true, EventStatus: true, EventUpdateDue: true, EventMerged: true, EventSplit: true, EventReopened: true,
}

// tellThreads adds what the change puts on the timeline to the threads of those who were paged before it. Who is paged by
// the change itself hears of it that way.
func (c *Change) tellThreads(before Incident, now time.Time) {
	told := map[string]bool{}
	for _, p := range c.Pages {
		told[p.Target.Key()] = true
	}
	var texts []string
	for _, e := range c.Events {
		if news[e.Kind] {
			texts = append(texts, e.Text)
		}
	}
	if len(texts) == 0 {
		return
	}
	for _, t := range before.pagedSoFar() {
		if key := t.Key(); t.KeepsThread() && !told[key] {
			told[key] = true
			p := c.Incident.page(ActionUpdate, t, 0, 0, now)
			p.Text = strings.Join(texts, "\n")
			c.Pages = append(c.Pages, p)
		}
	}
}

// keepThread remembers a target that is paged and keeps a thread, so that it hears of the incident whoever it is assigned to.
func (c *Change) keepThread(t Target) {
	same := func(o Target) bool { return o.Key() == t.Key() }
	if t.KeepsThread() && !slices.ContainsFunc(c.Incident.Threads, same) {
		c.Incident.Threads = append(slices.Clone(c.Incident.Threads), t)
	}
}

// pagedSoFar returns the targets of the steps that were taken, fallbacks among them, and those whose threads are kept.
func (i Incident) pagedSoFar() []Target {
	steps := i.Policy.Steps
	if i.Loop == 0 {
		steps = steps[:min(i.Step, len(steps))]
	}
	targets := slices.Clone(i.Threads)
	for _, s := range steps {
		targets = append(targets, s.Targets...)
		if s.Fallback != nil {
			targets = append(targets, s.Fallback.Targets...)
		}
	}
	return targets
}
