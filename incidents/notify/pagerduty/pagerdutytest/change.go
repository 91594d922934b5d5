package pagerdutytest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"
)

// Change is the body of POST /v2/change/enqueue as PagerDuty documents it. It opens nothing and pages nobody.
type Change struct {
	RoutingKey string         `json:"routing_key"`
	Payload    *ChangePayload `json:"payload"`
	Links      []Link         `json:"links"`
	Images     []Image        `json:"images"`
}

// ChangePayload says what was changed; its summary is required.
type ChangePayload struct {
	Summary       string         `json:"summary"`
	Source        string         `json:"source"`
	Timestamp     string         `json:"timestamp"`
	CustomDetails map[string]any `json:"custom_details"`
}

// Changes returns the accepted change events, in order.
func (s *Server) Changes() []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.changes)
}

func (s *Server) change(w http.ResponseWriter, body []byte) {
	var c Change
	if problems := checkChange(body, &c); len(problems) > 0 {
		s.refuse(problems)
		answer(w, http.StatusBadRequest, reply{Status: "invalid event", Message: "Event object is invalid", Errors: problems})
		return
	}
	s.mu.Lock()
	s.changes = append(s.changes, c)
	s.mu.Unlock()
	answer(w, http.StatusAccepted, reply{Status: "success", Message: "Change event processed"})
}

func checkChange(body []byte, c *Change) (problems []string) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(c); err != nil {
		return []string{"JSON: " + err.Error()}
	}
	bad := func(text string) { problems = append(problems, text) }
	if c.RoutingKey == "" {
		bad("'routing_key' is missing or blank")
	}
	if c.Payload == nil {
		bad("'payload' is missing")
		return problems
	}
	if c.Payload.Summary == "" {
		bad("'payload.summary' is missing or blank")
	}
	if utf8.RuneCountInString(c.Payload.Summary) > 1024 {
		bad("'payload.summary' is longer than 1024 characters")
	}
	if _, err := time.Parse(time.RFC3339, c.Payload.Timestamp); c.Payload.Timestamp != "" && err != nil {
		bad("'payload.timestamp' is not an ISO 8601 time")
	}
	for _, l := range c.Links {
		if !absolute(l.Href) {
			bad("'links.href' is missing or not a URL")
		}
	}
	return problems
}
