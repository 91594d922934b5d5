package incidents

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/internal/fault"
)

// ActionKind says what an action item is for.
type ActionKind string

// The kinds of action items.
const (
	Prevent  ActionKind = "prevent"  // it does not happen again
	Detect   ActionKind = "detect"   // we notice sooner
	Mitigate ActionKind = "mitigate" // it hurts less
	Process  ActionKind = "process"  // we work better together
)

// ActionKinds are the kinds of action items.
var ActionKinds = []ActionKind{Prevent, Detect, Mitigate, Process}

// ActionState is where an action item stands.
type ActionState string

// The states of an action item.
const (
	ActionOpen    ActionState = "open"
	ActionDone    ActionState = "done"
	ActionDropped ActionState = "dropped" // with a reason
)

// ActionStates are the states of an action item.
var ActionStates = []ActionState{ActionOpen, ActionDone, ActionDropped}

// ActionItem is something to be done after an incident, by somebody and until a day.
type ActionItem struct {
	ID         string      `json:"id"`         // UUID
	Number     int64       `json:"number"`     // counts up from 1, for people; unique in the installation
	Tenant     string      `json:"tenant"`     // its postmortem's
	Postmortem string      `json:"postmortem"` // UUID
	Incident   string      `json:"incident"`   // UUID of the postmortem's first incident
	Service    string      `json:"service"`    // of that incident
	Title      string      `json:"title"`
	Kind       ActionKind  `json:"kind"`
	Owner      string      `json:"owner"` // e-mail, lower case; "" is nobody yet
	DueAt      *time.Time  `json:"dueAt"` // nil is no day
	State      ActionState `json:"state"`
	Reason     string      `json:"reason"` // why it was dropped
	Tracker    string      `json:"tracker"`
	TrackerKey string      `json:"trackerKey"`
	TrackerURL string      `json:"trackerUrl"`
	SyncedAt   *time.Time  `json:"syncedAt"`  // when the tracker last agreed; nil is never
	SyncError  string      `json:"syncError"` // why it last did not; "" where it did
	CreatedBy  string      `json:"createdBy"`
	CreatedAt  time.Time   `json:"createdAt"`
	UpdatedAt  time.Time   `json:"updatedAt"`
	ClosedAt   *time.Time  `json:"closedAt"` // when it was done or dropped
}

// MaxActionTitle bounds an action item's title, in characters.
const MaxActionTitle = 300

// Overdue reports whether the item is open and its time has passed.
func (a ActionItem) Overdue(now time.Time) bool {
	return a.State == ActionOpen && a.DueAt != nil && now.After(*a.DueAt)
}

// ActionEdit is what somebody wants an action item to be; what is nil stays as it is.
type ActionEdit struct {
	Title      *string      `json:"title,omitempty"`
	Kind       *ActionKind  `json:"kind,omitempty"`
	Owner      *string      `json:"owner,omitempty"`
	DueAt      *time.Time   `json:"dueAt,omitempty"`
	State      *ActionState `json:"state,omitempty"`
	Reason     *string      `json:"reason,omitempty"`
	Tracker    *string      `json:"tracker,omitempty"`    // where the item is to be kept as well; a definition of kind Tracker
	TrackerKey *string      `json:"trackerKey,omitempty"` // where it is kept there already
	TrackerURL *string      `json:"trackerUrl,omitempty"`
}

// Apply returns the item after the edit. A field out of bounds is a fault.Invalid that names it.
func (a ActionItem) Apply(e ActionEdit, now time.Time) (ActionItem, error) {
	was := a.State
	set(&a.Title, e.Title)
	set(&a.Kind, e.Kind)
	set(&a.Owner, e.Owner)
	set(&a.State, e.State)
	set(&a.Reason, e.Reason)
	if e.Tracker != nil && *e.Tracker != a.Tracker { // what the old one calls it means nothing to the new one
		a.Tracker, a.TrackerKey, a.TrackerURL = *e.Tracker, "", ""
	}
	set(&a.TrackerKey, e.TrackerKey)
	set(&a.TrackerURL, e.TrackerURL)
	if e.DueAt != nil {
		due := e.DueAt.UTC()
		if a.DueAt = &due; due.IsZero() {
			a.DueAt = nil
		}
	}
	a.Title, a.Owner, a.Reason = strings.Join(strings.Fields(a.Title), " "), strings.ToLower(strings.TrimSpace(a.Owner)), strings.TrimSpace(a.Reason)
	if a.State != ActionDropped {
		a.Reason = ""
	}
	switch {
	case a.State == ActionOpen:
		a.ClosedAt = nil
	case was != a.State:
		a.ClosedAt = &now
	}
	a.UpdatedAt = now
	return a, a.Check()
}

func set[T any](field *T, want *T) {
	if want != nil {
		*field = *want
	}
}

// Check returns a fault.Invalid that names the first field out of bounds.
func (a ActionItem) Check() error {
	if n := utf8.RuneCountInString(a.Title); n == 0 || n > MaxActionTitle {
		return fault.New(fault.Invalid, "title: has %d characters; write 1 to %d", n, MaxActionTitle)
	}
	if !slices.Contains(ActionKinds, a.Kind) {
		return fault.New(fault.Invalid, "kind: %q is none of prevent, detect, mitigate, process", a.Kind)
	}
	if !slices.Contains(ActionStates, a.State) {
		return fault.New(fault.Invalid, "state: %q is none of open, done, dropped", a.State)
	}
	if n := utf8.RuneCountInString(a.Reason); a.State == ActionDropped && (n == 0 || n > MaxReviewReason) {
		return fault.New(fault.Invalid, "reason: has %d characters; say in 1 to %d why it is dropped", n, MaxReviewReason)
	}
	if len(a.Tracker) > 200 || len(a.TrackerKey) > 200 || len(a.TrackerURL) > 2000 {
		return fault.New(fault.Invalid, "tracker: its name, key or address is too long")
	}
	if a.TrackerURL != "" && !strings.HasPrefix(a.TrackerURL, "https://") && !strings.HasPrefix(a.TrackerURL, "http://") {
		return fault.New(fault.Invalid, "trackerUrl: is not an http or https URL")
	}
	return CheckOwner("owner", a.Owner)
}

// ActionFilter narrows a list of action items. The zero filter is all of them.
type ActionFilter struct {
	Postmortem string // UUID or number
	Owner      string
	Service    string
	State      ActionState
	Overdue    bool
	Limit      int // 1 to 500; 0 means 100
}
