package slack

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

// Slack shows people a failure where it has no answer within three seconds, so that what takes longer is given up before.
const (
	doWithin     = 2 * time.Second
	answerWithin = 700 * time.Millisecond
)

// Hook takes what people do in Slack: buttons that they press, the slash command, and what they write in an incident's
// thread, which becomes notes.
type Hook struct {
	// Secrets are the app's signing secrets: the one in force and, during rotation, the one before.
	Secrets []string
	// Open returns the incidents that are not resolved, for the command "list". nil means that it is not offered.
	Open func(ctx context.Context) ([]incidents.Incident, error)
	// OnCall says who would be paged now, a line each, for the command "oncall". nil means that it is not offered.
	OnCall func(ctx context.Context) ([]string, error)
	// IncidentURL is the address of an incident's page; nil means that incidents are shown without links.
	IncidentURL func(i incidents.Incident) string
	// Transport carries what is told to one who pressed a button; nil is http.DefaultTransport.
	Transport http.RoundTripper
}

var _ incidents.Hook = (*Hook)(nil)

// Receive implements incidents.Hook.
func (h *Hook) Receive(ctx context.Context, r hook.Request, do incidents.Answering) (hook.Answer, error) {
	if err := verify(r, h.Secrets); err != nil {
		return hook.Answer{}, err
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "application/json" {
		return h.event(ctx, r, do)
	}
	form, err := url.ParseQuery(string(r.Body))
	switch {
	case err != nil:
		return hook.Answer{}, fault.New(fault.Invalid, "the body is neither JSON nor a form")
	case form.Has("payload"):
		return h.interaction(ctx, r, form.Get("payload"), do)
	case form.Has("command"):
		return h.command(ctx, r, form, do)
	case form.Has("ssl_check"):
		return accepted, nil
	}
	return hook.Answer{}, fault.New(fault.Invalid, "the form holds neither payload nor command")
}

var accepted = hook.Answer{Status: http.StatusOK}

// interaction is what somebody did to a message. Slack has one such call for each button pressed.
type interaction struct {
	Type        string `json:"type"`
	TriggerID   string `json:"trigger_id"`
	ResponseURL string `json:"response_url"`
	User        user   `json:"user"`
	Actions     []struct {
		ID    string `json:"action_id"`
		Value string `json:"value"`
	} `json:"actions"`
}

type user struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Username string `json:"username"`
}

// person names who it was, by an id that is one line: it stays, names are for people.
func person(id string, names ...string) incidents.Actor {
	for _, name := range names {
		if name = notify.Line(name, 80); name != "" {
			return incidents.Actor{ID: Provider + ":" + id, Name: name}
		}
	}
	return incidents.Actor{ID: Provider + ":" + id, Name: id}
}

var actionOfButton = map[string]incidents.ReplyAction{
	buttonAcknowledge: incidents.ReplyAcknowledge, buttonResolve: incidents.ReplyResolve, buttonEscalate: incidents.ReplyEscalate,
}

// interaction does what a button says. Buttons that open a page, and what we don't offer, are accepted without effect.
func (h *Hook) interaction(ctx context.Context, r hook.Request, payload string, do incidents.Answering) (hook.Answer, error) {
	var in interaction
	if err := json.Unmarshal([]byte(payload), &in); err != nil {
		return hook.Answer{}, fault.New(fault.Invalid, "payload is not JSON")
	}
	if in.Type != "block_actions" || len(in.Actions) == 0 {
		return accepted, nil
	}
	pressed := in.Actions[0]
	action, changes := actionOfButton[pressed.ID]
	by, incident := notify.Line(in.User.ID, 40), notify.Line(pressed.Value, 100)
	switch {
	case !changes:
		return accepted, nil
	case by == "" || incident == "":
		return hook.Answer{}, fault.New(fault.Invalid, "payload lacks user.id or actions[0].value")
	}
	text := perform(ctx, do, incidents.Reply{
		ID: notify.Line(in.TriggerID, 200), Provider: Provider, Action: action, Incident: incident,
		By: person(by, in.User.Name, in.User.Username), At: r.At,
	}, "The incident")
	h.tell(ctx, in.ResponseURL, text)
	return accepted, nil
}

// event takes a call of the Events API.
func (h *Hook) event(ctx context.Context, r hook.Request, do incidents.Answering) (hook.Answer, error) {
	var e event
	if err := json.Unmarshal(r.Body, &e); err != nil {
		return hook.Answer{}, fault.New(fault.Invalid, "the body is not JSON")
	}
	if e.Type == "url_verification" {
		return hook.Answer{Status: http.StatusOK, ContentType: "text/plain; charset=utf-8", Body: []byte(e.Challenge)}, nil
	}
	reply, ok := e.reply(r.At)
	if !ok {
		return accepted, nil
	}
	ctx, cancel := context.WithTimeout(ctx, doWithin)
	defer cancel()
	if _, err := do(ctx, reply); err != nil && !pointless(err) {
		return hook.Answer{}, err // Slack sends it again
	}
	return accepted, nil
}

// pointless reports whether saying the same again would end the same. Most threads are none of ours.
func pointless(err error) bool {
	switch fault.KindOf(err) {
	case fault.NotFound, fault.Conflict, fault.Invalid, fault.Forbidden, fault.TooLarge:
		return true
	}
	return false
}
