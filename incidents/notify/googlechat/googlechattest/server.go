// Package googlechattest is a fake of the webhook of a Google Chat space: it refuses what Google Chat refuses, keeps
// messages in threads and fails on demand. It leaves out everything that is not about messages.
package googlechattest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/nines-sre/nines/incidents/notify/notifytest"
)

// Path, Key and Token are of the webhook's address. Whoever knows them may post.
const (
	Path    = "/v1/spaces/AAAAMpdlehY/messages"
	Key     = "AIzaSyDdI0hCZtE6vySjMm-WEfRq3CPzqKqqsHI"
	Token   = "cWyzXOZMhCyvdIPqCMmn1Cbo-ys1vV8sQkmKq3vJX8s"
	maxBody = 32_000
)

// Message is what a space shows.
type Message struct {
	Text   string `json:"text"`
	Cards  []Card `json:"cardsV2"`
	Thread struct {
		Key string `json:"threadKey"`
	} `json:"thread"`
}

// Card is a card with its id.
type Card struct {
	ID   string `json:"cardId"`
	Card struct {
		Sections []struct {
			Widgets []Widget `json:"widgets"`
		} `json:"sections"`
	} `json:"card"`
}

// Widget is one of its fields.
type Widget struct {
	Paragraph *struct {
		Text string `json:"text"`
	} `json:"textParagraph"`
	Decorated *struct {
		TopLabel string `json:"topLabel"`
		Text     string `json:"text"`
		Wrap     bool   `json:"wrapText"`
	} `json:"decoratedText"`
	Buttons *struct {
		Buttons []Button `json:"buttons"`
	} `json:"buttonList"`
}

// Button opens a link.
type Button struct {
	Text    string `json:"text"`
	OnClick struct {
		Open struct {
			URL string `json:"url"`
		} `json:"openLink"`
	} `json:"onClick"`
}

// Server is the fake. Its methods are safe for concurrent use.
type Server struct {
	*notifytest.Server

	mu      sync.Mutex
	threads [][]Message
	byKey   map[string]int
	posted  int
}

// New starts a fake that stops with the test.
func New(t testing.TB) *Server {
	s := &Server{byKey: map[string]int{}}
	s.Server = notifytest.Start(t, s, func(status int) string { return explain(status, "TOLD_TO", "told to fail") })
	return s
}

// Address is that of the webhook.
func (s *Server) Address() string { return s.URL + Path + "?key=" + Key + "&token=" + Token }

// Threads returns the space's threads with their messages, in order.
func (s *Server) Threads() [][]Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([][]Message, len(s.threads))
	for i, thread := range s.threads {
		out[i] = slices.Clone(thread)
	}
	return out
}

func explain(status int, code, text string) string {
	return fmt.Sprintf(`{"error":{"code":%d,"message":%q,"status":%q}}`, status, text, code)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	query := r.URL.Query()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	switch {
	case r.Method != http.MethodPost || r.URL.Path != Path:
		refuse(w, http.StatusNotFound, "NOT_FOUND", "Requested entity was not found.")
	case query.Get("key") != Key:
		refuse(w, http.StatusForbidden, "PERMISSION_DENIED", "The request is missing a valid API key.")
	case query.Get("token") != Token:
		refuse(w, http.StatusUnauthorized, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
	case err != nil:
		s.Refuse("the message is over 32,000 bytes")
		refuse(w, http.StatusBadRequest, "INVALID_ARGUMENT", "Message is too long.")
	default:
		s.take(w, query.Get("messageReplyOption"), body)
	}
}

func (s *Server) take(w http.ResponseWriter, option string, body []byte) {
	var m Message
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	problems := []string{}
	if err := dec.Decode(&m); err != nil {
		problems = append(problems, err.Error())
	}
	if problems = append(problems, m.problems()...); len(problems) > 0 {
		s.Refuse(problems...)
		refuse(w, http.StatusBadRequest, "INVALID_ARGUMENT", problems[0])
		return
	}
	s.posted++
	at, known := s.byKey[m.Thread.Key]
	if !known || m.Thread.Key == "" || option == "" {
		at = len(s.threads)
		s.threads = append(s.threads, nil)
		s.byKey[m.Thread.Key] = at
	}
	s.threads[at] = append(s.threads[at], m)
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"name": fmt.Sprintf("spaces/AAAAMpdlehY/messages/m%04d.m%04d", s.posted, s.posted), "text": m.Text,
		"thread": map[string]any{"name": fmt.Sprintf("spaces/AAAAMpdlehY/threads/t%04d", at)},
	})
}

func refuse(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, explain(status, code, text))
}

// forged are mentions and links in a text, and any HTML of a card but a line's end.
var (
	forgedText = regexp.MustCompile(`<[^>]*>`)
	forgedCard = regexp.MustCompile(`<(?:[^b]|b[^r])`)
)

func (m Message) problems() []string {
	var found []string
	if m.Text == "" && len(m.Cards) == 0 {
		found = append(found, "the message is empty")
	}
	if forgedText.MatchString(m.Text) {
		found = append(found, "the text calls somebody or forges a link: "+m.Text)
	}
	if len(m.Thread.Key) > 4000 {
		found = append(found, "the thread's key is over 4,000 characters")
	}
	for _, c := range m.Cards {
		if len(c.Card.Sections) == 0 || c.ID == "" {
			found = append(found, "a card has no section or no id")
		}
		for _, section := range c.Card.Sections {
			if len(section.Widgets) == 0 || len(section.Widgets) > 100 {
				found = append(found, "a section has no widget, or over 100")
			}
			for _, w := range section.Widgets {
				found = append(found, w.problems()...)
			}
		}
	}
	return found
}

func (w Widget) problems() []string {
	switch {
	case w.Paragraph != nil:
		return textProblems(w.Paragraph.Text)
	case w.Decorated != nil:
		return append(textProblems(w.Decorated.Text), textProblems(w.Decorated.TopLabel)...)
	case w.Buttons != nil && len(w.Buttons.Buttons) > 0:
		var found []string
		for _, b := range w.Buttons.Buttons {
			if u, err := url.Parse(b.OnClick.Open.URL); err != nil || u.Host == "" || b.Text == "" {
				found = append(found, "a button opens no link: "+b.OnClick.Open.URL)
			}
		}
		return found
	}
	return []string{"a widget is empty"}
}

func textProblems(html string) []string {
	switch {
	case html == "":
		return []string{"a text is empty"}
	case forgedCard.MatchString(html):
		return []string{"a text forges HTML: " + html}
	}
	return nil
}
