package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/service/httpapi"
	"github.com/nines-sre/nines/slo"
)

// burning is a budget of which a third is spent by an outage in the middle, with two days unseen, and a month ahead.
func burning(now time.Time) burndownBody {
	b := burndownBody{SLO: "shop-availability", Tenant: "acme"}
	for i := range 240 {
		at := now.Add(-time.Duration(239-i) * 3 * time.Hour)
		left := 1 - float64(i)/2400
		if i > 120 {
			left -= 0.3
		}
		if i < 60 || i > 76 {
			b.Points = append(b.Points, httpapi.BurnPoint{At: at, Remaining: left})
		}
	}
	ahead := func(days float64) time.Time { return now.Add(time.Duration(days * 24 * float64(time.Hour))) }
	b.Prediction = slo.Prediction{At: now, Until: ahead(30), Enough: true, Hours: 672, Probability: 0.62, IfGone: slo.TimeQuantiles{P10: ahead(2), P50: ahead(8), P90: ahead(21)}}
	for i := range 31 {
		x := float64(i) / 30
		b.Prediction.Fan = append(b.Prediction.Fan, slo.FanPoint{At: ahead(float64(i)), ShareQuantiles: slo.ShareQuantiles{P10: 0.6 - 4*x, P50: 0.6 - 0.7*x, P90: 0.6 + 0.2*x}})
	}
	b.Prediction.Left = b.Prediction.Fan[30].ShareQuantiles
	return b
}

func TestTheBurnDownFitsItsColumns(t *testing.T) {
	t.Parallel()
	chart := burning(time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)).chart()
	for _, wide := range []int{30, 80, 100, 300} {
		for _, ascii := range []bool{false, true} {
			text := chart.text(wide, ascii)
			for line := range strings.Lines(text) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > wide {
					t.Errorf("a line of %d columns at %d: %q", n, wide, line)
				}
			}
			if i := strings.IndexFunc(text, func(r rune) bool { return r > '~' }); ascii && i >= 0 {
				t.Errorf("%q is not a plain character", text[i:i+4])
			}
		}
	}
	text := chart.text(100, true)
	for _, want := range []string{"100 %", "0 %", "24 Oct", "23 Dec", "now", "##", "..", "--"} {
		if !strings.Contains(text, want) {
			t.Errorf("the drawing lacks %q:\n%s", want, text)
		}
	}
	if top := strings.Split(text, "\n")[0]; !strings.Contains(top, "##   ") {
		t.Errorf("two days that nobody saw are no gap:\n%s", text)
	}
}

func TestBurnDownCommand(t *testing.T) {
	now := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	body := burning(now)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/slos/shop-availability/burndown" || r.URL.Query().Get("tenant") != "acme" {
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(body)
	}))
	defer server.Close()
	t.Setenv("NINES_TOKEN", "x")
	svg := filepath.Join(t.TempDir(), "out.svg")
	words := []string{"slo", "burndown", "--server", server.URL, "--slo", "shop-availability", "--tenant", "acme"}
	code, out, errOut := nines(t, append(words, "--svg", svg, "--ascii")...)
	for _, want := range []string{"shop-availability for acme", "At the burn of the last 28 days it lasts until 23 Dec 14:00 UTC with 38 % probability",
		"if not, it is gone between 2026-11-25 14:00 UTC and 2026-12-14 14:00 UTC, most likely about 2026-12-01 14:00 UTC", "Then -340 % to 80 % of it is left", "Drawn to"} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("exits with %d, lacks %q:\n%s%s", code, want, out, errOut)
		}
	}
	drawn, err := os.ReadFile(svg)
	if err != nil {
		t.Fatal(err)
	}
	for decoder := xml.NewDecoder(strings.NewReader(string(drawn))); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(string(drawn), `class="fan"`) || strings.Count(string(drawn), "M") < 4 {
		t.Error("the drawing lacks the fan or the gap")
	}
	code, out, _ = nines(t, append(words, "--json")...)
	var again burndownBody
	if err := json.Unmarshal([]byte(out), &again); code != exitOK || err != nil || len(again.Points) != len(body.Points) || len(again.Prediction.Fan) != 31 {
		t.Errorf("exits with %d: %v", code, err)
	}
	if code, _, _ := nines(t, "slo", "burndown"); code != exitUsage {
		t.Errorf("without an SLO it exits with %d", code)
	}
	body = burndownBody{SLO: "shop-availability", Prediction: slo.Prediction{Why: "7 hours of history were seen so far."}}
	if code, out, _ := nines(t, words...); code != exitOK || !strings.Contains(out, "cannot be told yet. 7 hours") {
		t.Errorf("exits with %d: %s", code, out)
	}
}

func TestGoneByIsAnInterval(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC) // a Monday
	prediction := func(probability, p10, p50, p90 float64) *slo.Prediction {
		ahead := func(days float64) time.Time { return now.Add(time.Duration(days * 24 * float64(time.Hour))) }
		return &slo.Prediction{Enough: true, Probability: probability, IfGone: slo.TimeQuantiles{P10: ahead(p10), P50: ahead(p50), P90: ahead(p90)}}
	}
	line := now.Add(5 * time.Hour)
	for _, c := range []struct {
		name   string
		status slo.Status
		wide   int
		want   string
	}{
		{"days", slo.Status{Remaining: 0.3, Exhausted: line, Prediction: prediction(0.62, 0.5, 1, 3)}, 0, "Tue 14:00 (Tue - Thu), 62 %"},
		{"weeks", slo.Status{Remaining: 0.3, Prediction: prediction(0.62, 2, 8, 21)}, 120, "1 Dec (25 Nov - 14 Dec), 62 %"},
		{"a narrow terminal", slo.Status{Remaining: 0.3, Prediction: prediction(0.62, 2, 8, 21)}, 80, "1 Dec, 62 %"},
		{"it lasts", slo.Status{Remaining: 0.3, Exhausted: line, Prediction: prediction(0.04, 2, 8, 21)}, 0, "lasts, 96 %"},
		{"spent", slo.Status{Remaining: -0.3, Exhausted: now, Prediction: prediction(1, 0, 0, 0)}, 0, "spent"},
		{"no prediction", slo.Status{Remaining: 0.3, Exhausted: line}, 0, "2026-11-23 19:00 UTC"},
		{"too little history", slo.Status{Remaining: 0.3, Exhausted: line, Prediction: &slo.Prediction{Why: "x"}}, 0, "2026-11-23 19:00 UTC"},
		{"neither", slo.Status{Remaining: 0.3}, 0, missing},
	} {
		c.status.Traffic = true
		if got := goneBy(c.status, now, c.wide); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := goneBy(slo.Status{Prediction: prediction(0.62, 1, 2, 3)}, now, 0); got != missing {
		t.Errorf("without traffic it is gone %q", got)
	}
}
