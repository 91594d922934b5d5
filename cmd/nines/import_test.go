package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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
