package incidents

import (
	"fmt"
	"time"
)

// Entry returns the timeline entry for how an attempt at the claimed page ended; storage appends it in Finish.
func (c Claim) Entry(a Attempt, retryIn time.Duration, now time.Time) Event {
	e := Event{
		Incident: c.Page.Incident, Tenant: c.Page.Tenant, At: now, Actor: "system:pager", Name: "Nines",
		Detail: map[string]any{
			"page": c.Page.ID, "action": string(c.Page.Action), "attempt": a.Number, "provider": a.Provider, "target": c.Page.Target.Key(),
		},
	}
	target := c.Page.Target.String()
	switch a.Outcome {
	case OutcomeSent:
		e.Kind, e.Text = EventPageSent, fmt.Sprintf("%s: %s.", c.Page.sentWords(), target)
		if a.Number > 1 {
			e.Text = fmt.Sprintf("%s: %s, at attempt %d.", c.Page.sentWords(), target, a.Number)
		}
	case OutcomeCanceled:
		e.Kind, e.Text = EventPageCanceled, fmt.Sprintf("Not sent to %s: %s.", target, a.Error)
	case OutcomeFailed:
		e.Kind, e.Text = EventPageFailed, fmt.Sprintf("Could not reach %s, and it is not tried again: %s.", target, a.Error)
	default:
		e.Kind, e.Text = EventPageFailed, fmt.Sprintf("Could not reach %s (attempt %d): %s. Tried again in %s.", target, a.Number, a.Error, span(retryIn))
	}
	if a.StatusCode != 0 {
		e.Detail["status"] = a.StatusCode
	}
	return e
}

// sentWords say what became of a page that was sent. Nobody is called to be told of an end: a call is taken back.
func (p Page) sentWords() string {
	switch {
	case p.Action == ActionTrigger:
		return "Paged"
	case p.Target.Voice != nil:
		return "Nobody is called any more"
	case p.Action == ActionAcknowledge:
		return "Told of the acknowledgement"
	case p.Action == ActionResolve:
		return "Told of the resolution"
	case p.Action == ActionStatus:
		return "Told of the status"
	}
	return "Told of the news"
}
