// Package teamstest is a fake of the webhook of a workflow that posts to Microsoft Teams: it refuses what the workflow, or
// the schema of Adaptive Cards 1.4, refuses, keeps the cards and fails on demand. It leaves out what Teams does with them.
package teamstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/nines-sre/nines/incidents/notify/notifytest"
)

// Path and Signature are of the webhook's address. Whoever knows them may post.
const (
	Path      = "/workflows/0e3d5a7c4f6b4a0f9d1e2c3b4a5f6e7d/triggers/manual/paths/invoke"
	Signature = "Zk3vq8R1mT0yWc5bL7hXnEoAjUd2fGsPiQ9lVxKt6Yw"
	maxBody   = 28 << 10
)

// Card is an Adaptive Card, as far as we use it.
type Card struct {
	Schema  string    `json:"$schema"`
	Type    string    `json:"type"`
	Version string    `json:"version"`
	Body    []Element `json:"body"`
	Actions []Action  `json:"actions"`
	Teams   struct {
		Width string `json:"width"`
	} `json:"msteams"`
}

// Element is a Container, a RichTextBlock or a FactSet.
type Element struct {
	Type    string    `json:"type"`
	Style   string    `json:"style"`
	Bleed   bool      `json:"bleed"`
	Items   []Element `json:"items"`
	Inlines []struct {
		Type   string `json:"type"`
		Text   string `json:"text"`
		Size   string `json:"size"`
		Weight string `json:"weight"`
	} `json:"inlines"`
	Facts []struct {
		Title string `json:"title"`
		Value string `json:"value"`
	} `json:"facts"`
}

// Action is a button.
type Action struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

// Text is the element's text, its items' among it.
func (e Element) Text() string {
	text := ""
	for _, r := range e.Inlines {
		text += r.Text
	}
	for _, item := range e.Items {
		text += item.Text()
	}
	return text
}

// Server is the fake. Its methods are safe for concurrent use.
type Server struct {
	*notifytest.Server

	mu        sync.Mutex
	cards     []Card
	connector string
}

// New starts a fake that stops with the test.
func New(t testing.TB) *Server {
	s := &Server{}
	s.Server = notifytest.Start(t, s, func(status int) string { return explain(fmt.Sprintf("ToldToAnswer%d", status)) })
	return s
}

// Address is that of the webhook.
func (s *Server) Address() string {
	return s.URL + Path + "?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=" + Signature
}

// Cards returns the cards that were taken, in order.
func (s *Server) Cards() []Card {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.cards)
}

// Connector makes the server answer as the webhooks of connectors did: 200 with a text, be it of a failure.
func (s *Server) Connector(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connector = text
}

func explain(code string) string {
	return fmt.Sprintf(`{"error":{"code":%q,"message":"The workflow could not be started."}}`, code)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	switch {
	case r.Method != http.MethodPost || r.URL.Path != Path:
		refuse(w, http.StatusNotFound, "WorkflowNotFound")
	case r.URL.Query().Get("sig") != Signature:
		refuse(w, http.StatusUnauthorized, "DirectApiAuthorizationRequired")
	case err != nil || kind != "application/json":
		s.Refuse("the message is over 28 KB or not JSON")
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge")
	default:
		s.take(w, body)
	}
}

func (s *Server) take(w http.ResponseWriter, body []byte) {
	card, problems := read(body)
	if len(problems) > 0 {
		s.Refuse(problems...)
		refuse(w, http.StatusBadRequest, "TriggerInputSchemaMismatch")
		return
	}
	if s.connector != "" {
		_, _ = io.WriteString(w, s.connector)
		return
	}
	s.cards = append(s.cards, card)
	w.WriteHeader(http.StatusAccepted)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, explain(code))
}

func read(body []byte) (Card, []string) {
	var m struct {
		Type        string `json:"type"`
		Summary     string `json:"summary"`
		Attachments []struct {
			ContentType string `json:"contentType"`
			Content     Card   `json:"content"`
		} `json:"attachments"`
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return Card{}, []string{err.Error()}
	}
	if m.Type != "message" || len(m.Attachments) != 1 || m.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive" {
		return Card{}, []string{"the message is not one Adaptive Card"}
	}
	c := m.Attachments[0].Content
	return c, c.problems()
}

var styles = []string{"", "default", "emphasis", "good", "attention", "warning", "accent"}

func (c Card) problems() []string {
	var found []string
	if c.Type != "AdaptiveCard" || c.Version != "1.4" || len(c.Body) == 0 {
		found = append(found, "the card is none of version 1.4 with a body")
	}
	for _, e := range c.Body {
		found = append(found, e.problems()...)
	}
	if len(c.Actions) > 6 {
		found = append(found, "a card has at most six actions")
	}
	for _, a := range c.Actions {
		if u, err := url.Parse(a.URL); err != nil || u.Host == "" || a.Type != "Action.OpenUrl" || a.Title == "" {
			found = append(found, "an action opens no URL: "+a.URL)
		}
	}
	return found
}

func (e Element) problems() []string {
	var found []string
	switch {
	case !slices.Contains(styles, e.Style):
		found = append(found, "there is no style "+e.Style)
	case e.Type == "Container" && len(e.Items) > 0:
		for _, item := range e.Items {
			found = append(found, item.problems()...)
		}
	case e.Type == "RichTextBlock" && len(e.Inlines) > 0:
		for _, r := range e.Inlines {
			if r.Type != "TextRun" || r.Text == "" {
				found = append(found, "a run of a RichTextBlock has no text")
			}
		}
	case e.Type == "FactSet" && len(e.Facts) > 0:
		for _, f := range e.Facts {
			if f.Title == "" || bytes.Contains([]byte(f.Value), []byte("](")) {
				found = append(found, "a fact has no title or forges a link: "+f.Value)
			}
		}
	default:
		found = append(found, "an element is empty or of a strange type: "+e.Type)
	}
	return found
}
