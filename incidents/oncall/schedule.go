// Package oncall is who is on call when: rotations, layers, restrictions, overrides, swaps and temporary schedules, and
// the calendars, gaps and fairness that follow from them. It knows no storage and no clock; people are e-mail addresses.
package oncall

import "time"

// Unit is what a rotation's turns are counted in.
type Unit string

// The units.
const (
	Hourly  Unit = "hourly"
	Daily   Unit = "daily"
	Weekly  Unit = "weekly"
	Monthly Unit = "monthly"
)

// Rotation hands over from one party to the next every Length units, beginning at Start by the clock on the wall in Zone.
type Rotation struct {
	Unit    Unit
	Length  int            // units in a turn, at least 1
	Start   time.Time      // the first handoff; an instant, whose clock in Zone each handoff repeats
	Zone    *time.Location // of the handoffs
	Parties [][]string     // who take turns; a party of several is on call together; an empty party is a turn without anybody
}

// Restriction is a part of the week in which a layer is in force: on the days it begins at From and ends at To by the
// clock on the wall in the layer's zone; a To at or before From is on the next day.
type Restriction struct {
	Days []time.Weekday // empty is every day
	From time.Duration  // since midnight, below 24 h
	To   time.Duration  // since midnight, above 0, at most 24 h
}

// Layer is one rotation of a schedule, in force within its restrictions (always, where it has none).
type Layer struct {
	Name         string
	Priority     int // the highest one that has somebody at a moment counts; layers of equal priority are on call together
	Rotation     Rotation
	Restrictions []Restriction
	From, Until  *time.Time // in force from (inclusive) until (exclusive); nil is unbounded

	// Worked counts a turn's units only where a restriction lasts at some time in them, so that a daily rotation in force
	// from Monday to Friday gives nobody the turns of a weekend, which nobody would have to do. Months always count.
	Worked bool
}

// Schedule is who is on call by plan.
type Schedule struct {
	Name        string // unique
	Description string
	Zone        *time.Location // in which people read it
	Layers      []Layer
}

// Overlay is what differs from the plan for a while. It is state, made by people through the API, UI and CLI.
type Overlay struct {
	Overrides   []Override  // the later made wins where two of them contradict
	Temporaries []Temporary // within their spans the layers do not count; overrides still do
}

// Override puts somebody on call, takes somebody off, or both, from From (inclusive) until To (exclusive).
type Override struct {
	ID       string // UUID
	Schedule string
	From, To time.Time
	Add      string // who is on call; "" for nobody
	// Remove is who is not, as far as they would be: Add then stands in for them, and only then. "" replaces everybody;
	// the same as Add replaces nobody, so that Add is on call beside the others.
	Remove string
	Reason string
	By     string // who made it, for people
	MadeAt time.Time
	Swap   string // id of the swap it comes from, or ""
}

// Temporary replaces the whole plan within a span.
type Temporary struct {
	ID       string
	Schedule string
	From, To time.Time
	Shifts   []Shift // within the span; where there is none, nobody is on call
	By       string
	MadeAt   time.Time
}

// Shift is somebody on call without interruption, from From (inclusive) until To (exclusive).
type Shift struct {
	Person   string    `json:"person"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Layer    string    `json:"layer,omitempty"`    // that it comes from
	Override string    `json:"override,omitempty"` // or the override, by its ID

	Temporary string `json:"temporary,omitempty"` // or the temporary schedule, by its ID
}

// Span is a stretch of time, from From (inclusive) until To (exclusive).
type Span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}
