// Package github keeps action items as issues of a GitHub repository, through its REST API of the version 2022-11-28. Issues have
// no day, so that the item's stays here. It leaves out projects and milestones.
package github

import (
	"context"
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

// DefaultURL is where GitHub's API is; a GitHub Enterprise Server's is https://HOST/api/v3.
const DefaultURL = "https://api.github.com"

// label is on every issue that we make.
const label = "nines"

// Config is a repository.
type Config struct {
	URL        string // of the API
	Repository string // OWNER/NAME
	Token      incidents.Secret
}

// Tracker is one repository. It is safe for concurrent use.
type Tracker struct {
	config  Config
	baseDir string
	client  track.Client
}

// New returns a tracker that reads its token below baseDir where it is kept in a relative file.
func New(c Config, baseDir string, transport http.RoundTripper) *Tracker {
	c.URL = strings.TrimRight(c.URL, "/")
	return &Tracker{config: c, baseDir: baseDir, client: track.Client{Name: "GitHub", Transport: transport, Words: words}}
}

var _ track.Tracker = (*Tracker)(nil)

// Features implements track.Tracker. What is dropped is closed as not planned.
func (t *Tracker) Features() track.Features { return track.Features{Dropped: true, Title: 256} }

func words(body []byte) string {
	said := notify.ReadAnswer[struct {
		Message string `json:"message"`
		Errors  []struct {
			Field string `json:"field"`
			Code  string `json:"code"`
		} `json:"errors"`
	}](body)
	for _, e := range said.Errors {
		said.Message += fmt.Sprintf("; %s: %s", e.Field, e.Code)
	}
	return said.Message
}

func (t *Tracker) call(ctx context.Context, method, path string, body, v any) error {
	token, err := notify.Resolve(t.config.Token, t.baseDir)
	if err != nil {
		return err
	}
	answer, err := t.client.Do(ctx, track.Request{Method: method, URL: t.config.URL + "/repos/" + t.config.Repository + path, Body: body, Secrets: []string{token},
		Header: map[string]string{"Authorization": "Bearer " + token, "Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}}, v)
	return limited(answer, err)
}

// limited finds the limits of its use, which GitHub answers with 403.
func limited(a track.Answer, err error) error {
	if a.Status != http.StatusForbidden {
		return err
	}
	wait := track.RetryAfter(err)
	if a.Header.Get("X-Ratelimit-Remaining") == "0" {
		var reset int64
		_, _ = fmt.Sscan(a.Header.Get("X-Ratelimit-Reset"), &reset) // what is none leaves a wait of its own
		wait = max(wait, time.Until(time.Unix(reset, 0)), time.Minute)
	}
	if wait == 0 {
		return err
	}
	f := fault.New(fault.Limited, "%s", fault.Public(err).Message)
	f.RetryAfter = wait
	return f
}

type issue struct {
	Number int    `json:"number"`
	URL    string `json:"html_url"`
	Title  string `json:"title"`
	State  string `json:"state"`
	Reason string `json:"state_reason"`
	Body   string `json:"body"`
	Pull   any    `json:"pull_request"`
}

func (i issue) ticket() track.Ticket {
	out := track.Ticket{Key: fmt.Sprint(i.Number), URL: i.URL, Fields: track.Fields{Title: i.Title, State: incidents.ActionOpen}}
	if i.State == "closed" {
		out.State = incidents.ActionDone
		if i.Reason == "not_planned" || i.Reason == "duplicate" {
			out.State = incidents.ActionDropped
		}
	}
	return out
}

// Find implements track.Tracker: among the issues with our label that were touched since the item was made, the newest first.
func (t *Tracker) Find(ctx context.Context, item track.Item) (track.Ticket, bool, error) {
	for page := 1; page <= 10; page++ {
		var found []issue
		query := url.Values{"labels": {label}, "state": {"all"}, "sort": {"created"}, "direction": {"desc"}, "per_page": {"50"}, "page": {fmt.Sprint(page)},
			"since": {item.CreatedAt.Add(-time.Minute).UTC().Format(time.RFC3339)}}
		if err := t.call(ctx, http.MethodGet, "/issues?"+query.Encode(), nil, &found); err != nil {
			return track.Ticket{}, false, err
		}
		for _, i := range found {
			if i.Pull == nil && strings.Contains(i.Body, item.Marker()) {
				return i.ticket(), true, nil
			}
		}
		if len(found) < 50 {
			break
		}
	}
	return track.Ticket{}, false, nil
}

// Create implements track.Tracker.
func (t *Tracker) Create(ctx context.Context, item track.Item) (track.Ticket, error) {
	var made issue
	err := t.call(ctx, http.MethodPost, "/issues", map[string]any{"title": item.Title, "body": item.Body(), "labels": []string{label}}, &made)
	return made.ticket(), err
}

// Read implements track.Tracker. An issue that was moved to another repository is a fault.Invalid, a redirect.
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
	if c.State != nil {
		switch *c.State {
		case incidents.ActionDone:
			set["state"], set["state_reason"] = "closed", "completed"
		case incidents.ActionDropped:
			set["state"], set["state_reason"] = "closed", "not_planned"
		default:
			set["state"], set["state_reason"] = "open", "reopened"
		}
	}
	if len(set) == 0 {
		return nil
	}
	return t.call(ctx, http.MethodPatch, "/issues/"+url.PathEscape(key), set, nil)
}

// Check implements track.Tracker.
func (t *Tracker) Check(ctx context.Context) (string, error) {
	var repository struct {
		Name     string `json:"full_name"`
		Issues   bool   `json:"has_issues"`
		Archived bool   `json:"archived"`
	}
	err := t.call(ctx, http.MethodGet, "", nil, &repository)
	if err == nil && (!repository.Issues || repository.Archived) {
		err = fault.New(fault.Invalid, "the repository %s takes no issues", repository.Name)
	}
	return "repository " + repository.Name, err
}
