// Package incidents is what people do about trouble: incidents and their timeline, escalation policies, the paging
// engine and postmortems. Transitions are pure: they take an incident and a time and return a Change, which storage
// commits as a whole. Providers live in incidents/notify, one small package each.
package incidents

import (
	"time"
)

// State is where an incident stands. Resolved is terminal: the same trouble again is a new incident.
type State string

// The states.
const (
	Triggered    State = "triggered"
	Acknowledged State = "acknowledged"
	Resolved     State = "resolved"
)

// Severity is how bad it is, in PagerDuty's words.
type Severity string

// The severities, worst first. Critical and Error page; Warning and Info open an incident that nobody is woken for.
const (
	Critical Severity = "critical" // burning 14.4 times too fast
	Error    Severity = "error"    // 6 times
	Warning  Severity = "warning"  // 3 times
	Info     Severity = "info"     // budget would just be spent
)

// Incident is one trouble from first alert to resolution.
type Incident struct {
	ID               string            `json:"id"`     // UUID
	Number           int64             `json:"number"` // counts up from 1, for people; unique in the installation
	Tenant           string            `json:"tenant"` // "" for the operator's own
	GroupKey         string            `json:"groupKey"`
	Title            string            `json:"title"`
	Summary          string            `json:"summary"`
	Severity         Severity          `json:"severity"`
	State            State             `json:"state"`
	Service          string            `json:"service"`
	SLO              string            `json:"slo"` // id of the SLO whose burn alert opened it, or ""
	Labels           map[string]string `json:"labels"`
	RunbookURL       string            `json:"runbookUrl"`
	BudgetSpent      *float64          `json:"budgetSpent"` // share of the whole error budget spent by this incident so far; nil is unknown
	Policy           Policy            `json:"policy"`      // as it was when paging began; later edits don't touch it
	Step             int               `json:"step"`        // steps already paged in this round, 0..len(Policy.Steps)
	Loop             int               `json:"loop"`        // rounds completed
	NextEscalationAt *time.Time        `json:"nextEscalationAt"`
	FallbackAt       *time.Time        `json:"fallbackAt"`       // when the last step's fallback is due, unless somebody accepted its pages
	Held             string            `json:"held"`             // why nobody is paged further for now; "" where paging goes on
	ResolveAt        *time.Time        `json:"resolveAt"`        // when it is resolved unless an alert fires again; nil while one fires
	Refires          int               `json:"refires"`          // how often an alert fired again while ResolveAt was waited for
	UnreachableSince *time.Time        `json:"unreachableSince"` // since when every page has failed; nil where one was accepted or none failed
	StartedAt        time.Time         `json:"startedAt"`        // earliest start of its alerts
	OpenedAt         time.Time         `json:"openedAt"`
	AcknowledgedAt   *time.Time        `json:"acknowledgedAt"`
	AcknowledgedBy   string            `json:"acknowledgedBy"`
	ResolvedAt       *time.Time        `json:"resolvedAt"`
	ResolvedBy       string            `json:"resolvedBy"`
	UpdatedAt        time.Time         `json:"updatedAt"`
	Trace            string            `json:"trace"`         // W3C traceparent of the intake that opened it
	Urgency          Urgency           `json:"urgency"`       // by whose rules people are called
	Turn             int               `json:"turn"`          // how often paging has begun anew: reassigned, raised, or an acknowledgement ran out
	PagedAs          string            `json:"pagedAs"`       // the policy that it was first paged by; providers know the incident by it
	AssignedBy       string            `json:"assignedBy"`    // who assigned it last, "" where nobody did
	ReturnAt         *time.Time        `json:"returnAt"`      // when the acknowledgement ends; nil is never
	Snoozed          bool              `json:"snoozed"`       // somebody chose ReturnAt
	RaiseAt          *time.Time        `json:"raiseAt"`       // when support hours begin, and with them high urgency
	AutoResolveAt    *time.Time        `json:"autoResolveAt"` // when it is resolved if nobody does
	ExhaustedAt      *time.Time        `json:"exhaustedAt"`   // since when the policy names nobody else
	Awaited          []string          `json:"awaited"`       // who of a step that everyone has to acknowledge has not, by e-mail
	Gathered         int               `json:"gathered"`      // alerts that joined it as a storm, ever
	Threads          []Target          `json:"-"`             // those paged so far whose channels keep a thread
	Level            Level             `json:"level"`         // how much it matters; 0 is not rated
	Impact           ImpactScope       `json:"impact"`        // who notices it, as somebody said; "" where nobody has
	RatedBy          string            `json:"ratedBy"`       // who set the level last, "" where the matrix did
	Roles            map[Role]string   `json:"roles"`         // who has which, by e-mail
	DeclaredBy       string            `json:"declaredBy"`    // who opened it by hand, "" where alerts did
	MergedInto       string            `json:"mergedInto"`    // id of the incident that it is part of since, or ""
	Follows          string            `json:"follows"`       // id of the resolved incident that it opens anew, or ""
	SplitFrom        string            `json:"splitFrom"`     // id of the incident that its alerts were in first, or ""
	Phase            Phase             `json:"phase"`         // as the latest status update says, "" before the first
	UpdateDue        *time.Time        `json:"updateDue"`     // when the next status update was promised for
	// PostmortemRequired says why the incident has to be reviewed; nil where it has not.
	PostmortemRequired *Requirement `json:"postmortemRequired,omitempty"`
}

// EventKind says what a timeline entry records.
type EventKind string

// The kinds of timeline entries.
const (
	EventOpened       EventKind = "opened"
	EventAlertJoined  EventKind = "alert_joined"
	EventAlertEnded   EventKind = "alert_ended"
	EventSeverity     EventKind = "severity_raised"
	EventEscalated    EventKind = "escalated"
	EventExhausted    EventKind = "escalation_exhausted"
	EventPageSent     EventKind = "page_sent"
	EventPageFailed   EventKind = "page_failed" // an attempt failed; it is tried again unless the text says it is final
	EventPageCanceled EventKind = "page_canceled"
	EventNobody       EventKind = "nobody_to_page"
	EventAcknowledged EventKind = "acknowledged"
	EventResolved     EventKind = "resolved"
	EventNote         EventKind = "note"

	EventFlapping     EventKind = "flapping"      // an alert came back while its end was waited for
	EventHeld         EventKind = "held"          // nobody is paged further for now
	EventReleased     EventKind = "released"      // paging goes on
	EventFallback     EventKind = "fallback"      // nobody of a step could be reached, so others are paged
	EventUnreachable  EventKind = "unreachable"   // no page of the incident was accepted by anybody
	EventReached      EventKind = "reached"       // a page was accepted after all
	EventTargetBroken EventKind = "target_broken" // a target refuses pages for good
	EventUndelivered  EventKind = "page_undelivered"

	EventReassigned EventKind = "reassigned"
	EventSnoozed    EventKind = "snoozed"
	EventReturned   EventKind = "acknowledgement_ended" // nobody resolved it in time
	EventUrgency    EventKind = "urgency_raised"
	EventAudited    EventKind = "audited" // paging had come to a halt and was put right

	EventRated     EventKind = "level_set"
	EventRole      EventKind = "role_changed"
	EventTask      EventKind = "task_changed"
	EventStatus    EventKind = "status_update"
	EventUpdateDue EventKind = "update_overdue" // a status update that was promised has not come
	EventMerged    EventKind = "merged"
	EventSplit     EventKind = "split"
	EventReopened  EventKind = "reopened" // another incident goes on where this one ended
)

// Event is one entry of the append-only timeline.
type Event struct {
	ID       int64          `json:"id"`
	Incident string         `json:"incident"`
	Tenant   string         `json:"tenant"`
	At       time.Time      `json:"at"`
	Kind     EventKind      `json:"kind"`
	Actor    string         `json:"actor"` // access.Principal.ID
	Name     string         `json:"name"`  // the actor's name for people
	Text     string         `json:"text"`
	Detail   map[string]any `json:"detail,omitempty"`
}

// Signal is what alerting hands over: one alert that should open, join or end an incident.
type Signal struct {
	Fingerprint string
	Tenant      string
	GroupKey    string // alerts with the same key and tenant share one open incident
	Title       string
	Summary     string
	Severity    Severity
	Service     string
	SLO         string
	Labels      map[string]string
	RunbookURL  string
	BudgetSpent *float64
	Policy      Policy // resolved from definitions; empty where nobody is named
	Level       Level  // by the matrix in force; 0 is by DefaultMatrix
	Flaps       int    // incidents of the group that were resolved by their alerts in the last 30 minutes
	StartsAt    time.Time
	EndsAt      time.Time
	Firing      bool
	Trace       string
	// GroupWindow bounds how long an open incident takes more alerts: one joins when the incident's latest alert came at
	// most so long before; 0 means as long as the incident is open.
	GroupWindow time.Duration
	Drop        bool // the alert is recorded and opens no incident
}

// Change is what a transition asks storage to commit together: the incident as it is now, the entries for its timeline
// and the pages to send. CancelPages drops pages of the incident that were not attempted yet.
type Change struct {
	Incident    Incident
	Events      []Event
	Pages       []Page
	CancelPages bool
	Keep        []string // people whose pages CancelPages leaves alone, by e-mail
	Turns       []Turn   // taken in steps with the strategy RoundRobin
}
