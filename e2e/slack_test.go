//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/slack/slacktest"
	"github.com/nines-sre/nines/internal/hook"
)

const slackApp = `
apiVersion: nines/v1
kind: EscalationPolicy
metadata: {name: default}
spec:
  steps:
  - targets:
    - slack: {token: {env: E2E_SLACK_TOKEN}, channel: "#incidents", endpoint: "THEIRS"}
  - delay: 1h
    targets:
    - webhook: {url: "SINK", secret: {env: E2E_WEBHOOK_SECRET}}
---
apiVersion: nines/v1
kind: Integration
metadata: {name: chat}
spec: {type: slack, secret: {env: E2E_SLACK_SECRET}}
`

// TestAnIncidentIsWorkedOnInSlack goes from the first message to the end without leaving Slack: somebody asks what is
// open, escalates, takes it, writes what they found, and everything shows in one thread.
func TestAnIncidentIsWorkedOnInSlack(t *testing.T) {
	t.Parallel()
	slack := slacktest.New(t)
	w := &world{sink: startSink(t)}
	w.plane = startPlane(t, planeOptions{
		env:  append([]string{"E2E_SLACK_TOKEN=" + slacktest.Token, "E2E_SLACK_SECRET=" + slacktest.Secret}, pageKeys...),
		args: []string{"--prometheus-url", quietPrometheus(t)},
	})
	path := filepath.Join(w.dir, "definitions.yaml")
	write(t, path, strings.NewReplacer("SINK", w.sink.URL, "THEIRS", slack.URL).Replace(slackApp))
	w.cli("apply", "-f", path)
	if code := w.postAlert("CheckoutDown"); code != http.StatusOK {
		t.Fatalf("the alert was answered %d", code)
	}
	incident := w.openIncident(t, "CheckoutDown")
	first := w.messages(t, slack, "the page", 1)[0]
	if !slices.Equal(first.Buttons()[:3], []string{"acknowledge", "resolve", "escalate"}) || first.ThreadTS != "" {
		t.Errorf("the first message has the buttons %v", first.Buttons())
	}

	if said := w.say(t, slacktest.Form(command("list"), time.Now())); !strings.Contains(said, fmt.Sprintf("#%d CRITICAL", incident.Number)) {
		t.Errorf("what is open: %s", said)
	}
	if code, _ := w.hook(t, "chat", slacktest.Sign("application/x-www-form-urlencoded", nil, "guessed", time.Now()).Header, ""); code != http.StatusUnauthorized {
		t.Errorf("a stranger is answered %d", code)
	}
	w.say(t, pressed("escalate", incident.ID))
	w.sink.waitFor(t, 10*time.Second, "CheckoutDown")
	w.say(t, pressed("acknowledge", incident.ID))
	if i := w.incident(incident.ID); i.State != incidents.Acknowledged || i.AcknowledgedBy != "bo" {
		t.Errorf("it is %s by %q", i.State, i.AcknowledgedBy)
	}
	w.messages(t, slack, "the thread tells of it", 3)
	note := map[string]any{"type": "event_callback", "event_id": "Ev1", "event": map[string]any{
		"type": "message", "channel": slacktest.ChannelID, "user": "U1", "text": "The cache of &lt;db1&gt; is full", "ts": "1761700099.000001", "thread_ts": first.TS,
	}}
	text, _ := json.Marshal(note)
	for range 2 { // Slack sends again what took long
		w.say(t, slacktest.Event(string(text), time.Now()))
	}
	if told := strings.Count(w.timeline(t, incident.ID), "The cache of <db1> is full"); told != 1 {
		t.Errorf("the note is on the timeline %d times", told)
	}
	if said := w.say(t, slacktest.Form(command(fmt.Sprintf("resolve %d cache emptied", incident.Number)), time.Now())); !strings.Contains(said, "is resolved") {
		t.Errorf("the end: %s", said)
	}

	eventually(t, 20*time.Second, "the thread tells all of it and the first message the end", func() error {
		all := slack.Messages()
		var thread []string
		for _, m := range all[1:] {
			if m.ThreadTS != first.TS {
				return fmt.Errorf("%q is not in the thread", m.Text)
			}
			thread = append(thread, m.Text)
		}
		whole := strings.Join(thread, "\n")
		for _, want := range []string{"Escalated by bo", "Acknowledged #", "Resolved #"} {
			if !strings.Contains(whole, want) {
				return fmt.Errorf("no %q in the thread: %q", want, thread)
			}
		}
		if strings.Contains(whole, "cache of") {
			t.Fatal("the thread is told what was written in it")
		}
		if b := all[0].Buttons(); slices.Contains(b, "acknowledge") || slices.Contains(b, "resolve") || !strings.Contains(all[0].Text, "Resolved") {
			return fmt.Errorf("the first message says %q, with buttons %v", all[0].Text, b)
		}
		return nil
	})
	if refused := slack.Refused(); len(refused) > 0 {
		t.Errorf("Slack would refuse %v", refused)
	}
}

// messages waits until the channel shows so many.
func (w *world) messages(t *testing.T, s *slacktest.Server, what string, want int) []slacktest.Message {
	t.Helper()
	eventually(t, 10*time.Second, what, func() error {
		if n := len(s.Messages()); n < want {
			return fmt.Errorf("%d messages, refused %v", n, s.Refused())
		}
		return nil
	})
	return s.Messages()
}

// say is what Slack sends us; it returns what its author sees.
func (w *world) say(t *testing.T, r hook.Request) string {
	t.Helper()
	code, text := w.hook(t, "chat", r.Header, string(r.Body))
	if code != http.StatusOK {
		t.Fatalf("Slack's call is answered %d %s", code, text)
	}
	return text
}

func command(text string) url.Values {
	return url.Values{"command": {"/nines"}, "text": {text}, "user_id": {"U1"}, "user_name": {"bo"}, "trigger_id": {text}}
}

// pressed is a button of a message.
func pressed(button, incident string) hook.Request {
	payload, _ := json.Marshal(map[string]any{
		"type": "block_actions", "trigger_id": "press " + button, "user": map[string]string{"id": "U1", "name": "bo"},
		"actions": []map[string]string{{"action_id": button, "value": incident, "type": "button"}},
	})
	return slacktest.Form(url.Values{"payload": {string(payload)}}, time.Now())
}

// timeline is what an incident's timeline says, a line an entry.
func (w *world) timeline(t *testing.T, id string) string {
	t.Helper()
	var body struct {
		Events []incidents.Event `json:"events"`
	}
	if err := w.get("/api/v1/incidents/"+id+"/timeline", &body); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range body.Events {
		lines = append(lines, e.Text)
	}
	return strings.Join(lines, "\n")
}
