package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// reviews is the world's postmortems.
type reviews struct{ *world }

func aPostmortem() incidents.Postmortem {
	return incidents.Postmortem{ID: "p-1", Number: 2, Title: "Checkout was away", State: incidents.ReviewDraft, Version: 1,
		Sections: []incidents.Section{{Key: "trigger", Title: "Trigger"}}, Incidents: []incidents.ReviewedIncident{}}
}

func (r reviews) Postmortems(ctx context.Context, _ access.Principal, f incidents.PostmortemFilter) ([]incidents.Postmortem, error) {
	p := aPostmortem()
	p.Title = f.Query
	return []incidents.Postmortem{p}, r.gate(ctx)
}

func (r reviews) Postmortem(ctx context.Context, _ access.Principal, _ string) (incidents.Postmortem, error) {
	return aPostmortem(), r.gate(ctx)
}

func (r reviews) PostmortemTemplates() []incidents.PostmortemTemplate {
	return []incidents.PostmortemTemplate{incidents.DefaultTemplate()}
}

func (r reviews) DraftPostmortem(ctx context.Context, who access.Principal, n NewPostmortem) (incidents.Postmortem, error) {
	p := aPostmortem()
	p.Author, p.Template = who.Name, strings.Join(n.Incidents, " ")
	return p, r.gate(ctx)
}

func (r reviews) SavePostmortem(ctx context.Context, _ access.Principal, _ string, e incidents.Edit) (incidents.Postmortem, error) {
	if err := r.gate(ctx); err != nil {
		return incidents.Postmortem{}, err
	}
	if e.Base != 1 {
		return incidents.Postmortem{}, incidents.Lost("grace@example.com", 2, []incidents.Collision{{Section: "trigger", Theirs: "a deploy", Yours: e.Texts["trigger"]}})
	}
	return aPostmortem().Apply(e, time.Unix(1, 0))
}

func (r reviews) RefreshPostmortem(ctx context.Context, _ access.Principal, _ string) (incidents.Postmortem, error) {
	return aPostmortem(), r.gate(ctx)
}

func (r reviews) MovePostmortem(ctx context.Context, _ access.Principal, _ string, step incidents.ReviewStep, reason string) (incidents.Postmortem, error) {
	p := aPostmortem()
	p.Title = string(step) + " " + reason
	return p, r.gate(ctx)
}

func (r reviews) PublishPostmortem(ctx context.Context, _ access.Principal, _ string, _ bool) (incidents.Postmortem, error) {
	return aPostmortem(), r.gate(ctx)
}

func (r reviews) PostmortemVersions(ctx context.Context, _ access.Principal, _ string) ([]incidents.PostmortemVersion, error) {
	return nil, r.gate(ctx)
}

func (r reviews) CommentPostmortem(ctx context.Context, _ access.Principal, _, _, _ string) error {
	return r.gate(ctx)
}

func (r reviews) PostmortemComments(ctx context.Context, _ access.Principal, _ string) ([]incidents.PostmortemComment, error) {
	return nil, r.gate(ctx)
}

func (r reviews) ExportPostmortem(ctx context.Context, _ access.Principal, _, format string) ([]byte, string, error) {
	mediaType := map[string]string{"md": "text/markdown", "html": "text/html", "pdf": "application/pdf"}[format]
	return []byte("as " + format), mediaType, r.gate(ctx)
}

func (r reviews) Duties(ctx context.Context, _ access.Principal, _ bool) ([]incidents.Duty, error) {
	return nil, r.gate(ctx)
}

func anItem() incidents.ActionItem {
	due := time.Unix(1, 0).UTC()
	return incidents.ActionItem{ID: "a-1", Number: 2, Title: "test it", Kind: incidents.Prevent, State: incidents.ActionOpen, DueAt: &due}
}

func (r reviews) ActionItems(ctx context.Context, _ access.Principal, _ incidents.ActionFilter) ([]incidents.ActionItem, error) {
	return []incidents.ActionItem{anItem()}, r.gate(ctx)
}

func (r reviews) ActionItem(ctx context.Context, _ access.Principal, _ string) (incidents.ActionItem, error) {
	return anItem(), r.gate(ctx)
}

func (r reviews) AddActionItem(ctx context.Context, _ access.Principal, _ string, e incidents.ActionEdit) (incidents.ActionItem, error) {
	if err := r.gate(ctx); err != nil {
		return incidents.ActionItem{}, err
	}
	return anItem().Apply(e, time.Unix(1, 0))
}

func (r reviews) ChangeActionItem(ctx context.Context, who access.Principal, _ string, e incidents.ActionEdit) (incidents.ActionItem, error) {
	return r.AddActionItem(ctx, who, "", e)
}

func TestBothTextsOfACollisionReachTheClient(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	p := ask(t, app, http.MethodPatch, "/api/v1/postmortems/2", `{"base":2,"texts":{"trigger":"load"}}`, bearer("responder")).problem(t)
	if p.Code != fault.Conflict.String() || len(p.Errors) != 2 || p.Errors[0].Location != "trigger.theirs" || p.Errors[0].Message != "a deploy" || p.Errors[1].Message != "load" {
		t.Errorf("%+v", p)
	}
}

func TestWhatIsLeftOutOfAnActionItemStays(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	got := ask(t, app, http.MethodPatch, "/api/v1/action-items/2", `{"owner":"Ada@example.com"}`, bearer("responder"))
	var item actionItem
	if err := json.Unmarshal([]byte(got.text), &item); err != nil || item.Owner != "ada@example.com" || item.Title != "test it" || !item.Overdue {
		t.Errorf("%d %s %v", got.status, got.text, err)
	}
	if got := ask(t, app, http.MethodPatch, "/api/v1/action-items/2", `{"state":"dropped"}`, bearer("responder")); got.status != http.StatusBadRequest {
		t.Errorf("dropped without a reason: %d %s", got.status, got.text)
	}
}

func TestAnExportIsAFile(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	got := ask(t, app, get, "/api/v1/postmortems/2/export/pdf", "", bearer("viewer"))
	if got.text != "as pdf" || got.header.Get("Content-Type") != "application/pdf" || got.header.Get("Content-Disposition") != `attachment; filename="postmortem-2.pdf"` {
		t.Errorf("%s %v", got.text, got.header)
	}
}
