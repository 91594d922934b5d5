// Package jira keeps action items as issues of a Jira Cloud project, through its REST API version 3. It leaves out Data Center,
// whose API takes other texts.
package jira

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/incidents/track"
	"github.com/nines-sre/nines/internal/fault"
)

// Config is a project of a Jira site.
type Config struct {
	URL     string // of the site, such as https://example.atlassian.net
	User    string // e-mail of the account whose token it is
	Token   incidents.Secret
	Project string // key, such as OPS
	Type    string // of issues; "Task" unless set
	// Names of the statuses that issues go to; unset is the first that a transition leads to of the right category.
	Done, Dropped, Open string
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
	if c.Type == "" {
		c.Type = "Task"
	}
	return &Tracker{config: c, baseDir: baseDir, client: track.Client{Name: "Jira", Transport: transport, Words: words}}
}

var _ track.Tracker = (*Tracker)(nil)

// Features implements track.Tracker. An issue is dropped where its status is the one that says so.
func (t *Tracker) Features() track.Features {
	return track.Features{Due: true, Dropped: t.config.Dropped != "", Title: 255}
}

// words are what Jira says is wrong: general messages, and those of fields.
func words(body []byte) string {
	said := notify.ReadAnswer[struct {
		Messages []string          `json:"errorMessages"`
		Errors   map[string]string `json:"errors"`
	}](body)
	for _, field := range slices.Sorted(maps.Keys(said.Errors)) {
		said.Messages = append(said.Messages, field+": "+said.Errors[field])
	}
	return strings.Join(said.Messages, "; ")
}

func (t *Tracker) call(ctx context.Context, method, path string, body, v any) error {
	token, err := notify.Resolve(t.config.Token, t.baseDir)
	if err != nil {
		return err
	}
	basic := base64.StdEncoding.EncodeToString([]byte(t.config.User + ":" + token))
	_, err = t.client.Do(ctx, track.Request{Method: method, URL: t.config.URL + "/rest/api/3" + path, Body: body,
		Header: map[string]string{"Authorization": "Basic " + basic}, Secrets: []string{token, basic}}, v)
	return err
}

type status struct {
	Name     string `json:"name"`
	Category struct {
		Key string `json:"key"` // new, indeterminate or done
	} `json:"statusCategory"`
}

type issue struct {
	Key    string `json:"key"`
	Fields struct {
		Summary string `json:"summary"`
		Due     string `json:"duedate"`
		Status  status `json:"status"`
	} `json:"fields"`
}

var fields = []string{"summary", "duedate", "status"}

func (t *Tracker) ticket(i issue) track.Ticket {
	out := track.Ticket{Key: i.Key, URL: t.config.URL + "/browse/" + url.PathEscape(i.Key),
		Fields: track.Fields{Title: i.Fields.Summary, Due: i.Fields.Due, State: incidents.ActionOpen}}
	switch {
	case t.config.Dropped != "" && strings.EqualFold(i.Fields.Status.Name, t.config.Dropped):
		out.State = incidents.ActionDropped
	case i.Fields.Status.Category.Key == "done":
		out.State = incidents.ActionDone
	}
	return out
}

// Find implements track.Tracker: by a label.
func (t *Tracker) Find(ctx context.Context, item track.Item) (track.Ticket, bool, error) {
	var found struct {
		Issues []issue `json:"issues"`
	}
	jql := fmt.Sprintf("project = %s AND labels = %s ORDER BY created ASC", quote(t.config.Project), quote(item.Marker()))
	err := t.call(ctx, http.MethodPost, "/search/jql", map[string]any{"jql": jql, "fields": fields, "maxResults": 1}, &found)
	if err != nil || len(found.Issues) == 0 {
		return track.Ticket{}, false, err
	}
	return t.ticket(found.Issues[0]), true, nil
}

// quote writes a text as a string of JQL.
func quote(s string) string { text, _ := json.Marshal(s); return string(text) } // a string always encodes

// Create implements track.Tracker.
func (t *Tracker) Create(ctx context.Context, item track.Item) (track.Ticket, error) {
	what := map[string]any{
		"project": map[string]string{"key": t.config.Project}, "issuetype": map[string]string{"name": t.config.Type}, "summary": item.Title,
		"description": document(item.Body()), "labels": []string{"nines", item.Marker()},
	}
	if item.Due != "" {
		what["duedate"] = item.Due
	}
	if who, err := t.account(ctx, item.Owner); err != nil {
		return track.Ticket{}, err
	} else if who != "" {
		what["assignee"] = map[string]string{"accountId": who}
	}
	var made issue
	if err := t.call(ctx, http.MethodPost, "/issue", map[string]any{"fields": what}, &made); err != nil {
		return track.Ticket{}, err
	}
	made.Fields.Summary, made.Fields.Due = item.Title, item.Due
	return t.ticket(made), nil
}

// account returns the id of the only account with an e-mail address, "" where Jira shows none.
func (t *Tracker) account(ctx context.Context, email string) (string, error) {
	if email == "" {
		return "", nil
	}
	var found []struct {
		ID    string `json:"accountId"`
		Email string `json:"emailAddress"`
	}
	err := t.call(ctx, http.MethodGet, "/user/search?query="+url.QueryEscape(email), nil, &found)
	switch {
	case err != nil && !fault.Is(err, fault.Forbidden):
		return "", err
	case len(found) != 1: // many sites hide their people; the text names the owner
		return "", nil
	}
	return found[0].ID, nil
}

// node is a part of a document in Atlassian's format.
type node map[string]any

// document makes a paragraph of each line.
func document(text string) node {
	var content []node
	for line := range strings.Lines(text) {
		paragraph := node{"type": "paragraph"}
		if line = strings.TrimRight(line, "\n"); line != "" { // an empty text is refused
			paragraph["content"] = []node{{"type": "text", "text": line}}
		}
		content = append(content, paragraph)
	}
	return node{"type": "doc", "version": 1, "content": content}
}

// Read implements track.Tracker.
func (t *Tracker) Read(ctx context.Context, key string) (track.Ticket, error) {
	var i issue
	err := t.call(ctx, http.MethodGet, "/issue/"+url.PathEscape(key)+"?fields="+strings.Join(fields, ","), nil, &i)
	return t.ticket(i), err
}

// Update implements track.Tracker. A workflow may not lead from where the issue is to where it should be; that is a
// fault.Conflict that names the way.
func (t *Tracker) Update(ctx context.Context, key string, c track.Change) error {
	set := map[string]any{}
	if c.Title != nil {
		set["summary"] = *c.Title
	}
	if c.Due != nil {
		if set["duedate"] = nil; *c.Due != "" {
			set["duedate"] = *c.Due
		}
	}
	if len(set) > 0 {
		if err := t.call(ctx, http.MethodPut, "/issue/"+url.PathEscape(key), map[string]any{"fields": set}, nil); err != nil {
			return err
		}
	}
	if c.State == nil {
		return nil
	}
	return t.move(ctx, key, *c.State)
}

// wanted is the name of the status that a state is, "" for the first of its category.
func (t *Tracker) wanted(s incidents.ActionState) (name, category string) {
	switch s {
	case incidents.ActionDone:
		return t.config.Done, "done"
	case incidents.ActionDropped:
		return t.config.Dropped, "done"
	}
	return t.config.Open, "new"
}

func (t *Tracker) move(ctx context.Context, key string, s incidents.ActionState) error {
	var ways struct {
		Transitions []struct {
			ID string `json:"id"`
			To status `json:"to"`
		} `json:"transitions"`
	}
	path := "/issue/" + url.PathEscape(key) + "/transitions"
	if err := t.call(ctx, http.MethodGet, path, nil, &ways); err != nil {
		return err
	}
	name, category := t.wanted(s)
	var offered []string
	for _, categories := range [][]string{{category}, {"indeterminate"}} { // what is open again may go to "in progress"
		for _, w := range ways.Transitions {
			offered = append(offered, w.To.Name)
			fits := name != "" && strings.EqualFold(w.To.Name, name) || name == "" && slices.Contains(categories, w.To.Category.Key)
			if fits {
				return t.call(ctx, http.MethodPost, path, map[string]any{"transition": map[string]string{"id": w.ID}}, nil)
			}
		}
		if s != incidents.ActionOpen || name != "" {
			break
		}
	}
	if name == "" {
		name = "a status of the category " + category
	}
	return fault.New(fault.Conflict, "Jira's workflow leads %s to %s, and not to %s; name the status in the tracker's definition, or move the issue there",
		key, strings.Join(slices.Compact(offered), ", "), name)
}

// Check implements track.Tracker.
func (t *Tracker) Check(ctx context.Context) (string, error) {
	var project struct {
		Key   string `json:"key"`
		Name  string `json:"name"`
		Types []struct {
			Name string `json:"name"`
		} `json:"issueTypes"`
	}
	if err := t.call(ctx, http.MethodGet, "/project/"+url.PathEscape(t.config.Project), nil, &project); err != nil {
		return "", err
	}
	var names []string
	for _, ty := range project.Types {
		names = append(names, ty.Name)
	}
	if !slices.Contains(names, t.config.Type) {
		return "", fault.New(fault.Invalid, "the project %s has no issues of type %q; it has %s", project.Key, t.config.Type, strings.Join(names, ", "))
	}
	return fmt.Sprintf("project %s (%s)", project.Key, project.Name), nil
}
