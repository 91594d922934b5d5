package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/service/prom"
)

const backtestSpec = `apiVersion: nines/v1
kind: SLO
metadata: {name: availability}
spec:
  service: shop
  objective: 99.9
  sli: {events: {errors: 'http_requests_total{job="shop",code="500"}', total: 'http_requests_total{job="shop"}'}}
`

var backtestBegin = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// outage is an hour of one error in ten, in two days of none.
func outage(at time.Time) bool {
	since := at.Sub(backtestBegin)
	return since > 30*time.Hour && since <= 31*time.Hour
}

func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const outageIncident = "start,end,name\n2026-11-02T06:00:00Z,2026-11-02T07:00:00Z,outage\n"

// TestBacktestOfARealPrometheus stores two days in Debian's Prometheus and replays them.
func TestBacktestOfARealPrometheus(t *testing.T) {
	dir := folder(t, map[string]string{"slo.yaml": backtestSpec, "known.csv": outageIncident})
	url := startPrometheus(t, openMetrics())
	svg := filepath.Join(dir, "out.svg")
	words := []string{"slo", "backtest", "-f", filepath.Join(dir, "slo.yaml"), "--prometheus-url", url, "--days", "2", "--to", "2026-11-03T00:00:00Z", "--incidents", filepath.Join(dir, "known.csv")}
	code, out, errOut := nines(t, append(words, "--json", "--svg", svg)...)
	if code != exitOK {
		t.Fatalf("exits with %d: %s", code, errOut)
	}
	var got backtestBody
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Rules) != 3 {
		t.Fatalf("want ours, Sloth's and Pyrra's rules: %s", out)
	}
	// Ours: five minutes, and one interval, because the last errors are scraped just when an interval has closed.
	for i, limit := range []struct{ delay, reset float64 }{{10 * 60, 6 * 60}, {10 * 60, 30 * 60}, {12 * 60, 32 * 60}} {
		set := got.Rules[i]
		if s := set.Score; s == nil || s.Detected != 1 || s.Precision != 1 || *s.DelayMedian > limit.delay || *s.ResetMedian > limit.reset {
			t.Errorf("%s: %+v", set.Name, set.Score)
		}
	}
	if g := got.Groups[0]; g.Total != 2*24*3600*20 || g.Errors != 3600*2 || g.Coverage < 0.999 {
		t.Errorf("counted %+v", g)
	}
	if text, err := os.ReadFile(svg); err != nil || !strings.HasPrefix(string(text), "<svg") {
		t.Errorf("the drawing: %v", err)
	}
	code, out, errOut = nines(t, append(words, "--ascii", "--tune")...)
	for _, want := range []string{"page-fast", "outage", "sloth", "pyrra", "proposal 1", "alerting:", "1 incidents"} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("exits with %d, lacks %q: %s%s", code, want, errOut, out)
		}
	}
}

// openMetrics is two days of two instances, scraped every 30 seconds, ten requests a second each.
func openMetrics() string {
	var b strings.Builder
	b.WriteString("# TYPE http_requests counter\n")
	for _, instance := range []string{"a", "b"} {
		good, bad := 0, 0
		for at := backtestBegin.Add(-5 * time.Minute); !at.After(backtestBegin.Add(48 * time.Hour)); at = at.Add(30 * time.Second) {
			if outage(at) {
				good, bad = good+270, bad+30
			} else {
				good += 300
			}
			fmt.Fprintf(&b, "http_requests_total{job=\"shop\",instance=%q,code=\"200\"} %d %d\n", instance, good, at.Unix())
			fmt.Fprintf(&b, "http_requests_total{job=\"shop\",instance=%q,code=\"500\"} %d %d\n", instance, bad, at.Unix())
		}
	}
	b.WriteString("# EOF\n")
	return b.String()
}

// startPrometheus serves the samples from a real one and returns its URL.
func startPrometheus(t testing.TB, text string) string {
	t.Helper()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is not installed; run make setup")
	}
	prometheus, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatal("prometheus is not installed; run make setup")
	}
	dir := folder(t, map[string]string{"data.om": text, "prometheus.yml": "global: {}\n"})
	if out, err := exec.CommandContext(t.Context(), promtool, "tsdb", "create-blocks-from", "openmetrics", "-q", "--max-block-duration=24h", filepath.Join(dir, "data.om"), filepath.Join(dir, "data")).CombinedOutput(); err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := port.Addr().String()
	port.Close()
	cmd := exec.CommandContext(t.Context(), prometheus, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--storage.tsdb.retention.time=100y", "--storage.tsdb.max-block-duration=1d", "--web.listen-address="+address, "--log.level=error")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	client, err := prom.New("http://"+address, prom.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		if err = client.Ready(t.Context()); err == nil {
			return "http://" + address
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-time.After(50 * time.Millisecond)
	}
}

func TestBacktestOfCountsInAFile(t *testing.T) {
	t.Setenv("NINES_PROMETHEUS_URL", "")
	var counts strings.Builder
	counts.WriteString("time,total,errors\n")
	for at := backtestBegin.Add(time.Minute); !at.After(backtestBegin.Add(48 * time.Hour)); at = at.Add(time.Minute) {
		errors := 0
		if outage(at) {
			errors = 120
		}
		fmt.Fprintf(&counts, "%d,1200,%d\n", at.Unix(), errors)
	}
	dir := folder(t, map[string]string{"slo.yaml": backtestSpec, "counts.csv": counts.String(), "known.csv": outageIncident, "bad.csv": "start,end\nsoon,later\n"})
	path := func(name string) string { return filepath.Join(dir, name) }
	code, out, errOut := nines(t, "slo", "backtest", "-f", path("slo.yaml"), "--samples", path("counts.csv"), "--incidents", path("known.csv"))
	for _, want := range []string{"counts of a file", "⠀", "page-fast", "11-02 06:09:00", "2.0 %", "1/1", "sloth", "pyrra"} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("exits with %d, lacks %q: %s%s", code, want, errOut, out)
		}
	}
	if code, _, errOut := nines(t, "slo", "backtest", "-f", path("slo.yaml"), "--samples", path("counts.csv"), "--incidents", path("bad.csv")); code != exitInvalid || !strings.Contains(errOut, "bad.csv:2") {
		t.Errorf("bad incidents: exits with %d: %s", code, errOut)
	}
	if code, _, errOut := nines(t, "slo", "backtest", "-f", path("slo.yaml"), "--samples", path("counts.csv"), "--tune"); code != exitInvalid || !strings.Contains(errOut, "--incidents") {
		t.Errorf("tuning without incidents: exits with %d: %s", code, errOut)
	}
	for _, words := range [][]string{{}, {"-f", path("slo.yaml")}, {"-f", path("slo.yaml"), "--samples", "x", "--days", "0"}, {"-f", path("slo.yaml"), "--samples", path("counts.csv"), "--slo", "other"},
		{"-f", path("slo.yaml"), "--samples", "x", "--prometheus-url", "http://x"}} {
		if code, _, errOut := nines(t, append([]string{"slo", "backtest"}, words...)...); code != exitUsage {
			t.Errorf("%v exits with %d: %s", words, code, errOut)
		}
	}
}
