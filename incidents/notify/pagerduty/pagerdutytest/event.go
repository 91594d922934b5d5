package pagerdutytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"
	"unicode/utf8"
)

const maxBody = 512 << 10

// Event is the body of POST /v2/enqueue as PagerDuty documents it.
type Event struct {
	RoutingKey  string   `json:"routing_key"`
	EventAction string   `json:"event_action"`
	DedupKey    string   `json:"dedup_key"`
	Client      string   `json:"client"`
	ClientURL   string   `json:"client_url"`
	Payload     *Payload `json:"payload"`
	Links       []Link   `json:"links"`
	Images      []Image  `json:"images"`
}

// Payload is required for a trigger, and so are its summary, source and severity.
type Payload struct {
	Summary       string         `json:"summary"`
	Source        string         `json:"source"`
	Severity      string         `json:"severity"`
	Timestamp     string         `json:"timestamp"`
	Component     string         `json:"component"`
	Group         string         `json:"group"`
	Class         string         `json:"class"`
	CustomDetails map[string]any `json:"custom_details"`
}

// Link is shown on the alert.
type Link struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

// Image is shown on the alert; its source must be served over HTTPS.
type Image struct {
	Src  string `json:"src"`
	Href string `json:"href"`
	Alt  string `json:"alt"`
}

// check reads an event and says everything that is wrong with it. It is stricter than PagerDuty in one point: fields
// that are not documented are refused, because they never do what their sender hoped.
func check(body []byte, e *Event) []string {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(e); err != nil {
		return []string{"JSON: " + err.Error()}
	}
	var problems []string
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if e.RoutingKey == "" {
		bad("'routing_key' is missing or blank")
	}
	if !slices.Contains([]string{"trigger", "acknowledge", "resolve"}, e.EventAction) {
		bad("'event_action' is invalid (must be one of trigger, acknowledge, resolve)")
	}
	if e.DedupKey == "" && e.EventAction != "trigger" {
		bad("'dedup_key' is missing or blank")
	}
	if utf8.RuneCountInString(e.DedupKey) > 255 {
		bad("'dedup_key' is longer than 255 characters")
	}
	if e.ClientURL != "" && !absolute(e.ClientURL) {
		bad("'client_url' is not a URL")
	}
	for _, l := range e.Links {
		if !absolute(l.Href) {
			bad("'links.href' is missing or not a URL")
		}
	}
	for _, i := range e.Images {
		if u, err := url.Parse(i.Src); err != nil || u.Scheme != "https" {
			bad("'images.src' is missing or not served over HTTPS")
		}
	}
	switch {
	case e.Payload != nil:
		problems = append(problems, e.Payload.check()...)
	case e.EventAction == "trigger":
		bad("'payload' is missing")
	}
	return problems
}

func (p Payload) check() []string {
	var problems []string
	bad := func(text string) { problems = append(problems, text) }
	if p.Summary == "" {
		bad("'payload.summary' is missing or blank")
	}
	if utf8.RuneCountInString(p.Summary) > 1024 {
		bad("'payload.summary' is longer than 1024 characters")
	}
	if p.Source == "" {
		bad("'payload.source' is missing or blank")
	}
	if !slices.Contains([]string{"critical", "error", "warning", "info"}, p.Severity) {
		bad("'payload.severity' is invalid (must be one of critical, error, warning, info)")
	}
	if _, err := time.Parse(time.RFC3339, p.Timestamp); p.Timestamp != "" && err != nil {
		bad("'payload.timestamp' is not an ISO 8601 time")
	}
	return problems
}

func absolute(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.IsAbs() && u.Host != ""
}
