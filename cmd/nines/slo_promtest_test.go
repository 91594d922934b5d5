package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestWithoutPromtoolTheFilesAreWritten(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	dir := filepath.Join(t.TempDir(), "new")
	code, out, errOut := nines(t, "slo", "test", "-i", "../../examples/sloth", "-o", dir)
	if code != exitOK || !strings.Contains(out, "promtool test rules *.test.yaml") || !strings.Contains(out, "6 not run") && !strings.Contains(out, "7 not run") {
		t.Errorf("exits with %d: %s%s", code, out, errOut)
	}
	for _, name := range []string{"checkout-orders.rules.yaml", "checkout-orders.test.yaml"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if code, _, errOut := nines(t, "slo", "test", "-i", "../../examples/sloth"); code != exitFailed || !strings.Contains(errOut, "--promtool") {
		t.Errorf("without -o it exits with %d: %s", code, errOut)
	}
	if code, _, errOut := nines(t, "slo", "test", "-i", "../../examples/sloth", "-o", dir, "--promtool", "nowhere"); code != exitFailed || !strings.Contains(errOut, "nowhere") {
		t.Errorf("with one that is not there it exits with %d: %s", code, errOut)
	}
}

func TestRulesThatFailExitWithOne(t *testing.T) {
	t.Parallel()
	tool := filepath.Join(t.TempDir(), "promtool")
	if err := os.WriteFile(tool, []byte("#!/bin/sh\necho 'FAILED: boom'\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := nines(t, "slo", "test", "-i", "../../examples/sloth", "--promtool", tool, "--json")
	var told ruleTests
	if err := json.Unmarshal([]byte(out), &told); code != exitFailed || err != nil || told.Failed < 6 || told.Passed > 0 || !strings.Contains(told.Checks[0].Detail, "boom") {
		t.Errorf("exits with %d, %v: %s%s", code, err, out, errOut)
	}
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("apiVersion: nines/v1\nkind: SLO\nmetadata: {name: x}\nspec: {service: shop, objective: 100}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := nines(t, "slo", "test", "-i", bad, "--promtool", tool); code != exitInvalid {
		t.Errorf("bad input exits with %d: %s", code, errOut)
	}
}

func TestTheQuickstartsRulesPassInPromtool(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("promtool is not installed")
	}
	code, out, errOut := nines(t, "slo", "test", "-i", "../../examples/quickstart/shop-slos.yaml")
	if code != exitOK || !strings.Contains(out, "0 failed") || strings.Contains(out, "not run") {
		t.Errorf("exits with %d: %s%s", code, out, errOut)
	}
}
