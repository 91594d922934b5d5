package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/pagerduty/pagerdutytest"
)

func TestAnImportCanBeApplied(t *testing.T) {
	server := pagerdutytest.NewREST(t, "u+key", map[string][]any{
		"users": {map[string]any{"id": "PADA", "name": "Ada", "email": "ada@acme.example"}}, "schedules": {}, "incidents": {},
		"escalation_policies": {map[string]any{"id": "PEP", "name": "Core", "escalation_rules": []any{map[string]any{
			"escalation_delay_in_minutes": 5, "targets": []any{map[string]any{"id": "PADA", "type": "user_reference"}}}}}},
		"services": {map[string]any{"id": "PSVC", "name": "Shop", "auto_resolve_timeout": 60, "escalation_policy": map[string]any{"id": "PEP"}}},
	})
	dir := t.TempDir()
	token, out := filepath.Join(dir, "token"), filepath.Join(dir, "out")
	if err := os.WriteFile(token, []byte("u+key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, text, errOut := nines(t, "import", "pagerduty", "--token-file", token, "--out", out, "--endpoint", server.URL)
	if code != exitOK || !strings.Contains(text, "1 services") || !strings.Contains(text, "by a timer") || strings.Contains(text+errOut, "u+key") {
		t.Fatalf("exits with %d\n%s\n%s", code, text, errOut)
	}
	if code, text, errOut := nines(t, "validate", "-f", out); code != exitOK || !strings.Contains(text, "2 documents in 2 files are fine") {
		t.Errorf("validate exits with %d\n%s\n%s", code, text, errOut)
	}
	if code, _, errOut := nines(t, "import", "pagerduty", "--out", out); code != exitUsage || !strings.Contains(errOut, "token-file") {
		t.Errorf("without a token exits with %d: %s", code, errOut)
	}
	if code, _, errOut := nines(t, "import", "pagerduty", "--token-file", filepath.Join(dir, "none"), "--out", out); code != exitInvalid {
		t.Errorf("with no such file exits with %d: %s", code, errOut)
	}
}

func TestPastIncidentsAreSentInParts(t *testing.T) {
	var parts []int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var sent struct {
			Tenant    string           `json:"tenant"`
			Incidents []incidents.Past `json:"incidents"`
		}
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil || r.URL.Path != "/api/v1/incidents/past" || sent.Tenant != "acme" {
			t.Errorf("%s %v %+v", r.URL.Path, err, sent.Tenant)
		}
		parts = append(parts, len(sent.Incidents))
		fmt.Fprintf(w, `{"taken":%d,"known":1}`, len(sent.Incidents)-1)
	}))
	defer server.Close()
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	past := slices.Repeat([]incidents.Past{{Source: "x", ID: "1", Title: "t", OpenedAt: at, ResolvedAt: at}}, 450)
	text, _ := json.Marshal(past)
	path := filepath.Join(t.TempDir(), "past.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := nines(t, "import", "incidents", path, "--tenant", "acme", "--server", server.URL, "--token", "t", "--json")
	if code != exitOK || !slices.Equal(parts, []int{200, 200, 50}) || !strings.Contains(out, `"taken": 447`) {
		t.Errorf("exits with %d, sent %v\n%s%s", code, parts, out, errOut)
	}
	if err := os.WriteFile(path, []byte(`[{"source": "x", "name": "y"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := nines(t, "import", "incidents", path, "--token", "t"); code != exitInvalid || !strings.Contains(errOut, "not a JSON list of past incidents") {
		t.Errorf("an unknown field exits with %d: %s", code, errOut)
	}
}

func TestPeopleGetAccountsAndZones(t *testing.T) {
	var zones []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var sent map[string]any
		_ = json.NewDecoder(r.Body).Decode(&sent)
		switch {
		case r.URL.Path == "/api/v1/me/quiet":
			zones = append(zones, r.URL.Query().Get("person")+" "+fmt.Sprint(sent["zone"]))
			fmt.Fprint(w, `{}`)
		case sent["email"] == "ben@acme.example":
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusConflict)
			fmt.Fprint(w, `{"title":"Conflict","status":409,"detail":"there is already an account with this e-mail address"}`)
		default:
			if len(fmt.Sprint(sent["password"])) < 12 || sent["role"] != "responder" {
				t.Errorf("%v", sent)
			}
			fmt.Fprint(w, `{}`)
		}
	}))
	defer server.Close()
	path := filepath.Join(t.TempDir(), "users.json")
	text := `[{"id":"P1","name":"Ada","email":"Ada@acme.example","timeZone":"Europe/Berlin","contacts":[]},{"name":"Ben","email":"ben@acme.example"},{"name":"Cy"}]`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := nines(t, "import", "people", path, "--server", server.URL, "--token", "t")
	if code != exitOK || !strings.Contains(out, "ada@acme.example") || !strings.Contains(out, "known") || !strings.Contains(out, "has no e-mail address") ||
		!slices.Equal(zones, []string{"ada@acme.example Europe/Berlin"}) {
		t.Errorf("exits with %d, zones %v\n%s%s", code, zones, out, errOut)
	}
}
