package incidents

import (
	"fmt"
	"time"
)

// Moment is when evidence of an incident is kept.
type Moment string

// The moments at which evidence is kept.
const (
	AtOpening    Moment = "opened"
	AtResolution Moment = "resolved"
)

// ExhibitKind is what an exhibit shows.
type ExhibitKind string

// The kinds of exhibits. Each comes from a source of its own, so that one that fails holds no other.
const (
	ExhibitSLO       ExhibitKind = "slo"       // how a promise went, and its error budget at the moment
	ExhibitLogs      ExhibitKind = "logs"      // lines of Loki
	ExhibitExemplars ExhibitKind = "exemplars" // traces that the promise's own metrics name
	ExhibitTraces    ExhibitKind = "traces"    // traces that Tempo finds
)

// ExhibitKinds are the kinds there are, in the order in which they are shown.
var ExhibitKinds = []ExhibitKind{ExhibitSLO, ExhibitLogs, ExhibitExemplars, ExhibitTraces}

// ExhibitOutcome says whether there is something to see, and why not.
type ExhibitOutcome string

// The outcomes of keeping an exhibit.
const (
	ExhibitKept         ExhibitOutcome = "kept"
	ExhibitEmpty        ExhibitOutcome = "empty"          // the source answered and had nothing
	ExhibitUnreachable  ExhibitOutcome = "unreachable"    // every try failed
	ExhibitRefused      ExhibitOutcome = "refused"        // the question cannot be asked so; trying again does not help
	ExhibitUnconfigured ExhibitOutcome = "not configured" // nobody named a source
)

// Exhibit is one piece of evidence that was kept with an incident. It is never changed.
type Exhibit struct {
	ID       int64
	Incident string // UUID
	Tenant   string
	Moment   Moment
	Kind     ExhibitKind
	Subject  string         // the SLO's ID; "" for what is about the whole incident
	From, To time.Time      // the window that was asked for
	Outcome  ExhibitOutcome //
	Missing  string         // what is missing and why, in a sentence; "" where all is there
	Asked    string         // the query, "" where none was asked
	Seen     int            // how many points, lines or traces are kept
	More     bool           // there were more than are kept
	Private  bool           // for the operator alone: it may tell of other tenants
	Content  ExhibitContent
	KeptAt   time.Time
}

// ExhibitContent is what was seen; one kind has one part of it.
type ExhibitContent struct {
	Points []SLOPoint `json:"points,omitempty"`
	// Budget is the share of the error budget that was left at the moment; negative when overspent, nil is unknown.
	Budget *float64       `json:"budget,omitempty"`
	Lines  []LogLine      `json:"lines,omitempty"` // the oldest first
	Traces []ExhibitTrace `json:"traces,omitempty"`
}

// SLOPoint is one step of a promise's history. A step without a point was not seen.
type SLOPoint struct {
	At        time.Time `json:"at"`        // end of the step
	Remaining *float64  `json:"remaining"` // share of the error budget left; nil is unknown
	Burn      *float64  `json:"burn"`      // burn rate in the step; nil is unknown
	Errors    float64   `json:"errors"`
	Total     float64   `json:"total"`
}

// LogLine is one line of a log, its secrets taken out.
type LogLine struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// ExhibitTrace is a trace that may show the trouble.
type ExhibitTrace struct {
	ID      string        `json:"id"`
	At      time.Time     `json:"at"`
	Service string        `json:"service,omitempty"` // of its root span; "" is unknown
	Name    string        `json:"name,omitempty"`    // of its root span; "" is unknown
	Took    time.Duration `json:"took,omitempty"`    // nanoseconds; 0 is unknown
	Value   *float64      `json:"value,omitempty"`   // of the exemplar; nil for none
	URL     string        `json:"url,omitempty"`     // where it is to be seen; "" for nowhere
}

// How far back evidence reaches, and how much of it is kept.
const (
	ExhibitBefore   = time.Hour        // what a promise did before the start
	ExhibitNear     = 15 * time.Minute // what logs and traces told before the start
	MaxExhibitLines = 200
	MaxExhibitBytes = 64 << 10 // of all lines together
	MaxLineBytes    = 2 << 10
	MaxTraces       = 20
	MaxExhibitSLOs  = 5
)

// ExhibitWindow returns the span that an exhibit of the incident shows: from before the start until the moment.
func (i Incident) ExhibitWindow(moment Moment, kind ExhibitKind) (from, to time.Time) {
	before := ExhibitNear
	if kind == ExhibitSLO {
		before = ExhibitBefore
	}
	from, to = i.StartedAt.Add(-before).UTC(), i.OpenedAt.UTC()
	if moment == AtResolution && i.ResolvedAt != nil {
		to = i.ResolvedAt.UTC()
	}
	if !to.After(from) {
		to = from.Add(before)
	}
	return from, to
}

// Says puts the exhibit into a sentence: what was seen over what window, and what is missing.
func (e Exhibit) Says() string {
	over := fmt.Sprintf("from %s to %s UTC", e.From.UTC().Format("2006-01-02 15:04:05"), e.To.UTC().Format("2006-01-02 15:04:05"))
	text := fmt.Sprintf("%d %s %s", e.Seen, e.noun(), over)
	switch {
	case e.Outcome == ExhibitKept && e.More:
		text += ", and more than is kept."
	case e.Outcome == ExhibitKept || e.Outcome == ExhibitEmpty:
		text += "."
	default:
		text = "Nothing was seen " + over + "."
	}
	if e.Missing != "" {
		text += " " + e.Missing
	}
	return text
}

func (e Exhibit) noun() string {
	noun := "traces"
	switch e.Kind {
	case ExhibitSLO:
		noun = "steps"
	case ExhibitLogs:
		noun = "lines"
	}
	if e.Seen == 1 {
		return noun[:len(noun)-1]
	}
	return noun
}

// KeepLines takes the secrets out of lines and keeps those that fit, the oldest first; lines come with the newest first,
// so what does not fit is what is farthest from the opening.
func (c *ExhibitContent) KeepLines(newestFirst []LogLine) (more bool) {
	size := 0
	for n, line := range newestFirst {
		text := Redact(line.Text)
		if len(text) > MaxLineBytes {
			text, more = cut(text, MaxLineBytes)+"…", true
		}
		if size += len(text); size > MaxExhibitBytes || n == MaxExhibitLines {
			more = true
			break
		}
		c.Lines = append(c.Lines, LogLine{At: line.At.UTC(), Text: text})
	}
	for a, z := 0, len(c.Lines)-1; a < z; a, z = a+1, z-1 {
		c.Lines[a], c.Lines[z] = c.Lines[z], c.Lines[a]
	}
	return more
}

// PendingExhibit is evidence that is still to be gathered.
type PendingExhibit struct {
	Moment Moment
	Kind   ExhibitKind
	Tries  int       // that failed so far, or are under way
	NextAt time.Time // of the next try
}
