// Package asana keeps action items as tasks of an Asana project, through its REST API 1.0. A task is completed or not: what is
// dropped is completed. It leaves out sections, custom fields and subtasks.
package asana

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/incidents/track"
	"github.com/nines-sre/nines/internal/fault"
)

// DefaultURL is where Asana's API is.
const DefaultURL = "https://app.asana.com/api/1.0"

// Config is a project.
type Config struct {
	URL     string // of the API
	Project string // its gid, a number
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
	return &Tracker{config: c, baseDir: baseDir, client: track.Client{Name: "Asana", Transport: transport, Words: words}}
}

var _ track.Tracker = (*Tracker)(nil)

// Features implements track.Tracker.
func (t *Tracker) Features() track.Features { return track.Features{Due: true, Title: 1024} }

func words(body []byte) string {
	said := notify.ReadAnswer[struct {
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}](body)
	var all []string
	for _, e := range said.Errors {
		all = append(all, e.Message)
	}
	return strings.Join(all, "; ")
}

func (t *Tracker) call(ctx context.Context, method, path string, body, v any) error {
	token, err := notify.Resolve(t.config.Token, t.baseDir)
	if err != nil {
		return err
	}
	if body != nil {
		body = map[string]any{"data": body}
	}
	_, err = t.client.Do(ctx, track.Request{Method: method, URL: t.config.URL + path, Body: body, Secrets: []string{token},
		Header: map[string]string{"Authorization": "Bearer " + token}}, v)
	return err
}

type task struct {
	ID        string `json:"gid"`
	Name      string `json:"name"`
	Notes     string `json:"notes"`
	Completed bool   `json:"completed"`
	Due       string `json:"due_on"`
	URL       string `json:"permalink_url"`
}

const fields = "name,notes,completed,due_on,permalink_url"

type answer[T any] struct {
	Data T `json:"data"`
	Next *struct {
		Offset string `json:"offset"`
	} `json:"next_page"`
}

func (k task) ticket() track.Ticket {
	out := track.Ticket{Key: k.ID, URL: k.URL, Fields: track.Fields{Title: k.Name, Due: k.Due, State: incidents.ActionOpen}}
	if k.Completed {
		out.State = incidents.ActionDone
	}
	return out
}

// mostPages bounds a search, at 100 tasks a page.
const mostPages = 20

// Find implements track.Tracker: by the marker in the notes, among the project's tasks that were touched since the item was made.
func (t *Tracker) Find(ctx context.Context, item track.Item) (track.Ticket, bool, error) {
	query := url.Values{"project": {t.config.Project}, "limit": {"100"}, "opt_fields": {fields},
		"modified_since": {item.CreatedAt.Add(-time.Minute).UTC().Format(time.RFC3339)}}
	for range mostPages {
		var found answer[[]task]
		if err := t.call(ctx, http.MethodGet, "/tasks?"+query.Encode(), nil, &found); err != nil {
			return track.Ticket{}, false, err
		}
		for _, k := range found.Data {
			if strings.Contains(k.Notes, item.Marker()) {
				return k.ticket(), true, nil
			}
		}
		if found.Next == nil {
			return track.Ticket{}, false, nil
		}
		query.Set("offset", found.Next.Offset)
	}
	return track.Ticket{}, false, fault.New(fault.Conflict, "Asana's project %s has more changed tasks than are looked through; name the task by hand", t.config.Project)
}

// Create implements track.Tracker.
func (t *Tracker) Create(ctx context.Context, item track.Item) (track.Ticket, error) {
	what := map[string]any{"name": item.Title, "notes": item.Body(), "projects": []string{t.config.Project}}
	if item.Due != "" {
		what["due_on"] = item.Due
	}
	var made answer[task]
	err := t.call(ctx, http.MethodPost, "/tasks?opt_fields="+fields, what, &made)
	return made.Data.ticket(), err
}

// Read implements track.Tracker.
func (t *Tracker) Read(ctx context.Context, key string) (track.Ticket, error) {
	var found answer[task]
	err := t.call(ctx, http.MethodGet, "/tasks/"+url.PathEscape(key)+"?opt_fields="+fields, nil, &found)
	return found.Data.ticket(), err
}

// Update implements track.Tracker.
func (t *Tracker) Update(ctx context.Context, key string, c track.Change) error {
	set := map[string]any{}
	if c.Title != nil {
		set["name"] = *c.Title
	}
	if c.Due != nil {
		if set["due_on"] = nil; *c.Due != "" {
			set["due_on"] = *c.Due
		}
	}
	if c.State != nil {
		set["completed"] = *c.State != incidents.ActionOpen
	}
	if len(set) == 0 {
		return nil
	}
	return t.call(ctx, http.MethodPut, "/tasks/"+url.PathEscape(key), set, nil)
}

// Check implements track.Tracker.
func (t *Tracker) Check(ctx context.Context) (string, error) {
	var project answer[struct {
		Name     string `json:"name"`
		Archived bool   `json:"archived"`
	}]
	err := t.call(ctx, http.MethodGet, "/projects/"+url.PathEscape(t.config.Project)+"?opt_fields=name,archived", nil, &project)
	if err == nil && project.Data.Archived {
		err = fault.New(fault.Invalid, "the project %s is archived", project.Data.Name)
	}
	return "project " + project.Data.Name, err
}
