package httpapi

import (
	"context"
	"time"

	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/access"
)

// OnCall knows who is on call by the schedules in force and what differs from them. Schedules are the operator's.
type OnCall interface {
	// Schedules returns the schedules in force.
	Schedules() map[string]oncall.Schedule
	// Overlays returns what differs from the plans in a span, by schedule; names nil is all of them.
	Overlays(ctx context.Context, scope access.Scope, names []string, from, to time.Time) (map[string]oncall.Overlay, error)
	// Override answers fault.Conflict, naming what it collides with, unless over names that.
	Override(ctx context.Context, who access.Principal, v oncall.Override, over []string) (oncall.Override, error)
	EndOverride(ctx context.Context, who access.Principal, id string) error
	Temporary(ctx context.Context, who access.Principal, v oncall.Temporary) (oncall.Temporary, error)
	EndTemporary(ctx context.Context, who access.Principal, id string) error
	Swaps(ctx context.Context, scope access.Scope, schedule string, open bool) ([]oncall.Swap, error)
	ProposeSwap(ctx context.Context, who access.Principal, w oncall.Swap) (oncall.Swap, error)
	AcceptSwap(ctx context.Context, who access.Principal, id string) (oncall.Swap, error)
	DeclineSwap(ctx context.Context, who access.Principal, id string) (oncall.Swap, error)
	CancelSwap(ctx context.Context, who access.Principal, id string) (oncall.Swap, error)
	// Served returns who was on call as it was recorded.
	Served(ctx context.Context, scope access.Scope, schedule string, from, to time.Time) ([]oncall.Shift, error)
	// Fair adds up what being on call took from each person, of one schedule or of all.
	Fair(ctx context.Context, scope access.Scope, schedule string, from, to time.Time) ([]oncall.Load, error)
	// MakeLink returns the secret once.
	MakeLink(ctx context.Context, who access.Principal, l OnCallLink) (OnCallLink, string, error)
	Links(ctx context.Context, who access.Principal) ([]OnCallLink, error)
	RevokeLink(ctx context.Context, who access.Principal, id string) error
	// LinkOf returns what a secret address shows; one that is unknown or revoked is a fault.NotFound.
	LinkOf(ctx context.Context, secret string) (OnCallLink, error)
}

// OnCallLink lets whoever knows its secret address see one calendar or badge.
type OnCallLink struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind" enum:"calendar,badge"`
	Schedule string    `json:"schedule,omitempty"`
	Person   string    `json:"person,omitempty"`
	MadeBy   string    `json:"madeBy"`
	MadeAt   time.Time `json:"madeAt"`
}
