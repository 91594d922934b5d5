package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// reviewed is the world's postmortem, with what was done to it.
type reviewed struct {
	stored   []incidents.Postmortem
	versions []incidents.PostmortemVersion
	comments []incidents.PostmortemComment
	items    []incidents.ActionItem
}

// postmortemsOf keeps one postmortem in memory, by the domain's own rules.
type postmortemsOf struct{ *world }

func (w *world) writeReview() {
	found := []incidents.Found{{Incident: w.incidents[0], Events: w.events[w.incidents[0].ID]}}
	p, err := incidents.NewPostmortem(incidents.DefaultTemplate(), found, "linus@example.com", "linus@example.com", w.ago(26*time.Hour))
	if err != nil {
		panic(err)
	}
	due := w.ago(-30 * time.Hour)
	p.ID, p.Number, p.DueAt = "8d4f8f0a-8a55-4a6b-9a0e-0d3f5b1f2c11", 7, &due
	p.Section("summary").Text = "Checkout **failed** for a fifth of the customers while the pool was exhausted.\n\n- retries made it worse\n- `max_connections` was 100"
	p.Section("root-causes").Text = "Retries without a budget."
	w.reviews.stored = []incidents.Postmortem{p}
	before := incidents.PostmortemVersion{Version: 1, At: w.ago(26 * time.Hour), Name: "linus@example.com", What: "drafted", Title: p.Title, Sections: append([]incidents.Section{}, p.Sections...)}
	before.Sections[0].Text = "Checkout failed.\n\n- retries made it worse"
	after := incidents.PostmortemVersion{Version: 2, At: w.ago(time.Hour), Name: "linus@example.com", What: "edited", Title: p.Title, Sections: p.Sections}
	w.reviews.versions = []incidents.PostmortemVersion{before, after}
	w.reviews.stored[0].Version = 2
	w.reviews.comments = []incidents.PostmortemComment{{ID: 1, At: w.ago(time.Hour), Name: "grace@example.com", Section: "trigger", Text: "Was it the deploy?\nI think so."}}
	past, next := w.ago(40*time.Hour), w.ago(-90*time.Hour)
	w.reviews.items = []incidents.ActionItem{
		{ID: "a1", Number: 3, Title: "Give retries a budget in every client that calls the checkout", Kind: incidents.Prevent, Owner: "linus@example.com", State: incidents.ActionOpen, DueAt: &past, Service: "shop", TrackerKey: "SHOP-118", TrackerURL: "https://tracker.example/SHOP-118"},
		{ID: "a2", Number: 4, Title: "Alert on the pool", Kind: incidents.Detect, State: incidents.ActionOpen, DueAt: &next, Service: "shop", SyncError: "the tracker answered 502"},
		{ID: "a3", Number: 5, Title: "A bigger pool", Kind: incidents.Mitigate, Owner: "grace@example.com", State: incidents.ActionDropped, Reason: "the budget is enough"},
	}
}

func (p postmortemsOf) Postmortems(_ context.Context, who access.Principal, f incidents.PostmortemFilter) ([]incidents.Postmortem, error) {
	if p.failing != nil || who.Tenant != "" || f.Incident != "" && len(p.reviews.stored) > 0 && f.Incident != p.reviews.stored[0].Incidents[0].ID {
		return nil, p.failing
	}
	return p.reviews.stored, nil
}

func (p postmortemsOf) Postmortem(_ context.Context, who access.Principal, id string) (incidents.Postmortem, error) {
	if p.failing != nil {
		return incidents.Postmortem{}, p.failing
	}
	if who.Tenant != "" || len(p.reviews.stored) == 0 || id != "7" {
		return incidents.Postmortem{}, fault.New(fault.NotFound, "there is no postmortem %q", id)
	}
	return p.reviews.stored[0], nil
}

func (p postmortemsOf) Draft(_ context.Context, who access.Principal, _ string) (incidents.Postmortem, error) {
	p.writeReview()
	return p.reviews.stored[0], who.Require(access.Responder)
}

func (p postmortemsOf) SavePostmortem(ctx context.Context, who access.Principal, id string, e incidents.Edit) (incidents.Postmortem, error) {
	stored, err := p.Postmortem(ctx, who, id)
	if err != nil {
		return stored, err
	}
	base := stored
	if e.Base != stored.Version {
		base.Sections = p.reviews.versions[e.Base-1].Sections
	}
	if found := incidents.Collide(base, stored, e); len(found) > 0 {
		return stored, incidents.Lost("grace", stored.Version, found)
	}
	after, err := stored.Apply(e.Fresh(base), p.now)
	if err == nil {
		p.reviews.stored[0] = after
	}
	return after, err
}

func (p postmortemsOf) RefreshPostmortem(ctx context.Context, who access.Principal, id string) (incidents.Postmortem, error) {
	return p.Postmortem(ctx, who, id)
}

func (p postmortemsOf) MovePostmortem(ctx context.Context, who access.Principal, id string, step incidents.ReviewStep, reason string) (incidents.Postmortem, error) {
	stored, err := p.Postmortem(ctx, who, id)
	if err != nil {
		return stored, err
	}
	after, err := stored.Move(incidents.ReviewMove{Step: step, By: who.Name, Reason: reason, Items: len(p.reviews.items)}, p.now)
	if err == nil {
		p.reviews.stored[0] = after
	}
	return after, err
}

func (p postmortemsOf) PublishPostmortem(ctx context.Context, who access.Principal, id string, _ bool) (incidents.Postmortem, error) {
	return p.Postmortem(ctx, who, id)
}

func (p postmortemsOf) PostmortemVersions(context.Context, access.Principal, string) ([]incidents.PostmortemVersion, error) {
	return p.reviews.versions, p.failing
}

func (p postmortemsOf) CommentPostmortem(_ context.Context, who access.Principal, _, section, text string) error {
	p.reviews.comments = append(p.reviews.comments, incidents.PostmortemComment{Name: who.Name, Section: section, Text: text, At: p.now})
	return nil
}

func (p postmortemsOf) PostmortemComments(context.Context, access.Principal, string) ([]incidents.PostmortemComment, error) {
	return p.reviews.comments, p.failing
}

func (p postmortemsOf) ExportPostmortem(ctx context.Context, who access.Principal, id, format string) ([]byte, string, error) {
	stored, err := p.Postmortem(ctx, who, id)
	return []byte(stored.Markdown(p.reviews.items)), "text/markdown; charset=utf-8", err
}

func (p postmortemsOf) Duties(context.Context, access.Principal, bool) ([]incidents.Duty, error) {
	if len(p.reviews.stored) == 0 || p.failing != nil {
		return nil, p.failing
	}
	i := p.incidents[1]
	about := incidents.ReviewedIncident{ID: i.ID, Number: i.Number, Title: i.Title, Tenant: i.Tenant}
	return []incidents.Duty{{Incident: about, Owner: "grace@example.com", Policy: "majors", Reason: "it was SEV1, and the policy majors asks for a postmortem then", DueAt: p.ago(5 * time.Hour)}}, nil
}

func (p postmortemsOf) ActionItems(_ context.Context, _ access.Principal, f incidents.ActionFilter) ([]incidents.ActionItem, error) {
	return p.reviews.items, p.failing
}

func (p postmortemsOf) AddActionItem(_ context.Context, _ access.Principal, _ string, e incidents.ActionEdit) (incidents.ActionItem, error) {
	a, err := incidents.ActionItem{ID: "a9", Number: 9, Kind: incidents.Prevent, State: incidents.ActionOpen, CreatedAt: p.now}.Apply(e, p.now)
	if err == nil {
		p.reviews.items = append(p.reviews.items, a)
	}
	return a, err
}

func (p postmortemsOf) ChangeActionItem(_ context.Context, _ access.Principal, id string, e incidents.ActionEdit) (incidents.ActionItem, error) {
	for n, a := range p.reviews.items {
		if a.ID == id {
			after, err := a.Apply(e, p.now)
			if err == nil {
				p.reviews.items[n] = after
			}
			return after, err
		}
	}
	return incidents.ActionItem{}, fault.New(fault.NotFound, "there is no action item %q", id)
}

func TestAPostmortemIsWrittenOnItsPage(t *testing.T) {
	t.Parallel()
	w := newWorld()
	app := w.app(as(ada))
	if a := post(t, app, "/incidents/42/postmortem", nil); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/postmortems/7" {
		t.Fatalf("drafting: %d to %s", a.StatusCode, a.Header.Get("Location"))
	}
	if a := get(t, app, "/incidents/"+w.incidents[0].ID+"/postmortem"); a.Header.Get("Location") != "/postmortems/7" {
		t.Errorf("the draft does not lead to what is stored: %d", a.StatusCode)
	}
	a := get(t, app, "/postmortems/7")
	for _, want := range []string{"<strong>failed</strong>", "From evidence, as of", "to be written", "&#34;Trigger&#34; is empty", "overdue", "SHOP-118", "Was it the deploy?", "/versions/2"} {
		if !a.has(want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if a := post(t, app, "/postmortems/7", url.Values{"base": {"2"}, "section": {"trigger"}, "text": {"a <b>deploy</b>"}}); a.Header.Get("Location") != "/postmortems/7#trigger" {
		t.Errorf("saving: %d to %s", a.StatusCode, a.Header.Get("Location"))
	}
	if a := get(t, app, "/postmortems/7"); !a.has("a &lt;b&gt;deploy") {
		t.Error("what was saved is not shown")
	}
	a = post(t, app, "/postmortems/7", url.Values{"base": {"1"}, "section": {"summary"}, "text": {"My own words."}})
	if a.StatusCode != http.StatusConflict || !a.has("My own words.") || !a.has("Checkout **failed**") || !a.has(`name="base" value="3"`) {
		t.Errorf("two have written: %d\n%s", a.StatusCode, a.body)
	}
	if a := get(t, app, "/postmortems/7/versions/2"); !a.has("<ins>Checkout **failed**") || !a.has("<del>Checkout failed.</del>") {
		t.Error("the version does not show what changed")
	}
}

func TestActionItemsAreFollowedUp(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.writeReview()
	app := w.app(as(ada))
	if a := post(t, app, "/action-items/a1", url.Values{"state": {"dropped"}, "back": {"https://evil.example/"}}); a.StatusCode == http.StatusSeeOther {
		t.Error("an item was dropped without a reason")
	}
	a := post(t, app, "/action-items/a1", url.Values{"state": {"done"}, "back": {"//evil.example/"}})
	if a.Header.Get("Location") != "/action-items" || w.reviews.items[0].State != incidents.ActionDone {
		t.Errorf("%d to %s: %+v", a.StatusCode, a.Header.Get("Location"), w.reviews.items[0])
	}
	a = post(t, app, "/postmortems/7/items", url.Values{"title": {"Test it"}, "kind": {"detect"}, "due": {"2026-12-01"}, "owner": {"ada@example.com"}})
	if item := w.reviews.items[3]; a.StatusCode != http.StatusSeeOther || item.Kind != incidents.Detect || item.DueAt.Format(time.RFC3339) != "2026-12-01T23:59:59Z" {
		t.Errorf("%d: %+v", a.StatusCode, item)
	}
}

func TestPagesOfPostmortemsAreTheOperators(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.writeReview()
	app := w.app(as(acme))
	for path, want := range map[string]int{"/postmortems": 200, "/postmortems/7": 404, "/action-items": 403} {
		if a := get(t, app, path); a.StatusCode != want {
			t.Errorf("%s answers acme %d", path, a.StatusCode)
		}
	}
	viewers := w.app(as(vic))
	for _, path := range []string{"/postmortems", "/postmortems/7", "/action-items"} {
		if a := get(t, viewers, path); strings.Contains(a.body, `class="button primary"`) || a.StatusCode != 200 {
			t.Errorf("%s offers a viewer to act (%d)", path, a.StatusCode)
		}
	}
}

func TestHostileTextStaysTextInPostmortems(t *testing.T) {
	t.Parallel()
	w := newWorld()
	hostile := `"><script>alert(1)</script><img src=x onerror=alert(2)>`
	w.incidents[0].Title = hostile
	w.writeReview()
	w.reviews.stored[0].Sections[0].Text, w.reviews.comments[0].Text, w.reviews.items[0].Title = hostile, hostile, hostile
	w.reviews.items[0].TrackerURL = "javascript:alert(3)"
	app := w.app(as(ada))
	for _, path := range []string{"/postmortems?q=" + url.QueryEscape(hostile), "/postmortems/7", "/postmortems/7/versions/2", "/action-items?owner=" + url.QueryEscape(hostile)} {
		a := get(t, app, path)
		sound(t, path, a)
		for _, bad := range []string{"<script>alert", "<img", `href="javascript`} {
			if a.has(bad) {
				t.Errorf("%s: emits %s", path, bad)
			}
		}
	}
}
