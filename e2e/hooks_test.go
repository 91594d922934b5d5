//go:build e2e

package e2e

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/pagerduty/pagerdutytest"
)

const integrations = `
---
apiVersion: nines/v1
kind: Integration
metadata: {name: monitoring}
spec: {type: events, secret: {env: E2E_HOOK_TOKEN}}
---
apiVersion: nines/v1
kind: Integration
metadata: {name: checks}
spec:
  type: template
  secret: {env: E2E_HOOK_TOKEN}
  service: checks
  options:
    mapping: {each: body.alerts, key: item.id, summary: item.text, ended: item.state == "closed", severity: '"warning"'}
---
apiVersion: nines/v1
kind: Integration
metadata: {name: repository}
spec: {type: github, secret: {env: E2E_HOOK_TOKEN}, service: shop}
---
apiVersion: nines/v1
kind: Integration
metadata: {name: pager}
spec: {type: pagerduty, secret: {env: E2E_HOOK_TOKEN}}
`

const hookToken = "a-token-that-is-long-enough-0001"

// hook calls an integration as the tool does.
func (p *plane) hook(t *testing.T, name string, header http.Header, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, p.url("/hooks/"+name), bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header.Clone()
	if req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(text)
}

// TestToolsCallAndPeopleAnswerThroughHooks has tools tell alerts and changes over the wire, and somebody acknowledge in
// PagerDuty.
func TestToolsCallAndPeopleAnswerThroughHooks(t *testing.T) {
	t.Parallel()
	w := &world{sink: startSink(t)}
	w.plane = startPlane(t, planeOptions{env: append([]string{"E2E_HOOK_TOKEN=" + hookToken}, pageKeys...), args: []string{"--prometheus-url", quietPrometheus(t)}})
	path := filepath.Join(w.dir, "definitions.yaml")
	write(t, path, strings.ReplaceAll(pagingOnly, "SINK", w.sink.URL)+integrations)
	w.cli("apply", "-f", path)

	bearer := http.Header{"Authorization": {"Bearer " + hookToken}}
	for name, c := range map[string]struct {
		at     string
		header http.Header
		want   int
	}{
		"a wrong token":       {"monitoring", http.Header{"Authorization": {"Bearer guessed"}}, http.StatusUnauthorized},
		"none":                {"monitoring", http.Header{}, http.StatusUnauthorized},
		"an unknown name":     {"monitorin", bearer, http.StatusNotFound},
		"an unsigned webhook": {"pager", http.Header{}, http.StatusUnauthorized},
	} {
		if code, body := w.hook(t, c.at, c.header, `{"summary": "x"}`); code != c.want {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}

	trigger := fmt.Sprintf(`{"routing_key": %q, "event_action": "trigger", "dedup_key": "backup/db1",
		"payload": {"summary": "The backup of db1 failed", "source": "db1", "severity": "critical"}}`, hookToken)
	for range 2 { // told twice it is one
		if code, body := w.hook(t, "monitoring", http.Header{}, trigger); code != http.StatusAccepted {
			t.Fatalf("an event in PagerDuty's form: %d %s", code, body)
		}
	}
	incident := w.openIncident(t, "The backup of db1 failed")
	eventually(t, 10*time.Second, "it is paged", func() error {
		if n := len(w.sink.pages()); n != 1 {
			return fmt.Errorf("%d pages", n)
		}
		return nil
	})

	acked := pagerdutytest.Webhook{ID: "e1", Type: "incident.acknowledged", Agent: pagerdutytest.User("PADA", "Ada"), Incident: "Q1", Key: incident.ID + "/default"}
	body := acked.Body()
	if code, text := w.hook(t, "pager", pagerdutytest.Sign(body, hookToken), string(body)); code/100 != 2 {
		t.Fatalf("PagerDuty's webhook: %d %s", code, text)
	}
	if i := w.incident(incident.ID); i.State != incidents.Acknowledged || i.AcknowledgedBy != "Ada" {
		t.Errorf("it is %s by %q", i.State, i.AcknowledgedBy)
	}
	if code, text := w.hook(t, "monitoring", bearer, `{"action": "resolve", "dedup_key": "backup/db1"}`); code/100 != 2 {
		t.Fatalf("the end: %d %s", code, text)
	}
	eventually(t, 30*time.Second, "it is resolved", func() error {
		if i := w.incident(incident.ID); i.State != incidents.Resolved {
			return fmt.Errorf("it is %s", i.State)
		}
		return nil
	})

	if code, text := w.hook(t, "checks", bearer, `{"alerts": [{"id": 7, "text": "disk of db2", "state": "open"}, {"id": 8, "text": "x", "state": "closed"}]}`); code/100 != 2 {
		t.Fatalf("any JSON: %d %s", code, text)
	}
	w.openIncident(t, "disk of db2")

	push := `{"ref": "refs/heads/main", "after": "0123456789abcdef0123456789abcdef01234567", "created": false, "deleted": false,
		"repository": {"full_name": "acme/shop", "name": "shop", "default_branch": "main", "html_url": "https://github.com/acme/shop"},
		"head_commit": {"id": "0123456789abcdef0123456789abcdef01234567", "message": "Sell more", "timestamp": "` + time.Now().UTC().Format(time.RFC3339) + `", "url": "https://github.com/acme/shop/commit/0123456", "author": {"name": "ana"}},
		"pusher": {"name": "ana"}, "sender": {"login": "ana"}}`
	mac := hmac.New(sha256.New, []byte(hookToken))
	mac.Write([]byte(push))
	signed := http.Header{"X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(mac.Sum(nil))}, "X-Github-Event": {"push"}, "X-Github-Delivery": {"d1"}}
	for range 2 {
		if code, text := w.hook(t, "repository", signed, push); code/100 != 2 {
			t.Fatalf("a push: %d %s", code, text)
		}
	}
	var changes struct {
		Changes []struct{ Service, Change string } `json:"changes"`
	}
	if err := w.get("/api/v1/changes", &changes); err != nil {
		t.Fatal(err)
	}
	if len(changes.Changes) != 1 || changes.Changes[0].Service != "shop" || !strings.HasPrefix(changes.Changes[0].Change, "0123456") {
		t.Errorf("changes %+v", changes.Changes)
	}
}

// openIncident waits for the open incident with the title.
func (w *world) openIncident(t *testing.T, title string) incidents.Incident {
	t.Helper()
	var found incidents.Incident
	eventually(t, 10*time.Second, "an incident is open: "+title, func() error {
		var body struct {
			Incidents []incidents.Incident `json:"incidents"`
		}
		if err := w.get("/api/v1/incidents?state=triggered", &body); err != nil {
			return err
		}
		for _, i := range body.Incidents {
			if strings.Contains(i.Title+i.Summary, title) {
				found = i
				return nil
			}
		}
		return fmt.Errorf("%d others", len(body.Incidents))
	})
	return found
}
