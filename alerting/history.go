package alerting

import "time"

// EventKind says what happened to an alert.
type EventKind string

// The kinds of events. A telling that changes nothing but when the alert was last told is none.
const (
	EventFired      EventKind = "fired"
	EventRestarted  EventKind = "restarted"  // it is known now to have begun at another time
	EventEnded      EventKind = "ended"      // told by its source, or by its source's silence
	EventSuppressed EventKind = "suppressed" // something keeps it from paging now, or something else than before
	EventReleased   EventKind = "released"   // nothing does any more
)

// Event is one entry of an alert's history, which is only ever added to.
type Event struct {
	ID          int64             `json:"id"`
	Tenant      string            `json:"tenant"`
	Alert       int64             `json:"alert"` // the same for all events of one firing
	Fingerprint string            `json:"fingerprint"`
	Labels      map[string]string `json:"labels"`
	At          time.Time         `json:"at"`
	Kind        EventKind         `json:"kind"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"` // as it was known then; ahead of At while it fires
	Incident    string            `json:"incident,omitempty"`
	Verdict     *Verdict          `json:"verdict,omitempty"` // of suppressed
}

// HistoryFilter narrows a search in the history of alerts. The zero filter is all of it, the newest first.
type HistoryFilter struct {
	Fingerprint string      // "" means any
	Kinds       []EventKind // none means all
	Matchers    Matchers
	From, To    time.Time // of the event, From inclusive and To exclusive; zero means unbounded
	Limit       int       // 1 to 1000; 0 means 100
	Before      int64     // only ids below this one: the cursor of the next page; 0 means from the newest
}

// HistoryPage is a part of the history, the newest first.
type HistoryPage struct {
	Events []Event `json:"events"`
	Next   int64   `json:"next,omitempty"` // Before of the next page; 0 where this is the last
}

// SilenceFilter narrows a list of silences. The zero filter is all that are active or pending.
type SilenceFilter struct {
	Expired bool // also those that expired within the last SilenceKept
}

// SilenceKept is how long a silence that has expired is still listed.
const SilenceKept = 5 * 24 * time.Hour

// SilenceVersion is a silence as somebody made it at some time.
type SilenceVersion struct {
	Silence
	Version int64  `json:"version"`
	Actor   string `json:"actor"` // access.Principal.ID
	Name    string `json:"name"`  // the actor's name for people
}

// Ping is when a heartbeat was last heard.
type Ping struct {
	Tenant string    `json:"tenant,omitempty"`
	Name   string    `json:"name"`
	LastAt time.Time `json:"lastAt"`
	Actor  string    `json:"actor"` // access.Principal.ID
}

// HeartbeatState is a heartbeat with how it stands.
type HeartbeatState struct {
	Heartbeat
	LastAt  *time.Time `json:"lastAt"` // nil where it was never pinged
	DueAt   *time.Time `json:"dueAt"`  // when it is overdue unless pinged
	Overdue bool       `json:"overdue"`
}

// StateAfter returns how the heartbeat stands at the time, after its last ping; the zero Ping is none.
func (h Heartbeat) StateAfter(last Ping, now time.Time) HeartbeatState {
	s := HeartbeatState{Heartbeat: h, Overdue: h.Overdue(last.LastAt, now)}
	if !last.LastAt.IsZero() {
		due := h.Due(last.LastAt)
		s.LastAt, s.DueAt = &last.LastAt, &due
	}
	return s
}
