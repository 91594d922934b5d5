// Package fault is the one vocabulary for trouble: a kind for programs, a message for people and a cause for the log.
// It knows nothing of HTTP, SQL or exit codes; each edge keeps one table from Kind to its own words.
package fault

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind says what sort of trouble it is. The zero value is Internal, so that what nobody classified is never shown.
type Kind int

// The kinds, in the order of an HTTP status.
const (
	Internal     Kind = iota // ours: the cause goes to the log, never to a client
	Invalid                  // the request or document is wrong; the message names field and remedy
	Unauthorized             // nobody is signed in, or the credential is not valid
	Forbidden                // signed in, but the role does not allow it
	NotFound                 // no such thing, or not yours
	Conflict                 // it contradicts the present state (resolving what is resolved, a stale version)
	TooLarge                 // over a size, depth or rate limit of the request itself
	Limited                  // too many requests; try again after RetryAfter
	Unavailable              // something we need is away; try again after RetryAfter
	Timeout                  // a deadline passed
)

var kindNames = map[Kind]string{
	Internal: "internal", Invalid: "invalid", Unauthorized: "unauthorized", Forbidden: "forbidden",
	NotFound: "not_found", Conflict: "conflict", TooLarge: "too_large", Limited: "limited",
	Unavailable: "unavailable", Timeout: "timeout",
}

// String returns the kind's snake_case name, as shown in the problem+json field "code".
func (k Kind) String() string {
	if name, ok := kindNames[k]; ok {
		return name
	}
	return fmt.Sprintf("kind(%d)", int(k))
}

// Detail is one problem among several: where it is and what to do.
type Detail struct {
	Where   string `json:"where"`   // file:line, JSON pointer or field name
	Message string `json:"message"` // what is wrong and what to do
}

// Error carries trouble from where it happened to where it is answered.
type Error struct {
	Kind       Kind
	Message    string        // for people; safe to show to a client unless Kind is Internal
	Details    []Detail      // every problem at once, where there are several
	RetryAfter time.Duration // for Limited and Unavailable; 0 means unknown
	Cause      error         // for the log only
}

// New makes an error of a kind with a message for people.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes an error of a kind that remembers its cause for the log.
func Wrap(kind Kind, cause error, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), Cause: cause}
}

// Error returns message, details and cause in one line, for the log.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	for _, d := range e.Details {
		fmt.Fprintf(&b, "; %s: %s", d.Where, d.Message)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// KindOf returns the kind of the outermost *Error in err's chain, and Internal for any other error.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is trouble of the kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// Public returns what a client may see of err: of Internal trouble only that it happened.
func Public(err error) Error {
	var e *Error
	if !errors.As(err, &e) || e.Kind == Internal {
		return Error{Kind: Internal, Message: "something went wrong on our side; the log has the cause"}
	}
	return Error{Kind: e.Kind, Message: e.Message, Details: e.Details, RetryAfter: e.RetryAfter}
}
