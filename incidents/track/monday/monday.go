// Package monday keeps action items as items of a board of monday.com, through its GraphQL API. The board needs columns for the
// state, the day and what we find items by. It leaves out groups, subitems and updates.
package monday

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/incidents/track"
	"github.com/nines-sre/nines/internal/fault"
)

// DefaultURL is where monday.com's API is.
const DefaultURL = "https://api.monday.com/v2"

// version of the API that we ask for.
const version = "2025-04"

// Config is a board. Columns are named by their ids.
type Config struct {
	URL    string // of the API
	Board  string // its number
	Token  incidents.Secret
	Marker string // a text column: what we find items by
	Status string // a status column
	Date   string // a date column; "" keeps days here
	Notes  string // a long text column for what it is about; "" leaves that out
	// Labels of the status column.
	Open, Done, Dropped string // Dropped may be "": then what is dropped is done
}

// Tracker is one board. It is safe for concurrent use.
type Tracker struct {
	config  Config
	baseDir string
	client  track.Client
}

// New returns a tracker that reads its token below baseDir where it is kept in a relative file.
func New(c Config, baseDir string, transport http.RoundTripper) *Tracker {
	return &Tracker{config: c, baseDir: baseDir, client: track.Client{Name: "monday.com", Transport: transport, Words: words}}
}

var _ track.Tracker = (*Tracker)(nil)

// Features implements track.Tracker.
func (t *Tracker) Features() track.Features {
	return track.Features{Due: t.config.Date != "", Dropped: t.config.Dropped != "", Title: 255}
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

// sort knows monday.com's codes.
func sort(e track.GraphError) (fault.Kind, time.Duration, bool) {
	code, _ := e.Extensions["code"].(string)
	seconds, _ := e.Extensions["retry_in_seconds"].(float64)
	wait := time.Duration(seconds) * time.Second
	switch code {
	case "COMPLEXITY_BUDGET_EXHAUSTED", "ComplexityException", "RateLimitExceeded", "RATE_LIMIT_EXCEEDED", "maxConcurrencyExceeded":
		return fault.Limited, max(wait, time.Second), true
	case "UserUnauthorizedException", "USER_UNAUTHORIZED", "NotAuthenticatedError":
		return fault.Forbidden, 0, true
	case "ResourceNotFoundException", "InvalidItemIdException":
		return fault.NotFound, 0, true
	case "INTERNAL_SERVER_ERROR", "API_TEMPORARILY_BLOCKED":
		return fault.Unavailable, wait, true
	}
	return 0, 0, false
}

func (t *Tracker) query(ctx context.Context, text string, variables map[string]any, v any) error {
	token, err := notify.Resolve(t.config.Token, t.baseDir)
	if err != nil {
		return err
	}
	return t.client.Query(ctx, track.Request{URL: t.config.URL, Header: map[string]string{"Authorization": token, "API-Version": version}, Secrets: []string{token}},
		track.Graph{Query: text, Variables: variables}, sort, v)
}

type item struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	URL     string `json:"url"`
	State   string `json:"state"` // active, archived or deleted
	Columns []struct {
		ID   string `json:"id"`
		Text string `json:"text"`
	} `json:"column_values"`
}

const selection = `{ id name url state column_values { id text } }`

func (t *Tracker) ticket(i item) track.Ticket {
	out := track.Ticket{Key: i.ID, URL: i.URL, Fields: track.Fields{Title: i.Name, State: incidents.ActionOpen}}
	for _, c := range i.Columns {
		switch {
		case c.ID == t.config.Date && t.config.Date != "":
			out.Due, _, _ = strings.Cut(c.Text, " ") // a time of day may follow
		case c.ID != t.config.Status:
		case strings.EqualFold(c.Text, t.config.Done):
			out.State = incidents.ActionDone
		case t.config.Dropped != "" && strings.EqualFold(c.Text, t.config.Dropped):
			out.State = incidents.ActionDropped
		}
	}
	return out
}

// Find implements track.Tracker: by the marker's column.
func (t *Tracker) Find(ctx context.Context, it track.Item) (track.Ticket, bool, error) {
	var found struct {
		Page struct {
			Items []item `json:"items"`
		} `json:"items_page_by_column_values"`
	}
	err := t.query(ctx, `query($board: ID!, $columns: [ItemsPageByColumnValuesQuery!]) { items_page_by_column_values(board_id: $board, columns: $columns) { items `+selection+` } }`,
		map[string]any{"board": t.config.Board, "columns": []any{map[string]any{"column_id": t.config.Marker, "column_values": []string{it.Marker()}}}}, &found)
	for _, i := range found.Page.Items {
		if i.State == "active" {
			return t.ticket(i), true, nil
		}
	}
	return track.Ticket{}, false, err
}

// columns writes values of columns as the JSON text that the API takes.
func (t *Tracker) columns(f track.Change, more map[string]any) string {
	if more == nil {
		more = map[string]any{}
	}
	if f.Title != nil {
		more["name"] = *f.Title
	}
	if f.Due != nil && t.config.Date != "" {
		if more[t.config.Date] = nil; *f.Due != "" {
			more[t.config.Date] = map[string]string{"date": *f.Due}
		}
	}
	if f.State != nil {
		label := t.config.Open
		switch {
		case *f.State == incidents.ActionDropped && t.config.Dropped != "":
			label = t.config.Dropped
		case *f.State != incidents.ActionOpen:
			label = t.config.Done
		}
		more[t.config.Status] = map[string]string{"label": label}
	}
	text, _ := json.Marshal(more) // a map of texts always encodes
	return string(text)
}

// Create implements track.Tracker.
func (t *Tracker) Create(ctx context.Context, it track.Item) (track.Ticket, error) {
	more := map[string]any{t.config.Marker: it.Marker()}
	if t.config.Notes != "" {
		more[t.config.Notes] = map[string]string{"text": it.Body()}
	}
	open := incidents.ActionOpen
	set := track.Change{State: &open}
	if it.Due != "" {
		set.Due = &it.Due
	}
	var made struct {
		Item item `json:"create_item"`
	}
	err := t.query(ctx, `mutation($board: ID!, $name: String!, $columns: JSON) { create_item(board_id: $board, item_name: $name, column_values: $columns) `+selection+` }`,
		map[string]any{"board": t.config.Board, "name": it.Title, "columns": t.columns(set, more)}, &made)
	return t.ticket(made.Item), err
}

// Read implements track.Tracker. What lies in the archive or the bin is a fault.NotFound.
func (t *Tracker) Read(ctx context.Context, key string) (track.Ticket, error) {
	var found struct {
		Items []item `json:"items"`
	}
	err := t.query(ctx, `query($ids: [ID!]) { items(ids: $ids) `+selection+` }`, map[string]any{"ids": []string{key}}, &found)
	if err == nil && (len(found.Items) == 0 || found.Items[0].State != "active") {
		err = fault.New(fault.NotFound, "monday.com has no item %s", key)
	}
	if err != nil {
		return track.Ticket{}, err
	}
	return t.ticket(found.Items[0]), nil
}

// Update implements track.Tracker.
func (t *Tracker) Update(ctx context.Context, key string, c track.Change) error {
	var done struct {
		Item struct {
			ID string `json:"id"`
		} `json:"change_multiple_column_values"`
	}
	return t.query(ctx, `mutation($board: ID!, $item: ID!, $columns: JSON!) { change_multiple_column_values(board_id: $board, item_id: $item, column_values: $columns) { id } }`,
		map[string]any{"board": t.config.Board, "item": key, "columns": t.columns(c, nil)}, &done)
}

// Check implements track.Tracker: the board and its columns.
func (t *Tracker) Check(ctx context.Context) (string, error) {
	var found struct {
		Boards []struct {
			Name    string `json:"name"`
			Columns []struct {
				ID   string `json:"id"`
				Type string `json:"type"`
			} `json:"columns"`
		} `json:"boards"`
	}
	err := t.query(ctx, `query($ids: [ID!]) { boards(ids: $ids) { name columns { id type } } }`, map[string]any{"ids": []string{t.config.Board}}, &found)
	if err == nil && len(found.Boards) == 0 {
		err = fault.New(fault.NotFound, "monday.com has no board %s, or does not show it", t.config.Board)
	}
	if err != nil {
		return "", err
	}
	types := map[string]string{}
	for _, c := range found.Boards[0].Columns {
		types[c.ID] = c.Type
	}
	for _, want := range []struct{ id, kind string }{{t.config.Marker, "text"}, {t.config.Status, "status"}, {t.config.Date, "date"}, {t.config.Notes, "long_text"}} {
		if want.id != "" && types[want.id] != want.kind {
			return "", fault.New(fault.Invalid, "the board %s has no column %q of the type %s", found.Boards[0].Name, want.id, want.kind)
		}
	}
	return "board " + found.Boards[0].Name, nil
}
