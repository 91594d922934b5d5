package incidents

import (
	"fmt"
	"time"
)

// The timeline's entries about changes and reviews.
const (
	EventChange     EventKind = "change_before"       // a change began shortly before the incident opened
	EventPostmortem EventKind = "postmortem_required" // the incident has spent so much that it must be reviewed
)

// Requirement says why an incident has to be reviewed. It is set once and stays.
type Requirement struct {
	Policy string    `json:"policy"` // the error-budget policy that asks for it
	Spent  float64   `json:"spent"`  // share of the budget the incident had spent by then
	Share  float64   `json:"share"`  // the policy's bound
	At     time.Time `json:"at"`
	Reason string    `json:"reason"` // for people
}

// RequirePostmortem makes the review of an incident a duty, because it has spent more than the policy's share of the
// error budget. Once required it stays as it was: ok is false then.
func (i Incident) RequirePostmortem(policy string, spent, bound float64, now time.Time) (c Change, ok bool) {
	c = Change{Incident: i}
	if i.PostmortemRequired != nil {
		return c, false
	}
	r := Requirement{Policy: policy, Spent: spent, Share: bound, At: now,
		Reason: fmt.Sprintf("it has spent %s of the error budget, and the policy %s asks for a postmortem above %s", share(spent), policy, share(bound))}
	c.Incident.PostmortemRequired, c.Incident.UpdatedAt = &r, now
	c.sayAs(automatic, now, EventPostmortem, "A postmortem is required: "+r.Reason+".")
	c.Events[0].Detail = map[string]any{"policy": policy, "spent": spent, "share": bound}
	return c, true
}

// Preceding is a change that came shortly before an incident, in the words of its timeline.
type Preceding struct {
	Number  int64
	Service string // of the change, where it is not the incident's
	Ref     string
	Kind    string
	Author  string
	Before  time.Duration // from the change's beginning to the incident's opening
}

// maxRefShown keeps an entry one line where a change is named by a long URL.
const maxRefShown = 80

// ChangeBefore returns the timeline's entry about a change that came shortly before the incident.
func (i Incident) ChangeBefore(p Preceding, now time.Time) Event {
	ref := []rune(p.Ref)
	if len(ref) > maxRefShown {
		ref = append(ref[:maxRefShown], '…')
	}
	of := p.Kind
	if p.Service != i.Service {
		of += " of " + p.Service
	}
	return Event{
		Incident: i.ID, Tenant: i.Tenant, At: now, Kind: EventChange, Actor: "system:gate", Name: "Nines",
		Text:   fmt.Sprintf("Change %s (%s by %s) began %s before.", string(ref), of, p.Author, span(p.Before)),
		Detail: map[string]any{"change": p.Number, "ref": p.Ref, "kind": p.Kind, "author": p.Author, "beforeSeconds": p.Before.Seconds()},
	}
}
