package pagerduty

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

// signatureHeader holds one HMAC-SHA256 of the body, or several while a secret is changed.
const (
	signatureHeader  = "X-PagerDuty-Signature"
	signatureVersion = "v1="
)

// Provider is the name of PagerDuty in replies and attempts.
const Provider = "pagerduty"

// Hook takes PagerDuty's webhooks (v3): what people do there to incidents that we opened.
type Hook struct {
	// Secrets are those of the webhook subscription: the one in force and, while it is changed, the one before.
	Secrets []string
}

var _ incidents.Hook = (*Hook)(nil)

// Receive implements incidents.Hook. What means nothing to us is accepted, as is what comes too late or is about an incident
// that is not ours: PagerDuty drops what it gets a 4xx for, and disables a subscription after three of them.
func (h *Hook) Receive(ctx context.Context, r hook.Request, do incidents.Answering) (hook.Answer, error) {
	if !h.signed(r) {
		return hook.Answer{}, fault.New(fault.Unauthorized, "the request is not signed by PagerDuty")
	}
	e, err := readWebhook(r.Body)
	if err != nil {
		return hook.Answer{}, err
	}
	reply, ok := e.reply(r.At)
	if !ok {
		return accepted, nil
	}
	if _, err := do(ctx, reply); err != nil && !pointless(err) {
		return hook.Answer{}, err
	}
	return accepted, nil
}

var accepted = hook.Answer{Status: http.StatusOK}

// pointless reports whether telling the same again would end the same.
func pointless(err error) bool {
	switch fault.KindOf(err) {
	case fault.NotFound, fault.Conflict, fault.Invalid, fault.Forbidden, fault.TooLarge:
		return true
	}
	return false
}

// signed compares every signature with every secret, in a time that does not depend on them.
func (h *Hook) signed(r hook.Request) bool {
	found := false
	for _, secret := range h.Secrets {
		if secret == "" {
			continue
		}
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(r.Body)
		want := mac.Sum(nil)
		for given := range strings.SplitSeq(strings.Join(r.Header.Values(signatureHeader), ","), ",") {
			digits, versioned := strings.CutPrefix(strings.TrimSpace(given), signatureVersion)
			sum, err := hex.DecodeString(digits)
			found = (hmac.Equal(sum, want) && versioned && err == nil) || found
		}
	}
	return found
}

// webhook is the event of a webhook, as far as it matters here.
type webhook struct {
	ID         string    `json:"id"`
	Type       string    `json:"event_type"`
	OccurredAt time.Time `json:"occurred_at"`
	Agent      *named    `json:"agent"` // who did it; null for PagerDuty itself
	Data       struct {
		ID               string  `json:"id"`
		IncidentKey      string  `json:"incident_key"`
		Assignees        []named `json:"assignees"`
		EscalationPolicy *named  `json:"escalation_policy"`
		Priority         *named  `json:"priority"`
		Incident         *named  `json:"incident"` // of a note
		Content          string  `json:"content"`  // of a note
		Trimmed          bool    `json:"trimmed"`
	} `json:"data"`
}

// named is one of PagerDuty's references.
type named struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Summary string `json:"summary"`
}

func readWebhook(body []byte) (webhook, error) {
	var read struct {
		Event webhook `json:"event"`
	}
	if err := json.Unmarshal(body, &read); err != nil {
		return webhook{}, fault.Wrap(fault.Invalid, err, "the body is not a webhook of PagerDuty's version 3")
	}
	if read.Event.ID == "" || read.Event.Type == "" {
		return webhook{}, fault.New(fault.Invalid, "event: has no id or event_type; subscribe with webhooks of version 3")
	}
	return read.Event, nil
}

// Kinds of webhooks that say something to us. Those that only tell of what PagerDuty does for itself are put on the
// timeline: who is called there is PagerDuty's business.
const (
	eventTriggered      = "incident.triggered"
	eventAcknowledged   = "incident.acknowledged"
	eventUnacknowledged = "incident.unacknowledged"
	eventResolved       = "incident.resolved"
	eventReopened       = "incident.reopened"
	eventEscalated      = "incident.escalated"
	eventDelegated      = "incident.delegated"
	eventAnnotated      = "incident.annotated"
	eventPriority       = "incident.priority_updated"
)

// reply is what the webhook says about an incident of ours; false where it says nothing, such as a ping.
func (e webhook) reply(received time.Time) (incidents.Reply, bool) {
	r := incidents.Reply{
		ID: notify.Line(e.ID, 200), Provider: Provider, DedupKey: e.Data.IncidentKey, ProviderID: notify.Line(e.Data.ID, 100),
		By: e.by(), At: e.OccurredAt,
	}
	if r.At.IsZero() || r.At.After(received) {
		r.At = received
	}
	switch e.Type {
	case eventTriggered:
		r.Action = incidents.ReplyLinked
	case eventAcknowledged:
		r.Action = e.person(incidents.ReplyAcknowledge)
	case eventResolved:
		r.Action = e.person(incidents.ReplyResolve)
		r.Text = "resolved in PagerDuty"
	case eventUnacknowledged:
		r.Action = incidents.ReplyUnacknowledged
		r.Text = "The acknowledgement has run out in PagerDuty or was taken back there. PagerDuty pages its people again."
	case eventAnnotated:
		r.Action, r.Text = incidents.ReplyNote, e.note()
		r.DedupKey, r.ProviderID = "", e.noted()
	case eventReopened, eventEscalated, eventDelegated, eventPriority:
		r.Action, r.Text = incidents.ReplyNote, e.news()
	default:
		return r, false
	}
	return r, (r.DedupKey != "" || r.ProviderID != "") && (r.Action != incidents.ReplyNote || r.Text != "")
}

// person lets an action count that a person took. What an integration or a timer did is either what we told PagerDuty
// ourselves or no word on whether somebody is on it.
func (e webhook) person(a incidents.ReplyAction) incidents.ReplyAction {
	if e.Agent != nil && strings.HasPrefix(e.Agent.Type, "user") {
		return a
	}
	return incidents.ReplyLinked
}

func (e webhook) by() incidents.Actor {
	if e.Agent == nil || e.Agent.ID == "" {
		return incidents.Actor{ID: Provider, Name: "PagerDuty"}
	}
	name := cmp.Or(e.Agent.Summary, e.Agent.ID)
	return incidents.Actor{ID: Provider + ":" + notify.Line(e.Agent.ID, 60), Name: notify.Line(name, 100)}
}

func (e webhook) noted() string {
	if e.Data.Incident == nil {
		return ""
	}
	return notify.Line(e.Data.Incident.ID, 100)
}

const maxNote = 5000 // characters

func (e webhook) note() string {
	text := notify.Cut(strings.TrimSpace(e.Data.Content), maxNote)
	if e.Data.Trimmed && text != "" {
		text += " (PagerDuty sent only the beginning)"
	}
	return text
}

// news is what happened in PagerDuty, in a sentence.
func (e webhook) news() string {
	switch e.Type {
	case eventReopened:
		return "Reopened in PagerDuty. What was resolved here stays so; the same trouble opens a new incident."
	case eventEscalated:
		return "Escalated in PagerDuty" + e.assigned() + "."
	case eventDelegated:
		return "Handed over in PagerDuty" + e.policy() + e.assigned() + "."
	}
	if e.Data.Priority == nil || e.Data.Priority.Summary == "" {
		return "The priority was taken away in PagerDuty."
	}
	return "The priority in PagerDuty is " + notify.Line(e.Data.Priority.Summary, 60) + "."
}

func (e webhook) policy() string {
	if e.Data.EscalationPolicy == nil || e.Data.EscalationPolicy.Summary == "" {
		return ""
	}
	return " to the escalation policy " + notify.Line(e.Data.EscalationPolicy.Summary, 100)
}

const mostAssignees = 10

func (e webhook) assigned() string {
	var names []string
	for _, a := range e.Data.Assignees[:min(len(e.Data.Assignees), mostAssignees)] {
		names = append(names, notify.Line(cmp.Or(a.Summary, a.ID), 100))
	}
	if len(names) == 0 {
		return ""
	}
	return "; assigned to " + strings.Join(names, ", ")
}
