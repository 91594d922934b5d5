package slo

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/internal/fault"
)

// AllServices is the service of a change that may touch every service, such as one of the network.
const AllServices = "all"

// DefaultChangeKind is the kind of a change that names none.
const DefaultChangeKind = "deploy"

// ChangeValid is how long the same change asked for again is the same one, and how long its approval holds: long enough
// for a pipeline that is started again, too short for last week's release to pass on last week's approval.
const ChangeValid = 24 * time.Hour

// Outcomes of a change, as whoever made it tells them.
const (
	OutcomeSucceeded  = "succeeded"
	OutcomeFailed     = "failed"
	OutcomeRolledBack = "rolled-back"
	OutcomeAborted    = "aborted" // it never went
)

// Outcomes lists them all.
var Outcomes = []string{OutcomeSucceeded, OutcomeFailed, OutcomeRolledBack, OutcomeAborted}

// Change is one change to a service that was asked for at the gate: a deployment, a configuration, a flag.
type Change struct {
	ID             string     `json:"id"`     // UUID
	Number         int64      `json:"number"` // counts up from 1, for people; unique in the installation
	Service        string     `json:"service"`
	Environment    string     `json:"environment,omitempty"`
	Ref            string     `json:"change"` // commit, release or URL
	Kind           string     `json:"kind"`   // deploy, config, flag, rollback, security, fix or a word of one's own
	Author         string     `json:"author"` // for people; who asked where none was named
	Description    string     `json:"description,omitempty"`
	AskedBy        string     `json:"askedBy"`     // access.Principal.ID of who asked at the gate
	AskedByName    string     `json:"askedByName"` // for people
	At             time.Time  `json:"at"`          // when it was first asked for
	Verdict        Verdict    `json:"verdict"`     // the newest one
	ApprovedBy     string     `json:"approvedBy,omitempty"`
	ApprovedByName string     `json:"approvedByName,omitempty"`
	ApprovedAt     *time.Time `json:"approvedAt"`
	ApprovedFor    Action     `json:"approvedFor,omitempty"` // the strictest verdict that the approval answers
	ApprovalNote   string     `json:"approvalNote,omitempty"`
	BeganAt        *time.Time `json:"beganAt"` // when it could go; null: it never could
	FinishedAt     *time.Time `json:"finishedAt"`
	Outcome        string     `json:"outcome,omitempty"`
}

// ChangeFilter narrows a list of changes. The zero ChangeFilter is all of them, newest first.
type ChangeFilter struct {
	Service string    // "" means all; the changes of AllServices are in each service's list
	Since   time.Time // asked for at or after; zero means ever
	Limit   int       // 1 to 500; 0 means 50
	Before  int64     // only numbers below this one: the cursor of the next page; 0 means from the newest
}

// Limits on what a change may carry, in characters.
const (
	maxRef         = 500
	maxAuthor      = 200
	maxDescription = 4000
	maxEnvironment = 63
)

// WithDefaults returns the change with its kind, trimmed texts and, where it names no author, asker as the author.
func (c Change) WithDefaults(asker string) Change {
	for _, text := range []*string{&c.Service, &c.Environment, &c.Ref, &c.Kind, &c.Author, &c.Description} {
		*text = strings.TrimSpace(*text)
	}
	if c.Kind == "" {
		c.Kind = DefaultChangeKind
	}
	if c.Author == "" {
		c.Author = asker
	}
	return c
}

// Check returns a fault.Invalid that names every field that cannot be recorded, or nil.
func (c Change) Check() error {
	e := fault.New(fault.Invalid, "this change cannot be judged")
	bad := func(field, format string, args ...any) {
		e.Details = append(e.Details, fault.Detail{Where: field, Message: fault.New(fault.Invalid, format, args...).Message})
	}
	if c.Service == "" {
		bad("service", "is missing; name the service that changes, or %s", AllServices)
	}
	if c.Ref == "" {
		bad("change", "is missing; write what identifies the change, such as a commit, a release or a URL")
	}
	if !changeKind.MatchString(c.Kind) {
		bad("kind", "%q is not a kind of change; write a lower-case word such as deploy, config, flag, rollback, security or fix", clip(c.Kind))
	}
	for _, limit := range []struct {
		field, text string
		most        int
	}{
		{"service", c.Service, maxAuthor}, {"change", c.Ref, maxRef}, {"author", c.Author, maxAuthor},
		{"description", c.Description, maxDescription}, {"environment", c.Environment, maxEnvironment},
	} {
		if n := utf8.RuneCountInString(limit.text); n > limit.most {
			bad(limit.field, "has %d characters; the most is %d", n, limit.most)
		}
	}
	if len(e.Details) == 0 {
		return nil
	}
	return e
}

// Standing is what holds for the change now: its verdict, softened by an approval that answers it.
func (c Change) Standing() Action {
	if c.ApprovedAt != nil && !c.Verdict.Action.StricterThan(c.ApprovedFor) {
		return Allow
	}
	return c.Verdict.Action
}

// Same reports whether asking for other is asking for this change again: the same thing, not finished, not long ago.
func (c Change) Same(other Change, now time.Time) bool {
	return c.Service == other.Service && c.Environment == other.Environment && c.Kind == other.Kind && c.Ref == other.Ref &&
		c.FinishedAt == nil && now.Sub(c.At) < ChangeValid
}

// Judged returns the change after another verdict on it. Where it may go it begins, unless it did already.
func (c Change) Judged(v Verdict, now time.Time) Change {
	c.Verdict = v
	if c.BeganAt == nil && c.Standing() == Allow {
		c.BeganAt = &now
	}
	return c
}

// Approver is who agrees to a change.
type Approver struct {
	ID    string // access.Principal.ID
	Name  string // for people
	Admin bool   // may lift a freeze
}

// Approved returns the change after a second person agreed to it. Agreeing twice changes nothing. The author, and who
// asked at the gate, cannot agree to their own change (fault.Forbidden). A freeze is only lifted by an admin who says
// why (fault.Forbidden, fault.Invalid); what is finished, too old or needs no approval is a fault.Conflict.
func (c Change) Approved(by Approver, note string, now time.Time) (Change, error) {
	note = strings.TrimSpace(note)
	switch {
	case c.FinishedAt != nil:
		return c, fault.New(fault.Conflict, "change %d is finished (%s); ask at the gate again", c.Number, c.Outcome)
	case c.Standing() == Allow:
		return c, c.needless()
	case now.Sub(c.At) >= ChangeValid:
		return c, fault.New(fault.Conflict, "change %d was asked for more than %s ago; ask at the gate again", c.Number, promDuration(ChangeValid))
	case by.ID == c.AskedBy, samePerson(by.Name, c.Author), samePerson(by.Name, c.AskedByName):
		return c, fault.New(fault.Forbidden, "%s asked for this change or is its author; a second person has to approve it", by.Name)
	case utf8.RuneCountInString(note) > maxDescription:
		return c, fault.New(fault.Invalid, "reason: has more than %d characters", maxDescription)
	case c.Verdict.Action == Freeze && !by.Admin:
		return c, fault.New(fault.Forbidden, "changes of %s are frozen: %s Only an admin can lift that, with a reason", c.Service, c.Verdict.Headline)
	case c.Verdict.Action == Freeze && note == "":
		return c, fault.New(fault.Invalid, "reason: is missing; lifting a freeze needs one, such as what cannot wait")
	}
	c.ApprovedBy, c.ApprovedByName, c.ApprovedAt, c.ApprovedFor, c.ApprovalNote = by.ID, by.Name, &now, c.Verdict.Action, note
	if c.BeganAt == nil {
		c.BeganAt = &now
	}
	return c, nil
}

// needless is nil for a change that was approved already, and otherwise says that nothing has to be.
func (c Change) needless() error {
	if c.ApprovedAt != nil {
		return nil
	}
	return fault.New(fault.Conflict, "change %d needs no approval; it may go", c.Number)
}

// samePerson compares names as pipelines and accounts write them: ada is ada@example.com. A name that is empty is
// nobody's.
func samePerson(a, b string) bool {
	short := func(name string) string {
		name, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(name)), "@")
		return name
	}
	return short(a) != "" && short(a) == short(b)
}

// Finished returns the change with how it went. Telling the same again changes nothing; another outcome of what is
// finished is a fault.Conflict, an unknown one a fault.Invalid. What went although it was not let go began, as far as
// anybody knows, when it was asked for.
func (c Change) Finished(outcome string, now time.Time) (Change, error) {
	switch {
	case !slices.Contains(Outcomes, outcome):
		return c, fault.New(fault.Invalid, "outcome: %q is not known; write one of %s", clip(outcome), strings.Join(Outcomes, ", "))
	case c.FinishedAt != nil && c.Outcome == outcome:
		return c, nil
	case c.FinishedAt != nil:
		return c, fault.New(fault.Conflict, "change %d is already finished: %s", c.Number, c.Outcome)
	}
	c.FinishedAt, c.Outcome = &now, outcome
	if at := c.At; c.BeganAt == nil && outcome != OutcomeAborted {
		c.BeganAt = &at
	}
	return c, nil
}

// Preceding is a change that began shortly before an incident opened.
type Preceding struct {
	Change
	Before time.Duration // from its beginning to the incident's opening
}

// Follower is an incident that opened soon after a change began.
type Follower struct {
	ID       string // UUID
	Number   int64
	Title    string
	Severity string
	State    string
	OpenedAt time.Time
	Before   time.Duration // from the change's beginning to its opening
}

// LinkRule says how long before an incident of a service changes are looked for.
type LinkRule struct {
	Service string
	Within  time.Duration
}
