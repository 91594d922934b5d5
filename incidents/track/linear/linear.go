// Package linear keeps action items as issues of a Linear team, through its GraphQL API. An issue has the item's own UUID, so
// that it cannot be made twice. It leaves out projects, cycles and labels.
package linear

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/incidents/track"
	"github.com/nines-sre/nines/internal/fault"
)

// DefaultURL is where Linear's API is.
const DefaultURL = "https://api.linear.app/graphql"

// Config is a team.
type Config struct {
	URL  string // of the API
	Team string // its UUID
	Key  incidents.Secret
	// Names of the workflow's states that issues go to; unset is the first of the right type.
	Done, Dropped, Open string
}

// Tracker is one team. It is safe for concurrent use.
type Tracker struct {
	config  Config
	baseDir string
	client  track.Client
}

// New returns a tracker that reads its key below baseDir where it is kept in a relative file.
func New(c Config, baseDir string, transport http.RoundTripper) *Tracker {
	return &Tracker{config: c, baseDir: baseDir, client: track.Client{Name: "Linear", Transport: transport, Words: words}}
}

var _ track.Tracker = (*Tracker)(nil)

// Features implements track.Tracker. What is dropped is canceled.
func (t *Tracker) Features() track.Features {
	return track.Features{Due: true, Dropped: true, Title: 255}
}

func words(body []byte) string {
	said := notify.ReadAnswer[struct {
		Errors []track.GraphError `json:"errors"`
	}](body)
	if len(said.Errors) > 0 {
		return said.Errors[0].Message
	}
	return ""
}

// sort knows Linear's codes.
func sort(e track.GraphError) (fault.Kind, time.Duration, bool) {
	code, _ := e.Extensions["code"].(string)
	switch {
	case code == "RATELIMITED":
		return fault.Limited, time.Minute, true
	case code == "AUTHENTICATION_ERROR", code == "FORBIDDEN":
		return fault.Forbidden, 0, true
	case strings.HasPrefix(e.Message, "Entity not found"):
		return fault.NotFound, 0, true
	case code == "INTERNAL_SERVER_ERROR":
		return fault.Unavailable, 0, true
	}
	return 0, 0, false
}

func (t *Tracker) query(ctx context.Context, text string, variables map[string]any, v any) error {
	key, err := notify.Resolve(t.config.Key, t.baseDir)
	if err != nil {
		return err
	}
	return t.client.Query(ctx, track.Request{URL: t.config.URL, Header: map[string]string{"Authorization": key}, Secrets: []string{key}},
		track.Graph{Query: text, Variables: variables}, sort, v)
}

// state is a state of the team's workflow. Its type is triage, backlog, unstarted, started, completed or canceled.
type state struct {
	ID       string  `json:"id"`
	Name     string  `json:"name"`
	Type     string  `json:"type"`
	Position float64 `json:"position"`
}

type issue struct {
	Key   string `json:"identifier"`
	URL   string `json:"url"`
	Title string `json:"title"`
	Due   string `json:"dueDate"`
	State state  `json:"state"`
}

const selection = `{ identifier url title dueDate state { id name type position } }`

func (i issue) ticket() track.Ticket {
	out := track.Ticket{Key: i.Key, URL: i.URL, Fields: track.Fields{Title: i.Title, Due: i.Due, State: incidents.ActionOpen}}
	switch i.State.Type {
	case "completed":
		out.State = incidents.ActionDone
	case "canceled", "duplicate":
		out.State = incidents.ActionDropped
	}
	return out
}

// Find implements track.Tracker: by the item's UUID.
func (t *Tracker) Find(ctx context.Context, item track.Item) (track.Ticket, bool, error) {
	found, err := t.Read(ctx, item.ID)
	if fault.Is(err, fault.NotFound) {
		return found, false, nil
	}
	return found, err == nil, err
}

// Create implements track.Tracker.
func (t *Tracker) Create(ctx context.Context, item track.Item) (track.Ticket, error) {
	input := map[string]any{"id": item.ID, "teamId": t.config.Team, "title": item.Title, "description": item.Body()}
	if item.Due != "" {
		input["dueDate"] = item.Due
	}
	var made struct {
		Create struct {
			Issue issue `json:"issue"`
		} `json:"issueCreate"`
	}
	err := t.query(ctx, `mutation($input: IssueCreateInput!) { issueCreate(input: $input) { success issue `+selection+` } }`, map[string]any{"input": input}, &made)
	return made.Create.Issue.ticket(), err
}

// Read implements track.Tracker.
func (t *Tracker) Read(ctx context.Context, key string) (track.Ticket, error) {
	var found struct {
		Issue issue `json:"issue"`
	}
	err := t.query(ctx, `query($id: String!) { issue(id: $id) `+selection+` }`, map[string]any{"id": key}, &found)
	return found.Issue.ticket(), err
}

// Update implements track.Tracker.
func (t *Tracker) Update(ctx context.Context, key string, c track.Change) error {
	input := map[string]any{}
	if c.Title != nil {
		input["title"] = *c.Title
	}
	if c.Due != nil {
		if input["dueDate"] = nil; *c.Due != "" {
			input["dueDate"] = *c.Due
		}
	}
	if c.State != nil {
		to, err := t.stateFor(ctx, *c.State)
		if err != nil {
			return err
		}
		input["stateId"] = to.ID
	}
	if len(input) == 0 {
		return nil
	}
	var done struct {
		Update struct {
			Success bool `json:"success"`
		} `json:"issueUpdate"`
	}
	return t.query(ctx, `mutation($id: String!, $input: IssueUpdateInput!) { issueUpdate(id: $id, input: $input) { success } }`,
		map[string]any{"id": key, "input": input}, &done)
}

type team struct {
	Name   string `json:"name"`
	Key    string `json:"key"`
	States struct {
		Nodes []state `json:"nodes"`
	} `json:"states"`
}

func (t *Tracker) team(ctx context.Context) (team, error) {
	var found struct {
		Team team `json:"team"`
	}
	err := t.query(ctx, `query($id: String!) { team(id: $id) { name key states { nodes { id name type position } } } }`, map[string]any{"id": t.config.Team}, &found)
	return found.Team, err
}

// stateFor returns the workflow's state by its name, or the first of the type.
func (t *Tracker) stateFor(ctx context.Context, s incidents.ActionState) (state, error) {
	name, types := t.config.Open, []string{"unstarted", "backlog", "started"}
	switch s {
	case incidents.ActionDone:
		name, types = t.config.Done, []string{"completed"}
	case incidents.ActionDropped:
		name, types = t.config.Dropped, []string{"canceled"}
	}
	found, err := t.team(ctx)
	if err != nil {
		return state{}, err
	}
	for _, kind := range types {
		var best *state
		for n, one := range found.States.Nodes {
			switch {
			case name != "" && strings.EqualFold(one.Name, name):
				return one, nil
			case name == "" && one.Type == kind && (best == nil || one.Position < best.Position):
				best = &found.States.Nodes[n]
			}
		}
		if best != nil {
			return *best, nil
		}
	}
	return state{}, fault.New(fault.Conflict, "the team %s has no state %q of the type %s; name one of its states in the tracker's definition", found.Key, name, types[0])
}

// Check implements track.Tracker.
func (t *Tracker) Check(ctx context.Context) (string, error) {
	found, err := t.team(ctx)
	return "team " + found.Key + " (" + found.Name + ")", err
}
