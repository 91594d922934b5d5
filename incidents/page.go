package incidents

import (
	"context"
	"time"
)

// Action is what a page tells a provider.
type Action string

// The actions, as PagerDuty's Events API v2 names them.
const (
	ActionTrigger     Action = "trigger"
	ActionAcknowledge Action = "acknowledge"
	ActionResolve     Action = "resolve"

	ActionUpdate Action = "update" // news for those who were paged, where their channel has a thread
	ActionStatus Action = "status" // a status update for those who were not
)

// PageState is where a page stands in the outbox.
type PageState string

// The states of a page. Pending and Sending with an expired lease are claimed again; the others are final.
const (
	PagePending  PageState = "pending"
	PageSending  PageState = "sending"
	PageSent     PageState = "sent"
	PageFailed   PageState = "failed"
	PageCanceled PageState = "canceled"
)

// Page is one row of the outbox: one message to one target. (Incident, Action, Turn, Step, Loop, Target, Number) is unique.
type Page struct {
	ID        int64     `json:"id"`
	Incident  string    `json:"incident"`
	Tenant    string    `json:"tenant"`
	Action    Action    `json:"action"`
	Step      int       `json:"step"` // 1-based step of the policy; of an acknowledgement, the one it stopped; 0 for resolve
	Loop      int       `json:"loop"`
	Target    Target    `json:"target"`
	DedupKey  string    `json:"dedupKey"` // incident id and policy name: the same for all pages of an incident
	State     PageState `json:"state"`
	Attempts  int       `json:"attempts"`
	NextAt    time.Time `json:"nextAt"`
	CreatedAt time.Time `json:"createdAt"`
	Trace     string    `json:"trace"` // W3C traceparent of what caused it
	Text      string    `json:"text"`  // of an update
	Fallback  bool      `json:"fallback"`
	Turn      int       `json:"turn"`   // Incident.Turn when it was made
	Number    int       `json:"number"` // tells notices to one target apart; 0 where the policy names the target itself
	Person    string    `json:"person"` // e-mail address of whom it calls, "" where the policy names the target itself
	Method    string    `json:"method"` // of the person's, by its name
}

// Priorities of pages: what waits for less goes first.
const (
	PriorityUrgent  = iota // the first page of a service that was quiet
	PriorityFirst          // the first step of an incident
	PriorityFurther        // further steps, rounds and fallbacks
	PriorityNews           // acknowledged, resolved
	PriorityUpdate
)

// QuietService is how long a service has to be without pages for its next incident to count as news about it.
const QuietService = 10 * time.Minute

// Priority returns the page's place in the queue, as far as the page alone tells.
func (p Page) Priority() int {
	switch {
	case p.Action == ActionUpdate, p.Action == ActionStatus:
		return PriorityUpdate
	case p.Action != ActionTrigger:
		return PriorityNews
	case p.Step == 1 && p.Loop == 0 && !p.Fallback:
		return PriorityFirst
	}
	return PriorityFurther
}

// due is when the page was to be sent at first, as far as it tells: a notice that a person's rules put off is not late before
// its time. Where it is tried again that is when it was made.
func (p Page) due() time.Time {
	if p.Attempts <= 1 && p.NextAt.After(p.CreatedAt) {
		return p.NextAt
	}
	return p.CreatedAt
}

// Attempt is one try at sending a page. Outcome is "" while in flight, which a crash leaves behind for all to see.
type Attempt struct {
	ID         int64         `json:"id"`
	Page       int64         `json:"page"`
	Incident   string        `json:"incident"`
	Tenant     string        `json:"tenant"`
	Number     int           `json:"number"` // 1-based
	Provider   string        `json:"provider"`
	StartedAt  time.Time     `json:"startedAt"`
	Took       time.Duration `json:"took"`
	Outcome    string        `json:"outcome"`    // "sent", "retry", "failed", "canceled" or ""
	StatusCode int           `json:"statusCode"` // the provider's HTTP status, 0 where there was none
	ProviderID string        `json:"providerId"` // what the provider calls it, where it says
	Error      string        `json:"error"`      // for people; never holds a secret

	DeliveredAt *time.Time    `json:"deliveredAt"` // when the provider says that it arrived, where it does
	Undelivered string        `json:"undelivered"` // why it did not, where the provider says so
	LeaveAlone  time.Duration `json:"-"`           // what the provider asks for before the target's next message
}

// Notification is all a provider needs to tell people about a page.
type Notification struct {
	Page        Page
	Incident    Incident
	IncidentURL string // the incident's page in our UI
	Thread      string // ProviderID of the incident's first page to this target, "" for none
	Text        string // of an update
	// Bundle are the incidents of a message that stands for the pages of several, the worst first; nil where it is about
	// one. Then Incident sums them up in its title and summary, and IncidentURL is the list of incidents.
	Bundle []Incident
	At     time.Time
}

// Receipt is what a provider answered.
type Receipt struct {
	StatusCode int
	ProviderID string
}

// Notifier sends one notification. Its error's fault kind decides: Limited, Unavailable, Timeout and Internal are tried
// again (Limited and Unavailable after RetryAfter where it is set), all other kinds are final. A Receipt may come with
// an error. Send must return when ctx ends.
type Notifier interface {
	Send(ctx context.Context, n Notification) (Receipt, error)
}

// Outbox is the pages' storage. One method is one transaction; all times are the database's.
type Outbox interface {
	// ClaimDue leases up to most pages that are due (pending and NextAt passed, or sending with an expired lease), at most
	// one per incident and target at a time, by priority and then the oldest first, and none of a target that is to be
	// left alone. It raises Attempts and records each Attempt as in flight; for targets that refuse, see TargetState.
	// A leased page is claimed by nobody else until the lease ends.
	ClaimDue(ctx context.Context, most int, lease time.Duration) ([]Claim, error)
	// Current returns the incident as it is at this moment, for the check right before sending.
	Current(ctx context.Context, incident string) (Incident, error)
	// Finish records how the attempt ended, with its timeline entry: Outcome sent, failed or canceled ends the page,
	// retry makes it due again after retryIn; for the target, see Claim.Conclude, and for the incident, see Incident.Tried.
	// The claims of a bundle are finished one by one. A claim whose lease was taken over by another is a fault.Conflict.
	Finish(ctx context.Context, c Claim, a Attempt, retryIn time.Duration) error
	// Wait returns when a page may have become due: at a notification, or after at most the given time.
	Wait(ctx context.Context, atMost time.Duration) error
}

// Claim is a leased page with its incident and the attempt under way.
type Claim struct {
	Page     Page
	Incident Incident
	Attempt  Attempt
	Broken   string  // why the target's pages fail without being sent, "" where they are sent
	With     []Claim // of the same target, that go with it as one message
	Thread   string  // ProviderID of the first page to the same target that its provider took, "" for none
}
