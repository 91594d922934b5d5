package httpapi

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

// Postmortems keeps reviews of incidents. A tenant's people read what was published to them; all else is the operator's own.
type Postmortems interface {
	Postmortems(ctx context.Context, who access.Principal, f incidents.PostmortemFilter) ([]incidents.Postmortem, error)
	// Postmortem returns the one of that UUID or number; unknown or out of scope is a fault.NotFound.
	Postmortem(ctx context.Context, who access.Principal, id string) (incidents.Postmortem, error)
	PostmortemTemplates() []incidents.PostmortemTemplate
	DraftPostmortem(ctx context.Context, who access.Principal, r NewPostmortem) (incidents.Postmortem, error)
	// SavePostmortem stores an edit as a new version; what collides with another's is a fault.Conflict with both texts.
	SavePostmortem(ctx context.Context, who access.Principal, id string, e incidents.Edit) (incidents.Postmortem, error)
	RefreshPostmortem(ctx context.Context, who access.Principal, id string) (incidents.Postmortem, error)
	MovePostmortem(ctx context.Context, who access.Principal, id string, step incidents.ReviewStep, reason string) (incidents.Postmortem, error)
	PublishPostmortem(ctx context.Context, who access.Principal, id string, publish bool) (incidents.Postmortem, error)
	PostmortemVersions(ctx context.Context, who access.Principal, id string) ([]incidents.PostmortemVersion, error)
	CommentPostmortem(ctx context.Context, who access.Principal, id, section, text string) error
	PostmortemComments(ctx context.Context, who access.Principal, id string) ([]incidents.PostmortemComment, error)
	// ExportPostmortem writes it as md, html or pdf.
	ExportPostmortem(ctx context.Context, who access.Principal, id, format string) (content []byte, mediaType string, err error)
	// Duties returns the reviews that are required and not done, the first due first.
	Duties(ctx context.Context, who access.Principal, overdue bool) ([]incidents.Duty, error)

	ActionItems(ctx context.Context, who access.Principal, f incidents.ActionFilter) ([]incidents.ActionItem, error)
	ActionItem(ctx context.Context, who access.Principal, id string) (incidents.ActionItem, error)
	AddActionItem(ctx context.Context, who access.Principal, postmortem string, e incidents.ActionEdit) (incidents.ActionItem, error)
	ChangeActionItem(ctx context.Context, who access.Principal, id string, e incidents.ActionEdit) (incidents.ActionItem, error)
}

// NewPostmortem is what a postmortem is drafted from.
type NewPostmortem struct {
	Incidents []string `json:"incidents" minItems:"1" maxItems:"20" doc:"UUIDs or numbers of the incidents it is about." example:"[\"42\"]"`
	Template  string   `json:"template,omitempty" maxLength:"200" doc:"Empty is the one that the policy or the service asks for, else the default."`
	Owner     string   `json:"owner,omitempty" maxLength:"254" doc:"E-mail of who sees it through; empty is who acknowledged, else you."`
}

type postmortemsInput struct {
	State    string `query:"state" enum:"draft,in_review,reviewed,closed,"`
	Service  string `query:"service" maxLength:"200"`
	Incident string `query:"incident" maxLength:"64" doc:"UUID or number of an incident it is about."`
	Query    string `query:"q" maxLength:"500" doc:"Words to be found, as in a search engine: quotes for phrases, - for words to leave out, or."`
	Limit    int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Before   int64  `query:"before" minimum:"0" doc:"Only numbers below this one."`
}

type postmortemList struct {
	Postmortems []incidents.Postmortem `json:"postmortems" doc:"The newest first; the best first where words are asked for."`
}

type postmortemInput struct {
	ID string `path:"id" maxLength:"64" doc:"UUID or number of the postmortem."`
}

type newPostmortemInput struct{ Body NewPostmortem }

type postmortemEdit struct {
	Base       int               `json:"base" minimum:"1" doc:"The version that you edited. Edits of different sections are joined; where somebody else has saved the same one, it is a conflict with both texts."`
	Title      *string           `json:"title,omitempty" maxLength:"300"`
	Owner      *string           `json:"owner,omitempty" maxLength:"254"`
	NoneNeeded *string           `json:"noneNeeded,omitempty" maxLength:"500" doc:"Why no action item is needed."`
	Texts      map[string]string `json:"texts,omitempty" doc:"Markdown by section key; sections that are left out stay as they are."`
}

type postmortemEditInput struct {
	ID   string `path:"id" maxLength:"64" doc:"UUID or number of the postmortem."`
	Body postmortemEdit
}

type postmortemMoveInput struct {
	ID   string `path:"id" maxLength:"64" doc:"UUID or number of the postmortem."`
	Step string `path:"step" enum:"submit,approve,close,return"`
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"500" doc:"Needed to send it back."`
	}
}

type postmortemPublishInput struct {
	ID   string `path:"id" maxLength:"64" doc:"UUID or number of the postmortem."`
	Body struct {
		Published bool `json:"published"`
	}
}

type postmortemCommentInput struct {
	ID   string `path:"id" maxLength:"64" doc:"UUID or number of the postmortem."`
	Body struct {
		Section string `json:"section,omitempty" maxLength:"63"`
		Text    string `json:"text" minLength:"1" maxLength:"5000"`
	}
}

type postmortemExportInput struct {
	ID     string `path:"id" maxLength:"64" doc:"UUID or number of the postmortem."`
	Format string `path:"format" enum:"md,html,pdf"`
}

type dutiesInput struct {
	Overdue bool `query:"overdue" doc:"Only those whose time has passed."`
}

type dutyList struct {
	Duties []incidents.Duty `json:"duties" doc:"Required and not reviewed yet, the first due first."`
}

type templateList struct {
	Templates []incidents.PostmortemTemplate `json:"templates"`
}

type postmortemVersionList struct {
	Versions []incidents.PostmortemVersion `json:"versions" doc:"The oldest first."`
}

type postmortemCommentList struct {
	Comments []incidents.PostmortemComment `json:"comments" doc:"The oldest first."`
}

func (a *API) mountPostmortems() {
	const tag = "Postmortems"
	register(a, operation{id: "list-postmortems", method: get, path: "/postmortems", tag: tag, role: access.Viewer, audience: anyone,
		summary: "List and search postmortems", about: "A tenant's people see those that were published to them."}, a.listPostmortems)
	register(a, operation{id: "draft-postmortem", method: post, path: "/postmortems", tag: tag, role: access.Responder, audience: operatorOnly, slow: true,
		status: http.StatusCreated, summary: "Draft the postmortem of one or several incidents, with its figures filled in"}, a.draftPostmortem)
	register(a, operation{id: "list-postmortem-templates", method: get, path: "/postmortem-templates", tag: tag, role: access.Viewer,
		audience: operatorOnly, summary: "List what postmortems can be drafted from"}, a.postmortemTemplates)
	register(a, operation{id: "list-postmortem-duties", method: get, path: "/postmortem-duties", tag: tag, role: access.Viewer, audience: operatorOnly,
		summary: "List postmortems that are required and not reviewed yet"}, a.duties)
	register(a, operation{id: "get-postmortem", method: get, path: "/postmortems/{id}", tag: tag, role: access.Viewer, audience: anyone,
		summary: "Read a postmortem"}, a.getPostmortem)
	register(a, operation{id: "save-postmortem", method: http.MethodPatch, path: "/postmortems/{id}", tag: tag, role: access.Responder,
		audience: operatorOnly, summary: "Save people's words as a new version",
		about: "A conflict has two details for each place, <section>.theirs and <section>.yours; nothing was stored then."}, a.savePostmortem)
	register(a, operation{id: "refresh-postmortem", method: post, path: "/postmortems/{id}/refresh", tag: tag, role: access.Responder, slow: true,
		audience: operatorOnly, summary: "Fill the figures in anew; people's words stay as they are"}, a.refreshPostmortem)
	register(a, operation{id: "move-postmortem", method: post, path: "/postmortems/{id}/steps/{step}", tag: tag, role: access.Responder,
		audience: operatorOnly, summary: "Submit, approve or close a postmortem, or send it back with a reason",
		about: "Before a review its required sections are filled, and there is an action item or a reason why none is needed. Whoever has written it cannot approve it."},
		a.movePostmortem)
	register(a, operation{id: "publish-postmortem", method: post, path: "/postmortems/{id}/publish", tag: tag, role: access.Editor,
		audience: operatorOnly, summary: "Let the tenant read its postmortem, or no longer"}, a.publishPostmortem)
	register(a, operation{id: "list-postmortem-versions", method: get, path: "/postmortems/{id}/versions", tag: tag, role: access.Viewer,
		audience: operatorOnly, summary: "Read every save of a postmortem"}, a.postmortemVersions)
	register(a, operation{id: "list-postmortem-comments", method: get, path: "/postmortems/{id}/comments", tag: tag, role: access.Viewer,
		audience: operatorOnly, summary: "Read what was said about a postmortem"}, a.postmortemComments)
	register(a, operation{id: "comment-postmortem", method: post, path: "/postmortems/{id}/comments", tag: tag, role: access.Responder,
		audience: operatorOnly, summary: "Comment on a postmortem, or on one of its sections"}, a.commentPostmortem)
	register(a, operation{id: "export-postmortem", method: get, path: "/postmortems/{id}/export/{format}", tag: tag, role: access.Viewer, audience: anyone,
		produces: "application/octet-stream", summary: "Hand a postmortem on as Markdown, HTML in one file, or PDF",
		about: "The same version, state and action items give the same bytes."}, a.exportPostmortem)
	a.mountActionItems()
}

func (a *API) listPostmortems(ctx context.Context, in *postmortemsInput) (*body[postmortemList], error) {
	f := incidents.PostmortemFilter{State: incidents.ReviewState(in.State), Service: in.Service, Incident: in.Incident, Query: in.Query,
		Limit: in.Limit, Before: in.Before}
	found, err := a.deps.Postmortems.Postmortems(ctx, access.PrincipalOf(ctx), f)
	return show(postmortemList{list(found)}, err)
}

func (a *API) draftPostmortem(ctx context.Context, in *newPostmortemInput) (*body[incidents.Postmortem], error) {
	return show(a.deps.Postmortems.DraftPostmortem(ctx, access.PrincipalOf(ctx), in.Body))
}

func (a *API) postmortemTemplates(context.Context, *struct{}) (*body[templateList], error) {
	return show(templateList{list(a.deps.Postmortems.PostmortemTemplates())}, nil)
}

func (a *API) duties(ctx context.Context, in *dutiesInput) (*body[dutyList], error) {
	found, err := a.deps.Postmortems.Duties(ctx, access.PrincipalOf(ctx), in.Overdue)
	return show(dutyList{list(found)}, err)
}

func (a *API) getPostmortem(ctx context.Context, in *postmortemInput) (*body[incidents.Postmortem], error) {
	return show(a.deps.Postmortems.Postmortem(ctx, access.PrincipalOf(ctx), in.ID))
}

func (a *API) savePostmortem(ctx context.Context, in *postmortemEditInput) (*body[incidents.Postmortem], error) {
	return show(a.deps.Postmortems.SavePostmortem(ctx, access.PrincipalOf(ctx), in.ID, incidents.Edit(in.Body)))
}

func (a *API) refreshPostmortem(ctx context.Context, in *postmortemInput) (*body[incidents.Postmortem], error) {
	return show(a.deps.Postmortems.RefreshPostmortem(ctx, access.PrincipalOf(ctx), in.ID))
}

func (a *API) movePostmortem(ctx context.Context, in *postmortemMoveInput) (*body[incidents.Postmortem], error) {
	return show(a.deps.Postmortems.MovePostmortem(ctx, access.PrincipalOf(ctx), in.ID, incidents.ReviewStep(in.Step), in.Body.Reason))
}

func (a *API) publishPostmortem(ctx context.Context, in *postmortemPublishInput) (*body[incidents.Postmortem], error) {
	return show(a.deps.Postmortems.PublishPostmortem(ctx, access.PrincipalOf(ctx), in.ID, in.Body.Published))
}

func (a *API) postmortemVersions(ctx context.Context, in *postmortemInput) (*body[postmortemVersionList], error) {
	found, err := a.deps.Postmortems.PostmortemVersions(ctx, access.PrincipalOf(ctx), in.ID)
	return show(postmortemVersionList{list(found)}, err)
}

func (a *API) postmortemComments(ctx context.Context, in *postmortemInput) (*body[postmortemCommentList], error) {
	found, err := a.deps.Postmortems.PostmortemComments(ctx, access.PrincipalOf(ctx), in.ID)
	return show(postmortemCommentList{list(found)}, err)
}

func (a *API) commentPostmortem(ctx context.Context, in *postmortemCommentInput) (*body[postmortemCommentList], error) {
	if err := a.deps.Postmortems.CommentPostmortem(ctx, access.PrincipalOf(ctx), in.ID, in.Body.Section, in.Body.Text); err != nil {
		return nil, err
	}
	return a.postmortemComments(ctx, &postmortemInput{in.ID})
}

func (a *API) exportPostmortem(ctx context.Context, in *postmortemExportInput) (*huma.StreamResponse, error) {
	content, mediaType, err := a.deps.Postmortems.ExportPostmortem(ctx, access.PrincipalOf(ctx), in.ID, in.Format)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(h huma.Context) {
		h.SetHeader("Content-Type", mediaType)
		h.SetHeader("Content-Disposition", fmt.Sprintf("attachment; filename=\"postmortem-%s.%s\"", in.ID, in.Format))
		_, err := h.BodyWriter().Write(content)
		exchangeOf(ctx).failed(err)
	}}, nil
}
