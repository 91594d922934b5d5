package httpapi

import (
	"context"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

// TrackerState is a tracker and how it stands.
type TrackerState struct {
	Name     string     `json:"name" example:"ops"`
	Vendor   string     `json:"vendor" enum:"jira,github,gitlab,linear,asana,monday"`
	Place    string     `json:"place" doc:"Where tickets go, for people." example:"Jira example.atlassian.net, project OPS"`
	Services []string   `json:"services" doc:"Whose action items go there unless they name another."`
	Default  bool       `json:"default" doc:"Those of all other services do."`
	Items    int        `json:"items" doc:"Action items that it keeps."`
	Open     int        `json:"open"`
	Failing  int        `json:"failing" doc:"Those that it was not told last time."`
	Error    string     `json:"error" doc:"Why not, of the latest of these."`
	SyncedAt *time.Time `json:"syncedAt" doc:"When it last agreed with us about any."`

	LagSeconds float64 `json:"lagSeconds" doc:"For how long the item that waits longest is due to be told or asked after; 0 where none is."`
}

// Trackers shows the trackers that keep action items, and tries them.
type Trackers interface {
	Trackers(ctx context.Context, who access.Principal) ([]TrackerState, error)
	// SyncNow has an action item told to its tracker, and the tracker asked, at once.
	SyncNow(ctx context.Context, who access.Principal, id string) (incidents.ActionItem, error)
	// TestTracker tries whether a tracker lets us in; it changes nothing there. Why it does not is a fault.Invalid.
	TestTracker(ctx context.Context, who access.Principal, name string) (place string, err error)
}

type trackerList struct {
	Trackers []TrackerState `json:"trackers" doc:"By name."`
}

type trackerInput struct {
	Name string `path:"name" maxLength:"200" doc:"The tracker's name."`
}

type trackerTested struct {
	Place string `json:"place" doc:"What the tracker calls the place where tickets go." example:"project OPS (Operations)"`
}

func (a *API) mountTrackers() {
	const tag = "Postmortems"
	register(a, operation{id: "list-trackers", method: get, path: "/trackers", tag: tag, role: access.Viewer, audience: operatorOnly,
		summary: "List the trackers that keep action items, and how they stand"}, a.trackers)
	register(a, operation{id: "sync-action-item", method: post, path: "/action-items/{id}/sync", tag: tag, role: access.Responder, audience: operatorOnly,
		summary: "Tell an action item's tracker, and ask it what became of the ticket, at once",
		about:   "Otherwise a change here is told within seconds, and one over there is heard of within five minutes. The answer is the item as it was."}, a.syncActionItem)
	register(a, operation{id: "test-tracker", method: post, path: "/trackers/{name}/test", tag: tag, role: access.Editor, audience: operatorOnly, slow: true,
		summary: "Try whether a tracker lets us in; nothing is changed there"}, a.testTracker)
}

func (a *API) syncActionItem(ctx context.Context, in *actionItemInput) (*body[actionItem], error) {
	i, err := a.deps.Trackers.SyncNow(ctx, access.PrincipalOf(ctx), in.ID)
	return show(a.shownItem(i), err)
}

func (a *API) trackers(ctx context.Context, _ *none) (*body[trackerList], error) {
	found, err := a.deps.Trackers.Trackers(ctx, access.PrincipalOf(ctx))
	for n := range found {
		found[n].Services = list(found[n].Services)
	}
	return show(trackerList{list(found)}, err)
}

func (a *API) testTracker(ctx context.Context, in *trackerInput) (*body[trackerTested], error) {
	place, err := a.deps.Trackers.TestTracker(ctx, access.PrincipalOf(ctx), in.Name)
	return show(trackerTested{place}, err)
}
