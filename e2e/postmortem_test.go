//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
)

const reviewPolicy = `
---
apiVersion: nines/v1
kind: PostmortemPolicy
metadata: {name: majors}
spec:
  rules:
  - {severity: error, due: {businessDays: 5}}
`

// From the page to the last action item: an incident that a policy asks a review for gets its duty, the postmortem is
// written by one and reviewed by another, what was agreed on is done, and the document is handed on.
func TestAnIncidentIsReviewed(t *testing.T) {
	t.Parallel()
	w := startPaging(t, planeOptions{args: []string{"--prometheus-url", quietPrometheus(t)}})
	path := filepath.Join(w.dir, "reviews.yaml")
	write(t, path, reviewPolicy)
	w.cli("apply", "-f", path)
	fires := []map[string]any{{"labels": map[string]string{"alertname": "Down", "severity": "critical", "service": "shop"}, "annotations": map[string]string{"summary": "the shop is down"}}}
	if status, raw, _ := w.call(http.MethodPost, "/alertmanager/api/v2/alerts", fires); status != http.StatusOK {
		t.Fatalf("%d %s", status, raw)
	}
	eventually(t, 20*time.Second, "the incident opens", func() error {
		if len(w.incidents("triggered")) == 0 {
			return fmt.Errorf("none is open")
		}
		return nil
	})
	i := w.incidents("triggered")[0]
	number := fmt.Sprint(i.Number)
	w.cli("incidents", "ack", number)
	w.cli("incidents", "resolve", number, "-m", "rolled back")
	eventually(t, 60*time.Second, "its review is a duty", func() error {
		if due := w.cli("postmortem", "due"); !strings.Contains(due, "#"+number) || !strings.Contains(due, "not begun") {
			return fmt.Errorf("%s", due)
		}
		return nil
	})
	w.cli("postmortem", "draft", number)
	if out, err := w.tryCLI("", "postmortem", "submit", "1"); err == nil || !strings.Contains(out, "there is no action item") {
		t.Errorf("an empty postmortem was submitted: %s", out)
	}
	sheet := w.cli("postmortem", "show", "1", "--edit")
	for _, key := range []string{"summary", "root-causes", "trigger"} {
		head := "<!-- section: " + key + " -->\n"
		at := strings.Index(sheet, head)
		end := at + len(head) + strings.Index(sheet[at+len(head):], "\n") + 1 // below what is asked for
		sheet = sheet[:end] + "Words about the " + key + ": the connection pool.\n" + sheet[end:]
	}
	file := filepath.Join(w.dir, "1.md")
	write(t, file, sheet)
	w.cli("postmortem", "edit", "-f", file)
	w.cli("action", "add", "1", "Give retries a budget", "--owner", "ada@example.com", "--due", "2020-01-01", "--kind", "prevent")
	w.cli("postmortem", "submit", "1")
	if out, err := w.tryCLI("", "postmortem", "review", "1"); err == nil || !strings.Contains(out, "somebody else") {
		t.Errorf("who has written it has reviewed it: %s", out)
	}
	var other struct{ Token string }
	_, raw, _ := w.call(http.MethodPost, "/api/v1/tokens", map[string]string{"name": "grace", "role": "responder"})
	if err := json.Unmarshal(raw, &other); err != nil || other.Token == "" {
		t.Fatalf("%s %v", raw, err)
	}
	w.cli("postmortem", "review", "1", "--token", other.Token)
	w.cli("postmortem", "close", "1")
	if due := w.cli("postmortem", "due"); !strings.Contains(due, "Nothing is due") {
		t.Errorf("reviewed, and still due:\n%s", due)
	}
	if late := w.cli("action", "list", "--overdue"); !strings.Contains(late, "Give retries a budget") {
		t.Errorf("what is overdue:\n%s", late)
	}
	w.cli("action", "done", "1")
	if found := w.cli("postmortem", "list", "connection", "pools"); !strings.Contains(found, "closed") {
		t.Errorf("not found by its words:\n%s", found)
	}
	checkExports(t, w, i)
}

func checkExports(t *testing.T, w *world, i incidents.Incident) {
	t.Helper()
	for format, want := range map[string]string{"md": "## Root causes", "html": "<h2>Root causes</h2>", "pdf": "%PDF-"} {
		var first []byte
		for range 2 {
			file := filepath.Join(w.dir, "export."+format)
			w.cli("postmortem", "export", "1", "-o", file)
			raw, err := os.ReadFile(file)
			if err != nil || !strings.Contains(string(raw), want) {
				t.Errorf("%s: %v, without %s", format, err, want)
			}
			if first == nil {
				first = raw
			} else if string(first) != string(raw) {
				t.Errorf("two exports as %s differ", format)
			}
		}
	}
	var stored incidents.Incident
	if err := w.get("/api/v1/incidents/"+i.ID, &stored); err != nil || stored.PostmortemRequired == nil {
		t.Errorf("%+v %v", stored.PostmortemRequired, err)
	}
}
