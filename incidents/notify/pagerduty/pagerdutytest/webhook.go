package pagerdutytest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"
)

// Webhook is one webhook of version 3, as PagerDuty documents it.
type Webhook struct {
	ID         string // of the event; the same when it is sent again
	Type       string // such as "incident.acknowledged"
	OccurredAt time.Time
	Agent      *Reference // null for what PagerDuty does by itself
	Incident   string     // PagerDuty's id of the incident
	Key        string     // the dedup key of its first alert
	Assignees  []Reference
	Policy     *Reference
	Priority   *Reference
	Note       string // of incident.annotated
}

// Reference names something of PagerDuty's.
type Reference struct {
	ID      string `json:"id"`
	Type    string `json:"type"` // such as "user_reference" or "inbound_integration_reference"
	Summary string `json:"summary"`
	Self    string `json:"self"`
	HTMLURL string `json:"html_url"`
}

// User returns the reference of a person.
func User(id, name string) *Reference {
	return &Reference{
		ID: id, Type: "user_reference", Summary: name, Self: "https://api.pagerduty.com/users/" + id,
		HTMLURL: "https://acme.pagerduty.com/users/" + id,
	}
}

// Body returns the JSON that is sent.
func (w Webhook) Body() []byte {
	incident := Reference{ID: w.Incident, Type: "incident_reference", Summary: "[#1] Trouble"}
	var data any = map[string]any{
		"id": w.Incident, "type": "incident", "self": "https://api.pagerduty.com/incidents/" + w.Incident,
		"number": 1, "incident_key": w.Key,
		"title": "Trouble", "status": "triggered", "urgency": "high", "assignees": w.Assignees, "escalation_policy": w.Policy,
		"priority": w.Priority, "teams": []Reference{}, "conference_bridge": nil, "resolve_reason": nil,
		"service": Reference{ID: "PF9KMXH", Type: "service_reference", Summary: "shop"},
	}
	switch w.Type {
	case "incident.annotated":
		data = map[string]any{"id": "P" + w.ID, "type": "incident_note", "incident": incident, "content": w.Note, "trimmed": false}
	case "pagey.ping":
		data = map[string]any{"type": "ping", "message": "Hello from your friend Pagey!"}
	}
	body, err := json.Marshal(map[string]any{"event": map[string]any{
		"id": w.ID, "event_type": w.Type, "resource_type": "incident",
		"occurred_at": w.OccurredAt.UTC().Format("2006-01-02T15:04:05.000Z"),
		"agent":       w.Agent, "client": nil, "data": data,
	}})
	if err != nil {
		panic(err) // strings, numbers and references always encode
	}
	return body
}

// Sign returns the headers of a webhook; with several secrets it is signed with each, as while one is changed.
func Sign(body []byte, secrets ...string) http.Header {
	value := ""
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		if value != "" {
			value += ","
		}
		value += "v1=" + hex.EncodeToString(mac.Sum(nil))
	}
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "PagerDuty-Webhook/V3.0")
	h.Set("X-PagerDuty-Signature", value)
	return h
}
