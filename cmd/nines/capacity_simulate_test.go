package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// steepDays is a load that rises within a quarter of an hour every morning, a row a minute.
func steepDays(days int) string {
	var b strings.Builder
	b.WriteString("timestamp,value\n")
	for i := range days * 1440 {
		minute := float64(i % 1440)
		level := 300 + 2400/(1+math.Exp(-(minute-480)/4)) - 2400/(1+math.Exp(-(minute-1080)/12))
		fmt.Fprintf(&b, "%s,%.1f\n", backtestBegin.Add(time.Duration(i)*time.Minute).Format(time.DateTime), level*(1+0.03*math.Sin(float64(i*i%101))))
	}
	return b.String()
}

func packed(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestSimulateComparesPoliciesOnATrace(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"load.csv.gz": packed(t, steepDays(9))})
	file, svg := filepath.Join(dir, "load.csv.gz"), filepath.Join(dir, "frontier.svg")
	words := []string{"capacity", "simulate", "--trace", file, "--policy", "hpa,predictive,fixed:12,oracle", "--provisioning", "5m", "--price", "0.035"}
	code, out, errOut := nines(t, append(words, "--json", "--svg", svg)...)
	if code != exitOK {
		t.Fatalf("exits with %d: %s", code, errOut)
	}
	var got simulateBody
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if got.Points != 9*1440 || got.Step.Std() != time.Minute || got.WarmUp.Std() != 72*time.Hour || len(got.Outcomes) != 4 || len(got.Notes) != 0 {
		t.Errorf("read %d points %s apart, %s train, %d outcomes, notes %q", got.Points, got.Step, got.WarmUp, len(got.Outcomes), got.Notes)
	}
	hpa, ours, fixed := got.Outcomes[0], got.Outcomes[1], got.Outcomes[2]
	if ours.Under*2 > hpa.Under || hpa.Under == 0 {
		t.Errorf("with a forecast %v %% are missing, without %v %%", ours.Under, hpa.Under)
	}
	if text := got.Costs["fixed:12"].String(); fixed.ReplicaHours != 12*6*24 || text != "60.48" || got.Currency != "USD" { // 1728 × 0.035
		t.Errorf("12 replicas for six days, %v replica-hours, cost %s %s", fixed.ReplicaHours, text, got.Currency)
	}
	if len(got.Judged) != 1 || !got.Judged[0].Verdict.Acts() || !got.Judged[0].Trial.Verdict.Acts() {
		t.Errorf("the gate: %+v", got.Judged)
	}
	if picture, err := os.ReadFile(svg); err != nil || !strings.HasPrefix(string(picture), "<svg") || !strings.Contains(string(picture), "load.csv, provisioning 5m") {
		t.Errorf("the drawing: %v", err)
	}
	code, out, errOut = nines(t, append(words, "--sweep", "--ascii", "--target", "72")...)
	for _, want := range []string{"12960 points 1m apart", "The first 3d train only; the 6.0 days from 2026-11-04 00:00 UTC", "MISSING %", "72 %", "60.48",
		"h hpa   p predictive   f fixed:12   o oracle", "REPL-H RATIO", "Predictive may act: at equal replica-hours", "Put to the test: by the first 4.0 days alone the gate would let it act"} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("exits with %d, lacks %q: %s%s", code, want, errOut, out)
		}
	}
	for _, line := range strings.Split(out, "\n") {
		if strings.HasPrefix(line, "hpa ") && len([]rune(strings.TrimRight(line, " "))) > 80 {
			t.Errorf("a row of more than 80 columns: %s", line)
		}
	}
}

func TestSimulateTakesAnHPAAsItIs(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"load.csv": steepDays(2), "hpa.yaml": `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: shop}
spec:
  minReplicas: 20
  maxReplicas: 25
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 55}}}]
  behavior: {scaleDown: {selectPolicy: Disabled}}
`, "bad.yaml": "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nspec: {maxReplicas: 0}\n"})
	run := func(words ...string) simulateBody {
		t.Helper()
		words = append([]string{"capacity", "simulate", "--json", "--policy", "hpa", "--trace", filepath.Join(dir, "load.csv")}, words...)
		code, out, errOut := nines(t, words...)
		var got simulateBody
		if err := json.Unmarshal([]byte(out), &got); code != exitOK || err != nil {
			t.Fatalf("exits with %d: %s%v", code, errOut, err)
		}
		return got
	}
	file := filepath.Join(dir, "hpa.yaml")
	if got := run("--hpa", file).Outcomes[0]; *got.Target != 0.55 || got.ReplicaHoursPD != 25*24 {
		t.Errorf("never taken away below 25: target %v, %v replica-hours a day", *got.Target, got.ReplicaHoursPD)
	}
	if got := run("--hpa", file, "--target", "60", "--max", "22").Outcomes[0]; *got.Target != 0.6 || got.ReplicaHoursPD != 22*24 {
		t.Errorf("a flag does not win: target %v, %v replica-hours a day", *got.Target, got.ReplicaHoursPD)
	}
	if code, _, errOut := nines(t, "capacity", "simulate", "--trace", filepath.Join(dir, "load.csv"), "--hpa", filepath.Join(dir, "bad.yaml")); code != exitInvalid || !strings.Contains(errOut, "bad.yaml:3") {
		t.Errorf("a bad HPA: exits with %d: %s", code, errOut)
	}
}

func TestSimulateTellsWhatATraceLacks(t *testing.T) {
	t.Parallel()
	text := steepDays(2)
	lines := strings.Split(text, "\n")
	dir := folder(t, map[string]string{
		"short.csv": strings.Join(append(append([]string{}, lines[:1500]...), lines[1560:]...), "\n"),
		"bad.csv":   "timestamp,value\n2026-11-01 00:00:00,1\nsoon,2\n",
		"zero.csv":  "2026-11-01 00:00:00,0\n2026-11-01 00:01:00,0\n",
		"wide.csv":  "at,cpu,mem\n2026-11-01 00:00:00,1,2\n2026-11-01 00:01:00,1,2\n2026-11-01 00:02:00,1,2\n",
		"plain.gz":  "not packed",
	})
	path := func(name string) string { return filepath.Join(dir, name) }
	code, out, errOut := nines(t, "capacity", "simulate", "--trace", path("short.csv"))
	for _, want := range []string{"1 gaps, 1h of 2d without a value", "the load is unknown", "Forecast only: 1.3 days were judged and 3 are needed"} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("exits with %d, lacks %q: %s%s", code, want, errOut, out)
		}
	}
	if code, out, errOut := nines(t, "capacity", "simulate", "--trace", path("wide.csv"), "--column", "mem", "--policy", "hpa", "--per-replica", "1", "--warm-up", "0s"); code != exitOK || !strings.Contains(out, "hpa") {
		t.Errorf("a named column: exits with %d: %s", code, errOut)
	}
	for name, want := range map[string]string{"bad.csv": "bad.csv:3", "zero.csv": "--per-replica", "wide.csv": "cpu, mem", "plain.gz": "unpack", "none.csv": "none.csv"} {
		if code, _, errOut := nines(t, "capacity", "simulate", "--trace", path(name)); code != exitInvalid || !strings.Contains(errOut, want) {
			t.Errorf("%s: exits with %d: %s", name, code, errOut)
		}
	}
	for _, words := range [][]string{{}, {"--policy", "vpa"}, {"--target", "0"}, {"--provisioning", "soon"}, {"--between", "spline"}, {"--level", "1"}, {"--price", "cheap"},
		{"--zone", "Nowhere/Land"}, {"--from", "yesterday"}, {"--warm-up", "long"}, {"--peak-replicas", "0"}, {"--tolerance", "2"}} {
		words = append([]string{"capacity", "simulate"}, words...)
		if len(words) > 2 {
			words = append(words, "--trace", path("short.csv"))
		}
		if code, _, errOut := nines(t, words...); code != exitUsage {
			t.Errorf("%v exits with %d: %s", words[2:], code, errOut)
		}
	}
}
