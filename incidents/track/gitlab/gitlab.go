// Package gitlab keeps action items as issues of a GitLab project, through its REST API version 4. It leaves out groups and
// milestones. An issue is open or closed: what is dropped is closed.
package gitlab

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/incidents/track"
	"github.com/nines-sre/nines/internal/fault"
)

// DefaultURL is where GitLab.com is.
const DefaultURL = "https://gitlab.com"

const label = "nines"

// Config is a project.
type Config struct {
	URL     string // of the site
	Project string // its path, such as group/shop, or its number
	Token   incidents.Secret
}

// Tracker is one project. It is safe for concurrent use.
type Tracker struct {
	config  Config
	baseDir string
	client  track.Client
}

// New returns a tracker that reads its token below baseDir where it is kept in a relative file.
func New(c Config, baseDir string, transport http.RoundTripper) *Tracker {
	c.URL = strings.TrimRight(c.URL, "/")
	return &Tracker{config: c, baseDir: baseDir, client: track.Client{Name: "GitLab", Transport: transport, Words: words}}
}

var _ track.Tracker = (*Tracker)(nil)

// Features implements track.Tracker.
func (t *Tracker) Features() track.Features { return track.Features{Due: true, Title: 255} }

// words are what GitLab says is wrong: a text, or texts by field.
func words(body []byte) string {
	said := notify.ReadAnswer[struct {
		Message json.RawMessage `json:"message"`
		Error   string          `json:"error"`
	}](body)
	if said.Error != "" {
		return said.Error
	}
	return strings.Trim(string(said.Message), `"`)
}

func (t *Tracker) call(ctx context.Context, method, path string, body, v any) error {
	token, err := notify.Resolve(t.config.Token, t.baseDir)
	if err != nil {
		return err
	}
	_, err = t.client.Do(ctx, track.Request{Method: method, URL: t.config.URL + "/api/v4/projects/" + url.PathEscape(t.config.Project) + path, Body: body,
		Secrets: []string{token}, Header: map[string]string{"Private-Token": token}}, v)
	return err
}

type issue struct {
	Number int    `json:"iid"`
	URL    string `json:"web_url"`
	Title  string `json:"title"`
	State  string `json:"state"`
	Due    string `json:"due_date"`
	Body   string `json:"description"`
}

func (i issue) ticket() track.Ticket {
	out := track.Ticket{Key: fmt.Sprint(i.Number), URL: i.URL, Fields: track.Fields{Title: i.Title, Due: i.Due, State: incidents.ActionOpen}}
	if i.State == "closed" {
		out.State = incidents.ActionDone
	}
	return out
}

// Find implements track.Tracker: by the marker in the description, among those made since the item was.
func (t *Tracker) Find(ctx context.Context, item track.Item) (track.Ticket, bool, error) {
	var found []issue
	query := url.Values{"labels": {label}, "search": {item.Marker()}, "in": {"description"}, "scope": {"all"}, "per_page": {"20"},
		"created_after": {item.CreatedAt.Add(-time.Minute).UTC().Format(time.RFC3339)}}
	err := t.call(ctx, http.MethodGet, "/issues?"+query.Encode(), nil, &found)
	for _, i := range found {
		if strings.Contains(i.Body, item.Marker()) {
			return i.ticket(), true, nil
		}
	}
	return track.Ticket{}, false, err
}

// Create implements track.Tracker.
func (t *Tracker) Create(ctx context.Context, item track.Item) (track.Ticket, error) {
	what := map[string]any{"title": item.Title, "description": markdown(item.Body()), "labels": label}
	if item.Due != "" {
		what["due_date"] = item.Due
	}
	var made issue
	err := t.call(ctx, http.MethodPost, "/issues", what, &made)
	return made.ticket(), err
}

// markdown keeps a line of ours from being a quick action, which begins with a slash.
func markdown(text string) string { return strings.ReplaceAll("\n"+text, "\n/", "\n\\/")[1:] }

// Read implements track.Tracker.
func (t *Tracker) Read(ctx context.Context, key string) (track.Ticket, error) {
	var i issue
	err := t.call(ctx, http.MethodGet, "/issues/"+url.PathEscape(key), nil, &i)
	return i.ticket(), err
}

// Update implements track.Tracker.
func (t *Tracker) Update(ctx context.Context, key string, c track.Change) error {
	set := map[string]any{}
	if c.Title != nil {
		set["title"] = *c.Title
	}
	if c.Due != nil {
		set["due_date"] = *c.Due
	}
	if c.State != nil {
		if set["state_event"] = "close"; *c.State == incidents.ActionOpen {
			set["state_event"] = "reopen"
		}
	}
	if len(set) == 0 {
		return nil
	}
	return t.call(ctx, http.MethodPut, "/issues/"+url.PathEscape(key), set, nil)
}

// Check implements track.Tracker.
func (t *Tracker) Check(ctx context.Context) (string, error) {
	var project struct {
		Name     string `json:"path_with_namespace"`
		Access   string `json:"issues_access_level"`
		Archived bool   `json:"archived"`
	}
	err := t.call(ctx, http.MethodGet, "", nil, &project)
	if err == nil && (project.Access == "disabled" || project.Archived) {
		err = fault.New(fault.Invalid, "the project %s takes no issues", project.Name)
	}
	return "project " + project.Name, err
}
