package web

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// Postmortems keeps reviews of incidents and what was agreed on in them. A tenant's people read what was published to
// them; all else is the operator's own.
type Postmortems interface {
	Postmortems(ctx context.Context, who access.Principal, f incidents.PostmortemFilter) ([]incidents.Postmortem, error)
	Postmortem(ctx context.Context, who access.Principal, id string) (incidents.Postmortem, error)
	Draft(ctx context.Context, who access.Principal, incident string) (incidents.Postmortem, error)
	// SavePostmortem stores an edit; one that collides is a fault.Conflict with both texts.
	SavePostmortem(ctx context.Context, who access.Principal, id string, e incidents.Edit) (incidents.Postmortem, error)
	RefreshPostmortem(ctx context.Context, who access.Principal, id string) (incidents.Postmortem, error)
	MovePostmortem(ctx context.Context, who access.Principal, id string, step incidents.ReviewStep, reason string) (incidents.Postmortem, error)
	PublishPostmortem(ctx context.Context, who access.Principal, id string, publish bool) (incidents.Postmortem, error)
	PostmortemVersions(ctx context.Context, who access.Principal, id string) ([]incidents.PostmortemVersion, error)
	CommentPostmortem(ctx context.Context, who access.Principal, id, section, text string) error
	PostmortemComments(ctx context.Context, who access.Principal, id string) ([]incidents.PostmortemComment, error)
	ExportPostmortem(ctx context.Context, who access.Principal, id, format string) (content []byte, mediaType string, err error)
	Duties(ctx context.Context, who access.Principal, overdue bool) ([]incidents.Duty, error)
	ActionItems(ctx context.Context, who access.Principal, f incidents.ActionFilter) ([]incidents.ActionItem, error)
	AddActionItem(ctx context.Context, who access.Principal, postmortem string, e incidents.ActionEdit) (incidents.ActionItem, error)
	ChangeActionItem(ctx context.Context, who access.Principal, id string, e incidents.ActionEdit) (incidents.ActionItem, error)
}

func (s *site) mountPostmortems(app fiber.Router) {
	if s.Postmortems == nil {
		return
	}
	app.Post("/incidents/:id/postmortem", s.signedIn(s.draftPostmortem))
	app.Get("/postmortems", s.signedIn(s.postmortemList))
	app.Get("/postmortems/:id", s.signedIn(s.postmortemPage))
	app.Post("/postmortems/:id", s.signedIn(s.savePostmortem))
	app.Post("/postmortems/:id/refresh", s.signedIn(s.refreshPostmortem))
	app.Post("/postmortems/:id/steps/:step", s.signedIn(s.movePostmortem))
	app.Post("/postmortems/:id/publish", s.signedIn(s.publishPostmortem))
	app.Post("/postmortems/:id/comments", s.signedIn(s.commentPostmortem))
	app.Post("/postmortems/:id/items", s.signedIn(s.addAction))
	app.Get("/postmortems/:id/versions/:version", s.signedIn(s.postmortemVersion))
	app.Get("/postmortems/:id/export/:format", s.signedIn(s.exportPostmortem))
	app.Get("/action-items", s.signedIn(s.actionList))
	app.Post("/action-items/:id", s.signedIn(s.changeAction))
}

type postmortemListView struct {
	Query, State string
	States       []stateChoice
	Rows         []postmortemRow
	Duties       []dutyRow
	Asked        bool
	Operator     bool
}

type stateChoice struct {
	State incidents.ReviewState
	Word  string
	On    bool
}

type postmortemRow struct {
	incidents.Postmortem
	Word, Class string
	Due         dueView
}

type dueView struct {
	At      *time.Time
	Overdue bool
}

type dutyRow struct {
	incidents.Duty
	Late bool
}

func postmortemRowOf(p incidents.Postmortem, now time.Time) postmortemRow {
	row := postmortemRow{Postmortem: p, Word: p.State.Words(), Class: "calm"}
	switch p.State {
	case incidents.ReviewDraft:
		row.Word, row.Class = "draft", "idle"
	case incidents.InReview:
		row.Class = "warm"
	}
	open := p.State == incidents.ReviewDraft || p.State == incidents.InReview
	row.Due = dueView{p.DueAt, open && p.DueAt != nil && now.After(*p.DueAt)}
	if row.Due.Overdue {
		row.Class = "hot"
	}
	return row
}

func (s *site) postmortemList(c *fiber.Ctx, who access.Principal) error {
	view := postmortemListView{Query: strings.Clone(c.Query("q")), State: strings.Clone(c.Query("state")), Operator: requireOperator(who, access.Viewer) == nil}
	for _, state := range []incidents.ReviewState{"", incidents.ReviewDraft, incidents.InReview, incidents.Reviewed, incidents.ReviewClosed} {
		word := map[incidents.ReviewState]string{"": "All", incidents.ReviewDraft: "Drafts"}[state]
		if word == "" {
			word = asSentence(state.Words())[:len(state.Words())]
		}
		view.States = append(view.States, stateChoice{state, word, string(state) == view.State})
	}
	m, now := s.missing(c.UserContext()), s.Now().UTC()
	found, err := s.Postmortems.Postmortems(c.UserContext(), who, incidents.PostmortemFilter{Query: view.Query, State: incidents.ReviewState(view.State), Limit: 200})
	if err != nil && final(err) {
		return err
	}
	m.note("postmortems", err)
	view.Asked = err == nil
	for _, p := range found {
		view.Rows = append(view.Rows, postmortemRowOf(p, now))
	}
	if view.Operator {
		duties, err := s.Postmortems.Duties(c.UserContext(), who, false)
		m.note("what is due", err)
		for _, d := range duties {
			view.Duties = append(view.Duties, dutyRow{d, d.Overdue(now)})
		}
	}
	return s.render(c, fiber.StatusOK, page{Template: "postmortems", Title: "Postmortems", Section: "postmortems", Missing: m.texts(), Body: view})
}

type postmortemPageView struct {
	postmortemRow
	Sections []sectionView
	Items    []actionRow
	Comments []incidents.PostmortemComment
	Versions []incidents.PostmortemVersion // the newest first
	Left     []string                      // what keeps it from its review
	Edit     bool                          // this viewer may write now
	Act      bool                          // this viewer may move it from state to state
	Publish  bool
	Operator bool
	Mine     bool // this viewer has written it
	URL      string
	Kinds    []incidents.ActionKind
	Today    string
}

type sectionView struct {
	incidents.Section
	Shown   template.HTML // people's words
	Figured template.HTML
	Missing bool
}

func postmortemURL(p incidents.Postmortem) string {
	return "/postmortems/" + strconv.FormatInt(p.Number, 10)
}

func (s *site) postmortemPage(c *fiber.Ctx, who access.Principal) error {
	p, err := s.Postmortems.Postmortem(c.UserContext(), who, c.Params("id"))
	if err != nil {
		return err
	}
	now := s.Now().UTC()
	view := postmortemPageView{postmortemRow: postmortemRowOf(p, now), URL: postmortemURL(p), Operator: requireOperator(who, access.Viewer) == nil,
		Act: requireOperator(who, access.Responder) == nil, Kinds: incidents.ActionKinds, Today: now.Format(time.DateOnly)}
	view.Edit = view.Act && p.State != incidents.ReviewClosed
	view.Publish = requireOperator(who, access.Editor) == nil && p.Tenant != ""
	for _, part := range p.Sections {
		view.Sections = append(view.Sections, sectionView{part, markdown(part.Text, 3), markdown(part.Figures, 3), part.Required && !part.Filled()})
	}
	m := s.missing(c.UserContext())
	if view.Operator {
		s.addDiscussion(c.UserContext(), who, p, &view, m, now)
	}
	return s.render(c, fiber.StatusOK, page{
		Template: "postmortem-page", Title: fmt.Sprintf("Postmortem %d", p.Number), Section: "postmortems", Missing: m.texts(), Body: view,
	})
}

// addDiscussion adds what the operator's people see beside the document.
func (s *site) addDiscussion(ctx context.Context, who access.Principal, p incidents.Postmortem, view *postmortemPageView, m *missing, now time.Time) {
	items, err := s.Postmortems.ActionItems(ctx, who, incidents.ActionFilter{Postmortem: p.ID, Limit: 500})
	m.note("action items", err)
	kept := 0
	for _, i := range items {
		row := actionRowOf(i, now, view.Act)
		row.Back = view.URL + "#items"
		view.Items = append(view.Items, row)
		if i.State != incidents.ActionDropped {
			kept++
		}
	}
	if err == nil && p.State == incidents.ReviewDraft {
		view.Left = p.Missing(kept)
	}
	view.Comments, err = s.Postmortems.PostmortemComments(ctx, who, p.ID)
	m.note("comments", err)
	versions, err := s.Postmortems.PostmortemVersions(ctx, who, p.ID)
	m.note("versions", err)
	view.Mine = p.Author == who.Name
	for n := len(versions) - 1; n >= 0; n-- {
		view.Versions = append(view.Versions, versions[n])
		view.Mine = view.Mine || (versions[n].Name == who.Name && versions[n].What != "refreshed")
	}
}

// draftPostmortem stores the draft of an incident's postmortem and goes on to it.
func (s *site) draftPostmortem(c *fiber.Ctx, who access.Principal) error {
	p, err := s.Postmortems.Draft(c.UserContext(), who, c.Params("id"))
	if err != nil {
		return told(err)
	}
	s.setFlash(c, "drafted")
	return c.Redirect(postmortemURL(p), fiber.StatusSeeOther)
}

// conflictView is the page of an edit that collided: both texts, and a form to save them as one.
type conflictView struct {
	URL     string
	Section incidents.Section
	Field   string // what the form calls it
	Message string
	Base    int
	Theirs  string
	Yours   string
}

// savePostmortem saves one part of the page: a section, or title, owner and why no action item is needed.
func (s *site) savePostmortem(c *fiber.Ctx, who access.Principal) error {
	base, _ := strconv.Atoi(c.FormValue("base"))
	e, key := incidents.Edit{Base: base}, strings.Clone(c.FormValue("section"))
	if key != "" {
		e.Texts = map[string]string{key: strings.Clone(c.FormValue("text"))}
	} else {
		for name, field := range map[string]**string{"title": &e.Title, "owner": &e.Owner, "noneNeeded": &e.NoneNeeded} {
			if args := c.Request().PostArgs(); args.Has(name) {
				value := string(args.Peek(name))
				*field = &value
			}
		}
	}
	p, err := s.Postmortems.SavePostmortem(c.UserContext(), who, c.Params("id"), e)
	var lost *fault.Error
	if fault.Is(err, fault.Conflict) && errors.As(err, &lost) && len(lost.Details) > 1 && key != "" {
		return s.collided(c, who, key, lost)
	}
	if err != nil {
		return told(err)
	}
	s.setFlash(c, "saved")
	return c.Redirect(postmortemURL(p)+"#"+key, fiber.StatusSeeOther)
}

func (s *site) collided(c *fiber.Ctx, who access.Principal, key string, lost *fault.Error) error {
	p, err := s.Postmortems.Postmortem(c.UserContext(), who, c.Params("id"))
	if err != nil {
		return err
	}
	view := conflictView{URL: postmortemURL(p), Field: key, Message: asSentence(lost.Message), Base: p.Version,
		Theirs: lost.Details[0].Message, Yours: lost.Details[1].Message}
	if section := p.Section(key); section != nil {
		view.Section, view.Theirs = *section, section.Text
	}
	return s.render(c, fiber.StatusConflict, page{Template: "postmortem-conflict", Title: "Two have written at once", Section: "postmortems", Body: view})
}

func (s *site) refreshPostmortem(c *fiber.Ctx, who access.Principal) error {
	p, err := s.Postmortems.RefreshPostmortem(c.UserContext(), who, c.Params("id"))
	if err != nil {
		return told(err)
	}
	s.setFlash(c, "refreshed")
	return c.Redirect(postmortemURL(p), fiber.StatusSeeOther)
}

func (s *site) movePostmortem(c *fiber.Ctx, who access.Principal) error {
	step := incidents.ReviewStep(strings.Clone(c.Params("step")))
	p, err := s.Postmortems.MovePostmortem(c.UserContext(), who, c.Params("id"), step, strings.Clone(c.FormValue("reason")))
	if err != nil {
		return err // its message names all that is missing
	}
	s.setFlash(c, "moved")
	return c.Redirect(postmortemURL(p), fiber.StatusSeeOther)
}

func (s *site) publishPostmortem(c *fiber.Ctx, who access.Principal) error {
	p, err := s.Postmortems.PublishPostmortem(c.UserContext(), who, c.Params("id"), c.FormValue("published") == "true")
	if err != nil {
		return err
	}
	s.setFlash(c, "moved")
	return c.Redirect(postmortemURL(p), fiber.StatusSeeOther)
}

func (s *site) commentPostmortem(c *fiber.Ctx, who access.Principal) error {
	id := strings.Clone(c.Params("id"))
	if err := s.Postmortems.CommentPostmortem(c.UserContext(), who, id, strings.Clone(c.FormValue("section")), strings.Clone(c.FormValue("text"))); err != nil {
		return told(err)
	}
	s.setFlash(c, "commented")
	return c.Redirect("/postmortems/"+id+"#comments", fiber.StatusSeeOther)
}

type versionView struct {
	incidents.PostmortemVersion
	URL    string
	Number int64
	Diffs  []incidents.SectionDiff
}

func (s *site) postmortemVersion(c *fiber.Ctx, who access.Principal) error {
	p, err := s.Postmortems.Postmortem(c.UserContext(), who, c.Params("id"))
	if err != nil {
		return err
	}
	versions, err := s.Postmortems.PostmortemVersions(c.UserContext(), who, p.ID)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(c.Params("version"))
	if err != nil || n < 1 || n > len(versions) {
		return fault.New(fault.NotFound, "there is no version %q", c.Params("version"))
	}
	view := versionView{PostmortemVersion: versions[n-1], URL: postmortemURL(p), Number: p.Number}
	before := incidents.PostmortemVersion{}
	if n > 1 {
		before = versions[n-2]
	}
	view.Diffs = incidents.Compare(before, versions[n-1])
	return s.render(c, fiber.StatusOK, page{
		Template: "postmortem-version", Title: fmt.Sprintf("Postmortem %d, version %d", p.Number, n), Section: "postmortems", Body: view,
	})
}

func (s *site) exportPostmortem(c *fiber.Ctx, who access.Principal) error {
	id, format := strings.Clone(c.Params("id")), strings.Clone(c.Params("format"))
	content, mediaType, err := s.Postmortems.ExportPostmortem(c.UserContext(), who, id, format)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, mediaType)
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(fiber.HeaderContentDisposition, fmt.Sprintf(`attachment; filename="postmortem-%s.%s"`, id, format))
	return c.Send(content)
}
