package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const convertible = `apiVersion: nines/v1
kind: SLO
metadata: {name: availability}
spec:
  service: shop
  objective: 99.9
  window: {calendar: month, zone: Europe/Berlin}
  sli: {latency: {histogram: h_seconds, threshold: 250ms}}
---
apiVersion: nines/v1
kind: SLO
metadata: {name: freshness}
spec:
  service: shop
  objective: 99
  sli: {threshold: {value: 'max(age)', op: "<", bound: 60}}
`

func TestConvertSaysWhatIsLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(path, []byte(convertible), 0o600); err != nil {
		t.Fatal(err)
	}
	for format, want := range map[string]struct{ out, lost string }{
		"nines": {"kind: SLO", ""}, "sloth": {"version: prometheus/v1", "is lost: Sloth has no calendar windows"},
		"kubernetes": {"kind: PrometheusServiceLevel", "counts the same: is written as events"}, "openslo": {"apiVersion: openslo/v1", "counts the same: is written as events"},
	} {
		code, out, errOut := nines(t, "slo", "convert", "-i", path, "--to", format)
		if code != exitOK || !strings.Contains(out, want.out) || !strings.Contains(errOut, want.lost) || want.lost == "" && errOut != "" {
			t.Errorf("--to %s exits with %d\n%s\n%s", format, code, out, errOut)
		}
	}
	if code, out, errOut := nines(t, "slo", "convert", "-i", path, "--to", "sloth", "--strict"); code != exitInvalid || out != "" || !strings.Contains(errOut, "--strict") {
		t.Errorf("--strict exits with %d\n%s\n%s", code, out, errOut)
	}
	if code, _, errOut := nines(t, "slo", "convert", "-i", path, "--to", "pyrra"); code != exitUsage || !strings.Contains(errOut, "nines, sloth, kubernetes or openslo") {
		t.Errorf("an unknown format exits with %d: %s", code, errOut)
	}
}

func TestConvertReadsWhatItCannotCount(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.yaml")
	text := "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: a}\nspec:\n  service: b\n  indicator: {spec: {thresholdMetric: {metricSource: {type: Datadog, spec: {query: x}}}}}\n  objectives: [{op: lt, value: 1, target: 0.9}]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errOut := nines(t, "slo", "convert", "-i", path, "--to", "nines"); code != exitOK || out != "" || !strings.Contains(errOut, "its source is Datadog") {
		t.Errorf("exits with %d\n%s\n%s", code, out, errOut)
	}
	if code, out, errOut := nines(t, "validate", "-f", path); code != exitOK || !strings.Contains(out, "1 documents in 1 files are fine") || !strings.Contains(errOut, "its source is Datadog") {
		t.Errorf("validate exits with %d\n%s\n%s", code, out, errOut)
	}
	if code, _, errOut := nines(t, "slo", "convert", "-i", path, "--to", "nines", "--strict"); code != exitInvalid {
		t.Errorf("--strict exits with %d: %s", code, errOut)
	}
}

func TestConvertWritesFoldersAndJSON(t *testing.T) {
	dir := t.TempDir()
	path, out := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "out")+"/"
	if err := os.WriteFile(path, []byte(convertible), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, text, errOut := nines(t, "slo", "convert", "-i", path, "--to", "openslo", "-o", out); code != exitOK || !strings.Contains(text, "wrote 2 of 2 SLOs") {
		t.Fatalf("exits with %d: %s%s", code, text, errOut)
	}
	for _, name := range []string{"shop-availability.yaml", "shop-freshness.yaml"} {
		if code, _, errOut := nines(t, "validate", "-f", filepath.Join(out, name)); code != exitOK {
			t.Errorf("%s: %s", name, errOut)
		}
	}
	code, text, errOut := nines(t, "slo", "convert", "-i", path, "--to", "sloth", "--json")
	var made conversion
	if err := json.Unmarshal([]byte(text), &made); code != exitOK || err != nil || errOut != "" {
		t.Fatalf("exits with %d, %v: %s", code, err, errOut)
	}
	if made.SLOs != 2 || len(made.Files) != 1 || len(made.Losses) != 3 || made.Losses[0].Field == "" {
		t.Errorf("made %+v", made)
	}
}
