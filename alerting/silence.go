package alerting

import (
	"slices"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/internal/fault"
)

// Silence keeps alerts from paging for a while.
type Silence struct {
	ID        string    `json:"id"` // UUID
	Tenant    string    `json:"tenant,omitempty"`
	Matchers  []Matcher `json:"matchers"`
	StartsAt  time.Time `json:"startsAt"`
	EndsAt    time.Time `json:"endsAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	CreatedBy string    `json:"createdBy"`
	Comment   string    `json:"comment"`
}

// SilenceState is where a silence is in its life.
type SilenceState string

// The states of a silence, named as in Alertmanager.
const (
	SilencePending SilenceState = "pending"
	SilenceActive  SilenceState = "active"
	SilenceExpired SilenceState = "expired"
)

// Longest texts of a silence, in characters.
const (
	maxComment   = 4000
	maxCreatedBy = 200
)

// State returns the silence's state at the time. It is active from its start on until just before its end.
func (s Silence) State(now time.Time) SilenceState {
	switch {
	case s.StartsAt.After(now):
		return SilencePending
	case s.EndsAt.After(now):
		return SilenceActive
	}
	return SilenceExpired
}

// CheckSilence returns a fault.Invalid that says what is wrong with a silence that somebody sets at the time, by
// Alertmanager's rules: it has a start, an end after it that does not lie in the past, and matchers of which at least
// one refuses the empty string. The comment may be empty.
func CheckSilence(s Silence, now time.Time) error {
	switch {
	case s.StartsAt.IsZero():
		return fault.New(fault.Invalid, "startsAt: is missing; write when the silence begins")
	case s.EndsAt.IsZero():
		return fault.New(fault.Invalid, "endsAt: is missing; write when the silence ends")
	case !s.EndsAt.After(s.StartsAt):
		return fault.New(fault.Invalid, "endsAt: start time must be before end time")
	case s.EndsAt.Before(now):
		return fault.New(fault.Invalid, "endsAt: end time can't be in the past")
	case utf8.RuneCountInString(s.Comment) > maxComment:
		return fault.New(fault.Invalid, "comment: has more than %d characters; shorten it", maxComment)
	case utf8.RuneCountInString(s.CreatedBy) > maxCreatedBy:
		return fault.New(fault.Invalid, "createdBy: has more than %d characters; shorten it", maxCreatedBy)
	}
	return checkText(s)
}

func checkText(s Silence) error {
	for _, text := range []struct{ field, value string }{{"comment", s.Comment}, {"createdBy", s.CreatedBy}} {
		if !storable(text.value) {
			return fault.New(fault.Invalid, "%s: is not valid UTF-8 without NUL characters", text.field)
		}
	}
	if len(s.Matchers) == 0 {
		return fault.New(fault.Invalid, "matchers: at least one matcher required")
	}
	compiled, err := CompileMatchers(s.Matchers)
	if err != nil {
		return err
	}
	if !compiled.selective() {
		return fault.New(fault.Invalid, "matchers: at least one matcher must not match the empty string; else every alert is silenced")
	}
	return nil
}

// Begin returns a new silence as it is kept: under the id, beginning now where its start lies in the past.
func (s Silence) Begin(id string, now time.Time) Silence {
	s.ID, s.UpdatedAt = id, now
	if s.StartsAt.Before(now) {
		s.StartsAt = now
	}
	return s
}

// Replace returns what becomes of the silence when somebody sets it anew, by Alertmanager's rule. With the same matchers
// and, once active, the same start it keeps its id, and replaced is nil. Otherwise the wish is a new silence under newID,
// and replaced is the old one, expired unless it was before.
func (s Silence) Replace(wish Silence, newID string, now time.Time) (current Silence, replaced *Silence) {
	wish.Tenant = s.Tenant
	if s.keepsID(wish, now) {
		wish.ID, wish.UpdatedAt = s.ID, now
		return wish, nil
	}
	old := s.Expire(now)
	return wish.Begin(newID, now), &old
}

func (s Silence) keepsID(wish Silence, now time.Time) bool {
	if !slices.Equal(s.Matchers, wish.Matchers) {
		return false
	}
	switch s.State(now) {
	case SilenceActive:
		return wish.StartsAt.Equal(s.StartsAt) && !wish.EndsAt.Before(now)
	case SilencePending:
		return !wish.StartsAt.Before(now)
	default:
		return false
	}
}

// Expire returns the silence as it is once it has been ended at the time; one that has expired stays as it is.
func (s Silence) Expire(now time.Time) Silence {
	switch s.State(now) {
	case SilencePending:
		s.StartsAt, s.EndsAt, s.UpdatedAt = now, now, now
	case SilenceActive:
		s.EndsAt, s.UpdatedAt = now, now
	}
	return s
}

// Concerns reports whether the silence is for the alert, whatever the time: a tenant's are for its own alerts, the
// operator's for all.
func (s Silence) Concerns(a Alert) bool {
	if !reaches(s.Tenant, a.Tenant) {
		return false
	}
	compiled, err := CompileMatchers(s.Matchers)
	return err == nil && len(compiled) > 0 && compiled.Match(a.Labels)
}

// reaches reports whether what the owner set counts for the tenant's alerts.
func reaches(owner, tenant string) bool { return owner == "" || owner == tenant }
