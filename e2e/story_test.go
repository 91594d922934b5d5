//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/track/jira/jiratest"
)

const story = `
apiVersion: nines/v1
kind: EscalationPolicy
metadata: {name: default}
spec:
  steps:
  - targets:
    - webhook: {url: "SINK", secret: {env: E2E_WEBHOOK_SECRET}}
---
apiVersion: nines/v1
kind: Audience
metadata: {name: status-page}
spec:
  targets:
  - webhook: {url: "SINK/status", secret: {env: E2E_WEBHOOK_SECRET}}
  level: SEV2
---
apiVersion: nines/v1
kind: PostmortemPolicy
metadata: {name: majors}
spec:
  rules:
  - {level: SEV1, due: {businessDays: 5}}
---
apiVersion: nines/v1
kind: Tracker
metadata: {name: ops}
spec:
  default: true
  jira:
    url: "THEIRS"
    user: nines@example.com
    token: {env: E2E_JIRA_TOKEN}
    project: OPS
    status: {dropped: "Won't Do"}
`

// TestAWholeIncident is a night and the weeks after it: an alert opens it and pages, somebody takes command and a second one
// is told, it is rated, worked on and told of, it ends, its review is asked for because of its level, written by one and
// reviewed by another, and what was agreed on is done in the tracker that the team works with.
func TestAWholeIncident(t *testing.T) {
	t.Parallel()
	jira := jiratest.New(t)
	w := &world{sink: startSink(t)}
	w.plane = startPlane(t, planeOptions{env: append([]string{"E2E_JIRA_TOKEN=" + jiratest.Token}, pageKeys...), args: []string{"--prometheus-url", quietPrometheus(t)}})
	path := filepath.Join(w.dir, "definitions.yaml")
	write(t, path, strings.NewReplacer("SINK", w.sink.URL, "THEIRS", jira.URL).Replace(story))
	w.cli("apply", "-f", path)
	if said := w.cli("tracker", "test", "ops"); !strings.Contains(said, "project OPS (Operations)") {
		t.Errorf("the tracker's test: %s", said)
	}
	if code := w.postAlert("CheckoutDown"); code != http.StatusOK {
		t.Fatalf("the alert was answered %d", code)
	}
	incident := w.openIncident(t, "CheckoutDown")
	w.sink.waitFor(t, 10*time.Second, "CheckoutDown")
	number := fmt.Sprint(incident.Number)
	w.takeCommand(t, number)
	w.workOnIt(t, number)
	w.cli("incidents", "resolve", number, "-m", "rolled back release 118")
	w.cli("incidents", "update", number, "It is over since the rollback.", "--phase", "resolved", "--public")
	w.told(t, "resolved", "It is over since the rollback.")
	w.review(t, number)
	w.doWhatWasAgreed(t, jira)
	if refused := jira.Refused(); len(refused) > 0 {
		t.Errorf("Jira would refuse %q", refused)
	}
	shown := w.cli("incidents", "show", number)
	for _, want := range []string{"SEV1", "ana@example.com has the role of commander now", "Task 1 done", "Status update, identified", "rolled back release 118", "A postmortem is required"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the timeline does not tell of %q:\n%s", want, shown)
		}
	}
}

// as returns a token of somebody of that name.
func (w *world) as(t *testing.T, role string) string {
	t.Helper()
	var made struct{ Token string }
	_, raw, _ := w.call(http.MethodPost, "/api/v1/tokens", map[string]string{"name": role, "role": "responder"})
	if err := json.Unmarshal(raw, &made); err != nil || made.Token == "" {
		t.Fatalf("%s %v", raw, err)
	}
	return made.Token
}

func (w *world) takeCommand(t *testing.T, number string) {
	t.Helper()
	for _, name := range []string{"ana@example.com", "bo@example.com"} {
		w.cli("users", "add", name, "--role", "responder")
	}
	w.cli("incidents", "ack", number)
	w.cli("incidents", "role", number, "commander", "--user", "ana@example.com")
	if out, err := w.tryCLI("", "incidents", "role", number, "commander", "--user", "bo@example.com"); err == nil || !strings.Contains(out, "ana@example.com is commander") {
		t.Errorf("a second commander: %v %s", err, out)
	}
	w.cli("incidents", "role", number, "communications", "--user", "bo@example.com")
	w.cli("incidents", "rate", number, "--level", "SEV1", "--impact", "everyone", "-m", "all shops")
	if i := w.incident(number); i.Level != 1 || i.Roles[incidents.Commander] != "ana@example.com" || i.State != incidents.Acknowledged {
		t.Errorf("it is %s, %s, with the roles %v", i.Level, i.State, i.Roles)
	}
}

func (w *world) workOnIt(t *testing.T, number string) {
	t.Helper()
	w.cli("incidents", "tasks", "add", number, "roll back release 118", "--owner", "ana@example.com", "--in", "30m")
	w.cli("incidents", "tasks", "add", number, "call the card provider")
	w.cli("incidents", "update", number, "Card payments fail; we look into it.", "--next", "30m")
	w.told(t, "investigating", "Card payments fail; we look into it.")
	w.cli("incidents", "update", number, "Release 118 broke it; we roll back.", "--phase", "identified", "--public")
	w.told(t, "identified", "Release 118 broke it; we roll back.")
	w.cli("incidents", "tasks", "done", number, "1")
	w.cli("incidents", "tasks", "drop", number, "2")
	if tasks := w.cli("incidents", "tasks", "list", number); strings.Contains(tasks, "open") || !strings.Contains(tasks, "dropped") {
		t.Errorf("the tasks:\n%s", tasks)
	}
}

// told waits until the audience has heard a status update.
func (w *world) told(t *testing.T, phase, text string) {
	t.Helper()
	eventually(t, 15*time.Second, "the audience hears: "+text, func() error {
		for _, p := range w.sink.pages() {
			if p.Body["type"] != "incident.status" {
				continue
			}
			data, _ := p.Body["data"].(map[string]any)
			if status, _ := data["status"].(map[string]any); status["text"] == text && status["phase"] == phase {
				return nil
			}
		}
		return fmt.Errorf("it has not")
	})
}

func (w *world) review(t *testing.T, number string) {
	t.Helper()
	eventually(t, 60*time.Second, "its review is a duty because of its level", func() error {
		if due := w.cli("postmortem", "due"); !strings.Contains(due, "#"+number) {
			return fmt.Errorf("%s", due)
		}
		return nil
	})
	w.cli("postmortem", "draft", number)
	sheet := w.cli("postmortem", "show", "1", "--edit")
	for _, key := range []string{"summary", "root-causes", "trigger"} {
		head := "<!-- section: " + key + " -->\n"
		at := strings.Index(sheet, head)
		end := at + len(head) + strings.Index(sheet[at+len(head):], "\n") + 1 // below what is asked for
		sheet = sheet[:end] + "Words about the " + key + ": release 118.\n" + sheet[end:]
	}
	file := filepath.Join(w.dir, "1.md")
	write(t, file, sheet)
	w.cli("postmortem", "edit", "-f", file)
	w.cli("action", "add", "1", "Run checkout against the staging provider", "--owner", "ana@example.com", "--due", "2026-12-24", "--kind", "prevent")
	w.cli("postmortem", "submit", "1")
	w.cli("postmortem", "review", "1", "--token", w.as(t, "reviewer"))
	if due := w.cli("postmortem", "due"); !strings.Contains(due, "Nothing is due") {
		t.Errorf("reviewed, and still due:\n%s", due)
	}
}

func (w *world) doWhatWasAgreed(t *testing.T, jira *jiratest.Server) {
	t.Helper()
	eventually(t, 20*time.Second, "the action item is a ticket", func() error {
		if items := w.cli("action", "list"); !strings.Contains(items, "OPS-1") {
			return fmt.Errorf("%s", items)
		}
		return nil
	})
	i := jira.Issues()[0]
	if i.Summary != "Run checkout against the staging provider" || i.Due != "2026-12-24" || i.Assignee == "" {
		t.Errorf("the ticket: %+v", i)
	}
	w.cli("action", "edit", "1", "--title", "Run checkout against the provider's staging")
	eventually(t, 20*time.Second, "the ticket is worded anew", func() error {
		if i := jira.Issues()[0]; i.Summary != "Run checkout against the provider's staging" {
			return fmt.Errorf("it says %q", i.Summary)
		}
		return nil
	})
	jira.Move("OPS-1", "Done")
	w.cli("action", "sync", "1")
	eventually(t, 20*time.Second, "what is done over there is done here", func() error {
		if items := w.cli("action", "list"); !strings.Contains(items, "done") {
			return fmt.Errorf("%s", items)
		}
		return nil
	})
	if said := w.cli("tracker", "list"); !strings.Contains(said, "0 of 1 open") || len(jira.Issues()) != 1 {
		t.Errorf("%d issues:\n%s", len(jira.Issues()), said)
	}
}
