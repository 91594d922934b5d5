package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/service/httpapi"
	"github.com/nines-sre/nines/slo"
)

// plane answers as the control plane does, and remembers what it was asked.
type plane struct {
	*httptest.Server
	asked []string
	body  map[string]any
}

func newPlane(t *testing.T, answers map[string]any) *plane {
	t.Helper()
	p := &plane{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what := r.Method + " " + r.URL.RequestURI()
		p.asked = append(p.asked, what)
		raw, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(raw, &p.body) // a GET has none
		longest, found := "", false
		for prefix := range answers {
			if strings.HasPrefix(what, prefix) && len(prefix) >= len(longest) {
				longest, found = prefix, true
			}
		}
		if !found {
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(answers[longest])
	}))
	t.Cleanup(p.Close)
	t.Setenv("NINES_TOKEN", "x")
	t.Setenv("NINES_SERVER", p.URL)
	return p
}

func TestTimesAreReadAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"now": "2026-11-23T12:00:00Z", "+2h": "2026-11-23T14:00:00Z", "-30m": "2026-11-23T11:30:00Z", "2026-11-23 22:00": "2026-11-23T22:00:00Z",
		"2026-11-23T23:00:00+01:00": "2026-11-23T22:00:00Z", "2026-11-24": "2026-11-24T00:00:00Z", "tomorrow": "", "": "", "22:00": "",
	} {
		got, err := parseTime("from", text, now)
		if (err != nil) != (want == "") || err == nil && got.Format(time.RFC3339) != want {
			t.Errorf("%q is %v, %v; want %s", text, got, err, want)
		}
	}
}

func TestACorrectionIsShownBeforeItIsMade(t *testing.T) {
	from := time.Date(2026, 11, 23, 22, 0, 0, 0, time.UTC)
	p := newPlane(t, map[string]any{
		"POST /api/v1/corrections/preview": httpapi.CorrectionPreview{EffectiveFrom: from, EffectiveTo: from.Add(2 * time.Hour),
			Effect:  slo.Effect{Excluded: slo.Counts{Good: 990, Total: 1000}, Minutes: 120},
			Budgets: []httpapi.BudgetChange{{SLO: "shop-availability", Labels: map[string]string{"tenant": "acme"}, Before: httpapi.BudgetFigure{Remaining: 0.5, Total: 9}, After: httpapi.BudgetFigure{Remaining: 0.75, Total: 9}}}},
		"POST /api/v1/corrections": httpapi.Correction{Correction: slo.Correction{ID: "c-1", Service: "shop", Kind: "maintenance"}, EffectiveFrom: from, EffectiveTo: from.Add(2 * time.Hour)},
	})
	words := []string{"slo", "maintenance", "--service", "shop", "--label", "tenant=acme", "--from", "2026-11-23 22:00", "--for", "2h", "--reason", "disks"}
	code, out, errOut := nines(t, words...)
	for _, want := range []string{"from 2026-11-23 22:00 UTC", "1 000 events", "10 of them errors", "50.0 %", "75.0 %", "Nothing was changed"} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("%d: does not say %q: %s%s", code, want, out, errOut)
		}
	}
	if p.body["service"] != "shop" || p.body["mode"] != "exclude" || p.body["kind"] != "maintenance" || p.body["to"] != "2026-11-24T00:00:00Z" || p.body["labels"].(map[string]any)["tenant"] != "acme" {
		t.Errorf("asked with %v", p.body)
	}
	if code, out, errOut := nines(t, append(words, "--yes")...); code != exitOK || !strings.Contains(out, "c-1: maintenance holds for service shop") {
		t.Errorf("%d: %s%s", code, out, errOut)
	}
	if len(p.asked) != 2 || p.asked[1] != "POST /api/v1/corrections" {
		t.Errorf("asked %q", p.asked)
	}
	if code, out, _ := nines(t, append(words, "--json")...); code != exitOK || !json.Valid([]byte(out)) {
		t.Errorf("%d: %s", code, out)
	}
	for _, bad := range [][]string{{"--for", "1h"}, {"--for", "1h", "--reason", "x", "--to", "now"}, {"--reason", "x"}, {"--for", "1h", "--reason", "x", "--label", "acme"}} {
		if code, _, errOut := nines(t, append([]string{"slo", "corrections", "add", "--slo", "a"}, bad...)...); code != exitUsage {
			t.Errorf("%v exits with %d: %s", bad, code, errOut)
		}
	}
	if code, _, _ := nines(t, "slo", "corrections", "add", "--slo", "a", "--reason", "x", "--from", "soon", "--for", "1h"); code != exitInvalid {
		t.Errorf("a time that is none exits with %d", code)
	}
}

func TestCorrectionsAreListedAndRevoked(t *testing.T) {
	from := time.Now().Add(-time.Hour)
	p := newPlane(t, map[string]any{
		"GET /api/v1/corrections": correctionsBody{Corrections: []httpapi.Correction{
			{Correction: slo.Correction{ID: "c-1", All: true, From: from, To: from.Add(2 * time.Hour), Mode: slo.ModeGood, Kind: "correction", Reason: "probe", Author: "ada@example.com"}}}},
		"POST /api/v1/corrections/c-1/revoke": httpapi.Correction{Correction: slo.Correction{ID: "c-1"}},
	})
	code, out, errOut := nines(t, "slo", "corrections", "list", "--slo", "shop", "--all")
	if code != exitOK || !strings.Contains(out, "every SLO") || !strings.Contains(out, "errors are good") || !strings.Contains(out, "now") || !strings.Contains(out, "ada@example.com") {
		t.Errorf("%d: %s%s", code, out, errOut)
	}
	if p.asked[0] != "GET /api/v1/corrections?limit=100&revoked=true&slo=shop" {
		t.Errorf("asked %q", p.asked)
	}
	if code, out, errOut := nines(t, "slo", "corrections", "revoke", "c-1", "-m", "put off"); code != exitOK || !strings.Contains(out, "c-1 is revoked") || p.body["reason"] != "put off" {
		t.Errorf("%d: %s%s %v", code, out, errOut, p.body)
	}
}

func TestASplitBudgetAddsUpOnTheScreen(t *testing.T) {
	from := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	to := from.Add(time.Hour)
	p := newPlane(t, map[string]any{"GET /api/v1/slos/shop-availability/budget": httpapi.BudgetSplit{SLO: "shop-availability", By: "incident", Errors: 40, Total: 100000,
		Allowed: 100, Spent: 0.4, Parts: []httpapi.BudgetPart{{Kind: "incident", Name: "#41", Title: "shop burns", Errors: 30, Share: 0.3, OfSpent: 0.75, From: &from, To: &to},
			{Kind: "rest", Name: "no incident", Errors: 10, Share: 0.1, OfSpent: 0.25}}}})
	code, out, errOut := nines(t, "slo", "budget", "--slo", "shop-availability", "--tenant", "acme")
	for _, want := range []string{"40.0 % of the error budget is spent", "#41", "30.0 %", "75.0 %", "no incident", "25.0 %", "100.0 %", "shop burns"} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("%d: does not say %q: %s%s", code, want, out, errOut)
		}
	}
	if p.asked[0] != "GET /api/v1/slos/shop-availability/budget?by=incident&tenant=acme" {
		t.Errorf("asked %q", p.asked)
	}
	if code, _, _ := nines(t, "slo", "budget", "--slo", "x", "--by", "colour"); code != exitUsage {
		t.Errorf("by colour exits with %d", code)
	}
}
