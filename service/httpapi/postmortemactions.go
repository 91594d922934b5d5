package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

type actionItemsInput struct {
	Postmortem string `query:"postmortem" maxLength:"64" doc:"UUID or number of a postmortem."`
	Owner      string `query:"owner" maxLength:"254" doc:"E-mail."`
	Service    string `query:"service" maxLength:"200"`
	State      string `query:"state" enum:"open,done,dropped,"`
	Overdue    bool   `query:"overdue" doc:"Only open ones whose day has passed."`
	Limit      int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

type actionItemInput struct {
	ID string `path:"id" maxLength:"64" doc:"UUID or number of the action item."`
}

// actionItem is an action item with what follows from it.
type actionItem struct {
	incidents.ActionItem
	Overdue bool `json:"overdue"`
}

type actionItemList struct {
	Items []actionItem `json:"items" doc:"Open ones first, by when they are due."`
}

// ActionItemEdit is what somebody wants an action item to be; what is left out stays as it is.
type ActionItemEdit struct {
	Title      *string    `json:"title,omitempty" maxLength:"300" example:"Test the restore every week"`
	Kind       *string    `json:"kind,omitempty" enum:"prevent,detect,mitigate,process" doc:"prevent unless set."`
	Owner      *string    `json:"owner,omitempty" maxLength:"254" doc:"E-mail; empty is nobody."`
	DueAt      *time.Time `json:"dueAt,omitempty" doc:"RFC 3339; 0001-01-01T00:00:00Z is no day."`
	State      *string    `json:"state,omitempty" enum:"open,done,dropped"`
	Reason     *string    `json:"reason,omitempty" maxLength:"500" doc:"Why it is dropped; needed then."`
	Tracker    *string    `json:"tracker,omitempty" maxLength:"200" doc:"Name of the tracker that keeps it as well."`
	TrackerKey *string    `json:"trackerKey,omitempty" maxLength:"200" doc:"What the tracker calls it, where it is there already."`
	TrackerURL *string    `json:"trackerUrl,omitempty" maxLength:"2000"`
}

func (e ActionItemEdit) edit() incidents.ActionEdit {
	return incidents.ActionEdit{Title: e.Title, Kind: (*incidents.ActionKind)(e.Kind), Owner: e.Owner, DueAt: e.DueAt, State: (*incidents.ActionState)(e.State),
		Reason: e.Reason, Tracker: e.Tracker, TrackerKey: e.TrackerKey, TrackerURL: e.TrackerURL}
}

type newActionItemInput struct {
	Body struct {
		Postmortem string `json:"postmortem" minLength:"1" maxLength:"64" doc:"UUID or number of the postmortem it belongs to."`
		ActionItemEdit
	}
}

type actionItemEditInput struct {
	ID   string `path:"id" maxLength:"64" doc:"UUID or number of the action item."`
	Body ActionItemEdit
}

func (a *API) mountActionItems() {
	const tag = "Action items"
	register(a, operation{id: "list-action-items", method: get, path: "/action-items", tag: tag, role: access.Viewer, audience: operatorOnly,
		summary: "List action items of all postmortems"}, a.actionItems)
	register(a, operation{id: "get-action-item", method: get, path: "/action-items/{id}", tag: tag, role: access.Viewer, audience: operatorOnly,
		summary: "Read an action item"}, a.actionItem)
	register(a, operation{id: "add-action-item", method: post, path: "/action-items", tag: tag, role: access.Responder, audience: operatorOnly,
		status: http.StatusCreated, summary: "Add something to be done to a postmortem"}, a.addActionItem)
	register(a, operation{id: "change-action-item", method: http.MethodPatch, path: "/action-items/{id}", tag: tag, role: access.Responder,
		audience: operatorOnly, summary: "Change an action item; what is left out stays as it is"}, a.changeActionItem)
}

func (a *API) shownItem(i incidents.ActionItem) actionItem {
	return actionItem{i, i.Overdue(a.deps.Now())}
}

func (a *API) actionItems(ctx context.Context, in *actionItemsInput) (*body[actionItemList], error) {
	f := incidents.ActionFilter{Postmortem: in.Postmortem, Owner: in.Owner, Service: in.Service, State: incidents.ActionState(in.State),
		Overdue: in.Overdue, Limit: in.Limit}
	found, err := a.deps.Postmortems.ActionItems(ctx, access.PrincipalOf(ctx), f)
	shown := make([]actionItem, 0, len(found))
	for _, i := range found {
		shown = append(shown, a.shownItem(i))
	}
	return show(actionItemList{shown}, err)
}

func (a *API) actionItem(ctx context.Context, in *actionItemInput) (*body[actionItem], error) {
	i, err := a.deps.Postmortems.ActionItem(ctx, access.PrincipalOf(ctx), in.ID)
	return show(a.shownItem(i), err)
}

func (a *API) addActionItem(ctx context.Context, in *newActionItemInput) (*body[actionItem], error) {
	i, err := a.deps.Postmortems.AddActionItem(ctx, access.PrincipalOf(ctx), in.Body.Postmortem, in.Body.edit())
	return show(a.shownItem(i), err)
}

func (a *API) changeActionItem(ctx context.Context, in *actionItemEditInput) (*body[actionItem], error) {
	i, err := a.deps.Postmortems.ChangeActionItem(ctx, access.PrincipalOf(ctx), in.ID, in.Body.edit())
	return show(a.shownItem(i), err)
}
