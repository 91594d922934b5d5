package incidents

import (
	"context"
	"time"

	"github.com/nines-sre/nines/internal/hook"
)

// ReplyAction is what somebody, or a provider, says about a page.
type ReplyAction string

// The actions of replies. Delivered and Undelivered are a provider's word on what became of a message; all others are a
// person's.
const (
	ReplyAcknowledge ReplyAction = "acknowledge"
	ReplyResolve     ReplyAction = "resolve"
	ReplyEscalate    ReplyAction = "escalate" // page the next step now
	ReplyNote        ReplyAction = "note"
	ReplyDelivered   ReplyAction = "delivered"
	ReplyUndelivered ReplyAction = "undelivered"
	// Unacknowledged says that whoever was on it is not any more, as the provider sees it. It is told on the timeline, and
	// an acknowledgement that is older counts no more. Linked only says how the provider calls the incident.
	ReplyUnacknowledged ReplyAction = "unacknowledged"
	ReplyLinked         ReplyAction = "linked"
)

// Changes reports whether the action is to change the incident's state, so that order matters.
func (a ReplyAction) Changes() bool {
	return a == ReplyAcknowledge || a == ReplyResolve || a == ReplyEscalate || a == ReplyUnacknowledged
}

// Reply is what somebody said about an incident through a provider. The incident is named by what the provider has of
// it: one of Incident, Number, DedupKey and ProviderID is enough, and the first that is set and leads somewhere counts.
type Reply struct {
	ID         string // the provider's own; the same reply told twice counts once; "" is not told twice
	Provider   string // such as "slack"
	Action     ReplyAction
	Incident   string // its UUID
	Number     int64
	DedupKey   string // Incident.DedupKey
	ProviderID string // Receipt.ProviderID of the page it answers, or the provider's own id of the incident
	By         Actor  // "slack:U123" and the name for people; for a delivery report the provider
	Text       string // of a note, the reason of a resolution, why a message was not delivered
	At         time.Time
}

// Answering does what a reply says and returns the incident afterwards. Errors: fault.NotFound where the reply names no
// incident that we know, fault.Conflict where it comes too late, such as acknowledging what is resolved.
type Answering func(ctx context.Context, r Reply) (Incident, error)

// Hook is a provider that calls us: buttons pressed, messages answered, deliveries reported.
type Hook interface {
	// Receive checks that the request is the provider's own, does what its replies say and words the answer that the
	// provider expects. A request that is not the provider's is a fault.Unauthenticated, one that cannot be read a
	// fault.Invalid; neither has any effect. A reply that cannot be done is told in the answer, where the provider shows
	// it to the person.
	Receive(ctx context.Context, r hook.Request, do Answering) (hook.Answer, error)
}
