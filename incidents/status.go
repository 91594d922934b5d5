package incidents

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// Phase is how far people are with an incident, as a status page says it.
type Phase string

// The phases.
const (
	Investigating Phase = "investigating"
	Identified    Phase = "identified"
	Monitoring    Phase = "monitoring" // mended, as it seems
	Over          Phase = "resolved"
)

// Phases lists the phases in the order in which they come.
func Phases() []Phase { return []Phase{Investigating, Identified, Monitoring, Over} }

// Valid reports whether it is one of the phases.
func (p Phase) Valid() bool { return slices.Contains(Phases(), p) }

// StatusUpdate is what those who are not in the room are told.
type StatusUpdate struct {
	Tenant   string     `json:"tenant"`
	Incident string     `json:"incident"`
	Number   int        `json:"number"` // counts up from 1 within the incident
	At       time.Time  `json:"at"`
	Phase    Phase      `json:"phase"`
	Text     string     `json:"text"`
	Public   bool       `json:"public"` // customers may read it
	NextAt   *time.Time `json:"nextAt"` // when the next one is promised for; nil promises none
	Actor    string     `json:"actor"`
	Name     string     `json:"name"` // the actor's, for people
}

// Bounds of a promise of the next update.
const (
	MinNextUpdate = time.Minute
	MaxNextUpdate = 7 * 24 * time.Hour
	maxUpdate     = 4000
)

// Statement is what somebody wants to tell.
type Statement struct {
	Phase  Phase
	Text   string
	Public bool
	NextIn time.Duration // until the next update; 0 promises none
}

// Check returns the statement without superfluous space. A phase that is none, an empty text or one over 4,000 characters,
// and a promise out of bounds are a fault.Invalid that names the field.
func (s Statement) Check() (Statement, error) {
	var err error
	if s.Text, err = checkText("text", s.Text); err != nil {
		return s, err
	}
	switch n := len([]rune(s.Text)); {
	case !s.Phase.Valid():
		return s, fault.New(fault.Invalid, "phase: %q is none of investigating, identified, monitoring, resolved", clip(string(s.Phase), 40))
	case n == 0:
		return s, fault.New(fault.Invalid, "text: is empty; write what people outside should know")
	case n > maxUpdate:
		return s, fault.New(fault.Invalid, "text: has %d characters; the most is %d", n, maxUpdate)
	case s.NextIn != 0 && (s.NextIn < MinNextUpdate || s.NextIn > MaxNextUpdate):
		return s, fault.New(fault.Invalid, "next: is in %s; promise the next update for %s to %s from now, or none", span(s.NextIn), span(MinNextUpdate), span(MaxNextUpdate))
	}
	return s, nil
}

// Tell publishes a status update: on the timeline, in the threads of those who were paged and, by storage, to subscribers.
// number is the update's within the incident. A promise made before is kept by it. An incident that is resolved takes
// updates of the phase resolved only, and one that is open none of these: first resolve it. Both are a fault.Conflict.
func (i Incident) Tell(by Actor, s Statement, number int, now time.Time) (Change, StatusUpdate, error) {
	c := Change{Incident: i}
	s, err := s.Check()
	switch {
	case err != nil:
		return c, StatusUpdate{}, err
	case i.State == Resolved && s.Phase != Over:
		return c, StatusUpdate{}, fault.New(fault.Conflict, "incident %d is resolved; tell of it in the phase resolved, or reopen it", i.Number)
	case i.State != Resolved && s.Phase == Over:
		return c, StatusUpdate{}, fault.New(fault.Conflict, "incident %d is still open; resolve it first, then tell that it is over", i.Number)
	case s.Phase == Over:
		s.NextIn = 0
	}
	u := StatusUpdate{Tenant: i.Tenant, Incident: i.ID, Number: number, At: now, Phase: s.Phase, Text: s.Text, Public: s.Public, Actor: by.ID, Name: by.name()}
	if s.NextIn > 0 {
		next := now.Add(s.NextIn)
		u.NextAt = &next
	}
	c.Incident.Phase, c.Incident.UpdateDue, c.Incident.UpdatedAt = s.Phase, u.NextAt, now
	text := fmt.Sprintf("Status update, %s: %s", s.Phase, s.Text)
	if u.NextAt != nil {
		text += fmt.Sprintf("\nThe next one is due by %s.", clock(*u.NextAt))
	}
	c.sayAs(by, now, EventStatus, text)
	c.Events[0].Detail = map[string]any{"number": number, "phase": string(s.Phase), "public": s.Public}
	c.tellThreads(i, now)
	return c, u, nil
}

// UpdateOverdue says that a status update was promised and has not come; the promise is dropped with it, so that this is
// said once. Before its time, and for what is resolved, the Change is empty.
func (i Incident) UpdateOverdue(now time.Time) Change {
	c := Change{Incident: i}
	if i.State == Resolved || i.UpdateDue == nil || i.UpdateDue.After(now) {
		return c
	}
	whose := "nobody is commander or has the role communications"
	if who := i.Speaker(); who != "" {
		whose = who + " sees to it"
	}
	c.say(now, EventUpdateDue, "A status update was promised for %s and is overdue; %s.", clock(*i.UpdateDue), whose)
	c.Incident.UpdateDue, c.Incident.UpdatedAt = nil, now
	c.tellThreads(i, now)
	return c
}

// Silent reports whether the people who follow the incident have not been told that it is over: some update came before, and
// none since it was resolved.
func (i Incident) Silent() bool {
	return i.State == Resolved && i.MergedInto == "" && i.Phase != "" && i.Phase != Over
}

// TellEnd publishes the update that an incident is over where nobody has; public as the one before. Otherwise ok is false.
func (i Incident) TellEnd(public bool, number int, now time.Time) (c Change, u StatusUpdate, ok bool) {
	if !i.Silent() || i.ResolvedAt == nil {
		return Change{Incident: i}, u, false
	}
	s := Statement{Phase: Over, Public: public, Text: fmt.Sprintf("This is over since %s UTC, %s after it began.",
		i.ResolvedAt.UTC().Format("2006-01-02 15:04"), span(i.ResolvedAt.Sub(i.StartedAt)))}
	c, u, err := i.Tell(automatic, s, number, now)
	return c, u, err == nil
}

// Subscriber is somebody who is told of status updates by e-mail.
type Subscriber struct {
	ID         string    `json:"id"`     // UUID
	Tenant     string    `json:"tenant"` // whose people it belongs to; "" is the operator's
	Address    string    `json:"address"`
	Incident   string    `json:"incident"`   // UUID of the only incident it is about, or ""
	Service    string    `json:"service"`    // the only service that it is about, or ""
	Level      Level     `json:"level"`      // the mildest level that it is about; 0 is all
	PublicOnly bool      `json:"publicOnly"` // hears only what customers may read
	CreatedBy  string    `json:"createdBy"`
	CreatedAt  time.Time `json:"createdAt"`
}

// Check returns the subscriber with its address in lower case. A field out of bounds is a fault.Invalid that names it.
func (s Subscriber) Check() (Subscriber, error) {
	s.Address, s.Service = strings.ToLower(strings.TrimSpace(s.Address)), strings.TrimSpace(s.Service)
	switch {
	case !mailAddress(s.Address):
		return s, fault.New(fault.Invalid, "address: %q is not an e-mail address such as ana@example.com", clip(s.Address, 80))
	case len(s.Service) > 200:
		return s, fault.New(fault.Invalid, "service: is longer than 200 bytes")
	case s.Level != 0 && !s.Level.Valid():
		return s, fault.New(fault.Invalid, "level: %d is none; write 1 to 5 for SEV1 to SEV5, or 0 for all", s.Level)
	case s.Incident != "" && (s.Service != "" || s.Level != 0):
		return s, fault.New(fault.Invalid, "incident: is about one incident; leave out service and level")
	}
	return s, nil
}

// Hears reports whether the subscriber is told of an update.
func (s Subscriber) Hears(i Incident, u StatusUpdate) bool {
	switch {
	case (s.PublicOnly || s.Tenant != "") && !u.Public:
		return false
	case s.Tenant != "" && s.Tenant != i.Tenant:
		return false
	case s.Incident != "":
		return s.Incident == i.ID
	case s.Service != "" && s.Service != i.Service:
		return false
	}
	return s.Level == 0 || i.Level.Valid() && i.Level <= s.Level
}

// Letter words a status update as an e-mail: one line and a text. base is where the UI is, "" leaves links out; leave is the
// path at which the reader ends the subscription.
func (u StatusUpdate) Letter(i Incident, base, leave string) (subject, text string) {
	level := ""
	if i.Level.Valid() {
		level = i.Level.String() + " "
	}
	subject = clip(fmt.Sprintf("[%s] %s#%d %s", u.Phase, level, i.Number, line(i.Title)), 200)
	text = fmt.Sprintf("%s\n\nIncident: %s\nPhase: %s\nSince: %s UTC\nUpdate %d of %s UTC", u.Text, line(i.Title), u.Phase,
		i.StartedAt.UTC().Format("2006-01-02 15:04"), u.Number, u.At.UTC().Format("2006-01-02 15:04"))
	if i.Service != "" {
		text += "\nService: " + line(i.Service)
	}
	if u.NextAt != nil {
		text += "\nNext update by: " + u.NextAt.UTC().Format("2006-01-02 15:04") + " UTC"
	}
	if base != "" {
		text += fmt.Sprintf("\n\n%s/incidents/%d\n\nNo more of these: %s%s", base, i.Number, base, leave)
	}
	return subject, text
}
