package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/slo/packs"
)

func TestAnExplanationFitsATerminalAndSaysNoNonsense(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	paths := []string{"../../examples/quickstart/shop-slos.yaml", "../../examples/quickstart/nines-slos.yaml", "../../examples/sloth/shop.yml"}
	for _, p := range packs.All() {
		files, err := p.Files(nil)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, files.SLOs.Name)
		if err := os.WriteFile(path, []byte(files.SLOs.Text), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	for _, path := range paths {
		for _, rate := range []string{"1e-6", "0.01", "10", "1e6"} {
			code, out, errOut := nines(t, "slo", "explain", "-i", path, "--rate", rate)
			if code != exitOK {
				t.Fatalf("%s exits with %d: %s", path, code, errOut)
			}
			for _, line := range strings.Split(out, "\n") {
				if utf8.RuneCountInString(strings.TrimRight(line, " ")) > 80 {
					t.Errorf("%s at %s: %d columns: %s", path, rate, utf8.RuneCountInString(line), line)
				}
			}
			for _, nonsense := range []string{"NaN", "+Inf", " Inf ", "%!", " -0", " 1 days", "(0s", "e+", "e-0"} {
				if i := strings.Index(out, nonsense); i >= 0 {
					t.Errorf("%s at %s says %q: %s", path, rate, nonsense, out[max(0, i-60):min(len(out), i+60)])
				}
			}
		}
	}
}

func TestAnExplanationTellsTheDefinition(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.yaml")
	text := `
apiVersion: nines/v1
kind: SLO
metadata: {name: availability}
spec:
  service: shop
  objective: 99.9
  window: {calendar: month, zone: Europe/Berlin}
  objectives: [{name: week, objective: 99, window: 7d, page: {off: true}}]
  gap: bad
  groupBy: [tenant, region]
  sli: {events: {errors: 'e_total{job="shop"}', total: 't_total{job="shop"}'}}
---
apiVersion: nines/v1
kind: SLO
metadata: {name: speed}
spec: {service: shop, objective: 99, slices: {target: 95}, sli: {latency: {histogram: h_seconds, selector: '{job="shop"}', threshold: 250ms}}}
---
apiVersion: nines/v1
kind: SLO
metadata: {name: whole}
spec: {service: shop, objective: 99, sli: {composite: {parts: [{slo: shop-availability, weight: 3}, {slo: shop-speed, weight: 1}]}}}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := nines(t, "slo", "explain", "-i", path)
	if code != exitOK {
		t.Fatalf("exits with %d: %s", code, errOut)
	}
	plain := strings.Join(strings.Fields(out), " ")
	for _, want := range []string{
		`Bad is what e_total{job="shop"} counts, of all of t_total{job="shop"}`, "99.9 % good over each calendar month (Europe/Berlin), so 0.1 % may fail",
		"about 43.2 minutes of total outage in the window (taken as 30 days)", "about 25 920 failed of 25 920 000", "page-fast 1h/5m 52s 8m38s never never 2 %",
		"counts as bad", "error budget and alerts for each tenant", "Further objective: shop-availability-week", "one of 1 minute is bad where fewer than 95 %",
		"shop-availability weighs 3 (75 % of the whole)", "took longer than 250ms", "At one event every minute", "There is no alert for lost targets",
	} {
		if !strings.Contains(plain, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	code, out, _ = nines(t, "slo", "explain", "-i", path, "--json")
	var body struct {
		SLOs []explanationBody `json:"slos"`
	}
	if err := json.Unmarshal([]byte(out), &body); code != exitOK || err != nil || len(body.SLOs) != 3 || body.SLOs[0].Allowance.WindowMinutes != 43.2 || body.SLOs[0].Service != "shop" {
		t.Errorf("%d, %v: %.300s", code, err, out)
	}
}

func TestAWrongRateOrFileIsSaidSo(t *testing.T) {
	t.Parallel()
	for _, rate := range []string{"0", "-3", "NaN", "Inf"} {
		if code, _, _ := nines(t, "slo", "explain", "-i", "../../examples/sloth", "--rate", rate); code != exitUsage {
			t.Errorf("a rate of %s exits with %d", rate, code)
		}
	}
	if code, _, _ := nines(t, "slo", "explain", "-i", t.TempDir()); code != exitInvalid {
		t.Errorf("an empty folder exits with %d", code)
	}
}

func TestDurationsLoseTheirZeros(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 5 * time.Minute: "5m", 518400 * time.Millisecond: "8m38s", 36 * time.Hour: "1d12h", 72 * time.Hour: "3d", 3600*time.Second + 20*time.Second: "1h", 25*time.Hour + 59*time.Minute: "1d1h",
	} {
		if got := compact(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
	for s, want := range map[float64]string{1: "1 second", 60: "1 minute", 90: "90 seconds", 86400: "1 day", 604800: "7 days", 0.5: "0.5 seconds"} {
		if got := spoken(s); got != want {
			t.Errorf("%v: %q, want %q", s, got, want)
		}
	}
}
