package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/slo"
)

func nines(t *testing.T, words ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), words, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

func TestAWrongCommandLineIsUsage(t *testing.T) {
	t.Setenv("NINES_TOKEN", "x")
	for _, words := range [][]string{{"fooo"}, {"slo", "bar"}, {"incidents", "ack"}, {"apply"}, {"slo", "status", "--colour"}, {"slo", "status", "--server", "nowhere"}} {
		if code, _, errOut := nines(t, words...); code != exitUsage {
			t.Errorf("nines %v exits with %d: %s", words, code, errOut)
		}
	}
}

func TestWithoutATokenItSaysHowToGetOne(t *testing.T) {
	t.Setenv("NINES_TOKEN", "")
	code, _, errOut := nines(t, "posture", "--data", t.TempDir())
	if code != exitFailed || !strings.Contains(errOut, "NINES_TOKEN") || !strings.Contains(errOut, "cli-token") {
		t.Errorf("exits with %d: %s", code, errOut)
	}
}

func TestAServerThatIsAwayIsSaidSo(t *testing.T) {
	t.Setenv("NINES_TOKEN", "x")
	code, _, errOut := nines(t, "posture", "--server", "http://127.0.0.1:1")
	if code != exitFailed || !strings.Contains(errOut, "is 'nines serve' running?") {
		t.Errorf("exits with %d: %s", code, errOut)
	}
}

func TestValidateAndGenerateNeedNoServer(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("version: prometheus/v1\nservice: shop\nslos:\n- name: requests\n  objective: 99.9\n" +
		"  sli: {events: {error_query: 'sum(rate(e_total{job=\"a\"}[{{.window}}]))', total_query: 'sum(rate(t_total{job=\"a\"}[{{.window}}]))'}}\n  alerting: {name: Burn}\n")
	if code, out, errOut := nines(t, "validate", "-f", dir); code != exitOK || !strings.Contains(out, "1 documents in 1 files are fine") {
		t.Errorf("validate exits with %d: %s%s", code, out, errOut)
	}
	if code, out, errOut := nines(t, "slo", "generate", "-i", path); code != exitOK || !strings.Contains(out, "slo:sli_error:ratio_rate5m") {
		t.Errorf("generate exits with %d: %.200s%s", code, out, errOut)
	}
	write("apiVersion: nines/v1\nkind: SLO\nmetadata: {name: x}\nspec: {servise: shop, objective: 100}\n")
	code, _, errOut := nines(t, "validate", "-f", path)
	if code != exitInvalid || !strings.Contains(errOut, "a.yaml:4") || !strings.Contains(errOut, "did you mean service?") {
		t.Errorf("validate exits with %d: %s", code, errOut)
	}
}

func TestFiguresAreCutAndNeverFlattered(t *testing.T) {
	t.Parallel()
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(percent(0.9999), "99.9 %")
	f(percent(1), "100.0 %")
	f(figure(99.8996), "99.899 %")
	f(figure(100), "100.000 %")
	f(left(slo.Status{}), missing)
	f(left(slo.Status{Traffic: true, Remaining: -351.4}), "spent 352 times")
	f(sli(slo.Status{SLI: 100}), "no traffic")
	f(count(1234567), "1 234 567")
	f(count(-1234), "-1 234")
	f(short(90*time.Second), "1m30s")
	f(short(49*time.Hour), "2d01h")
	f(printable("a\x1b[31mb\nc"), "a [31mb c")
}
